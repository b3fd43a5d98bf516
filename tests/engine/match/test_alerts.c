// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "match/alerts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define T0 (1768204862ull * SECOND)

static const char rules_text[]
	= "rules:\n"
	  "- {id: mark, name: Marking, pattern: a, severity: high, technique: T1114.002}\n"
	  "- {id: card, pattern: b, category: exfiltration}\n"
	  "- {id: burst, pattern: c, within: account, count: 10, window: 1h}\n"
	  "- {id: many, pattern: d, within: account, distinct: 3, window: 1h}\n";

struct heard {
	int n;
	struct alert last;
	struct {
		uint64_t id;
		enum alert_state state;
		char account[ACCOUNT_SIZE];
	} all[200];
};

static void hear(void *ctx, const struct alert *alert) {
	struct heard *heard = ctx;

	assert_true(heard->n < 200);
	heard->all[heard->n].id = alert->episode.id;
	heard->all[heard->n].state = alert->episode.state;
	memcpy(heard->all[heard->n].account, alert->account, ACCOUNT_SIZE);
	heard->n++;
	heard->last = *alert;
}

struct fixture {
	struct rules *rules;
	struct match_alerts *alerts;
	struct heard heard;
};

static struct fixture *fixture_open(size_t n, uint64_t key) {
	struct fixture *f = calloc(1, sizeof(*f));
	int n_bad;

	f->rules = rules_parse("f.yaml", rules_text, sizeof(rules_text) - 1, NULL, NULL, &n_bad);
	f->alerts = match_alerts_open(&(struct match_alerts_config){
		.rules = f->rules,
		.n_episodes = n,
		.hash_key = {key, 2},
		.alert = hear,
		.ctx = &f->heard,
	});
	assert_non_null(f->alerts);
	return f;
}

static void fixture_close(struct fixture *f) {
	match_alerts_close(f->alerts);
	rules_close(f->rules);
	free(f);
}

static void
run(struct fixture *f,
    uint64_t time_ns,
    const char *account,
    const char *rule,
    uint32_t count,
    const char *to) {
	struct activity *activity = calloc(1, sizeof(*activity));

	activity->time_ns = time_ns;
	activity->protocol = ACTIVITY_SMTP;
	activity->source.ip = (struct ip){.addr = {203, 0, 113, 7}, .family = 4};
	snprintf(activity->account, sizeof(activity->account), "%s", account);
	if (to != NULL) {
		activity->n_sent = 1;
		activity->sent[0].n_to = 1;
		snprintf(activity->sent[0].to[0], sizeof(activity->sent[0].to[0]), "%s", to);
	}
	activity->n_matches = 1;
	snprintf(activity->matches[0].rule, sizeof(activity->matches[0].rule), "%s", rule);
	activity->matches[0].count = count;
	match_alerts_run(f->alerts, activity);
	free(activity);
}

static void the_first_match_opens_an_episode_that_says_who_and_what(void **state) {
	struct fixture *f = fixture_open(10, 1);
	const struct alert *alert = &f->heard.last;

	run(f, T0, "u7@example.org", "mark", 1, "x@partner.example");
	assert_int_equal(f->heard.n, 1);
	assert_int_equal(alert->episode.state, ALERT_OPEN);
	assert_int_equal(alert->episode.sequence, 1);
	assert_int_equal(alert->episode.since_ns, T0);
	assert_int_equal(alert->time_ns, T0);
	assert_int_equal(alert->severity, ALERT_HIGH);
	assert_int_equal(alert->scope, ALERT_ACCOUNT);
	assert_string_equal(alert->rule_id, "mark");
	assert_string_equal(alert->rule_name, "Marking");
	assert_string_equal(alert->techniques[0]->sub_id, "T1114.002");
	assert_null(alert->techniques[1]);
	assert_string_equal(alert->account, "u7@example.org");
	assert_string_equal(alert->users[0], "u7@example.org");
	assert_int_equal(alert->n_ips, 1);
	assert_int_equal(alert->n_evidence, 1);
	assert_string_equal(
		alert->message,
		"u7@example.org sent mail with \"Marking\" in it (rule mark), 1 time to 1 outside "
		"recipient within a minute."
	);
	fixture_close(f);
}

static void an_update_needs_twice_the_count_and_ten_minutes(void **state) {
	struct fixture *f = fixture_open(10, 1);

	run(f, T0, "u", "mark", 4, NULL);
	run(f, T0 + MINUTE, "u", "mark", 100, NULL);
	assert_int_equal(f->heard.n, 1); // too soon
	run(f, T0 + 10 * MINUTE, "u", "mark", 1, NULL);
	assert_int_equal(f->heard.n, 2);
	assert_int_equal(f->heard.last.episode.state, ALERT_UPDATE);
	assert_int_equal(f->heard.last.episode.sequence, 2);
	assert_int_equal(f->heard.last.episode.since_ns, T0);
	assert_string_equal(f->heard.last.evidence[0].seen, "105");
	run(f, T0 + 2 * HOUR, "u", "mark", 104, NULL);
	assert_int_equal(f->heard.n, 2); // not twice as many
	run(f, T0 + 2 * HOUR, "u", "mark", 1, NULL);
	assert_int_equal(f->heard.n, 3);
	assert_int_equal(f->heard.all[0].id, f->heard.all[2].id);
	fixture_close(f);
}

