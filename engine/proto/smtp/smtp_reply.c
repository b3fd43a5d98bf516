// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The server's lines, and what they decide. Replies answer commands in order (RFC 2920): the ring of
// commands sent first, then those beyond it that were only counted, then the one the client waits for.

#include "proto/offer.h"
#include "proto/smtp/smtp_private.h"
#include "session_match.h"
#include "slab.h"

#include <string.h>

enum {
	RING_CAP_MIN = 4,
	CODE_PRDR = 353, // to the end of data: replies for each recipient follow, and one for all
	CODE_CHALLENGE = 334, // of an authentication
	CODE_ASSUMED = 0, // no reply was seen: counts as accepted
};

static bool is_good(uint16_t code) {
	return code == CODE_ASSUMED || code / 100 == 2;
}

static struct smtp_pending *ring_at(struct smtp_parser *p, uint32_t i) {
	return &p->ring[(p->ring_head + i) & (p->ring_cap - 1)];
}

// Room for one more. 0, or -1 when the limit or the slab is reached.
static int ring_grow(struct smtp_parser *p) {
	struct slab *slab = session_slab(p->session);
	uint16_t cap = p->ring_cap == 0 ? RING_CAP_MIN : p->ring_cap * 2;

	if (p->n_pending < p->ring_cap)
		return 0;
	if (cap > SMTP_INFLIGHT_MAX)
		return -1;
	struct smtp_pending *ring = slab_get(slab, cap * sizeof(*ring));
	if (ring == NULL) {
		session_event(p->session, EVENT_memory_full);
		return -1;
	}
	for (uint32_t i = 0; i < p->n_pending; i++)
		ring[i] = *ring_at(p, i);
	slab_put(slab, p->ring, p->ring_cap * sizeof(*ring));
	p->ring = ring;
	p->ring_cap = cap;
	p->ring_head = 0;
	return 0;
}

void smtp_pending_add(struct smtp_parser *p, const struct smtp_pending *pending) {
	// Behind commands that are only counted none can be kept: replies come in order.
	if (p->n_overflow > 0 || ring_grow(p) != 0) {
		struct smtp_text text = pending->text;
		smtp_text_free(p, &text);
		session_event(p->session, EVENT_too_many_commands);
		p->n_overflow += p->n_overflow < UINT32_MAX;
		return;
	}
	*ring_at(p, p->n_pending++) = *pending;
}

struct smtp_pending *smtp_pending_last(struct smtp_parser *p) {
	return p->n_pending == 0 || p->n_overflow > 0 ? NULL : ring_at(p, p->n_pending - 1);
}

static void pending_free(struct smtp_parser *p, struct smtp_pending *pending) {
	smtp_text_free(p, &pending->text);
	smtp_summary_free(p, &pending->content);
}

void smtp_pending_clear(struct smtp_parser *p) {
	while (p->n_pending > 0)
		pending_free(p, ring_at(p, --p->n_pending));
	p->ring_head = 0;
	p->n_overflow = p->n_owed = 0;
}

// RFC 3030: each chunk has its reply; that to LAST is the message's.
static void bdat_reply(
	struct smtp_parser *p,
	struct smtp_pending *chunk,
	uint16_t code,
	const uint8_t *text,
	size_t size
) {
	bool is_message = is_good(code) || (p->envelope != NULL && p->envelope->n_recipients > 0);

	if (!p->is_open) {
		if (!is_message)
			return; // refused like DATA without recipients
		smtp_message_begin(p, true);
	}
	struct smtp_message *message = smtp_message_open(p);
	if (message != NULL && is_good(code)) {
		message->bytes += chunk->size;
		message->is_holed |= chunk->is_holed;
	}
	if (is_good(code) && !chunk->is_last)
		return;
	smtp_message_content(p, &chunk->content);
	smtp_message_reply(p, code, text, size);
	smtp_message_end(p);
}

// RFC 2033 4.3: LMTP answers the last chunk for each recipient, as it does the end of data.
static void chunk_to_data_end(struct smtp_parser *p, struct smtp_pending *chunk) {
	if (!p->is_open && (p->envelope == NULL || p->envelope->n_recipients == 0))
		return; // refused as a whole
	if (!p->is_open)
		smtp_message_begin(p, true);
	struct smtp_message *message = smtp_message_open(p);
	if (message == NULL)
		return;
	message->bytes += chunk->size;
	message->is_holed |= chunk->is_holed;
	smtp_message_content(p, &chunk->content);
	chunk->verb = SMTP_DATA_END;
	chunk->n_replies = message->n_recipients > 1 ? message->n_recipients : 1;
}

