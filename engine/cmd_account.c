// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern account: what the store knows of an account, for a person at three in the morning.

#include "cmd.h"
#include "failures/target.h"
#include "hash.h"
#include "store/view.h"

#include <stdio.h>
#include <string.h>

enum exit_status cmd_account(const struct config *config) {
	enum exit_status status = EXIT_DONE;
	char error[512];

	if (!config->store || config->n_inputs == 0) {
		fputs("postern: account needs --store DIR and the NAME of an account\n", stderr);
		return EXIT_USAGE;
	}
	struct view *view = view_open(config->store, error, sizeof(error));
	if (!view) {
		fprintf(stderr, "postern: %s\n", error);
		return EXIT_BAD_INPUT;
	}
	for (int i = 0; i < config->n_inputs; i++) {
		const char *name = config->inputs[i];
		struct target target;
		uint64_t key = hash_bytes(HASH_PUBLIC, name, strnlen(name, ACCOUNT_SIZE - 1));
		if (!view_entry(view, KEPT_TARGETS, 1, key, &target, sizeof(target))) {
			fprintf(stderr, "postern: %s: the store knows no such account\n", name);
			status = EXIT_BAD_INPUT;
			continue;
		}
		printf("%s: %u places\n", target.name, target.n_homes);
	}
	view_close(view);
	return status;
}
