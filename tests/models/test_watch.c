// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "account/account.h"
#include "models/desk.h"

enum { ACCOUNTS = 40, SEED = 20161 };

#define HOME(user) (IP(80, 1, 0, 0) + 256 * (user))

struct world {
	uint32_t n_accounts, asn; // 0: no network database
	struct desk desk;
	struct models *models;
	struct activity activity;
	uint32_t uidvalidity;
	uint64_t random;
};

static void begin(struct world *w, uint64_t at, uint32_t user, uint32_t ip, uint32_t grammar) {
	struct activity *a = &w->activity;
	memset(a, 0, sizeof(*a));
	a->time_ns = START + at;
	snprintf(a->account, sizeof(a->account), "u%u@mzv.example", user);
	a->source.ip = (struct ip){.family = 4, .addr = {ip >> 24, ip >> 16, ip >> 8, ip}};
	a->source.asn = w->asn;
	a->client.grammar = grammar;
	a->auth.success = 1;
	a->n_mailboxes = 1;
	strcpy(a->mailboxes[0].name, "INBOX");
	a->mailboxes[0].uidvalidity = w->uidvalidity;
	a->mailboxes[0].uidnext = 5000 + at / DAY * 20;
	memcpy(a->session, &w->random, 8);
	random_next(&w->random);
}

static void read_bodies(struct world *w, uint32_t first, uint32_t n, uint32_t n_old) {
	struct activity_mailbox *m = &w->activity.mailboxes[0];
	m->bodies.n = 1;
	m->bodies.range[0] = (struct uid_range){first, first + n - 1};
	m->n_bodies = m->dated = n;
	m->old = n_old;
	m->bytes = n * 20000;
}

static void copy_all(struct world *w, uint64_t at, uint32_t user, uint32_t ip, uint32_t grammar) {
	for (uint32_t i = 0; i < 10; i++) {
		begin(w, at + i * MINUTE, user, ip, grammar);
		read_bodies(w, 1 + i * 400, 400, 400);
		models_run(w->models, &w->activity);
	}
}

// Everybody reads the day's mail at home in the morning, flags some of it, and now and then looks
// something up.
static void ordinary_day(struct world *w, uint32_t day) {
	for (uint32_t user = 0; user < w->n_accounts; user++) {
		uint64_t at = 8 * HOUR + user * 40 * MINUTE / w->n_accounts;
		begin(w, day * DAY + at, user, HOME(user), 100 + user % 5);
		uint32_t n_old = random_below(&w->random, 20) == 0;
		read_bodies(w, w->activity.mailboxes[0].uidnext - 10, 10, n_old);
		w->activity.mailboxes[0].store = 3;
		models_run(w->models, &w->activity);
	}
}

static void world_open_large(struct world *w, uint32_t n_accounts, uint32_t asn, uint32_t days) {
	*w = (struct world){.n_accounts = n_accounts, .asn = asn, .random = SEED, .uidvalidity = 1};
	w->models = desk_models(&w->desk, 1000 + n_accounts);
	for (uint32_t day = 0; day < days; day++)
		ordinary_day(w, day);
	assert_int_equal(w->desk.n, 0);
}

static void world_open(struct world *w, uint32_t days) {
	world_open_large(w, ACCOUNTS, 0, days);
}

// What a campaign's alert states is all that was stated before, and more.
static void assert_grows(const struct alert *before, const struct alert *after) {
	assert_true(after->campaign.size >= before->campaign.size);
	assert_int_equal(after->campaign.size, after->users_total);
	assert_true(after->campaign.since_ns <= before->campaign.since_ns);
	assert_true(after->ips_total >= before->ips_total && after->n_ips >= before->n_ips);
	for (int i = 0; i < before->n_ips; i++)
		assert_memory_equal(&after->ips[i], &before->ips[i], sizeof(struct ip));
	assert_true(after->campaign.networks_total >= before->campaign.networks_total);
	assert_true(after->campaign.grammars_total >= before->campaign.grammars_total);
	for (int i = 0; i < before->n_users && before->users_total <= ALERT_RELATED_MAX; i++) {
		bool is_there = false;
		for (int k = 0; k < after->n_users; k++)
			is_there |= !strcmp(after->users[k], before->users[i]);
		assert_true(is_there || after->users_total > ALERT_RELATED_MAX);
	}
}

static void assert_campaigns_grow(const struct desk *desk) {
	for (size_t i = 0; i < desk->n; i++) {
		const struct alert *a = &desk->alert[i];
		if (a->campaign.id == 0)
			continue;
		for (int k = 0; k < a->n_users; k++)
			for (int l = 0; l < k; l++)
				assert_string_not_equal(a->users[k], a->users[l]);
		for (size_t k = i; k-- > 0;)
			if (desk->alert[k].episode.id == a->episode.id) {
				assert_grows(&desk->alert[k], a);
				break;
			}
	}
}

static void world_close(struct world *w) {
	desk_print(&w->desk);
	assert_campaigns_grow(&w->desk);
	// Whatever is told, updates and ends too, is told with what it took.
	for (size_t i = 0; i < w->desk.n; i++)
		assert_true(w->desk.alert[i].score >= w->desk.alert[i].threshold);
	models_close(w->models);
	free(w->desk.alert);
}

static void an_ordinary_population_is_left_alone(void **) {
	struct world w;
	world_open(&w, 120);
	world_close(&w);
}

// Ten old messages a night for two weeks, beside the owner.
static void old_mail_read_slowly_by_a_stranger_is_told_once(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 74; day++) {
		begin(&w, day * DAY + 2 * HOUR, 7, IP(5, 101, 7, 9), 999);
		w.activity.mailboxes[0].examine = true;
		read_bodies(&w, 100 + day * 10, 10, 10);
		models_run(w.models, &w.activity);
		ordinary_day(&w, day);
	}
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	const struct alert *a = &w.desk.alert[0];
	assert_string_equal(a->rule_id, "slow-collection");
	assert_string_equal(a->account, "u7@mzv.example");
	assert_string_equal(a->techniques[0]->sub_id, "T1114.002");
	assert_true(a->time_ns < START + 70 * DAY);
	assert_true(a->score >= a->threshold);
	assert_non_null(strstr(a->message, "older than 30 days read on"));
	world_close(&w);
}

// Two old messages on two nights of three, with the software of the account's owner: no day says much.
static void two_old_messages_a_night_are_told_within_a_fortnight(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 74; day++) {
		begin(&w, day * DAY + 2 * HOUR, 7, IP(5, 101, 7, 9), 100 + 7 % 5);
		read_bodies(&w, 100 + day * 2, 2, 2);
		if (day % 3)
			models_run(w.models, &w.activity);
		ordinary_day(&w, day);
	}
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	assert_string_equal(w.desk.alert[0].rule_id, "slow-collection");
	assert_string_equal(w.desk.alert[0].account, "u7@mzv.example");
	world_close(&w);
}

// Two accounts that nobody used in two months: one by a new employee with what the others have, one by
// somebody who has its password.
static void an_account_copied_on_its_first_use_is_told(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t user = 80; user < 82; user++) {
		bool own = user == 80;
		begin(&w,
		      60 * DAY + 9 * HOUR,
		      user,
		      own ? HOME(3) : IP(5, 101, 7, 9),
		      own ? 103 : 999);
		read_bodies(&w, 1, 400, 400);
		models_run(w.models, &w.activity);
	}
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	const struct alert *a = desk_last(&w.desk, "first-use-copy");
	assert_string_equal(a->account, "u81@mzv.example");
	assert_int_equal(a->severity, ALERT_HIGH);
	world_close(&w);
}

