// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Series of refused logins: what a suspicion against an address, a network, a password or an account rests
// on. Few of them are under suspicion at any time, so that all share one table, a quarter as large as that
// of accounts, where the one that was added to longest ago makes room; those that were told go last. A
// subject whose series had to make room begins anew, without suspicion.

#pragma once

#include "failures/target.h"

struct password {
	struct table_node node;
	bool alarmed;
	bool noted; // it has a series
	struct evidence evidence;
};

struct series {
	struct table_node node;
	struct facts facts;
};

// What the series of an account stands under.
uint64_t series_key_of_target(uint64_t account);
// The series of a subject: nothing at all where it has none. Valid until the next series_note_*.
const struct facts *series_of_origin(const struct table *series, const struct origin *origin);
const struct facts *series_of_password(const struct table *series, const struct password *password);
const struct facts *series_of_target(const struct table *series, const struct target *account);
// The same to add to, made when it is not there.
struct facts *series_note_origin(struct table *series, struct origin *origin);
struct facts *series_note_password(struct table *series, struct password *password);
struct facts *series_note_target(struct table *series, struct target *account);
// It was told: it makes room last.
void series_told(struct table *series, const struct facts *facts);
// True when the series is there, or there was none. Else it had to make room: the subject is no longer
// noted, and its suspicion is gone.
bool series_holds_origin(struct table *series, struct origin *origin);
bool series_holds_password(struct table *series, struct password *password);
bool series_holds_target(struct table *series, struct target *account);
void series_end_origin(struct table *series, struct origin *origin);
void series_end_password(struct table *series, struct password *password);
void series_end_target(struct table *series, struct target *account);
