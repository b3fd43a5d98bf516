// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "cmd.h"

#include <stdio.h>

int main(int argc, char **argv) {
	static enum exit_status (*const commands[COMMANDS])(const struct config *) = {
		[COMMAND_REPLAY] = cmd_replay,
		[COMMAND_RUN] = cmd_run,
		[COMMAND_SCORE] = cmd_score,
		[COMMAND_CHECK] = cmd_check,
		[COMMAND_ACCOUNT] = cmd_account,
		[COMMAND_CTL] = cmd_ctl,
	};
	static struct config config;
	int status = config_open(&config, argc, argv, stdout, stderr);

	pipeline_signals();
	if (status == CONFIG_GO)
		status = (int)commands[config.command](&config);
	config_close(&config);
	return status;
}