// A tool copies fifteen accounts that nobody used in two months: it is told by the first two, and then once,
// with all of them.
static void accounts_copied_on_their_first_use_by_one_are_one_episode(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t user = 80; user < 95; user++) {
		begin(&w, 60 * DAY + user * 2 * MINUTE, user, IP(5, 101, 7, 9), 999);
		read_bodies(&w, 1, 400, 400);
		models_run(w.models, &w.activity);
	}
	assert_int_equal(desk_count(&w.desk, "first-use-copy", ALERT_OPEN), 2);
	assert_int_equal(desk_count(&w.desk, "campaign", ALERT_OPEN), 1);
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 3);
	assert_int_equal(desk_last(&w.desk, "campaign")->users_total, 15);
	assert_int_equal(desk_last(&w.desk, "campaign")->campaign.size, 15);
	world_close(&w);
}

// The same deeds as a sensor tells them: the login alone and at once, then what was read, a few messages a minute.
static void run_in_pieces(struct world *w) {
	struct activity whole = w->activity;
	struct activity_mailbox *m = &w->activity.mailboxes[0];
	uint32_t first = m->bodies.range[0].first, last = m->bodies.range[0].last;
	w->activity.n_mailboxes = 0;
	memset(&w->activity.client, 0, sizeof(w->activity.client));
	models_run(w->models, &w->activity);
	w->activity = whole;
	w->activity.auth.success = 0;
	for (uint32_t uid = first; uid <= last; uid += 3) {
		uint32_t n = last - uid + 1 < 3 ? last - uid + 1 : 3;
		w->activity.time_ns += 20 * SECOND;
		read_bodies(w, uid, n, whole.mailboxes[0].old ? n : 0);
		m->store = uid == first ? whole.mailboxes[0].store : 0;
		models_run(w->models, &w->activity);
	}
}

static void run_whole(struct world *w) {
	models_run(w->models, &w->activity);
}

static void read_strangely(struct world *w, uint64_t at, uint32_t n, void (*run)(struct world *)) {
	begin(w, at, 7, IP(5, 101, 7, 9), 100 + 7 % 5);
	read_bodies(w, 100 + at / DAY * 20 + n, n, n);
	run(w);
}

// Both of an owner's programs within half an hour, where he was never before, and nothing is flagged there.
static void read_beside(struct world *w, uint64_t at, bool moved, void (*run)(struct world *)) {
	for (int i = 0; i < 2; i++) {
		begin(w, at + i * 10 * MINUTE, 9, moved ? IP(90, 7, 1, 9) : HOME(9), i ? 800 : 104);
		uint32_t old = moved && at / DAY >= 65 ? 2 : 0;
		read_bodies(
			w,
			old ? 200 + at / DAY * 4 + i * 2 : w->activity.mailboxes[0].uidnext - 6,
			6,
			old
		);
		w->activity.mailboxes[0].store = !moved;
		run(w);
	}
}

// A stranger reads one old message at night and nine in the evening, and an owner has moved: who was seen beside
// whom, in which hours, and how many visitors there are must not depend on how many records tell of it.
static void the_same_deeds_in_more_records_are_told_the_same(void **) {
	struct alert told[2][2] = {0};
	for (int pieces = 0; pieces < 2; pieces++) {
		struct world w;
		world_open(&w, 0);
		void (*run)(struct world *) = pieces ? run_in_pieces : run_whole;
		for (uint32_t day = 0; day < 90; day++) {
			if (day >= 60)
				read_strangely(&w, day * DAY + 2 * HOUR, 1, run);
			for (uint32_t user = 0; user < ACCOUNTS; user++) {
				uint32_t late = random_below(&w.random, 8);
				begin(&w,
				      day * DAY + (8 + late) * HOUR + user * MINUTE,
				      user,
				      HOME(user),
				      100 + user % 5);
				read_bodies(&w, w.activity.mailboxes[0].uidnext - 10, 10, 0);
				w.activity.mailboxes[0].store = 3;
				run(&w);
			}
			read_beside(&w, day * DAY + 17 * HOUR, day >= 60, run);
			if (day >= 60)
				read_strangely(&w, day * DAY + 18 * HOUR, 9, run);
		}
		size_t n = 0;
		for (size_t i = 0; i < w.desk.n && n < 2; i++)
			if (w.desk.alert[i].episode.state == ALERT_OPEN)
				told[pieces][n++] = w.desk.alert[i];
		assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 2);
		world_close(&w);
	}
	for (int i = 0; i < 2; i++) {
		const struct alert *a = &told[0][i], *b = &told[1][i];
		assert_string_equal(a->account, i ? "u9@mzv.example" : "u7@mzv.example");
		assert_string_equal(a->account, b->account);
		assert_string_equal(a->rule_id, b->rule_id);
		assert_int_equal(a->time_ns / DAY, b->time_ns / DAY);
	}
}

// On the road all the time, in another network each day, and then read by a stranger.
static void old_mail_of_an_owner_without_a_home_is_watched(void **) {
	for (int attacked = 0; attacked < 2; attacked++) {
		struct world w;
		world_open(&w, 0);
		for (uint32_t day = 0; day < 90; day++) {
			ordinary_day(&w, day);
			begin(&w, day * DAY + 12 * HOUR, 77, IP(150, day, day, 9), 101);
			read_bodies(&w, w.activity.mailboxes[0].uidnext - 10, 10, 0);
			w.activity.mailboxes[0].store = 3;
			models_run(w.models, &w.activity);
			begin(&w, day * DAY + 22 * HOUR, 77, IP(5, 101, 7, 9), 999);
			read_bodies(&w, 100 + day * 10, 10, 10);
			if (attacked && day >= 70)
				models_run(w.models, &w.activity);
		}
		assert_int_equal(desk_count(&w.desk, "slow-collection", ALERT_OPEN), attacked);
		assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), attacked);
		world_close(&w);
	}
}

static void a_journey_of_the_owner_is_left_alone(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 66; day++) {
		begin(&w, day * DAY + 9 * HOUR, 7, IP(150, 3, day, 9), 100 + 7 % 5);
		read_bodies(&w, w.activity.mailboxes[0].uidnext - 10, 10, 0);
		w.activity.mailboxes[0].store = day % 2;
		models_run(w.models, &w.activity);
	}
	assert_int_equal(w.desk.n, 0);
	world_close(&w);
}

// Without a grammar a client is known by its ID, and a new version is the same client.
static void an_update_of_a_client_without_grammar_is_left_alone(void **) {
	struct world w;
	world_open(&w, 0);
	for (uint32_t day = 0; day < 90; day++)
		for (uint32_t user = 0; user < ACCOUNTS; user++) {
			begin(&w, day * DAY + 8 * HOUR + user * MINUTE, user, HOME(user), 0);
			if (day >= 60 && user == 7) // elsewhere, with what it uses at home
				w.activity.source.ip.addr[2] = 200;
			snprintf(
				w.activity.client.id,
				sizeof(w.activity.client.id),
				"Thunderbird %d.0",
				day < 60 || user != 7 ? 102 : 103 + (int)(day - 60) / 7
			);
			uint32_t n_old = random_below(&w.random, 20) == 0;
			read_bodies(&w, w.activity.mailboxes[0].uidnext - 10, 10, n_old);
			w.activity.mailboxes[0].store = user == 7 && day >= 60 ? 0 : 3;
			models_run(w.models, &w.activity);
		}
	assert_int_equal(w.desk.n, 0);
	world_close(&w);
}

// The same client and network in five mailboxes, three messages each a night: no account alone is told.
static void few_messages_from_many_mailboxes_are_a_campaign(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 68; day++) {
		for (uint32_t user = 3; user < 8; user++) {
			begin(&w, day * DAY + 2 * HOUR + user * MINUTE, user, IP(5, 101, 7, 9), 999
			);
			w.activity.mailboxes[0].examine = true;
			read_bodies(&w, 100 + day * 10, 3, 3);
			models_run(w.models, &w.activity);
		}
		ordinary_day(&w, day);
	}
	assert_int_equal(desk_count(&w.desk, "campaign", ALERT_OPEN), 1);
	const struct alert *a = desk_last(&w.desk, "campaign");
	assert_int_equal(a->scope, ALERT_CAMPAIGN);
	assert_true(a->campaign.id != 0 && a->campaign.size == 5);
	assert_int_equal(a->n_users, 5);
	assert_true(a->campaign.since_ns >= START + 60 * DAY);
	assert_int_equal(a->severity, ALERT_CRITICAL);
	const struct alert_network network = {{{5, 101, 7}, 4}, 24};
	assert_int_equal(a->campaign.n_networks, 1);
	assert_int_equal(a->campaign.networks_total, 1);
	assert_memory_equal(&a->campaign.networks[0], &network, sizeof(network));
	assert_int_equal(a->campaign.n_grammars, 1);
	assert_int_equal(a->campaign.grammars_total, 1);
	assert_int_equal(a->campaign.grammars[0], 999);
	assert_non_null(strstr(a->message, "command grammar 000003e7"));
	world_close(&w);
}

