// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The words of the failure channel's alerts: what happened, in numbers, and what to do about it.

#pragma once

#include "failures/failures.h"

// Each fills alert (all but episode) from the facts as they are now.
void text_origin(
	const struct failures *failures,
	const struct origin *origin,
	bool network,
	struct alert *alert
);
void text_password(
	const struct failures *failures,
	const struct password *password,
	struct alert *alert
);
void text_account(
	const struct failures *failures,
	const struct target *account,
	struct alert *alert
);
// Many at once of a kind that has its alert for each.
void text_crowd(const struct failures *failures, enum episode_kind kind, struct alert *alert);
// nats: of the series before it, and of the login's own strangeness.
void text_takeover(
	const struct failures *failures,
	const struct target *account,
	const struct attempt *attempt,
	const struct facts *series,
	const double nats[2],
	bool sure,
	struct alert *alert
);
void text_tide(const struct failures *failures, struct alert *alert);
void text_outage(const struct failures *failures, struct alert *alert);
