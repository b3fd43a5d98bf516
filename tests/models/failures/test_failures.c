// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "episode.h"
#include "failures/origin.h"
#include "models/population.h"

struct world {
	struct desk desk;
	struct models *models;
	struct logins logins;
	uint64_t random;
};

enum { SEED = 20260105 };

static void world_open(struct world *w, size_t n_accounts) {
	*w = (struct world){.random = SEED};
	w->models = desk_models(&w->desk, n_accounts);
	assert_non_null(w->models);
}

static void world_close(struct world *w) {
	models_close(w->models);
	free(w->desk.alert);
	free(w->logins.login);
}

static void add(struct world *w, uint64_t at, uint32_t user, uint32_t ip, uint64_t password) {
	logins_add(&w->logins, (struct login){START + at, user, ip, 0, password == 0, password});
}

static void run(struct world *w) {
	logins_run(&w->logins, w->models);
	desk_print(&w->desk);
}

// Twenty days of ordinary logins by 200 accounts, each at home.
static void ordinary(struct world *w, uint32_t days) {
	for (uint32_t user = 0; user < 200; user++)
		for (uint32_t d = 0; d < days; d++)
			add(w, d * DAY + (8 * 60 + user) * MINUTE, user, home_ip(user), 0);
}

static const struct alert *only_open(struct world *w, const char *rule) {
	assert_int_equal(desk_count(&w->desk, rule, ALERT_OPEN), 1);
	return desk_last(&w->desk, rule);
}

static void a_fast_spray_from_one_source_is_told_once(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 20);
	for (uint32_t i = 0; i < 50; i++)
		add(&w, 20 * DAY + i * 5 * SECOND, i, IP(203, 0, 113, 8), 77 + i % 2);
	run(&w);
	models_advance(w.models, START + 20 * DAY + HOUR);
	models_advance(w.models, START + 30 * DAY);
	const struct alert *a = only_open(&w, "password-spraying");
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_UPDATE), 1);
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_CLOSE), 1);
	assert_string_equal(a->techniques[0]->sub_id, "T1110.003");
	assert_in_range(a->users_total, 40, 60);
	assert_int_equal(a->ips[0].addr[3], 8);
	assert_non_null(strstr(a->message, "203.0.113.8 tried"));
	assert_true(a->score >= a->threshold);
	world_close(&w);
}

static void a_spray_that_gets_in_names_the_account(void **) {
	struct world w;
	world_open(&w, 1000);
	for (uint32_t i = 0; i < 12; i++)
		add(&w, i * 20 * SECOND, 30 + i, IP(10, 77, 1, 8), i == 9 ? 0 : 77);
	run(&w);
	const struct alert *a = desk_last(&w.desk, "password-spraying");
	assert_non_null(a);
	assert_int_equal(a->severity, ALERT_CRITICAL);
	assert_non_null(strstr(a->message, "got into one: u39. Change u39's password"));
	assert_string_equal(a->users[0], "u39");
	a = only_open(&w, "login-after-guessing");
	assert_string_equal(a->account, "u39");
	assert_int_equal(a->severity, ALERT_CRITICAL);
	assert_non_null(strstr(a->message, "The password for u39 was found: 10.77.1.8"));
	world_close(&w);
}

static void a_success_before_the_spray_is_recognised_is_told_with_it(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 5);
	for (uint32_t i = 0; i < 20; i++)
		add(&w, 6 * DAY + i * 20 * SECOND, 30 + i, IP(10, 77, 1, 8), i == 2 ? 0 : 77);
	run(&w);
	const struct alert *a = only_open(&w, "login-after-guessing");
	assert_string_equal(a->account, "u32");
	assert_int_equal(desk_last(&w.desk, "password-spraying")->severity, ALERT_CRITICAL);
	world_close(&w);
}

