// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The real models in the real store: restarts, and records that come twice, late, or not at all.

#include "kept.h"

enum { SEED = 23, ACCOUNTS = 600, USERS = 120, DAYS = 30, THIEF_FROM = 18 };

// ---- Runs

static struct models *models_new(struct desk *desk) {
	struct models_config config = {
		.n_accounts = ACCOUNTS,
		.hash_key = {1, 2},
		.alert = desk_put,
		.ctx = desk,
	};
	if (!desk->alert)
		desk->alert = calloc(DESK_MAX, sizeof(*desk->alert));
	return models_open(&config);
}

static struct store *store_new(const char *dir, struct models *models, uint64_t interval_ns) {
	struct store_config config = {.dir = dir, .interval_ns = interval_ns, .wait = true};
	char error[512];
	size_t n;
	const struct store_part *parts = models_parts(models, &n);
	struct store *store = store_open(&config, parts, n, error, sizeof(error));
	if (!store)
		fail_msg("%s", error);
	models_continue(models, store_known_ns(store_found(store)));
	return store;
}

static void
run_kept(struct models *models, struct store *store, const struct stream *s, size_t to) {
	struct store_mark mark = *store_found(store);
	for (size_t i = 0; i < to; i++) {
		mark.n_activities += models_run(models, &s->activity[i]);
		mark.heard_ns = s->activity[i].time_ns;
		mark.now_ns = models_now(models);
		store_tick(store, &mark);
	}
}

static void n1_read_again_after_a_restart_the_stream_leads_to_the_same_state(void **) {
	struct stream s = stream_make(SEED, USERS, DAYS, THIEF_FROM);
	struct desk desk = {0}, kept = {0};
	struct models *models = models_new(&desk);
	for (size_t i = 0; i < s.n; i++)
		assert_true(models_run(models, &s.activity[i]));
	struct dump plain = dump_of(models);
	print_message("  %zu activities, %zu alerts, %zu things kept\n", s.n, desk.n, plain.n);
	assert_true(desk_count(&desk, NULL, ALERT_OPEN) > 0);
	for (int cut = 1; cut < 5; cut++) {
		const char *dir = dir_new();
		kept.n = 0;
		for (int life = 0; life < 3; life++) {
			struct models *again = models_new(&kept);
			struct store *store = store_new(dir, again, 6 * HOUR);
			// Each life but the last ends in the middle, without a last word.
			run_kept(
				again,
				store,
				&s,
				life == 2 ? s.n : s.n * (size_t)(3 * life + cut) / 9
			);
			if (life == 2) {
				struct dump dump = dump_of(again);
				assert_same_dump(again, &plain, &dump);
				free(dump.sum);
			}
			store_close(store);
			models_close(again);
		}
		// What was told after the last snapshot of a life is told again by the next, under the same
		// id; nothing is told that was not, and nothing is missing.
		for (size_t i = 0; i < kept.n; i++) {
			bool is_known = false;
			for (size_t k = 0; k < desk.n; k++)
				is_known |= desk.alert[k].episode.id == kept.alert[i].episode.id
					&& desk.alert[k].episode.sequence
						== kept.alert[i].episode.sequence;
			assert_true(is_known);
		}
		assert_true(kept.n >= desk.n);
		dir_remove(dir);
	}
	free(plain.sum);
	free(desk.alert);
	free(kept.alert);
	free(s.activity);
	models_close(models);
}

static void what_comes_twice_counts_once(void **) {
	struct stream s = stream_make(SEED, USERS, DAYS, THIEF_FROM);
	struct desk once = {0}, twice = {0};
	struct models *a = models_new(&once), *b = models_new(&twice);
	uint64_t random = SEED, n_known = 0;
	for (size_t i = 0; i < s.n; i++) {
		models_run(a, &s.activity[i]);
		models_run(b, &s.activity[i]);
		// At once, and some that came before.
		n_known += !models_run(b, &s.activity[i]);
		size_t back = random_below(&random, 50);
		n_known += !models_run(b, &s.activity[i >= back ? i - back : 0]);
	}
	assert_int_equal(n_known, 2 * s.n);
	struct dump x = dump_of(a), y = dump_of(b);
	assert_same_dump(a, &x, &y);
	assert_int_equal(once.n, twice.n);
	free(x.sum);
	free(y.sum);
	free(once.alert);
	free(twice.alert);
	free(s.activity);
	models_close(a);
	models_close(b);
}