static void transaction_reset(struct smtp_parser *p) {
	smtp_message_end(p);
	smtp_envelope_reset(p);
}

// The list that answers EHLO is whole.
static void offers_take(struct smtp_parser *p) {
	p->offers = p->offers_now | OFFER_LISTED;
	session_offers(p->session, p->offers_now, p->now_ns);
}

// One line of a reply of several, or its last. The first names the server.
static void offers_line(struct smtp_parser *p, bool is_first, const struct line_slice *line) {
	const uint8_t *word = line->data + 4, *end = line->data + line->size;

	if (is_first)
		p->offers_now = 0;
	if (is_first || line->size < 5 || p->n_pending == 0 || ring_at(p, 0)->verb != SMTP_HELLO)
		return;
	const uint8_t *space = memchr(word, ' ', (size_t)(end - word));
	p->offers_now |= offer_word(word, (size_t)((space != NULL ? space : end) - word));
}

// The server does have what its list had not.
static void offers_contradict(struct smtp_parser *p) {
	if ((p->offers & (OFFER_LISTED | OFFER_TLS)) == OFFER_LISTED)
		session_event(p->session, EVENT_capability_stripped);
}

static void command_reply(
	struct smtp_parser *p,
	struct smtp_pending *c,
	uint16_t code,
	const uint8_t *text,
	size_t size
) {
	p->facts.n_rejected_commands += code >= 400 && c->verb != SMTP_DATA_END;
	switch (c->verb) {
	case SMTP_HELLO:
		if (!is_good(code))
			break;
		p->facts.is_esmtp = c->is_ehlo || c->is_lhlo;
		if (c->is_lhlo && !p->facts.is_lmtp)
			session_is_lmtp(p->session);
		p->facts.is_lmtp = c->is_lhlo;
		if (p->facts.is_esmtp && code != CODE_ASSUMED)
			offers_take(p);
		transaction_reset(p);
		break;
	case SMTP_MAIL:
		if (is_good(code)) {
			smtp_message_end(p);
			smtp_envelope_open(p, &c->text);
		}
		break;
	case SMTP_RCPT:
		if (is_good(code))
			smtp_envelope_add(p, &c->text);
		else
			smtp_envelope_reject(p);
		break;
	case SMTP_RSET:
		if (is_good(code))
			transaction_reset(p);
		break;
	case SMTP_XCLIENT: // answered by another greeting
	case SMTP_XFORWARD:
		if (code / 100 != 2)
			break;
		if (c->verb == SMTP_XCLIENT)
			transaction_reset(p);
		if (c->text.text != NULL)
			smtp_xclient(p, c->text.text, c->verb == SMTP_XFORWARD);
		break;
	case SMTP_ETRN:
		p->facts.n_etrn += is_good(code);
		break;
	case SMTP_BDAT:
		bdat_reply(p, c, code, text, size);
		break;
	}
	pending_free(p, c);
}

// Exim's per-recipient data responses: as LMTP's, with one more for the message.
static void prdr_begin(struct smtp_parser *p, struct smtp_pending *c) {
	const struct smtp_message *message = smtp_message_open(p);

	c->n_replies = 1 + (message != NULL ? message->n_recipients : 0);
	p->n_prdr = c->n_replies - 1;
}

// The reply to the oldest command in the ring.
static void ring_reply(struct smtp_parser *p, uint16_t code, const uint8_t *text, size_t size) {
	struct smtp_pending *c = ring_at(p, 0);

	if (c->verb == SMTP_BDAT && c->is_last && p->facts.is_lmtp)
		chunk_to_data_end(p, c);
	if (c->verb == SMTP_DATA_END && code == CODE_PRDR && c->n_replies == 1) {
		prdr_begin(p, c);
		return;
	}
	if (c->verb == SMTP_DATA_END) {
		smtp_message_reply(p, code, text, size);
		if (code != CODE_ASSUMED && --c->n_replies > 0)
			return;
		smtp_message_end(p);
		if (p->shadow != NULL)
			p->shadow->is_answered = true;
	}
	struct smtp_pending command = *c;
	p->ring_head = (p->ring_head + 1) & (p->ring_cap - 1);
	p->n_pending--;
	command_reply(p, &command, code, text, size);
	if (p->n_pending == 0 && p->ring_cap > RING_CAP_MIN) {
		slab_put(session_slab(p->session), p->ring, p->ring_cap * sizeof(*p->ring));
		p->ring = NULL;
		p->ring_cap = p->ring_head = 0;
	}
}

