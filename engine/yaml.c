// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// libfyaml's events become the tree. Its documents are not used: they resolve aliases, and they are
// there only when the whole file is right.

#include "yaml.h"

#include <assert.h>
#include <errno.h>
#include <libfyaml.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	CHUNK_SIZE = 64 << 10,
	MESSAGE_SIZE = 600,
};

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(16) char data[];
};

// A list or map that is being read.
struct open {
	struct yaml_node *node;
	struct yaml_node *last; // child
	bool wants_value; // a map's last key has no value yet
};

struct yaml {
	struct chunk *chunks;
	struct yaml_node *root;
	bool is_broken;

	// While parsing.
	const char *file;
	int first_line;
	struct yaml_mistakes *mistakes;
	size_t n_nodes;
	int depth;
	struct open open[YAML_DEPTH_MAX];
};

// ---- Mistakes.

void yaml_mistake(
	struct yaml_mistakes *mistakes,
	const char *file,
	int line,
	int column,
	const char *format,
	...
) {
	char text[MESSAGE_SIZE];
	int used;
	va_list args;

	mistakes->n++;
	if (mistakes->report == NULL)
		return;
	if (line > 0)
		used = snprintf(text, sizeof(text), "%.300s:%d:%d: ", file, line, column);
	else
		used = snprintf(text, sizeof(text), "%.300s: ", file);
	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
	va_end(args);
	// What the file says is shown, but never steers the terminal.
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	mistakes->report(mistakes->ctx, text);
}

const char *yaml_kind_text(enum yaml_kind kind) {
	return kind == YAML_SCALAR ? "a value" : kind == YAML_LIST ? "a list" : "a map";
}

// ---- Files.

static char *file_read(FILE *file, size_t size_max, size_t *size_r) {
	size_t size = 0, room = 1 << 16;
	char *text = malloc(room + 1);

	while (text != NULL) {
		size += fread(text + size, 1, room - size, file);
		if (size < room || size > size_max)
			break;
		room *= 2;
		char *more = realloc(text, room + 1);
		if (more == NULL)
			free(text);
		text = more;
	}
	if (text != NULL)
		text[size] = '\0';
	*size_r = size;
	return text;
}

char *yaml_file(const char *path, size_t size_max, size_t *size_r, struct yaml_mistakes *mistakes) {
	FILE *file = fopen(path, "re");
	struct stat st;
	char *text = NULL;

	if (file == NULL) {
		yaml_mistake(mistakes, path, 0, 0, "%s", strerror(errno));
		return NULL;
	}
	if (fstat(fileno(file), &st) == 0 && S_ISDIR(st.st_mode)) {
		yaml_mistake(mistakes, path, 0, 0, "is a directory; a YAML file is needed");
		goto done;
	}
	text = file_read(file, size_max, size_r);
	if (text == NULL)
		yaml_mistake(mistakes, path, 0, 0, "no memory to read it");
	else if (ferror(file))
		yaml_mistake(mistakes, path, 0, 0, "%s", strerror(errno));
	else if (*size_r > size_max)
		yaml_mistake(
			mistakes,
			path,
			0,
			0,
			"is larger than %zu bytes; split it into several files",
			size_max
		);
	else
		goto done;
	free(text);
	text = NULL;
done:
	fclose(file);
	return text;
}

// ---- Memory: chunks that live as long as the tree.

static void *yaml_alloc(struct yaml *yaml, size_t size) {
	struct chunk *chunk = yaml->chunks;

	size = (size + 15) & ~(size_t)15;
	if (chunk == NULL || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		chunk = malloc(sizeof(*chunk) + room);
		if (chunk == NULL)
			return NULL;
		chunk->next = yaml->chunks;
		chunk->used = 0;
		chunk->size = room;
		yaml->chunks = chunk;
	}
	void *p = chunk->data + chunk->used;
	chunk->used += size;
	return p;
}

static struct yaml_node *node_new(struct yaml *yaml, enum yaml_kind kind) {
	struct yaml_node *node;

	if (yaml->n_nodes >= YAML_NODES_MAX)
		return NULL;
	node = yaml_alloc(yaml, sizeof(*node));
	if (node == NULL)
		return NULL;
	yaml->n_nodes++;
	*node = (struct yaml_node){.kind = kind, .text = ""};
	return node;
}

// ---- Building.

static struct open *top(struct yaml *yaml) {
	return yaml->depth > 0 ? &yaml->open[yaml->depth - 1] : NULL;
}

// Marks the node and everything it is in.
static void cut(struct yaml *yaml, struct yaml_node *node) {
	node->is_cut = true;
	for (int i = 0; i < yaml->depth; i++)
		yaml->open[i].node->is_cut = true;
}

static bool key_is_known(const struct yaml_node *map, const char *text) {
	for (const struct yaml_node *key = map->first; key != NULL; key = key->next)
		if (strcmp(key->text, text) == 0)
			return true;
	return false;
}

