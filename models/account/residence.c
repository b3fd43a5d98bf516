// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "account/residence.h"

bool residence_visit(struct residence *residence, uint16_t day) {
	if (residence->days == 0)
		residence->since = day;
	if (residence->days > 0 && day <= residence->seen)
		return false;
	residence->seen = day;
	if (residence->days < UINT16_MAX)
		residence->days++;
	return true;
}

void residence_commit(struct residence *residence, uint16_t day) {
	if (residence->commits > 0 && day <= residence->commit_last)
		return;
	if (residence->commits == 0)
		residence->commit_since = day;
	residence->commit_last = day;
	if (residence->commits < UINT8_MAX)
		residence->commits++;
}

bool residence_is(const struct residence *residence, uint16_t founded, bool ageing) {
	if (residence->commits >= RESIDENCE_COMMITS
	    && residence->commit_last - residence->commit_since >= RESIDENCE_SPREAD)
		return true;
	if (residence->together >= RESIDENCE_TOGETHER)
		return true;
	if (residence->commits > 0 && residence->since < founded + RESIDENCE_FOUNDERS)
		return true;
	return ageing && residence->days >= RESIDENCE_AGE_ACTIVE
		&& residence->seen - residence->since >= RESIDENCE_AGE;
}
