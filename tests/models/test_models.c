// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "population.h"

enum { SEED = 17 };

// Two weeks of 300 accounts with a spray, a guessed account and a stolen one in it.
static void make(struct population *p) {
	*p = (struct population){.random = SEED, .n_users = 300, .days = 14, .outage = true};
	population_make(p);
	uint64_t at = START + 9 * DAY;
	for (uint32_t i = 0; i < 40; i++)
		logins_add(
			&p->logins,
			(struct login
			){at + i * MINUTE, i, IP(203, 0, 113, 8), 1, i == 30, i == 30 ? 0 : 77}
		);
	for (uint32_t i = 0; i < 200; i++)
		logins_add(
			&p->logins,
			(struct login
			){at + i * 20 * SECOND, 99, IP(120 + i % 50, 5, i, 9), 1, false, 7000 + i}
		);
	for (uint32_t i = 0; i < 40; i++)
		logins_add(
			&p->logins,
			(struct login
			){at + DAY + i * 10 * MINUTE, 100 + i, IP(120 + i, 9, i, 9), 1, false, 4711}
		);
	qsort(p->logins.login, p->logins.n, sizeof(struct login), login_order);
}

struct arrival {
	uint64_t time_ns;
	size_t i;
};

static int arrival_order(const void *a, const void *b) {
	const struct arrival *x = a, *y = b;
	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->i < y->i ? -1 : x->i > y->i;
}

static void feed(struct desk *desk, uint64_t key, const struct population *p, uint64_t jitter) {
	desk->n = 0;
	desk->alert = calloc(DESK_MAX, sizeof(*desk->alert));
	struct models_config config = {
		.n_accounts = 5000,
		.hash_key = {key, ~key},
		.alert = desk_put,
		.ctx = desk,
	};
	struct models *models = models_open(&config);
	struct arrival *order = calloc(p->logins.n, sizeof(*order));
	uint64_t random = SEED;
	for (size_t i = 0; i < p->logins.n; i++) {
		order[i].i = i;
		order[i].time_ns = p->logins.login[i].time_ns;
		if (jitter)
			order[i].time_ns += random_next(&random) % jitter;
	}
	qsort(order, p->logins.n, sizeof(*order), arrival_order);
	for (size_t i = 0; i < p->logins.n; i++)
		login_run(models, &p->logins.login[order[i].i]);
	models_advance(models, START + 30 * DAY);
	free(order);
	models_close(models);
}

static void the_same_input_gives_the_same_alerts_under_any_key(void **) {
	struct population p;
	make(&p);
	struct desk a, b;
	feed(&a, 1, &p, 0);
	feed(&b, 0xdeadbeef, &p, 0);
	desk_print(&a);
	assert_true(a.n > 6);
	assert_int_equal(a.n, b.n);
	for (size_t i = 0; i < a.n; i++) {
		assert_true(a.alert[i].episode.id == b.alert[i].episode.id);
		assert_true(a.alert[i].time_ns == b.alert[i].time_ns);
		assert_string_equal(a.alert[i].message, b.alert[i].message);
		assert_memory_equal(a.alert[i].users, b.alert[i].users, sizeof(a.alert[i].users));
	}
	free(a.alert);
	free(b.alert);
	free(p.logins.login);
}

static const char *const expected[] = {
	"password-spraying",
	"password-guessing",
	"password-spraying-distributed",
};

static void an_hour_of_disorder_neither_hides_nor_invents(void **) {
	struct population p;
	make(&p);
	struct desk desk;
	feed(&desk, 1, &p, HOUR);
	desk_print(&desk);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(desk_count(&desk, expected[i], ALERT_OPEN), 1);
	assert_int_equal(desk_count_critical(&desk, "login-after-guessing"), 1);
	// Beside them: the server's outage, and logins from hotels to accounts under attack.
	size_t n_doubtful = desk_count(&desk, "login-after-guessing", ALERT_OPEN) - 1;
	size_t n_server = desk_count(&desk, "logins-refused-everywhere", ALERT_OPEN);
	assert_int_equal(desk_count(&desk, NULL, ALERT_OPEN), 4 + n_doubtful + n_server);
	assert_true(n_doubtful <= 10);
	assert_int_equal(desk_count(&desk, NULL, ALERT_OPEN), desk_count(&desk, NULL, ALERT_CLOSE));
	free(desk.alert);
	free(p.logins.login);
}

// Ten times more addresses, names and passwords than there is room for, and accounts that were
// known before are still known after.
static void memory_stays_what_it_was_and_the_known_stay_known(void **) {
	struct desk desk;
	struct models *models = desk_models(&desk, 1000);
	size_t size = models_memsize(models);
	for (uint32_t user = 0; user < 300; user++)
		login_run(
			models,
			&(struct login){START + user * SECOND, user, home_ip(user), 0, true, 0}
		);
	for (uint32_t i = 0; i < 10000; i++)
		login_run(
			models,
			&(struct login
			){START + DAY + i * SECOND,
			  1000000 + i,
			  IP(60, 0, 0, 0) + 256 * i,
			  0,
			  false,
			  i + 1}
		);
	assert_int_equal(models_memsize(models), size);
	assert_int_equal(desk.n, 0);
	// Known: a password mistyped many times at home is no stranger's guessing.
	for (uint32_t i = 0; i < 30; i++)
		login_run(
			models,
			&(struct login
			){START + 2 * DAY + i * SECOND, 7, home_ip(7), 0, false, 900000 + i}
		);
	assert_int_equal(desk.n, 0);
	models_close(models);
	free(desk.alert);
}

