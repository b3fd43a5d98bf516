// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A server's responses: tagged ones go to the command they answer, untagged ones to the mailbox they
// speak of. A response that nobody asked for changes nothing.

#include "proto/imap/imap_private.h"
#include "proto/offer.h"

#include <string.h>

static inline __attribute__((always_inline)) bool
text_skip(struct imap_cursor *text, const char *word) {
	if (!imap_text_starts(*text, word))
		return false;
	text->at += strlen(word);
	return true;
}

// ---- Mailbox data

// SELECT's data comes before its tagged response, and belongs to the mailbox to come: as long as
// SELECT is the next to be answered.
static struct imap_select *select_pending(struct imap_ctx *c) {
	struct imap_flight *first = c->imap->flights;

	if (first == NULL || (first->command != IMAP_SELECT && first->command != IMAP_EXAMINE)
	    || !(first->flags & FLIGHT_COMPLETE))
		return NULL;
	return imap_args(first);
}

static void exists_received(struct imap_ctx *c, uint32_t n) {
	struct imap_select *select = select_pending(c);

	if (n > IMAP_MESSAGES_MAX)
		return;
	if (select != NULL)
		select->exists = n;
	else
		imap_mailbox_exists(c, n);
}

// Responses that change numbers come in no command that uses them (RFC 9051 7.5.1): the oldest other
// one is it.
static struct imap_flight *expunging(struct imap_ctx *c) {
	struct imap_flight *f = c->imap->flights;

	while (f != NULL
	       && (f->command == IMAP_FETCH || f->command == IMAP_STORE || f->command == IMAP_SEARCH
	       ))
		f = f->next;
	return f;
}

// Messages went away: by this session's EXPUNGE, or by somebody beside it.
static void expunged_count(struct imap_ctx *c, uint64_t n) {
	struct imap_flight *flight = expunging(c);

	if (flight != NULL
	    && (flight->command == IMAP_EXPUNGE || flight->command == IMAP_UID_EXPUNGE))
		imap_expunge_count(c, n);
}

static void expunge_received(struct imap_ctx *c, uint32_t seq) {
	if (imap_selected(c) == NULL)
		return;
	expunged_count(c, 1);
	imap_mailbox_expunged(c, seq);
}

// "VANISHED" replaces EXPUNGE once QRESYNC is enabled (RFC 7162 3.2.10); with EARLIER it tells of
// what went before this session.
static void vanished_received(struct imap_ctx *c, struct imap_cursor set) {
	struct imap_mailbox *mailbox = imap_selected(c);
	struct uid_range range;
	uint64_t n = 0;

	if (mailbox == NULL || imap_text_starts(set, "("))
		return;
	while (imap_set_next(&set, UINT32_MAX, &range) == 1) {
		imap_deleted_mark(c, true, range, false);
		n += (uint64_t)range.last - range.first + 1;
	}
	if (n > mailbox->exists)
		n = mailbox->exists;
	expunged_count(c, n);
	imap_mailbox_exists(c, mailbox->exists - n);
	imap_uids_forget(c);
	imap_parts_forget(c); // which numbers these had is not known
}

// ---- What the server offers

// Capabilities in the greeting, or asked for. Unasked ones may come with a login, and are then others.
static void offers_received(struct imap_ctx *c, struct imap_cursor words) {
	const struct imap_flight *first = c->imap->flights;
	uint8_t offers = offer_words(words.at, (size_t)(words.end - words.at));

	if (c->imap->is_unsure || (first == NULL && c->imap->is_greeted)
	    || (first != NULL && c->imap->is_greeted && first->command != IMAP_CAPABILITY))
		return;
	c->imap->offers = offers | OFFER_LISTED;
	session_offers(c->s, offers, c->now_ns);
}

// To another server, with a login or a mailbox (RFC 2221, RFC 2193): a real one, or whoever answers in its place.
static void referral_received(struct imap_ctx *c, struct imap_cursor text) {
	struct imap_cursor args;

	if (imap_code_is(text, "REFERRAL", &args))
		session_event(c->s, EVENT_referral);
}

static void code_received(struct imap_ctx *c, struct imap_cursor text) {
	struct imap_select *select = select_pending(c);
	struct imap_cursor args;
	uint32_t number;

	referral_received(c, text);
	if (imap_code_is(text, "CAPABILITY", &args)) {
		const uint8_t *close = memchr(args.at, ']', (size_t)(args.end - args.at));
		if (close != NULL)
			offers_received(c, (struct imap_cursor){args.at, close});
	}
	if (select == NULL)
		return;
	if (imap_code_is(text, "UIDVALIDITY", &args) && imap_number(&args, &number))
		select->uidvalidity = number;
	else if (imap_code_is(text, "UIDNEXT", &args) && imap_number(&args, &number))
		select->uidnext = number;
	else if (imap_code_is(text, "CLOSED", &args))
		imap_mailbox_unselect(c);
}