// Customers of a VPN: some look into old mail there and flag nothing that day. Where many others are seen to be
// owners there, those few are no campaign.
static void few_strangers_among_many_owners_are_no_campaign(void **) {
	for (int owners = 0; owners < 2; owners++) {
		struct world w;
		world_open(&w, 60);
		for (uint32_t day = 60; day < 68; day++) {
			for (uint32_t user = 0; user < 25; user++) {
				bool looks = user == day - 60;
				begin(&w,
				      day * DAY + 20 * HOUR + user * MINUTE,
				      user,
				      IP(5, 101, 7, 9),
				      100 + user % 5);
				read_bodies(&w, 3000, looks ? 2 : 1, looks ? 2 : 0);
				w.activity.mailboxes[0].store = !looks;
				if (looks || owners)
					models_run(w.models, &w.activity);
			}
			ordinary_day(&w, day + 1);
		}
		assert_int_equal(desk_count(&w.desk, "campaign", ALERT_OPEN), !owners);
		world_close(&w);
	}
}

// Most have read at one address from the beginning, webmail of the house; those who come to it late are strangers there
// alike, and no campaign. Where nobody else uses the address, they are.
static void who_comes_late_to_what_many_use_is_no_campaign(void **) {
	for (int users = 0; users < 2; users++) {
		struct world w;
		world_open(&w, 0);
		for (uint32_t day = 0; day < 60; day++) {
			ordinary_day(&w, day);
			for (uint32_t user = 10; users && day == 3 && user < ACCOUNTS; user++) {
				begin(&w, day * DAY + 20 * HOUR, user, IP(5, 101, 7, 9), 555);
				models_run(w.models, &w.activity);
			}
		}
		for (uint32_t day = 60; day < 63; day++) {
			for (uint32_t user = 0; user < 6; user++) {
				uint64_t at = day * DAY + 20 * HOUR + user * MINUTE;
				begin(&w, at, user, IP(5, 101, 7, 9), 100 + user % 5);
				read_bodies(&w, 3000, 2, 2);
				models_run(w.models, &w.activity);
			}
			ordinary_day(&w, day + 1);
		}
		assert_int_equal(desk_count(&w.desk, "campaign", ALERT_OPEN), !users);
		world_close(&w);
	}
}

static bool names(const struct desk *desk, const char *account) {
	for (size_t i = 0; i < desk->n; i++)
		for (int k = 0; k < desk->alert[i].n_users; k++)
			if (strcmp(desk->alert[i].users[k], account) == 0)
				return true;
	return false;
}

// Five are copied through one address with their own software, which counts for the address alone; ten by a tool, by
// which its network has more of them; and then three again as the first. All are named when they come, and counted.
static void who_is_new_in_a_campaign_is_named_however_it_was_found(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t user = 0; user < 18; user++) {
		bool tool = user >= 5 && user < 15;
		uint64_t at = (60 + user / 6) * DAY + (1 + user % 6) * HOUR;
		char name[ACCOUNT_SIZE];
		copy_all(
			&w,
			at,
			user,
			IP(5, 101, 7, tool && user >= 7 ? 10 : 9),
			tool ? 999 : 100 + user % 5
		);
		snprintf(name, sizeof(name), "u%u@mzv.example", user);
		assert_true(user < 5 || names(&w.desk, name));
	}
	const struct alert *a = desk_last(&w.desk, "campaign");
	assert_int_equal(a->campaign.size, 18);
	assert_int_equal(a->n_users, 18);
	assert_non_null(strstr(a->message, "18 mailboxes are read by the same stranger"));
	assert_non_null(strstr(a->message, "68400 messages so far"));
	world_close(&w);
}

// Twelve by one address, then three of them and two others by another of the same tool: there are fourteen.
static void a_campaign_that_moves_on_has_all_whom_it_had(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 66; day++) {
		bool moved = day >= 63;
		for (uint32_t user = moved ? 9 : 0; user < (moved ? 14 : 12); user++) {
			uint32_t ip = moved ? IP(185, 3, 3, 3) : IP(5, 101, 7, 9);
			begin(&w, day * DAY + 2 * HOUR + user * MINUTE, user, ip, 999);
			read_bodies(&w, 100 + day * 10, 3, 3);
			models_run(w.models, &w.activity);
		}
		ordinary_day(&w, day);
	}
	assert_int_equal(desk_count(&w.desk, "campaign", ALERT_OPEN), 1);
	const struct alert *a = desk_last(&w.desk, "campaign");
	assert_int_equal(a->campaign.size, 14);
	assert_int_equal(a->n_users, 14);
	assert_int_equal(a->n_ips, 2);
	assert_int_equal(a->campaign.n_networks, 2);
	world_close(&w);
}

// One who changes networks is told with all the networks that link his victims, as many as fit.
static void what_a_campaign_shares_is_listed_once_and_bounded(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 78; day++) {
		for (uint32_t user = 3; user < 8; user++) {
			uint32_t ip = IP(5, 101, day, 9);
			begin(&w, day * DAY + 2 * HOUR + user * MINUTE, user, ip, 999);
			w.activity.mailboxes[0].examine = true;
			read_bodies(&w, 100 + day * 10, 3, 3);
			models_run(w.models, &w.activity);
		}
		ordinary_day(&w, day);
	}
	assert_int_equal(desk_count(&w.desk, "campaign", ALERT_OPEN), 1);
	const struct alert *a = desk_last(&w.desk, "campaign");
	assert_int_equal(a->campaign.n_networks, ALERT_SHARED_MAX);
	assert_true(a->campaign.networks_total > ALERT_SHARED_MAX);
	assert_true(a->campaign.networks_total <= 18);
	for (int i = 0; i < ALERT_SHARED_MAX; i++)
		for (int k = 0; k < i; k++)
			assert_memory_not_equal(
				&a->campaign.networks[i],
				&a->campaign.networks[k],
				sizeof(struct alert_network)
			);
	assert_int_equal(a->campaign.n_grammars, 1);
	assert_int_equal(a->campaign.grammars_total, 1);
	world_close(&w);
}

// Whoever has an account of his own logs in to it from hundreds of addresses a day, each with another program, and
// reads what would be told of a stranger. Beside it one account every other day is read from one address: that is found
// as soon as if he had not.
static void who_floods_with_addresses_pushes_no_campaign_out(void **) {
	uint64_t told_ns[2] = {0};
	for (uint32_t flood = 0; flood < 2; flood++) {
		struct world w;
		world_open(&w, 60);
		for (uint32_t day = 60; day < 78; day++) {
			for (uint32_t i = 0; flood && i < 400; i++) {
				uint32_t ip = IP(150, i / 250, i % 250, day);
				begin(&w, day * DAY + i * 3 * MINUTE, ACCOUNTS - 1, ip, 1000 + i);
				read_bodies(&w, 100 + i, 2, 2);
				models_run(w.models, &w.activity);
			}
			if (day % 2 == 0) {
				uint32_t user = 3 + (day - 60) / 2;
				begin(&w, day * DAY + 21 * HOUR, user, IP(5, 101, 7, 9), 999);
				read_bodies(&w, 100, 3, 3);
				models_run(w.models, &w.activity);
			}
			ordinary_day(&w, day + 1);
		}
		const struct alert *a = desk_last(&w.desk, "campaign");
		assert_non_null(a);
		for (size_t i = w.desk.n; i-- > 0;)
			if (w.desk.alert[i].campaign.id
			    && w.desk.alert[i].episode.state == ALERT_OPEN)
				told_ns[flood] = w.desk.alert[i].time_ns;
		assert_int_equal(a->campaign.size, 9);
		assert_int_equal(a->n_users, 9);
		world_close(&w);
	}
	// The more is about the more it takes: one account more.
	assert_true(told_ns[1] <= told_ns[0] + 2 * DAY);
}

