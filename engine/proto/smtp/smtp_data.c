// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Message content. Bytes are passed on as slices between the dots taken out; nothing is copied.
//
// Only CR LF . CR LF ends DATA for certain (RFC 5321 4.1.1.4). A lone dot between other line ends
// is taken as the end by some servers: both readings are then kept, in struct smtp_shadow, and the server's
// replies decide. As received, content is what stands between 354 and the final dot's line, with the first
// dot of each line that follows CR LF taken out, and line ends as on the wire.

#include "content.h"
#include "find.h"
#include "proto/smtp/smtp_private.h"
#include "slab.h"

#include <string.h>

static void emit(struct smtp_parser *p, const uint8_t *data, size_t size) {
	struct smtp_message *message = smtp_message_open(p);

	if (size == 0)
		return;
	if (message != NULL)
		message->bytes += size;
	content_data(p->content, data, size);
}

static void data_start(struct smtp_parser *p, uint8_t term) {
	p->data_state = SMTP_DATA_START;
	p->data_term = term;
	p->data_is_odd = false;
}

void smtp_data_begin(struct smtp_parser *p) {
	smtp_content_close(p);
	smtp_shadow_free(p);
	p->content = content_open(p->session, CONTENT_SENT);
	p->data_is_answered = false;
	data_start(p, 0);
}

void smtp_content_close(struct smtp_parser *p) {
	struct smtp_pending *last = smtp_pending_last(p);
	struct mime_summary *summary;

	if (p->content == NULL)
		return;
	summary = content_finish(p->content, p->now_ns);
	p->content = NULL;
	// In chunks the message is one when the last of them has been answered.
	if (last != NULL && last->verb == SMTP_BDAT && last->is_last && last->content == NULL)
		last->content = summary;
	else
		smtp_message_content(p, &summary);
}

void smtp_shadow_free(struct smtp_parser *p) {
	if (p->shadow == NULL)
		return;
	smtp_held_free(p, &p->shadow->after);
	slab_put(session_slab(p->session), p->shadow, sizeof(*p->shadow));
	p->shadow = NULL;
}

static void data_end(struct smtp_parser *p) {
	struct smtp_message *message = smtp_message_open(p);
	struct smtp_pending end = {.verb = SMTP_DATA_END, .n_replies = 1};

	smtp_content_close(p);
	p->client = SMTP_CLIENT_COMMAND;
	if (p->data_is_answered) {
		smtp_message_end(p);
		return;
	}
	if (p->facts.is_lmtp && message != NULL && message->n_recipients > 1)
		end.n_replies = message->n_recipients;
	smtp_pending_add(p, &end);
	if (p->is_assumed)
		smtp_assume(p);
}

// A lone dot that is the end for some, size bytes into those being read.
static void doubtful_end(struct smtp_parser *p, size_t size) {
	struct smtp_message *message = smtp_message_open(p);
	struct smtp_shadow *shadow = p->shadow;

	p->is_end_doubtful = true;
	if (shadow == NULL) {
		shadow = slab_get(session_slab(p->session), sizeof(*shadow));
		if (shadow == NULL) {
			session_event(p->session, EVENT_memory_full);
			return;
		}
		p->shadow = shadow;
		size = 0; // kept are only those that follow
	}
	if (shadow->n_ends == SMTP_ENDS_MAX || shadow->is_cut)
		return;
	shadow->ends[shadow->n_ends].at = shadow->after.size + size;
	shadow->ends[shadow->n_ends].bytes = message == NULL ? 0 : message->bytes;
	shadow->n_ends++;
}

void smtp_data_doubt(struct smtp_parser *p) {
	if (p->client == SMTP_CLIENT_DATA && p->data_state == SMTP_DATA_DOT_CR)
		doubtful_end(p, 0);
}

// What one byte at the beginning of a line, or after a CR, means.
enum data_step {
	STEP_KEEP, // content
	STEP_HIDE, // not content: a stuffed dot, or the final dot and its line end
	STEP_HOLD, // content unless the next byte makes it the end
	STEP_END, // the sure end
	STEP_DOUBT, // content, and a lone dot's line ends here
	STEP_DOUBT_BEFORE, // the same, one byte ago: this one is to be read again
	STEP_AGAIN, // to be read again in the new state
};

static enum data_step start_step(struct smtp_parser *p, uint8_t c) {
	bool is_start = p->data_state == SMTP_DATA_START;

	switch (c) {
	case 0:
		p->data_state = SMTP_DATA_NUL;
		p->data_is_odd = true;
		return STEP_KEEP;
	case '.':
		p->data_state = SMTP_DATA_DOT;
		return is_start && p->data_term == 0 ? STEP_HIDE : STEP_KEEP;
	}
	p->data_state = SMTP_DATA_TEXT;
	return STEP_AGAIN;
}

static enum data_step dot_step(struct smtp_parser *p, uint8_t c) {
	switch (c) {
	case 0:
		p->data_is_odd = true;
		return STEP_KEEP;
	case '\r':
		p->data_state = SMTP_DATA_DOT_CR;
		return p->data_term == 0 && !p->data_is_odd ? STEP_HOLD : STEP_KEEP;
	case '\n':
		session_event(p->session, EVENT_bare_cr_lf);
		data_start(p, '\n');
		return STEP_DOUBT;
	}
	p->data_state = SMTP_DATA_TEXT;
	return STEP_AGAIN;
}

