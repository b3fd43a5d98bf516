// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "desk.h"
#include "episode.h"

struct office {
	struct desk desk;
	struct episodes episodes;
	void *memory;
};

static void count_only(void *ctx, const struct alert *alert) {
	struct desk *desk = ctx;
	assert_true(desk->n < DESK_MAX);
	desk->alert[desk->n++] = *alert;
}

static void office_open(struct office *o) {
	const uint64_t key[2] = {1, 2};
	*o = (struct office){.memory = calloc(1, episodes_memsize())};
	o->desk.alert = calloc(DESK_MAX, sizeof(struct alert));
	episodes_init(&o->episodes, key, o->memory);
	o->episodes.raise = count_only;
	o->episodes.ctx = &o->desk;
}

static void office_close(struct office *o) {
	free(o->memory);
	free(o->desk.alert);
}

static struct episode *begin(struct office *o, uint64_t subject, uint64_t now) {
	struct episode *episode
		= episodes_open(&o->episodes, EPISODE_SOURCE, subject, subject, now, now);
	episode->alert.rule_id = "password-spraying";
	episode->alert.end_ns = now;
	episode_tell(&o->episodes, episode, 5, false, now);
	return episode;
}

static size_t told(const struct office *o, enum alert_state state) {
	return desk_count(&o->desk, NULL, state);
}

static void an_episode_is_told_when_it_opens_has_doubled_and_closes(void **) {
	struct office o;
	office_open(&o);
	struct episode *e = begin(&o, 1, START);
	assert_int_equal(told(&o, ALERT_OPEN), 1);
	episode_tell(&o.episodes, e, 9, false, START + HOUR);
	assert_int_equal(told(&o, ALERT_UPDATE), 0); // not yet twice as much
	episode_tell(&o.episodes, e, 10, false, START + HOUR);
	assert_int_equal(told(&o, ALERT_UPDATE), 1);
	episodes_advance(&o.episodes, START + EPISODE_SILENCE_NS - 1);
	assert_int_equal(told(&o, ALERT_CLOSE), 0);
	episodes_advance(&o.episodes, START + EPISODE_SILENCE_NS);
	assert_int_equal(told(&o, ALERT_CLOSE), 1);
	episodes_advance(&o.episodes, START + 2 * EPISODE_SILENCE_NS);
	assert_int_equal(o.desk.n, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(o.desk.alert[i].episode.sequence, i + 1);
	assert_null(episodes_find(&o.episodes, EPISODE_SOURCE, 1));
	office_close(&o);
}

static void growth_right_after_an_alert_waits_and_is_not_lost(void **) {
	struct office o;
	office_open(&o);
	struct episode *e = begin(&o, 1, START);
	episode_tell(&o.episodes, e, 100, false, START + SECOND);
	episodes_advance(&o.episodes, START + EPISODE_UPDATE_NS - 1);
	assert_int_equal(told(&o, ALERT_UPDATE), 0);
	episodes_advance(&o.episodes, START + EPISODE_UPDATE_NS);
	episodes_advance(&o.episodes, START + 2 * EPISODE_UPDATE_NS);
	assert_int_equal(told(&o, ALERT_UPDATE), 1);
	office_close(&o);
}

static void what_is_urgent_does_not_wait(void **) {
	struct office o;
	office_open(&o);
	struct episode *e = begin(&o, 1, START);
	episode_tell(&o.episodes, e, 5, true, START + SECOND);
	assert_int_equal(told(&o, ALERT_UPDATE), 1);
	office_close(&o);
}

static void its_id_hangs_on_what_it_is_about_and_since_when(void **) {
	struct office o;
	office_open(&o);
	uint64_t first = begin(&o, 1, START)->alert.episode.id;
	uint64_t other = begin(&o, 2, START)->alert.episode.id;
	episodes_advance(&o.episodes, START + 10 * DAY);
	uint64_t later = begin(&o, 1, START + 10 * DAY)->alert.episode.id;
	assert_true(first != other && first != later);
	struct office again;
	office_open(&again);
	assert_true(begin(&again, 1, START)->alert.episode.id == first);
	office_close(&again);
	office_close(&o);
}

static void with_all_places_taken_the_one_silent_longest_is_closed(void **) {
	struct office o;
	office_open(&o);
	for (uint64_t i = 0; i < EPISODES_MAX; i++)
		begin(&o, i + 1, START + i);
	assert_int_equal(told(&o, ALERT_CLOSE), 0);
	begin(&o, EPISODES_MAX + 1, START + HOUR);
	assert_int_equal(told(&o, ALERT_CLOSE), 1);
	assert_null(episodes_find(&o.episodes, EPISODE_SOURCE, 1));
	assert_non_null(episodes_find(&o.episodes, EPISODE_SOURCE, 2));
	assert_int_equal(o.episodes.n_open[EPISODE_SOURCE], EPISODES_MAX);
	office_close(&o);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_episode_is_told_when_it_opens_has_doubled_and_closes),
		cmocka_unit_test(growth_right_after_an_alert_waits_and_is_not_lost),
		cmocka_unit_test(what_is_urgent_does_not_wait),
		cmocka_unit_test(its_id_hangs_on_what_it_is_about_and_since_when),
		cmocka_unit_test(with_all_places_taken_the_one_silent_longest_is_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
