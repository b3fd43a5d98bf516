// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Numbers that are zero are left out; what points to a fault in the capture is said with what to do.
// Counters keep their names, so that they are found again in records and in the documentation.

#include "summary.h"

#include <stdarg.h>
#include <stddef.h>
#include <time.h>

typedef unsigned long long ull; // for printf

// All members of both are uint64_t.
static void words_add(void *sum, const void *stats, size_t size) {
	uint64_t *to = sum;
	const uint64_t *from = stats;

	for (size_t i = 0; i < size / sizeof(*to); i++)
		to[i] += from[i];
}

void summary_add_flows(struct summary *summary, const struct flow_stats *stats) {
	words_add(&summary->flows, stats, sizeof(*stats));
}

void summary_add_defrag(struct summary *summary, const struct defrag_stats *stats) {
	static_assert(sizeof(*stats) % sizeof(uint64_t) == 0, "only words");
	words_add(&summary->defrag, stats, sizeof(*stats));
}

void summary_add_engine(struct summary *summary, const struct engine_stats *stats) {
	static_assert(sizeof(*stats) % sizeof(uint64_t) == 0, "only words");
	words_add(&summary->engine, stats, sizeof(*stats));
}

static void print_stop(const struct summary *s, FILE *out) {
	time_t seconds = (time_t)(s->until_ns / 1000000000);
	struct tm tm;
	char text[32];

	if (!s->is_stopped || s->is_live)
		return;
	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(out,
		"postern: stopped before the end: read up to %s, the rest was not; sessions still "
		"open were recorded as far as seen\n",
		s->n_frames ? text : "nothing");
}

static void size_text(uint64_t n, char *text, size_t size) {
	if (n < 1000000)
		snprintf(text, size, "%llu bytes", (ull)n);
	else
		snprintf(text, size, "%.1f MB", (double)n / 1e6);
}

static void print_packets(const struct summary *s, FILE *out) {
	char size[32];

	size_text(s->n_bytes, size, sizeof(size));
	fprintf(out,
		"postern: %llu packets, %s; %llu of them TCP\n",
		(ull)s->n_frames,
		size,
		(ull)s->verdicts[VERDICT_tcp]);
	for (int i = 0; i < VERDICT_COUNT; i++)
		if (i != VERDICT_tcp && i != VERDICT_fragment && s->verdicts[i])
			fprintf(out,
				"postern: %llu packets not used: %s (%s)\n",
				(ull)s->verdicts[i],
				verdict_text(i),
				verdict_name(i));
}

