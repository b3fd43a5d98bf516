// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a pipeline counts, for whoever asks: control, stats lines, telemetry, and the summary at the end.

#include "cycles.h"
#include "pipeline_private.h"

size_t pipeline_queues_memsize(const struct pipeline *p) {
	return PIPELINE_RING_SIZE * (size_t)p->n_lines
		+ (p->distributor ? distribute_memsize(p->distributor) : 0)
		+ (p->exchange ? exchange_memsize(p->exchange) : 0);
}

uint64_t pipeline_n_shed(const struct pipeline *p) {
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
	if (line->worker.n_frames > sum->n_frames_most)
		sum->n_frames_most = line->worker.n_frames;
	sum->n_cut += line->worker.n_cut;
	verdicts_add(sum, line->worker.verdicts);
	if (line->worker.now_ns > sum->until_ns)
		sum->until_ns = line->worker.now_ns;
	if (line->defrag)
		summary_add_defrag(sum, defrag_stats(line->defrag));
	summary_add_flows(sum, flow_stats(line->flows));
	summary_add_engine(sum, &line->engine->stats);
}

void pipeline_sum(const struct pipeline *p, struct summary *sum) {
	*sum = (struct summary){
		.analyst = *analyst_stats(p->analyst),
		.n_shed = pipeline_n_shed(p),
		.is_stopped = p->is_stopped,
		.is_live = p->is_live,
		.n_workers = p->n_lines,
	};
	if (p->distributor) {
		const struct distribute_stats *stats = distribute_stats(p->distributor);
		sum->n_frames = stats->n_frames;
		sum->n_bytes = stats->n_bytes;
		sum->n_cut = stats->n_cut;
		verdicts_add(sum, stats->verdicts);
		sum->defrag = *distribute_defrag_stats(p->distributor);
		sum->n_lane_full = stats->n_waits;
	}
	if (p->exchange)
		exchange_stats(p->exchange, &sum->exchange);
	for (int i = 0; i < p->n_lines; i++)
		line_add(sum, &p->lines[i]);
}

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
	memory_add(stats, "queues", UINT64_MAX, pipeline_queues_memsize(p));
	memory_add(stats, "models", UINT64_MAX, analyst_memsize(p->analyst));
}

static uint64_t since_ns(const struct timespec *start) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec - start->tv_sec) * 1000000000 + (uint64_t)now.tv_nsec
		- (uint64_t)start->tv_nsec;
}

static double busy_share(struct line *line, enum stats_reader reader) {
	uint64_t busy = line->worker.busy_cycles, now = cycles_now();
	uint64_t since
		= line->seen[reader].now ? line->seen[reader].now : line->worker.start_cycles;
	double share = 0;

	if (line->worker.start_cycles && now > since)
		share = (double)(busy - line->seen[reader].busy) / (double)(now - since);
	line->seen[reader].busy = busy;
	line->seen[reader].now = now;
	return share > 1 ? 1 : share;
}

void pipeline_stats_take(struct pipeline *p, enum stats_reader reader, struct stats *stats) {
	*stats = (struct stats){
		.uptime_ns = since_ns(&p->start),
		.observer_name = p->config->observer_name,
		.n_workers = p->n_lines,
		.more = p->more,
		.more_ctx = p->more_ctx,
	};
	pipeline_sum(p, &stats->sum);
	stats->time_ns = stats->sum.until_ns;
	for (int i = 0; i < p->n_lines; i++) {
		struct line *line = &p->lines[i];

		stats->workers[i] = (struct stats_worker){
			.n_frames = line->worker.n_frames,
			.n_bytes = line->worker.n_bytes,
			.n_shed = line->n_shed,
			.busy = busy_share(line, reader),
			.queue = ring_fill(line->ring),
		};
		flow_counts(line->flows, &stats->workers[i].flows);
	}
	stats_memory(p, stats);
}

void pipeline_stats(struct pipeline *p, struct stats *stats) {
	pipeline_stats_take(p, STATS_TELEMETRY, stats);
}

const char *pipeline_stats_line(void *ctx, uint64_t now_ns, size_t *size_r) {
	static char line[STATS_LINE_SIZE_MAX]; // the analyst's alone
	struct stats stats;

	pipeline_stats_take(ctx, STATS_LINE, &stats);
	stats.time_ns = now_ns;
	*size_r = stats_json_write(&stats, line, sizeof(line));
	return line;
}
