// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Between MIME and the rules: header fields go to one stream of the scanner, a part's text to another,
// and the markup that the text was made of to a third. What matched is gathered here and told to the
// session at the end, once per rule.

#include "content.h"

#include "engine.h"
#include "limits.h"
#include "match/scan.h"
#include "slab.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

// What is scanned apart.
enum text {
	TEXT_PART,
	TEXT_MARKUP,
	TEXT_HEADER,
	TEXTS,
};

static_assert((int)TEXT_PART == MIME_TEXT && (int)TEXT_MARKUP == MIME_MARKUP, "one numbering");

// Occurrences of one rule.
struct found {
	uint32_t rule;
	uint32_t count; // in what is over
	uint32_t now[TEXTS]; // in what is open
	uint64_t last[TEXTS]; // offset of the last end told of
};

// A stream, opened with its first byte.
struct watch {
	struct content *content;
	struct scan_stream *stream;
	bool is_refused;
};

struct content {
	struct session *session;
	struct scanner *scanner; // NULL: there are no rules
	struct mime *mime;
	struct watch watches[TEXTS];
	uint8_t kind; // enum content_kind
	bool is_done; // enough was found
	uint16_t n_found;
	uint32_t n_calls;
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
	struct watch *watch = ctx;
	struct content *content = watch->content;
	const struct database *db = scanner_database(content->scanner);
	long i = watch - content->watches;
	struct found *found;

	if (++content->n_calls >= CONTENT_MATCHES_MAX)
		content->is_done = true;
	if ((database_rules(db)->rules[rule].directions & (1 << content->kind)) != 0
	    && (found = found_get(content, rule)) != NULL) {
		if (found->now[i] == 0
		    || offset - found->last[i] >= scanner_min_width(content->scanner, rule))
			found->now[i]++;
		found->last[i] = offset;
	}
	return !content->is_done;
}

static void watch_data(
	struct content *content,
	enum text text,
	enum rule_field field,
	const uint8_t *data,
	size_t size
) {
	struct watch *watch = &content->watches[text];

	if (content->is_done || watch->is_refused || !scanner_wants(content->scanner, field))
		return;
	if (watch->stream == NULL) {
		watch->content = content;
		watch->stream = scan_open(content->scanner, field);
		watch->is_refused = watch->stream == NULL;
		content->session->engine->stats.content_refused += watch->is_refused;
	}
	if (watch->stream != NULL)
		scan_data(watch->stream, data, size, on_match, watch);
}

// Patterns that want the text's end fire now, if it is one.
static void watch_close(struct content *content, enum text text, bool fires) {
	struct watch *watch = &content->watches[text];

	scan_close(watch->stream, fires && !content->is_done ? on_match : NULL, watch);
	watch->stream = NULL;
	watch->is_refused = false;
}

// What was found in a text is final. A part's text and its markup say the same: the larger number counts.
static void found_settle(struct content *content) {
	for (int i = 0; i < content->n_found; i++) {
		struct found *found = &content->found[i];
		uint32_t text = found->now[TEXT_PART], markup = found->now[TEXT_MARKUP];

		found->count += found->now[TEXT_HEADER] + (text > markup ? text : markup);
		memset(found->now, 0, sizeof(found->now));
		memset(found->last, 0, sizeof(found->last));
	}
}

// ---- What MIME tells.

static void on_header(void *ctx, const uint8_t *data, size_t size) {
	watch_data(ctx, TEXT_HEADER, RULE_HEADER, data, size);
}

static void on_header_end(void *ctx) {
	watch_close(ctx, TEXT_HEADER, true);
	found_settle(ctx);
}

static void on_text(void *ctx, enum mime_text kind, const uint8_t *data, size_t size) {
	watch_data(ctx, (enum text)kind, RULE_BODY, data, size);
}

static void on_text_end(void *ctx, bool whole) {
	watch_close(ctx, TEXT_PART, whole);
	watch_close(ctx, TEXT_MARKUP, whole);
	found_settle(ctx);
}

static void on_event(void *ctx, enum session_event event) {
	struct content *content = ctx;

	session_event(content->session, event);
}

// ---- The message.

struct content *content_open(struct session *s, enum content_kind kind) {
	struct engine *engine = s->engine;
	struct scanner *scanner = engine->config.scanner;
	struct mime_handler handler = {.event = on_event};
	struct content *content;

	if (!engine->config.decode)
		return NULL;
	if (scanner != NULL
	    && (scanner_wants(scanner, RULE_HEADER) || scanner_wants(scanner, RULE_BODY)))
		handler = (struct mime_handler){
			.header = on_header,
			.header_end = on_header_end,
			.text = on_text,
			.text_end = on_text_end,
			.event = on_event,
		};
	content = slab_get(session_slab(s), sizeof(*content));
	if (content == NULL) {
		engine->stats.content_refused++;
		return NULL;
	}
	handler.ctx = content;
	content->mime = mime_open(session_slab(s), engine->charsets, MIME_MESSAGE, &handler);
	if (content->mime == NULL) {
		engine->stats.content_refused++;
		slab_put(session_slab(s), content, sizeof(*content));
		return NULL;
	}
	content->session = s;
	content->scanner = scanner;
	content->kind = (uint8_t)kind;
	engine->stats.content_opened++;
	return content;
}

void content_data(struct content *content, const uint8_t *data, size_t size) {
	if (content == NULL || size == 0)
		return;
	content->session->engine->stats.content_bytes += size;
	mime_data(content->mime, data, size);
}

void content_gap(struct content *content, uint64_t size) {
	if (content == NULL || size == 0)
		return;
	mime_gap(content->mime, size);
}

static void finish(struct content *content, uint64_t now_ns, struct mime_summary *summary) {
	struct session *s = content->session;

	mime_close(content->mime, summary);
	for (int i = 0; i < summary->n_attachments; i++) {
		s->engine->stats.attachments += summary->attachments[i]->has_sha256;
		if (summary->attachments[i]->has_sha256)
			s->engine->stats.attachment_bytes += summary->attachments[i]->bytes;
	}
	for (int i = 0; i < TEXTS; i++)
		watch_close(content, (enum text)i, true);
	found_settle(content);
	for (int i = 0; i < content->n_found; i++)
		session_match(s, content->found[i].rule, content->found[i].count, now_ns);
	slab_put(session_slab(s), content, sizeof(*content));
}

struct mime_summary *content_finish(struct content *content, uint64_t now_ns) {
	struct mime_summary summary, *kept;
	struct slab *slab;

	if (content == NULL)
		return NULL;
	slab = session_slab(content->session);
	kept = slab_get(slab, sizeof(*kept));
	if (kept == NULL)
		session_event(content->session, EVENT_memory_full);
	finish(content, now_ns, kept != NULL ? kept : &summary);
	if (kept == NULL)
		mime_summary_free(&summary, slab);
	return kept;
}

void content_close(struct content *content, uint64_t now_ns) {
	struct mime_summary summary;
	struct slab *slab;

	if (content == NULL)
		return;
	slab = session_slab(content->session);
	finish(content, now_ns, &summary);
	mime_summary_free(&summary, slab);
}
