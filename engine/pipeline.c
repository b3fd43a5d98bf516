// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "pipeline.h"

#include "analyst.h"
#include "control.h"
#include "distribute.h"
#include "engine.h"
#include "limits.h"
#include "match/ruleset.h"
#include "ring.h"
#include "stats.h"
#include "summary.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
	RING_SIZE = 16 << 20, // some 3,000 activities: a moment's burst of logins
	MARK_NS = 100000000, // of event time, between marks that only tell it
};

volatile sig_atomic_t pipeline_stop;

// One worker and its rooms, in the order a packet walks them.
struct line {
	struct pipeline *pipeline;
	struct worker worker;
	struct flow_table *flows;
	struct engine *engine;
	struct ring *ring; // to the analyst
	uint64_t n_shed; // records and activities the ring had no room for
	uint64_t marked_ns;
	pthread_t thread;
	bool is_running;
};

struct pipeline {
	const struct config *config;
	struct ruleset *ruleset;
	struct analyst *analyst;
	struct distributor *distributor; // NULL: one worker, which reads the source itself
	struct defrag *defrag; // of that one worker; a distributor has its own
	struct line *lines;
	int n_lines;
	bool is_live;
	bool is_started; // the analyst
	bool is_ended; // the lanes
	bool is_stopped;
	struct control *control; // NULL: nobody can talk to it
	struct timespec start;
	void (*pause)(void *ctx, uint64_t now_ns);
	void *pause_ctx;
};

static void on_signal(int) {
	pipeline_stop = 1;
}