static void a_slow_spray_of_four_an_hour_is_told(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 20);
	for (uint32_t i = 0; i < 40; i++)
		add(&w, 10 * DAY + i * 15 * MINUTE, i, IP(203, 0, 113, 8), 1000 + i / 10);
	run(&w);
	const struct alert *a = only_open(&w, "password-spraying");
	assert_true(w.desk.alert[0].time_ns < START + 10 * DAY + 3 * HOUR);
	assert_true(a->episode.sequence >= 2);
	world_close(&w);
}

static void a_spray_of_two_a_day_is_told_within_a_week(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 20);
	for (uint32_t i = 0; i < 14; i++)
		add(&w, 10 * DAY + i * 12 * HOUR, i, IP(203, 0, 113, 8), 1000 + i);
	run(&w);
	only_open(&w, "password-spraying");
	world_close(&w);
}

static void a_network_that_sprays_from_many_addresses_is_one_alert(void **) {
	struct world w;
	world_open(&w, 1000);
	for (uint32_t i = 0; i < 60; i++)
		add(&w, i * MINUTE, i, IP(203, 0, 113, 1) + i % 20, 5000 + i);
	run(&w);
	const struct alert *a = only_open(&w, "password-spraying-network");
	assert_non_null(strstr(a->message, "203.0.113.0/24"));
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	world_close(&w);
}

static void one_password_from_ever_new_addresses_is_told(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 20);
	for (uint32_t i = 0; i < 40; i++)
		add(&w, 10 * DAY + i * 15 * MINUTE, i, IP(120 + i, 5, i, 9), 4711);
	run(&w);
	const struct alert *a = only_open(&w, "password-spraying-distributed");
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	assert_int_equal(a->scope, ALERT_CAMPAIGN);
	assert_true(a->ips_total >= 5);
	world_close(&w);
}

static void a_login_from_a_new_place_during_a_distributed_spray_is_not_told_by_itself(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 20);
	// The account was tried with the common password; the next one from another address opens.
	for (uint32_t i = 0; i < 40; i++)
		add(&w, 10 * DAY + i * 15 * MINUTE, i, IP(120 + i, 5, i, 9), 4711);
	add(&w, 10 * DAY + 12 * HOUR, 17, IP(190, 5, 6, 7), 0);
	run(&w);
	// Nothing says for sure whose login it was: what is read after it has to tell (test_watch).
	only_open(&w, "password-spraying-distributed");
	assert_int_equal(desk_count(&w.desk, "login-after-guessing", ALERT_OPEN), 0);
	world_close(&w);
}

// The spray before it has taught the fleet that strangers are refused often, and the password alone is
// suspicious sooner than the address; it is the address's spraying all the same.
static void
one_address_with_one_password_after_another_spray_is_told_and_so_is_the_success(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 20);
	for (uint32_t i = 0; i < 12; i++)
		add(&w, 10 * DAY + i * 2 * MINUTE, i, IP(120 + i, 5, i, 9), 4711);
	for (uint32_t i = 0; i < 19; i++)
		add(&w, 10 * DAY + 16 * HOUR + i * 47 * SECOND, 40 + i, IP(190, 5, 6, 7), 4712);
	add(&w, 10 * DAY + 16 * HOUR + 19 * 47 * SECOND, 60, IP(190, 5, 6, 7), 0);
	run(&w);
	only_open(&w, "password-spraying-distributed");
	only_open(&w, "password-spraying");
	const struct alert *a = only_open(&w, "login-after-guessing");
	assert_string_equal(a->account, "u60");
	assert_int_equal(a->severity, ALERT_CRITICAL);
	world_close(&w);
}

