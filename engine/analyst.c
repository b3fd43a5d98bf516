// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "analyst.h"

#include "limits.h"
#include "match/alerts.h"
#include "models.h"
#include "networks.h"
#include "offers.h"
#include "output/activity_json.h"
#include "output/alert_json.h"
#include "output/sink.h"
#include "ring.h"
#include "store/store.h"

#include <assert.h>
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
	MESSAGE_OFFER,
	MESSAGE_RECORD,
	MESSAGE_MARK,
};

struct message {
	uint64_t kind; // enum message_kind
	struct flow_moment moment; // but of records
	uint8_t data[];
};

static_assert(sizeof(struct message) % 8 == 0, "an activity behind it is aligned");

enum {
	IDLE_SLEEP_NS = 200000, // how long the thread rests when nothing has come
	FULL_SLEEP_NS = 20000, // and a worker that found the ring full
};

// Event time is told to the models at every full hour, so that what has been quiet for long closes
// though nothing follows. At moments that do not depend on the workers' bursts.
#define ADVANCE_NS (3600ull * 1000000000)
#define JUMP_NS (24 * ADVANCE_NS)

// What a worker sends, as far as it has come.
struct input {
	struct ring *ring;
	const struct message *head; // an activity or an offer that waits for its turn, or NULL
	struct flow_moment mark; // nothing of moments up to it is still to come
	bool is_marked;
	bool is_finished;
};

enum output_kind {
	OUTPUT_ALERTS,
	OUTPUT_SESSIONS,
	OUTPUT_ACTIVITY,
	OUTPUTS,
};

struct output {
	const char *name;
	struct sink *sink;
	bool is_moved, is_failing; // as was told
};

struct analyst {
	const struct config *config;
	struct models *models;
	struct store *store; // NULL: memory only
	struct store_mark mark; // how far the models have come
	const struct networks *networks;
	struct alert alert; // on its way out
	struct offers *offers; // what servers are known to offer
	struct match_alerts *match_alerts; // NULL: no content rules
	struct output outputs[OUTPUTS];
	struct input *inputs;
	int n_inputs;
	uint64_t advanced_ns; // the last full hour that was told
	const char *(*stats_line)(void *ctx, uint64_t now_ns, size_t *size_r);
	void *stats_ctx;
	uint64_t stats_interval_ns, stats_next_ns; // 0: never; not yet known
	uint64_t far_ns; // of the activity before
	pthread_t thread;
	bool is_running;
	_Atomic bool is_broken; // w: this thread, r: any
	_Atomic bool is_over; // the thread has ended
	_Atomic(const struct rules *) rules_next; // w: control, and NULL when they are known
	int rules_result; // of the last
	struct analyst_stats stats;
	char line[ACTIVITY_LINE_SIZE_MAX];
};

// Who reads a file has time to mend the disk and read on; live traffic does not come again: lines are lost
// and counted, and nothing else is.
static bool goes_on(const struct analyst *analyst, const struct sink *sink) {
	return analyst->config->command == COMMAND_RUN && !sink_is_broken_pipe(sink);
}

// Told when it begins, and when it is over.
static void tell_faults(struct analyst *analyst, struct output *output) {
	struct sink *sink = output->sink;
	bool is_moved = sink_notice(sink) != NULL;
	bool is_failing = sink_is_failing(sink) && goes_on(analyst, sink);

	if (is_moved && !output->is_moved)
		fprintf(stderr, "postern: %s\n", sink_notice(sink));
	if (is_failing && !output->is_failing)
		fprintf(stderr, "postern: %s\n", sink_error(sink));
	if (!is_failing && output->is_failing)
		fprintf(stderr,
			"postern: %s is written again; %llu lines were lost\n",
			output->name,
			(unsigned long long)sink_n_lost(sink));
	output->is_moved = is_moved;
	output->is_failing = is_failing;
}

static void count_lost(struct analyst *analyst) {
	analyst->stats.n_lost = 0;
	for (int i = 0; i < OUTPUTS; i++)
		analyst->stats.n_lost += sink_n_lost(analyst->outputs[i].sink);
}

static void out(struct analyst *analyst, enum output_kind kind, const char *line, size_t size) {
	struct output *output = &analyst->outputs[kind];
	struct sink *sink = output->sink;
	uint64_t n_lost = sink_n_lost(sink);

	sink_write(sink, line, size);
	// An alert waits for no buffer to fill.
	if (kind == OUTPUT_ALERTS)
		sink_flush(sink);
	if (sink_n_lost(sink) != n_lost)
		count_lost(analyst);
	tell_faults(analyst, output);
	if (!goes_on(analyst, sink) && (sink_error(sink) || sink_is_broken_pipe(sink)))
		atomic_store_explicit(&analyst->is_broken, true, memory_order_relaxed);
}