// Nobody's mail is read who gets a new phone, at home, as five others do that week.
static void a_new_client_at_several_homes_is_no_campaign(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 74; day++) {
		for (uint32_t user = 3; user < 9; user++) {
			begin(&w, day * DAY + 18 * HOUR + user * MINUTE, user, HOME(user), 555);
			read_bodies(&w, w.activity.mailboxes[0].uidnext - 3, 3, 0);
			w.activity.mailboxes[0].store = day % 2;
			models_run(w.models, &w.activity);
		}
		ordinary_day(&w, day);
	}
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 0);
	world_close(&w);
}

// Told when it is seen, when it grows, and as long as it goes on once a week.
static void a_campaign_that_goes_on_is_told_each_week(void **) {
	struct world w;
	world_open(&w, 60);
	uint64_t told_ns = 0, longest = 0;
	for (uint32_t day = 60; day < 110; day++) {
		for (uint32_t user = 3; user < 8; user++) {
			begin(&w, day * DAY + 2 * HOUR + user * MINUTE, user, IP(5, 101, 7, 9), 999
			);
			read_bodies(&w, 100 + day * 10, 3, 3);
			models_run(w.models, &w.activity);
		}
		ordinary_day(&w, day);
	}
	for (size_t i = 0; i < w.desk.n; i++) {
		const struct alert *a = &w.desk.alert[i];
		if (strcmp(a->rule_id, "campaign") != 0)
			continue;
		uint64_t gap = told_ns ? a->time_ns - told_ns : 0;
		longest = gap > longest ? gap : longest;
		told_ns = a->time_ns;
	}
	assert_in_range(longest / DAY, 1, 8);
	assert_true(told_ns >= START + 102 * DAY);
	assert_in_range(desk_count(&w.desk, "campaign", ALERT_UPDATE), 6, 14);
	world_close(&w);
}

// The same stranger again after the episode has closed, and now that there are more strangers about.
static void a_campaign_that_was_closed_has_to_show_itself_anew(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 90; day++) {
		for (uint32_t user = 3; user < 6; user++) {
			begin(&w, day * DAY + 2 * HOUR + user * MINUTE, user, IP(5, 101, 7, 9), 999
			);
			read_bodies(&w, 100 + day * 10, 3, 3);
			if (desk_count(&w.desk, "campaign", ALERT_OPEN) == 0)
				models_run(w.models, &w.activity);
		}
		for (uint32_t i = 0; day == 70 && i < 58; i++) {
			uint32_t user = 6 + i % (ACCOUNTS - 6);
			begin(&w, day * DAY + 9 * HOUR + i * MINUTE, user, IP(150, i, 3, 9), 700 + i
			);
			read_bodies(&w, w.activity.mailboxes[0].uidnext - 10, 1, 0);
			models_run(w.models, &w.activity);
		}
		ordinary_day(&w, day);
	}
	assert_int_equal(desk_count(&w.desk, "campaign", ALERT_OPEN), 1);
	assert_int_equal(desk_count(&w.desk, "campaign", ALERT_CLOSE), 1);
	begin(&w, 90 * DAY + 9 * HOUR, 3, IP(5, 101, 7, 9), 999);
	read_bodies(&w, 100, 1, 1);
	models_run(w.models, &w.activity);
	assert_int_equal(desk_count(&w.desk, "campaign", ALERT_OPEN), 1);
	world_close(&w);
}

// A hundred messages in as many ranges, of which 24 find a place in the list, and no dates.
static void old_messages_without_a_place_in_the_list_count_as_old(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 74; day++) {
		begin(&w, day * DAY + 2 * HOUR, 7, IP(5, 101, 7, 9), 999);
		struct activity_mailbox *m = &w.activity.mailboxes[0];
		m->bodies.n = ACTIVITY_RANGES_MAX;
		for (uint32_t i = 0; i < ACTIVITY_RANGES_MAX; i++)
			m->bodies.range[i] = (struct uid_range){100 + 2 * i, 100 + 2 * i};
		m->n_bodies = 100;
		m->bytes = 100 * 20000;
		models_run(w.models, &w.activity);
		ordinary_day(&w, day);
	}
	unsigned n, days;
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	const char *told = strchr(w.desk.alert[0].message, ' ');
	assert_int_equal(
		sscanf(told, " %u messages older than 30 days read on %u day", &n, &days), 2
	);
	assert_int_equal(n, 100 * days);
	world_close(&w);
}

static void mail_forwarded_outside_by_a_new_rule_is_told(void **) {
	struct world w;
	world_open(&w, 60);
	begin(&w, 60 * DAY + 2 * HOUR, 7, IP(5, 101, 7, 9), 999);
	w.activity.protocol = ACTIVITY_SIEVE;
	w.activity.n_mailboxes = 0;
	w.activity.n_forward = 1;
	strcpy(w.activity.forward[0], "drop@elsewhere.example");
	models_run(w.models, &w.activity);
	assert_int_equal(desk_count(&w.desk, "new-forwarding", ALERT_OPEN), 1);
	assert_non_null(strstr(w.desk.alert[0].message, "drop@elsewhere.example"));
	world_close(&w);
}

static void mail_forwarded_to_a_colleague_is_not(void **) {
	struct world w;
	world_open(&w, 60);
	begin(&w, 60 * DAY + 8 * HOUR, 7, HOME(7), 102);
	w.activity.n_forward = 1;
	strcpy(w.activity.forward[0], "u8@mzv.example");
	models_run(w.models, &w.activity);
	assert_int_equal(w.desk.n, 0);
	world_close(&w);
}

// Three messages to an address that was never written to, by somebody else.
static void copies_sent_by_a_stranger_are_told(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(w.desk.n, 0);
		begin(&w, 60 * DAY + 2 * HOUR + i * HOUR, 7, IP(5, 101, 7, 9), 999);
		w.activity.protocol = ACTIVITY_SMTP;
		w.activity.n_mailboxes = 0;
		w.activity.n_sent = 1;
		w.activity.sent[0].n_to = w.activity.sent[0].n_recipients = 1;
		strcpy(w.activity.sent[0].to[0], "drop@elsewhere.example");
		models_run(w.models, &w.activity);
	}
	assert_int_equal(desk_count(&w.desk, "constant-copies", ALERT_OPEN), 1);
	assert_non_null(strstr(w.desk.alert[0].message, "drop@elsewhere.example"));
	world_close(&w);
}

static void put_into_inbox(struct world *w, uint32_t day, uint32_t user) {
	begin(w, day * DAY + 2 * HOUR + user * MINUTE, user, IP(5, user, day, 9), 900 + user);
	w->activity.mailboxes[0].append = 5;
	models_run(w->models, &w->activity);
}

// What one intruder does to many accounts from ever new networks must not pass for common.
static void a_deed_done_to_many_accounts_is_told_for_each(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t user = 0; user < 20; user++)
		put_into_inbox(&w, 60 + user / 4, user);
	assert_int_equal(desk_count(&w.desk, "append-injection", ALERT_OPEN), 20);
	world_close(&w);
}

