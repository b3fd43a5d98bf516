// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The plain list behind networks.h.

#pragma once

#include "networks.h"

// A prefix and, once sorted, the next wider one of the list around it.
struct network_prefix {
	uint8_t addr[16]; // as in struct ip
	uint32_t asn;
	uint32_t around; // index + 1; 0: none
	uint8_t family, bits;
	uint8_t kind; // enum activity_network
	char country[2]; // zero: not said
};

struct network_list {
	struct network_prefix *prefix;
	size_t n;
};

// Reads a list. The number of lines that are wrong, each said on err; −1 when it cannot be read, which
// is said. list is to be closed in any case.
long network_list_read(struct network_list *list, const char *path, FILE *err);
// The narrowest prefix around ip, or NULL.
const struct network_prefix *
network_list_find(const struct network_list *list, const struct ip *ip);
void network_list_close(struct network_list *list);
