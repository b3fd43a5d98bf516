// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is known of one account, as a page for a person at three in the morning or as one JSON line.

#pragma once

#include "account/account.h"
#include "channel/fleet.h"
#include "failures/series.h"
#include "watch.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
	ACCOUNT_PAGE_NETS_MAX = 64,
	ACCOUNT_PAGE_ALERTS_MAX = 8,
};

// Accounts know networks by short hashes: these are the addresses some of them are of.
struct page_net {
	uint32_t hash;
	struct ip ip;
	uint8_t bits;
};

struct account_page {
	const char *name;
	uint64_t now_ns; // event time up to which the store has learnt
	const struct account *account; // NULL: it never logged in where somebody could see
	const struct target *target; // NULL: no login of it was ever seen
	const struct facts *refused; // the present series; NULL: none
	const struct watch *watch; // with the fleet
	size_t n_alerts; // open ones that name it; as many as fit are listed
	struct alert alerts[ACCOUNT_PAGE_ALERTS_MAX];
	struct {
		uint32_t old,
			fresh; // bodies that this campaign read of the account; both 0: not known
	} read[ACCOUNT_PAGE_ALERTS_MAX];
	size_t n_nets;
	struct page_net nets[ACCOUNT_PAGE_NETS_MAX];
};

// Lines of text, UTF-8, at most 100 columns wide but for names.
void account_page_text(const struct account_page *page, FILE *out);
// One line, by the members that the text has words for.
void account_page_json(const struct account_page *page, FILE *out);