// On the road an owner files as he does at home; by another program, or where nobody files, it is an intruder.
static void who_files_into_his_own_inbox_may_do_so_on_the_road(void **) {
	struct world w;
	world_open(&w, 60);
	begin(&w, 60 * DAY + 9 * HOUR, 7, HOME(7), 100 + 7 % 5);
	w.activity.mailboxes[0].append = 1;
	models_run(w.models, &w.activity);
	for (uint32_t user = 7; user < 9; user++) {
		begin(&w, 61 * DAY + user * HOUR, user, IP(5, user, 1, 9), 100 + user % 5);
		w.activity.mailboxes[0].append = 1;
		models_run(w.models, &w.activity);
	}
	put_into_inbox(&w, 62, 7);
	assert_int_equal(desk_count(&w.desk, "append-injection", ALERT_OPEN), 2);
	assert_string_equal(w.desk.alert[0].account, "u8@mzv.example");
	assert_string_equal(w.desk.alert[1].account, "u7@mzv.example");
	world_close(&w);
}

static void a_deed_that_is_common_here_is_not_told_for_long(void **) {
	struct world w;
	world_open(&w, 20);
	for (uint32_t day = 20; day < 80; day++) {
		ordinary_day(&w, day);
		put_into_inbox(&w, day, day % ACCOUNTS);
	}
	assert_true(desk_count(&w.desk, "append-injection", ALERT_OPEN) > 0);
	for (size_t i = 0; i < w.desk.n; i++)
		if (w.desk.alert[i].episode.state == ALERT_OPEN)
			assert_true(w.desk.alert[i].time_ns < START + 50 * DAY);
	world_close(&w);
}

// 4,000 messages within the hour, and no commitment in the three days after.
static void a_mailbox_copied_at_once_is_told_when_nobody_commits(void **) {
	for (int commits = 0; commits < 2; commits++) {
		struct world w;
		world_open(&w, 60);
		for (uint32_t i = 0; i < 10; i++) {
			begin(&w, 60 * DAY + 2 * HOUR + i * MINUTE, 7, IP(5, 101, 7, 9), 999);
			read_bodies(&w, 1 + i * 400, 400, 400);
			models_run(w.models, &w.activity);
		}
		begin(&w, 61 * DAY, 7, IP(5, 101, 7, 9), 999);
		w.activity.mailboxes[0].store = commits;
		models_run(w.models, &w.activity);
		for (uint32_t day = 61; day < 65; day++)
			ordinary_day(&w, day);
		assert_int_equal(desk_count(&w.desk, "mailbox-burst", ALERT_OPEN), !commits);
		world_close(&w);
	}
}

// A server moved and numbers all mail anew: the clients load it again, at home, and one elsewhere that has
// the same software.
static void a_copy_made_while_all_clients_load_anew_is_told(void **) {
	struct world w;
	world_open(&w, 60);
	w.uidvalidity = 2;
	for (uint32_t user = 0; user < ACCOUNTS; user++)
		copy_all(&w, 60 * DAY + 2 * HOUR + user * MINUTE, user, HOME(user), 100 + user % 5);
	ordinary_day(&w, 60);
	ordinary_day(&w, 61);
	copy_all(&w, 62 * DAY, 7, IP(5, 101, 7, 9), 100 + 7 % 5);
	for (uint32_t day = 62; day < 67; day++)
		ordinary_day(&w, day);
	assert_int_equal(desk_count(&w.desk, "infrastructure-change", ALERT_OPEN), 1);
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 2);
	assert_string_equal(desk_last(&w.desk, "mailbox-burst")->account, "u7@mzv.example");
	world_close(&w);
}

// Two are on a journey on that day, and their programs load all anew from a hotel. That is the server's doing
// where it did so to all, and theirs where it did so to them alone.
static void who_travels_while_all_clients_load_anew_is_left_alone(void **) {
	for (int alone = 0; alone < 2; alone++) {
		struct world w;
		world_open(&w, 60);
		for (uint32_t user = 0; user < ACCOUNTS; user++) {
			uint32_t ip = user < 2 ? IP(150, 3, user, 9) : HOME(user);
			w.uidvalidity = user < 2 || !alone ? 2 : 1;
			if (w.uidvalidity == 2)
				copy_all(
					&w,
					60 * DAY + 2 * HOUR + user * MINUTE,
					user,
					ip,
					100 + user % 5
				);
		}
		for (uint32_t day = 61; day < 66; day++)
			ordinary_day(&w, day);
		assert_int_equal(desk_count(&w.desk, "infrastructure-change", ALERT_OPEN), !alone);
		assert_int_equal(desk_count(&w.desk, "mailbox-burst", ALERT_OPEN), alone ? 2 : 0);
		const struct alert *a = desk_last(&w.desk, "infrastructure-change");
		assert_true(
			!a || strstr(a->message, "Mailboxes of 20 accounts have a new UIDVALIDITY")
		);
		world_close(&w);
	}
}

// What its owner does with a new device at home is no excuse for one elsewhere with the same software.
static void a_new_device_at_home_speaks_for_no_stranger(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 63; day++) {
		begin(&w, day * DAY + 7 * HOUR, 7, HOME(7), 888);
		read_bodies(&w, w.activity.mailboxes[0].uidnext - 10, 10, 0);
		w.activity.mailboxes[0].store = 1;
		models_run(w.models, &w.activity);
		ordinary_day(&w, day);
	}
	copy_all(&w, 63 * DAY, 7, IP(5, 101, 7, 9), 888);
	for (uint32_t day = 63; day < 68; day++)
		ordinary_day(&w, day);
	assert_int_equal(desk_count(&w.desk, "mailbox-burst", ALERT_OPEN), 1);
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	world_close(&w);
}

// A webmail server moves: everybody comes from a new place with a new client on one day.
static void what_all_take_up_is_one_alert_about_the_infrastructure(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 70; day++)
		for (uint32_t user = 0; user < ACCOUNTS; user++) {
			begin(&w, day * DAY + 9 * HOUR + user * MINUTE, user, IP(10, 9, 9, 9), 555);
			read_bodies(&w, w.activity.mailboxes[0].uidnext - 10, 10, user % 5 == 0);
			w.activity.mailboxes[0].store = 1;
			models_run(w.models, &w.activity);
		}
	assert_int_equal(desk_count(&w.desk, "infrastructure-change", ALERT_OPEN), 1);
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	world_close(&w);
}

// Whoever makes the sensor see other bytes than the server becomes no owner by that, however long he behaves like
// one: when he reads old mail he is the stranger that he was.
static void t6_t15_t31_what_is_ambiguous_is_judged_and_teaches_nothing(void **) {
	for (int ambiguous = 0; ambiguous < 2; ambiguous++) {
		struct world w;

		world_open(&w, 60);
		for (uint32_t day = 60; day < 134; day++) {
			bool is_old = day >= 120;

			begin(&w, day * DAY + 14 * HOUR, 7, IP(5, 101, 7, 9), 999);
			w.activity.ambiguous = ambiguous;
			if (is_old)
				read_bodies(&w, 100 + day * 10, 10, 10);
			else
				read_bodies(&w, w.activity.mailboxes[0].uidnext - 10, 10, 0);
			w.activity.mailboxes[0].store = is_old ? 0 : 3;
			models_run(w.models, &w.activity);
			ordinary_day(&w, day);
		}
		assert_int_equal(desk_count(&w.desk, "slow-collection", ALERT_OPEN), ambiguous);
		world_close(&w);
	}
}

// What is usual for an account: all that is learned and not judged.
struct baseline {
	struct place places[ACCOUNT_PLACES];
	struct provider providers[ACCOUNT_PROVIDERS];
	struct client clients[ACCOUNT_CLIENTS];
	uint16_t committed_days, commit_day, hours_total, hours[2][24];
	uint32_t last_min, resident_min, visits, n_once, today_home_old, today_sent;
	float usual_old, usual_sent;
	uint8_t correspondents[2][ACCOUNT_BLOOM / 2];
	uint16_t renumbered_day;
	uint32_t mailboxes[ACCOUNT_MAILBOXES]
			  [4 + ACCOUNT_PAST]; // without what strangers have read of them
};