void pipeline_signals(void) {
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

static void send_record(void *ctx, const char *text, size_t size) {
	struct line *line = ctx;
	line->n_shed += analyst_send_record(line->ring, text, size, !line->pipeline->is_live) < 0;
}

static void send_activity(void *ctx, const struct activity *activity) {
	struct line *line = ctx;
	const struct flow_moment *moment = flow_moment(line->flows);

	line->n_shed
		+= analyst_send_activity(line->ring, activity, moment, !line->pipeline->is_live)
		< 0;
}

static void send_mark(void *ctx, uint64_t now_ns, uint32_t number) {
	struct line *line = ctx;
	struct flow_moment moment
		= {.time_ns = now_ns, .number = number, .kind = FLOW_MOMENT_FRAME};

	// Nobody waits for a single worker; its marks only tell the time.
	if (line->pipeline->n_lines == 1 && now_ns - line->marked_ns < MARK_NS)
		return;
	line->marked_ns = now_ns;
	analyst_send_mark(line->ring, &moment, !line->pipeline->is_live);
}

static void on_pause(void *ctx, uint64_t now_ns) {
	struct pipeline *p = ctx;

	if (analyst_is_broken(p->analyst))
		pipeline_stop = 1;
	if (p->pause)
		p->pause(p->pause_ctx, now_ns);
}

static int refused(const char *what) {
	fprintf(stderr,
		"postern: no memory for %s: %s; lower --max-flows, --memory or --reassembly\n",
		what,
		strerror(errno));
	return -1;
}

// What all workers share, so that any of them says the same of the same connection.
struct keys {
	uint64_t hash[2];
	uint64_t password[2];
};

// 0, or -1 after one line.
static int rooms_open(struct pipeline *p, struct line *line, const struct keys *keys) {
	const struct config *config = p->config;
	struct engine_config engine = {
		.slab_size = config->memory,
		.interim_ns = config->interim,
		.parse = true,
		.decode = true,
		.scanner = ruleset_scanner(p->ruleset, CONTENT_OPEN_MAX),
		.observer_name = config->observer_name,
		.trusted_proxies = &config->trusted_proxies,
		.records = config->sessions != NULL,
		.out = {.ctx = line, .record = send_record, .activity = send_activity},
	};
	struct flow_config flows
		= {.n_flows = (uint32_t)config->max_flows,
		   .held_size = config->reassembly,
		   .realm_key = keys->hash[0] ^ keys->hash[1],
		   .overlap = config->overlap,
		   .urgent = config->urgent};

	line->pipeline = p;
	line->ring = ring_open(RING_SIZE);
	if (!line->ring)
		return refused("results");
	memcpy(engine.password_key, keys->password, sizeof(keys->password));
	line->engine = engine_open(&engine);
	if (!line->engine)
		return refused("sessions");
	flows.handler = engine_handler(line->engine);
	line->flows = flow_open(&flows);
	if (!line->flows)
		return refused("connections");
	line->worker = (struct worker){
		.flows = line->flows,
		.decode.checksum = config->checksum,
		.decode.tunnels = &config->tunnel_ports,
		.mark = send_mark,
		.mark_ctx = line,
	};
	memcpy(line->worker.decode.hash_key, keys->hash, sizeof(keys->hash));
	return 0;
}

static int distributor_open(struct pipeline *p, const struct keys *keys) {
	struct distribute_config config = {
		.n_workers = p->n_lines,
		.stop = &pipeline_stop,
		.pause = on_pause,
		.pause_ctx = p,
	};

	config.decode.checksum = p->config->checksum;
	config.decode.tunnels = &p->config->tunnel_ports;
	config.overlap = p->config->overlap;
	memcpy(config.decode.hash_key, keys->hash, sizeof(keys->hash));
	p->distributor = distribute_open(&config);
	if (!p->distributor)
		return refused("the workers' queues");
	for (int i = 0; i < p->n_lines; i++)
		p->lines[i].worker.source = distribute_source(p->distributor, i);
	return 0;
}

// One worker puts fragments together itself.
static int defrag_for(struct pipeline *p, struct worker *worker, const struct keys *keys) {
	struct defrag_config config
		= {.overlap = p->config->overlap, .hash_key = {keys->hash[0], keys->hash[1]}};

	p->defrag = defrag_open(&config);
	if (!p->defrag)
		return refused("IP fragments");
	worker->defrag = p->defrag;
	return 0;
}

// 0, or -1 after one line.
static int lines_open(struct pipeline *p) {
	struct keys keys;

	if (getrandom(&keys, sizeof(keys), 0) != sizeof(keys))
		return refused("random keys");
	p->lines = calloc(p->config->workers, sizeof(*p->lines));
	if (!p->lines)
		return refused("workers");
	p->n_lines = (int)p->config->workers;
	for (int i = 0; i < p->n_lines; i++)
		if (rooms_open(p, &p->lines[i], &keys) < 0)
			return -1;
	if (p->n_lines > 1)
		return distributor_open(p, &keys);
	p->lines[0].worker.stop = &pipeline_stop;
	p->lines[0].worker.pause = on_pause;
	p->lines[0].worker.pause_ctx = p;
	return defrag_for(p, &p->lines[0].worker, &keys);
}

static void *line_run(void *ctx) {
	struct line *line = ctx;

	worker_run(&line->worker);
	ring_finish(line->ring);
	return NULL;
}

static void lines_join(struct pipeline *p) {
	for (int i = 0; i < p->n_lines; i++) {
		if (p->lines[i].is_running)
			pthread_join(p->lines[i].thread, NULL);
		p->lines[i].is_running = false;
	}
}

// Signals are for the thread that reads the source: it may wait in a read that they end.
static int threads_start(struct pipeline *p) {
	struct ring *rings[DISTRIBUTE_WORKERS_MAX];
	sigset_t block, before;
	int error = 0;

	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &block, &before);
	for (int i = 0; i < p->n_lines; i++)
		rings[i] = p->lines[i].ring;
	error = -analyst_start(p->analyst, rings, p->n_lines);
	p->is_started = error == 0;
	for (int i = 0; p->distributor && i < p->n_lines && error == 0; i++) {
		error = pthread_create(&p->lines[i].thread, NULL, line_run, &p->lines[i]);
		p->lines[i].is_running = error == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		fprintf(stderr,
			"postern: the system gives no thread: %s; lower --workers\n",
			strerror(error));
	return error ? -1 : 0;
}

// All memory has been reserved by now; the system gives it when it is first touched.
static void print_memory(const struct pipeline *p) {
	size_t n = (size_t)p->n_lines;
	size_t flows
		= flow_memsize(p->lines[0].flows) * n + (p->defrag ? defrag_memsize(p->defrag) : 0);
	size_t sessions = p->config->memory * n;
	size_t queues = RING_SIZE * n + (p->distributor ? distribute_memsize(p->distributor) : 0);
	size_t models = analyst_memsize(p->analyst);

	fprintf(stderr,
		"postern: memory: at most %zu MB: %zu for connections and out-of-order data, %zu "
		"for "
		"sessions, %zu for queues, %zu for accounts and alerts; %d worker%s\n",
		(flows + sessions + queues + models) >> 20,
		flows >> 20,
		sessions >> 20,
		queues >> 20,
		models >> 20,
		p->n_lines,
		n == 1 ? "" : "s");
}

// ---- Sums

static uint64_t n_shed(const struct pipeline *p) {
	uint64_t n = 0;

	for (int i = 0; i < p->n_lines; i++)
		n += p->lines[i].n_shed;
	return n;
}

static void verdicts_add(struct summary *sum, const uint64_t *verdicts) {
	for (int i = 0; i < VERDICT_COUNT; i++)
		sum->verdicts[i] += verdicts[i];
}

static void line_add(struct summary *sum, const struct line *line) {
	sum->n_frames += line->worker.n_frames;
	sum->n_bytes += line->worker.n_bytes;
	sum->n_cut += line->worker.n_cut;
	verdicts_add(sum, line->worker.verdicts);
	if (line->worker.now_ns > sum->until_ns)
		sum->until_ns = line->worker.now_ns;
	summary_add_flows(sum, flow_stats(line->flows));
	summary_add_engine(sum, &line->engine->stats);
}

static void sum_up(const struct pipeline *p, struct summary *sum) {
	*sum = (struct summary){
		.analyst = *analyst_stats(p->analyst),
		.n_shed = n_shed(p),
		.is_stopped = p->is_stopped,
	};
	if (p->distributor) {
		const struct distribute_stats *stats = distribute_stats(p->distributor);
		sum->n_frames = stats->n_frames;
		sum->n_bytes = stats->n_bytes;
		sum->n_cut = stats->n_cut;
		verdicts_add(sum, stats->verdicts);
		sum->defrag = *distribute_defrag_stats(p->distributor);
	}
	if (p->defrag)
		sum->defrag = *defrag_stats(p->defrag);
	for (int i = 0; i < p->n_lines; i++)
		line_add(sum, &p->lines[i]);
}

// ---- Control

static void memory_add(struct stats *stats, const char *name, uint64_t used, uint64_t size) {
	stats->memory[stats->n_memory++]
		= (struct stats_memory){.name = name, .used = used, .size = size};
}

static void stats_memory(const struct pipeline *p, struct stats *stats) {
	uint64_t n = (uint64_t)p->n_lines, sessions = 0;

	for (int i = 0; i < p->n_lines; i++)
		sessions += slab_used(p->lines[i].engine->slab);
	memory_add(stats, "connections", UINT64_MAX, n * flow_memsize(p->lines[0].flows));
	memory_add(stats, "sessions", sessions, n * p->config->memory);
	memory_add(
		stats,
		"queues",
		UINT64_MAX,
		n * RING_SIZE + (p->distributor ? distribute_memsize(p->distributor) : 0)
	);
	memory_add(stats, "models", UINT64_MAX, analyst_memsize(p->analyst));
}

static uint64_t since_ns(const struct timespec *start) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec - start->tv_sec) * 1000000000 + (uint64_t)now.tv_nsec
		- (uint64_t)start->tv_nsec;
}

