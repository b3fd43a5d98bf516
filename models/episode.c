// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "episode.h"

#include "hash.h"

#include <string.h>

static uint64_t episode_key(enum episode_kind kind, uint64_t subject) {
	uint64_t words[] = {kind, subject};
	return hash_bytes(HASH_PUBLIC, words, sizeof(words));
}

size_t episodes_memsize(void) {
	return table_memsize(EPISODES_MAX, sizeof(struct episode));
}

void episodes_init(struct episodes *episodes, const uint64_t hash_key[2], void *memory) {
	table_init(&episodes->table, hash_key, EPISODES_MAX, sizeof(struct episode), memory);
}

struct episode *
episodes_find(const struct episodes *episodes, enum episode_kind kind, uint64_t subject) {
	struct episode *episode = table_peek(&episodes->table, episode_key(kind, subject));
	if (episode)
		table_touch(&episodes->table, episode); // who finds it may change it
	return episode;
}

static void raise_alert(
	struct episodes *episodes,
	struct episode *episode,
	enum alert_state state,
	uint64_t now_ns
) {
	table_touch(&episodes->table, episode);
	// An episode of many thousand attempts is told some ten times: words are found when it is.
	if (episode->stale && episodes->word)
		episodes->word(episodes->word_ctx, episode);
	episode->stale = false;
	episode->alert.time_ns = now_ns;
	episode->alert.episode.state = state;
	episode->alert.episode.sequence++;
	episode->told_ns = now_ns;
	episode->told_size = episode->size;
	episode->pending = false;
	if (episodes->raise)
		episodes->raise(episodes->ctx, &episode->alert);
}

static void episode_close(struct episodes *episodes, struct episode *episode, uint64_t now_ns) {
	if (episode->alert.episode.sequence > 0)
		raise_alert(episodes, episode, ALERT_CLOSE, now_ns);
	episodes->n_open[episode->kind]--;
	table_remove(&episodes->table, episode);
}

static void make_room(struct episodes *episodes, uint64_t now_ns) {
	const struct table *table = &episodes->table;
	if (table->n < table->n_max || table->free)
		return;
	void *oldest = table->entries + table->oldest[0] * table->entry_size;
	episode_close(episodes, oldest, now_ns);
}

struct episode *episodes_open(
	struct episodes *episodes,
	enum episode_kind kind,
	uint64_t subject,
	uint64_t name_hash,
	uint64_t since_ns,
	uint64_t now_ns
) {
	make_room(episodes, now_ns);
	struct episode *episode = table_add(&episodes->table, episode_key(kind, subject));
	uint64_t words[] = {kind, name_hash, since_ns};
	episode->kind = kind;
	episode->subject = subject;
	episode->silence_ns = EPISODE_SILENCE_NS;
	episode->alert.episode.id = hash_bytes(HASH_PUBLIC, words, sizeof(words));
	episode->alert.episode.since_ns = since_ns;
	episodes->n_open[kind]++;
	return episode;
}

static bool grown(const struct episode *episode) {
	return episode->size >= 2 * (uint64_t)episode->told_size;
}

// When it has to be looked at again, whether it is told of meanwhile or not.
static uint64_t due_of(const struct episode *episode) {
	uint64_t end_ns = episode->alert.end_ns + episode->silence_ns;
	uint64_t told_ns = episode->told_ns + EPISODE_UPDATE_NS;
	return episode->pending && told_ns < end_ns ? told_ns : end_ns;
}

static void episode_due(struct episodes *episodes, const struct episode *episode) {
	uint64_t due_ns = due_of(episode);
	if (due_ns < episodes->due_ns)
		episodes->due_ns = due_ns;
}

void episode_tell(
	struct episodes *episodes,
	struct episode *episode,
	uint32_t size,
	bool urgent,
	uint64_t now_ns
) {
	table_find(&episodes->table, episode->node.key); // seen now
	episode->size = size;
	if (episode->alert.episode.sequence == 0)
		raise_alert(episodes, episode, ALERT_OPEN, now_ns);
	else if (urgent || (grown(episode) && now_ns >= episode->told_ns + EPISODE_UPDATE_NS))
		raise_alert(episodes, episode, ALERT_UPDATE, now_ns);
	else
		episode->pending = grown(episode);
	episode_due(episodes, episode);
}

void episode_hold(struct episodes *episodes, const struct episode *episode) {
	episode_due(episodes, episode);
}

void episodes_advance(struct episodes *episodes, uint64_t now_ns) {
	if (now_ns < episodes->due_ns)
		return;
	episodes->due_ns = UINT64_MAX;
	for (uint32_t i = 0; i < episodes->table.n; i++) {
		struct episode *episode
			= (void *)(episodes->table.entries + i * episodes->table.entry_size);
		if (!episode->node.used)
			continue;
		if (now_ns >= episode->alert.end_ns + episode->silence_ns)
			episode_close(episodes, episode, now_ns);
		else if (episode->pending && now_ns >= episode->told_ns + EPISODE_UPDATE_NS)
			raise_alert(episodes, episode, ALERT_UPDATE, now_ns);
		if (episode->node.used)
			episode_due(episodes, episode);
	}
}

void episodes_restored(void *ctx) {
	struct episodes *episodes = ctx;
	episodes->due_ns = 0;
	memset(episodes->n_open, 0, sizeof(episodes->n_open));
	for (uint32_t i = 0; i < episodes->table.n; i++) {
		const struct episode *episode = (void *)table_at(&episodes->table, i);
		if (episode->node.used)
			episodes->n_open[episode->kind]++;
	}
}