static void baseline_get(const struct world *w, uint32_t user, struct baseline *b) {
	size_t n_parts;
	const struct store_part *parts = models_parts(w->models, &n_parts);
	const struct account *account = NULL;
	char name[ACCOUNT_NAME_SIZE];

	snprintf(name, sizeof(name), "u%u@mzv.example", user);
	for (size_t i = 0; i < n_parts; i++)
		for (uint32_t k = 0; parts[i].id == KEPT_ACCOUNTS && k < parts[i].table->n; k++) {
			const struct account *at = (const void *)table_at(parts[i].table, k);
			if (strcmp(at->name, name) == 0)
				account = at;
		}
	assert_non_null(account);
	if (!account)
		return;
	memset(b, 0, sizeof(*b));
	memcpy(b->places, account->places, sizeof(b->places));
	memcpy(b->providers, account->providers, sizeof(b->providers));
	memcpy(b->clients, account->clients, sizeof(b->clients));
	memcpy(b->hours, account->hours, sizeof(b->hours));
	memcpy(b->correspondents, account->correspondents, sizeof(b->correspondents));
	b->hours_total = account->hours_total;
	b->committed_days = account->committed_days;
	b->commit_day = account->commit_day;
	b->last_min = account->last_min;
	b->resident_min = account->resident_min;
	b->visits = account->visits;
	b->n_once = account->n_once;
	b->today_home_old = account->today_home_old;
	b->today_sent = account->today_sent;
	b->usual_old = account->usual_old;
	b->usual_sent = account->usual_sent;
	b->renumbered_day = account->renumbered_day;
	for (int i = 0; i < ACCOUNT_MAILBOXES; i++) {
		const struct mailbox *m = &account->mailboxes[i];
		memcpy(b->mailboxes[i],
		       (uint32_t[4]){m->name, m->uidvalidity, m->uidnext, m->past_day},
		       4 * sizeof(uint32_t));
		memcpy(b->mailboxes[i] + 4, m->past, sizeof(m->past));
	}
}

// The owner, at home, at an hour new to him, reads old mail, flags some and writes to somebody new: each byte of the
// baseline that this would change stays as it was.
static void s1_i4_t6_what_is_ambiguous_changes_no_byte_of_the_baseline(void **) {
	for (int ambiguous = 0; ambiguous < 2; ambiguous++) {
		struct baseline before, after;
		struct world w;

		world_open(&w, 60);
		baseline_get(&w, 7, &before);
		begin(&w, 59 * DAY + 20 * HOUR, 7, HOME(7), 100 + 7 % 5);
		w.activity.ambiguous = ambiguous;
		read_bodies(&w, 100, 10, 10);
		w.activity.mailboxes[0].store = 3;
		w.activity.n_sent = 1;
		w.activity.sent[0].n_to = w.activity.sent[0].n_recipients = 1;
		strcpy(w.activity.sent[0].to[0], "evil@y");
		assert_true(models_run(w.models, &w.activity));
		baseline_get(&w, 7, &after);
		assert_int_equal(memcmp(&before, &after, sizeof(before)) == 0, ambiguous);
		if (!ambiguous) { // each of them is learned from otherwise
			assert_int_not_equal(after.today_home_old, before.today_home_old);
			assert_int_not_equal(after.today_sent, before.today_sent);
			assert_memory_not_equal(after.hours, before.hours, sizeof(after.hours));
			assert_memory_not_equal(
				after.correspondents,
				before.correspondents,
				sizeof(after.correspondents)
			);
			assert_int_not_equal(after.resident_min, before.resident_min);
		}
		world_close(&w);
	}
}

// What a mailbox has is the server's word, and of a session in doubt nobody knows whether it is: a UIDNEXT out of all
// proportion, the mailbox numbered anew, another one.
static void t6_s1_i4_what_is_ambiguous_tells_nothing_of_mailboxes(void **) {
	static const struct activity_mailbox seen[] = {
		{.name = "INBOX", .uidvalidity = 7, .uidnext = 4000000000},
		{.name = "INBOX",
		 .uidvalidity = 7,
		 .uidnext = 6300,
		 .n_bodies = 1,
		 .bodies = {1, {{4000000000, 4000000000}}}},
		{.name = "INBOX", .uidvalidity = 8, .uidnext = 10},
		{.name = "elsewhere", .uidvalidity = 7, .uidnext = 4000000000},
	};
	for (size_t i = 0; i < 2 * sizeof(seen) / sizeof(seen[0]); i++) {
		bool ambiguous = i % 2;
		struct baseline before, after;
		struct world w;

		world_open(&w, 60);
		baseline_get(&w, 7, &before);
		begin(&w, 59 * DAY + 20 * HOUR, 7, HOME(7), 100 + 7 % 5);
		w.activity.ambiguous = ambiguous;
		w.activity.mailboxes[0] = seen[i / 2];
		if (i / 2 < 2)
			w.activity.mailboxes[0].uidvalidity = w.uidvalidity;
		assert_true(models_run(w.models, &w.activity));
		baseline_get(&w, 7, &after);
		assert_int_equal(memcmp(&before, &after, sizeof(before)) == 0, ambiguous);
		world_close(&w);
	}
}

// The login is told before it is known that the rest is in doubt: what is kept is what it is without it.
static void t6_s1_i4_a_login_before_the_doubt_teaches_nothing(void **) {
	for (int is_home = 0; is_home < 2; is_home++) {
		uint32_t ip = is_home ? HOME(7) : IP(5, 101, 7, 9);
		struct baseline after[2];

		for (int has_login = 0; has_login < 2; has_login++) {
			struct world w;

			world_open(&w, 60);
			if (has_login) {
				begin(&w, 59 * DAY + 20 * HOUR, 7, ip, 0);
				w.activity.n_mailboxes = 0;
				assert_true(models_run(w.models, &w.activity));
			}
			begin(&w, 59 * DAY + 20 * HOUR + MINUTE, 7, ip, 999);
			w.activity.auth.success = 0;
			w.activity.ambiguous = w.activity.end = true;
			read_bodies(&w, 100, 10, 10);
			assert_true(models_run(w.models, &w.activity));
			baseline_get(&w, 7, &after[has_login]);
			world_close(&w);
		}
		assert_memory_equal(&after[0], &after[1], sizeof(after[0]));
	}
}

// ---- Roles: who reads an account that is not its owner's device, and is nobody's intruder

enum { FETCHER = 700, SERVER_ASN = 65001 };

// A program on a rented server looks for mail, each night at the same time.
static void fetch(struct world *w, uint32_t day, uint32_t user, uint32_t grammar, uint32_t n) {
	begin(w, day * DAY + 3 * HOUR, user, IP(185, 20, user, 9), grammar);
	w->activity.source.network = NETWORK_HOSTING;
	w->activity.source.asn = SERVER_ASN + user;
	w->activity.mailboxes[0].examine = true;
	if (n > 10)
		read_bodies(w, 1, n, n - 10);
	else
		read_bodies(w, w->activity.mailboxes[0].uidnext - n, n, 0);
	models_run(w->models, &w->activity);
}

// Three have had one of their own from the beginning. Another account is copied by the same program, soon or
// long after, which goes on or does not; or goes on by a program that nobody has.
static void an_owners_own_fetcher_of_a_kind_known_here_is_left_alone(void **) {
	static const struct {
		uint32_t day, grammar;
		bool goes_on;
		uint32_t n_alerts, least_hours, most_hours;
	} cases[] = {
		{60, FETCHER, true, 0, 0, 0},
		{60, FETCHER, false, 1, 24, 96},
		{60, 999, true, 1, 1, 24},
		{300, FETCHER, true, 0, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		world_open(&w, 0);
		for (uint32_t day = 0; day < cases[i].day + 30; day++) {
			for (uint32_t user = 20; user < 23; user++)
				fetch(&w, day, user, FETCHER, 10);
			if (day == cases[i].day)
				fetch(&w, day, 7, cases[i].grammar, 4000);
			else if (day > cases[i].day && cases[i].goes_on)
				fetch(&w, day, 7, cases[i].grammar, 10);
			ordinary_day(&w, day);
		}
		assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), cases[i].n_alerts);
		if (cases[i].n_alerts) {
			const struct alert *a = &w.desk.alert[0];
			uint64_t copied = START + cases[i].day * DAY + 3 * HOUR;
			assert_string_equal(a->rule_id, "mailbox-burst");
			assert_string_equal(a->account, "u7@mzv.example");
			assert_true(a->time_ns >= copied + cases[i].least_hours * HOUR);
			assert_true(a->time_ns <= copied + cases[i].most_hours * HOUR);
		}
		world_close(&w);
	}
}

