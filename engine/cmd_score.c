// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern score: activity lines, as --activity writes them, through the models to alerts.

#include "analyst.h"
#include "cmd.h"
#include "lines.h"
#include "match/ruleset.h"
#include "networks.h"
#include "output/activity_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	MISTAKES_SHOWN = 20, // of one file; the rest is counted
	QUIET_MS = 200, // without a line, and the analyst sees to what waited
};

// What the sensor that wrote the line did not know of the address.
static void place(const struct networks *networks, struct activity *activity) {
	struct network network;

	if (!networks)
		return;
	networks_find(networks, &activity->source.ip, &network);
	if (!activity->source.asn)
		activity->source.asn = network.asn;
	if (!activity->source.country[0])
		memcpy(activity->source.country, network.country, sizeof(network.country));
	if (activity->source.network == NETWORK_UNKNOWN)
		activity->source.network = network.kind;
}

// Reads one file; returns the number of lines that were no activity, or -1 when it cannot be opened.
static long file_score(struct analyst *analyst, const struct networks *networks, const char *path) {
	static struct activity activity;
	struct lines *lines = lines_open(path);
	enum lines_result result = LINES_NONE;
	char *line, error[256];
	long number = 0, n_bad = 0;
	size_t size;

	if (!lines) {
		fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
		return -1;
	}
	while (!pipeline_stop && !analyst_is_broken(analyst)) {
		result = lines_next(lines, QUIET_MS, &line, &size);
		if (result == LINES_NONE)
			analyst_idle(analyst);
		else if (result != LINES_ONE)
			break;
		number += result == LINES_ONE;
		if (result != LINES_ONE || size == 0)
			continue;
		if (activity_json_read(line, size, &activity, error, sizeof(error)) == 0) {
			place(networks, &activity);
			analyst_activity(analyst, &activity);
		} else if (++n_bad <= MISTAKES_SHOWN) {
			fprintf(stderr, "postern: %s:%ld: %s\n", path, number, error);
		}
	}
	if (n_bad > MISTAKES_SHOWN)
		fprintf(stderr,
			"postern: %s: %ld more lines are no activity\n",
			path,
			n_bad - MISTAKES_SHOWN);
	if (result == LINES_FAILED) {
		fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
		n_bad++;
	}
	lines_close(lines);
	return n_bad;
}

enum exit_status cmd_score(const struct config *config) {
	struct ruleset *ruleset = ruleset_open(config->rules, config->rule_cache, NULL, stderr);
	enum exit_status status = ruleset && ruleset_n_bad(ruleset) ? EXIT_BAD_INPUT : EXIT_DONE;
	struct networks *networks = NULL;
	struct analyst *analyst;
	char error[512];

	if (ruleset && networks_of(config, &networks) < 0) {
		networks_close(networks);
		ruleset_close(ruleset);
		return EXIT_BAD_INPUT;
	}
	analyst = ruleset ? analyst_open(config, ruleset_rules(ruleset), error, sizeof(error))
			  : NULL;
	if (!analyst) {
		if (ruleset)
			fprintf(stderr, "postern: %s\n", error);
		networks_close(networks);
		ruleset_close(ruleset);
		return EXIT_BAD_INPUT;
	}
	analyst_set_networks(analyst, networks);
	for (int i = 0; i < config->n_inputs; i++)
		if (file_score(analyst, networks, config->inputs[i]) != 0)
			status = EXIT_BAD_INPUT;
	analyst_flush(analyst);
	if (analyst_error(analyst)) {
		fprintf(stderr, "postern: %s\n", analyst_error(analyst));
		status = EXIT_BAD_INPUT;
	}
	fprintf(stderr,
		"postern: %llu activities, %llu alerts\n",
		(unsigned long long)analyst_stats(analyst)->n_activities,
		(unsigned long long)analyst_stats(analyst)->n_alerts);
	if (analyst_stats(analyst)->n_known)
		fprintf(stderr,
			"postern: %llu of them were known already (learnt before, or sent twice) "
			"and "
			"count once\n",
			(unsigned long long)analyst_stats(analyst)->n_known);
	if (analyst_stats(analyst)->is_unkept && status == EXIT_DONE)
		status = EXIT_LOST;
	analyst_close(analyst);
	networks_close(networks);
	ruleset_close(ruleset);
	return status;
}
