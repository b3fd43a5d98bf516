// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern account: what the store knows of an account. Reads single things out of it, also while a
// postern writes it.

#include "account_page.h"
#include "cmd.h"
#include "hash.h"
#include "store/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// All that is read out of the store; large, so not on the stack.
struct look {
	struct view *view;
	struct fleet fleet;
	struct watch watch;
	struct account account;
	struct target target;
	struct account_page page;
};

static bool look_at_fleet(struct look *look, const struct config *config) {
	double budget = EVIDENCE_BUDGET_DEFAULT;

	look->watch = (struct watch){
		.fleet = &look->fleet,
		.budget = budget,
		.nominal = log(7000 / budget),
	};
	return view_blob(look->view, KEPT_FLEET, 1, &look->fleet, sizeof(look->fleet));
}

// An origin that one of the account's places is of.
static void look_at_origin(void *ctx, const void *entry) {
	struct account_page *page = ctx;
	const struct origin *origin = entry;
	uint32_t hash = visit_net(&origin->ip);

	for (int i = 0; i < ACCOUNT_PLACES; i++) {
		if (!page->account->places[i].net || page->account->places[i].net != hash
		    || page->n_nets == ACCOUNT_PAGE_NETS_MAX)
			continue;
		page->nets[page->n_nets++]
			= (struct page_net){.hash = hash, .ip = origin->ip, .bits = origin->prefix};
		return;
	}
}

static bool look_at_account(struct look *look, const char *name) {
	uint64_t key = hash_bytes(HASH_PUBLIC, name, strnlen(name, ACCOUNT_SIZE - 1));
	struct view *view = look->view;

	look->page = (struct account_page){
		.name = name,
		.now_ns = view_mark(view)->now_ns,
		.watch = &look->watch,
	};
	if (view_entry(view, KEPT_ACCOUNTS, ACCOUNT_LAYOUT, key, &look->account, sizeof(look->account)))
		look->page.account = &look->account;
	if (view_entry(view, KEPT_TARGETS, 1, key, &look->target, sizeof(look->target)))
		look->page.target = &look->target;
	if (look->page.account)
		view_each(view, KEPT_NETWORKS, 1, sizeof(struct origin), look_at_origin, &look->page);
	return look->page.account || look->page.target;
}

static enum exit_status accounts_print(struct look *look, const struct config *config) {
	enum exit_status status = EXIT_DONE;

	for (int i = 0; i < config->n_inputs; i++) {
		if (!look_at_account(look, config->inputs[i])) {
			fprintf(stderr,
				"postern: store %s knows no account %s\n",
				config->store,
				config->inputs[i]);
			status = EXIT_BAD_INPUT;
		} else if (config->json) {
			account_page_json(&look->page, stdout);
		} else {
			account_page_text(&look->page, stdout);
		}
	}
	return status;
}

enum exit_status cmd_account(const struct config *config) {
	enum exit_status status = EXIT_BAD_INPUT;
	struct look *look;
	char error[512];

	if (!config->store || config->n_inputs == 0) {
		fputs("postern: account needs --store DIR and the NAME of an account\n", stderr);
		return EXIT_USAGE;
	}
	look = calloc(1, sizeof(*look));
	if (!look) {
		fputs("postern: out of memory\n", stderr);
		return EXIT_BAD_INPUT;
	}
	look->view = view_open(config->store, error, sizeof(error));
	if (!look->view)
		fprintf(stderr, "postern: %s\n", error);
	else if (!look_at_fleet(look, config))
		fprintf(stderr,
			"postern: store %s: it was written by another version of postern\n",
			config->store);
	else
		status = accounts_print(look, config);
	view_close(look->view);
	free(look);
	return status;
}
