// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "place.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static int core_check(int core, const cpu_set_t *allowed, cpu_set_t *named, char *error, int size) {
	if (core >= CPU_SETSIZE || !CPU_ISSET(core, allowed)) {
		snprintf(
			error,
			(size_t)size,
			"--cores: this process may not use CPU %d: nproc and taskset -p tell which "
			"it may",
			core
		);
		return -1;
	}
	if (CPU_ISSET(core, named)) {
		snprintf(error, (size_t)size, "--cores: CPU %d is named twice", core);
		return -1;
	}
	CPU_SET(core, named);
	return 0;
}

int place_check(const struct config_numbers *cores, int n_workers, char *error, int size) {
	cpu_set_t allowed, named;

	CPU_ZERO(&named);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (uint32_t i = 0; i < cores->n; i++)
		if (core_check(cores->number[i], &allowed, &named, error, size) < 0)
			return -1;
	if (cores->n == 0 || (int)cores->n >= n_workers)
		return 0;
	snprintf(
		error,
		(size_t)size,
		"--cores names %u CPUs for %d workers: name one for each",
		cores->n,
		n_workers
	);
	return -1;
}

void place_on_cpu(int cpu) {
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static bool has_node(const char *root, int node) {
	char path[300];

	snprintf(path, sizeof(path), "%s/node%d", root, node);
	return access(path, F_OK) == 0;
}

static bool is_on_node(const char *root, int cpu, int node) {
	char path[300];

	snprintf(path, sizeof(path), "%s/node%d/cpu%d", root, node, cpu);
	return access(path, F_OK) == 0;
}

bool place_near(const char *root, int node, const cpu_set_t *allowed, cpu_set_t *near) {
	CPU_ZERO(near);
	if (node < 0 || !has_node(root, 1))
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, allowed) && is_on_node(root, cpu, node))
			CPU_SET(cpu, near);
	return CPU_COUNT(near) > 0;
}

void place_on_node(int node) {
	cpu_set_t allowed, near;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	if (place_near("/sys/devices/system/node", node, &allowed, &near))
		sched_setaffinity(0, sizeof(near), &near);
}
