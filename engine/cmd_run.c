// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern run: live, on a DPDK port.

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

#include "port.h"

// Says what the port counted, and whether packets were lost before they reached us.
static bool port_summary(const struct port *port) {
	struct port_stats sum = {0};

	for (int i = 0; i < port_n_devices(port); i++) {
		struct port_stats stats;

		port_device_stats(port, i, &stats);
		sum.received += stats.received;
		sum.missed += stats.missed;
		sum.no_buffer += stats.no_buffer;
	}
	fprintf(stderr,
		"postern: port: %llu received, %llu missed by the NIC, %llu without a buffer\n",
		(unsigned long long)sum.received,
		(unsigned long long)sum.missed,
		(unsigned long long)sum.no_buffer);
	return sum.missed || sum.no_buffer;
}

enum exit_status cmd_run(const struct config *config) {
	struct port_config port_config = {
		.vdev = config->vdev,
		.pci = config->port,
		.eal_args = config->eal_args,
		.n_workers = 1,
	};
	enum exit_status status = EXIT_BAD_INPUT;
	char error[512];

	if (!config->vdev && !config->port) {
		fputs("postern: run needs to know where packets come from: --vdev SPEC or --port "
		      "PCI\n",
		      stderr);
		return EXIT_USAGE;
	}
	struct port *port = port_open(&port_config, error, sizeof(error));
	if (!port) {
		fprintf(stderr, "postern: %s\n", error);
		return EXIT_BAD_INPUT;
	}
	port_describe(port, "postern: ", stderr);

	struct pipeline *pipeline = pipeline_open(config, true);
	if (pipeline) {
		struct source *source = port_source(port, 0);
		bool is_broken = pipeline_run(pipeline, source) < 0;
		status = pipeline_finish(pipeline);
		if (is_broken) {
			fprintf(stderr, "postern: %s\n", source->error);
			status = EXIT_BAD_INPUT;
		}
		pipeline_summary(pipeline);
		if (port_summary(port) && status == EXIT_DONE)
			status = EXIT_LOST;
	}
	pipeline_close(pipeline);
	port_close(port);
	return status;
}

#endif