// ---- One line

// The end of a line that is only framed, or of a FETCH response's: a literal, or of the response.
static void line_end(
	struct imap_ctx *c,
	const struct imap_literal *literal,
	int has_literal,
	const struct line_slice *line
) {
	struct imap_side *side = &c->imap->busy->side[STREAM_SERVER];

	if (has_literal < 0)
		session_event(c->s, EVENT_bad_literal);
	side->is_inside = has_literal > 0;
	if (has_literal > 0 && c->imap->busy->fetch.is_open) {
		if (line->is_cut)
			imap_fetch_cut(
				c,
				(struct imap_cursor
				){line->tail, line->tail + line->tail_size - literal->spec_size}
			);
		imap_fetch_literal(c, literal);
	} else if (has_literal > 0) {
		imap_literal_begin(c, STREAM_SERVER, literal, KEEP_NOTHING);
	} else {
		side->n_literals = 0;
		imap_fetch_close(c);
	}
}

// The literal that ends the line: text then ends before it. As imap_literal_find().
static int literal_take(
	const struct line_slice *line,
	struct imap_cursor *text,
	struct imap_literal *literal
) {
	int has_literal;

	if (line->is_cut)
		return imap_literal_find(line->tail, line->tail_size, literal);
	has_literal = imap_literal_find(line->data, line->size, literal);
	if (has_literal > 0 && text->end - text->at >= (ptrdiff_t)literal->spec_size)
		text->end -= literal->spec_size;
	return has_literal;
}

// message-data and mailbox-data that begin with a number. true: the rest of the line is framed.
static bool numbered_received(struct imap_ctx *c, struct imap_cursor text, bool is_cut) {
	uint32_t number;

	if (!imap_number(&text, &number) || !text_skip(&text, " "))
		return false;
	// UIDFETCH (RFC 9586 3.3): the number is the message's UID, and there are no others.
	bool is_uid = text_skip(&text, "UIDFETCH ");
	if (is_uid || text_skip(&text, "FETCH ")) {
		imap_fetch_open(c, number, is_uid);
		imap_fetch_items(c, text, is_cut);
		return true;
	}
	if (imap_text_starts(text, "EXISTS"))
		exists_received(c, number);
	else if (imap_text_starts(text, "EXPUNGE"))
		expunge_received(c, number);
	return false;
}

static bool is_status(struct imap_cursor text) {
	return imap_text_starts(text, "OK ") || imap_text_starts(text, "NO ")
		|| imap_text_starts(text, "BAD ") || imap_text_starts(text, "BYE ")
		|| imap_text_starts(text, "PREAUTH ");
}

// Human-readable text ends these: what looks like a literal there is none.
static void status_received(struct imap_ctx *c, struct imap_cursor text) {
	if (text_skip(&text, "OK ")) {
		code_received(c, text);
	} else if (text_skip(&text, "BYE ")) {
		referral_received(c, text);
	} else if (imap_text_starts(text, "PREAUTH ") && !c->imap->is_greeted && !c->imap->is_unsure) {
		c->imap->is_preauth = true;
		session_event(c->s, EVENT_preauth);
	}
}

static void
untagged_received(struct imap_ctx *c, struct imap_cursor text, const struct line_slice *line) {
	struct imap_cursor rest = text;
	struct imap_literal literal;
	int has_literal;

	if (text.at<text.end && * text.at> '9' && is_status(text)) {
		session_token(c->s, RULE_RESPONSE, line->data, line->size, c->now_ns);
		status_received(c, text);
		return;
	}
	has_literal = literal_take(line, &text, &literal);
	if (!line->is_cut && text_skip(&rest, "CAPABILITY "))
		offers_received(c, rest);
	if (!line->is_cut && c->imap->flights != NULL && c->imap->flights->command == IMAP_ID
	    && text_skip(&rest, "ID "))
		imap_id_received(c, rest);
	if (!numbered_received(c, text, line->is_cut) && text_skip(&rest, "VANISHED "))
		vanished_received(c, rest);
	line_end(c, &literal, has_literal, line);
}

