// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CUTS_MAX = 2500, // all talks but those about sizes
	PREFIXES_MAX = 100,
	PLACES_MIN = 4, // of either, however long the input is
	CUTS_BYTES_MAX = 6 << 20, // played for the cuts of one input
	PREFIXES_BYTES_MAX = 1 << 20,
};

static size_t play_size(const struct play *play) {
	size_t size = 0;

	for (size_t i = 0; i < play->n_parts; i++)
		if (play->parts[i].kind == PLAY_DATA)
			size += play->parts[i].size;
	return size;
}

// The part's first byte is the at-th of all.
static void part_say(
	const struct play *play,
	void *reader,
	const struct play_part *part,
	size_t at,
	const struct play_way *way
) {
	size_t size = way->until > 0 && way->until < at + part->size ? way->until - at : part->size;

	for (size_t done = 0, n; done < size; done += n) {
		n = way->piece > 0 && way->piece < size - done ? way->piece : size - done;
		if (at + done < way->cut && way->cut < at + done + n)
			n = way->cut - at - done;
		uint8_t *exact = malloc(n);
		if (exact == NULL)
			abort();
		memcpy(exact, (const uint8_t *)part->data + done, n);
		play->reader->data(reader, part->dir, exact, n);
		free(exact);
	}
}

char *play(const struct play *play, const struct play_way *way) {
	void *reader = play->reader->open(play->ctx);
	int heard = way->heard == 0 ? PLAY_BOTH : way->heard;
	size_t at = 0;

	for (size_t i = 0; i < play->n_parts && (way->until == 0 || at < way->until); i++) {
		const struct play_part *part = &play->parts[i];
		bool is_heard = heard & (part->dir == STREAM_CLIENT ? PLAY_CLIENT : PLAY_SERVER);

		if (part->kind == PLAY_EVENT)
			play->reader->event(reader, part->size);
		else if (part->kind == PLAY_GAP && is_heard)
			play->reader->gap(reader, part->dir, part->size);
		else if (part->kind == PLAY_DATA && is_heard)
			part_say(play, reader, part, at, way);
		at += part->kind == PLAY_DATA ? part->size : 0;
	}
	return play->reader->end(reader);
}

static bool same(const struct play *p, const char *wanted, const struct play_way *way) {
	char *found = play(p, way);
	bool is_same = strcmp(found, wanted) == 0 && strstr(found, "leaked") == NULL;

	if (!is_same)
		fprintf(stderr,
			"%s (pieces %zu, cut %zu, until %zu, heard %d):\n-- whole:\n%s-- "
			"found:\n%s\n",
			p->name,
			way->piece,
			way->cut,
			way->until,
			way->heard,
			wanted,
			found);
	free(found);
	return is_same;
}

// How far apart places are, so that there are at most max and they cost no more than bytes_max.
static size_t stride(size_t size, size_t max, size_t bytes_max) {
	size_t n = size > 0 ? bytes_max / size : max;

	n = n < PLACES_MIN ? PLACES_MIN : n < max ? n : max;
	return size / n + 1;
}

// Of a prefix or of one side: whole and byte by byte.
static bool part_check(const struct play *p, size_t until, int heard) {
	char *whole = play(p, &(struct play_way){.until = until, .heard = heard});
	bool is_same = same(p, whole, &(struct play_way){1, .until = until, .heard = heard});

	free(whole);
	return is_same;
}

bool play_beside(
	const char *name,
	enum beside_as as,
	const struct play_part *parts,
	size_t n_parts
) {
	char *told = beside(as, parts, n_parts);

	if (told != NULL)
		fprintf(stderr, "%s: good connections beside it notice:\n%s\n", name, told);
	free(told);
	return told == NULL;
}

char *play_check(const struct play *p) {
	char *whole = play(p, &(struct play_way){0});
	size_t size = play_size(p);
	bool is_right = same(p, whole, &(struct play_way){.piece = 1})
		&& same(p, whole, &(struct play_way){.piece = 7});
	size_t step = stride(size, CUTS_MAX, CUTS_BYTES_MAX);

	for (size_t cut = 1; is_right && cut < size; cut += step)
		is_right = same(p, whole, &(struct play_way){.cut = cut});
	step = stride(size, PREFIXES_MAX, PREFIXES_BYTES_MAX);
	for (size_t until = 1; is_right && until < size; until += step)
		is_right = part_check(p, until, PLAY_BOTH);
	is_right = is_right && part_check(p, 0, PLAY_CLIENT) && part_check(p, 0, PLAY_SERVER)
		&& play_beside(p->name, p->reader->as(p->ctx), p->parts, p->n_parts);
	if (is_right)
		return whole;
	free(whole);
	return NULL;
}

char *play_check_bytes(
	const char *name,
	const struct play_reader *reader,
	const void *ctx,
	const void *data,
	size_t size
) {
	struct play_part part = {PLAY_DATA, STREAM_CLIENT, data, size};

	return play_check(&(struct play){name, reader, ctx, &part, 1});
}
