// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A message under the scanner: first as a header, then as a body. What matched is gathered here and
// told to the session at the end, once per rule.

#include "content.h"

#include "engine.h"
#include "limits.h"
#include "match/scan.h"
#include "slab.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

// Where in a message we are.
enum place {
	PLACE_START, // before its first byte
	PLACE_NAME, // in the first line, which is a header's when NAME: comes
	PLACE_LINE, // in a header line
	PLACE_LINE_START, // behind a header's LF
	PLACE_LINE_CR, // … and a CR
	PLACE_BODY,
};

// Bytes kept until it is known whether a header begins here: a field's name and its colon (RFC 5322
// 2.1.1 wants lines of at most 78). What has none within so many bytes is a body.
enum { FIRST_SIZE = 78 };

// Occurrences of one rule.
struct found {
	uint32_t rule;
	uint32_t count;
	uint64_t last; // offset of the last end told of
};

struct content {
	struct session *session;
	struct scanner *scanner;
	struct scan_stream *stream; // NULL: nothing is scanned at this place
	uint8_t kind; // enum content_kind
	uint8_t place; // enum place
	uint8_t field; // enum rule_field, of stream
	bool is_done; // enough was found
	uint8_t n_first;
	uint16_t n_found;
	uint32_t n_calls;
	uint8_t first[FIRST_SIZE];
	struct found found[MATCHES_PER_SESSION_MAX];
};

// ---- Matches.

// The rule's place, taken when it is new. NULL: so many rules matched that no more are remembered.
static struct found *found_get(struct content *content, uint32_t rule) {
	for (int i = 0; i < content->n_found; i++)
		if (content->found[i].rule == rule)
			return &content->found[i];
	if (content->n_found == MATCHES_PER_SESSION_MAX)
		return NULL;
	content->found[content->n_found] = (struct found){.rule = rule};
	return &content->found[content->n_found++];
}

// Hyperscan tells of every end that a text can have: "a{2,4}" on "aaaa" ends three times. An end that
// is closer to the one before it than the rule's shortest text is wide belongs to a text that
// overlaps the one before: both are one occurrence. So the count is never above the number of
// texts that stand apart, and is below it only for those that overlap.
static bool on_match(void *ctx, uint32_t rule, uint64_t offset) {
	struct content *content = ctx;
	const struct scan_db *db = scanner_db(content->scanner);
	struct found *found;

	if (++content->n_calls >= CONTENT_MATCHES_MAX)
		content->is_done = true;
	if ((scan_db_rules(db)->rules[rule].directions & (1 << content->kind)) != 0
	    && (found = found_get(content, rule)) != NULL) {
		if (found->count == 0
		    || offset - found->last >= scanner_min_width(content->scanner, rule))
			found->count++;
		found->last = offset;
	}
	return !content->is_done;
}

// ---- Header and body.

// The stream of another field, or a fresh one of the same. Offsets begin anew.
static void stream_switch(struct content *content, enum rule_field field, bool fires) {
	scan_close(content->stream, fires ? on_match : NULL, content);
	content->stream = NULL;
	content->field = (uint8_t)field;
	// An occurrence of the new stream never continues one of the old: its ends are at least the
	// shortest width from its beginning.
	for (int i = 0; i < content->n_found; i++)
		content->found[i].last = 0;
	if (content->is_done || !scanner_wants(content->scanner, field))
		return;
	content->stream = scan_open(content->scanner, field);
	if (content->stream == NULL)
		content->session->engine->stats.content_refused++;
}

static bool is_name(uint8_t c) {
	return c > 0x20 && c < 0x7f && c != ':'; // RFC 5322 3.6.8, ftext
}

// One byte of the header's grammar: only what is needed to find its end. Data that does not begin as
// a header does (a part fetched alone) is a body from its first byte.
static enum place place_next(enum place place, uint8_t c) {
	switch (place) {
	case PLACE_START:
		return is_name(c) ? PLACE_NAME : PLACE_BODY;
	case PLACE_NAME:
		return c == ':' ? PLACE_LINE : is_name(c) ? PLACE_NAME : PLACE_BODY;
	case PLACE_LINE:
		return c == '\n' ? PLACE_LINE_START : PLACE_LINE;
	case PLACE_LINE_START:
		return c == '\n' ? PLACE_BODY : c == '\r' ? PLACE_LINE_CR : PLACE_LINE;
	case PLACE_LINE_CR:
		return c == '\n' ? PLACE_BODY : c == '\r' ? PLACE_LINE_CR : PLACE_LINE;
	case PLACE_BODY:
		break;
	}
	return PLACE_BODY;
}

