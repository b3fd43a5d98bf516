// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What the model tests share: a random source with a seed that is printed, logins in words, and a
// desk that keeps the alerts it is given.

#pragma once

#include "hash.h"
#include "models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define START (1767571200ull * SECOND) // Monday, 5 January 2026

enum { DESK_MAX = 4096 };

// The alerts, in the order they came.
struct desk {
	size_t n;
	struct alert *alert; // DESK_MAX
};

static inline void desk_print(const struct desk *desk) {
	static const char *const states[] = {"open", "update", "close"};
	for (size_t i = 0; i < desk->n; i++) {
		const struct alert *a = &desk->alert[i];
		print_message(
			"  day %5.2f %-6s %3d %-28s %5.1f nats  %s\n",
			(double)(a->time_ns - START) / DAY,
			states[a->episode.state],
			a->severity,
			a->rule_id,
			a->score,
			a->message
		);
	}
}

static inline void desk_put(void *ctx, const struct alert *alert) {
	struct desk *desk = ctx;
	if (desk->n == DESK_MAX)
		desk_print(desk);
	assert_true(desk->n < DESK_MAX);
	desk->alert[desk->n++] = *alert;
	assert_true(alert->message[0]);
	assert_non_null(memchr(alert->message, 0, sizeof(alert->message)));
	assert_true(alert->n_evidence > 0);
	for (uint8_t i = 0; i < alert->n_evidence; i++) {
		assert_true(alert->evidence[i].text[0] && alert->evidence[i].seen[0]);
		assert_true(alert->evidence[i].usual[0]);
	}
	assert_true(alert->techniques[0] || alert->scope == ALERT_INFRASTRUCTURE);
	assert_true(alert->episode.sequence > 0 && alert->episode.id != 0);
}

// Alerts of a rule in a state; rule NULL: of any.
static inline size_t desk_count(const struct desk *desk, const char *rule, enum alert_state state) {
	size_t n = 0;
	for (size_t i = 0; i < desk->n; i++)
		n += desk->alert[i].episode.state == state
			&& (!rule || !strcmp(desk->alert[i].rule_id, rule));
	return n;
}

// The last one of a rule; NULL: none.
static inline const struct alert *desk_last(const struct desk *desk, const char *rule) {
	for (size_t i = desk->n; i-- > 0;)
		if (!strcmp(desk->alert[i].rule_id, rule))
			return &desk->alert[i];
	return NULL;
}

static inline struct models *desk_models(struct desk *desk, size_t n_accounts) {
	desk->n = 0;
	desk->alert = calloc(DESK_MAX, sizeof(*desk->alert));
	struct models_config config = {
		.n_accounts = n_accounts,
		.hash_key = {0x0123456789abcdef, 0xfedcba9876543210},
		.alert = desk_put,
		.ctx = desk,
	};
	return models_open(&config);
}

static inline uint64_t random_next(uint64_t *state) {
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline uint32_t random_below(uint64_t *state, uint32_t n) {
	return random_next(state) % n;
}

static inline bool random_chance(uint64_t *state, double p) {
	return (random_next(state) >> 11) * 0x1p-53 < p;
}

// One login: small, so that a population of them can be sorted.
struct login {
	uint64_t time_ns;
	uint32_t user; // name u<user>; from 1,000,000 a name nobody has
	uint32_t ip; // IPv4, host order
	uint32_t asn;
	bool ok;
	uint64_t password; // of a failed one
};

static inline void login_run(struct models *models, const struct login *login) {
	struct activity activity = {
		.time_ns = login->time_ns,
		.source = {.ip = {.family = 4}, .asn = login->asn},
		.auth = {
			.success = login->ok,
			.failure = !login->ok,
			.password = login->ok ? 0 : login->password,
		},
		.end = true,
	};
	for (int i = 0; i < 4; i++)
		activity.source.ip.addr[i] = login->ip >> (24 - 8 * i);
	snprintf(activity.account, sizeof(activity.account), "u%u", login->user);
	models_run(models, &activity);
}

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

// A growing list of logins.
struct logins {
	size_t n, n_max;
	struct login *login;
};

static inline void logins_add(struct logins *logins, struct login login) {
	if (logins->n == logins->n_max) {
		logins->n_max = logins->n_max ? 2 * logins->n_max : 1024;
		logins->login = realloc(logins->login, logins->n_max * sizeof(*logins->login));
		assert_non_null(logins->login);
	}
	logins->login[logins->n++] = login;
}

static inline int login_order(const void *a, const void *b) {
	const struct login *x = a, *y = b;
	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	if (x->user != y->user)
		return x->user < y->user ? -1 : 1;
	return x->ok - y->ok;
}

static inline void logins_run(struct logins *logins, struct models *models) {
	qsort(logins->login, logins->n, sizeof(*logins->login), login_order);
	for (size_t i = 0; i < logins->n; i++)
		login_run(models, &logins->login[i]);
}
