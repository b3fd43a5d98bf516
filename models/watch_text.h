// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The words of alerts about readers: what was seen, what is usual, and what to do.

#pragma once

#include "watch.h"

extern const struct alert_technique TECHNIQUE_COLLECTION, TECHNIQUE_VALID;

// What all alerts about a visit begin with, but for the lists of whom and from where.
void text_frame(
	const struct watch *watch,
	const struct visit *visit,
	double nats,
	struct alert *alert
);
// The same with its account and address.
void text_fill(
	const struct watch *watch,
	const struct visit *visit,
	double nats,
	struct alert *alert
);
// Fills alert (all but episode). Returns how much was read, as an episode's size.
// The visitor whom text_reader() tells of; NULL: nobody, but that much is read.
const struct visitor *text_suspect(const struct account *account, enum meter_id by);
uint32_t text_reader(
	const struct watch *watch,
	const struct visit *visit,
	double nats,
	enum meter_id most,
	struct alert *alert
);
// One deed.
void text_deed(
	const struct watch *watch,
	const struct visit *visit,
	enum deed deed,
	const char *what,
	double nats,
	struct alert *alert
);
// A burst out of quarantine.
uint32_t text_burst(
	const struct watch *watch,
	const struct visit *visit,
	const struct visitor *visitor,
	double nats,
	struct alert *alert
);
void text_wave(
	const struct watch *watch,
	const struct visit *visit,
	enum entity_kind kind,
	uint32_t n,
	struct alert *alert
);
// A network or a client's grammar that the visit goes through joins what a campaign's alert says is
// shared. False: it is neither.
bool text_shared(struct alert *alert, enum entity_kind kind, const struct activity *activity);
// An account joins those that the alert names, before all others; an address those it lists.
void text_name(struct alert *alert, const char *account);
void text_ip(struct alert *alert, const struct ip *ip);
// Of a campaign, what most of it went through at the visit: widest.
void text_campaign(
	const struct watch *watch,
	const struct visit *visit,
	const struct entity *whole,
	const struct entity *widest,
	struct alert *alert
);
// What linked its accounts is the organisation's own: n took up that kind of thing today, as the visit did.
void text_campaign_over(
	const struct watch *watch,
	const struct visit *visit,
	enum entity_kind kind,
	uint32_t n,
	struct alert *alert
);
