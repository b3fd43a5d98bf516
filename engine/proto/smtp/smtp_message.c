// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Envelopes built up by accepted MAIL and RCPT, the messages they become, what the final reply says of
// them, and the activity for those that were accepted.

#include "content.h"
#include "proto/smtp/smtp_private.h"
#include "slab.h"

#include <string.h>

struct smtp_text smtp_text_copy(struct smtp_parser *p, const uint8_t *data, size_t size) {
	struct smtp_text text = {slab_get(session_slab(p->session), size + 1), size + 1};

	if (text.text == NULL) {
		session_event(p->session, EVENT_memory_full);
		return (struct smtp_text){0};
	}
	memcpy(text.text, data, size);
	return text;
}

void smtp_text_free(struct smtp_parser *p, struct smtp_text *text) {
	slab_put(session_slab(p->session), text->text, text->cap);
	*text = (struct smtp_text){0};
}

static struct smtp_text text_take(struct smtp_text *text) {
	struct smtp_text taken = *text;

	*text = (struct smtp_text){0};
	return taken;
}

// Makes room for one more in a list of at most max. Returns the list, moved when it had to grow, or
// NULL when there is no room: it is then what it was.
static void *
list_grow(struct smtp_parser *p, void *list, uint16_t *cap, uint16_t n, uint16_t max, size_t size) {
	struct slab *slab = session_slab(p->session);
	uint32_t wanted = *cap == 0 ? 1 : *cap * 2;

	if (n < *cap)
		return list;
	if (n >= max)
		return NULL;
	if (wanted > max)
		wanted = max;
	void *larger = slab_get(slab, wanted * size);
	if (larger == NULL) {
		session_event(p->session, EVENT_memory_full);
		return NULL;
	}
	if (n > 0)
		memcpy(larger, list, n * size);
	slab_put(slab, list, *cap * size);
	*cap = wanted;
	return larger;
}

void smtp_message_free(struct smtp_parser *p, struct smtp_message *message) {
	smtp_text_free(p, &message->from);
	for (int i = 0; i < message->n_to; i++)
		smtp_text_free(p, &message->to[i]);
	slab_put(session_slab(p->session), message->to, message->to_cap * sizeof(*message->to));
	smtp_text_free(p, &message->queue_id);
	smtp_summary_free(p, &message->content);
	*message = (struct smtp_message){0};
}

void smtp_summary_free(struct smtp_parser *p, struct mime_summary **content) {
	struct slab *slab = session_slab(p->session);

	if (*content == NULL)
		return;
	mime_summary_free(*content, slab);
	slab_put(slab, *content, sizeof(**content));
	*content = NULL;
}

void smtp_message_content(struct smtp_parser *p, struct mime_summary **content) {
	struct smtp_message *message = smtp_message_open(p);

	if (message != NULL && message->content == NULL) {
		message->content = *content;
		*content = NULL;
	}
	smtp_summary_free(p, content);
}

static struct smtp_message *envelope_get(struct smtp_parser *p) {
	if (p->envelope == NULL)
		p->envelope = slab_get(session_slab(p->session), sizeof(*p->envelope));
	if (p->envelope == NULL)
		session_event(p->session, EVENT_memory_full);
	return p->envelope;
}

void smtp_envelope_open(struct smtp_parser *p, struct smtp_text *from) {
	smtp_envelope_reset(p);
	if (envelope_get(p) != NULL)
		p->envelope->from = text_take(from);
}

void smtp_envelope_add(struct smtp_parser *p, struct smtp_text *to) {
	struct smtp_message *e = envelope_get(p);

	if (e == NULL)
		return;
	e->n_recipients += e->n_recipients < UINT32_MAX;
	if (to->text == NULL)
		return;
	struct smtp_text *list
		= list_grow(p, e->to, &e->to_cap, e->n_to, SMTP_RECIPIENTS_MAX, sizeof(*e->to));
	if (list != NULL) {
		e->to = list;
		e->to[e->n_to++] = text_take(to);
	} else {
		session_event(p->session, EVENT_too_many_recipients);
	}
}

