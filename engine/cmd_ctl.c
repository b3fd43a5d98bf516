// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern ctl: says one word to a running program and prints its answer.

#include "cmd.h"
#include "control.h"

#include <stdio.h>

enum exit_status cmd_ctl(const struct config *config) {
	char error[512], buffer[256];
	const char *path = config->control;

	if (config->n_inputs != 1) {
		fputs("postern: ctl takes one command: reload, stats or stop\n", stderr);
		return EXIT_USAGE;
	}
	if (!path)
		path = control_path_default(buffer, sizeof(buffer));
	if (!path) {
		fputs("postern: no default place for the control socket here: say --control PATH\n",
		      stderr);
		return EXIT_USAGE;
	}
	if (control_ask(path, config->inputs[0], stdout, error, sizeof(error)) == 0)
		return EXIT_DONE;
	fprintf(stderr, "postern: %s\n", error);
	return EXIT_BAD_INPUT;
}
