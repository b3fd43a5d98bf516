// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern score: activity lines, as --activity writes them, through the models to alerts.

#include "analyst.h"
#include "cmd.h"
#include "limits.h"
#include "lines.h"
#include "match/ruleset.h"
#include "networks.h"
#include "output/activity_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	KINDS_MAX = 40, // of mistakes that are told apart in one file
	KIND_SIZE = 200,
	QUIET_MS = 200, // without a line, and the analyst sees to what waited
};

// One kind of mistake: shown where it is first, then counted. "mailboxes[0].bodies" and
// "mailboxes[3].bodies" are of one kind.
struct kind {
	char text[KIND_SIZE];
	uint64_t n;
};

// A file being read.
struct score {
	struct analyst *analyst;
	const struct networks *networks;
	const char *path;
	struct activity activity; // with its place
	uint64_t line;
	bool is_wrong; // something in this line is
	uint64_t n_activities, n_partly, n_lost; // lines that count without something; not at all
	uint32_t n_kinds;
	uint64_t n_more; // mistakes of further kinds
	struct kind kinds[KINDS_MAX];
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

static void take(void *ctx, const struct activity *activity) {
	struct score *score = ctx;

	score->n_activities++;
	score->activity = *activity;
	place(score->networks, &score->activity);
	analyst_activity(score->analyst, &score->activity);
}

// Without what stands in brackets or is quoted, so that kinds are few whoever wrote the lines.
static void kind_name(char kind[KIND_SIZE], const char *member, const char *what) {
	const char *quoted = strstr(what, " near ");
	int size = quoted ? (int)(quoted - what) : (int)strlen(what);
	char *to = kind, *from = kind;

	snprintf(kind, KIND_SIZE, "%s: %.*s", member, size, what);
	for (; *from; from++) {
		*to++ = *from;
		if (*from == '[')
			from += strspn(from + 1, "0123456789");
	}
	*to = '\0';
}

static void wrong(void *ctx, const char *member, const char *what) {
	struct score *score = ctx;
	char name[KIND_SIZE];
	uint32_t i = 0;

	score->is_wrong = true;
	kind_name(name, member, what);
	while (i < score->n_kinds && strcmp(score->kinds[i].text, name) != 0)
		i++;
	if (i == KINDS_MAX) {
		score->n_more++;
		return;
	}
	if (i == score->n_kinds) {
		memcpy(score->kinds[score->n_kinds++].text, name, sizeof(name));
		fprintf(stderr,
			"postern: %s:%llu: %s: %s\n",
			score->path,
			(unsigned long long)score->line,
			member,
			what);
	}
	score->kinds[i].n++;
}

static const char *plural(uint64_t n) {
	return n == 1 ? "" : "s";
}

static void tell_mistakes(const struct score *score) {
	for (uint32_t i = 0; i < score->n_kinds; i++)
		if (score->kinds[i].n > 1)
			fprintf(stderr,
				"postern: %s: %llu times: %s\n",
				score->path,
				(unsigned long long)score->kinds[i].n,
				score->kinds[i].text);
	if (score->n_more)
		fprintf(stderr,
			"postern: %s: %llu mistakes of further kinds\n",
			score->path,
			(unsigned long long)score->n_more);
	if (score->n_partly)
		fprintf(stderr,
			"postern: %s: %llu line%s count%s without what is wrong in %s\n",
			score->path,
			(unsigned long long)score->n_partly,
			plural(score->n_partly),
			score->n_partly == 1 ? "s" : "",
			score->n_partly == 1 ? "it" : "them");
	if (score->n_lost)
		fprintf(stderr,
			"postern: %s: %llu line%s no activity and %s not count\n",
			score->path,
			(unsigned long long)score->n_lost,
			score->n_lost == 1 ? " is" : "s are",
			score->n_lost == 1 ? "does" : "do");
}

static void line_score(
	struct score *score,
	const struct activity_reader *reader,
	const char *line,
	size_t size
) {
	score->is_wrong = false;
	if (activity_json_read(reader, line, size) == 0)
		score->n_lost += score->is_wrong;
	else
		score->n_partly += score->is_wrong;
}

// All lines of the file. False: it could not be read to its end.
static bool
lines_score(struct score *score, const struct activity_reader *reader, struct lines *lines) {
	char *line, what[64];
	size_t size;

	while (!pipeline_stop && !analyst_is_broken(score->analyst)) {
		enum lines_result result = lines_next(lines, QUIET_MS, &line, &size);
		score->line += result == LINES_ONE || result == LINES_LONG;
		switch (result) {
		case LINES_ONE:
			line_score(score, reader, line, size);
			break;
		case LINES_LONG:
			snprintf(what, sizeof(what), "longer than %d bytes", LINE_READ_SIZE_MAX);
			wrong(score, "line", what);
			score->n_lost++;
			break;
		case LINES_NONE:
			analyst_idle(score->analyst);
			break;
		case LINES_END:
		case LINES_FAILED:
			return result == LINES_END;
		}
	}
	return true;
}

// Returns 0 when all of the file was activity.
static int file_score(
	struct analyst *analyst,
	const struct networks *networks,
	const struct account_names *names,
	const char *path
) {
	static struct score score;
	struct activity_reader reader
		= {.take = take, .wrong = wrong, .ctx = &score, .names = names};
	struct lines *lines = lines_open(path);
	bool is_read;

	score = (struct score){.analyst = analyst, .networks = networks, .path = path};
	if (!lines) {
		fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
		return -1;
	}
	is_read = lines_score(&score, &reader, lines);
	tell_mistakes(&score);
	if (!is_read)
		fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
	lines_close(lines);
	return is_read && score.n_partly + score.n_lost == 0 ? 0 : -1;
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
	const struct account_names names = {
		.is_case_kept = !config->fold_case,
		.default_domain = config->default_domain,
		.strip_domains = config->strip_domains,
	};
	for (int i = 0; i < config->n_inputs; i++)
		if (file_score(analyst, networks, &names, config->inputs[i]) != 0)
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