static enum data_step dot_cr_step(struct smtp_parser *p, uint8_t c) {
	bool is_sure = p->data_term == 0 && !p->data_is_odd;

	if (c == '\n') {
		data_start(p, 0);
		return is_sure ? STEP_END : STEP_DOUBT;
	}
	session_event(p->session, EVENT_bare_cr_lf);
	data_start(p, '\r');
	return STEP_DOUBT_BEFORE;
}

static enum data_step text_cr_step(struct smtp_parser *p, uint8_t c) {
	if (c == '\n') {
		data_start(p, 0);
		return STEP_KEEP;
	}
	session_event(p->session, EVENT_bare_cr_lf);
	data_start(p, '\r');
	return STEP_AGAIN;
}

// Skips text and its ordinary line ends, up to the next byte that needs thought. Returns where to go on.
static const uint8_t *text_skip(struct smtp_parser *p, const uint8_t *at, const uint8_t *end) {
	size_t n = find_odd_line_end(at, end - at);

	at += n;
	if (n > 0 && at[-1] == '\r') {
		p->data_state = SMTP_DATA_TEXT_CR;
		return at;
	}
	if (n > 0 && at[-1] == '\n') {
		data_start(p, 0);
		return at;
	}
	if (at == end)
		return end;
	if (*at == '\r') {
		p->data_state = SMTP_DATA_TEXT_CR;
		return at + 1;
	}
	session_event(p->session, EVENT_bare_cr_lf);
	data_start(p, '\n');
	return at + 1;
}

static enum data_step data_step(struct smtp_parser *p, uint8_t c) {
	switch (p->data_state) {
	case SMTP_DATA_START:
	case SMTP_DATA_NUL:
		return start_step(p, c);
	case SMTP_DATA_DOT:
		return dot_step(p, c);
	case SMTP_DATA_DOT_CR:
		return dot_cr_step(p, c);
	}
	return text_cr_step(p, c);
}

size_t smtp_data_read(struct smtp_parser *p, const uint8_t *data, size_t size) {
	const uint8_t *at = data, *end = data + size;
	const uint8_t *from = data; // what stands before has been passed on, or is hidden

	if (p->data_state == SMTP_DATA_DOT_CR && data[0] != '\n' && p->data_term == 0
	    && !p->data_is_odd)
		emit(p, (const uint8_t *)"\r", 1); // it was held
	while (at < end) {
		if (p->data_state == SMTP_DATA_TEXT) {
			at = text_skip(p, at, end);
			continue;
		}
		switch (data_step(p, *at)) {
		case STEP_KEEP:
			at++;
			break;
		case STEP_HIDE:
			emit(p, from, at - from);
			from = ++at;
			break;
		case STEP_HOLD:
			if (++at == end)
				end--, size--; // emitted next time, or never
			break;
		case STEP_END:
			// The held CR stands before, in these bytes or the last.
			emit(p, from, at > from ? at - 1 - from : 0);
			data_end(p);
			return at + 1 - data;
		case STEP_DOUBT:
			at++;
			emit(p, from, at - from);
			doubtful_end(p, at - data);
			return at - data;
		case STEP_DOUBT_BEFORE:
			emit(p, from, at - from);
			doubtful_end(p, at - data);
			return at - data;
		case STEP_AGAIN:
			break;
		}
	}
	emit(p, from, end - from);
	return at - data;
}

void smtp_data_gap(struct smtp_parser *p, uint64_t size) {
	struct smtp_message *message = smtp_message_open(p);

	if (message != NULL) {
		message->is_holed = true;
		message->bytes += size;
	}
	content_gap(p->content, size);
	// In the middle of some line: the end must now be seen whole.
	p->data_state = SMTP_DATA_TEXT;
}

void smtp_chunk_begin(struct smtp_parser *p, uint64_t size, bool is_last) {
	if (p->content == NULL)
		p->content = content_open(p->session, CONTENT_SENT);
	p->chunk_left = size;
	p->chunk_is_last = is_last;
	p->client = SMTP_CLIENT_CHUNK;
	if (size == 0)
		smtp_chunk_gap(p, 0);
}

static void chunk_advance(struct smtp_parser *p, uint64_t size) {
	p->chunk_left -= size;
	if (p->chunk_left > 0)
		return;
	p->client = SMTP_CLIENT_COMMAND;
	if (p->chunk_is_last)
		smtp_content_close(p);
	if (p->is_assumed)
		smtp_assume(p);
}

size_t smtp_chunk_read(struct smtp_parser *p, const uint8_t *data, size_t size) {
	if (size > p->chunk_left)
		size = p->chunk_left;
	content_data(p->content, data, size);
	chunk_advance(p, size);
	return size;
}

void smtp_chunk_gap(struct smtp_parser *p, uint64_t size) {
	struct smtp_pending *chunk = smtp_pending_last(p);

	if (size > 0) {
		content_gap(p->content, size);
		if (chunk != NULL && chunk->verb == SMTP_BDAT)
			chunk->is_holed = true;
	}
	chunk_advance(p, size);
}