void smtp_envelope_reject(struct smtp_parser *p) {
	if (p->envelope != NULL)
		p->envelope->n_rejected += p->envelope->n_rejected < UINT32_MAX;
}

void smtp_envelope_reset(struct smtp_parser *p) {
	if (p->envelope == NULL)
		return;
	smtp_message_free(p, p->envelope);
	slab_put(session_slab(p->session), p->envelope, sizeof(*p->envelope));
	p->envelope = NULL;
}

struct smtp_message *smtp_message_open(struct smtp_parser *p) {
	if (!p->is_open)
		return NULL;
	return p->is_open_listed ? &p->facts.messages[p->facts.n_messages - 1] : p->spare;
}

void smtp_message_begin(struct smtp_parser *p, bool is_bdat) {
	struct smtp *facts = &p->facts;
	struct smtp_message *message;

	smtp_message_end(p);
	facts->messages_total++;
	p->lmtp_at = 0;
	p->n_prdr = 0;
	p->is_open = envelope_get(p) != NULL;
	if (!p->is_open)
		return;
	p->envelope->is_bdat = is_bdat;
	struct smtp_message *list = list_grow(
		p,
		facts->messages,
		&facts->messages_cap,
		facts->n_messages,
		SMTP_MESSAGES_MAX,
		sizeof(*message)
	);
	p->is_open_listed = list != NULL;
	if (list != NULL)
		facts->messages = list;
	if (!p->is_open_listed) {
		session_event(p->session, EVENT_too_many_messages);
		p->spare = p->envelope;
		p->envelope = NULL;
		return;
	}
	facts->messages[facts->n_messages++] = *p->envelope;
	slab_put(session_slab(p->session), p->envelope, sizeof(*p->envelope));
	p->envelope = NULL;
}

static void spare_free(struct smtp_parser *p) {
	if (p->spare == NULL)
		return;
	smtp_message_free(p, p->spare);
	slab_put(session_slab(p->session), p->spare, sizeof(*p->spare));
	p->spare = NULL;
}

void smtp_message_drop(struct smtp_parser *p) {
	struct smtp_message *message = smtp_message_open(p);

	if (message == NULL)
		return;
	p->facts.messages_total--;
	if (p->is_open_listed) {
		smtp_message_free(p, message);
		p->facts.n_messages--;
	}
	spare_free(p);
	p->is_open = false;
}

// Enhanced status code (RFC 3463): class "." subject "." detail, the class being the reply's.
static size_t enhanced_size(uint16_t code, const uint8_t *text, size_t size) {
	size_t used = 1, n_dots = 0, n_digits = 1;

	if (size < 5 || text[0] != '0' + code / 100)
		return 0;
	for (; used < size; used++) {
		if (text[used] == '.' && n_digits > 0 && n_dots < 2) {
			n_dots++;
			n_digits = 0;
		} else if (text[used] >= '0' && text[used] <= '9' && n_digits < 3) {
			n_digits++;
		} else {
			break;
		}
	}
	bool is_end = used == size || text[used] == ' ' || text[used] == ':';
	return n_dots == 2 && n_digits > 0 && is_end ? used : 0;
}

// How servers name what they have queued: the word after a phrase, or before one.
static const struct {
	const char *phrase;
	bool is_before;
} queue_phrases[] = {
	{"queued as ", false}, // Postfix; also a filter quoting it
	{"[InternalId=", false}, // Exchange
	{" Message accepted for delivery", true}, // Sendmail, OpenSMTPD
	{" Saved", true}, // Dovecot's LMTP
	{"OK id=", false}, // Exim
	{" - gsmtp", true}, // Google
};

static bool is_id_char(uint8_t c) {
	return c > ' ' && c < 0x7f && strchr("<>()[],;\"\\", c) == NULL;
}

