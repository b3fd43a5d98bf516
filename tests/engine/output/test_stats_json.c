// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The line of counters: it holds as many workers as there may be, with the largest numbers, and what the
// numbers mean is told in sentences.

#include "output/json.h"
#include "stats.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char line[STATS_LINE_SIZE_MAX];

static json_t *written(const struct stats *stats) {
	json_error_t error;
	size_t size = stats_json_write(stats, line, sizeof(line));
	json_t *root;

	assert_true(size > 0);
	assert_null(memchr(line, '\n', size));
	root = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("%s at %d", error.text, error.position);
	return root;
}

static void ports(void *ctx, struct json *json) {
	json_begin_array(json, "ports");
	json_put_u64(json, NULL, *(const uint64_t *)ctx);
	json_end_array(json);
}

static void the_largest_numbers_fit(void **) {
	static struct stats stats;
	uint64_t n = UINT64_MAX;
	json_t *root, *postern;

	memset(&stats, 0xff, sizeof(stats));
	stats.sum.is_stopped = stats.sum.is_live = false;
	stats.sum.analyst.is_unkept = false;
	stats.sum.analyst.has_store = true;
	stats.observer_name = "a-sensor";
	stats.n_workers = DISTRIBUTE_WORKERS_MAX;
	stats.n_memory = 1;
	stats.memory[0].name = "first";
	stats.sum.n_workers = DISTRIBUTE_WORKERS_MAX;
	stats.more = ports;
	stats.more_ctx = &n;
	root = written(&stats);
	postern = json_object_get(root, "postern");
	assert_int_equal(
		json_array_size(json_object_get(postern, "workers")), DISTRIBUTE_WORKERS_MAX
	);
	assert_int_equal(json_array_size(json_object_get(postern, "ports")), 1);
	assert_null(json_object_get(
		json_object_get(json_object_get(postern, "memory"), "first"), "used"
	));
	json_decref(root);
}

static void a_buffer_that_is_too_small_holds_nothing(void **) {
	static struct stats stats;
	size_t size = stats_json_write(&stats, line, sizeof(line));

	assert_true(size > 0);
	assert_int_equal(stats_json_write(&stats, line, size), size);
	assert_int_equal(stats_json_write(&stats, line, size - 1), 0);
}

// The sentences for these counters, joined; static.
static const char *diagnoses(const struct stats *stats) {
	static char text[2048];
	json_t *root = written(stats), *item;
	size_t i;

	text[0] = '\0';
	json_array_foreach(
		json_object_get(json_object_get(root, "postern"), "diagnoses"), i, item
	) {
		strncat(text, json_string_value(item), sizeof(text) - strlen(text) - 2);
		strcat(text, "|");
	}
	json_decref(root);
	return text;
}

static void a_mirror_of_one_direction_is_told(void **) {
	static struct stats stats;

	stats.sum.flows.flow_closed = 20;
	stats.sum.flows.flow_timeout = 20;
	stats.sum.flows.flow_one_sided = 10;
	assert_string_equal(diagnoses(&stats), "");
	stats.sum.flows.flow_one_sided = 11;
	assert_non_null(strstr(
		diagnoses(&stats), "of 11 of 40 connections that have ended only one direction"
	));
}

static void holes_are_told_and_many_of_them_explained(void **) {
	static struct stats stats;

	stats.sum.flows.segment_in_order = 10000;
	stats.sum.flows.gap = 10;
	stats.sum.flows.gap_bytes = 2500000;
	assert_string_equal(
		diagnoses(&stats),
		"10 holes, 2.5 MB, in what the hosts exchanged are missing from the input|"
	);
	stats.sum.flows.gap = 11;
	assert_non_null(strstr(diagnoses(&stats), "drops packets"));
}

static void checksums_left_to_a_nic_are_told(void **) {
	static struct stats stats;

	stats.sum.n_frames = 1000;
	stats.sum.flows.checksum_unverified = 10;
	assert_string_equal(diagnoses(&stats), "");
	stats.sum.flows.checksum_unverified = 11;
	assert_non_null(strstr(diagnoses(&stats), "network card fills checksums in later"));
}

static void q12_a_worker_with_most_packets_is_told(void **) {
	static struct stats stats;

	stats.sum.n_workers = 4;
	stats.sum.n_frames = 100000;
	stats.sum.n_frames_most = 62999;
	assert_string_equal(diagnoses(&stats), "");
	stats.sum.n_frames_most = 63000;
	assert_non_null(strstr(diagnoses(&stats), "one of 4 workers gets 63 %"));
	stats.sum.n_workers = 1;
	assert_string_equal(diagnoses(&stats), "");
}

static void what_the_nic_gives_to_the_wrong_worker_is_told(void **) {
	static struct stats stats;

	stats.sum.n_frames = 1000;
	stats.sum.exchange.handed = 100;
	assert_string_equal(diagnoses(&stats), "");
	stats.sum.exchange.handed = 101;
	assert_non_null(strstr(diagnoses(&stats), "the NIC gave 101 of 1000 packets to another"));
	stats.sum.exchange.ring_full = 3;
	assert_non_null(strstr(diagnoses(&stats), "3 packets were lost on their way"));
}

static void a_store_that_is_behind_is_told_where_packets_do_not_wait(void **) {
	static struct stats stats;
	struct analyst_stats *analyst = &stats.sum.analyst;
	json_t *root = written(&stats);

	assert_null(json_object_get(json_object_get(root, "postern"), "store"));
	json_decref(root);
	analyst->has_store = true;
	analyst->store_interval_ns = 60000000000;
	analyst->store
		= (struct store_stats){.generation = 7, .n_late = 3, .behind_ns = 60000000000};
	stats.sum.is_live = true;
	assert_string_equal(diagnoses(&stats), "");
	analyst->store.behind_ns = 185000000000;
	assert_string_equal(
		diagnoses(&stats),
		"the store is 185 s behind (--store-interval: 60 s), which a crash would lose now: "
		"3 "
		"snapshots were late and 0 could not be written; the disk is too slow, or full|"
	);
	root = written(&stats);
	json_t *store = json_object_get(json_object_get(root, "postern"), "store");
	assert_int_equal(json_integer_value(json_object_get(store, "snapshots")), 7);
	assert_int_equal(json_integer_value(json_object_get(store, "late")), 3);
	assert_int_equal(json_integer_value(json_object_get(store, "failed")), 0);
	assert_int_equal(json_integer_value(json_object_get(store, "behind")), 185000000000);
	json_decref(root);
	// The first moment after a silent weekend.
	analyst->store.n_late = 0;
	assert_string_equal(diagnoses(&stats), "");
	analyst->store.n_late = 3;
	stats.sum.is_live = false;
	assert_string_equal(diagnoses(&stats), "");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_numbers_fit),
		cmocka_unit_test(a_buffer_that_is_too_small_holds_nothing),
		cmocka_unit_test(a_mirror_of_one_direction_is_told),
		cmocka_unit_test(holes_are_told_and_many_of_them_explained),
		cmocka_unit_test(checksums_left_to_a_nic_are_told),
		cmocka_unit_test(what_the_nic_gives_to_the_wrong_worker_is_told),
		cmocka_unit_test(a_store_that_is_behind_is_told_where_packets_do_not_wait),
		cmocka_unit_test(q12_a_worker_with_most_packets_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