// All but the last n_kept count as accepted: their replies were not seen.
static void ring_assume(struct smtp_parser *p, uint32_t n_kept) {
	while (p->n_pending > n_kept)
		ring_reply(p, CODE_ASSUMED, NULL, 0);
	p->n_overflow = p->n_owed = 0;
}

void smtp_auth_unanswered(struct smtp_parser *p) {
	const struct sasl *sasl = p->sasl;

	if (sasl != NULL && sasl->name_size > 0 && !p->sasl_is_cancelled)
		session_login_unanswered(
			p->session, sasl->mechanism, sasl->name, sasl->name_size, p->now_ns
		);
}

static void sasl_free(struct smtp_parser *p) {
	sasl_put(session_slab(p->session), &p->sasl);
}

// RFC 4954 section 6: what is said of the credentials, not of the command or of the server's health.
static enum login_outcome auth_outcome(uint16_t code) {
	if (code / 100 == 2)
		return LOGIN_SUCCESS;
	switch (code) {
	case 500: // no such command
	case 502:
	case 503: // not now
	case 504: // no such mechanism
	case 530: // STARTTLS first
	case 538:
		return LOGIN_NONE;
	}
	return code / 100 == 5 ? LOGIN_FAILURE : LOGIN_NONE;
}

void smtp_auth_tell(struct smtp_parser *p, enum login_outcome outcome) {
	const struct sasl *sasl = p->sasl;

	if (sasl != NULL && outcome != LOGIN_NONE && !p->sasl_is_cancelled
	    && (sasl->n_messages > 0 || outcome == LOGIN_SUCCESS))
		session_login_sasl(p->session, outcome, sasl, p->now_ns);
}

static void auth_reply(struct smtp_parser *p, uint16_t code) {
	enum login_outcome outcome = auth_outcome(code);

	if (code == 334) {
		smtp_resume(p, SMTP_CLIENT_AUTH);
		return;
	}
	p->facts.n_rejected_commands += code >= 400;
	if (outcome == LOGIN_NONE)
		smtp_auth_unanswered(p);
	else
		smtp_auth_tell(p, outcome);
	sasl_free(p);
	smtp_resume(p, SMTP_CLIENT_COMMAND);
}

static void starttls_reply(struct smtp_parser *p, uint16_t code) {
	struct smtp_held *held = &p->held;

	if (code / 100 != 2) {
		p->facts.n_rejected_commands++;
		p->is_refused_tls = true;
		smtp_resume(p, SMTP_CLIENT_COMMAND);
		return;
	}
	offers_contradict(p);
	p->offers = 0; // what was said in clear is forgotten (RFC 3207 4.2)
	p->facts.is_starttls = true;
	p->is_refused_tls = false;
	smtp_envelope_reset(p);
	if (held->size > held->at && held->data[held->at] != 0x16) {
		// In clear behind STARTTLS: a server that keeps them takes them for what came inside
		// TLS (S14). They are nobody's commands.
		session_event(p->session, EVENT_starttls_injection);
		session_unparsed(p->session, held->size - held->at);
		smtp_held_free(p, held);
	}
	smtp_resume(p, SMTP_CLIENT_TLS);
}

static void content_begin(struct smtp_parser *p) {
	smtp_message_begin(p, false);
	smtp_data_begin(p);
	smtp_resume(p, SMTP_CLIENT_DATA);
}

static void greeting_reply(struct smtp_parser *p, uint16_t code) {
	if (code == 220 || code == 421 || code / 100 == 5) {
		smtp_resume(p, SMTP_CLIENT_COMMAND);
		return;
	}
	// No greeting: the connection began before the capture.
	session_event(p->session, EVENT_lost_place);
	p->is_unsure = true;
	if (code / 100 == 3 && code != 334) {
		content_begin(p);
		smtp_data_gap(p, 0);
		p->data_state = SMTP_DATA_START;
		return;
	}
	smtp_resume(p, SMTP_CLIENT_LOST);
}