static struct smtp_text queue_id_find(struct smtp_parser *p, const uint8_t *text, size_t size) {
	for (size_t i = 0; i < sizeof(queue_phrases) / sizeof(queue_phrases[0]); i++) {
		size_t phrase_size = strlen(queue_phrases[i].phrase);
		const uint8_t *at = memmem(text, size, queue_phrases[i].phrase, phrase_size);
		size_t id_size = 0;
		if (at == NULL)
			continue;
		if (queue_phrases[i].is_before) {
			while (at > text && is_id_char(at[-1]))
				at--, id_size++;
		} else {
			at += phrase_size;
			while (at + id_size < text + size && is_id_char(at[id_size]))
				id_size++;
		}
		if (id_size > 0 && id_size <= SMTP_QUEUE_ID_SIZE_MAX)
			return smtp_text_copy(p, at, id_size);
	}
	return (struct smtp_text){0};
}

static void outcome_set(
	struct smtp_parser *p,
	struct smtp_message *message,
	uint16_t code,
	const uint8_t *text,
	size_t size
) {
	size_t used = enhanced_size(code, text, size);

	message->outcome = code;
	memset(message->enhanced, 0, sizeof(message->enhanced));
	if (used < sizeof(message->enhanced))
		memcpy(message->enhanced, text, used);
	smtp_text_free(p, &message->queue_id);
	if (code / 100 == 2)
		message->queue_id = queue_id_find(p, text, size);
}

// LMTP answers for each recipient; one that is refused now was not accepted.
static void recipient_reject(struct smtp_parser *p, struct smtp_message *message) {
	message->n_rejected++;
	if (message->n_recipients > 0)
		message->n_recipients--;
	if (p->lmtp_at >= message->n_to)
		return;
	smtp_text_free(p, &message->to[p->lmtp_at]);
	message->n_to--;
	memmove(&message->to[p->lmtp_at],
		&message->to[p->lmtp_at + 1],
		(message->n_to - p->lmtp_at) * sizeof(*message->to));
}

void smtp_message_reply(struct smtp_parser *p, uint16_t code, const uint8_t *text, size_t size) {
	struct smtp_message *message = smtp_message_open(p);

	bool is_single = p->facts.is_lmtp || p->n_prdr > 0;

	p->n_prdr -= p->n_prdr > 0;
	if (message == NULL || code == 0)
		return;
	// Of LMTP's replies the first good one stands, or the first.
	if (!is_single || message->outcome == 0 || (code / 100 == 2 && message->outcome / 100 != 2))
		outcome_set(p, message, code, text, size);
	if (!is_single)
		return;
	if (code / 100 == 2)
		p->lmtp_at += p->lmtp_at < UINT16_MAX;
	else
		recipient_reject(p, message);
}

static void text_cut(char *to, size_t to_size, const struct smtp_text *text) {
	if (text->text == NULL)
		return;
	size_t size = strlen(text->text);
	// Not in the middle of a character.
	if (size >= to_size)
		for (size = to_size - 1; size > 0 && (text->text[size] & 0xc0) == 0x80; size--)
			;
	memcpy(to, text->text, size);
	to[size] = 0;
}

static void activity_send(struct smtp_parser *p, const struct smtp_message *message) {
	struct activity *a = session_activity(p->session, p->now_ns);

	if (a->n_sent == ACTIVITY_SENT_MAX) {
		session_activity_flush(p->session, p->now_ns);
		a = session_activity(p->session, p->now_ns);
	}
	struct activity_sent *sent = &a->sent[a->n_sent++];
	*sent = (struct activity_sent
	){.n_recipients = message->n_recipients, .bytes = message->bytes};
	if (message->content != NULL)
		sent->attachments = message->content->attachments_total;
	for (int i = 0; i < message->n_to && sent->n_to < ACTIVITY_RECIPIENTS_MAX; i++)
		text_cut(sent->to[sent->n_to++], sizeof(sent->to[0]), &message->to[i]);
	text_cut(a->client.helo, sizeof(a->client.helo), &p->facts.helo);
}

void smtp_message_end(struct smtp_parser *p) {
	struct smtp_message *message = smtp_message_open(p);

	if (message == NULL)
		return;
	if (message->is_holed)
		session_event(p->session, EVENT_message_cut);
	if (message->outcome / 100 == 2)
		activity_send(p, message);
	spare_free(p);
	p->is_open = false;
}
