// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Between MIME and the rules: text and header fields go to streams of the scanner, names and values to
// it as tokens. What matched is gathered here and told to the session at the end, once per rule.

#include "content.h"

#include "engine.h"
#include "limits.h"
#include "match/scan.h"
#include "session_files.h"
#include "session_match.h"
#include "slab.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// What is scanned as a stream: the fields, and a text's other readings, each of which has a stream of its own
// where rules look for it.
enum {
	WATCH_OTHER = RULE_STREAMED,
	WATCH_OTHER_ATTACHED,
	WATCHES,
};

static const uint8_t watch_fields[WATCHES] = {
	[RULE_BODY] = RULE_BODY,
	[RULE_ATTACHMENT] = RULE_ATTACHMENT,
	[RULE_MARKUP] = RULE_MARKUP,
	[RULE_SIEVE] = RULE_SIEVE,
	[RULE_HEADER] = RULE_HEADER,
	[WATCH_OTHER] = RULE_BODY,
	[WATCH_OTHER_ATTACHED] = RULE_ATTACHMENT,
};

// Which stream a text of MIME goes to.
static const uint8_t text_watches[MIME_TEXTS] = {
	[MIME_TEXT] = RULE_BODY,
	[MIME_MARKUP] = RULE_MARKUP,
	[MIME_ATTACHED] = RULE_ATTACHMENT,
	[MIME_OTHER] = WATCH_OTHER,
	[MIME_OTHER_ATTACHED] = WATCH_OTHER_ATTACHED,
};

enum { FILE_SIZE_MAX = 1500 }; // of what is told of an attachment in one line

// Occurrences of one rule.
struct found {
	struct session_found sum; // in what is over
	struct found_counter now[WATCHES]; // in what is open
	bool is_certain; // one of them at least is called what it is
	bool is_place_other; // the place told is of a text's other reading
};

// Numbers of a form with wrong check digits.
struct wrongs {
	uint32_t n; // in what is over
	struct found_counter now[WATCHES]; // in what is open
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
	struct mime *mime; // NULL: a script
	struct watch watches[WATCHES];
	uint8_t kind; // enum content_kind
	bool is_done; // enough was found
	uint16_t n_found;
	uint32_t n_calls;
	struct wrongs wrongs[VALIDATE_FORMS];
	struct found *found; // in the slab, grown when a rule is found first
	uint32_t found_size;
	uint8_t token; // enum rule_field of the token being scanned
	const uint8_t *header; // with RULE_VALUE: the field's name
	size_t header_size;
};

// ---- Matches.

static const struct rules *rules_of(const struct content *content) {
	return database_rules(scanner_database(content->scanner));
}

// The rule's place, made when it is new. NULL: so many rules matched that no more are remembered, or there
// is no room.
static struct found *found_get(struct content *content, uint32_t rule) {
	void *block = content->found;

	for (int i = 0; i < content->n_found; i++)
		if (content->found[i].sum.rule == rule)
			return &content->found[i];
	if (content->n_found == MATCHES_PER_SESSION_MAX) {
		session_event(content->session, EVENT_too_many_matches);
		return NULL;
	}
	if (slab_grow(
		    session_slab(content->session),
		    &block,
		    &content->found_size,
		    (uint32_t)((content->n_found + 1) * sizeof(*content->found)),
		    0
	    )
	    < 0) {
		session_event(content->session, EVENT_memory_full);
		return NULL;
	}
	content->found = block;
	content->found[content->n_found] = (struct found){.sum.rule = rule};
	return &content->found[content->n_found++];
}

static void place_note(
	struct content *content,
	const struct rule *rule,
	enum rule_field field,
	const struct scan_hit *hit,
	struct found_place *place
) {
	place->field = (uint8_t)field;
	place->offset = hit->offset;
	if (content->mime != NULL)
		mime_part(content->mime, place->part, sizeof(place->part));
	found_excerpt(rule, hit, place->excerpt);
}

static bool is_wanted(const struct content *content, const struct rule *rule) {
	return session_match_wants(content->session, rule)
		&& (content->kind == CONTENT_SCRIPT || (rule->directions >> content->kind & 1) != 0
		);
}

static bool header_is_named(const struct content *content, const struct rule *rule) {
	size_t size = strlen(rule->header);

	return size == content->header_size
		&& strncasecmp((const char *)content->header, rule->header, size) == 0;
}