// RFC 5321 section 3.8: a server that shuts down says 421, and some another 4yz ("451 4.7.0 Timeout waiting for client
// input"). Whoever answers before he is asked says it for a command that comes.
static void unasked_reply(struct smtp_parser *p, uint16_t code) {
	if (code / 100 == 4)
		p->is_given_up = code != 421;
	else if (p->is_empty_behind && code / 100 == 5)
		p->is_empty_behind
			= false; // to servers an empty line is a command that they do not know
	else
		session_event(p->session, EVENT_server_response_as_attack);
}

static void match(struct smtp_parser *p, uint16_t code, const uint8_t *text, size_t size);

// The reply the client waits for before it goes on.
static void waited_reply(struct smtp_parser *p, uint16_t code, const uint8_t *text, size_t size) {
	switch (p->waiting) {
	case SMTP_GREETING:
		greeting_reply(p, code);
		return;
	case SMTP_AUTH:
		auth_reply(p, code);
		return;
	case SMTP_STARTTLS:
		starttls_reply(p, code);
		return;
	}
	if (code / 100 == 3) {
		content_begin(p);
	} else if (code / 100 == 2 && p->is_unsure && p->held.size > 0) {
		// The 354 was lost: this one answers the end of the content that is held.
		content_begin(p);
		smtp_client_read(p, NULL, 0);
		match(p, code, text, size);
	} else {
		p->facts.n_rejected_commands++;
		smtp_resume(p, SMTP_CLIENT_COMMAND);
	}
}

// The reply to DATA comes at last, and what followed has been read as content already.
static void data_assumed_reply(struct smtp_parser *p, uint16_t code) {
	p->data_is_assumed = false;
	if (code / 100 == 3)
		return;
	// It was commands.
	smtp_pending_clear(p);
	smtp_content_close(p);
	smtp_message_drop(p);
	smtp_shadow_free(p);
	p->client = SMTP_CLIENT_LOST;
	p->waiting = SMTP_NOTHING;
	p->is_unsure = true;
}

// A reply while content is still coming.
static void data_reply(struct smtp_parser *p, uint16_t code, const uint8_t *text, size_t size) {
	struct smtp_message *message = smtp_message_open(p);

	if (code / 100 == 3)
		return;
	if (message != NULL && message->is_holed) {
		// The end was in the hole.
		smtp_message_reply(p, code, text, size);
		smtp_content_close(p);
		smtp_message_end(p);
		p->client = SMTP_CLIENT_LOST;
		p->is_unsure = true;
	} else if (!p->data_is_answered) {
		if (code != 421)
			session_event(p->session, EVENT_server_response_as_attack);
		smtp_message_reply(p, code, text, size);
		p->data_is_answered = true;
	}
}

// Steps over what is left of a line end: some take CR LF . CR CR LF as one.
static uint32_t line_end_skip(const struct smtp_held *after, uint32_t at) {
	while (at < after->size && (after->data[at] == '\r' || after->data[at] == '\n'))
		at++;
	return at;
}

// Which of the doubtful ends it was: one that a command follows, or nothing. Returns its index; *at_r is
// where to read on.
static int end_choose(const struct smtp_shadow *shadow, uint32_t *at_r) {
	const struct smtp_held *after = &shadow->after;
	int chosen = -1;

	for (int i = 0; i < shadow->n_ends; i++) {
		uint32_t at = line_end_skip(after, shadow->ends[i].at);
		if (at >= after->size) {
			chosen = i;
			*at_r = at;
		} else if (smtp_command_is_sure(after->data + at, after->size - at)) {
			*at_r = at;
			return i;
		}
	}
	if (chosen >= 0)
		return chosen;
	*at_r = shadow->ends[0].at;
	return 0;
}

