// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "simulate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ACCOUNTS = 300, DAYS = 100 };

static const struct sim_config quiet = {
	.seed = 7,
	.n_accounts = ACCOUNTS,
	.n_days = DAYS,
	.learning_days = 56,
	.hard = true,
	.campaign_sizes = {2},
	.spray_share = 20,
};

// What a run was, in numbers that hang on all of it.
struct run {
	uint64_t digest, benign_digest, n, n_attack, last_ns, n_unordered;
	uint64_t n_of[64]; // by scenario
	const struct sim *sim;
};

static uint64_t digest_add(uint64_t digest, const void *data, size_t size) {
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		digest = (digest ^ p[i]) * 0x100000001b3;
	return digest;
}

static uint64_t activity_digest(uint64_t digest, const struct activity *a) {
	digest = digest_add(digest, &a->time_ns, sizeof(a->time_ns));
	digest = digest_add(digest, a->account, strlen(a->account));
	digest = digest_add(digest, &a->source.ip, sizeof(a->source.ip));
	digest = digest_add(digest, &a->client.grammar, sizeof(a->client.grammar));
	for (int i = 0; i < a->n_mailboxes; i++)
		digest = digest_add(
			digest, &a->mailboxes[i].n_bodies, sizeof(a->mailboxes[i].n_bodies)
		);
	return digest;
}

static void run_add(void *ctx, const struct sim_seen *seen) {
	struct run *run = ctx;
	const struct activity *a = seen->activity;

	run->n++;
	run->n_unordered += a->time_ns < run->last_ns;
	run->last_ns = a->time_ns;
	run->digest = activity_digest(run->digest, a);
	if (seen->campaign == SIM_NO_ATTACK)
		run->benign_digest = activity_digest(run->benign_digest, a);
	else
		run->n_of[sim_campaign(run->sim, seen->campaign)->scenario]++;
	run->n_attack += seen->attack != SIM_NO_ATTACK;
	assert_true(a->n_mailboxes <= 1 && a->account[0]);
	for (int i = 0; i < a->n_mailboxes; i++) {
		const struct activity_mailbox *m = &a->mailboxes[i];
		assert_true(m->old <= m->dated && m->dated <= m->n_bodies);
		for (int k = 1; k < m->bodies.n; k++)
			assert_true(m->bodies.range[k - 1].last + 1 < m->bodies.range[k].first);
	}
}

static struct run population_run(const struct sim_config *config) {
	struct run run = {0};
	struct sim *sim = sim_open(config);

	assert_non_null(sim);
	run.sim = sim;
	while (sim_day(sim, run_add, &run))
		;
	sim_close(sim);
	run.sim = NULL;
	return run;
}

static void the_same_seed_gives_the_same_activity_in_time_order(void **state) {
	struct sim_config config = quiet;
	config.attacks = true;
	struct run a = population_run(&config), b = population_run(&config);

	assert_true(a.n > 100000);
	assert_int_equal(a.n_unordered, 0);
	assert_memory_equal(&a, &b, sizeof(a));
	config.seed++;
	b = population_run(&config);
	assert_true(a.digest != b.digest);
}

static void attacks_leave_what_is_innocent_as_it_is(void **state) {
	struct sim_config config = quiet;
	struct run without = population_run(&config);

	config.attacks = true;
	struct run with = population_run(&config);
	assert_int_equal(without.n_attack, 0);
	assert_true(with.n_attack > 1000);
	assert_true(with.digest != without.digest);
	assert_true(with.benign_digest == without.benign_digest);
}

static void every_scenario_of_the_catalogue_happens(void **state) {
	struct sim_config config = quiet;
	config.attacks = true;
	struct run run = population_run(&config);

	for (int i = 0; i < sim_scenarios(); i++) {
		if (run.n_of[i] == 0)
			print_message("%s did not happen\n", sim_scenario_name(i));
		assert_true(run.n_of[i] > 0);
	}
}

static void one_row_alone_can_be_asked_for(void **state) {
	struct sim_config config = quiet;
	config.attacks = true;
	config.only = "S2-10";
	struct sim *sim = sim_open(&config);
	struct run run = {.sim = sim};

	while (sim_day(sim, run_add, &run))
		;
	const struct sim_attack *a = sim_attack(sim, 0);
	assert_non_null(a);
	assert_non_null(sim_attack(sim, 1));
	assert_null(sim_attack(sim, 2));
	assert_string_equal(sim_scenario_name(a->scenario), "S2-10");
	assert_true(a->first_ns >= SIM_START_NS + 56 * SIM_DAY_NS - SIM_HOUR_NS);
	// Ten a day, 30 % of days left out, at least 28 of them, one in five messages new.
	assert_in_range(a->n_bodies, 28 * 10 / 3, 90 * 10);
	assert_true(a->n_old * 2 > a->n_bodies);
	sim_close(sim);
}

// Those of evening shifts too; what runs past midnight is handed out with the next day.
static void every_population_lives_in_the_days_that_are_simulated(void **state) {
	struct sim_config config = quiet;

	config.attacks = true;
	config.n_days = 70;
	for (uint8_t i = 0; i < SIM_POPULATIONS; i++) {
		config.population = i;
		struct run run = population_run(&config);
		assert_true(run.n > 1000 && run.n_attack > 100);
		assert_int_equal(run.n_unordered, 0);
		assert_in_range(
			run.last_ns,
			SIM_MIDNIGHT_NS + 69 * SIM_DAY_NS,
			SIM_MIDNIGHT_NS + 70 * SIM_DAY_NS
		);
	}
}

static void names_lead_back_to_their_accounts(void **state) {
	struct sim *sim = sim_open(&quiet);
	char name[SIM_NAME_SIZE];

	for (uint32_t i = 0; i < ACCOUNTS; i += 37) {
		sim_name(sim, i, name);
		assert_int_equal(sim_account_of(sim, name), i);
	}
	assert_int_equal(sim_account_of(sim, ""), SIM_NOBODY);
	assert_int_equal(sim_account_of(sim, "u300@ministry.example"), SIM_NOBODY);
	assert_int_equal(sim_account_of(sim, "x1@nobody.example"), SIM_NOBODY);
	sim_close(sim);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_activity_in_time_order),
		cmocka_unit_test(attacks_leave_what_is_innocent_as_it_is),
		cmocka_unit_test(every_scenario_of_the_catalogue_happens),
		cmocka_unit_test(one_row_alone_can_be_asked_for),
		cmocka_unit_test(every_population_lives_in_the_days_that_are_simulated),
		cmocka_unit_test(names_lead_back_to_their_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
