// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/older.h"

#include "failures/series.h"

#include <string.h>

enum { NODE_SIZE = sizeof(struct table_node) };

// What stood behind the node, up to the series, is as it was: the bit that there is one took a gap.
bool older_target(void *, uint16_t version, const void *image, size_t size, void *entry) {
	struct target *account = entry;
	if (version != 1 || size != sizeof(*account) - NODE_SIZE + sizeof(struct facts))
		return false;
	memcpy(&account->node + 1, image, sizeof(*account) - NODE_SIZE);
	account->alarmed = account->noted = false;
	account->evidence.m_log1p = 0;
	return memchr(account->name, 0, sizeof(account->name)) != NULL
		&& account->n_homes <= TARGET_HOMES_MAX && account->n_wrong <= TARGET_WRONG_MAX;
}

bool older_origin(void *, uint16_t version, const void *image, size_t size, void *entry) {
	struct origin *origin = entry;
	size_t before = offsetof(struct origin, win) - NODE_SIZE;
	if (version != 1 || size != sizeof(*origin) - NODE_SIZE + sizeof(struct facts))
		return false;
	memcpy(&origin->node + 1, image, before);
	memcpy(origin->win,
	       (const uint8_t *)image + before + sizeof(struct facts),
	       sizeof(*origin) - offsetof(struct origin, win));
	origin->alarmed = origin->noted = false;
	origin->evidence.m_log1p = 0;
	return true;
}

bool older_password(void *, uint16_t version, const void *image, size_t size, void *entry) {
	struct password *password = entry;
	if (version != 1 || size != sizeof(*password) - NODE_SIZE + sizeof(struct facts))
		return false;
	return true; // without its series nothing is known of it
}