// Q9, Q11: one flow that matches without end is one episode, told a few times, and takes no memory.
static void q9_q11_a_million_matches_are_a_few_alerts(void **state) {
	enum { N = 1000000 };
	struct fixture *f = fixture_open(10, 1);
	size_t size;

	run(f, T0, "u", "mark", 1, NULL);
	size = match_alerts_memsize(f->alerts);
	for (int i = 1; i < N; i++)
		run(f, T0 + (uint64_t)i * 20 * HOUR / N, "u", "mark", 1, NULL);
	assert_int_equal(match_alerts_memsize(f->alerts), size);
	// Each tells of twice as many as the one before: at most the logarithm of N.
	assert_in_range(f->heard.n, 2, 20);
	for (int i = 1; i < f->heard.n; i++)
		assert_int_equal(f->heard.all[i].id, f->heard.all[0].id);
	match_alerts_advance(f->alerts, T0 + 99 * HOUR);
	assert_int_equal(f->heard.last.episode.state, ALERT_CLOSE);
	assert_string_equal(f->heard.last.evidence[0].seen, "1000000");
	fixture_close(f);
}

static void a_silent_day_closes_and_the_next_match_opens_another(void **state) {
	struct fixture *f = fixture_open(10, 1);

	run(f, T0, "u", "mark", 5, NULL);
	run(f, T0 + HOUR, "u", "mark", 1, NULL);
	match_alerts_advance(f->alerts, T0 + 25 * HOUR - 1);
	assert_int_equal(f->heard.n, 1);
	match_alerts_advance(f->alerts, T0 + 25 * HOUR);
	assert_int_equal(f->heard.n, 2);
	assert_int_equal(f->heard.last.episode.state, ALERT_CLOSE);
	assert_string_equal(f->heard.last.evidence[0].seen, "6");
	match_alerts_advance(f->alerts, T0 + 99 * HOUR);
	assert_int_equal(f->heard.n, 2);
	run(f, T0 + 99 * HOUR, "u", "mark", 1, NULL);
	assert_int_equal(f->heard.n, 3);
	assert_int_equal(f->heard.last.episode.state, ALERT_OPEN);
	assert_int_not_equal(f->heard.all[2].id, f->heard.all[0].id);
	fixture_close(f);
}

static void episodes_are_apart_by_rule_account_and_source(void **state) {
	struct fixture *f = fixture_open(10, 1);

	run(f, T0, "a@example.org", "mark", 1, NULL);
	run(f, T0, "a@example.org", "card", 1, NULL);
	run(f, T0, "b@example.org", "mark", 1, NULL);
	run(f, T0, "", "mark", 1, NULL);
	run(f, T0, "", "mark", 1, NULL);
	assert_int_equal(f->heard.n, 4);
	assert_int_equal(f->heard.last.scope, ALERT_INFRASTRUCTURE);
	assert_int_equal(f->heard.last.n_users, 0);
	assert_non_null(strstr(f->heard.last.message, "203.0.113.7 without a login sent"));
	run(f, T0, "a@example.org", "not-in-the-set", 1, NULL);
	run(f, T0, "a@example.org", "", 1, NULL);
	run(f, T0, "c@example.org", "mark", 0, NULL);
	assert_int_equal(f->heard.n, 4);
	fixture_close(f);
}

static void recipients_are_counted_once_and_only_outside(void **state) {
	struct fixture *f = fixture_open(10, 1);
	char to[40];

	run(f, T0, "a@example.org", "mark", 1, "b@example.org");
	assert_null(strstr(f->heard.last.message, "outside"));
	for (int i = 0; i < 3; i++)
		run(f,
		    T0 + MINUTE,
		    "a@example.org",
		    "mark",
		    1,
		    i < 2 ? "x@p.example" : "y@p.example");
	run(f, T0 + 11 * MINUTE, "a@example.org", "mark", 1, NULL);
	assert_non_null(
		strstr(f->heard.last.message, "5 times to 2 outside recipients within 12 minutes.")
	);
	for (int i = 0; i < 100; i++) {
		snprintf(to, sizeof(to), "r%d@p.example", i);
		run(f, T0 + 30 * MINUTE, "a@example.org", "mark", 1, to);
	}
	match_alerts_advance(f->alerts, T0 + 100 * HOUR);
	assert_non_null(strstr(f->heard.last.message, "at least 16 outside recipients"));
	assert_non_null(strstr(f->heard.last.message, "it has ended"));
	fixture_close(f);
}