static void key_check(struct yaml *yaml, struct yaml_node *map, struct yaml_node *key) {
	if (key->kind != YAML_SCALAR)
		yaml_mistake(
			yaml->mistakes,
			yaml->file,
			key->line,
			key->column,
			"%s as a key; a key is a name",
			yaml_kind_text(key->kind)
		);
	else if (map->n >= YAML_KEYS_MAX)
		yaml_mistake(
			yaml->mistakes,
			yaml->file,
			key->line,
			key->column,
			"more than %d keys in one map; is this a list without its dashes?",
			YAML_KEYS_MAX
		);
	else if (key_is_known(map, key->text))
		yaml_mistake(
			yaml->mistakes,
			yaml->file,
			key->line,
			key->column,
			"%.60s: this key is here twice; remove one",
			key->text
		);
	else
		return;
	cut(yaml, key);
}

// Hangs a node where the file has it. 0, or -1: the map has too many keys to go on.
static int attach(struct yaml *yaml, struct yaml_node *node) {
	struct open *open = top(yaml);

	if (open == NULL) {
		yaml->root = node;
		return 0;
	}
	if (open->wants_value) {
		open->last->value = node;
		open->wants_value = false;
		return 0;
	}
	if (open->node->kind == YAML_MAP) {
		key_check(yaml, open->node, node);
		if (open->node->n >= YAML_KEYS_MAX)
			return -1;
		open->wants_value = true;
	}
	if (open->last == NULL)
		open->node->first = node;
	else
		open->last->next = node;
	open->last = node;
	open->node->n++;
	return 0;
}

static int scalar_text(struct yaml *yaml, struct fy_token *token, struct yaml_node *node) {
	size_t size = 0;
	const char *text = fy_token_get_text(token, &size);
	char *copy = yaml_alloc(yaml, size + 1);

	if (copy == NULL)
		return -1;
	if (size > 0)
		memcpy(copy, text, size);
	copy[size] = '\0';
	node->text = copy;
	node->is_plain = fy_token_scalar_style(token) == FYSS_PLAIN;
	if (memchr(copy, '\0', size) != NULL) {
		yaml_mistake(
			yaml->mistakes,
			yaml->file,
			node->line,
			node->column,
			"a NUL character; write what it stands for (in patterns: \\x00)"
		);
		cut(yaml, node);
	}
	return 0;
}

// An empty value has no place of its own: its key's serves.
static void place(struct yaml *yaml, struct fy_event *event, struct yaml_node *node) {
	const struct fy_mark *mark = fy_event_start_mark(event);
	struct open *open = top(yaml);

	if (mark != NULL) {
		// An alias's mark stands behind its asterisk.
		node->line = mark->line + yaml->first_line;
		node->column = mark->column + (event->type == FYET_ALIAS ? 0 : 1);
	} else if (open != NULL) {
		const struct yaml_node *near = open->last != NULL ? open->last : open->node;
		node->line = near->line;
		node->column = near->column;
	}
}

static int begin(struct yaml *yaml, struct fy_event *event, enum yaml_kind kind) {
	struct yaml_node *node = node_new(yaml, kind);

	if (node == NULL) {
		yaml_mistake(
			yaml->mistakes, yaml->file, 0, 0, "too large; split it into several files"
		);
		return -1;
	}
	place(yaml, event, node);
	if (event->type == FYET_SCALAR && event->scalar.value != NULL
	    && scalar_text(yaml, event->scalar.value, node) < 0)
		return -1;
	if (attach(yaml, node) < 0)
		return -1;
	if (event->type == FYET_ALIAS) {
		yaml_mistake(
			yaml->mistakes,
			yaml->file,
			node->line,
			node->column,
			"an alias (*name); write the value out (or quote a value that begins with "
			"*)"
		);
		cut(yaml, node);
	}
	if (kind == YAML_SCALAR)
		return 0;
	if (yaml->depth == YAML_DEPTH_MAX) {
		yaml_mistake(
			yaml->mistakes,
			yaml->file,
			node->line,
			node->column,
			"nested deeper than %d levels",
			YAML_DEPTH_MAX
		);
		return -1;
	}
	yaml->open[yaml->depth++] = (struct open){.node = node};
	return 0;
}

// 1: this document goes on, 0: it has ended, -1: it cannot go on.
static int take(struct yaml *yaml, struct fy_event *event) {
	switch (event->type) {
	case FYET_SCALAR:
	case FYET_ALIAS:
		return begin(yaml, event, YAML_SCALAR) < 0 ? -1 : 1;
	case FYET_SEQUENCE_START:
		return begin(yaml, event, YAML_LIST) < 0 ? -1 : 1;
	case FYET_MAPPING_START:
		return begin(yaml, event, YAML_MAP) < 0 ? -1 : 1;
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		assert(yaml->depth > 0);
		yaml->depth--;
		return 1;
	case FYET_DOCUMENT_END:
		return 0;
	default:
		return 1;
	}
}