static void out_flush(struct analyst *analyst, enum output_kind kind) {
	sink_flush(analyst->outputs[kind].sink);
	count_lost(analyst);
	tell_faults(analyst, &analyst->outputs[kind]);
}

// An alert with what is known of its address.
static const struct alert *alert_place(struct analyst *analyst, const struct alert *alert) {
	struct network network;

	if (!analyst->networks || !alert->source.family)
		return alert;
	networks_find(analyst->networks, &alert->source, &network);
	analyst->alert = *alert;
	if (network.asn)
		analyst->alert.asn = network.asn;
	if (network.asn == analyst->alert.asn)
		memcpy(analyst->alert.as_name, network.name, sizeof(network.name));
	memcpy(analyst->alert.country, network.country, sizeof(network.country));
	return &analyst->alert;
}

static void alert_out(void *ctx, const struct alert *without_place) {
	struct analyst *analyst = ctx;
	const struct alert *alert = alert_place(analyst, without_place);
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
	out(analyst, OUTPUT_ALERTS, analyst->line, size);
}

// ---- The store

static void store_says(void *, const char *text) {
	fprintf(stderr, "postern: %s\n", text);
}

// A clock that was wrong when the store was written must not make a live sensor deaf: all it sees would
// be of the past.
static int check_clock(const struct analyst *analyst, char *error, size_t size) {
	uint64_t found_s = store_found(analyst->store)->now_ns / 1000000000;
	time_t until = (time_t)found_s;
	char text[32];

	if (analyst->config->command != COMMAND_RUN || until <= time(NULL) + 3600)
		return 0;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime(&until));
	snprintf(
		error,
		size,
		"store %s: it has learnt up to %s UTC, which is still to come: is the clock right? "
		"If so, use another directory",
		analyst->config->store,
		text
	);
	return -1;
}

// The models go on from what the store has. 0, or −1 and a line in error.
static int keep(struct analyst *analyst, char *error, size_t size) {
	const struct config *config = analyst->config;
	struct store_config store = {
		.dir = config->store,
		.interval_ns = config->store_interval,
		.say = store_says,
	};
	size_t n_parts;
	const struct store_part *parts = models_parts(analyst->models, &n_parts);

	if (!config->store)
		return 0;
	analyst->store = store_open(&store, parts, n_parts, error, size);
	if (!analyst->store || check_clock(analyst, error, size) < 0)
		return -1;
	analyst->stats.has_store = true;
	analyst->stats.store_interval_ns = config->store_interval;
	analyst->mark = *store_found(analyst->store);
	analyst->far_ns = analyst->mark.heard_ns;
	analyst->advanced_ns = analyst->mark.now_ns - analyst->mark.now_ns % ADVANCE_NS;
	// Live traffic does not come again; a file may be read again from its beginning.
	if (config->command != COMMAND_RUN)
		models_continue(analyst->models, store_known_ns(&analyst->mark));
	return 0;
}

static void tick(struct analyst *analyst) {
	if (!analyst->store)
		return;
	analyst->mark.now_ns = models_now(analyst->models);
	store_tick(analyst->store, &analyst->mark);
	analyst->stats.store = *store_stats(analyst->store);
}

void analyst_idle(struct analyst *analyst) {
	tick(analyst);
}

// A sensor that starts again goes on behind what it has written.
static bool outputs_open(struct analyst *analyst, char *error, int size) {
	const struct config *config = analyst->config;
	enum sink_mode mode = config->command == COMMAND_RUN ? SINK_APPEND : SINK_ANEW;
	const char *const paths[] = {config->alerts, config->sessions, config->activity};

	for (int i = 0; i < OUTPUTS; i++) {
		struct output *output = &analyst->outputs[i];

		output->name = paths[i];
		output->sink = sink_open(paths[i], mode, error, size);
		if (!output->sink)
			return false;
	}
	return true;
}

