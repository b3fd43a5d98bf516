// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// FETCH responses (RFC 9051 7.5.2): pairs of a name and a value in any order, over as many lines as
// they have literals. Contents are counted as they pass; what else is known of the message (its UID
// may come last) is put together at the end.

#include "proto/imap/imap_private.h"
#include "slab.h"

#include <string.h>
#include <strings.h>

#define DAY_SECONDS 86400

// ---- Items

// Days since 1970 of a date of the Gregorian calendar, from 1 March on, so that leap days come last.
static int64_t days_from(int64_t year, unsigned month, unsigned day) {
	int64_t y = month > 2 ? year : year - 1;
	unsigned from_march = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1 - 719468;
}

static bool two_digits(const uint8_t *text, unsigned *number) {
	uint8_t tens = text[0] == ' ' ? '0' : text[0]; // date-day-fixed

	*number = 10 * (tens - '0') + (text[1] - '0');
	return tens >= '0' && tens <= '9' && text[1] >= '0' && text[1] <= '9';
}

// date-time = DQUOTE "dd-Mon-yyyy hh:mm:ss +zzzz" DQUOTE
static bool date_parse(const struct imap_token *value, int64_t *seconds) {
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const uint8_t *text = value->data;
	unsigned day, century, year, hour, minute, second, zone_hour, zone_minute, month = 0;
	int64_t zone;

	if (value->kind != TOKEN_STRING || value->size != 26)
		return false;
	while (month < 12 && strncasecmp(months + 3 * month, (const char *)text + 3, 3) != 0)
		month++;
	if (month == 12 || !two_digits(text, &day) || !two_digits(text + 7, &century)
	    || !two_digits(text + 9, &year) || !two_digits(text + 12, &hour)
	    || !two_digits(text + 15, &minute) || !two_digits(text + 18, &second)
	    || !two_digits(text + 22, &zone_hour) || !two_digits(text + 24, &zone_minute))
		return false;
	zone = (text[21] == '-' ? -1 : 1) * (int64_t)(zone_hour * 3600 + zone_minute * 60);
	*seconds = days_from(100 * century + year, month + 1, day) * DAY_SECONDS + hour * 3600
		+ minute * 60 + second - zone;
	return true;
}

// section-spec after the part's numbers: only these are header alone.
static enum imap_part section_part(struct imap_cursor text) {
	if (imap_text_starts(text, "HEADER"))
		return PART_HEADER;
	return imap_text_starts(text, "MIME") ? PART_MIME : PART_BODY;
}

// What the section is of: of a header, the part that the header is of.
static void section_take(struct imap_fetch *fetch, struct imap_cursor spec) {
	struct imap_section *section = &fetch->section;
	struct imap_cursor text = spec;
	size_t n;

	while (text.at < text.end && ((*text.at >= '0' && *text.at <= '9') || *text.at == '.'))
		text.at++;
	fetch->part = section_part(text);
	fetch->is_subset = imap_text_starts(text, "HEADER.FIELDS");
	if (fetch->part == PART_MIME && text.at > spec.at)
		spec.end = text.at - 1; // "2.MIME" is of 2
	else if (fetch->part != PART_BODY)
		spec.end = text.at;
	n = (size_t)(spec.end - spec.at);
	if (n + 4 > IMAP_SECTION_SIZE_MAX) {
		section->size = UINT8_MAX;
		return;
	}
	for (size_t i = 0; i < n; i++)
		section->name[i] = (char)(spec.at[i] & (spec.at[i] >= 'a' ? 0xdf : 0xff));
	if (fetch->part == PART_HEADER) {
		memcpy(section->name + n, "TEXT", 4);
		n += 4;
	}
	section->size = (uint8_t)n;
}

// "<12>" behind a section: where a part of it begins (RFC 9051 7.5.2). -1: it is the whole.
static int64_t origin_find(const uint8_t *at, const uint8_t *end) {
	struct imap_cursor text = {at + 1, end};
	uint64_t origin;

	return at < end && *at == '<' && imap_octets(&text, &origin) ? (int64_t)origin : -1;
}

// An item that is read as if it were that section.
static void item_section(struct imap_fetch *fetch, const char *section) {
	struct imap_cursor spec
		= {(const uint8_t *)section, (const uint8_t *)section + strlen(section)};

	section_take(fetch, spec);
}

