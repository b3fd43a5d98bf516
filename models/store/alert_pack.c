// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "store/alert_pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Pointers in an alert that name something, each kept as a position among the texts, from 1; 0: NULL.
static const size_t NAMES[] = {
	offsetof(struct episode, alert.rule_id),
	offsetof(struct episode, alert.rule_name),
	offsetof(struct episode, alert.category),
};

static const size_t TECHNIQUE_NAMES[] = {
	offsetof(struct alert_technique, tactic_id),
	offsetof(struct alert_technique, tactic_name),
	offsetof(struct alert_technique, id),
	offsetof(struct alert_technique, name),
	offsetof(struct alert_technique, sub_id),
	offsetof(struct alert_technique, sub_name),
};

enum {
	N_NAMES = sizeof(NAMES) / sizeof(NAMES[0]),
	N_TECHNIQUE_NAMES = sizeof(TECHNIQUE_NAMES) / sizeof(TECHNIQUE_NAMES[0]),
	TEXTS_MAX = 4096,
	KEPT_MAX
	= 4096, // texts that a program ever reads from its store: they are its own, and few
};

// Where an alert ended before layout 3; its subject came right behind.
enum {
	EPISODE_OLD_END = offsetof(struct episode, alert.campaign.networks_total),
	SUBJECT_SIZE = sizeof(((struct episode *)NULL)->subject),
};

static_assert(EPISODE_OLD_END % 8 == 0, "nothing stood between them");
static_assert(sizeof(struct alert_technique) == N_TECHNIQUE_NAMES * sizeof(char *), "all of them");

// ---- Into the store

struct texts {
	char *at;
	size_t used;
};

static uintptr_t text_put(struct texts *texts, const char *text) {
	if (!text)
		return 0;
	size_t size = strlen(text) + 1;
	if (texts->used + size > TEXTS_MAX)
		return 0;
	memcpy(texts->at + texts->used, text, size);
	texts->used += size;
	return texts->used - size + 1;
}

static void name_pack(struct texts *texts, void *field) {
	const char *name;
	memcpy(&name, field, sizeof(name));
	uintptr_t at = text_put(texts, name);
	memcpy(field, &at, sizeof(at));
}

// A technique becomes the position of its first name; the others follow, missing ones as empty texts.
static void technique_pack(struct texts *texts, const struct alert_technique **field) {
	const struct alert_technique *technique = *field;
	uintptr_t first = 0;
	for (int i = 0; technique && i < N_TECHNIQUE_NAMES; i++) {
		const char *name;
		memcpy(&name, (const uint8_t *)technique + TECHNIQUE_NAMES[i], sizeof(name));
		uintptr_t at = text_put(texts, name ? name : "");
		if (at == 0) {
			first = 0;
			break;
		}
		first = first ? first : at;
	}
	memcpy(field, &first, sizeof(first));
}

size_t episode_pack(const void *entry, void *image) {
	struct episode packed;
	struct texts texts = {.at = (char *)image + sizeof(packed)};
	memcpy(&packed, entry, sizeof(packed));
	memset(&packed.node, 0, sizeof(packed.node));
	for (int i = 0; i < N_NAMES; i++)
		name_pack(&texts, (uint8_t *)&packed + NAMES[i]);
	for (int i = 0; i < ALERT_EVIDENCE_MAX; i++)
		name_pack(&texts, &packed.alert.evidence[i].channel);
	for (int i = 0; i < ALERT_TECHNIQUES_MAX; i++)
		technique_pack(&texts, &packed.alert.techniques[i]);
	memcpy(image, &packed, sizeof(packed));
	return sizeof(packed) + texts.used;
}

// ---- Out of it

// Names live as long as the program, as those that are written in it do: each is kept once.
struct kept {
	struct kept *next;
	struct alert_technique technique;
	char text[];
};

static struct kept *kept_texts, *kept_techniques;
static size_t n_kept;

static struct kept *kept_new(struct kept **list, size_t size) {
	struct kept *kept = n_kept < KEPT_MAX ? calloc(1, sizeof(*kept) + size) : NULL;
	if (!kept)
		return NULL;
	n_kept++;
	kept->next = *list;
	*list = kept;
	return kept;
}

static const char *text_keep(const char *text) {
	for (const struct kept *kept = kept_texts; kept; kept = kept->next)
		if (!strcmp(kept->text, text))
			return kept->text;
	struct kept *kept = kept_new(&kept_texts, strlen(text) + 1);
	return kept ? strcpy(kept->text, text) : NULL;
}

static const struct alert_technique *technique_keep(const struct alert_technique *technique) {
	for (const struct kept *kept = kept_techniques; kept; kept = kept->next)
		if (!memcmp(&kept->technique, technique, sizeof(*technique)))
			return &kept->technique;
	struct kept *kept = kept_new(&kept_techniques, 1);
	if (!kept)
		return NULL;
	kept->technique = *technique;
	return &kept->technique;
}

