// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Talks in files (talk.h): read, played, and held against the facts they state.

#include "talk.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PARTS_MAX = 512 };

struct script {
	bool has_tokens, has_headers;
	struct play_part parts[PARTS_MAX];
	int n_parts;
	z_stream deflate[2];
	bool is_deflating[2];
	char *expected;
	size_t expected_size;
};

static void script_add(struct script *script, enum stream_dir dir, const char *data, size_t size) {
	struct play_part *part = &script->parts[script->n_parts > 0 ? script->n_parts - 1 : 0];

	if (script->n_parts == 0 || part->kind != PLAY_DATA || part->dir != dir) {
		assert(script->n_parts < PARTS_MAX);
		part = &script->parts[script->n_parts++];
		*part = (struct play_part){.kind = PLAY_DATA, .dir = dir};
	}
	char *all = realloc((void *)part->data, part->size + size + 1);
	assert(all != NULL);
	memcpy(all + part->size, data, size);
	part->data = all;
	part->size += size;
}

// The next piece of a direction's one deflated stream.
static void script_deflate(struct script *script, enum stream_dir dir, const char *text) {
	z_stream *z = &script->deflate[dir];
	size_t size = strlen(text) + 2;
	char *line = malloc(size + 1), *out = malloc(size + 64);

	if (!script->is_deflating[dir])
		if (deflateInit2(z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
			abort();
	script->is_deflating[dir] = true;
	assert(line != NULL && out != NULL);
	sprintf(line, "%s\r\n", text);
	z->next_in = (uint8_t *)line;
	z->avail_in = size;
	z->next_out = (uint8_t *)out;
	z->avail_out = size + 64;
	if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_out == 0)
		abort(); // not an assertion: builds without them need it, too
	script_add(script, dir, out, size + 64 - z->avail_out);
	free(line);
	free(out);
}

static size_t unescape(char *text) {
	char *to = text, *start = text;
	unsigned byte;

	for (; *text != '\0'; text++) {
		if (*text != '\\') {
			*to++ = *text;
			continue;
		}
		text++;
		if (*text == 'x' && sscanf(text + 1, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			text += 2;
		} else {
			*to++ = *text == 'r'   ? '\r'
				: *text == 'n' ? '\n'
				: *text == 't' ? '\t'
					       : *text;
		}
	}
	return to - start;
}

static enum session_event event_find(const char *name) {
	int event = 0;

	while (event < EVENT_COUNT && strcmp(session_event_name(event), name) != 0)
		event++;
	assert(event < EVENT_COUNT);
	return event;
}

static void script_line(struct script *script, char *line) {
	enum stream_dir dir = line[0] == 'S' ? STREAM_SERVER : STREAM_CLIENT;
	char *text = line[0] != '\0' && line[1] != '\0' && line[2] == ' ' ? line + 3
									  : line + strlen(line);
	unsigned long n;
	size_t size;
	char side;

	if (line[0] == '#' || line[0] == '\0')
		return;
	if (sscanf(line, "GAP %lu %c", &n, &side) == 2) {
		dir = side == 'S' ? STREAM_SERVER : STREAM_CLIENT;
		assert(script->n_parts < PARTS_MAX);
		script->parts[script->n_parts++] = (struct play_part){PLAY_GAP, dir, NULL, n};
	} else if (strcmp(line, "TOKENS") == 0) {
		script->has_tokens = true;
	} else if (strcmp(line, "HEADERS") == 0) {
		script->has_headers = true;
	} else if (strncmp(line, "EVENT ", 6) == 0) {
		assert(script->n_parts < PARTS_MAX);
		script->parts[script->n_parts++]
			= (struct play_part){PLAY_EVENT, dir, NULL, event_find(line + 6)};
	} else if (line[0] == '=' && line[1] == ' ') {
		n = strlen(line + 2);
		script->expected = realloc(script->expected, script->expected_size + n + 2);
		assert(script->expected != NULL);
		sprintf(script->expected + script->expected_size, "%s\n", line + 2);
		script->expected_size += n + 1;
	} else if (line[1] == ':') {
		script_add(script, dir, text, strlen(text));
		script_add(script, dir, "\r\n", 2);
	} else if (line[1] == '~') {
		script_deflate(script, dir, text);
	} else if (line[1] == '|') {
		n = unescape(text);
		script_add(script, dir, text, n);
	} else if (line[1] == '*') {
		n = strtoul(text, &text, 10);
		size = unescape(++text);
		for (; n > 0; n--)
			script_add(script, dir, text, size);
	} else {
		fprintf(stderr, "talk: what is \"%s\"?\n", line);
		abort();
	}
}

static struct script *script_read(const char *path) {
	struct script *script = calloc(1, sizeof(*script));
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t size;

	assert(script != NULL && file != NULL);
	while ((size = getline(&line, &cap, file)) > 0) {
		line[line[size - 1] == '\n' ? size - 1 : size] = '\0';
		script_line(script, line);
	}
	free(line);
	fclose(file);
	return script;
}

static void script_free(struct script *script) {
	for (int i = 0; i < script->n_parts; i++)
		free((void *)script->parts[i].data);
	for (int dir = 0; dir < 2; dir++)
		if (script->is_deflating[dir])
			deflateEnd(&script->deflate[dir]);
	free(script->expected);
	free(script);
}

static bool script_check(const char *path, const struct proto *proto, talk_dump *dump) {
	struct script *script = script_read(path);
	struct talk_reading reading = {
		.proto = proto,
		.dump = dump,
		.has_tokens = script->has_tokens,
		.has_headers = script->has_headers,
	};
	char *facts = play_check(&(struct play
	){path, &talk_reader, &reading, script->parts, (size_t)script->n_parts});
	bool is_right = facts != NULL && strcmp(facts, script->expected ?: "") == 0;

	if (facts != NULL && !is_right)
		fprintf(stderr,
			"%s:\n-- expected:\n%s-- found:\n%s",
			path,
			script->expected ?: "",
			facts);
	free(facts);
	script_free(script);
	return is_right;
}

int talk_check(const char *prefix, const struct proto *proto, talk_dump *dump) {
	DIR *dir = opendir("tests/talks");
	struct dirent *entry;
	char path[512];
	bool is_right = true;
	int n = 0;

	assert(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		size_t size = strlen(entry->d_name);
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || size < 5
		    || strcmp(entry->d_name + size - 5, ".talk") != 0)
			continue;
		snprintf(path, sizeof(path), "tests/talks/%s", entry->d_name);
		is_right &= script_check(path, proto, dump);
		n++;
	}
	closedir(dir);
	return is_right ? n : -1;
}
