// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern run: live. Everything that needs root is opened, then root and most system calls are given up,
// then the first packet is read.

#include "cmd.h"

#include <stdio.h>

#ifndef HAVE_DPDK

enum exit_status cmd_run(const struct config *) {
	fputs("postern: this program was built without DPDK: build it with -Ddpdk=enabled, or "
	      "replay captures\n",
	      stderr);
	return EXIT_BAD_INPUT;
}

#else

#include "confine.h"
#include "output/json.h"
#include "place.h"
#include "port/port.h"
#include "port/telemetry.h"
#include "reload.h"
#include "stats.h"

#include <string.h>

enum {
	ERROR_SIZE = 512,
	QUEUES_MAX = 64,
};

// ---- What the port says

static void steer_write(const struct steer *steer, struct json *json) {
	uint64_t counts[STEER_REASONS];

	steer_counts(steer, counts);
	json_begin_object(json, "steer");
	for (int i = 0; i < STEER_REASONS; i++)
		json_put_u64(json, steer_reason_name((enum steer_reason)i), counts[i]);
	json_end_object(json);
}

static void device_write(const struct port *port, int device, struct json *json) {
	const char *name = port_device_name(port, device);
	const struct steer *steer = port_device_steer(port, device);
	uint64_t n_frames[QUEUES_MAX];
	int n = port_device_queues(port, device, n_frames, QUEUES_MAX);
	struct port_stats stats;

	port_device_stats(port, device, &stats);
	json_begin_object(json, NULL);
	json_put_string(json, "name", name, strlen(name), 64);
	json_put_text(json, "driver", port_device_driver(port, device));
	json_put_u64(json, "received", stats.received);
	json_put_u64(json, "missed", stats.missed);
	json_put_u64(json, "no_buffer", stats.no_buffer);
	json_begin_array(json, "queues");
	for (int i = 0; i < n && i < QUEUES_MAX; i++)
		json_put_u64(json, NULL, n_frames[i]);
	json_end_array(json);
	if (steer)
		steer_write(steer, json);
	json_end_object(json);
}

static void ports_write(void *ctx, struct json *json) {
	const struct port *port = ctx;

	json_begin_array(json, "ports");
	for (int i = 0; i < port_n_devices(port); i++)
		device_write(port, i, json);
	json_end_array(json);
}

// ---- Telemetry: the same numbers, flat

static int
counter_add(struct telemetry_counter *counters, int n, int max, const char *name, uint64_t value) {
	if (n == max)
		return n;
	snprintf(counters[n].name, sizeof(counters[n].name), "%s", name);
	counters[n].value = value;
	return n + 1;
}

static int
counters_of_port(const struct port *port, struct telemetry_counter *counters, int n, int max) {
	char name[TELEMETRY_NAME_SIZE];

	for (int i = 0; i < port_n_devices(port); i++) {
		struct port_stats stats;

		port_device_stats(port, i, &stats);
		snprintf(name, sizeof(name), "port%d_received", i);
		n = counter_add(counters, n, max, name, stats.received);
		snprintf(name, sizeof(name), "port%d_missed", i);
		n = counter_add(counters, n, max, name, stats.missed);
		snprintf(name, sizeof(name), "port%d_no_buffer", i);
		n = counter_add(counters, n, max, name, stats.no_buffer);
	}
	return n;
}

static int
counters_of_memory(const struct stats *stats, struct telemetry_counter *counters, int n, int max) {
	char name[TELEMETRY_NAME_SIZE];

	for (int i = 0; i < stats->n_memory; i++) {
		const struct stats_memory *memory = &stats->memory[i];

		snprintf(name, sizeof(name), "memory_%s_reserved", memory->name);
		n = counter_add(counters, n, max, name, memory->size);
		if (memory->used == UINT64_MAX)
			continue;
		snprintf(name, sizeof(name), "memory_%s_used", memory->name);
		n = counter_add(counters, n, max, name, memory->used);
	}
	return n;
}

static int
counters_of_states(const struct stats *stats, struct telemetry_counter *counters, int n, int max) {
	struct flow_counts sum = {0};

	for (int i = 0; i < stats->n_workers; i++) {
		sum.opening += stats->workers[i].flows.opening;
		sum.read += stats->workers[i].flows.read;
		sum.unread += stats->workers[i].flows.unread;
		sum.closed += stats->workers[i].flows.closed;
	}
	n = counter_add(counters, n, max, "connections_opening", sum.opening);
	n = counter_add(counters, n, max, "connections_read", sum.read);
	n = counter_add(counters, n, max, "connections_unread", sum.unread);
	return counter_add(counters, n, max, "connections_closed", sum.closed);
}