static void scan(struct content *content, const uint8_t *data, size_t size) {
	if (content->stream != NULL && !content->is_done && size > 0)
		scan_data(content->stream, data, size, on_match, content);
}

// What was kept goes to the field it belongs to.
static void first_flush(struct content *content, enum rule_field field) {
	stream_switch(content, field, false);
	scan(content, content->first, content->n_first);
	content->n_first = 0;
}

// Keeps bytes until the place is known. Returns how many it has taken.
static size_t first_take(struct content *content, const uint8_t *data, size_t size) {
	enum place place = content->place;
	size_t at = 0;

	while (at < size && (place == PLACE_START || place == PLACE_NAME)) {
		if (content->n_first == FIRST_SIZE) {
			place = PLACE_BODY;
			break;
		}
		place = place_next(place, data[at]);
		content->first[content->n_first++] = data[at++];
	}
	content->place = (uint8_t)place;
	if (place == PLACE_LINE)
		first_flush(content, RULE_HEADER);
	else if (place == PLACE_BODY)
		first_flush(content, RULE_BODY);
	return at;
}

// How many of these bytes still belong to the header; the place is moved.
static size_t header_size(struct content *content, const uint8_t *data, size_t size) {
	enum place place = content->place;
	size_t at = 0;

	while (at < size && place != PLACE_BODY) {
		if (place == PLACE_LINE) {
			const uint8_t *lf = memchr(data + at, '\n', size - at);

			if (lf == NULL) {
				at = size;
				break;
			}
			at = (size_t)(lf - data);
		}
		place = place_next(place, data[at++]);
	}
	content->place = (uint8_t)place;
	return at;
}

static void header_take(struct content *content, const uint8_t *data, size_t size) {
	size_t head = header_size(content, data, size);

	scan(content, data, head);
	if (content->place == PLACE_BODY)
		stream_switch(content, RULE_BODY, true);
	scan(content, data + head, size - head);
}

struct content *content_open(struct session *s, enum content_kind kind) {
	struct engine *engine = s->engine;
	struct scanner *scanner = engine->config.scanner;
	struct content *content;

	if (scanner == NULL
	    || (!scanner_wants(scanner, RULE_HEADER) && !scanner_wants(scanner, RULE_BODY)))
		return NULL;
	content = slab_get(session_slab(s), sizeof(*content));
	if (content == NULL) {
		engine->stats.content_refused++;
		return NULL;
	}
	content->session = s;
	content->scanner = scanner;
	content->kind = (uint8_t)kind;
	content->place = PLACE_START;
	engine->stats.content_opened++;
	return content;
}

void content_data(struct content *content, const uint8_t *data, size_t size) {
	size_t taken = 0;

	if (content == NULL || size == 0)
		return;
	content->session->engine->stats.content_bytes += size;
	if (content->place == PLACE_START || content->place == PLACE_NAME)
		taken = first_take(content, data, size);
	if (content->place == PLACE_BODY)
		scan(content, data + taken, size - taken);
	else if (taken < size)
		header_take(content, data + taken, size - taken);
}

void content_gap(struct content *content, uint64_t size) {
	if (content == NULL || size == 0)
		return;
	if (content->n_first > 0)
		first_flush(content, RULE_BODY);
	// The header may have ended in the hole; what follows is searched as a body, since rules for
	// the whole message are there too.
	content->place = PLACE_BODY;
	stream_switch(content, RULE_BODY, false);
}

void content_close(struct content *content, uint64_t now_ns) {
	struct session *s;

	if (content == NULL)
		return;
	s = content->session;
	if (content->n_first > 0)
		first_flush(content, RULE_BODY);
	scan_close(content->stream, content->is_done ? NULL : on_match, content);
	for (int i = 0; i < content->n_found; i++)
		session_match(s, content->found[i].rule, content->found[i].count, now_ns);
	slab_put(session_slab(s), content, sizeof(*content));
}
