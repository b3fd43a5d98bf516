// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What tests of the real models in the real store share: a stream of activities with an intruder in it, and
// everything that is kept as a list of sums that two runs can be compared by.

#pragma once

#include "../population.h"
#include "store/value.h"
#include "world.h"

enum { STREAM_THIEF_VICTIMS = 12 };

// Logins of a population, each a session that reads a little; from a day on somebody with valid
// credentials reads old mail of twelve accounts at night, and one address sprays.
struct stream {
	size_t n;
	struct activity *activity;
	uint64_t *password;
};

static inline struct activity activity_of(const struct login *login, size_t i) {
	struct activity a = {
		.time_ns = login->time_ns,
		.source = {.ip = {.family = 4}, .asn = login->asn},
		.auth = {.success = login->ok, .failure = !login->ok, .mechanism = "PLAIN"},
		.client = {.grammar = 0x1000 + login->user % 3},
		.seen = 1,
		.end = true,
	};
	if (!login->ok)
		a.auth.password = login->password;
	for (int b = 0; b < 4; b++)
		a.source.ip.addr[b] = login->ip >> (24 - 8 * b);
	memcpy(a.session, &(uint64_t){i + 1}, 8);
	snprintf(a.account, sizeof(a.account), "u%u", login->user);
	if (!login->ok)
		return a;
	struct activity_mailbox *m = &a.mailboxes[a.n_mailboxes++];
	uint32_t next = 5000 + (uint32_t)((login->time_ns - START) / HOUR);
	bool is_thief = login->ip >> 24 == 185;
	strcpy(m->name, "INBOX");
	m->uidvalidity = 1;
	m->uidnext = next;
	m->n_bodies = m->dated = is_thief ? 12 : 3;
	m->bodies.n = 1;
	m->bodies.range[0].first = is_thief ? 100 + (uint32_t)(i % 4000) : next - 3;
	m->bodies.range[0].last = m->bodies.range[0].first + m->n_bodies - 1;
	m->old = is_thief ? 12 : 0;
	m->peek = is_thief ? 12 : 0;
	m->examine = is_thief;
	m->bytes = 10000;
	m->store = is_thief ? 0 : 2;
	if (is_thief)
		a.client.grammar = 0xbad;
	return a;
}

static inline struct stream
stream_make(uint64_t seed, uint32_t n_users, uint32_t n_days, uint32_t thief_from) {
	struct population p = {.random = seed, .n_users = n_users, .days = n_days, .outage = true};
	struct stream stream = {0};
	population_make(&p);
	for (uint32_t day = thief_from; day < n_days; day++)
		for (uint32_t user = 0; user < STREAM_THIEF_VICTIMS; user++)
			logins_add(
				&p.logins,
				(struct login){
					START + day * DAY + 2 * HOUR + user * MINUTE,
					user,
					IP(185, 1, day % 3, 7),
					64666,
					true,
					0,
				}
			);
	for (uint32_t i = 0; i < 40; i++)
		logins_add(
			&p.logins,
			(struct login
			){START + (thief_from + 2) * DAY + i * MINUTE,
			  i,
			  IP(203, 0, 113, 8),
			  1,
			  false,
			  77}
		);
	qsort(p.logins.login, p.logins.n, sizeof(struct login), login_order);
	stream.n = p.logins.n;
	stream.activity = malloc(stream.n * sizeof(struct activity));
	for (size_t i = 0; i < stream.n; i++)
		stream.activity[i] = activity_of(&p.logins.login[i], i);
	free(p.logins.login);
	return stream;
}

// ---- Everything that is kept, in an order of its own

struct dump {
	size_t n;
	uint64_t *sum; // of each entry with its key and sight, and of each blob
	size_t part_from[STORE_PARTS_MAX + 1];
};

static inline int sum_order(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static inline uint64_t entry_sum(const struct store_part *part, const struct table_node *node) {
	static uint8_t image[VALUE_IMAGE_MAX];
	uint64_t head[] = {node->key, node->seen, node->proven, node->day};
	size_t size = part->table->entry_size - sizeof(*node);
	const void *data = node + 1;
	if (part->pack) {
		size = part->pack(node, image);
		data = image;
	}
	uint64_t sums[] = {
		hash_bytes(HASH_PUBLIC, head, sizeof(head)),
		hash_bytes(HASH_PUBLIC, data, size),
	};
	return hash_bytes(HASH_PUBLIC, sums, sizeof(sums));
}

static inline struct dump dump_of(const struct models *models) {
	size_t n_parts, n = 0;
	const struct store_part *parts = models_parts(models, &n_parts);
	struct dump dump = {.sum = calloc(200000, sizeof(uint64_t))};
	for (size_t i = 0; i < n_parts; i++) {
		const struct table *table = parts[i].table;
		dump.part_from[i] = n;
		if (!table)
			dump.sum[n++] = hash_bytes(HASH_PUBLIC, parts[i].blob, parts[i].size);
		for (uint32_t slot = 0; table && slot < table->n; slot++)
			if (table_at(table, slot)->used)
				dump.sum[n++] = entry_sum(&parts[i], table_at(table, slot));
		assert_true(n < 200000);
		qsort(dump.sum + dump.part_from[i],
		      n - dump.part_from[i],
		      sizeof(uint64_t),
		      sum_order);
		dump.part_from[i + 1] = n;
	}
	dump.n = n;
	return dump;
}

// skip: a part that may differ; 0: none.
static inline void assert_same_dump_but(
	const struct models *models,
	const struct dump *a,
	const struct dump *b,
	uint8_t skip
) {
	size_t n_parts;
	const struct store_part *parts = models_parts(models, &n_parts);
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].id == skip)
			continue;
		size_t n = a->part_from[i + 1] - a->part_from[i];
		if (n != b->part_from[i + 1] - b->part_from[i]
		    || memcmp(a->sum + a->part_from[i], b->sum + b->part_from[i], n * 8))
			fail_msg("%s differ", parts[i].name);
	}
}

static inline void
assert_same_dump(const struct models *models, const struct dump *a, const struct dump *b) {
	assert_same_dump_but(models, a, b, 0);
}