// What would be right, by a word of what libfyaml says.
static const char *syntax_advice(const char *message) {
	static const struct {
		const char *word, *advice;
	} known[] = {
		{"tab", "indent with blanks"},
		{"single-quoted", "end the text with one quote, and write '' for a quote in it"},
		{"escape", "write \\\\ for a backslash in \"…\", or the text in '…'"},
		{"double-quoted", "end the text with one quote, and write \\\" for a quote in it"},
		{"nested block mapping", "write a value that holds a colon in '…'"},
		{"multiline plain key", "write a blank behind the colon of KEY: VALUE"},
		{"invalid value after", "write a value that begins with [ or { in '…'"},
		{"cannot start with", "write this value in '…'"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(message, known[i].word) != NULL)
			return known[i].advice;
	return "look at the indentation, brackets and quotes here and in the line before";
}

static void syntax_error(struct yaml *yaml, struct fy_diag *diag) {
	void *at = NULL;
	struct fy_diag_error *error = fy_diag_errors_iterate(diag, &at);

	if (error != NULL)
		yaml_mistake(
			yaml->mistakes,
			yaml->file,
			error->line + yaml->first_line - 1,
			error->column,
			"not YAML here: %s; %s",
			error->msg,
			syntax_advice(error->msg)
		);
	else
		yaml_mistake(yaml->mistakes, yaml->file, 0, 0, "not YAML");
}

static void parse(struct yaml *yaml, struct fy_parser *parser, struct fy_diag *diag) {
	struct fy_event *event;
	int rc = 1;

	while (rc == 1 && (event = fy_parser_parse(parser)) != NULL) {
		rc = take(yaml, event);
		fy_parser_event_free(parser, event);
	}
	if (rc == 1 && fy_parser_get_stream_error(parser)) {
		syntax_error(yaml, diag);
		rc = -1;
	}
	if (rc < 0) {
		yaml->is_broken = true;
		for (int i = 0; i < yaml->depth; i++)
			yaml->open[i].node->is_cut = true;
		return;
	}
	while (rc == 0 && (event = fy_parser_parse(parser)) != NULL) {
		if (event->type == FYET_DOCUMENT_START) {
			yaml_mistake(
				yaml->mistakes,
				yaml->file,
				0,
				0,
				"a second document (---); only the first is read"
			);
			rc = 1;
		}
		fy_parser_event_free(parser, event);
	}
}

// Where the text itself was cut, the last thing read may be half of what was meant.
static void cut_last(struct yaml_node *node) {
	while (node != NULL) {
		const struct yaml_node *last = node->first;

		node->is_cut = true;
		while (last != NULL && last->next != NULL)
			last = last->next;
		if (last != NULL && node->kind == YAML_MAP && last->value != NULL)
			last = last->value;
		node = (struct yaml_node *)last;
	}
}

// The length of the UTF-8 character at p, 0 when there is none (RFC 3629 section 4).
static size_t utf8_char(const unsigned char *p, size_t left) {
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n == 0 || n > left || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)
	    || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

// libfyaml takes bytes that are not UTF-8 for the end of the file and says nothing: the text is cut
// there beforehand, and that is said.
static size_t text_check(struct yaml *yaml, const char *text, size_t size) {
	int line = yaml->first_line, column = 1;

	for (size_t at = 0, n; at < size; at += n, column++) {
		n = utf8_char((const unsigned char *)text + at, size - at);
		if (n == 0 || text[at] == '\0') {
			yaml_mistake(
				yaml->mistakes,
				yaml->file,
				line,
				column,
				"byte 0x%02x is not text; the file must be UTF-8",
				(unsigned char)text[at]
			);
			yaml->is_broken = true;
			return at;
		}
		if (text[at] == '\n') {
			line++;
			column = 0;
		}
	}
	return size;
}

struct yaml *yaml_open(
	const char *file,
	const char *text,
	size_t size,
	int first_line,
	struct yaml_mistakes *mistakes
) {
	struct fy_parse_cfg parse_cfg = {
		.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
	};
	struct fy_diag_cfg diag_cfg;
	struct fy_parser *parser = NULL;
	struct yaml *yaml = calloc(1, sizeof(*yaml));

	if (yaml == NULL)
		return NULL;
	yaml->file = file;
	yaml->first_line = first_line;
	yaml->mistakes = mistakes;
	size = text_check(yaml, text, size);
	if (size == 0)
		return yaml;
	fy_diag_cfg_default(&diag_cfg);
	parse_cfg.diag = fy_diag_create(&diag_cfg);
	if (parse_cfg.diag == NULL)
		goto fail;
	fy_diag_set_collect_errors(parse_cfg.diag, true);
	parser = fy_parser_create(&parse_cfg);
	if (parser == NULL || fy_parser_set_string(parser, text, size) != 0)
		goto fail;
	parse(yaml, parser, parse_cfg.diag);
	if (yaml->is_broken)
		cut_last(yaml->root);
	fy_parser_destroy(parser);
	fy_diag_destroy(parse_cfg.diag);
	return yaml;

fail:
	fy_parser_destroy(parser);
	fy_diag_destroy(parse_cfg.diag);
	yaml_close(yaml);
	return NULL;
}

void yaml_close(struct yaml *yaml) {
	if (yaml == NULL)
		return;
	for (struct chunk *chunk = yaml->chunks, *next; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(yaml);
}

const struct yaml_node *yaml_root(const struct yaml *yaml) {
	return yaml->root;
}

bool yaml_is_broken(const struct yaml *yaml) {
	return yaml->is_broken;
}