// watch: whose text it is in, of fields that come in pieces.
static void match_add(
	struct content *content,
	const struct rule *rule,
	enum rule_field field,
	int watch,
	const struct scan_hit *hit
) {
	struct found *found = found_get(content, hit->rule);
	struct session_found *sum;

	if (found == NULL)
		return;
	sum = &found->sum;
	found->is_certain |= hit->validity == VALIDATE_CERTAIN;
	// Which reading is scanned first depends on how the text is cut. What is told is the first one's place, if it has one.
	bool is_other = watch >= WATCH_OTHER;
	if (sum->count == 0 && (sum->place.offset == 0 || (found->is_place_other && !is_other))) {
		place_note(content, rule, field, hit, &sum->place);
		found->is_place_other = is_other;
	}
	if (field < RULE_STREAMED)
		found_count(
			&found->now[watch],
			hit->offset,
			scanner_min_width(content->scanner, hit->rule)
		);
	else
		sum->count++;
	if (rule->distinct > 0)
		session_found_value(content->session, rule, hit, sum);
}

// Rules of one form tell of the same number one after the other.
static void
wrong_add(struct content *content, const struct rule *rule, int watch, const struct scan_hit *hit) {
	found_count(
		&content->wrongs[validate_form(rule->validate)].now[watch],
		hit->offset,
		scanner_min_width(content->scanner, hit->rule)
	);
}

// Whoever fills a message with matches to hide what comes behind them is seen doing it.
static void call_note(struct content *content) {
	if (++content->n_calls < CONTENT_MATCHES_MAX)
		return;
	content->is_done = true;
	session_event(content->session, EVENT_too_many_matches);
}

static bool on_match(void *ctx, const struct scan_hit *hit) {
	struct watch *watch = ctx;
	struct content *content = watch->content;
	const struct rule *rule = &rules_of(content)->rules[hit->rule];
	int at = (int)(watch - content->watches);

	if (hit->validity == VALIDATE_WRONG) {
		wrong_add(content, rule, at, hit);
		return true;
	}
	call_note(content);
	if (is_wanted(content, rule))
		match_add(content, rule, watch_fields[at], at, hit);
	return !content->is_done;
}

// A token is one occurrence of each rule at most.
static bool on_token_match(void *ctx, const struct scan_hit *hit) {
	struct content *content = ctx;
	const struct rule *rule = &rules_of(content)->rules[hit->rule];

	call_note(content);
	if (is_wanted(content, rule)
	    && (content->token != RULE_VALUE || header_is_named(content, rule)))
		match_add(content, rule, content->token, 0, hit);
	return !content->is_done;
}

static bool wants(const struct content *content, enum rule_field field) {
	return content->scanner != NULL && !content->is_done
		&& scanner_wants(content->scanner, field);
}

static void watch_data(struct content *content, int at, const uint8_t *data, size_t size) {
	struct watch *watch = &content->watches[at];
	enum rule_field field = watch_fields[at];

	if (!wants(content, field) || watch->is_refused)
		return;
	if (watch->stream == NULL) {
		watch->content = content;
		watch->stream = scan_open(content->scanner, field, on_match, watch);
		watch->is_refused = watch->stream == NULL;
		content->session->engine->stats.content_refused += watch->is_refused;
	}
	if (watch->stream != NULL)
		scan_data(watch->stream, data, size);
}

// Patterns that want the text's end fire now, if it is one.
static void watch_close(struct content *content, int at, bool fires) {
	struct watch *watch = &content->watches[at];

	scan_close(watch->stream, fires && !content->is_done);
	watch->stream = NULL;
	watch->is_refused = false;
}

static void
token_scan(struct content *content, enum rule_field field, const uint8_t *data, size_t size) {
	if (!wants(content, field))
		return;
	content->token = (uint8_t)field;
	scan_token(content->scanner, field, data, size, on_token_match, content);
}

