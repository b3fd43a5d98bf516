// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// POP3's bytes in, messages out, holes, and the end.
//
// Only CR LF . CR LF ends a message for certain (RFC 1939 section 3), or LF . LF from a server that
// ends all its lines so. Another lone dot is content, and an event: clients differ there.

#include "activity.h"
#include "content.h"
#include "proto/offer.h"
#include "proto/pop3_private.h"
#include "proto/proto.h"
#include "proto/starttls.h"
#include "proto/tls_unasked.h"
#include "session_match.h"
#include "slab.h"

#include <string.h>

// ---- Messages

static void emit(struct pop3_parser *p, const uint8_t *data, size_t size) {
	if (size == 0)
		return;
	p->message_bytes += size;
	content_data(p->content, data, size);
}

void pop3_message_begin(struct pop3_parser *p, const struct pop3_pending *command) {
	p->server = POP3_SERVER_MESSAGE;
	p->place = POP3_START;
	p->is_top = command->verb == POP3_TOP;
	p->is_headers = command->is_headers;
	p->number = command->number;
	p->is_holed = false;
	p->message_bytes = 0;
	p->content = content_open(p->session, CONTENT_FETCHED);
}

void pop3_message_end(struct pop3_parser *p) {
	struct pop3 *facts = &p->facts;

	content_close(p->content, p->now_ns);
	p->content = NULL;
	p->server = POP3_SERVER_REPLY;
	if (p->is_top) {
		facts->n_top++;
		facts->top_bytes += p->message_bytes;
	} else {
		facts->n_retr++;
		facts->retr_bytes += p->message_bytes;
	}
	if (p->is_holed)
		session_event(p->session, EVENT_message_cut);
	pop3_message_tell(p);
}

// Up to the end of a line, or of the bytes. Returns the bytes read, all of them content.
static size_t text_read(struct pop3_parser *p, const uint8_t *data, size_t size) {
	const uint8_t *lf = memchr(data, '\n', size);
	bool was_cr = p->place == POP3_TEXT_CR;
	size_t n = lf ? (size_t)(lf - data) : size;

	if (n > 0)
		was_cr = data[n - 1] == '\r';
	if (!lf) {
		p->place = was_cr ? POP3_TEXT_CR : POP3_TEXT;
		return size;
	}
	p->place = was_cr || p->is_lf ? POP3_START : POP3_START_LOOSE;
	return n + 1;
}

// Reads a message on. Returns the bytes read: all, or up to its end.
static size_t message_read(struct pop3_parser *p, const uint8_t *data, size_t size) {
	size_t from = 0, at = 0; // from: where what is not emitted begins

	while (at < size) {
		uint8_t c = data[at];
		switch (p->place) {
		case POP3_TEXT:
		case POP3_TEXT_CR:
			at += text_read(p, data + at, size - at);
			break;
		case POP3_START:
			p->place = c == '.' ? POP3_DOT : POP3_TEXT;
			if (c != '.')
				break;
			emit(p, data + from, at - from);
			from = ++at;
			break;
		case POP3_START_LOOSE:
			p->place = c == '.' ? POP3_DOT_LOOSE : POP3_TEXT;
			at += c == '.';
			break;
		case POP3_DOT_LOOSE:
			if (c == '\r' || c == '\n')
				session_event(p->session, EVENT_bare_cr_lf);
			p->place = POP3_TEXT;
			break;
		case POP3_DOT:
			if (c == '\r') {
				p->place = POP3_DOT_CR;
				from = ++at;
				break;
			}
			if (c == '\n' && p->is_lf) {
				pop3_message_end(p);
				return at + 1;
			}
			if (c == '\n')
				session_event(p->session, EVENT_bare_cr_lf);
			p->place = POP3_TEXT;
			break;
		case POP3_DOT_CR:
			if (c == '\n') {
				pop3_message_end(p);
				return at + 1;
			}
			session_event(p->session, EVENT_bare_cr_lf);
			emit(p, (const uint8_t *)"\r", 1);
			p->place = POP3_TEXT_CR;
			break;
		}
	}
	emit(p, data + from, size - from);
	return size;
}

// ---- Bytes in

// RFC 2449 section 5: a capability's name is the first word of its line.
static void capability_line(struct pop3_parser *p, const struct line_slice *line) {
	const uint8_t *space = memchr(line->data, ' ', line->size);

	p->offers |= offer_word(line->data, space ? (size_t)(space - line->data) : line->size);
}

static void listing_end(struct pop3_parser *p) {
	p->server = POP3_SERVER_REPLY;
	if (p->is_holed)
		return;
	if (p->listing == POP3_LIST)
		p->facts.has_drop = true;
	if (p->listing == POP3_CAPA) {
		session_offers(p->session, p->offers, p->now_ns);
		p->offers |= OFFER_LISTED;
	}
}

static void listing_line(struct pop3_parser *p, const struct line_slice *line) {
	if (line->size == 1 && line->data[0] == '.')
		listing_end(p);
	else if (p->listing == POP3_CAPA)
		capability_line(p, line);
	else if (p->listing == POP3_UIDL && !line->is_cut)
		pop3_uidl_line(p, line->data, line->size);
	else if (p->listing == POP3_LIST)
		pop3_list_line(p, line->data, line->size);
}