// Enough is enough only within the window, over any number of sessions, and then it is one alert.
static void so_many_within_a_window_of_an_account(void **state) {
	struct fixture *f = fixture_open(10, 1);

	// Never ten within an hour: nine each eighty minutes.
	for (int i = 0; i < 20; i++)
		run(f, T0 + (uint64_t)i * 80 * MINUTE, "slow", "burst", 9, NULL);
	assert_int_equal(f->heard.n, 0);
	// Of two accounts together, but of none alone.
	run(f, T0 + 30 * HOUR, "one", "burst", 9, NULL);
	run(f, T0 + 30 * HOUR, "two", "burst", 9, NULL);
	assert_int_equal(f->heard.n, 0);
	run(f, T0 + 30 * HOUR + 40 * MINUTE, "one", "burst", 1, NULL);
	assert_int_equal(f->heard.n, 1);
	assert_int_equal(f->heard.last.episode.state, ALERT_OPEN);
	assert_string_equal(f->heard.last.account, "one");
	assert_string_equal(f->heard.last.evidence[0].seen, "10");
	run(f, T0 + 30 * HOUR + 41 * MINUTE, "one", "burst", 1, NULL);
	assert_int_equal(f->heard.n, 1);
	fixture_close(f);
}

// Nine and one are ten as long as the nine's eighth is one of the last eight, at its first and last moment.
static void a_window_moves_on_by_eighths(void **state) {
	enum { EIGHTH = 8 };
	const uint64_t eighth = HOUR / EIGHTH, start = T0 / HOUR * HOUR;
	const struct {
		uint64_t nine, one;
		bool is_enough;
	} cases[] = {
		{0, HOUR - 1, true}, // the eighth at the window's other end
		{0, HOUR, false}, // a whole window later: out
		{eighth - 1, HOUR - 1, true},
		{eighth - 1, HOUR, false}, // out as a whole, an eighth before its time
		{eighth, HOUR, true},
		{eighth, HOUR + eighth - 1, true},
		{eighth, HOUR + eighth, false},
	};
	struct fixture *f = fixture_open(20, 1);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char account[20];
		int before = f->heard.n;
		uint64_t at = start + i * 2 * HOUR; // all within a day, so that none closes

		snprintf(account, sizeof(account), "u%zu", i);
		run(f, at + cases[i].nine, account, "burst", 9, NULL);
		run(f, at + cases[i].one, account, "burst", 1, NULL);
		if (f->heard.n - before != cases[i].is_enough)
			fail_msg("case %zu: %d alerts", i, f->heard.n - before);
	}
	fixture_close(f);
}

static void value(struct fixture *f, uint64_t time_ns, uint32_t hash) {
	struct activity *activity = calloc(1, sizeof(*activity));

	activity->time_ns = time_ns;
	strcpy(activity->account, "u");
	activity->n_matches = 1;
	strcpy(activity->matches[0].rule, "many");
	activity->matches[0].count = 1;
	activity->matches[0].n_values = 1;
	activity->matches[0].values[0] = hash;
	match_alerts_run(f->alerts, activity);
	free(activity);
}

static void different_values_within_a_window_of_an_account(void **state) {
	struct fixture *f = fixture_open(10, 1);

	for (int i = 0; i < 20; i++)
		value(f, T0 + (uint64_t)i * MINUTE, 1 + i % 2);
	assert_int_equal(f->heard.n, 0);
	value(f, T0 + 30 * HOUR, 3); // the two have left the window
	assert_int_equal(f->heard.n, 0);
	value(f, T0 + 30 * HOUR + 20 * MINUTE, 1);
	value(f, T0 + 30 * HOUR + 50 * MINUTE, 2); // eighths of a window go out whole
	assert_int_equal(f->heard.n, 1);
	assert_int_equal(f->heard.last.episode.state, ALERT_OPEN);
	fixture_close(f);
}

static void the_one_silent_for_longest_is_closed_for_another(void **state) {
	enum { N = 7 };
	struct fixture *f = fixture_open(N, 1);
	char account[20];

	for (int i = 0; i < N; i++) {
		snprintf(account, sizeof(account), "u%d", i);
		run(f, T0 + (uint64_t)i * SECOND, account, "mark", 1, NULL);
	}
	run(f, T0 + 10 * SECOND, "u0", "mark", 1, NULL);
	assert_int_equal(f->heard.n, N);
	run(f, T0 + 11 * SECOND, "new", "mark", 1, NULL);
	assert_int_equal(f->heard.n, N + 2);
	assert_int_equal(f->heard.all[N].state, ALERT_CLOSE);
	assert_string_equal(f->heard.all[N].account, "u1");
	assert_string_equal(f->heard.all[N + 1].account, "new");
	// The table stays whole: each of the others is still known.
	for (int i = 2; i < N; i++) {
		snprintf(account, sizeof(account), "u%d", i);
		run(f, T0 + 12 * SECOND, account, "mark", 1, NULL);
	}
	assert_int_equal(f->heard.n, N + 2);
	fixture_close(f);
}