// A part's text, its markup and its other reading say the same: the largest number counts.
static uint32_t settle(struct found_counter now[WATCHES]) {
	uint32_t text = now[RULE_BODY].n + now[RULE_ATTACHMENT].n, markup = now[RULE_MARKUP].n;
	uint32_t other = now[WATCH_OTHER].n + now[WATCH_OTHER_ATTACHED].n;
	uint32_t n = text > markup ? text : markup;

	n = now[RULE_HEADER].n + now[RULE_SIEVE].n + (n > other ? n : other);
	memset(now, 0, WATCHES * sizeof(*now));
	return n;
}

// What was found in a text is final.
static void found_settle(struct content *content) {
	for (int i = 0; i < content->n_found; i++)
		content->found[i].sum.count += settle(content->found[i].now);
	for (int i = 0; i < VALIDATE_FORMS; i++)
		content->wrongs[i].n += settle(content->wrongs[i].now);
}

// Whether it is what chance gives among numbers of that form.
static bool is_chance(const struct content *content, const struct found *found) {
	int form = validate_form(rules_of(content)->rules[found->sum.rule].validate);

	return form >= 0 && !found->is_certain
		&& validate_is_chance(found->sum.count, content->wrongs[form].n);
}

// ---- What MIME tells.

static void on_header(void *ctx, const uint8_t *data, size_t size) {
	watch_data(ctx, RULE_HEADER, data, size);
}

static void on_header_end(void *ctx) {
	watch_close(ctx, RULE_HEADER, true);
	found_settle(ctx);
}

static void on_text(void *ctx, enum mime_text kind, const uint8_t *data, size_t size) {
	watch_data(ctx, text_watches[kind], data, size);
}

static void on_text_end(void *ctx, bool whole) {
	for (int kind = 0; kind < MIME_TEXTS; kind++)
		watch_close(ctx, text_watches[kind], whole);
	found_settle(ctx);
}

static void on_event(void *ctx, enum session_event event) {
	struct content *content = ctx;

	session_event(content->session, event);
}

static void
on_field(void *ctx, const uint8_t *name, size_t name_size, const uint8_t *value, size_t size) {
	struct content *content = ctx;

	content->header = name;
	content->header_size = name_size;
	if (wants(content, RULE_VALUE) && scanner_wants_header(content->scanner, name, name_size))
		token_scan(content, RULE_VALUE, value, size);
	if (name_size == 7 && strncasecmp((const char *)name, "Subject", 7) == 0)
		token_scan(content, RULE_SUBJECT, value, size);
}

static void on_name(void *ctx, const char *name) {
	token_scan(ctx, RULE_FILENAME, (const uint8_t *)name, strlen(name));
}

static void on_file(void *ctx, const struct attachment_facts *facts) {
	struct content *content = ctx;
	char line[FILE_SIZE_MAX];
	int n;

	for (int i = 0; i < facts->n_members; i++)
		if (facts->members[i].text != NULL)
			on_name(ctx, facts->members[i].text);
	if (!wants(content, RULE_FILE))
		return;
	n = snprintf(
		line,
		sizeof(line),
		"%.1000s\t%.200s\t%s\t%s",
		facts->name.text != NULL ? facts->name.text : "",
		facts->type.text != NULL ? facts->type.text : "",
		facts->content_type != NULL ? facts->content_type : "",
		facts->is_encrypted ? "encrypted" : ""
	);
	token_scan(content, RULE_FILE, (const uint8_t *)line, (size_t)n);
}

// ---- The message.

// What of the message anybody wants to hear.
static struct mime_handler handler_make(struct content *content) {
	struct mime_handler handler = {
		.ctx = content,
		.event = on_event,
		.hashes = &content->session->engine->hashes,
	};

	if (wants(content, RULE_HEADER)) {
		handler.header = on_header;
		handler.header_end = on_header_end;
	}
	if (wants(content, RULE_BODY) || wants(content, RULE_ATTACHMENT)
	    || wants(content, RULE_MARKUP)) {
		handler.text = on_text;
		handler.text_end = on_text_end;
	}
	if (wants(content, RULE_VALUE) || wants(content, RULE_SUBJECT))
		handler.field = on_field;
	if (wants(content, RULE_FILENAME))
		handler.name = on_name;
	if (wants(content, RULE_FILENAME) || wants(content, RULE_FILE))
		handler.file = on_file;
	return handler;
}

bool content_is_wanted(const struct session *s) {
	return s->engine->config.decode;
}

