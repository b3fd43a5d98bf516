// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// An alert as a person reads it on a terminal.

#include "output/alert_json.h"
#include "output/json.h"
#include "output/utf8.h"

#include <stdio.h>
#include <string.h>

struct text {
	char *buffer;
	size_t size, used;
};

static void put(struct text *text, const char *bytes, size_t size) {
	if (size <= text->size - text->used) {
		memcpy(text->buffer + text->used, bytes, size);
		text->used += size;
	} else {
		text->size = text->used; // what follows would stand at the wrong place
	}
}

// Anybody's text, made harmless: what is not UTF-8 and what would act on the terminal is U+FFFD.
static void put_text(struct text *text, const char *wire) {
	const uint8_t *p = (const uint8_t *)wire, *end = p + strlen(wire);

	while (p < end) {
		int len = utf8_next(p, (size_t)(end - p));
		if (len < 0 || utf8_is_control(utf8_value(p, len)))
			put(text, "\ufffd", 3);
		else
			put(text, (const char *)p, (size_t)len);
		p += len < 0 ? -len : len;
	}
}

// "2026-03-02 02:41:07".
static void put_time(struct text *text, uint64_t time_ns) {
	char iso[40];
	struct json json;

	json_open(&json, iso, sizeof(iso));
	json_put_time(&json, NULL, time_ns);
	iso[11] = ' ';
	put(text, iso + 1, 19);
}

static const char *severity_word(enum alert_severity severity) {
	switch (severity) {
	case ALERT_LOW:
		return "low     ";
	case ALERT_MEDIUM:
		return "MEDIUM  ";
	case ALERT_HIGH:
		return "HIGH    ";
	case ALERT_CRITICAL:
		return "CRITICAL";
	}
	return "        ";
}

static void put_state(struct text *text, const struct alert *alert) {
	char words[40];

	if (alert->episode.state == ALERT_OPEN)
		return;
	if (alert->episode.state == ALERT_CLOSE)
		snprintf(words, sizeof(words), "[over] ");
	else
		snprintf(words, sizeof(words), "[update %u] ", alert->episode.sequence);
	put_text(text, words);
}

// "    password-spraying · T1110.003 Password Spraying · since 2026-03-02 02:41:07".
static void put_rule(struct text *text, const struct alert *alert) {
	put_text(text, "    ");
	put_text(text, alert->rule_id);
	for (int i = 0; i < ALERT_TECHNIQUES_MAX && alert->techniques[i]; i++) {
		const struct alert_technique *technique = alert->techniques[i];

		put_text(text, " · ");
		put_text(text, technique->sub_id ? technique->sub_id : technique->id);
		put_text(text, " ");
		put_text(text, technique->sub_id ? technique->sub_name : technique->name);
	}
	put_text(text, " · since ");
	put_time(text, alert->episode.since_ns);
}

static void put_evidence(struct text *text, const struct alert_evidence *evidence) {
	char lead[64];

	snprintf(lead, sizeof(lead), "%-10.20s %5.1f  ", evidence->channel, evidence->nats);
	put(text, "\n    ", 5);
	put_text(text, lead);
	put_text(text, evidence->text);
	if (evidence->seen[0] || evidence->usual[0]) {
		put_text(text, " (seen ");
		put_text(text, evidence->seen[0] ? evidence->seen : "nothing");
		put_text(text, ", usual ");
		put_text(text, evidence->usual[0] ? evidence->usual : "nothing");
		put_text(text, ")");
	}
}

size_t alert_text_write(const struct alert *alert, char *buffer, size_t size) {
	struct text text = {.buffer = buffer, .size = size};

	put_time(&text, alert->time_ns);
	put_text(&text, "  ");
	put_text(&text, severity_word(alert->severity));
	put_text(&text, "  ");
	put_state(&text, alert);
	put_text(&text, alert->message);
	put(&text, "\n", 1);
	put_rule(&text, alert);
	for (int i = 0; i < alert->n_evidence && i < ALERT_EVIDENCE_MAX; i++)
		put_evidence(&text, &alert->evidence[i]);
	return text.used;
}
