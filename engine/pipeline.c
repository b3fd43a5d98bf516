// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "pipeline.h"

#include "clients.h"
#include "networks.h"
#include "pending.h"
#include "pipeline_private.h"
#include "place.h"
#include "reload.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
	MARK_NS = 100000000, // of event time, between marks that only tell it
};

volatile sig_atomic_t pipeline_stop;

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

static void send_offer(void *ctx, const struct offer_heard *heard) {
	struct line *line = ctx;
	const struct flow_moment *moment = flow_moment(line->flows);

	line->n_shed += analyst_send_offer(line->ring, heard, moment, !line->pipeline->is_live) < 0;
}

static void send_mark(void *ctx, uint64_t now_ns, uint32_t number) {
	struct line *line = ctx;

	engine_quiesce(line->engine);
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
		.scanner = reload_scanner(p->rules),
		.raw_charset = config->header_charset,
		.observer_name = config->observer_name,
		.trusted_proxies = &config->trusted_proxies,
		.accounts = {
			.is_case_kept = !config->fold_case,
			.default_domain = config->default_domain,
			.strip_domains = config->strip_domains,
			.master_separators = config->master_separator,
		},
		.clients = p->clients,
		.networks = p->networks,
		.records = config->sessions != NULL,
		.out = {.ctx = line, .record = send_record, .activity = send_activity, .offer = send_offer},
	};
	struct flow_config flows
		= {.n_flows = (uint32_t)config->max_flows,
		   .held_size = config->reassembly,
		   .realm_key = keys->hash[0] ^ keys->hash[1],
		   .overlap = config->overlap,
		   .urgent = config->urgent};

	line->pipeline = p;
	line->ring = ring_open(PIPELINE_RING_SIZE);
	if (!line->ring)
		return refused("results");
	memcpy(engine.password_key, keys->password, sizeof(keys->password));
	line->engine = engine_open(&engine);
	if (!line->engine)
		return refused("sessions");
	p->engines[line - p->lines] = line->engine;
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

// Workers with sources of their own put fragments together themselves.
static int defrag_for(struct pipeline *p, struct line *line, const struct keys *keys) {
	struct defrag_config config
		= {.overlap = p->config->overlap, .hash_key = {keys->hash[0], keys->hash[1]}};

	line->defrag = defrag_open(&config);
	if (!line->defrag)
		return refused("IP fragments");
	line->worker.defrag = line->defrag;
	return 0;
}

static int exchange_for(struct pipeline *p, const uint8_t *owners) {
	p->exchange = exchange_open(&(struct exchange_config
	){.n_workers = p->n_lines, .owners = owners});
	if (!p->exchange)
		return refused("what the workers hand over");
	for (int i = 0; i < p->n_lines; i++) {
		p->lines[i].worker.exchange = p->exchange;
		p->lines[i].worker.index = i;
	}
	return 0;
}

// owners: of sources that the workers have themselves. 0, or -1 after one line.
static int lines_open(struct pipeline *p, const uint8_t *owners) {
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
	if (p->n_lines > 1 && !owners)
		return distributor_open(p, &keys);
	for (int i = 0; i < p->n_lines; i++)
		if (defrag_for(p, &p->lines[i], &keys) < 0)
			return -1;
	if (owners)
		return exchange_for(p, owners);
	p->lines[0].worker.stop = &pipeline_stop;
	p->lines[0].worker.pause = on_pause;
	p->lines[0].worker.pause_ctx = p;
	return 0;
}

static void *line_run(void *ctx) {
	struct line *line = ctx;
	const struct config_numbers *cores = &line->pipeline->config->cores;
	uint32_t i = (uint32_t)(line - line->pipeline->lines);

	if (i < cores->n)
		place_on_cpu(cores->number[i]);
	line->result = worker_run(&line->worker);
	ring_finish(line->ring);
	line->is_done = true;
	return NULL;
}

// For threads that begin now. Signals are for the one that reads the source or waits: they end a read.
static void signals_hold(sigset_t *before) {
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ours, before);
}

static int line_start(struct line *line) {
	sigset_t before;
	int error;

	signals_hold(&before);
	error = pthread_create(&line->thread, NULL, line_run, line);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	line->is_running = error == 0;
	return error;
}