// The server has taken a doubtful end for the end: from there on the client's bytes are commands. The
// reply just come answers that end, or (when that has been answered) the first of the commands.
static void other_reading(struct smtp_parser *p) {
	struct smtp_shadow *shadow = p->shadow;
	struct smtp_held after = shadow->after, held = p->held;
	uint32_t at;
	int end = end_choose(shadow, &at);
	struct smtp_message *message = smtp_message_open(p);

	if (message == NULL && shadow->is_answered && p->facts.n_messages > 0
	    && p->facts.n_messages == p->facts.messages_total)
		message = &p->facts.messages[p->facts.n_messages - 1];
	if (message != NULL)
		message->bytes = shadow->ends[end].bytes;
	smtp_content_close(p);
	p->held = shadow->after = (struct smtp_held){0};
	smtp_pending_clear(p);
	p->client = SMTP_CLIENT_COMMAND;
	p->waiting = SMTP_NOTHING;
	line_reset(&p->lines[STREAM_CLIENT], session_slab(p->session));
	if (!shadow->is_answered) {
		struct smtp_pending data_end = {.verb = SMTP_DATA_END, .n_replies = 1};
		if (p->facts.is_lmtp && message != NULL && message->n_recipients > 1)
			data_end.n_replies = message->n_recipients;
		smtp_pending_add(p, &data_end);
	}
	if (shadow->is_cut || at > after.size) {
		session_event(p->session, EVENT_lost_place);
		p->client = SMTP_CLIENT_LOST;
		p->is_unsure = true;
		at = after.size;
	}
	smtp_shadow_free(p);
	if (after.size > at)
		smtp_client_read(p, after.data + at, after.size - at);
	if (held.size > held.at)
		smtp_client_read(p, held.data + held.at, held.size - held.at);
	smtp_held_free(p, &after);
	smtp_held_free(p, &held);
}

// Whether a reply cannot be to what the client is waiting for, if the strict end was the end.
static bool is_out_of_place(struct smtp_parser *p, uint16_t code) {
	if (p->n_overflow > 0 || p->n_owed > 0)
		return false;
	if (p->n_pending == 0 && p->waiting == SMTP_NOTHING)
		return p->client == SMTP_CLIENT_COMMAND && code != 421;
	if (p->n_pending == 0)
		return p->waiting == SMTP_DATA && code / 100 == 2;
	return code / 100 == 3 || (ring_at(p, 0)->verb == SMTP_QUIT && code != 221 && code != 421);
}

static void shadow_check(struct smtp_parser *p, uint16_t code) {
	if (!p->shadow->is_answered) {
		if (p->client == SMTP_CLIENT_DATA && code / 100 != 3 && code != 421)
			other_reading(p);
	} else if (is_out_of_place(p, code)) {
		other_reading(p);
	} else {
		smtp_shadow_free(p);
	}
}

// After a hole, replies that can answer one command only tell the place again.
static void place_find(struct smtp_parser *p, uint16_t code) {
	bool is_quit = code == 221 && p->n_pending > 0
		&& ring_at(p, p->n_pending - 1)->verb == SMTP_QUIT;
	bool is_found = is_quit || (code == 354 && p->waiting == SMTP_DATA)
		|| ((code == 334 || code == 235 || code == 535) && p->waiting == SMTP_AUTH);

	if (!is_found)
		return;
	ring_assume(p, is_quit ? 1 : 0);
	p->is_unsure = false;
}

static void match(struct smtp_parser *p, uint16_t code, const uint8_t *text, size_t size) {
	if (p->n_owed > 0)
		p->n_owed--;
	else if (p->data_is_assumed)
		data_assumed_reply(p, code);
	else if (p->n_pending > 0)
		ring_reply(p, code, text, size);
	else if (p->n_overflow > 0)
		p->n_overflow--;
	else if (p->waiting != SMTP_NOTHING)
		waited_reply(p, code, text, size);
	else if (p->client == SMTP_CLIENT_DATA)
		data_reply(p, code, text, size);
	else if (!p->is_unsure)
		unasked_reply(p, code);
}

static void reply(struct smtp_parser *p, uint16_t code, const uint8_t *text, size_t size) {
	if (p->is_assumed) {
		// It speaks after all; what it answered before is not known.
		p->is_assumed = false;
		p->is_unsure = true;
	}
	if (code / 100 != 3)
		smtp_data_doubt(p);
	if (p->shadow != NULL)
		shadow_check(p, code);
	if (p->is_unsure)
		place_find(p, code);
	match(p, code, text, size);
}

// Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF. 1, or -1.
static int code_read(const struct line_slice *line, uint16_t *code_r) {
	uint16_t code = 0;

	if (line->size < 3)
		return -1;
	for (int i = 0; i < 3; i++) {
		if (line->data[i] < '0' || line->data[i] > '9')
			return -1;
		code = code * 10 + line->data[i] - '0';
	}
	if (code < 200 || code > 599)
		return -1;
	if (line->size > 3 && line->data[3] != ' ' && line->data[3] != '-')
		return -1;
	*code_r = code;
	return 1;
}

void smtp_reply_line(struct smtp_parser *p, const struct line_slice *line) {
	uint16_t code;

	if (code_read(line, &code) < 0) {
		if (!p->is_unsure)
			session_event(p->session, EVENT_bad_syntax);
		session_unparsed(p->session, line->size);
		return;
	}
	if (code != CODE_CHALLENGE)
		session_token(p->session, RULE_RESPONSE, line->data, line->size, p->now_ns);
	if (p->reply_code != 0 && code != p->reply_code)
		session_event(p->session, EVENT_bad_syntax);
	offers_line(p, p->reply_code == 0, line);
	p->reply_code = code;
	if (code == 530 && memmem(line->data, line->size, "STARTTLS", 8) != NULL)
		offers_contradict(p);
	if (line->size > 3 && line->data[3] == '-') {
		if (p->reply_lines == SMTP_REPLY_LINES_MAX)
			session_event(p->session, EVENT_bad_syntax);
		else
			p->reply_lines++;
		return;
	}
	// The last line decides: its code is what clients act upon.
	p->reply_code = p->reply_lines = 0;
	size_t skip = line->size > 3 ? 4 : 3;
	reply(p, code, line->data + skip, line->size - skip);
}

void smtp_reply_gap(struct smtp_parser *p) {
	session_event(p->session, EVENT_lost_place);
	p->is_unsure = true;
	p->reply_code = p->reply_lines = 0;
	p->data_is_assumed = false;
	ring_assume(p, 0);
	smtp_shadow_free(p);
	switch (p->waiting) {
	case SMTP_GREETING:
		smtp_resume(p, SMTP_CLIENT_COMMAND);
		break;
	case SMTP_AUTH:
		sasl_free(p);
		smtp_resume(p, SMTP_CLIENT_LOST);
		break;
	case SMTP_STARTTLS:
		smtp_resume(p, SMTP_CLIENT_TLS);
		break;
	}
}

// How many messages of the client an exchange has when nothing of the server is seen.
static int sasl_rounds(const struct sasl *sasl) {
	if (sasl_is_scram(sasl->mechanism))
		return 2;
	switch (sasl->mechanism) {
	case SASL_LOGIN:
	case SASL_NTLM:
		return 2;
	}
	return 1;
}

void smtp_assume(struct smtp_parser *p) {
	uint32_t n_owed = p->n_owed + p->n_pending + p->n_overflow;

	if (p->waiting == SMTP_GREETING) {
		p->is_assumed = true;
		session_event(p->session, EVENT_one_sided);
	}
	if (!p->is_assumed)
		session_event(p->session, EVENT_lost_place);
	ring_assume(p, 0);
	switch (p->waiting) {
	case SMTP_DATA:
		content_begin(p);
		p->data_is_assumed = !p->is_assumed;
		break;
	case SMTP_AUTH:
		if (p->is_assumed && p->sasl != NULL && !p->sasl_is_cancelled
		    && p->sasl->n_messages < sasl_rounds(p->sasl)) {
			smtp_resume(p, SMTP_CLIENT_AUTH);
			break;
		}
		if (p->is_assumed)
			smtp_auth_unanswered(p);
		sasl_free(p);
		smtp_resume(p, SMTP_CLIENT_COMMAND);
		n_owed++;
		break;
	case SMTP_STARTTLS:
		smtp_resume(p, SMTP_CLIENT_TLS);
		n_owed++;
		break;
	case SMTP_GREETING:
		smtp_resume(p, SMTP_CLIENT_COMMAND);
		break;
	}
	// Their replies may still come, and mean nothing more.
	p->n_owed = p->is_assumed ? 0 : n_owed;
}