// The text at a position, or NULL when there is none. texts end in a zero.
static const char *text_at(const struct texts *texts, uintptr_t at) {
	return at > 0 && at <= texts->used ? texts->at + at - 1 : NULL;
}

static bool name_unpack(const struct texts *texts, void *field) {
	uintptr_t at;
	memcpy(&at, field, sizeof(at));
	const char *text = text_at(texts, at), *name = text ? text_keep(text) : NULL;
	memcpy(field, &name, sizeof(name));
	return at == 0 || name;
}

static bool technique_unpack(const struct texts *texts, const struct alert_technique **field) {
	struct alert_technique technique;
	uintptr_t at;
	memcpy(&at, field, sizeof(at));
	*field = NULL;
	if (at == 0)
		return true;
	for (int i = 0; i < N_TECHNIQUE_NAMES; i++) {
		const char *text = text_at(texts, at),
			   *name = text && text[0] ? text_keep(text) : NULL;
		if (!text || (text[0] && !name))
			return false;
		memcpy((uint8_t *)&technique + TECHNIQUE_NAMES[i], &name, sizeof(name));
		at += strlen(text) + 1;
	}
	// Each of its three has an id and a name, or neither.
	if (!technique.tactic_id != !technique.tactic_name || !technique.id != !technique.name
	    || !technique.sub_id != !technique.sub_name)
		return false;
	*field = technique_keep(&technique);
	return *field != NULL;
}

// Whatever the program believes of an alert when it prints it.
static bool alert_is_right(const struct alert *alert) {
	bool is_right = alert->n_evidence <= ALERT_EVIDENCE_MAX && alert->n_ips <= ALERT_RELATED_MAX
		&& alert->n_users <= ALERT_RELATED_MAX && alert->rule_id && alert->rule_name
		&& alert->category && memchr(alert->message, 0, sizeof(alert->message))
		&& memchr(alert->account, 0, sizeof(alert->account))
		&& memchr(alert->country, 0, sizeof(alert->country))
		&& memchr(alert->as_name, 0, sizeof(alert->as_name))
		&& (unsigned)alert->episode.state <= ALERT_CLOSE
		&& (unsigned)alert->scope <= ALERT_INFRASTRUCTURE
		&& alert->campaign.n_networks <= ALERT_SHARED_MAX
		&& alert->campaign.n_grammars <= ALERT_SHARED_MAX;
	for (int i = 0; is_right && i < alert->campaign.n_networks; i++) {
		const struct alert_network *network = &alert->campaign.networks[i];
		is_right = (network->ip.family == 4 || network->ip.family == 6)
			&& network->bits <= (network->ip.family == 4 ? 32 : 128);
	}
	for (int i = 0; is_right && i < alert->n_users; i++)
		is_right = memchr(alert->users[i], 0, sizeof(alert->users[i])) != NULL;
	for (int i = 0; is_right && i < alert->n_evidence; i++) {
		const struct alert_evidence *evidence = &alert->evidence[i];
		is_right = evidence->channel && memchr(evidence->text, 0, sizeof(evidence->text))
			&& memchr(evidence->seen, 0, sizeof(evidence->seen))
			&& memchr(evidence->usual, 0, sizeof(evidence->usual));
	}
	return is_right;
}

// Bytes before the texts. 0: no layout that there ever was.
static size_t head_size(uint16_t version) {
	return version == 1		    ? EPISODE_OLD_END
		: version == 2		    ? EPISODE_OLD_END + SUBJECT_SIZE
		: version == EPISODE_LAYOUT ? sizeof(struct episode)
					    : 0;
}

// Layout 1 had no subject, which nobody asks for until the episode is told again.
static void head_unpack(uint16_t version, const uint8_t *image, struct episode *packed) {
	if (version == EPISODE_LAYOUT) {
		memcpy(packed, image, sizeof(*packed));
		return;
	}
	memcpy(packed, image, EPISODE_OLD_END);
	if (version == 2)
		memcpy(&packed->subject, image + EPISODE_OLD_END, SUBJECT_SIZE);
}

bool episode_unpack(void *, uint16_t version, const void *image, size_t size, void *entry) {
	struct episode *episode = entry, packed = {0};
	size_t head = head_size(version);
	if (head == 0 || size < head)
		return false;
	struct texts texts = {(char *)image + head, size - head};
	if (texts.used && texts.at[texts.used - 1] != '\0')
		return false;
	head_unpack(version, image, &packed);
	bool is_right = packed.kind < EPISODE_KINDS;
	for (int i = 0; is_right && i < N_NAMES; i++)
		is_right = name_unpack(&texts, (uint8_t *)&packed + NAMES[i]);
	for (int i = 0; is_right && i < ALERT_EVIDENCE_MAX; i++)
		is_right = name_unpack(&texts, &packed.alert.evidence[i].channel);
	for (int i = 0; is_right && i < ALERT_TECHNIQUES_MAX; i++)
		is_right = technique_unpack(&texts, &packed.alert.techniques[i]);
	if (!is_right || !alert_is_right(&packed.alert))
		return false;
	packed.node = episode->node;
	*episode = packed;
	return true;
}
