// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The real models in the real store: restarts, and records that come twice, late, or not at all.

#include "../population.h"
#include "store/alert_pack.h"
#include "store/value.h"
#include "world.h"

enum { SEED = 23, ACCOUNTS = 600, USERS = 120, DAYS = 30, THIEF_FROM = 18 };

// Logins of a population, each a session that reads a little; from a day on somebody with valid
// credentials reads old mail of twelve accounts at night, and one address sprays.
struct stream {
	size_t n;
	struct activity *activity;
	uint64_t *password;
};

static struct activity activity_of(const struct login *login, size_t i) {
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

static struct stream stream_make(void) {
	struct population p = {.random = SEED, .n_users = USERS, .days = DAYS, .outage = true};
	struct stream stream = {0};
	population_make(&p);
	for (uint32_t day = THIEF_FROM; day < DAYS; day++)
		for (uint32_t user = 0; user < 12; user++)
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
			){START + 20 * DAY + i * MINUTE, i, IP(203, 0, 113, 8), 1, false, 77}
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

static int sum_order(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t entry_sum(const struct store_part *part, const struct table_node *node) {
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

static struct dump dump_of(const struct models *models) {
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

static void
assert_same_dump(const struct models *models, const struct dump *a, const struct dump *b) {
	size_t n_parts;
	const struct store_part *parts = models_parts(models, &n_parts);
	for (size_t i = 0; i < n_parts; i++) {
		size_t n = a->part_from[i + 1] - a->part_from[i];
		if (n != b->part_from[i + 1] - b->part_from[i]
		    || memcmp(a->sum + a->part_from[i], b->sum + b->part_from[i], n * 8))
			fail_msg("%s differ", parts[i].name);
	}
}

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
	models_continue(models, store_found(store)->now_ns);
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
	struct stream s = stream_make();
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
	struct stream s = stream_make();
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
	struct stream s = stream_make();
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
		cmocka_unit_test(z4_late_missing_and_misdated_records_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
