// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One spelling for each account, whatever the login was written like: the key of all that models learn.
// What makes two spellings one differs from server to server, so it is the operator's to say.

#pragma once

#include "activity.h"

#include <stdbool.h>
#include <stddef.h>

// Strings are borrowed; NULL: none.
struct account_names {
	bool is_case_kept; // "Anna" is not "anna"
	const char *default_domain; // of names without one
	const char *strip_domains; // DOMAIN,... or *: names in them are known without
	const char *master_separators; // each of these characters stands between user and master
};

// The normal form of a name (any bytes, not terminated), terminated. Returns its size, 0: it is none:
// empty, too long, or with control bytes, which must not become a key or forge a line in a log.
size_t account_name(
	const struct account_names *names,
	const char *name,
	size_t size,
	char account[ACCOUNT_SIZE]
);
// How much of name, in front of the last separator, is the user that a master logs in as; the master is
// what stands behind that character. size: there is no master.
size_t account_name_user(const struct account_names *names, const char *name, size_t size);