// Commands before this one whose answers may have been in a hole: they were answered there.
static void doubtful_drop(struct imap_ctx *c, const struct imap_flight *answered) {
	struct imap_flight *f = c->imap->flights;

	while (f != NULL && f != answered && (f->flags & FLIGHT_DOUBTFUL)) {
		if (f->command == IMAP_SELECT || f->command == IMAP_EXAMINE
		    || f->command == IMAP_CLOSE || f->command == IMAP_UNSELECT)
			imap_mailbox_unselect(c);
		if (c->imap->busy->command == f)
			return;
		imap_flight_unlink(c, f);
		imap_flight_free(c, f);
		f = c->imap->flights;
	}
}

// response-tagged = tag SP ("OK" / "NO" / "BAD") SP resp-text
static bool tagged_parse(struct imap_cursor *line, struct imap_cursor *tag, bool *is_ok) {
	tag->at = line->at;
	tag->end = memchr(line->at, ' ', line->end - line->at);
	if (tag->end == NULL)
		return false;
	line->at = tag->end + 1;
	*is_ok = text_skip(line, "OK");
	if (!*is_ok && !text_skip(line, "NO") && !text_skip(line, "BAD"))
		return false;
	if (line->at < line->end && *line->at != ' ')
		return false;
	text_skip(line, " ");
	return true;
}

static void tagged_received(struct imap_ctx *c, struct imap_cursor line) {
	struct imap_flight *flight;
	struct imap_cursor tag;
	bool is_ok;

	if (!tagged_parse(&line, &tag, &is_ok)) {
		session_event(c->s, EVENT_bad_syntax);
		return;
	}
	session_token(c->s, RULE_RESPONSE, tag.at, (size_t)(line.end - tag.at), c->now_ns);
	flight = imap_flight_find(c, tag.at, tag.end - tag.at);
	c->imap->is_unsure |= !c->imap->is_asked; // only the server was captured
	if (flight != NULL) {
		referral_received(c, line);
		doubtful_drop(c, flight);
		imap_command_answered(c, flight, is_ok, line);
	} else if (!c->imap->is_unsure && !(c->s->events & UINT64_C(1) << EVENT_too_many_commands)) {
		session_event(c->s, EVENT_unmatched_response);
	}
}

// The server waits: for a literal or an exchange, which the client's next bytes show, or in IDLE.
static void continuation_received(struct imap_ctx *c) {
	struct imap_flight *first = c->imap->flights;

	if (first != NULL && first->command == IMAP_AUTHENTICATE)
		imap_sasl_asked(first);
	if (first == NULL || first->command != IMAP_IDLE || !(first->flags & FLIGHT_COMPLETE))
		return;
	c->imap->facts.is_idle = true;
	imap_parts_forget(c);
	if (c->s->login != LOGIN_SUCCESS)
		return;
	session_activity(c->s, c->now_ns)->idle = true;
	// Who waits has done what he came for: nothing is kept for him meanwhile.
	session_activity_flush(c->s, c->now_ns);
}

// The rest of a response after a literal.
static void
inside_received(struct imap_ctx *c, struct imap_cursor text, const struct line_slice *line) {
	struct imap_literal literal;
	int has_literal = literal_take(line, &text, &literal);

	if (c->imap->busy->fetch.is_open)
		imap_fetch_items(c, text, line->is_cut);
	line_end(c, &literal, has_literal, line);
}

void imap_server_line(struct imap_ctx *c, const struct line_slice *line) {
	struct imap_cursor text = {line->data, line->data + line->size};

	if (c->imap->busy->side[STREAM_SERVER].is_inside) {
		inside_received(c, text, line);
		return;
	}
	if (text_skip(&text, "* "))
		untagged_received(c, text, line);
	else if (imap_text_starts(text, "+"))
		continuation_received(c);
	else
		tagged_received(c, text);
	c->imap->is_greeted = true;
}

// ---- After a hole

bool imap_server_is_sure(struct imap_ctx *c, struct imap_cursor line) {
	static const char *const words[]
		= {"FETCH (",
		   "UIDFETCH (",
		   "EXISTS",
		   "EXPUNGE",
		   "RECENT",
		   "FLAGS (",
		   "LIST (",
		   "LSUB (",
		   "SEARCH",
		   "STATUS "};
	struct imap_cursor tag;
	uint32_t number;
	bool is_ok;

	if (!text_skip(&line, "* "))
		return tagged_parse(&line, &tag, &is_ok)
			&& imap_flight_find(c, tag.at, tag.end - tag.at) != NULL;
	if (is_status(line))
		return true;
	if (imap_number(&line, &number))
		text_skip(&line, " ");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (imap_text_starts(line, words[i]))
			return true;
	return false;
}