static void stats_take(const struct pipeline *p, struct stats *stats) {
	*stats = (struct stats){
		.uptime_ns = since_ns(&p->start),
		.observer_name = p->config->observer_name,
		.n_workers = p->n_lines,
	};
	sum_up(p, &stats->sum);
	stats->time_ns = stats->sum.until_ns;
	for (int i = 0; i < p->n_lines; i++) {
		const struct line *line = &p->lines[i];

		stats->workers[i] = (struct stats_worker){
			.n_frames = line->worker.n_frames,
			.n_bytes = line->worker.n_bytes,
			.n_shed = line->n_shed,
			.n_flows = flow_n_open(line->flows),
			.queue = ring_fill(line->ring),
		};
	}
	stats_memory(p, stats);
}

static int answer_stats(void *ctx, FILE *out) {
	static char line[STATS_LINE_SIZE_MAX]; // the control thread's alone
	struct stats stats;
	size_t size;

	stats_take(ctx, &stats);
	size = stats_json_write(&stats, line, sizeof(line));
	fwrite(line, 1, size, out);
	return 0;
}

static int answer_stop(void *, FILE *out) {
	// As a user would: the signal also ends a read that waits. A second one would kill.
	if (!pipeline_stop)
		kill(getpid(), SIGTERM);
	fputs("{\"stopping\":true}", out);
	return 0;
}