static void item_open(struct imap_fetch *fetch, const struct imap_token *name) {
	const uint8_t *end = name->data + name->size;
	const uint8_t *open = memchr(name->data, '[', name->size);
	const uint8_t *close = open != NULL ? memchr(open, ']', end - open) : NULL;
	struct imap_cursor text = {name->data, end};

	fetch->is_value = true;
	fetch->origin = close != NULL ? origin_find(close + 1, end) : -1;
	fetch->is_rest = fetch->origin > 0;
	fetch->section = (struct imap_section){.is_binary = imap_text_starts(text, "BINARY[")};
	fetch->is_section = open != NULL && close == NULL;
	fetch->is_subset = false;
	fetch->part = PART_NONE;
	if (imap_token_is(name, "UID"))
		fetch->part = PART_UID;
	else if (imap_token_is(name, "INTERNALDATE"))
		fetch->part = PART_DATE;
	else if (imap_token_is(name, "FLAGS"))
		fetch->part = PART_FLAGS;
	else if (imap_token_is(name, "RFC822.HEADER"))
		item_section(fetch, "HEADER");
	else if (imap_token_is(name, "RFC822"))
		item_section(fetch, "");
	else if (imap_token_is(name, "RFC822.TEXT"))
		item_section(fetch, "TEXT");
	else if (imap_token_is(name, "ENVELOPE"))
		fetch->part = PART_ENVELOPE;
	else if (imap_token_is(name, "BODYSTRUCTURE") || imap_token_is(name, "BODY"))
		fetch->part = PART_STRUCTURE;
	else if (imap_text_starts(text, "BODY[") || fetch->section.is_binary)
		section_take(fetch, (struct imap_cursor){open + 1, close != NULL ? close : end});
}

static bool is_content(const struct imap_fetch *fetch) {
	return fetch->part == PART_HEADER || fetch->part == PART_MIME || fetch->part == PART_BODY;
}

// What is read of a header: of a message, or of a part (MIME). Rules see it from its beginning alone.
static void header_open(struct imap_ctx *c, struct imap_fetch *fetch) {
	const struct imap_section *section = &fetch->section;
	bool is_text;

	fetch->n_headers++;
	if (fetch->is_rest)
		return;
	fetch->header = imap_header_open(c, fetch->is_subset);
	if (section->size <= IMAP_SECTION_SIZE_MAX)
		fetch->listed = content_open_header(
			c->s, section->name, imap_section_number(section, &is_text)
		);
	else
		fetch->listed = content_open_header(c->s, NULL, 0);
}

// A part's value begins.
static void part_open(struct imap_ctx *c, struct imap_fetch *fetch) {
	struct imap *facts = &c->imap->facts;

	if (!fetch->is_counted) {
		session_event(c->s, EVENT_server_response_as_attack);
		return;
	}
	fetch->n_rests += fetch->is_rest;
	// The header of a part shows no more of a message than its own. Dovecot's logout line, which these two
	// follow, has it among the bodies.
	facts->header_count += fetch->part == PART_HEADER;
	facts->body_count += fetch->part != PART_HEADER;
	if (fetch->part != PART_BODY) {
		header_open(c, fetch);
		return;
	}
	fetch->n_bodies++;
	fetch->reading = imap_part_read(c, fetch->seq, &fetch->section, fetch->origin);
}

// Its next octets; data NULL: they are missing.
static void
part_data(struct imap_ctx *c, struct imap_fetch *fetch, const uint8_t *data, size_t size) {
	struct imap *facts = &c->imap->facts;

	if (!fetch->is_counted)
		return;
	if (fetch->header != NULL && data != NULL)
		imap_header_data(fetch->header, data, size);
	fetch->is_header_lost |= data == NULL;
	facts->header_bytes += fetch->part == PART_HEADER ? size : 0;
	facts->body_bytes += fetch->part != PART_HEADER ? size : 0;
	if (fetch->part != PART_BODY) {
		if (data != NULL)
			content_data(fetch->listed, data, size);
		else
			content_gap(fetch->listed, size);
		fetch->header_bytes += size;
		return;
	}
	fetch->body_bytes += size;
	imap_part_data(&fetch->reading, data, size);
}

// INTERNALDATE, where it comes, says better when the message arrived.
static void date_offer(struct imap_fetch *fetch, bool has_date, int64_t date) {
	if (!has_date || fetch->has_date)
		return;
	fetch->has_date = true;
	fetch->date = date;
}

// is_whole: with its last octet.
static void part_close(struct imap_ctx *c, struct imap_fetch *fetch, bool is_whole) {
	struct slab *slab = session_slab(c->s);
	struct mime_summary *summary;
	int64_t date = 0;

	imap_header_close(
		c, fetch->header, fetch->seq, &fetch->section, is_whole && !fetch->is_header_lost
	);
	fetch->header = NULL;
	fetch->is_header_lost = false;
	imap_envelope_close(c, fetch);
	if (fetch->reading.content == NULL)
		return;
	if (fetch->reading.stream != NULL)
		date_offer(fetch, content_date(fetch->reading.content, &date), date);
	summary = imap_part_done(c, &fetch->reading, fetch->requested, is_whole);
	if (summary == NULL)
		return;
	date_offer(fetch, summary->has_date, summary->date);
	mime_summary_free(summary, slab);
	slab_put(slab, summary, sizeof(*summary));
}

