// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Which CPU a thread runs on. Memory is taken where the thread runs that first touches it, so threads are
// placed before they work.

#pragma once

#include "config.h"

#include <sched.h>
#include <stdbool.h>

// Whether the CPUs exist, may be used, are named once, and suffice for n_workers; none named is right,
// too. 0, or −1 and one line in error.
int place_check(const struct config_numbers *cores, int n_workers, char *error, int size);
// The calling thread, on one CPU from now on. What the system refuses is let be.
void place_on_cpu(int cpu);
// The CPUs among those allowed that are of a NUMA node, as the system tells it in the folder root. False: not
// to be placed: the node is not known (negative), the only one, or has none that are allowed.
bool place_near(const char *root, int node, const cpu_set_t *allowed, cpu_set_t *near);
// The calling thread and those it begins, on the CPUs of a NUMA node; nothing when it has none that may
// be used, or when there is only one node.
void place_on_node(int node);