static void brute_force_from_200_addresses_is_told_and_so_is_the_success(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 20);
	for (uint32_t i = 0; i < 335; i++)
		add(&w, 10 * DAY + i * HOUR / 335, 7, IP(120 + i % 50, 5, i % 200, 9), 90000 + i);
	add(&w, 10 * DAY + 2 * HOUR, 7, IP(121, 5, 1, 9), 0);
	run(&w);
	const struct alert *a = only_open(&w, "password-guessing");
	assert_string_equal(a->account, "u7");
	assert_string_equal(a->techniques[0]->sub_id, "T1110.001");
	assert_true(w.desk.alert[0].time_ns < START + 10 * DAY + 10 * MINUTE);
	a = only_open(&w, "login-after-guessing");
	assert_int_equal(a->severity, ALERT_CRITICAL);
	assert_string_equal(a->account, "u7");
	world_close(&w);
}

static void brute_force_from_one_address_is_told(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 3);
	for (uint32_t i = 0; i < 300; i++)
		add(&w, 5 * DAY + i * 10 * SECOND, 7, IP(203, 0, 113, 8), 90000 + i);
	add(&w, 5 * DAY + 2 * HOUR, 7, IP(203, 0, 113, 8), 0);
	run(&w);
	only_open(&w, "password-guessing");
	assert_int_equal(only_open(&w, "login-after-guessing")->severity, ALERT_CRITICAL);
	world_close(&w);
}

static void a_drip_of_one_a_day_is_told_and_so_is_the_success(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 20);
	for (uint32_t i = 0; i < 14; i++)
		add(&w, (5 + i) * DAY + 3 * HOUR, 7, IP(120 + i, 5, i, 9), 90000 + i);
	add(&w, 19 * DAY + 3 * HOUR, 7, IP(123, 5, 3, 9), 0);
	run(&w);
	only_open(&w, "password-guessing");
	assert_true(w.desk.alert[0].time_ns < START + 13 * DAY);
	assert_string_equal(only_open(&w, "login-after-guessing")->account, "u7");
	world_close(&w);
}

static void an_owner_who_mistypes_is_left_alone(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 20);
	for (uint32_t d = 1; d < 20; d++)
		for (uint32_t i = 0; i < 3; i++)
			add(&w, d * DAY + 7 * HOUR + i * 10 * SECOND, 7, home_ip(7), d * 10 + i + 1
			);
	run(&w);
	assert_int_equal(w.desk.n, 0);
	world_close(&w);
}

static void an_old_password_in_a_phone_is_no_guessing(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 5);
	for (uint32_t i = 0; i < 3000; i++)
		add(&w,
		    5 * DAY + i * MINUTE,
		    7,
		    i % 3 ? IP(100, 64, i % 50, i % 7) : home_ip(7),
		    4711);
	run(&w);
	assert_int_equal(w.desk.n, 0);
	world_close(&w);
}

static void an_address_that_many_share_is_no_sprayer(void **) {
	struct world w;
	world_open(&w, 1000);
	uint64_t password = 1;
	for (uint32_t d = 0; d < 20; d++)
		for (uint32_t user = 0; user < 300; user++) {
			uint64_t at
				= d * DAY + 8 * HOUR + random_below(&w.random, 3600 * 9) * SECOND;
			if (random_chance(&w.random, 0.05))
				add(&w, at - 20 * SECOND, user, IP(10, 1, 1, 1), ++password);
			if (random_chance(&w.random, 0.01)) // nobody's name
				add(&w,
				    at - 20 * SECOND,
				    1000000 + user * 100 + d,
				    IP(10, 1, 1, 1),
				    ++password);
			add(&w, at, user, IP(10, 1, 1, 1), 0);
		}
	run(&w);
	assert_int_equal(w.desk.n, 0);
	world_close(&w);
}

static void an_outage_is_one_alert_about_the_server(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 5);
	for (uint32_t user = 0; user < 200; user++)
		for (uint32_t i = 0; i < 5; i++)
			add(&w,
			    5 * DAY + i * MINUTE + user * SECOND / 10,
			    user,
			    home_ip(user),
			    900 + user);
	run(&w);
	models_advance(w.models, START + 9 * DAY);
	only_open(&w, "logins-refused-everywhere");
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_CLOSE), 1);
	world_close(&w);
}