// The table against a plain list: who has an open episode, by random use with few places.
static void the_table_agrees_with_a_plain_list(void **state) {
	enum { N = 5, ACCOUNTS = 9 };
	unsigned seed = 20260112;
	uint64_t open_ns[ACCOUNTS] = {0}, order[ACCOUNTS] = {0}, tick = 0, now = T0;
	struct fixture *f = fixture_open(N, 77);
	char account[20];

	print_message("seed %u\n", seed);
	for (int step = 0; step < 3000; step++) {
		int who = rand_r(&seed) % ACCOUNTS, n_open = 0, oldest = -1, expected = 0;

		now += (uint64_t)(rand_r(&seed) % 7) * HOUR;
		for (int i = 0; i < ACCOUNTS; i++)
			if (open_ns[i] != 0 && now - open_ns[i] >= 24 * HOUR) {
				open_ns[i] = 0;
				expected++;
			}
		for (int i = 0; i < ACCOUNTS; i++)
			if (open_ns[i] != 0) {
				n_open++;
				if (oldest < 0 || order[i] < order[oldest])
					oldest = i;
			}
		f->heard.n = 0;
		match_alerts_advance(f->alerts, now);
		assert_int_equal(f->heard.n, expected);
		if (open_ns[who] == 0) {
			expected = 1;
			if (n_open == N) {
				open_ns[oldest] = 0;
				expected = 2;
			}
			f->heard.n = 0;
			snprintf(account, sizeof(account), "u%d", who);
			run(f, now, account, "mark", 1, NULL);
			assert_int_equal(f->heard.n, expected);
			assert_int_equal(f->heard.last.episode.state, ALERT_OPEN);
		} else {
			f->heard.n = 0;
			snprintf(account, sizeof(account), "u%d", who);
			run(f, now, account, "mark", 1, NULL);
			// Its episode goes on: an update at most.
			if (f->heard.n > 0)
				assert_int_equal(f->heard.last.episode.state, ALERT_UPDATE);
		}
		open_ns[who] = now;
		order[who] = ++tick;
	}
	fixture_close(f);
}

static void ids_do_not_depend_on_the_key_of_this_start(void **state) {
	struct fixture *a = fixture_open(10, 1), *b = fixture_open(10, 999);

	run(a, T0, "u", "mark", 1, NULL);
	run(b, T0, "u", "mark", 1, NULL);
	assert_int_equal(a->heard.last.episode.id, b->heard.last.episode.id);
	assert_int_not_equal(a->heard.last.episode.id, 0);
	run(b, T0, "u", "card", 1, NULL);
	assert_int_not_equal(a->heard.last.episode.id, b->heard.last.episode.id);
	fixture_close(a);
	fixture_close(b);
}

static void an_hour_of_disorder_neither_opens_twice_nor_closes_early(void **state) {
	struct fixture *f = fixture_open(10, 1);

	run(f, T0 + HOUR, "u", "mark", 1, NULL);
	run(f, T0, "u", "mark", 1, NULL);
	assert_int_equal(f->heard.n, 1);
	match_alerts_advance(f->alerts, T0 + 25 * HOUR - 1);
	assert_int_equal(f->heard.n, 1);
	match_alerts_advance(f->alerts, T0 + 25 * HOUR);
	assert_int_equal(f->heard.n, 2);
	fixture_close(f);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_match_opens_an_episode_that_says_who_and_what),
		cmocka_unit_test(an_update_needs_twice_the_count_and_ten_minutes),
		cmocka_unit_test(q9_q11_a_million_matches_are_a_few_alerts),
		cmocka_unit_test(a_silent_day_closes_and_the_next_match_opens_another),
		cmocka_unit_test(episodes_are_apart_by_rule_account_and_source),
		cmocka_unit_test(recipients_are_counted_once_and_only_outside),
		cmocka_unit_test(so_many_within_a_window_of_an_account),
		cmocka_unit_test(a_window_moves_on_by_eighths),
		cmocka_unit_test(different_values_within_a_window_of_an_account),
		cmocka_unit_test(the_one_silent_for_longest_is_closed_for_another),
		cmocka_unit_test(the_table_agrees_with_a_plain_list),
		cmocka_unit_test(ids_do_not_depend_on_the_key_of_this_start),
		cmocka_unit_test(an_hour_of_disorder_neither_opens_twice_nor_closes_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
