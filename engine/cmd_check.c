// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern check: reads the configuration and the rules as a run would and says every mistake.

#include "clients.h"
#include "cmd.h"
#include "match/ruleset.h"
#include "networks.h"

#include <stdio.h>

#ifdef HAVE_HYPERSCAN
#define ALL_RIGHT "configuration and %u rules are right"
#else
#define ALL_RIGHT                                                                                  \
	"configuration is right; %u rules can be read, their patterns cannot be checked without "  \
	"Hyperscan"
#endif

enum exit_status cmd_check(const struct config *config) {
	struct ruleset *ruleset = ruleset_open(config->rules, config->rule_cache, NULL, stderr);
	struct clients *clients = clients_open(config->clients, stderr);
	struct networks *networks;
	bool is_bad = networks_of(config, &networks) < 0;

	is_bad |= !ruleset || ruleset_n_bad(ruleset) || !clients || clients_n_bad(clients)
		|| config->n_mistakes;

	if (ruleset && !is_bad) {
		const struct rules *rules = ruleset_rules(ruleset);
		fprintf(stderr, "postern: " ALL_RIGHT "\n", rules ? rules->n : 0);
	}
	clients_close(clients);
	ruleset_close(ruleset);
	networks_close(networks);
	return is_bad ? EXIT_BAD_INPUT : EXIT_DONE;
}
