// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The words of alerts about readers: what was seen, what is usual, and what to do.

#pragma once

#include "watch.h"

// Fills alert (all but episode). Returns how much was read, as an episode's size.
uint32_t text_reader(
	const struct watch *watch,
	const struct visit *visit,
	double nats,
	enum meter_id most,
	struct alert *alert
);
