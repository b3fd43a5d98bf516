// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Which CPU a thread runs on. Memory is taken where the thread runs that first touches it, so threads are
// placed before they work.

#pragma once

#include "config.h"

// Whether the CPUs exist, may be used, are named once, and suffice for n_workers; none named is right,
// too. 0, or −1 and one line in error.
int place_check(const struct config_numbers *cores, int n_workers, char *error, int size);
// The calling thread, on one CPU from now on. What the system refuses is let be.
void place_on_cpu(int cpu);
// The calling thread and those it begins, on the CPUs of a NUMA node; nothing when it has none that may
// be used, or when there is only one node.
void place_on_node(int node);
