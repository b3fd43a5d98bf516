// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Raises the alerts of the watch: finds or opens the episode, has it worded, tells it.

#pragma once

#include "watch.h"

// The evidence about an account has reached the threshold. Where its visitor is one of a campaign that
// is told, the campaign's alert names the account instead.
void watch_tell_reader(
	struct watch *watch,
	const struct visit *visit,
	double nats,
	enum meter_id most
);
void watch_tell_deed(
	struct watch *watch,
	const struct visit *visit,
	enum deed deed,
	const char *what,
	double nats
);
// A burst out of quarantine; it is told as one of a campaign where others share its network or client.
void watch_tell_burst(
	struct watch *watch,
	struct account *account,
	const struct visitor *visitor,
	double nats
);
// DEED_COLD; as one of a campaign where others are copied through the same network or by the same program.
void watch_tell_cold(struct watch *watch, const struct visit *visit, double nats);
// n accounts took up the same today; ENTITY_KINDS: their mailboxes were numbered anew.
void watch_tell_wave(
	struct watch *watch,
	const struct visit *visit,
	enum entity_kind kind,
	uint32_t n
);
// False when another entity of the same campaign is told already.
bool watch_tell_campaign(struct watch *watch, const struct visit *visit, struct entity *entity);
// What n accounts took up today is the organisation's own from now on: nothing is held against it, and campaigns
// that have nothing else are closed, which says why. Looks at all entities: once for each thing of that kind.
void watch_tell_ours(
	struct watch *watch,
	const struct visit *visit,
	enum entity_kind kind,
	uint32_t n
);
