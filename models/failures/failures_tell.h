// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// From suspicion to episodes: one for each subject, and one for all further ones of a kind when too many
// are open.

#pragma once

#include "failures/failures.h"

// A login that is the fruit of a series, whose evidence series_nats is. sure: nothing speaks for its owner.
void failures_tell_takeover(
	struct failures *failures,
	struct target *account,
	const struct attempt *attempt,
	const struct facts *series,
	double series_nats,
	bool sure
);
// A series is told, or grows. urgent: at once (somebody was entered).
void failures_tell_origin(
	struct failures *failures,
	struct origin *origin,
	bool network,
	const struct attempt *attempt,
	bool urgent
);
void failures_tell_password(
	struct failures *failures,
	struct password *password,
	const struct attempt *at,
	bool urgent
);
void failures_tell_account(
	struct failures *failures,
	struct target *account,
	const struct attempt *at,
	bool urgent
);
// More accounts are refused than usual.
void failures_tell_tide(struct failures *failures, const struct attempt *at);
// For struct episodes; ctx: struct failures.
void failures_tell_word(void *ctx, struct episode *episode);