static void server_line(struct pop3_parser *p, const struct line_slice *line) {
	if (line->is_cut)
		session_event(p->session, EVENT_line_too_long);
	switch (p->server) {
	case POP3_SERVER_LISTING:
		listing_line(p, line);
		break;
	case POP3_SERVER_GREETING:
		p->server = POP3_SERVER_REPLY;
		p->is_lf = line->is_bare;
		session_token(p->session, RULE_RESPONSE, line->data, line->size, p->now_ns);
		if (line->size < 3 || memcmp(line->data, "+OK", 3) == 0)
			break;
		if (line->size < 4 || memcmp(line->data, "-ERR", 4) != 0)
			session_event(p->session, EVENT_lost_place); // begun before the capture
		break;
	default:
		pop3_reply_line(p, line);
	}
}

static void server_read(struct pop3_parser *p, const uint8_t *data, size_t size) {
	struct session *s = p->session;
	struct line_slice line;

	while (size > 0 && !s->is_deaf) {
		if (p->is_tls_next) {
			session_event(s, EVENT_starttls_response_injection);
			session_unparsed(s, size);
			return;
		}
		if (p->server == POP3_SERVER_MESSAGE) {
			size_t n = message_read(p, data, size);
			data += n;
			size -= n;
			continue;
		}
		if (line_next(&p->lines[STREAM_SERVER], session_slab(s), &data, &size, &line) == 0)
			return;
		server_line(p, &line);
	}
	session_unparsed(s, size);
}

// Whether the client's bytes are taken, as they may be TLS.
static bool is_unasked_tls(struct pop3_parser *p, const uint8_t *data, size_t size) {
	bool is_server_start
		= p->server < POP3_SERVER_LISTING && line_is_start(&p->lines[STREAM_SERVER]);

	return data[0] == TLS_RECORD_HANDSHAKE && line_is_start(&p->lines[STREAM_CLIENT])
		&& tls_unasked(p->session, data, size, is_server_start);
}

static void client_read(struct pop3_parser *p, const uint8_t *data, size_t size) {
	struct session *s = p->session;
	struct line_slice line;

	if (p->is_tls_next && size > 0) {
		p->is_tls_next = false;
		if (starttls_take(s, data, size))
			return;
	}
	// Nobody asks for more before the answer is there, unless its end was in a hole.
	if (p->is_holed && p->server == POP3_SERVER_MESSAGE)
		pop3_message_end(p);
	if (p->is_holed && p->server == POP3_SERVER_LISTING)
		p->server = POP3_SERVER_REPLY;
	while (size > 0 && !s->is_deaf) {
		if (is_unasked_tls(p, data, size))
			return;
		if (line_next(&p->lines[STREAM_CLIENT], session_slab(s), &data, &size, &line) == 0)
			return;
		if (line.is_cut)
			session_event(s, EVENT_line_too_long);
		pop3_command_line(p, &line);
	}
	session_unparsed(s, size);
}

static void *parser_open(struct session *s) {
	struct pop3_parser *p = slab_get(session_slab(s), sizeof(*p));

	if (!p)
		return NULL;
	p->session = s;
	p->lines[STREAM_CLIENT].is_secret = true;
	return p;
}

static void parser_data(
	struct session *,
	void *state,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	struct pop3_parser *p = state;

	p->now_ns = now_ns;
	if (dir == STREAM_CLIENT)
		client_read(p, data, size);
	else
		server_read(p, data, size);
}

static void
parser_gap(struct session *s, void *state, enum stream_dir dir, uint64_t size, uint64_t now_ns) {
	struct pop3_parser *p = state;

	p->now_ns = now_ns;
	line_reset(&p->lines[dir], session_slab(s));
	if (dir == STREAM_SERVER && p->server >= POP3_SERVER_LISTING) {
		p->is_holed = true;
		if (p->server == POP3_SERVER_LISTING)
			return;
		p->message_bytes += size;
		p->place = POP3_TEXT;
		content_gap(p->content, size);
		return;
	}
	// Which reply is whose is not known any more: what is asked from now on is answered in order.
	session_event(s, EVENT_lost_place);
	pop3_pending_clear(p);
	pop3_sasl_free(p);
	p->is_exchange = false;
}

static void parser_end(struct session *s, void *state, uint64_t now_ns) {
	struct pop3_parser *p = state;

	p->now_ns = now_ns;
	pop3_login_unanswered(p);
	if (p->server == POP3_SERVER_MESSAGE) {
		session_event(s, EVENT_message_cut);
		pop3_message_end(p);
	}
}

static void parser_free(struct session *s, void *state) {
	struct pop3_parser *p = state;
	struct slab *slab = session_slab(s);

	content_close(p->content, p->now_ns);
	pop3_pending_clear(p);
	pop3_sasl_free(p);
	pop3_user_free(p);
	pop3_drop_free(p);
	line_reset(&p->lines[STREAM_CLIENT], slab);
	line_reset(&p->lines[STREAM_SERVER], slab);
	slab_put(slab, p, sizeof(*p));
}

const struct proto proto_pop3 = {
	.name = "pop3",
	.activity = ACTIVITY_POP3,
	.open = parser_open,
	.data = parser_data,
	.gap = parser_gap,
	.end = parser_end,
	.free = parser_free,
};