// What became of fragments, segments and connections.
static void print_fates(const struct summary *s, FILE *out) {
	static const struct {
		const char *name, *text;
		size_t offset;
	} stats[] = {
#define DEFRAG_STAT(name, text)                                                                    \
	{#name, text, offsetof(struct summary, defrag) + offsetof(struct defrag_stats, name)},
#include "defrag_stat.def"
#undef DEFRAG_STAT
#define FLOW_STAT(name, text)                                                                      \
	{#name, text, offsetof(struct summary, flows) + offsetof(struct flow_stats, name)},
#include "flow_stat.def"
#undef FLOW_STAT
	};

	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
		uint64_t n = *(const uint64_t *)((const char *)s + stats[i].offset);

		if (n)
			fprintf(out,
				"postern: %10llu  %s (%s)\n",
				(ull)n,
				stats[i].text,
				stats[i].name);
	}
}

static void print_sessions(const struct summary *s, FILE *out) {
	const struct engine_stats *e = &s->engine;

	fprintf(out,
		"postern: sessions: %llu IMAP, %llu SMTP, %llu POP3, %llu encrypted from the "
		"start, "
		"%llu not mail\n",
		(ull)e->sessions[ACTIVITY_IMAP],
		(ull)e->sessions[ACTIVITY_SMTP],
		(ull)e->sessions[ACTIVITY_POP3],
		(ull)e->sessions[ACTIVITY_TLS],
		(ull)e->n_unrecognised);
	if (e->n_proxied + e->n_proxy_refused > 0)
		fprintf(out,
			"postern: %llu of them through a SOCKS or HTTP proxy; %llu more were "
			"refused by "
			"one, or connected in a way that is not read\n",
			(ull)e->n_proxied,
			(ull)e->n_proxy_refused);
	fprintf(out,
		"postern: %llu session records, %llu alerts\n",
		(ull)s->analyst.n_records,
		(ull)s->analyst.n_alerts);
}

// Where sentences go.
struct speaker {
	void (*say)(void *ctx, const char *text);
	void *ctx;
};

__attribute__((format(printf, 2, 3))) static void
tell(const struct speaker *to, const char *format, ...) {
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	to->say(to->ctx, text);
}

static void tell_cut(const struct summary *s, const struct speaker *to) {
	if (s->n_cut)
		tell(to,
		     "%llu packets were cut by the capture's snap length and the rest of them is "
		     "unread: capture with a snap length of 0 (tcpdump -s 0)",
		     (ull)s->n_cut);
}

static void tell_checksums(const struct summary *s, const struct speaker *to) {
	uint64_t n_bad = s->flows.segment_bad_checksum;

	if (n_bad * 100 > s->n_frames)
		tell(to,
		     "%.0f %% of the packets have a wrong checksum on connections that have shown "
		     "right ones, and were left out: damage on the way, or somebody inserts "
		     "packets; --checksum=no takes them all",
		     100.0 * (double)n_bad / (double)s->n_frames);
	if (s->flows.checksum_unverified * 100 > s->n_frames)
		tell(to,
		     "%.0f %% of the packets have a wrong checksum and come from hosts that never "
		     "show a right one: a host that captures its own traffic, whose network card "
		     "fills checksums in later, or a capture that was made anonymous; they were "
		     "taken as they are",
		     100.0 * (double)s->flows.checksum_unverified / (double)s->n_frames);
}

static void tell_holes(const struct summary *s, const struct speaker *to) {
	uint64_t n_data = s->flows.segment_in_order + s->flows.segment_held;
	char size[32];

	if (!s->flows.gap)
		return;
	size_text(s->flows.gap_bytes, size, sizeof(size));
	tell(to,
	     "%llu holes, %s, in what the hosts exchanged are missing from the input%s",
	     (ull)s->flows.gap,
	     size,
	     s->flows.gap * 1000 > n_data
		     ? ": the mirror port or the capturing host drops packets, or not all of their "
		       "paths are mirrored"
		     : "");
}

// Connections that carried data and of which one direction never came.
static void tell_sides(const struct summary *s, const struct speaker *to) {
	uint64_t n_ended = s->flows.flow_closed + s->flows.flow_reset + s->flows.flow_timeout
		+ s->flows.flow_evicted;
	uint64_t n = s->flows.flow_one_sided;

	if (n > 2 && n * 4 > n_ended)
		tell(to,
		     "of %llu of %llu connections that have ended only one direction was seen: the "
		     "mirror port copies only what it receives or only what it sends, or the two "
		     "ways run over different links: mirror both, and name all interfaces "
		     "(--xdp eth1,eth2)",
		     (ull)n,
		     (ull)n_ended);
}

// A hash under a random key spreads well; what does not spread are connections larger than all others, or
// packets that somebody who sees through the hash aims at one worker. Not said of a few packets.
static void tell_load(const struct summary *s, const struct speaker *to) {
	const uint64_t some = 100000;
	uint64_t share;

	if (s->n_workers < 2 || s->n_frames < some)
		return;
	share = 100 * s->n_frames_most / s->n_frames;
	if (share > 50 + 50 / (uint64_t)s->n_workers)
		tell(to,
		     "one of %d workers gets %llu %% of all packets: a few connections are larger "
		     "than all others, or somebody aims packets at it",
		     s->n_workers,
		     (ull)share);
}

// Fragments and tunnels are few, or are named. What the NIC cannot look into, and sends all to one queue, is
// distributed by one worker beside its own work.
static void tell_exchange(const struct summary *s, const struct speaker *to) {
	const struct exchange_stats *x = &s->exchange;

	if (x->ring_full)
		tell(to,
		     "%llu packets were lost on their way from the worker that the NIC gave them "
		     "to "
		     "to that of their connection: if they come in tunnels name those (--tunnels), "
		     "else use --workers 1",
		     (ull)x->ring_full);
	else if (x->handed * 10 > s->n_frames)
		tell(to,
		     "the NIC gave %llu of %llu packets to another worker than their connection's: "
		     "if they come in tunnels name those (--tunnels): a core of its own then "
		     "spreads them",
		     (ull)x->handed,
		     (ull)s->n_frames);
}

// Live alone: a file is read faster than event time passes, and can be read again.
static void tell_store(const struct summary *s, const struct speaker *to) {
	const struct analyst_stats *a = &s->analyst;

	// After a silent weekend it is behind for a moment, which is nobody's fault.
	bool is_slow = a->store.n_late || a->store.n_failed;
	if (s->is_live && a->has_store && is_slow && a->store.behind_ns > a->store_interval_ns)
		tell(to,
		     "the store is %llu s behind (--store-interval: %llu s), which a crash would "
		     "lose now: %llu snapshots were late and %llu could not be written; the disk "
		     "is too slow, or full",
		     (ull)(a->store.behind_ns / 1000000000),
		     (ull)(a->store_interval_ns / 1000000000),
		     (ull)a->store.n_late,
		     (ull)a->store.n_failed);
}

static void tell_own(const struct summary *s, const struct speaker *to) {
	const struct engine_stats *e = &s->engine;

	if (s->flows.flow_evicted || s->flows.flow_refused || s->flows.segment_not_held)
		tell(to,
		     "there was no room for all connections or their data: raise --max-flows or "
		     "--reassembly");
	if (e->n_refused || e->memory_full || e->content_refused)
		tell(to,
		     "memory was full: %llu sessions not read, %llu things not kept, %llu messages "
		     "not scanned; raise --memory",
		     (ull)e->n_refused,
		     (ull)e->memory_full,
		     (ull)e->content_refused);
	if (s->n_shed)
		tell(to, "%llu results were shed because the outputs are too slow", (ull)s->n_shed);
	if (s->analyst.n_known)
		tell(to,
		     "%llu activities were known already (learnt before, or sent twice) and count "
		     "once",
		     (ull)s->analyst.n_known);
	tell_store(s, to);
	if (s->analyst.is_unkept)
		tell(to, "the store does not have what was learnt last");
	if (s->analyst.n_lost)
		tell(to, "%llu lines could not be written", (ull)s->analyst.n_lost);
}

void summary_diagnose(
	const struct summary *s,
	void (*say)(void *ctx, const char *text),
	void *ctx
) {
	const struct speaker to = {.say = say, .ctx = ctx};

	tell_cut(s, &to);
	tell_checksums(s, &to);
	tell_holes(s, &to);
	tell_sides(s, &to);
	tell_load(s, &to);
	tell_exchange(s, &to);
	tell_own(s, &to);
}

static void print_text(void *out, const char *text) {
	fprintf(out, "postern: %s\n", text);
}

void summary_print(const struct summary *s, FILE *out) {
	print_stop(s, out);
	print_packets(s, out);
	print_fates(s, out);
	print_sessions(s, out);
	summary_diagnose(s, print_text, out);
}
