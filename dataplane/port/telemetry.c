// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// DPDK passes no context to a command, and takes none back: there is one.

#include "telemetry.h"

#include <rte_telemetry.h>

#include <pthread.h>

static struct {
	pthread_mutex_t lock;
	int (*counters)(void *ctx, struct telemetry_counter *counters, int max);
	void *ctx;
	struct telemetry_counter list[TELEMETRY_COUNTERS_MAX];
} answerer = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int answer(const char *, const char *, struct rte_tel_data *data) {
	int n = 0;

	rte_tel_data_start_dict(data);
	pthread_mutex_lock(&answerer.lock);
	if (answerer.counters)
		n = answerer.counters(answerer.ctx, answerer.list, TELEMETRY_COUNTERS_MAX);
	for (int i = 0; i < n; i++)
		rte_tel_data_add_dict_u64(data, answerer.list[i].name, answerer.list[i].value);
	pthread_mutex_unlock(&answerer.lock);
	return 0;
}

int telemetry_add(
	const char *command,
	const char *help,
	int (*counters)(void *ctx, struct telemetry_counter *counters, int max),
	void *ctx
) {
	pthread_mutex_lock(&answerer.lock);
	answerer.counters = counters;
	answerer.ctx = ctx;
	pthread_mutex_unlock(&answerer.lock);
	return rte_telemetry_register_cmd(command, answer, help);
}

void telemetry_end(void) {
	pthread_mutex_lock(&answerer.lock);
	answerer.counters = NULL;
	pthread_mutex_unlock(&answerer.lock);
}
