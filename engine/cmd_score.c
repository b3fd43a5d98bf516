// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern score: activity lines, as --activity writes them, through the models to alerts.

#include "analyst.h"
#include "cmd.h"
#include "match/ruleset.h"
#include "output/activity_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MISTAKES_SHOWN = 20 }; // of one file; the rest is counted

// Reads one file; returns the number of lines that were no activity, or -1 when it cannot be opened.
static long file_score(struct analyst *analyst, const char *path) {
	static struct activity activity;
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char *line = NULL, error[256];
	size_t capacity = 0;
	ssize_t size;
	long n_bad = 0;

	if (!file) {
		fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
		return -1;
	}
	for (long number = 1; !pipeline_stop && (size = getline(&line, &capacity, file)) >= 0;
	     number++) {
		if (size > 0 && line[size - 1] == '\n')
			size--;
		if (size == 0)
			continue;
		if (activity_json_read(line, (size_t)size, &activity, error, sizeof(error)) == 0)
			analyst_activity(analyst, &activity);
		else if (++n_bad <= MISTAKES_SHOWN)
			fprintf(stderr, "postern: %s:%ld: %s\n", path, number, error);
		if (analyst_is_broken(analyst))
			break;
	}
	if (n_bad > MISTAKES_SHOWN)
		fprintf(stderr,
			"postern: %s: %ld more lines are no activity\n",
			path,
			n_bad - MISTAKES_SHOWN);
	if (ferror(file)) {
		fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
		n_bad++;
	}
	free(line);
	if (file != stdin)
		fclose(file);
	return n_bad;
}

enum exit_status cmd_score(const struct config *config) {
	struct ruleset *ruleset = ruleset_open(config->rules, config->rule_cache, stderr);
	enum exit_status status = EXIT_DONE;
	struct analyst *analyst;
	char error[512];

	analyst = ruleset ? analyst_open(config, ruleset_rules(ruleset), error, sizeof(error))
			  : NULL;
	if (!analyst) {
		if (ruleset)
			fprintf(stderr, "postern: %s\n", error);
		ruleset_close(ruleset);
		return EXIT_BAD_INPUT;
	}
	for (int i = 0; i < config->n_inputs; i++)
		if (file_score(analyst, config->inputs[i]) != 0)
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
	analyst_close(analyst);
	ruleset_close(ruleset);
	return status;
}