// A part as a quoted string: escapes are not its octets.
static void
part_string(struct imap_ctx *c, struct imap_fetch *fetch, const struct imap_token *value) {
	uint8_t text[256];
	struct imap_token piece = *value;
	uint32_t n, size;

	part_open(c, fetch);
	while (piece.size > 0) {
		n = piece.size < sizeof(text) ? piece.size : sizeof(text);
		if (n < piece.size && piece.data[n - 1] == '\\')
			n--; // an escape stays whole
		size = imap_token_text(
			&(struct imap_token){.kind = TOKEN_STRING, .data = piece.data, .size = n},
			text,
			n
		);
		part_data(c, fetch, text, size);
		piece.data += n;
		piece.size -= n;
	}
	part_close(c, fetch, true);
}

static void
item_value(struct imap_ctx *c, struct imap_fetch *fetch, const struct imap_token *value) {
	struct imap_cursor text = {value->data, value->data + value->size};
	uint32_t uid;

	fetch->is_value = false;
	if (fetch->part == PART_UID && imap_number(&text, &uid))
		fetch->uid = uid;
	else if (fetch->part == PART_DATE)
		fetch->has_date |= date_parse(value, &fetch->date);
	else if (is_content(fetch) && value->kind == TOKEN_STRING)
		part_string(c, fetch, value);
}

// ---- The response

void imap_fetch_open(struct imap_ctx *c, uint32_t number, bool is_uid) {
	struct imap_flight *flight = imap_flight_oldest(c, IMAP_FETCH, IMAP_UID_FETCH);
	struct imap_mailbox *mailbox = imap_selected(c);
	const struct imap_pieces *pieces = flight != NULL ? imap_args(flight) : NULL;

	c->imap->busy->fetch = (struct imap_fetch){
		.is_open = true,
		.is_counted = imap_is_access(c)
			&& (flight != NULL || c->imap->is_notified || c->imap->is_unsure),
		.is_peek = (flight != NULL ? !(flight->flags & FLIGHT_SEEN) : c->imap->is_notified)
			|| (mailbox != NULL && mailbox->mode == IMAP_EXAMINED),
		.is_by_number = flight != NULL && flight->command == IMAP_FETCH,
		.requested = pieces != NULL && !pieces->is_mixed ? pieces->size : 0,
		.seq = number,
		.uid = is_uid ? number : 0,
		.has_no_seq = is_uid,
	};
}

// Of the value of BODYSTRUCTURE.
static void
structure_token(struct imap_ctx *c, struct imap_fetch *fetch, const struct imap_token *token) {
	if (fetch->structure == NULL && fetch->depth == 1 && fetch->is_counted)
		fetch->structure = imap_structure_open(c);
	imap_structure_token(c, fetch->structure, fetch->seq, token);
	if (token->kind != TOKEN_CLOSE || fetch->depth > 2)
		return;
	imap_structure_close(c, fetch->structure);
	fetch->structure = NULL;
}

static void
token_received(struct imap_ctx *c, struct imap_fetch *fetch, const struct imap_token *token) {
	if (fetch->part == PART_STRUCTURE && fetch->is_value
	    && (fetch->depth > 1 || token->kind == TOKEN_OPEN))
		structure_token(c, fetch, token);
	if (fetch->part == PART_ENVELOPE && fetch->is_value
	    && (fetch->depth > 1 || token->kind == TOKEN_OPEN))
		imap_envelope_token(c, fetch, token);
	switch (token->kind) {
	case TOKEN_OPEN:
		if (++fetch->depth > IMAP_NESTING_MAX) {
			session_event(c->s, EVENT_bad_syntax);
			fetch->is_broken = true;
		}
		break;
	case TOKEN_CLOSE:
		if (fetch->depth > 0 && --fetch->depth == 1) {
			fetch->is_value = false; // a list was the item's value
			fetch->has_flags |= fetch->part == PART_FLAGS;
			if (fetch->part == PART_ENVELOPE)
				imap_envelope_close(c, fetch);
		}
		break;
	default:
		if (fetch->depth == 2 && fetch->part == PART_FLAGS)
			fetch->is_deleted |= imap_token_is(token, "\\Deleted");
		else if (fetch->depth == 1 && fetch->is_value)
			item_value(c, fetch, token);
		else if (fetch->depth == 1)
			item_open(fetch, token);
	}
}

