// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Members that session records and alerts have in common (ECS 8.17).

#pragma once

#include "output/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ecs.version.
void ecs_version_write(struct json *json);
// user. account: normal form, terminated; with a domain it is split at its last @. At most chars
// characters in each member; returns true when one was cut.
bool ecs_user_write(struct json *json, const char *account, size_t chars);
// observer; name NULL or empty is left out.
void ecs_observer_write(struct json *json, const char *name);
// as and geo, inside source; what is not known is left out.
void ecs_place_write(struct json *json, uint32_t asn, const char *name, const char *country);
// The beginning of event, which stays open: kind, module, dataset, category
// (of this kind of line, and email), type.
void ecs_event_begin(
	struct json *json,
	const char *kind,
	const char *dataset,
	const char *category
);
// One text in an array under a key, as event.type is written.
void ecs_single_write(struct json *json, const char *key, const char *text);