static int counters_of(
	const struct stats *stats,
	const struct port *port,
	struct telemetry_counter *counters,
	int max
) {
	const struct summary *sum = &stats->sum;
	char name[TELEMETRY_NAME_SIZE];
	int n = counter_add(counters, 0, max, "packets", sum->n_frames);

	n = counter_add(counters, n, max, "bytes", sum->n_bytes);
	n = counter_add(counters, n, max, "lane_full", sum->n_lane_full);
	n = counter_add(counters, n, max, "handed", sum->exchange.handed);
	n = counter_add(counters, n, max, "ring_full", sum->exchange.ring_full);
	n = counters_of_port(port, counters, n, max);
	n = counters_of_memory(stats, counters, n, max);
	n = counters_of_states(stats, counters, n, max);
	for (int i = 0; i < VERDICT_COUNT; i++) {
		snprintf(name, sizeof(name), "decode_%s", verdict_name((enum verdict)i));
		n = counter_add(counters, n, max, name, sum->verdicts[i]);
	}
#define DEFRAG_STAT(name, text) n = counter_add(counters, n, max, #name, sum->defrag.name);
#include "defrag_stat.def"
#undef DEFRAG_STAT
#define FLOW_STAT(name, text) n = counter_add(counters, n, max, #name, sum->flows.name);
#include "flow_stat.def"
#undef FLOW_STAT
	n = counter_add(counters, n, max, "records", sum->analyst.n_records);
	n = counter_add(counters, n, max, "alerts", sum->analyst.n_alerts);
	n = counter_add(counters, n, max, "shed", sum->n_shed);
	n = counter_add(counters, n, max, "lost", sum->analyst.n_lost);
	for (int i = 0; i < stats->n_workers; i++) {
		snprintf(name, sizeof(name), "worker%d_packets", i);
		n = counter_add(counters, n, max, name, stats->workers[i].n_frames);
		snprintf(name, sizeof(name), "worker%d_busy_permille", i);
		n = counter_add(counters, n, max, name, (uint64_t)(stats->workers[i].busy * 1000));
	}
	return n;
}

struct told {
	struct pipeline *pipeline;
	const struct port *port;
};

static int telemetry_counters(void *ctx, struct telemetry_counter *counters, int max) {
	const struct told *told = ctx;
	struct stats stats;

	pipeline_stats(told->pipeline, &stats);
	return counters_of(&stats, told->port, counters, max);
}

// ---- The end

static void steer_summary(const struct steer *steer) {
	uint64_t counts[STEER_REASONS];

	steer_counts(steer, counts);
	for (int i = 0; i < STEER_REASONS; i++)
		if (counts[i])
			fprintf(stderr,
				"postern: %10llu  %s (%s)\n",
				(unsigned long long)counts[i],
				steer_reason_text((enum steer_reason)i),
				steer_reason_name((enum steer_reason)i));
	if (counts[STEER_pass_tunnel])
		fputs("postern: if mail is mirrored in those tunnels, name them: --tunnels\n",
		      stderr);
}

// Says what each device counted, and whether packets were lost before they reached us.
static bool port_summary(const struct port *port) {
	struct port_stats stats;
	bool is_lost = false;

	for (int i = 0; i < port_n_devices(port); i++) {
		port_device_stats(port, i, &stats);
		fprintf(stderr,
			"postern: port %s: %llu received, %llu missed, %llu without a buffer\n",
			port_device_name(port, i),
			(unsigned long long)stats.received,
			(unsigned long long)stats.missed,
			(unsigned long long)stats.no_buffer);
		if (port_device_steer(port, i))
			steer_summary(port_device_steer(port, i));
		is_lost |= stats.missed || stats.no_buffer;
	}
	return is_lost;
}

// ---- Opening

static int rules_fill(const struct config *config, struct steer_rules *rules, char *error) {
	for (uint32_t i = 0; i < config->mail_ports.n; i++)
		steer_rules_tcp(rules, config->mail_ports.number[i]);
	for (uint32_t i = 0; i < config->mail_addresses.n; i++) {
		const struct ip *ip = &config->mail_addresses.prefix[i].ip;

		if (!steer_rules_prefix(
			    rules, ip->family, ip->addr, config->mail_addresses.prefix[i].bits
		    )) {
			snprintf(
				error,
				ERROR_SIZE,
				"--mail-addresses: more than %d networks; write larger ones",
				STEER_PREFIXES_MAX
			);
			return -1;
		}
	}
	return steer_rules_tunnels(rules, config->tunnels, error, ERROR_SIZE);
}

// What the XDP programs take may change while they run.
struct live {
	const struct config *config;
	struct port *port;
	struct steer_rules fresh; // read, and not in force before the content rules are
};