static const struct control_command commands[] = {
	{"stats", answer_stats},
	{"stop", answer_stop},
};

// 0, or -1 after one line. A default place that another program has taken is not worth failing for.
static int control_begin(struct pipeline *p) {
	const char *path = p->config->control;
	char error[512], buffer[256];

	if (!path && p->is_live)
		path = control_path_default(buffer, sizeof(buffer));
	if (!path)
		return 0;
	p->control = control_open(
		path, commands, sizeof(commands) / sizeof(commands[0]), p, error, sizeof(error)
	);
	if (p->control)
		return 0;
	fprintf(stderr, "postern: %s\n", error);
	return p->config->control ? -1 : 0;
}

// ---- Opening, running, closing

struct pipeline *pipeline_open(const struct config *config, bool is_live) {
	struct pipeline *p = calloc(1, sizeof(*p));
	char error[512];

	if (!p) {
		fputs("postern: out of memory\n", stderr);
		return NULL;
	}
	p->config = config;
	p->is_live = is_live;
	p->ruleset = ruleset_open(config->rules, config->rule_cache, stderr);
	if (!p->ruleset)
		goto err;
	p->analyst = analyst_open(config, ruleset_rules(p->ruleset), error, sizeof(error));
	if (!p->analyst) {
		fprintf(stderr, "postern: %s\n", error);
		goto err;
	}
	clock_gettime(CLOCK_MONOTONIC, &p->start);
	if (lines_open(p) < 0 || control_begin(p) < 0 || threads_start(p) < 0)
		goto err;
	print_memory(p);
	return p;
err:
	pipeline_close(p);
	return NULL;
}

void pipeline_on_pause(struct pipeline *p, void (*pause)(void *ctx, uint64_t now_ns), void *ctx) {
	p->pause = pause;
	p->pause_ctx = ctx;
}

int pipeline_run(struct pipeline *p, struct source *source) {
	int result;

	if (p->distributor) {
		result = distribute_run(p->distributor, source);
		p->is_ended = true;
		lines_join(p);
	} else {
		p->lines[0].worker.source = source;
		result = worker_run(&p->lines[0].worker);
	}
	p->is_stopped = pipeline_stop;
	return result;
}

// Everything is told to end, and has.
static void threads_end(struct pipeline *p) {
	if (p->distributor && !p->is_ended)
		distribute_end(p->distributor);
	p->is_ended = true;
	lines_join(p);
	for (int i = 0; i < p->n_lines; i++)
		if (p->lines[i].ring)
			ring_finish(p->lines[i].ring);
	if (p->is_started)
		analyst_join(p->analyst);
	p->is_started = false;
}

enum exit_status pipeline_finish(struct pipeline *p) {
	const char *error;

	threads_end(p);
	analyst_flush(p->analyst);
	error = analyst_error(p->analyst);
	if (error) {
		fprintf(stderr, "postern: %s\n", error);
		return EXIT_BAD_INPUT;
	}
	const struct analyst_stats *stats = analyst_stats(p->analyst);
	return n_shed(p) || stats->n_lost || stats->is_unkept ? EXIT_LOST : EXIT_DONE;
}

bool pipeline_summary(const struct pipeline *p) {
	struct summary sum;

	// Who closes a pipe has seen enough.
	if (analyst_reader_is_gone(p->analyst))
		return false;
	sum_up(p, &sum);
	summary_print(&sum, stderr);
	return true;
}

void pipeline_close(struct pipeline *p) {
	if (!p)
		return;
	control_close(p->control);
	threads_end(p);
	for (int i = 0; i < p->n_lines; i++) {
		flow_close(p->lines[i].flows);
		engine_close(p->lines[i].engine);
		ring_close(p->lines[i].ring);
	}
	distribute_close(p->distributor);
	defrag_close(p->defrag);
	analyst_close(p->analyst);
	ruleset_close(p->ruleset);
	free(p->lines);
	free(p);
}
