// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Which CPUs threads are put on, for machines that are made up as the system would show them.

#include "place.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char root[] = "/tmp/postern-place-XXXXXX";
static char machine[sizeof(root) + 32];

// nodes: CPUs of each, as "0,1,4 2,3,5"; "-": a node of memory alone.
static void machine_make(const char *name, const char *nodes) {
	char path[sizeof(machine) + 32], words[128], *rest = words, *word;
	int node = 0;

	snprintf(machine, sizeof(machine), "%s/%s", root, name);
	assert_int_equal(mkdir(machine, 0755), 0);
	snprintf(words, sizeof(words), "%s", nodes);
	for (; (word = strsep(&rest, " ")); node++) {
		char *cpu;

		snprintf(path, sizeof(path), "%s/node%d", machine, node);
		assert_int_equal(mkdir(path, 0755), 0);
		while (strcmp(word ? word : "-", "-") != 0 && (cpu = strsep(&word, ","))) {
			snprintf(path, sizeof(path), "%s/node%d/cpu%s", machine, node, cpu);
			assert_int_equal(mkdir(path, 0755), 0);
		}
	}
}

static void cpus_set(const char *list, cpu_set_t *cpus) {
	char words[128], *rest = words, *word;

	snprintf(words, sizeof(words), "%s", list);
	CPU_ZERO(cpus);
	while (*list && (word = strsep(&rest, ",")))
		CPU_SET(atoi(word), cpus);
}

static void threads_are_put_near_their_port(void **) {
	static const struct {
		const char *nodes;
		int node; // of the port
		const char *allowed, *near; // near: "" where nothing is to be done
	} cases[] = {
		{"0,1,2,3", 0, "0,1,2,3", ""}, // one node: all is near
		{"0,1 2,3", -1, "0,1,2,3", ""}, // a virtual device
		{"0,1 2,3", 0, "0,1,2,3", "0,1"},
		{"0,1 2,3", 1, "0,1,2,3", "2,3"},
		{"0,2,4,6 1,3,5,7", 1, "0,1,2,3,4,5,6,7", "1,3,5,7"}, // as many servers number them
		{"0,1 2,3", 1, "0,1,3", "3"}, // taskset, a container
		{"0,1 2,3", 1, "0,1", ""}, // far is better than nowhere
		{"0,1 2,3", 4, "0,1,2,3", ""}, // a node that is not there
		{"0,1,2,3 -", 1, "0,1,2,3", ""}, // one of memory alone
		{"- 0,1 2,3 -", 2, "0,1,2,3", "2,3"},
		{"0,1 2,3 4,5 6,1023", 3, "5,6,7,1023", "6,1023"},
	};
	cpu_set_t allowed, near, expected;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[16];

		print_message("%s, node %d\n", cases[i].nodes, cases[i].node);
		snprintf(name, sizeof(name), "%zu", i);
		machine_make(name, cases[i].nodes);
		cpus_set(cases[i].allowed, &allowed);
		cpus_set(cases[i].near, &expected);
		assert_int_equal(
			place_near(machine, cases[i].node, &allowed, &near), cases[i].near[0] != 0
		);
		assert_true(CPU_EQUAL(&near, &expected));
	}
}

static void cores_that_are_named_are_checked(void **) {
	struct config_numbers cores = {0};
	char error[200];
	cpu_set_t allowed;
	uint16_t first = 0;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	while (!CPU_ISSET(first, &allowed))
		first++;
	assert_int_equal(place_check(&cores, 8, error, sizeof(error)), 0);
	cores.number[cores.n++] = first;
	assert_int_equal(place_check(&cores, 1, error, sizeof(error)), 0);
	assert_int_equal(place_check(&cores, 2, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "1 CPUs for 2 workers"));
	cores.number[cores.n++] = first;
	assert_int_equal(place_check(&cores, 2, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "named twice"));
}

static int folder_make(void **) {
	return mkdtemp(root) ? 0 : -1;
}

static int folder_remove(void **) {
	char command[sizeof(root) + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_are_put_near_their_port),
		cmocka_unit_test(cores_that_are_named_are_checked),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