static int reload_check(void *ctx, FILE *out) {
	struct live *live = ctx;
	struct config fresh;
	char error[ERROR_SIZE] = "";
	int result = config_reread(live->config, &fresh, out);

	memset(&live->fresh, 0, sizeof(live->fresh));
	if (result == 0)
		result = rules_fill(&fresh, &live->fresh, error);
	fputs(error, out);
	config_close(&fresh);
	return result;
}

static void reload_commit(void *ctx) {
	const struct live *live = ctx;

	for (int i = 0; i < port_n_devices(live->port); i++)
		if (port_device_steer(live->port, i))
			steer_set(port_device_steer(live->port, i), &live->fresh);
}

static struct port *open_port(const struct config *config, char *error) {
	static struct steer_rules rules;
	struct port_config port = {
		.vdev = config->vdev,
		.pci = config->port,
		.xdp = config->xdp,
		.steer = &rules,
		.eal_args = config->eal_args,
		.n_workers = (int)config->workers,
		.has_tunnels = config->tunnels && strcmp(config->tunnels, "none") != 0,
	};

	if (rules_fill(config, &rules, error) < 0)
		return NULL;
	return port_open(&port, error, ERROR_SIZE);
}

// The last thing before packets. 0, or −1 after one line.
static int confine(const struct pipeline *pipeline, const struct confine_user *user) {
	char error[ERROR_SIZE];
	int calls = -1;

	if (user->is_needed)
		pipeline_give(pipeline, user->uid, user->gid);
	if (confine_become(user, error, sizeof(error)) == 0)
		calls = confine_calls(error, sizeof(error));
	if (calls < 0) {
		fprintf(stderr, "postern: %s\n", error);
		return -1;
	}
	fprintf(stderr,
		"postern: running as %s, %s\n",
		user->is_needed ? user->name : "the user who started it",
		calls ? "system calls confined"
		      : "system calls not confined: built without libseccomp");
	return 0;
}

static enum exit_status
run(struct live *live, struct pipeline *pipeline, const struct confine_user *user) {
	struct port *port = live->port;
	struct source *sources[QUEUES_MAX];
	struct told told = {pipeline, port};
	int n = port_n_sources(port), result;
	enum exit_status status;

	for (int i = 0; i < n; i++)
		sources[i] = port_source(port, i);
	pipeline_on_stats(pipeline, ports_write, port);
	pipeline_on_reload(pipeline, &(struct reload_more){reload_check, reload_commit, live});
	telemetry_add(
		"/postern/stats", "What Postern counts; no parameters", telemetry_counters, &told
	);
	if (confine(pipeline, user) < 0)
		return EXIT_BAD_INPUT;
	result = n > 1 ? pipeline_run_spread(pipeline, sources)
		       : pipeline_run(pipeline, sources[0]);
	telemetry_end();
	status = pipeline_finish(pipeline);
	for (int i = 0; i < n && result < 0; i++)
		if (sources[i]->error[0])
			fprintf(stderr, "postern: %s\n", sources[i]->error);
	if (result < 0) {
		status = EXIT_BAD_INPUT;
	}
	pipeline_summary(pipeline);
	if (port_summary(port) && status == EXIT_DONE)
		status = EXIT_LOST;
	return status;
}

enum exit_status cmd_run(const struct config *config) {
	static struct live live; // large
	int n_named = (config->vdev != NULL) + (config->port != NULL) + (config->xdp != NULL);
	enum exit_status status = EXIT_BAD_INPUT;
	struct pipeline *pipeline;
	struct confine_user user;
	struct port *port = NULL;
	char error[ERROR_SIZE];

	if (n_named > 1 || (n_named == 0 && !config->eal_args)) {
		fputs("postern: run needs to know where packets come from: one of --xdp IFACE, "
		      "--port PCI and --vdev SPEC\n",
		      stderr);
		return EXIT_USAGE;
	}
	if (place_check(&config->cores, (int)config->workers, error, sizeof(error)) == 0
	    && confine_find(config->user, &user, error, sizeof(error)) == 0)
		port = open_port(config, error);
	if (!port) {
		fprintf(stderr, "postern: %s\n", error);
		return EXIT_BAD_INPUT;
	}
	port_describe(port, "postern: ", stderr);
	if (config->cores.n == 0)
		place_on_node(port_node(port));
	live.config = config;
	live.port = port;
	pipeline = port_n_sources(port) > 1 ? pipeline_open_spread(config, port_owners(port))
					    : pipeline_open(config, true);
	if (pipeline)
		status = run(&live, pipeline, &user);
	pipeline_close(pipeline);
	port_close(port);
	return status;
}

#endif