// The same packets in another run of a sensor: passwords are hashed under another key, all else is the same.
// Guesses of one session at one moment stay as many as they are.
static void what_comes_twice_counts_once_though_passwords_are_hashed_otherwise(void **) {
	struct stream s = stream_make(SEED, USERS, DAYS, THIEF_FROM);
	struct desk once = {0}, twice = {0};
	const char *dir = dir_new();
	struct models *a = models_new(&once);
	uint64_t n_guesses = 0, n_new = 0;
	for (size_t i = 0; i < s.n; i++) {
		struct activity *now = &s.activity[i], *before = now - (i > 0);
		uint64_t password = now->auth.password;
		// Up to five refused logins behind each other become one session's, at one moment.
		bool is_more = now->auth.failure && before->auth.failure
			&& password != before->auth.password && n_guesses % 5 > 0;
		if (is_more)
			*now = *before;
		now->auth.password = password;
		n_guesses = is_more || now->auth.failure ? n_guesses + 1 : 0;
		n_new += models_run(a, now);
	}
	assert_true(n_new > s.n * 99 / 100);
	for (int life = 0; life < 3; life++) {
		struct models *b = models_new(&twice);
		struct store *store = store_new(dir, b, 6 * HOUR);
		struct store_mark mark = *store_found(store);
		models_continue(
			b, 0
		); // nothing is known for its age: all is left to what came last
		for (size_t i = life ? s.n - 10000 : 0; i < s.n; i++) {
			bool is_new = models_run(b, &s.activity[i]);
			assert_true(life == 0 || !is_new);
			mark.n_activities += is_new;
			mark.now_ns = models_now(b);
			store_tick(store, &mark);
		}
		assert_int_equal(mark.n_activities, n_new);
		assert_int_equal(store_sync(store, &mark), 0);
		struct dump x = dump_of(a), y = dump_of(b);
		// But for the prints themselves, which are not of the same passwords.
		assert_same_dump_but(b, &x, &y, life ? KEPT_RECENT : 0);
		free(x.sum);
		free(y.sum);
		store_close(store);
		models_close(b);
		for (size_t i = 0; i < s.n; i++)
			s.activity[i].auth.password *= 0x9e3779b97f4a7c15ull;
	}
	assert_int_equal(once.n, twice.n);
	free(once.alert);
	free(twice.alert);
	free(s.activity);
	models_close(a);
	dir_remove(dir);
}

struct turn {
	uint64_t time_ns;
	size_t i;
};

static int turn_order(const void *a, const void *b) {
	const struct turn *x = a, *y = b;
	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->i < y->i ? -1 : x->i > y->i;
}

enum harm { LATE, MISSING, JUMPS };

// Opened alerts about the intruder and the sprayer, and about anybody else.
static void count_opened(const struct desk *desk, size_t *right_r, size_t *wrong_r) {
	*right_r = *wrong_r = 0;
	for (size_t i = 0; i < desk->n; i++) {
		const struct alert *alert = &desk->alert[i];
		if (alert->episode.state != ALERT_OPEN)
			continue;
		bool is_right = strcmp(alert->account, "u0") == 0 || alert->scope == ALERT_CAMPAIGN;
		unsigned user;
		is_right |= sscanf(alert->account, "u%u", &user) == 1 && user < 12;
		is_right |= !alert->account[0];
		*(is_right ? right_r : wrong_r) += 1;
	}
}

static void harmed_run(const struct stream *s, enum harm harm, struct desk *desk) {
	struct models *models = models_new(desk);
	struct turn *turns = calloc(s->n, sizeof(*turns));
	uint64_t random = SEED;
	for (size_t i = 0; i < s->n; i++) {
		uint64_t late = harm == LATE ? random_next(&random) % HOUR : 0;
		turns[i] = (struct turn){s->activity[i].time_ns + late, i};
	}
	qsort(turns, s->n, sizeof(*turns), turn_order);
	for (size_t i = 0; i < s->n; i++) {
		struct activity activity = s->activity[turns[i].i];
		if (harm == MISSING && random_chance(&random, 0.1))
			continue;
		if (harm == JUMPS && random_chance(&random, 0.01)) {
			static const int64_t jumps[] = {
				3600,
				-3600,
				10 * 365 * 86400ll,
				-10 * 365 * 86400ll,
				2147483647ll,
			};
			activity.time_ns
				+= (uint64_t)(jumps[random_below(&random, 5)] * (int64_t)SECOND);
		}
		models_run(models, &activity);
	}
	free(turns);
	models_close(models);
}

static void z4_late_missing_and_misdated_records_do_no_harm(void **) {
	static const char *const names[] = {"late", "missing", "misdated"};
	struct stream s = stream_make(SEED, USERS, DAYS, THIEF_FROM);
	struct desk plain = {0};
	size_t right, wrong, right_now, wrong_now;
	struct models *models = models_new(&plain);
	for (size_t i = 0; i < s.n; i++)
		models_run(models, &s.activity[i]);
	models_close(models);
	count_opened(&plain, &right, &wrong);
	print_message(
		"  as they are: %zu alerts about what happened, %zu about others\n", right, wrong
	);
	for (enum harm harm = LATE; harm <= JUMPS; harm++) {
		struct desk desk = {0};
		harmed_run(&s, harm, &desk);
		count_opened(&desk, &right_now, &wrong_now);
		print_message("  %s: %zu and %zu\n", names[harm], right_now, wrong_now);
		// Nothing is hidden, and nobody else is told of.
		assert_true(right > 0 && right_now >= right);
		assert_int_equal(wrong_now, wrong);
		free(desk.alert);
	}
	free(plain.alert);
	free(s.activity);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(n1_read_again_after_a_restart_the_stream_leads_to_the_same_state),
		cmocka_unit_test(what_comes_twice_counts_once),
		cmocka_unit_test(what_comes_twice_counts_once_though_passwords_are_hashed_otherwise
		),
		cmocka_unit_test(z4_late_missing_and_misdated_records_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