struct analyst *
analyst_open(const struct config *config, const struct rules *rules, char *error, int size) {
	struct analyst *analyst = calloc(1, sizeof(*analyst));
	struct models_config models
		= {.n_accounts = config->max_accounts,
		   .alert = alert_out,
		   .ctx = analyst,
		   .budget = config->budget / 1000.0};

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
	if (!outputs_open(analyst, error, size))
		goto err;
	analyst->models = models_open(&models);
	analyst->offers = offers_open();
	analyst->match_alerts = match_alerts_open(&content);
	if (!analyst->models || !analyst->match_alerts || !analyst->offers) {
		snprintf(
			error,
			(size_t)size,
			"not enough memory for %llu accounts: lower --max-accounts",
			(unsigned long long)config->max_accounts
		);
		goto err;
	}
	if (keep(analyst, error, (size_t)size) < 0)
		goto err;
	return analyst;
err:
	analyst_close(analyst);
	return NULL;
}

// At full multiples of the interval, as far as time is told; a stretch without any is one line.
static void stats_tell(struct analyst *analyst, uint64_t now_ns) {
	uint64_t due_ns = now_ns - now_ns % analyst->stats_interval_ns;
	const char *line;
	size_t size;

	if (now_ns == 0)
		return;
	if (analyst->stats_next_ns) {
		line = analyst->stats_line(analyst->stats_ctx, due_ns, &size);
		out(analyst, OUTPUT_SESSIONS, line, size);
		out_flush(analyst, OUTPUT_SESSIONS);
	}
	analyst->stats_next_ns = due_ns + analyst->stats_interval_ns;
}

// Everything before now_ns has been heard.
static void advance(struct analyst *analyst, uint64_t now_ns) {
	uint64_t hour_ns = now_ns - now_ns % ADVANCE_NS;

	if (analyst->stats_interval_ns && now_ns >= analyst->stats_next_ns)
		stats_tell(analyst, now_ns);
	if (analyst->advanced_ns == 0)
		analyst->advanced_ns = hour_ns;
	while (analyst->advanced_ns < hour_ns) {
		analyst->advanced_ns += ADVANCE_NS;
		models_advance(analyst->models, analyst->advanced_ns);
		match_alerts_advance(analyst->match_alerts, analyst->advanced_ns);
	}
}

void analyst_set_networks(struct analyst *analyst, const struct networks *networks) {
	analyst->networks = networks;
}

void analyst_activity(struct analyst *analyst, const struct activity *heard) {
	const struct activity *activity = offers_activity(analyst->offers, heard);

	analyst->stats.n_activities++;
	if (analyst->config->activity) {
		size_t size = activity_json_write(activity, analyst->line, sizeof(analyst->line));
		out(analyst, OUTPUT_ACTIVITY, analyst->line, size);
	}
	// Without marks (score) activity alone tells the time, hour by hour as they do. Whether a larger
	// jump ahead is to be believed is the models' to judge.
	if (activity->time_ns < analyst->advanced_ns + JUMP_NS || analyst->advanced_ns == 0)
		advance(analyst, activity->time_ns);
	else if (activity->time_ns - analyst->far_ns < JUMP_NS)
		advance(analyst, analyst->far_ns);
	bool agrees = activity->time_ns - analyst->far_ns < JUMP_NS
		|| analyst->far_ns - activity->time_ns < JUMP_NS;
	analyst->far_ns = activity->time_ns;
	if (models_run(analyst->models, activity)) {
		analyst->mark.n_activities++;
		if (agrees)
			analyst->mark.heard_ns = activity->time_ns;
		match_alerts_run(analyst->match_alerts, activity);
	} else {
		analyst->stats.n_known++;
	}
	tick(analyst);
}

void analyst_record(struct analyst *analyst, const char *line, size_t size) {
	analyst->stats.n_records++;
	line = offers_record(analyst->offers, line, &size);
	out(analyst, OUTPUT_SESSIONS, line, size);
}

// ---- Rules that come later

static void rules_take(struct analyst *analyst) {
	const struct rules *rules
		= atomic_load_explicit(&analyst->rules_next, memory_order_acquire);

	if (!rules)
		return;
	analyst->rules_result = match_alerts_rules(analyst->match_alerts, rules);
	atomic_store_explicit(&analyst->rules_next, NULL, memory_order_release);
}

// ---- Merging

// Handles what needs no order, up to the next activity.
static void input_read(struct analyst *analyst, struct input *input) {
	size_t size;

	while (!input->head) {
		// Finished first: what was sent before is then seen.
		bool is_finished = ring_is_finished(input->ring);
		const struct message *message = ring_peek(input->ring, &size);
		if (!message) {
			input->is_finished = is_finished;
			break;
		}
		if (message->kind == MESSAGE_ACTIVITY || message->kind == MESSAGE_OFFER) {
			input->head = message;
			break;
		}
		if (message->kind == MESSAGE_MARK) {
			input->mark = message->moment;
			input->is_marked = true;
		} else {
			analyst_record(
				analyst, (const char *)message->data, size - sizeof(*message)
			);
		}
		ring_drop(input->ring);
	}
}