// Who was there when Postern came is taken for one who belongs there, until a month has shown who commits. Two
// intruders had come before, one with a tool of his own and one with the owner's software; and three accounts have, as
// long, a tablet that never flags anything, a copy of all mail each week, and a fetcher of new mail.
static void an_intruder_who_was_there_from_the_beginning_is_told(void **) {
	struct world w;
	world_open(&w, 0);
	for (uint32_t day = 0; day < 90; day++) {
		for (uint32_t user = 7; user < 9; user++) {
			begin(&w,
			      day * DAY + 2 * HOUR,
			      user,
			      IP(5, 101, user, 9),
			      user == 7 ? 999 : 100 + user % 5);
			read_bodies(&w, 100 + day * 10, 5, 5);
			w.activity.mailboxes[0].examine = user == 7;
			models_run(w.models, &w.activity);
		}
		if (day % 7 == 5)
			copy_all(&w, day * DAY + 3 * HOUR, 21, IP(185, 20, 21, 9), 701);
		fetch(&w, day, 22, 702, 10);
		ordinary_day(&w, day);
		begin(&w, day * DAY + 20 * HOUR, 20, HOME(20), 700);
		read_bodies(&w, w.activity.mailboxes[0].uidnext - 5, 5, day % 9 == 0);
		models_run(w.models, &w.activity);
		// Who shares the mailbox and the office with one who answers looks things up, and no more.
		begin(&w, day * DAY + 10 * HOUR, 24, HOME(24), 703);
		read_bodies(&w, 100 + day * 10, 2, 2);
		models_run(w.models, &w.activity);
	}
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 2);
	for (size_t i = 0; i < 2; i++) {
		const struct alert *a = &w.desk.alert[i];
		assert_string_equal(a->rule_id, "slow-collection");
		assert_true(
			!strcmp(a->account, "u7@mzv.example")
			|| !strcmp(a->account, "u8@mzv.example")
		);
		assert_true(a->time_ns < START + 42 * DAY);
		assert_non_null(strstr(a->message, "since 5 January"));
	}
	assert_string_not_equal(w.desk.alert[0].account, w.desk.alert[1].account);
	world_close(&w);
}

// A secretary reads the minister's mail from her own desk, with her own program: who flags and answers is no
// stranger, and who never does is told, since nobody can know.
static void a_delegate_who_answers_is_left_alone(void **) {
	for (int answers = 0; answers < 2; answers++) {
		struct world w;
		world_open(&w, 60);
		for (uint32_t day = 60; day < 90; day++) {
			begin(&w, day * DAY + 10 * HOUR, 7, HOME(8), 100 + 8 % 5);
			read_bodies(&w, w.activity.mailboxes[0].uidnext - 10, 10, 1);
			w.activity.mailboxes[0].store = answers ? 2 : 0;
			models_run(w.models, &w.activity);
			ordinary_day(&w, day);
		}
		assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), !answers);
		world_close(&w);
	}
}

// Four read one mailbox from four homes, and a fifth joins them.
static void a_mailbox_shared_by_several_is_left_alone(void **) {
	struct world w;
	world_open(&w, 0);
	for (uint32_t day = 0; day < 90; day++) {
		ordinary_day(&w, day);
		for (uint32_t who = 10; who < (day < 60 ? 14 : 15); who++) {
			begin(&w, day * DAY + who * HOUR, 500, HOME(who), 100 + who % 5);
			read_bodies(&w, w.activity.mailboxes[0].uidnext - 5, 5, who % 2);
			w.activity.mailboxes[0].store = day % 2;
			models_run(w.models, &w.activity);
		}
	}
	assert_int_equal(w.desk.n, 0);
	world_close(&w);
}

// Three weeks of silence, a look from the road now and then, and all of it read on return.
static void a_vacation_is_left_alone(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 90; day++) {
		for (uint32_t user = 0; user < ACCOUNTS; user++) {
			bool away = user == 7 && day < 81;
			if (away && day % 4)
				continue;
			begin(&w,
			      day * DAY + 8 * HOUR + user * MINUTE,
			      user,
			      away ? IP(151, 20, day, 9) : HOME(user),
			      100 + user % 5);
			uint32_t n = user == 7 && day == 81 ? 400 : 10;
			read_bodies(&w, w.activity.mailboxes[0].uidnext - n, n, 0);
			w.activity.mailboxes[0].store = away ? 0 : 3;
			models_run(w.models, &w.activity);
		}
	}
	assert_int_equal(w.desk.n, 0);
	world_close(&w);
}

// A new telephone loads all mail at home, or on the road, and then goes wherever its owner goes.
static void a_new_device_is_left_alone(void **) {
	for (int away = 0; away < 2; away++) {
		struct world w;
		world_open(&w, 60);
		copy_all(&w, 60 * DAY + 19 * HOUR, 7, away ? IP(100, 64, 1, 3) : HOME(7), 888);
		for (uint32_t day = 61; day < 80; day++) {
			begin(&w, day * DAY + 7 * HOUR, 7, IP(100, 64, day % 9, 3), 888);
			read_bodies(&w, w.activity.mailboxes[0].uidnext - 5, 5, 0);
			w.activity.mailboxes[0].store = day % 2;
			models_run(w.models, &w.activity);
			ordinary_day(&w, day);
		}
		assert_int_equal(w.desk.n, 0);
		world_close(&w);
	}
}

// A backup begins with all mailboxes in one night: what each of them had read before it was known to be
// everybody's is one alert, and so is the backup; from then on there is none.
static void a_backup_that_begins_is_told_as_one_change(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t day = 60; day < 80; day++) {
		for (uint32_t user = 0; user < ACCOUNTS; user++) {
			begin(&w, day * DAY + HOUR + user * MINUTE, user, IP(10, 7, 7, 7), 777);
			w.activity.mailboxes[0].examine = true;
			read_bodies(&w, 1, day == 60 ? 4000 : 20, day == 60 ? 3900 : 0);
			models_run(w.models, &w.activity);
		}
		ordinary_day(&w, day);
	}
	assert_int_equal(desk_count(&w.desk, "infrastructure-change", ALERT_OPEN), 1);
	assert_int_equal(desk_count(&w.desk, "campaign", ALERT_OPEN), 1);
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 2);
	for (size_t i = 0; i < w.desk.n; i++)
		if (w.desk.alert[i].episode.state == ALERT_OPEN)
			assert_true(w.desk.alert[i].time_ns < START + 61 * DAY);
	// What it was taken for is taken back as soon as that is known.
	const struct alert *a = desk_last(&w.desk, "campaign");
	assert_int_equal(a->episode.state, ALERT_CLOSE);
	assert_int_equal(a->severity, ALERT_MEDIUM);
	assert_true(a->time_ns < START + 61 * DAY);
	assert_non_null(strstr(a->message, "No campaign after all, it seems"));
	assert_non_null(strstr(a->message, "10.7.7.0/24, was taken up by 20 accounts on one day"));
	world_close(&w);
}

