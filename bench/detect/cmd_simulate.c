// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// detect_simulate: writes a population's activity to standard output, as JSON lines or as a capture of
// the conversations it could have come from, and the truth about it to a file.

#include "capture.h"
#include "limits.h"
#include "output/activity_json.h"
#include "simulate.h"

#include <stdlib.h>
#include <string.h>

struct writer {
	char line[ACTIVITY_LINE_SIZE_MAX + 1];
	bool has_networks, is_capture;
	struct capture_writer *capture;
	uint64_t n;
};

static void line_write(void *ctx, const struct sim_seen *seen) {
	struct writer *writer = ctx;
	struct activity activity = *seen->activity;
	size_t size;

	writer->n++;
	if (writer->capture) {
		capture_writer_add(writer->capture, seen->activity);
		return;
	}
	if (!writer->has_networks) {
		activity.source.asn = 0;
		activity.source.country[0] = '\0';
		activity.source.network = NETWORK_UNKNOWN;
	}
	size = activity_json_write(&activity, writer->line, sizeof(writer->line) - 1);
	writer->line[size] = '\n';
	fwrite(writer->line, 1, size + 1, stdout);
}

static int usage(void) {
	fputs("usage: detect_simulate [--population ministry|university|provider] [--accounts N]\n"
	      "    [--weeks N] [--learning WEEKS] [--seed N] [--easy] [--no-networks] [--mail "
	      "FACTOR]\n"
	      "    [--sparse SHARE] [--surnames] [--attacks] [--only SCENARIO] [--campaign N] "
	      "[--capture]\n"
	      "    [--truth FILE] > FILE\n",
	      stderr);
	return 2;
}

// 0, or −1 when the option is unknown or its value missing.
static int
option(struct sim_config *config, struct writer *writer, char **argv, int *i, const char **truth_r
) {
	const char *name = argv[*i], *value = argv[*i + 1];

	if (!strcmp(name, "--easy"))
		return config->hard = false, 0;
	if (!strcmp(name, "--no-networks"))
		return writer->has_networks = false, 0;
	if (!strcmp(name, "--attacks"))
		return config->attacks = true, 0;
	if (!strcmp(name, "--capture"))
		return writer->is_capture = true, 0;
	if (!strcmp(name, "--surnames"))
		return config->surnames = true, 0;
	if (!value)
		return -1;
	++*i;
	if (!strcmp(name, "--population")) {
		for (int k = 0; k < SIM_POPULATIONS; k++)
			if (!strcmp(value, sim_population_names[k]))
				return config->population = (uint8_t)k, 0;
		return -1;
	}
	if (!strcmp(name, "--accounts"))
		return config->n_accounts = (uint32_t)strtoul(value, NULL, 10), 0;
	if (!strcmp(name, "--weeks"))
		return config->n_days = (uint16_t)(7 * strtoul(value, NULL, 10)), 0;
	if (!strcmp(name, "--learning"))
		return config->learning_days = (uint16_t)(7 * strtoul(value, NULL, 10)), 0;
	if (!strcmp(name, "--sparse"))
		return config->sparse = strtod(value, NULL), 0;
	if (!strcmp(name, "--mail"))
		return config->mail = strtod(value, NULL), 0;
	if (!strcmp(name, "--seed"))
		return config->seed = strtoull(value, NULL, 10), 0;
	if (!strcmp(name, "--only"))
		return config->attacks = true, config->only = value, 0;
	if (!strcmp(name, "--campaign"))
		return config->campaign_sizes[0] = (uint16_t)strtoul(value, NULL, 10),
		       config->campaign_sizes[1] = 0, 0;
	if (!strcmp(name, "--truth"))
		return *truth_r = value, 0;
	return -1;
}

int main(int argc, char **argv) {
	static struct writer writer = {.has_networks = true};
	struct sim_config config = {
		.seed = 1,
		.n_accounts = 1000,
		.n_days = 16 * 7,
		.learning_days = 8 * 7,
		.hard = true,
		.campaign_sizes = {5},
		.spray_share = 40,
	};
	const char *truth = NULL;
	FILE *out = NULL;
	struct sim *sim;

	for (int i = 1; i < argc; i++)
		if (option(&config, &writer, argv, &i, &truth))
			return usage();
	if (config.n_accounts == 0 || config.n_days <= config.learning_days)
		return usage();
	if (truth && !(out = fopen(truth, "w"))) {
		perror(truth);
		return 1;
	}
	sim = sim_open(&config);
	if (!sim) {
		perror("detect_simulate");
		return 1;
	}
	if (writer.is_capture && !(writer.capture = capture_writer_open(stdout))) {
		perror("detect_simulate");
		return 1;
	}
	while (sim_day(sim, line_write, &writer))
		;
	if (capture_writer_close(writer.capture))
		perror("detect_simulate");
	if (out) {
		sim_truth_write(sim, out);
		fclose(out);
	}
	sim_close(sim);
	fprintf(stderr, "detect_simulate: %llu activities\n", (unsigned long long)writer.n);
	return fflush(stdout) ? 1 : 0;
}
