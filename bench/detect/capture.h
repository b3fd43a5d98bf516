// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Turns activity back into the conversations it could have come from: IMAP, submission and ManageSieve
// over TCP over IPv4 or IPv6, as a capture with the activity's times. What a sensor reads from the
// capture must be the activity again. One server address; the account's password is its name.

#pragma once

#include "activity.h"

#include <stdint.h>
#include <stdio.h>

struct capture_writer;

// Writes to out, which stays the caller's. NULL without memory.
struct capture_writer *capture_writer_open(FILE *out);
// One activity, in time order. Those of one session go over one connection, from the first to the one
// with end.
void capture_writer_add(struct capture_writer *writer, const struct activity *activity);
uint64_t capture_writer_packets(const struct capture_writer *writer);
// Ends what is open. 0, or −1 when something could not be written. Accepts NULL.
int capture_writer_close(struct capture_writer *writer);