// Beside a backup that begins somebody reads three mailboxes, slowly: that is told, as before. One more is read slowly
// by somebody else, and what speaks against him counts from his first day on.
static void what_was_read_beside_a_backup_is_told_all_the_same(void **) {
	uint64_t told_ns[2] = {0};
	for (int with = 0; with < 2; with++) {
		struct world w;
		world_open(&w, 60);
		for (uint32_t day = 60; day < 74; day++) {
			for (uint32_t user = 0; with && day >= 62 && user < ACCOUNTS; user++) {
				begin(&w,
				      day * DAY + HOUR + user * MINUTE / 2,
				      user,
				      IP(10, 7, 7, 7),
				      777);
				w.activity.mailboxes[0].examine = true;
				read_bodies(&w, 1, 20, day == 62 ? 20 : 0);
				models_run(w.models, &w.activity);
			}
			for (uint32_t user = 3; user < 8; user++) {
				uint32_t ip = user == 7 ? IP(185, 3, 3, 3) : IP(5, 101, 7, 9);
				uint32_t grammar = user == 7 ? 888 : 999;
				begin(&w, day * DAY + 3 * HOUR + user * MINUTE, user, ip, grammar);
				read_bodies(&w, 100 + day * 10, 3, 3);
				models_run(w.models, &w.activity);
			}
			ordinary_day(&w, day);
		}
		size_t n_open = 0;
		for (size_t i = 0; i < w.desk.n; i++) {
			const struct alert *a = &w.desk.alert[i];
			bool alone = !strcmp(a->account, "u7@mzv.example");
			if (alone && a->episode.state == ALERT_OPEN)
				told_ns[with] = a->time_ns;
			n_open += a->campaign.n_grammars && a->campaign.grammars[0] == 999;
			if (a->campaign.n_grammars && a->campaign.grammars[0] == 999)
				assert_int_not_equal(a->episode.state, ALERT_CLOSE);
		}
		assert_true(n_open > 0);
		world_close(&w);
	}
	assert_true(told_ns[0] && told_ns[1]);
	assert_true(told_ns[1] <= told_ns[0] + DAY);
}

// A program reads n mailboxes one after the other, from one address of the organisation's own.
static void
back_up(struct world *w, uint32_t day, uint32_t first, uint32_t n, uint32_t ip, bool all) {
	for (uint32_t user = first; user < first + n; user++) {
		begin(w, day * DAY + HOUR + user * MINUTE / 4, user, ip, 777);
		w->activity.mailboxes[0].examine = true;
		read_bodies(w, 1, all ? 4000 : 20, all ? 3900 : 0);
		models_run(w->models, &w->activity);
	}
}

// Of 2,000 accounts 100 have been backed up from the beginning. For 55 others the same program begins one night
// from another address of the same provider: what so many have links nobody, and 55 are too few to be the
// organisation's change. One address reads them all, night after night, and that is one episode.
static void a_backup_of_a_few_in_many_is_one_episode(void **) {
	enum { MANY = 2000, OWN_ASN = 64500, SAVED = 100, MORE = 55, FROM = 30 };
	struct world w;
	world_open_large(&w, MANY, OWN_ASN, 0);
	for (uint32_t day = 0; day < FROM + 10; day++) {
		back_up(&w, day, 0, SAVED, IP(10, 7, 7, 7), day == 0);
		if (day >= FROM)
			back_up(&w, day, 500, MORE, IP(10, 8, 8, 8), true);
		ordinary_day(&w, day);
	}
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	assert_int_equal(desk_last(&w.desk, "campaign")->users_total, MORE);
	assert_true(w.desk.alert[0].time_ns < START + (FROM + 1) * DAY);
	world_close(&w);
}

// A tool moves fifteen of forty mailboxes to another server within a week: nobody can tell it from a thief of
// fifteen, but it is told once, and names them all.
static void a_migration_by_a_tool_is_one_episode(void **) {
	struct world w;
	world_open(&w, 60);
	for (uint32_t user = 0; user < 15; user++) {
		uint32_t day = 60 + user / 3;
		copy_all(
			&w, day * DAY + 2 * HOUR + user * HOUR / 4, user, IP(203, 0, 113, 77), 888
		);
		if (user % 3 == 2)
			ordinary_day(&w, day);
	}
	for (uint32_t day = 65; day < 70; day++)
		ordinary_day(&w, day);
	assert_int_equal(desk_count(&w.desk, NULL, ALERT_OPEN), 1);
	assert_int_equal(desk_last(&w.desk, "campaign")->users_total, 15);
	world_close(&w);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ordinary_population_is_left_alone),
		cmocka_unit_test(t6_t15_t31_what_is_ambiguous_is_judged_and_teaches_nothing),
		cmocka_unit_test(s1_i4_t6_what_is_ambiguous_changes_no_byte_of_the_baseline),
		cmocka_unit_test(t6_s1_i4_what_is_ambiguous_tells_nothing_of_mailboxes),
		cmocka_unit_test(t6_s1_i4_a_login_before_the_doubt_teaches_nothing),
		cmocka_unit_test(old_mail_read_slowly_by_a_stranger_is_told_once),
		cmocka_unit_test(two_old_messages_a_night_are_told_within_a_fortnight),
		cmocka_unit_test(an_account_copied_on_its_first_use_is_told),
		cmocka_unit_test(accounts_copied_on_their_first_use_by_one_are_one_episode),
		cmocka_unit_test(few_strangers_among_many_owners_are_no_campaign),
		cmocka_unit_test(who_comes_late_to_what_many_use_is_no_campaign),
		cmocka_unit_test(who_travels_while_all_clients_load_anew_is_left_alone),
		cmocka_unit_test(the_same_deeds_in_more_records_are_told_the_same),
		cmocka_unit_test(old_mail_of_an_owner_without_a_home_is_watched),
		cmocka_unit_test(a_journey_of_the_owner_is_left_alone),
		cmocka_unit_test(an_update_of_a_client_without_grammar_is_left_alone),
		cmocka_unit_test(few_messages_from_many_mailboxes_are_a_campaign),
		cmocka_unit_test(who_is_new_in_a_campaign_is_named_however_it_was_found),
		cmocka_unit_test(a_campaign_that_moves_on_has_all_whom_it_had),
		cmocka_unit_test(what_a_campaign_shares_is_listed_once_and_bounded),
		cmocka_unit_test(who_floods_with_addresses_pushes_no_campaign_out),
		cmocka_unit_test(a_new_client_at_several_homes_is_no_campaign),
		cmocka_unit_test(a_campaign_that_goes_on_is_told_each_week),
		cmocka_unit_test(a_campaign_that_was_closed_has_to_show_itself_anew),
		cmocka_unit_test(old_messages_without_a_place_in_the_list_count_as_old),
		cmocka_unit_test(mail_forwarded_outside_by_a_new_rule_is_told),
		cmocka_unit_test(mail_forwarded_to_a_colleague_is_not),
		cmocka_unit_test(copies_sent_by_a_stranger_are_told),
		cmocka_unit_test(a_deed_done_to_many_accounts_is_told_for_each),
		cmocka_unit_test(who_files_into_his_own_inbox_may_do_so_on_the_road),
		cmocka_unit_test(a_deed_that_is_common_here_is_not_told_for_long),
		cmocka_unit_test(a_mailbox_copied_at_once_is_told_when_nobody_commits),
		cmocka_unit_test(a_copy_made_while_all_clients_load_anew_is_told),
		cmocka_unit_test(a_new_device_at_home_speaks_for_no_stranger),
		cmocka_unit_test(what_all_take_up_is_one_alert_about_the_infrastructure),
		cmocka_unit_test(an_owners_own_fetcher_of_a_kind_known_here_is_left_alone),
		cmocka_unit_test(an_intruder_who_was_there_from_the_beginning_is_told),
		cmocka_unit_test(a_delegate_who_answers_is_left_alone),
		cmocka_unit_test(a_mailbox_shared_by_several_is_left_alone),
		cmocka_unit_test(a_vacation_is_left_alone),
		cmocka_unit_test(a_new_device_is_left_alone),
		cmocka_unit_test(a_backup_that_begins_is_told_as_one_change),
		cmocka_unit_test(what_was_read_beside_a_backup_is_told_all_the_same),
		cmocka_unit_test(a_backup_of_a_few_in_many_is_one_episode),
		cmocka_unit_test(a_migration_by_a_tool_is_one_episode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