static void many_addresses_that_spray_share_an_alert(void **) {
	struct world w;
	world_open(&w, 20000);
	for (uint32_t source = 0; source < 500; source++)
		for (uint32_t i = 0; i < 10; i++)
			add(&w,
			    source * MINUTE + i * SECOND,
			    random_below(&w.random, 5000),
			    IP(120, source / 250, source % 250, 9),
			    100000 + source * 10 + i);
	run(&w);
	only_open(&w, "password-spraying-campaign");
	size_t n = desk_count(&w.desk, "password-spraying", ALERT_OPEN);
	assert_in_range(n, 1, EPISODES_OWN_MAX);
	assert_true(desk_count(&w.desk, NULL, ALERT_OPEN) < 40);
	world_close(&w);
}

// Three days of it: on the third the desk hears of it again, with addresses of that day.
static void a_wave_that_goes_on_is_told_each_day(void **) {
	struct world w;
	world_open(&w, 20000);
	for (uint32_t source = 0; source < 500; source++)
		for (uint32_t i = 0; i < 10; i++)
			add(&w,
			    source * 9 * MINUTE + i * SECOND,
			    random_below(&w.random, 5000),
			    IP(120, source / 250, source % 250, 9),
			    100000 + source * 10 + i);
	run(&w);
	size_t last = w.desk.n;
	for (size_t i = 0; i < w.desk.n; i++)
		if (!strcmp(w.desk.alert[i].rule_id, "password-spraying-campaign")
		    && w.desk.alert[i].episode.state == ALERT_UPDATE)
			last = i;
	assert_true(last < w.desk.n);
	assert_true(w.desk.alert[last].time_ns > START + 50 * HOUR);
	assert_int_equal(w.desk.alert[last].n_ips, FACTS_IPS_MAX);
	// A day has 160 addresses; those of the first are 120.0.0.9 and up.
	for (int i = 0; i < FACTS_IPS_MAX; i++)
		assert_true(
			w.desk.alert[last].ips[i].addr[1] * 250 + w.desk.alert[last].ips[i].addr[2]
			> 160
		);
	world_close(&w);
}

// 200 addresses that each try somebody with something every four days, for ten weeks: some are told, the rest
// together; who gets in is told all the same, and so is who does far more.
static void what_the_internet_does_all_the_time_is_told_together(void **) {
	struct world w;
	world_open(&w, 2000);
	ordinary(&w, 70);
	for (uint32_t i = 0; i < 3500; i++) {
		uint32_t source = random_below(&w.random, 200);
		add(&w,
		    i * (70 * DAY / 3500),
		    random_below(&w.random, 200),
		    IP(120, source, 7, 9),
		    100000 + i);
	}
	add(&w, 65 * DAY, 177, IP(120, 5, 7, 9), 0);
	for (uint32_t i = 0; i < 100; i++)
		add(&w, 66 * DAY + i * MINUTE, i, IP(203, 0, 113, 8), 77 + i);
	run(&w);
	assert_in_range(desk_count(&w.desk, "password-spraying", ALERT_OPEN), 3, 20);
	assert_in_range(desk_count(&w.desk, "password-spraying-campaign", ALERT_OPEN), 1, 5);
	assert_string_equal(only_open(&w, "login-after-guessing")->account, "u177");
	bool told = false;
	for (size_t i = 0; i < w.desk.n; i++)
		told |= strstr(w.desk.alert[i].message, "203.0.113.8 tried") != NULL;
	assert_true(told);
	world_close(&w);
}

static void unseen_passwords_that_are_retried_are_no_guessing(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 5);
	// A phone with CRAM-MD5 and an old password, every two minutes for two days, on the road.
	for (uint32_t i = 0; i < 1440; i++)
		logins_add(
			&w.logins,
			(struct login
			){START + 5 * DAY + i * 2 * MINUTE, 7, IP(100, 64, 1, i / 200), 0, false, 0}
		);
	run(&w);
	assert_int_equal(w.desk.n, 0);
	world_close(&w);
}

