// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "analyst.h"

#include "limits.h"
#include "match/alerts.h"
#include "models.h"
#include "output/activity_json.h"
#include "output/alert_json.h"
#include "output/sink.h"
#include "ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum message_kind {
	MESSAGE_ACTIVITY,
	MESSAGE_RECORD,
};

enum {
	IDLE_SLEEP_NS = 200000, // how long the thread rests when nothing has come
	FULL_SLEEP_NS = 20000, // and a worker that found the ring full
};

struct analyst {
	const struct config *config;
	struct models *models;
	struct match_alerts *match_alerts; // NULL: no content rules
	struct sink *alerts, *sessions, *activity;
	struct ring *ring;
	pthread_t thread;
	bool is_running;
	_Atomic bool is_broken; // w: this thread, r: any
	struct analyst_stats stats;
	char line[ACTIVITY_LINE_SIZE_MAX];
};

static void sink_put(struct analyst *analyst, struct sink *sink, const char *line, size_t size) {
	sink_write(sink, line, size);
	if (sink_error(sink) || sink_is_broken_pipe(sink))
		atomic_store_explicit(&analyst->is_broken, true, memory_order_relaxed);
}

static void alert_out(void *ctx, const struct alert *alert) {
	struct analyst *analyst = ctx;
	const char *observer = analyst->config->observer_name;
	size_t size;

	analyst->stats.n_alerts++;
	if (analyst->config->text) {
		size = alert_text_write(alert, analyst->line, sizeof(analyst->line));
		fprintf(stderr, "%.*s\n", (int)size, analyst->line);
		if (analyst->config->origin[CONFIG_OPTION_alerts] == CONFIG_DEFAULT)
			return; // for people alone
	}
	size = alert_json_write(
		alert, observer ? observer : "", analyst->line, sizeof(analyst->line)
	);
	sink_put(analyst, analyst->alerts, analyst->line, size);
	// An alert waits for no buffer to fill.
	sink_flush(analyst->alerts);
}

struct analyst *
analyst_open(const struct config *config, const struct rules *rules, char *error, int size) {
	struct analyst *analyst = calloc(1, sizeof(*analyst));
	struct models_config models
		= {.n_accounts = config->max_accounts, .alert = alert_out, .ctx = analyst};

	struct match_alerts_config content = {.rules = rules, .alert = alert_out, .ctx = analyst};

	if (!analyst) {
		snprintf(error, (size_t)size, "out of memory");
		return NULL;
	}
	analyst->config = config;
	if (getrandom(models.hash_key, sizeof(models.hash_key), 0) != sizeof(models.hash_key)) {
		snprintf(error, (size_t)size, "the system gives no random numbers");
		goto err;
	}
	memcpy(content.hash_key, models.hash_key, sizeof(content.hash_key));
	if (!(analyst->alerts = sink_open(config->alerts, error, size))
	    || !(analyst->sessions = sink_open(config->sessions, error, size))
	    || !(analyst->activity = sink_open(config->activity, error, size)))
		goto err;
	analyst->models = models_open(&models);
	if (rules && rules->n)
		analyst->match_alerts = match_alerts_open(&content);
	if (!analyst->models || (rules && rules->n && !analyst->match_alerts)) {
		snprintf(
			error,
			(size_t)size,
			"not enough memory for %llu accounts: lower --max-accounts",
			(unsigned long long)config->max_accounts
		);
		goto err;
	}
	return analyst;
err:
	analyst_close(analyst);
	return NULL;
}

void analyst_activity(struct analyst *analyst, const struct activity *activity) {
	analyst->stats.n_activities++;
	if (analyst->config->activity) {
		size_t size = activity_json_write(activity, analyst->line, sizeof(analyst->line));
		sink_put(analyst, analyst->activity, analyst->line, size);
	}
	models_run(analyst->models, activity);
	if (analyst->match_alerts)
		match_alerts_run(analyst->match_alerts, activity);
}

