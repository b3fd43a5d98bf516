// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "pipeline.h"

#include "analyst.h"
#include "engine.h"
#include "limits.h"
#include "match/ruleset.h"
#include "ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { RING_SIZE = 16 << 20 }; // some 3,000 activities: a moment's burst of logins

volatile sig_atomic_t pipeline_stop;

struct pipeline {
	const struct config *config;
	struct ruleset *ruleset;
	struct scanner *scanner;
	struct analyst *analyst;
	struct ring *ring;
	struct engine *engine;
	struct flow_table *flows;
	struct worker worker;
	bool is_live;
	uint64_t n_shed; // records and activities the ring had no room for
	void (*pause)(void *ctx, uint64_t now_ns);
	void *pause_ctx;
	char hostname[256];
};

static void on_signal(int) {
	pipeline_stop = 1;
}

void pipeline_signals(void) {
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void send_record(void *ctx, const char *line, size_t size) {
	struct pipeline *p = ctx;
	p->n_shed += analyst_send_record(p->ring, line, size, !p->is_live) < 0;
}

static void send_activity(void *ctx, const struct activity *activity) {
	struct pipeline *p = ctx;
	p->n_shed += analyst_send_activity(p->ring, activity, !p->is_live) < 0;
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

// The worker's rooms, in the order a packet walks them. 0, or -1 after one line.
static int rooms_open(struct pipeline *p) {
	const struct config *config = p->config;
	struct engine_config engine = {
		.slab_size = config->memory,
		.interim_ns = config->interim,
		.parse = true,
		.scanner = p->scanner,
		.rules = ruleset_rules(p->ruleset),
		.observer_name = config->observer_name,
		.trusted_proxies = &config->trusted_proxies,
		.records = config->sessions != NULL,
		.out = {.ctx = p, .record = send_record, .activity = send_activity},
	};
	struct flow_config flows
		= {.n_flows = (uint32_t)config->max_flows, .held_size = config->reassembly};

	if (getrandom(engine.password_key, sizeof(engine.password_key), 0) < 0
	    || getrandom(p->worker.decode.hash_key, sizeof(p->worker.decode.hash_key), 0) < 0)
		return refused("random keys");
	p->engine = engine_open(&engine);
	if (!p->engine)
		return refused("sessions");
	flows.handler = engine_handler(p->engine);
	p->flows = flow_open(&flows);
	if (!p->flows)
		return refused("connections");
	p->worker.flows = p->flows;
	p->worker.decode.checksum = config->checksum;
	p->worker.stop = &pipeline_stop;
	p->worker.pause = on_pause;
	p->worker.pause_ctx = p;
	return 0;
}

struct pipeline *pipeline_open(const struct config *config, bool is_live) {
	struct pipeline *p = calloc(1, sizeof(*p));
	char error[512];

	if (!p) {
		fputs("postern: out of memory\n", stderr);
		return NULL;
	}
	p->config = config;
	p->is_live = is_live;
	p->ruleset = ruleset_open(config->rules, stderr);
	if (!p->ruleset)
		goto err;
	p->analyst = analyst_open(config, ruleset_rules(p->ruleset), error, sizeof(error));
	if (!p->analyst) {
		fprintf(stderr, "postern: %s\n", error);
		goto err;
	}
	p->scanner = ruleset_scanner(p->ruleset, CONTENT_OPEN_MAX);
	p->ring = ring_open(RING_SIZE);
	if (!p->ring) {
		refused("results");
		goto err;
	}
	if (rooms_open(p) < 0)
		goto err;
	if (analyst_start(p->analyst, p->ring) < 0) {
		fputs("postern: the system gives no thread\n", stderr);
		goto err;
	}
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
	p->worker.source = source;
	return worker_run(&p->worker);
}

enum exit_status pipeline_finish(struct pipeline *p) {
	const char *error;

	ring_finish(p->ring);
	analyst_join(p->analyst);
	analyst_flush(p->analyst);
	error = analyst_error(p->analyst);
	if (error) {
		fprintf(stderr, "postern: %s\n", error);
		return EXIT_BAD_INPUT;
	}
	return p->n_shed || analyst_stats(p->analyst)->n_lost ? EXIT_LOST : EXIT_DONE;
}

static void summary_traffic(const struct pipeline *p) {
	const struct worker *w = &p->worker;

	fprintf(stderr,
		"postern: %llu packets, %llu bytes",
		(unsigned long long)w->n_frames,
		(unsigned long long)w->n_bytes);
	for (int i = 0; i < VERDICT_COUNT; i++)
		if (i != VERDICT_tcp && w->verdicts[i])
			fprintf(stderr,
				"; %llu %s",
				(unsigned long long)w->verdicts[i],
				verdict_name(i));
	fputc('\n', stderr);
	if (w->n_cut)
		fprintf(stderr,
			"postern: %llu packets were cut by the capture's snap length: what stood "
			"there is unread; "
			"capture with a snap length of 0 (tcpdump -s 0)\n",
			(unsigned long long)w->n_cut);
}

static void summary_streams(const struct pipeline *p) {
	static const struct {
		const char *name;
		size_t offset;
	} stats[] = {
#define FLOW_STAT(name, text) {#name, offsetof(struct flow_stats, name)},
#include "flow_stat.def"
#undef FLOW_STAT
	};
	const char *separator = "postern: ";

	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
		uint64_t value;
		memcpy(&value, (const char *)flow_stats(p->flows) + stats[i].offset, sizeof(value));
		if (!value)
			continue;
		fprintf(stderr, "%s%llu %s", separator, (unsigned long long)value, stats[i].name);
		separator = ", ";
	}
	fputs(separator[0] == ',' ? "\n" : "", stderr);
}

static void summary_sessions(const struct pipeline *p) {
	const struct engine_stats *e = &p->engine->stats;
	const struct analyst_stats *a = analyst_stats(p->analyst);

	fprintf(stderr,
		"postern: sessions: %llu IMAP, %llu SMTP, %llu encrypted, %llu others; %llu "
		"records, %llu alerts\n",
		(unsigned long long)e->sessions[ACTIVITY_IMAP],
		(unsigned long long)e->sessions[ACTIVITY_SMTP],
		(unsigned long long)e->sessions[ACTIVITY_TLS],
		(unsigned long long)(e->sessions[ACTIVITY_POP3] + e->n_unrecognised),
		(unsigned long long)a->n_records,
		(unsigned long long)a->n_alerts);
	if (e->n_refused || e->memory_full || e->content_refused)
		fprintf(stderr,
			"postern: memory was full: %llu sessions not read, %llu things not kept, "
			"%llu messages not scanned; raise --memory\n",
			(unsigned long long)e->n_refused,
			(unsigned long long)e->memory_full,
			(unsigned long long)e->content_refused);
	if (p->n_shed)
		fprintf(stderr,
			"postern: %llu results were shed: the outputs are too slow\n",
			(unsigned long long)p->n_shed);
}

void pipeline_summary(const struct pipeline *p) {
	summary_traffic(p);
	summary_streams(p);
	summary_sessions(p);
}

void pipeline_close(struct pipeline *p) {
	if (!p)
		return;
	flow_close(p->flows);
	engine_close(p->engine);
	analyst_close(p->analyst);
	ring_close(p->ring);
	ruleset_close(p->ruleset);
	free(p);
}