// An old password that is not seen, in two computers and behind the addresses of a phone's vendor, all of
// which ask again and again.
static void an_unseen_old_password_in_several_devices_is_no_guessing(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 20);
	for (uint32_t user = 0; user < 8; user++) {
		for (uint32_t d = 0; d < 20; d++) {
			add(&w, d * DAY + 7 * HOUR, user, IP(90, 1, user, 1), 0);
			add(&w, d * DAY + 9 * HOUR, user, IP(17, 58, d % 4, 1 + user), 0);
		}
		for (uint32_t i = 0; i < 96; i++) {
			uint32_t ip = i % 3 == 0 ? home_ip(user)
				: i % 3 == 1	 ? IP(90, 1, user, 1)
						 : IP(17, 58, 40 + i, user);
			logins_add(
				&w.logins,
				(struct login
				){START + 20 * DAY + i * 15 * MINUTE, user, ip, 0, false, 0}
			);
		}
		add(&w, 21 * DAY + HOUR, user, IP(17, 58, 39, 1 + user), 0);
	}
	run(&w);
	assert_int_equal(w.desk.n, 0);
	world_close(&w);
}

static void unseen_passwords_tried_by_the_hundred_are_guessing(void **) {
	struct world w;
	world_open(&w, 1000);
	ordinary(&w, 5);
	for (uint32_t i = 0; i < 400; i++)
		logins_add(
			&w.logins,
			(struct login
			){START + 5 * DAY + i * 9 * SECOND, 7, IP(203, 0, 113, 8), 0, false, 0}
		);
	run(&w);
	only_open(&w, "password-guessing");
	world_close(&w);
}

static void ever_new_addresses_of_one_ipv6_subscriber_are_one_source(void **) {
	struct world w;
	world_open(&w, 1000);
	for (uint32_t i = 0; i < 30; i++) {
		struct activity activity = {
			.time_ns = START + i * MINUTE,
			.source.ip = {.family = 6, .addr = {0x20, 0x01, 0x0d, 0xb8, [15] = i + 1}},
			.auth = {.failure = 1, .password = 77},
		};
		snprintf(activity.account, sizeof(activity.account), "u%u", i);
		models_run(w.models, &activity);
	}
	desk_print(&w.desk);
	assert_non_null(strstr(only_open(&w, "password-spraying")->message, "2001:db8::/64 tried"));
	world_close(&w);
}

// STRONTIUM's manner (attack S7): a fifth of the accounts, each attempt from another address, for
// ten days, then one success from elsewhere.
static void a_campaign_is_few_alerts_and_owners_in_hotels_are_left_alone(void **) {
	struct population p = {.random = SEED, .n_users = 1000, .days = 14};
	population_make(&p);
	struct world w;
	world_open(&w, 10000);
	for (uint32_t user = 0; user < 200; user++)
		for (uint32_t i = 0; i < 30; i++)
			logins_add(
				&p.logins,
				(struct login){
					within(&p, START + 3 * DAY, 10 * DAY),
					user,
					random_next(&p.random) % IP(79, 0, 0, 0),
					1,
					false,
					77000 + i,
				}
			);
	logins_add(
		&p.logins,
		(struct login){START + 13 * DAY + 3 * HOUR, 42, IP(5, 101, 7, 9), 1, true, 0}
	);
	logins_run(&p.logins, w.models);
	desk_print(&w.desk);
	size_t n_told = desk_count(&w.desk, "login-after-guessing", ALERT_OPEN);
	print_message("  seed %d: %zu takeovers told\n", SEED, n_told);
	// Owners who log in from a hotel while their account is attacked cannot be told apart at that
	// moment; at one alert per 1,000 accounts and week, two weeks have room for two.
	assert_true(n_told <= 2);
	assert_true(w.desk.alert[0].time_ns < START + 4 * DAY);
	assert_true(desk_count(&w.desk, NULL, ALERT_OPEN) - n_told <= 20);
	free(p.logins.login);
	world_close(&w);
}