static void anything_in_an_activity_is_taken(void **) {
	struct desk desk;
	struct models *models = desk_models(&desk, 16);
	uint64_t random = SEED;
	print_message("  seed %d\n", SEED);
	struct activity *activity = malloc(sizeof(*activity));
	for (int i = 0; i < 20000; i++) {
		memset(activity, 0, sizeof(*activity));
		activity->time_ns
			= random_chance(&random, 0.1) ? random_next(&random) : START + i * SECOND;
		activity->source.ip.family = "\0\4\6\4"[random_below(&random, 4)];
		for (int k = 0; k < (activity->source.ip.family == 4 ? 4 : 16); k++)
			activity->source.ip.addr[k] = random_below(&random, 3);
		size_t len = random_below(&random, ACCOUNT_SIZE);
		memset(activity->account, "\xc3\xa9 \x01%"[random_below(&random, 5)], len);
		activity->auth.success = random_below(&random, 8) ? 0 : random_next(&random);
		activity->auth.failure = random_below(&random, 2) ? 1 : random_next(&random);
		activity->auth.password = random_below(&random, 50);
		models_run(models, activity);
		if (desk.n > DESK_MAX / 2)
			desk.n = 0;
	}
	models_advance(models, UINT64_MAX);
	models_advance(models, 0);
	free(activity);
	models_close(models);
	models_close(NULL);
	free(desk.alert);
}

static void one_broken_timestamp_changes_nothing(void **) {
	const uint64_t broken[] = {0, 1, START - 300 * DAY, START + 300 * DAY, UINT64_MAX};
	for (size_t b = 0; b < sizeof(broken) / sizeof(broken[0]); b++) {
		struct desk desk;
		struct models *models = desk_models(&desk, 100);
		for (uint32_t i = 0; i < 20; i++) {
			uint64_t at = i == 10 ? broken[b] : START + i * MINUTE;
			login_run(models, &(struct login){at, i, IP(203, 0, 113, 8), 0, false, 77});
		}
		models_advance(models, START + HOUR);
		assert_int_equal(desk_count(&desk, NULL, ALERT_OPEN), 1);
		assert_int_equal(desk_count(&desk, NULL, ALERT_CLOSE), 0);
		assert_true(desk.alert[desk.n - 1].start_ns + HOUR >= START);
		assert_true(desk.alert[desk.n - 1].end_ns < START + HOUR);
		models_close(models);
		free(desk.alert);
	}
}

// Two broken timestamps that do not agree are no clock that has moved on.
static void z4_times_ahead_that_disagree_are_not_believed(void **) {
	const uint64_t ahead[] = {300 * DAY, 900 * DAY, 2 * DAY, 302 * DAY};
	struct desk desk;
	struct models *models = desk_models(&desk, 100);
	for (uint32_t i = 0; i < 40; i++) {
		uint64_t at = START + i * MINUTE;
		login_run(models, &(struct login){at, i, home_ip(i), 1, true, 0});
		at += ahead[i % 4];
		login_run(models, &(struct login){at, i, home_ip(i), 1, true, 0});
		assert_true(models_now(models) <= START + i * MINUTE);
	}
	// A clock that has moved on is believed from the second on.
	login_run(models, &(struct login){START + 500 * DAY, 1, home_ip(1), 1, true, 0});
	assert_true(models_now(models) < START + DAY);
	login_run(models, &(struct login){START + 500 * DAY + MINUTE, 2, home_ip(2), 1, true, 0});
	assert_true(models_now(models) == START + 500 * DAY + MINUTE);
	models_close(models);
	free(desk.alert);
}

// z4: what is dated longer ago than the disorder allowed counts as being as old as that, and so a sensor whose clock
// is years behind neither hides what it sees nor tells of a time long past.
static void z4_a_record_from_long_ago_counts_as_an_hour_old(void **) {
	const uint64_t ago[] = {HOUR, HOUR + 1, 2 * HOUR, 30 * DAY, START};
	struct desk first = {0}, desk;
	for (size_t a = 0; a < sizeof(ago) / sizeof(ago[0]); a++) {
		struct models *models = desk_models(&desk, 100);
		for (uint32_t i = 0; i < 40; i++) {
			uint64_t now = START + i * MINUTE;
			login_run(models, &(struct login){now, 99, home_ip(99), 1, true, 0});
			// One address tries one password on many accounts.
			login_run(
				models,
				&(struct login){now - ago[a], i, IP(203, 0, 113, 8), 0, false, 77}
			);
		}
		models_advance(models, START + HOUR);
		models_close(models);
		assert_int_equal(desk_count(&desk, NULL, ALERT_OPEN), 1);
		assert_int_equal(desk.alert[0].episode.since_ns, START - HOUR);
		if (a == 0)
			first = desk;
		assert_int_equal(desk.n, first.n);
		for (size_t i = 0; i < desk.n; i++)
			assert_string_equal(desk.alert[i].message, first.alert[i].message);
		if (a > 0)
			free(desk.alert);
	}
	free(first.alert);
}

static void a_size_that_cannot_be_is_refused(void **) {
	struct models_config config = {.n_accounts = SIZE_MAX};
	assert_null(models_open(&config));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_input_gives_the_same_alerts_under_any_key),
		cmocka_unit_test(an_hour_of_disorder_neither_hides_nor_invents),
		cmocka_unit_test(memory_stays_what_it_was_and_the_known_stay_known),
		cmocka_unit_test(anything_in_an_activity_is_taken),
		cmocka_unit_test(one_broken_timestamp_changes_nothing),
		cmocka_unit_test(z4_times_ahead_that_disagree_are_not_believed),
		cmocka_unit_test(z4_a_record_from_long_ago_counts_as_an_hour_old),
		cmocka_unit_test(a_size_that_cannot_be_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
