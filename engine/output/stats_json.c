// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Zeros are written too: who watches a counter wants to see it before it first moves.

#include "output/ecs.h"
#include "output/json.h"
#include "stats.h"

#include <string.h>

static void decode_write(const struct summary *sum, struct json *json) {
	json_begin_object(json, "decode");
	for (int i = 0; i < VERDICT_COUNT; i++)
		json_put_u64(json, verdict_name(i), sum->verdicts[i]);
	json_end_object(json);
}

static void flows_write(const struct summary *sum, struct json *json) {
	json_begin_object(json, "flows");
#define FLOW_STAT(name, text) json_put_u64(json, #name, sum->flows.name);
#include "flow_stat.def"
#undef FLOW_STAT
	json_end_object(json);
}

static void fragments_write(const struct summary *sum, struct json *json) {
	json_begin_object(json, "fragments");
#define DEFRAG_STAT(name, text) json_put_u64(json, #name, sum->defrag.name);
#include "defrag_stat.def"
#undef DEFRAG_STAT
	json_end_object(json);
}

static void sessions_write(const struct summary *sum, struct json *json) {
	const struct engine_stats *engine = &sum->engine;

	json_begin_object(json, "sessions");
	json_put_u64(json, "imap", engine->sessions[ACTIVITY_IMAP]);
	json_put_u64(json, "smtp", engine->sessions[ACTIVITY_SMTP]);
	json_put_u64(json, "lmtp", engine->n_lmtp);
	json_put_u64(json, "pop3", engine->sessions[ACTIVITY_POP3]);
	json_put_u64(json, "sieve", engine->sessions[ACTIVITY_SIEVE]);
	json_put_u64(json, "tls", engine->sessions[ACTIVITY_TLS]);
	json_put_u64(json, "unrecognised", engine->n_unrecognised);
	json_put_u64(json, "proxied", engine->n_proxied);
	json_put_u64(json, "proxy_refused", engine->n_proxy_refused);
	json_put_u64(json, "refused", engine->n_refused);
	json_put_u64(json, "memory_full", engine->memory_full);
	json_put_u64(json, "content_refused", engine->content_refused);
	json_put_u64(json, "matches", engine->n_matches);
	json_end_object(json);
}

static void results_write(const struct summary *sum, struct json *json) {
	json_begin_object(json, "results");
	json_put_u64(json, "activities", sum->analyst.n_activities);
	json_put_u64(json, "records", sum->analyst.n_records);
	json_put_u64(json, "alerts", sum->analyst.n_alerts);
	json_put_u64(json, "shed", sum->n_shed);
	json_put_u64(json, "lost", sum->analyst.n_lost);
	json_end_object(json);
}

static void store_write(const struct analyst_stats *analyst, struct json *json) {
	if (!analyst->has_store)
		return;
	json_begin_object(json, "store");
	json_put_u64(json, "snapshots", analyst->store.generation);
	json_put_u64(json, "failed", analyst->store.n_failed);
	json_put_u64(json, "late", analyst->store.n_late);
	json_put_u64(json, "behind", analyst->store.behind_ns);
	json_end_object(json);
}

static void connections_write(const struct flow_counts *flows, struct json *json) {
	json_begin_object(json, "connections");
	json_put_u64(json, "opening", flows->opening);
	json_put_u64(json, "read", flows->read);
	json_put_u64(json, "unread", flows->unread);
	json_put_u64(json, "closed", flows->closed);
	json_end_object(json);
}

static void workers_write(const struct stats *stats, struct json *json) {
	json_begin_array(json, "workers");
	for (int i = 0; i < stats->n_workers; i++) {
		const struct stats_worker *worker = &stats->workers[i];

		json_begin_object(json, NULL);
		json_put_u64(json, "packets", worker->n_frames);
		json_put_u64(json, "bytes", worker->n_bytes);
		connections_write(&worker->flows, json);
		json_put_double(json, "busy", worker->busy, 4);
		json_put_double(json, "queue", worker->queue, 4);
		json_put_u64(json, "shed", worker->n_shed);
		json_end_object(json);
	}
	json_end_array(json);
}

static void memory_write(const struct stats *stats, struct json *json) {
	json_begin_object(json, "memory");
	for (int i = 0; i < stats->n_memory; i++) {
		json_begin_object(json, stats->memory[i].name);
		if (stats->memory[i].used != UINT64_MAX)
			json_put_u64(json, "used", stats->memory[i].used);
		json_put_u64(json, "reserved", stats->memory[i].size);
		json_end_object(json);
	}
	json_end_object(json);
}

static void say(void *ctx, const char *text) {
	json_put_text(ctx, NULL, text);
}

static void postern_write(const struct stats *stats, struct json *json) {
	json_begin_object(json, "postern");
	json_put_u64(json, "uptime", stats->uptime_ns); // ns
	json_put_u64(json, "packets", stats->sum.n_frames);
	json_put_u64(json, "bytes", stats->sum.n_bytes);
	json_put_u64(json, "cut", stats->sum.n_cut);
	json_put_u64(json, "lane_full", stats->sum.n_lane_full);
	json_put_u64(json, "handed", stats->sum.exchange.handed);
	json_put_u64(json, "ring_full", stats->sum.exchange.ring_full);
	decode_write(&stats->sum, json);
	fragments_write(&stats->sum, json);
	flows_write(&stats->sum, json);
	sessions_write(&stats->sum, json);
	results_write(&stats->sum, json);
	store_write(&stats->sum.analyst, json);
	workers_write(stats, json);
	memory_write(stats, json);
	if (stats->more)
		stats->more(stats->more_ctx, json);
	json_begin_array(json, "diagnoses");
	summary_diagnose(&stats->sum, say, json);
	json_end_array(json);
	json_end_object(json);
}

size_t stats_json_write(const struct stats *stats, char *line, size_t size) {
	struct json json;

	json_open(&json, line, size);
	json_begin_object(&json, NULL);
	json_put_time(&json, "@timestamp", stats->time_ns);
	ecs_version_write(&json);
	json_begin_object(&json, "event");
	json_put_text(&json, "kind", "metric");
	json_put_text(&json, "module", "postern");
	json_put_text(&json, "dataset", "postern.stats");
	json_end_object(&json);
	ecs_observer_write(&json, stats->observer_name);
	postern_write(stats, &json);
	json_end_object(&json);
	return json.is_full ? 0 : json.used;
}