static void benign(bool with_providers) {
	struct population p = {
		.random = SEED,
		.n_users = 2000,
		.days = 28,
		.outage = true,
		.mass_change = true,
	};
	population_make(&p);
	for (size_t i = 0; !with_providers && i < p.logins.n; i++)
		p.logins.login[i].asn = 0;
	struct world w;
	world_open(&w, 10000);
	logins_run(&p.logins, w.models);
	models_advance(w.models, START + (p.days + 7) * DAY);
	desk_print(&w.desk);
	size_t n_server = desk_count(&w.desk, "logins-refused-everywhere", ALERT_OPEN);
	size_t n = desk_count(&w.desk, NULL, ALERT_OPEN) - n_server;
	double weeks = p.days / 7.0 * p.n_users / 1000;
	print_message(
		"  seed %d, %zu logins, %u accounts, %u days: %zu false alerts (%.2f per 1,000 and "
		"week), %zu about the server\n",
		SEED,
		p.logins.n,
		p.n_users,
		p.days,
		n,
		n / weeks,
		n_server
	);
	assert_true(n <= weeks);
	assert_in_range(n_server, 1, 3);
	free(p.logins.login);
	world_close(&w);
}

static void a_benign_population_stays_within_the_budget(void **) {
	benign(true);
}

static void it_does_without_a_network_database(void **) {
	benign(false);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fast_spray_from_one_source_is_told_once),
		cmocka_unit_test(a_spray_that_gets_in_names_the_account),
		cmocka_unit_test(a_success_before_the_spray_is_recognised_is_told_with_it),
		cmocka_unit_test(a_slow_spray_of_four_an_hour_is_told),
		cmocka_unit_test(a_spray_of_two_a_day_is_told_within_a_week),
		cmocka_unit_test(a_network_that_sprays_from_many_addresses_is_one_alert),
		cmocka_unit_test(one_password_from_ever_new_addresses_is_told),
		cmocka_unit_test(
			a_login_from_a_new_place_during_a_distributed_spray_is_not_told_by_itself
		),
		cmocka_unit_test(
			one_address_with_one_password_after_another_spray_is_told_and_so_is_the_success
		),
		cmocka_unit_test(brute_force_from_200_addresses_is_told_and_so_is_the_success),
		cmocka_unit_test(brute_force_from_one_address_is_told),
		cmocka_unit_test(a_drip_of_one_a_day_is_told_and_so_is_the_success),
		cmocka_unit_test(an_owner_who_mistypes_is_left_alone),
		cmocka_unit_test(an_old_password_in_a_phone_is_no_guessing),
		cmocka_unit_test(an_address_that_many_share_is_no_sprayer),
		cmocka_unit_test(an_outage_is_one_alert_about_the_server),
		cmocka_unit_test(many_addresses_that_spray_share_an_alert),
		cmocka_unit_test(a_wave_that_goes_on_is_told_each_day),
		cmocka_unit_test(what_the_internet_does_all_the_time_is_told_together),
		cmocka_unit_test(unseen_passwords_that_are_retried_are_no_guessing),
		cmocka_unit_test(an_unseen_old_password_in_several_devices_is_no_guessing),
		cmocka_unit_test(unseen_passwords_tried_by_the_hundred_are_guessing),
		cmocka_unit_test(ever_new_addresses_of_one_ipv6_subscriber_are_one_source),
		cmocka_unit_test(a_campaign_is_few_alerts_and_owners_in_hotels_are_left_alone),
		cmocka_unit_test(a_benign_population_stays_within_the_budget),
		cmocka_unit_test(it_does_without_a_network_database),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