// The input whose activity comes first, or NULL when there is none, or an earlier one may still come.
// *now_ns_r: nothing before it will come; 0 when that is not known.
static struct input *input_next(struct analyst *analyst, uint64_t *now_ns_r) {
	const struct flow_moment *known = NULL; // how far all that may still send have come
	struct input *first = NULL;
	bool is_known = true;

	for (int i = 0; i < analyst->n_inputs; i++) {
		struct input *input = &analyst->inputs[i];

		if (input->head) {
			if (!first
			    || flow_moment_compare(&input->head->moment, &first->head->moment) < 0)
				first = input;
		} else if (!input->is_finished) {
			is_known &= input->is_marked;
			if (!known || flow_moment_compare(&input->mark, known) < 0)
				known = &input->mark;
		}
	}
	if (first && known && (!is_known || flow_moment_compare(known, &first->head->moment) < 0))
		first = NULL;
	*now_ns_r = first ? first->head->moment.time_ns : known && is_known ? known->time_ns : 0;
	return first;
}

// What was taken out of servers' lists, of sessions that have said nothing since.
static void offers_tell(struct analyst *analyst, uint64_t now_ns) {
	const struct activity *activity;

	while ((activity = offers_due(analyst->offers, now_ns)))
		analyst_activity(analyst, activity);
}

static void head_run(struct analyst *analyst, const struct message *head) {
	if (head->kind == MESSAGE_ACTIVITY)
		analyst_activity(analyst, (const struct activity *)head->data);
	else
		offers_hear(analyst->offers, (const struct offer_heard *)head->data);
}

// Handles what has come.
static void drain(struct analyst *analyst) {
	struct input *first;
	uint64_t now_ns;

	for (int i = 0; i < analyst->n_inputs; i++)
		input_read(analyst, &analyst->inputs[i]);
	while ((first = input_next(analyst, &now_ns))) {
		rules_take(analyst);
		offers_tell(analyst, now_ns);
		advance(analyst, now_ns);
		head_run(analyst, first->head);
		first->head = NULL;
		ring_drop(first->ring);
		input_read(analyst, first);
	}
	offers_tell(analyst, now_ns);
	advance(analyst, now_ns);
}

static bool all_finished(const struct analyst *analyst) {
	for (int i = 0; i < analyst->n_inputs; i++)
		if (!analyst->inputs[i].is_finished || analyst->inputs[i].head)
			return false;
	return true;
}

// Whether lines may be buffered that a reader waits for: written once nothing more comes of them.
static void flush_when_quiet(struct analyst *analyst, uint64_t *n_flushed) {
	uint64_t n_lines = analyst->stats.n_records + analyst->stats.n_activities;

	if (n_lines != *n_flushed) {
		out_flush(analyst, OUTPUT_SESSIONS);
		out_flush(analyst, OUTPUT_ACTIVITY);
	}
	*n_flushed = n_lines;
}

int analyst_rules(struct analyst *analyst, const struct rules *rules) {
	const struct timespec look = {.tv_nsec = IDLE_SLEEP_NS};

	atomic_store_explicit(&analyst->rules_next, rules, memory_order_release);
	while (atomic_load_explicit(&analyst->rules_next, memory_order_acquire)) {
		if (atomic_load_explicit(&analyst->is_over, memory_order_acquire))
			return 0; // nothing is told of any more
		nanosleep(&look, NULL);
	}
	return analyst->rules_result;
}

static void *run(void *arg) {
	struct analyst *analyst = arg;
	const struct timespec idle = {.tv_nsec = IDLE_SLEEP_NS};
	uint64_t n_lines, n_flushed = 0;

	while (!all_finished(analyst)) {
		n_lines = analyst->stats.n_records + analyst->stats.n_activities;
		rules_take(analyst);
		drain(analyst);
		// Marks alone are no reason to hurry.
		if (analyst->stats.n_records + analyst->stats.n_activities != n_lines)
			continue;
		if (analyst->config->command == COMMAND_RUN)
			flush_when_quiet(analyst, &n_flushed);
		analyst_idle(analyst);
		nanosleep(&idle, NULL);
	}
	offers_tell(analyst, UINT64_MAX);
	atomic_store_explicit(&analyst->is_over, true, memory_order_release);
	return NULL;
}

void analyst_on_stats(
	struct analyst *analyst,
	uint64_t interval_ns,
	const char *(*line)(void *ctx, uint64_t now_ns, size_t *size_r),
	void *ctx
) {
	analyst->stats_interval_ns = interval_ns;
	analyst->stats_line = line;
	analyst->stats_ctx = ctx;
}

