// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern account: what the store knows of an account. Reads single things out of it, also while a
// postern writes it.

#include "account_name.h"
#include "account_page.h"
#include "cmd.h"
#include "hash.h"
#include "models.h"
#include "store/alert_pack.h"
#include "store/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// All that is read out of the store; large, so not on the stack.
struct look {
	struct view *view;
	struct models *models; // empty, for the layouts it has
	struct fleet fleet;
	struct watch watch;
	struct account account;
	struct target target;
	struct series series;
	struct account_page page;
};

// The layout of a part as this program knows it.
static uint16_t layout(const struct look *look, enum store_kept id) {
	size_t n;
	const struct store_part *parts = models_parts(look->models, &n);

	for (size_t i = 0; i < n; i++)
		if (parts[i].id == id)
			return parts[i].version;
	return 0;
}

static bool look_at_fleet(struct look *look) {
	look->watch = (struct watch){.fleet = &look->fleet};
	bool there = view_blob(
		look->view, KEPT_FLEET, layout(look, KEPT_FLEET), &look->fleet, sizeof(look->fleet)
	);
	watch_set_budget(&look->watch, evidence_budget(0, there ? look->fleet.n_accounts : 0));
	return there;
}

// An origin that one of the account's places is of.
static void look_at_origin(void *ctx, const void *entry, size_t size) {
	struct account_page *page = ctx;
	const struct origin *origin = entry;
	uint32_t hash = visit_net(&origin->ip);

	if (size != sizeof(*origin))
		return;
	for (int i = 0; i < ACCOUNT_PLACES; i++) {
		if (!page->account->places[i].net || page->account->places[i].net != hash
		    || page->n_nets == ACCOUNT_PAGE_NETS_MAX)
			continue;
		page->nets[page->n_nets++]
			= (struct page_net){.hash = hash, .ip = origin->ip, .bits = origin->prefix};
		return;
	}
}

// What a campaign read of the account; its alerts name the latest accounts only, the store knows them all.
static bool is_read_by(struct look *look, uint64_t campaign, struct edge *edge) {
	struct entity whole;
	uint64_t key = campaigns_whole_key(campaign);

	if (!campaign
	    || !view_entry(
		    look->view,
		    KEPT_ENTITIES,
		    layout(look, KEPT_ENTITIES),
		    key,
		    &whole,
		    sizeof(whole)
	    ))
		return false;
	whole.node.key = key;
	return view_entry(
		look->view,
		KEPT_EDGES,
		layout(look, KEPT_EDGES),
		campaigns_member_key(&whole, account_key(look->page.name)),
		edge,
		sizeof(*edge)
	);
}

static bool names(const struct alert *alert, const char *account) {
	bool is_it = strcmp(alert->account, account) == 0;

	for (uint8_t i = 0; i < alert->n_users; i++)
		is_it |= strcmp(alert->users[i], account) == 0;
	return is_it;
}

// An open episode; those that name the account are alerts on its page.
static void look_at_episode(void *ctx, const void *entry, size_t size) {
	static struct episode episode;
	struct look *look = ctx;
	struct account_page *page = &look->page;
	size_t node = sizeof(struct table_node);
	struct edge edge = {0};

	memset(&episode, 0, sizeof(episode));
	if (size < node
	    || !episode_unpack(
		    NULL, EPISODE_LAYOUT, (const uint8_t *)entry + node, size - node, &episode
	    ))
		return;
	bool is_read = is_read_by(look, episode.alert.campaign.id, &edge);
	if (!is_read && !names(&episode.alert, page->name))
		return;
	if (page->n_alerts < ACCOUNT_PAGE_ALERTS_MAX) {
		page->alerts[page->n_alerts] = episode.alert;
		page->read[page->n_alerts].old = edge.old;
		page->read[page->n_alerts].fresh = edge.fresh;
	}
	page->n_alerts++;
}

static bool look_at_account(struct look *look, const char *name) {
	uint64_t key = account_key(name);
	struct view *view = look->view;

	look->page = (struct account_page){
		.name = name,
		.now_ns = view_mark(view)->now_ns,
		.watch = &look->watch,
	};
	if (view_entry(
		    view,
		    KEPT_ACCOUNTS,
		    layout(look, KEPT_ACCOUNTS),
		    key,
		    &look->account,
		    sizeof(look->account)
	    ))
		look->page.account = &look->account;
	if (view_entry(
		    view,
		    KEPT_TARGETS,
		    layout(look, KEPT_TARGETS),
		    key,
		    &look->target,
		    sizeof(look->target)
	    ))
		look->page.target = &look->target;
	if (look->page.target && look->target.noted
	    && view_entry(
		    view,
		    KEPT_SERIES,
		    layout(look, KEPT_SERIES),
		    series_key_of_target(key),
		    &look->series,
		    sizeof(look->series)
	    ))
		look->page.refused = &look->series.facts;
	if (look->page.account)
		view_each(
			view,
			KEPT_NETWORKS,
			layout(look, KEPT_NETWORKS),
			sizeof(struct origin),
			look_at_origin,
			&look->page
		);
	view_each(
		view,
		KEPT_EPISODES,
		layout(look, KEPT_EPISODES),
		sizeof(struct table_node) + EPISODE_PACKED_MAX,
		look_at_episode,
		look
	);
	return look->page.account || look->page.target;
}

// As it is written, or in the spelling that accounts have unless somebody wants it otherwise.
static bool look_at_name(struct look *look, const char *name) {
	static const struct account_names names;
	static char account[ACCOUNT_SIZE];

	if (look_at_account(look, name))
		return true;
	return account_name(&names, name, strlen(name), account) > 0
		&& look_at_account(look, account);
}

static enum exit_status accounts_print(struct look *look, const struct config *config) {
	enum exit_status status = EXIT_DONE;

	for (int i = 0; i < config->n_inputs; i++) {
		if (!look_at_name(look, config->inputs[i])) {
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
	if (look)
		look->models = models_open(&(struct models_config){.n_accounts = 16});
	if (!look || !look->models) {
		free(look);
		fputs("postern: out of memory\n", stderr);
		return EXIT_BAD_INPUT;
	}
	look->view = view_open(config->store, error, sizeof(error));
	if (!look->view)
		fprintf(stderr, "postern: %s\n", error);
	else if (!look_at_fleet(look))
		fprintf(stderr,
			"postern: store %s: another version of postern wrote it; the next run with "
			"it "
			"brings it up to date\n",
			config->store);
	else
		status = accounts_print(look, config);
	view_close(look->view);
	models_close(look->models);
	free(look);
	return status;
}