void analyst_record(struct analyst *analyst, const char *line, size_t size) {
	analyst->stats.n_records++;
	sink_put(analyst, analyst->sessions, line, size);
}

// Handles what has come. Returns whether anything had.
static bool drain(struct analyst *analyst) {
	size_t size;
	const uint8_t *message = ring_peek(analyst->ring, &size);

	if (!message)
		return false;
	for (; message; message = ring_peek(analyst->ring, &size)) {
		// The kind takes eight bytes, so that an activity behind it is aligned.
		if (message[0] == MESSAGE_ACTIVITY)
			analyst_activity(analyst, (const struct activity *)(message + 8));
		else
			analyst_record(analyst, (const char *)message + 8, size - 8);
		ring_drop(analyst->ring);
	}
	return true;
}

static void *run(void *arg) {
	struct analyst *analyst = arg;
	const struct timespec idle = {.tv_nsec = IDLE_SLEEP_NS};
	bool is_flushed = true;

	while (!ring_is_finished(analyst->ring)) {
		if (drain(analyst)) {
			is_flushed = false;
			continue;
		}
		if (!is_flushed && analyst->config->command == COMMAND_RUN)
			sink_flush(analyst->sessions), sink_flush(analyst->activity);
		is_flushed = true;
		nanosleep(&idle, NULL);
	}
	return NULL;
}

int analyst_start(struct analyst *analyst, struct ring *ring) {
	analyst->ring = ring;
	int error = pthread_create(&analyst->thread, NULL, run, analyst);
	analyst->is_running = error == 0;
	return -error;
}

void analyst_join(struct analyst *analyst) {
	if (analyst->is_running)
		pthread_join(analyst->thread, NULL);
	analyst->is_running = false;
}

static uint8_t *message_reserve(struct ring *ring, enum message_kind kind, size_t size, int wait) {
	const struct timespec full = {.tv_nsec = FULL_SLEEP_NS};
	uint8_t *message;

	while (!(message = ring_reserve(ring, 8 + size))) {
		if (!wait)
			return NULL;
		nanosleep(&full, NULL);
	}
	memset(message, 0, 8);
	message[0] = (uint8_t)kind;
	return message + 8;
}

int analyst_send_activity(struct ring *ring, const struct activity *activity, int wait) {
	uint8_t *room = message_reserve(ring, MESSAGE_ACTIVITY, sizeof(*activity), wait);

	if (!room)
		return -1;
	memcpy(room, activity, sizeof(*activity));
	ring_send(ring);
	return 0;
}

int analyst_send_record(struct ring *ring, const char *line, size_t size, int wait) {
	uint8_t *room = message_reserve(ring, MESSAGE_RECORD, size, wait);

	if (!room)
		return -1;
	memcpy(room, line, size);
	ring_send(ring);
	return 0;
}

void analyst_flush(struct analyst *analyst) {
	struct sink *sinks[] = {analyst->alerts, analyst->sessions, analyst->activity};

	analyst->stats.n_lost = 0;
	for (int i = 0; i < 3; i++) {
		sink_flush(sinks[i]);
		analyst->stats.n_lost += sink_n_lost(sinks[i]);
	}
}

const char *analyst_error(const struct analyst *analyst) {
	const struct sink *sinks[] = {analyst->alerts, analyst->sessions, analyst->activity};

	for (int i = 0; i < 3; i++)
		if (sink_error(sinks[i]) && !sink_is_broken_pipe(sinks[i]))
			return sink_error(sinks[i]);
	return NULL;
}

int analyst_is_broken(const struct analyst *analyst) {
	return atomic_load_explicit(&analyst->is_broken, memory_order_relaxed);
}

const struct analyst_stats *analyst_stats(const struct analyst *analyst) {
	return &analyst->stats;
}

void analyst_close(struct analyst *analyst) {
	if (!analyst)
		return;
	match_alerts_close(analyst->match_alerts);
	models_close(analyst->models);
	sink_close(analyst->alerts);
	sink_close(analyst->sessions);
	sink_close(analyst->activity);
	free(analyst);
}