int analyst_start(struct analyst *analyst, struct ring **rings, int n) {
	int error;

	analyst->inputs = calloc((size_t)n, sizeof(*analyst->inputs));
	if (!analyst->inputs)
		return -ENOMEM;
	analyst->n_inputs = n;
	for (int i = 0; i < n; i++)
		analyst->inputs[i].ring = rings[i];
	error = pthread_create(&analyst->thread, NULL, run, analyst);
	analyst->is_running = error == 0;
	return -error;
}

void analyst_join(struct analyst *analyst) {
	if (analyst->is_running)
		pthread_join(analyst->thread, NULL);
	analyst->is_running = false;
}

// ---- The workers' side

static struct message *
message_reserve(struct ring *ring, enum message_kind kind, size_t size, int wait) {
	const struct timespec full = {.tv_nsec = FULL_SLEEP_NS};
	struct message *message;

	while (!(message = ring_reserve(ring, sizeof(*message) + size))) {
		if (!wait)
			return NULL;
		nanosleep(&full, NULL);
	}
	message->kind = kind;
	return message;
}

int analyst_send_activity(
	struct ring *ring,
	const struct activity *activity,
	const struct flow_moment *moment,
	int wait
) {
	struct message *message = message_reserve(ring, MESSAGE_ACTIVITY, sizeof(*activity), wait);

	if (!message)
		return -1;
	message->moment = *moment;
	memcpy(message->data, activity, sizeof(*activity));
	ring_send(ring);
	return 0;
}

int analyst_send_offer(
	struct ring *ring,
	const struct offer_heard *heard,
	const struct flow_moment *moment,
	int wait
) {
	struct message *message = message_reserve(ring, MESSAGE_OFFER, sizeof(*heard), wait);

	if (!message)
		return -1;
	message->moment = *moment;
	memcpy(message->data, heard, sizeof(*heard));
	ring_send(ring);
	return 0;
}

int analyst_send_record(struct ring *ring, const char *line, size_t size, int wait) {
	struct message *message = message_reserve(ring, MESSAGE_RECORD, size, wait);

	if (!message)
		return -1;
	memcpy(message->data, line, size);
	ring_send(ring);
	return 0;
}

void analyst_send_mark(struct ring *ring, const struct flow_moment *moment, int wait) {
	struct message *message = message_reserve(ring, MESSAGE_MARK, 0, wait);

	if (!message)
		return;
	message->moment = *moment;
	ring_send(ring);
}

void analyst_flush(struct analyst *analyst) {
	if (analyst->store) {
		analyst->mark.now_ns = models_now(analyst->models);
		analyst->stats.is_unkept = store_sync(analyst->store, &analyst->mark) < 0;
		analyst->stats.store = *store_stats(analyst->store);
	}
	for (int i = 0; i < OUTPUTS; i++)
		out_flush(analyst, i);
}

const char *analyst_error(const struct analyst *analyst) {
	for (int i = 0; i < OUTPUTS; i++) {
		const struct sink *sink = analyst->outputs[i].sink;

		if (sink_error(sink) && !sink_is_broken_pipe(sink) && !goes_on(analyst, sink))
			return sink_error(sink);
	}
	return NULL;
}

int analyst_reader_is_gone(const struct analyst *analyst) {
	int is_gone = 0;

	for (int i = 0; i < OUTPUTS; i++)
		is_gone |= sink_is_broken_pipe(analyst->outputs[i].sink);
	return is_gone;
}

int analyst_is_broken(const struct analyst *analyst) {
	return atomic_load_explicit(&analyst->is_broken, memory_order_relaxed);
}

size_t analyst_memsize(const struct analyst *analyst) {
	size_t alerts = analyst->match_alerts ? match_alerts_memsize(analyst->match_alerts) : 0;
	size_t store = analyst->store ? store_memsize(analyst->store) : 0;
	return models_memsize(analyst->models) + alerts + store;
}

const struct analyst_stats *analyst_stats(const struct analyst *analyst) {
	return &analyst->stats;
}

void analyst_close(struct analyst *analyst) {
	if (!analyst)
		return;
	match_alerts_close(analyst->match_alerts);
	store_close(analyst->store);
	models_close(analyst->models);
	offers_close(analyst->offers);
	for (int i = 0; i < OUTPUTS; i++)
		sink_close(analyst->outputs[i].sink);
	free(analyst->inputs);
	free(analyst);
}