static int no_thread(int error) {
	fprintf(stderr,
		"postern: the system gives no thread: %s; lower --workers\n",
		strerror(error));
	return -1;
}

static void lines_join(struct pipeline *p) {
	for (int i = 0; i < p->n_lines; i++) {
		if (p->lines[i].is_running)
			pthread_join(p->lines[i].thread, NULL);
		p->lines[i].is_running = false;
	}
}

static int threads_start(struct pipeline *p) {
	struct ring *rings[DISTRIBUTE_WORKERS_MAX];
	sigset_t before;
	int error;

	for (int i = 0; i < p->n_lines; i++)
		rings[i] = p->lines[i].ring;
	signals_hold(&before);
	error = -analyst_start(p->analyst, rings, p->n_lines);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	p->is_started = error == 0;
	for (int i = 0; p->distributor && i < p->n_lines && error == 0; i++)
		error = line_start(&p->lines[i]);
	return error ? no_thread(error) : 0;
}

// All memory has been reserved by now; the system gives it when it is first touched.
static void print_memory(const struct pipeline *p) {
	size_t n = (size_t)p->n_lines;
	size_t flows = (flow_memsize(p->lines[0].flows)
			+ (p->lines[0].defrag ? defrag_memsize(p->lines[0].defrag) : 0))
		* n;
	size_t sessions = (p->config->memory + pending_memsize()) * n;
	size_t queues = pipeline_queues_memsize(p);
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

// ---- Control

static int answer_stats(void *ctx, FILE *out) {
	struct pipeline *p = ctx;
	static char line[STATS_LINE_SIZE_MAX]; // the control thread's alone
	struct stats stats;
	size_t size;

	reload_reap(p->rules, p->engines, p->n_lines);
	pipeline_stats_take(p, STATS_CONTROL, &stats);
	size = stats_json_write(&stats, line, sizeof(line));
	fwrite(line, 1, size, out);
	return 0;
}

static int answer_reload(void *ctx, FILE *out) {
	struct pipeline *p = ctx;

	return reload_run(p->rules, p->analyst, p->engines, p->n_lines, out);
}

static int answer_stop(void *, FILE *out) {
	// As a user would: the signal also ends a read that waits. A second one would kill.
	if (!pipeline_stop)
		kill(getpid(), SIGTERM);
	fputs("{\"stopping\":true}", out);
	return 0;
}

static const struct control_command commands[] = {
	{"reload", answer_reload, .is_slow = true},
	{"stats", answer_stats, .is_slow = false},
	{"stop", answer_stop, .is_slow = false},
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

static struct pipeline *open_as(const struct config *config, bool is_live, const uint8_t *owners) {
	struct pipeline *p = calloc(1, sizeof(*p));
	char error[512];

	if (!p) {
		fputs("postern: out of memory\n", stderr);
		return NULL;
	}
	p->config = config;
	p->is_live = is_live;
	p->rules = reload_open(config, stderr);
	p->clients = clients_open(config->clients, stderr);
	if (!p->rules || !p->clients || networks_of(config, &p->networks) < 0)
		goto err;
	p->analyst = analyst_open(config, reload_rules(p->rules), error, sizeof(error));
	if (!p->analyst) {
		fprintf(stderr, "postern: %s\n", error);
		goto err;
	}
	analyst_set_networks(p->analyst, p->networks);
	clock_gettime(CLOCK_MONOTONIC, &p->start);
	if (config->stats && !config->sessions) {
		fputs("postern: --stats TIME needs --sessions FILE: its lines go there\n", stderr);
		goto err;
	}
	analyst_on_stats(p->analyst, config->stats, pipeline_stats_line, p);
	if (lines_open(p, owners) < 0 || threads_start(p) < 0 || control_begin(p) < 0)
		goto err;
	print_memory(p);
	return p;
err:
	pipeline_close(p);
	return NULL;
}

struct pipeline *pipeline_open(const struct config *config, bool is_live) {
	return open_as(config, is_live, NULL);
}

struct pipeline *pipeline_open_spread(const struct config *config, const uint8_t *owners) {
	return open_as(config, true, owners);
}

void pipeline_on_pause(struct pipeline *p, void (*pause)(void *ctx, uint64_t now_ns), void *ctx) {
	p->pause = pause;
	p->pause_ctx = ctx;
}

// The thread that reads the source: the only worker, or who distributes, on a CPU behind the workers'.
static void place_reader(const struct pipeline *p) {
	const struct config_numbers *cores = &p->config->cores;
	uint32_t i = p->distributor ? (uint32_t)p->n_lines : 0;

	if (i < cores->n)
		place_on_cpu(cores->number[i]);
}

int pipeline_run(struct pipeline *p, struct source *source) {
	int result;

	place_reader(p);
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

static bool all_done(const struct pipeline *p) {
	for (int i = 0; i < p->n_lines; i++)
		if (!p->lines[i].is_done)
			return false;
	return true;
}

// A source that breaks ends them all: half of a mirror is none.
static bool one_broke(const struct pipeline *p) {
	for (int i = 0; i < p->n_lines; i++)
		if (p->lines[i].worker.is_broken)
			return true;
	return false;
}

// Signals come to this thread; it looks at the outputs meanwhile.
int pipeline_run_spread(struct pipeline *p, struct source *const *sources) {
	const struct timespec look = {.tv_nsec = 20000000};
	int error = 0;

	for (int i = 0; i < p->n_lines; i++) {
		p->lines[i].worker.source = sources[i];
		p->lines[i].worker.stop = &pipeline_stop;
		if (error == 0)
			error = line_start(&p->lines[i]);
		if (error)
			exchange_leave(p->exchange, i); // nobody waits for it
	}
	if (error)
		no_thread(error);
	while (!error && !pipeline_stop && !all_done(p) && !one_broke(p)) {
		on_pause(p, 0);
		nanosleep(&look, NULL);
	}
	p->is_stopped = pipeline_stop;
	if (!all_done(p))
		pipeline_stop = 1;
	lines_join(p);
	return error || one_broke(p) ? SOURCE_BROKEN : 0;
}

void pipeline_give(const struct pipeline *p, uid_t uid, gid_t gid) {
	if (p->control)
		control_give(p->control, uid, gid);
}

void pipeline_on_reload(struct pipeline *p, const struct reload_more *more) {
	reload_with(p->rules, more);
}

void pipeline_on_stats(struct pipeline *p, void (*more)(void *ctx, struct json *json), void *ctx) {
	p->more_ctx = ctx;
	p->more = more;
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
	struct exchange_stats exchange = {0};
	const char *error;

	threads_end(p);
	analyst_flush(p->analyst);
	error = analyst_error(p->analyst);
	if (error) {
		fprintf(stderr, "postern: %s\n", error);
		return EXIT_BAD_INPUT;
	}
	if (reload_n_bad(p->rules) || clients_n_bad(p->clients))
		return EXIT_BAD_INPUT;
	const struct analyst_stats *stats = analyst_stats(p->analyst);
	if (p->exchange)
		exchange_stats(p->exchange, &exchange);
	return pipeline_n_shed(p) || stats->n_lost || stats->is_unkept || exchange.ring_full
		? EXIT_LOST
		: EXIT_DONE;
}

bool pipeline_summary(const struct pipeline *p) {
	struct summary sum;

	// Who closes a pipe has seen enough.
	if (analyst_reader_is_gone(p->analyst))
		return false;
	pipeline_sum(p, &sum);
	summary_print(&sum, stderr);
	return true;
}

void pipeline_close(struct pipeline *p) {
	if (!p)
		return;
	control_close(p->control);
	threads_end(p);
	for (int i = 0; i < p->n_lines; i++) {
		defrag_close(p->lines[i].defrag);
		flow_close(p->lines[i].flows);
		engine_close(p->lines[i].engine);
		ring_close(p->lines[i].ring);
	}
	distribute_close(p->distributor);
	exchange_close(p->exchange);
	analyst_close(p->analyst);
	reload_close(p->rules);
	clients_close(p->clients);
	networks_close(p->networks);
	free(p->lines);
	free(p);
}
