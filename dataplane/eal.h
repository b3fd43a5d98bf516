// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// DPDK's environment: started once, with the memory the ports need, and what it says caught, since its
// messages are for its developers.

#pragma once

#include <stdbool.h>
#include <stdio.h>

enum { EAL_NODE_ANY = -1 };

struct eal_config {
	int memory_mb; // for packet buffers and what EAL wants for itself
	bool no_huge; // even where there are hugepages
	int node; // NUMA node of the port, or EAL_NODE_ANY
	const char *pci; // the one device to take, or NULL: none
	const char *file_prefix; // telemetry and lock files of this process; NULL: by process id
	char **args; // the user's own; NULL-terminated, may be NULL
};

// Starts EAL; a second call does nothing. 0, or −1 and one line in error.
int eal_start(const struct eal_config *config, char *error, int size);
// Whether memory comes from hugepages; after eal_start().
bool eal_has_huge(void);
// Free hugepages of all sizes, in megabytes.
unsigned long eal_huge_free_mb(void);
// Lets a thread that is not EAL's use the pools' caches; without it they are slower and no less right.
void eal_thread_begin(void);
void eal_thread_end(void);

// Catches what EAL and the drivers say meanwhile, of which the first line is nearest to the cause.
struct eal_listener {
	FILE *stream;
	char *text;
	size_t size;
};

void eal_listen_begin(struct eal_listener *listener);
// The first line, without its end; "" when nothing was said. Valid until eal_listen_end().
const char *eal_listen_line(struct eal_listener *listener);
void eal_listen_end(struct eal_listener *listener);