static struct content *open_at(struct session *s, enum content_kind kind, enum mime_start start) {
	struct engine *engine = s->engine;
	struct slab *slab = session_slab(s);
	struct mime_handler handler;
	struct content *content;

	if (!engine->config.decode)
		return NULL;
	content = slab_get(slab, sizeof(*content));
	if (content == NULL) {
		engine->stats.content_refused++;
		return NULL;
	}
	content->session = s;
	content->scanner = engine->config.scanner;
	content->kind = (uint8_t)kind;
	handler = handler_make(content);
	if (kind != CONTENT_SCRIPT) {
		content->mime = mime_open(slab, engine->charsets, start, &handler);
		if (content->mime == NULL) {
			engine->stats.content_refused++;
			slab_put(slab, content, sizeof(*content));
			return NULL;
		}
	}
	scanner_hold(content->scanner);
	engine->stats.content_opened++;
	return content;
}

struct content *content_open(struct session *s, enum content_kind kind) {
	return open_at(s, kind, MIME_MESSAGE);
}

struct content *
content_open_part(struct session *s, enum content_kind kind, const struct content_part *part) {
	struct content *content = open_at(s, kind, part->header != NULL ? MIME_MESSAGE : MIME_BODY);
	size_t size = part->number_size;

	if (content == NULL)
		return NULL;
	if (size > MIME_NUMBER_SIZE_MAX)
		size = MIME_NUMBER_SIZE_MAX;
	mime_number(content->mime, part->number, size, part->is_text);
	if (part->is_decoded)
		mime_decoded(content->mime);
	if (part->header != NULL)
		mime_data(content->mime, part->header, part->header_size);
	return content;
}

struct content *content_open_header(struct session *s, const char *number, size_t size) {
	const struct scanner *scanner = s->engine->config.scanner;
	struct content *content;

	if (scanner == NULL
	    || !(scanner_wants(scanner, RULE_HEADER) || scanner_wants(scanner, RULE_VALUE)
		 || scanner_wants(scanner, RULE_SUBJECT) || scanner_wants(scanner, RULE_FILENAME)))
		return NULL;
	content = open_at(s, CONTENT_FETCHED, MIME_HEADER);
	if (content != NULL && size > 0 && size <= MIME_NUMBER_SIZE_MAX)
		mime_number(content->mime, number, size, false);
	return content;
}

void content_data(struct content *content, const uint8_t *data, size_t size) {
	if (content == NULL || size == 0)
		return;
	content->session->engine->stats.content_bytes += size;
	if (content->mime != NULL)
		mime_data(content->mime, data, size);
	else
		watch_data(content, RULE_SIEVE, data, size);
}

void content_gap(struct content *content, uint64_t size) {
	if (content == NULL || size == 0)
		return;
	if (content->mime != NULL) {
		mime_gap(content->mime, size);
	} else {
		watch_close(content, RULE_SIEVE, false);
		found_settle(content);
	}
}

void content_cut(struct content *content) {
	if (content != NULL && content->mime != NULL)
		mime_gap(content->mime, 0);
}

bool content_date(const struct content *content, int64_t *seconds) {
	return content != NULL && content->mime != NULL && mime_date(content->mime, seconds);
}

static void finish(struct content *content, uint64_t now_ns, struct mime_summary *summary) {
	struct session *s = content->session;

	*summary = (struct mime_summary){0};
	if (content->mime != NULL)
		mime_close(content->mime, summary);
	content->mime = NULL;
	for (int i = 0; i < summary->n_attachments; i++) {
		s->engine->stats.attachments += summary->attachments[i]->has_sha256;
		if (summary->attachments[i]->has_sha256)
			s->engine->stats.attachment_bytes += summary->attachments[i]->bytes;
	}
	session_files_take(s, content->kind, summary);
	for (int i = 0; i < WATCHES; i++)
		watch_close(content, i, true);
	found_settle(content);
	if (content->n_found > 0) {
		struct session_found found[MATCHES_PER_SESSION_MAX];

		for (int i = 0; i < content->n_found; i++) {
			found[i] = content->found[i].sum;
			if (is_chance(content, &content->found[i]))
				found[i].count = 0;
		}
		session_found(s, rules_of(content), found, content->n_found, now_ns);
	}
	slab_put(session_slab(s), content->found, content->found_size);
	scanner_release(content->scanner);
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