void imap_fetch_items(struct imap_ctx *c, struct imap_cursor items, bool is_cut) {
	struct imap_fetch *fetch = &c->imap->busy->fetch;
	struct imap_token token = {};
	int status = 1;

	if (fetch->is_section) { // a field name was a literal: "BODY[HEADER.FIELDS ({4}"
		items.at = memchr(items.at, ']', items.end - items.at);
		fetch->is_section = items.at == NULL;
		if (items.at == NULL)
			return;
		items.at++;
	}
	while (!fetch->is_broken && (status = imap_token_next(&items, &token)) == 1) {
		if (is_cut && items.at == items.end)
			break; // half a token says nothing
		token_received(c, fetch, &token);
	}
	fetch->is_broken |= is_cut;
	if (status < 0 && !is_cut) {
		session_event(c->s, EVENT_bad_syntax);
		fetch->is_broken = true;
	}
}

// The name before the literal is the last word of the tail; of one that began before it, the end of a
// list of header fields can still be told.
void imap_fetch_cut(struct imap_ctx *c, struct imap_cursor tail) {
	struct imap_fetch *fetch = &c->imap->busy->fetch;
	struct imap_token name = {.kind = TOKEN_ATOM};
	const uint8_t *end = tail.end;

	while (end > tail.at && end[-1] == ' ')
		end--;
	name.data = end;
	while (name.data > tail.at && name.data[-1] != ' ')
		name.data--;
	name.size = end - name.data;
	if (name.size == 0 || name.data == tail.at)
		return;
	fetch->depth = 1;
	fetch->is_broken = false;
	item_open(fetch, &name);
	if (fetch->part == PART_NONE && name.size > 2 && memcmp(end - 2, ")]", 2) == 0)
		fetch->part = PART_HEADER;
}

void imap_fetch_literal(struct imap_ctx *c, const struct imap_literal *literal) {
	struct imap_fetch *fetch = &c->imap->busy->fetch;
	bool is_part = !fetch->is_broken && fetch->depth == 1 && fetch->is_value
		&& !fetch->is_section && is_content(fetch);

	if (is_part)
		part_open(c, fetch);
	else if (fetch->part == PART_ENVELOPE && fetch->depth > 1)
		imap_envelope_token(c, fetch, &(struct imap_token){.kind = TOKEN_LITERAL});
	else if (fetch->part == PART_STRUCTURE && fetch->depth > 1)
		imap_structure_token(
			c, fetch->structure, fetch->seq, &(struct imap_token){.kind = TOKEN_LITERAL}
		);
	if (!fetch->is_section && fetch->depth == 1)
		fetch->is_value = false;
	is_part |= fetch->part == PART_ENVELOPE && fetch->listed != NULL && !fetch->is_broken;
	imap_literal_begin(c, STREAM_SERVER, literal, is_part ? KEEP_CONTENT : KEEP_NOTHING);
}

void imap_fetch_content(struct imap_ctx *c, const uint8_t *data, size_t size) {
	struct imap_fetch *fetch = &c->imap->busy->fetch;

	if (fetch->part == PART_ENVELOPE) {
		if (data != NULL)
			imap_envelope_text(fetch, data, size);
		return;
	}
	part_data(c, &c->imap->busy->fetch, data, size);
}

void imap_fetch_literal_end(struct imap_ctx *c) {
	struct imap_fetch *fetch = &c->imap->busy->fetch;

	if (!fetch->is_open) // it may be of another response
		return;
	if (fetch->part == PART_ENVELOPE && fetch->listed != NULL && fetch->depth > 1)
		imap_envelope_literal_end(fetch);
	else
		part_close(c, fetch, true);
}

// A message marked by number first and with its UID now is one message.
static void flags_received(struct imap_ctx *c, const struct imap_fetch *fetch) {
	struct uid_range seq = {fetch->seq, fetch->seq}, uid = {fetch->uid, fetch->uid};

	if (!fetch->has_no_seq)
		imap_deleted_mark(c, false, seq, fetch->is_deleted && fetch->uid == 0);
	if (fetch->uid != 0)
		imap_deleted_mark(c, true, uid, fetch->is_deleted);
}

void imap_fetch_close(struct imap_ctx *c) {
	struct imap_fetch *fetch = &c->imap->busy->fetch;

	if (!fetch->is_open)
		return;
	part_close(c, fetch, false);
	imap_structure_close(c, fetch->structure);
	if (fetch->uid != 0 && fetch->is_by_number && !fetch->has_no_seq)
		imap_uid_learn(c, fetch->seq, fetch->uid);
	if (fetch->uid == 0)
		fetch->uid = imap_uid_of(c, fetch->seq);
	if (fetch->has_flags && !fetch->is_broken)
		flags_received(c, fetch);
	if (fetch->n_bodies > 0 || fetch->n_headers > 0)
		imap_mailbox_fetched(c, fetch);
	if (fetch->n_bodies > 0)
		session_files_place(c->s, CONTENT_FETCHED, c->imap->selected, fetch->uid, NULL, 0);
	fetch->is_open = false;
}
