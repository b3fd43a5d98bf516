// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A worker's engine behind its table of connections, for tests that have many of them: segments go in, record
// lines come out.

#pragma once

#include "engine.h"
#include "flow.h"

#include <stddef.h>
#include <stdint.h>

struct desk {
	struct engine *engine;
	struct flow_table *flows;
	uint64_t now_ns;
	uint64_t n_records, n_activities;
	char line[RECORD_SIZE_MAX + 1]; // the last record, terminated
	void (*record)(struct desk *desk); // told of each, which is in line; NULL: nobody
	void (*activity)(struct desk *desk, const struct activity *activity); // NULL: nobody
	void *ctx; // the test's
};

// A connection of a client's, whose number makes its address: 10.N.N.N.
struct desk_connection {
	struct desk *desk;
	uint8_t addr[2][8]; // source and destination of each direction
	uint16_t port[2];
	uint32_t hash;
	uint32_t next[2];
};

// Sizes of 0: what the rooms have by default. Fails the test when the system refuses.
struct desk *desk_open(size_t slab_size, uint32_t n_flows);
// After which sessions of ended connections have given everything back: the end of all is told first.
void desk_end(struct desk *desk);
void desk_close(struct desk *desk);

struct desk_connection desk_connect(struct desk *desk, uint32_t client, uint16_t server_port);
void desk_say(
	struct desk_connection *connection,
	enum stream_dir dir,
	const void *data,
	size_t size
);
void desk_hang_up(struct desk_connection *connection);
