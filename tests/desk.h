// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A worker's engine behind its table of connections, for tests that have many of them: segments go in; record
// lines, activities and what servers offer come out.

#pragma once

#include "engine.h"
#include "flow.h"

#include <stddef.h>
#include <stdint.h>

struct desk {
	struct engine *engine;
	struct flow_table *flows;
	uint64_t now_ns; // of the last segment; may be set
	uint64_t step_ns; // from one segment to the next: 1,000; may be set
	uint64_t n_records, n_activities;
	char line[RECORD_SIZE_MAX + 1]; // the last record, terminated
	size_t line_size;
	void (*record)(struct desk *desk); // told of each, which is in line; NULL: nobody
	void (*activity)(struct desk *desk, const struct activity *activity); // NULL: nobody
	void (*offer)(struct desk *desk, const struct offer_heard *heard); // NULL: nobody
	void *ctx; // the test's
};

struct desk_ends {
	uint8_t client[4], server[4];
	uint16_t client_port, server_port;
};

struct desk_connection {
	struct desk *desk;
	uint8_t addr[2][8]; // source and destination of each direction
	uint16_t port[2];
	uint32_t hash;
	uint32_t next[2];
};

// Sizes of 0: what the rooms have by default. Ends the program when the system refuses. Bytes of messages are
// not decoded, and there are no rules.
struct desk *desk_open(size_t slab_size, uint32_t n_flows);
// With an engine of one's own; its out is the desk's.
struct desk *desk_open_with(const struct engine_config *engine, uint32_t n_flows);
// After which sessions of ended connections have given everything back: the end of all is told first.
void desk_end(struct desk *desk);
void desk_close(struct desk *desk);

// A client's number makes its address, 10.N.N.N; its port is 40000, and the server is 192.0.2.1.
struct desk_connection desk_connect(struct desk *desk, uint32_t client, uint16_t server_port);
struct desk_connection desk_connect_ends(struct desk *desk, const struct desk_ends *ends);
// The same without a handshake: as of a connection that was there before.
struct desk_connection desk_join_ends(struct desk *desk, const struct desk_ends *ends);
void desk_say(
	struct desk_connection *connection,
	enum stream_dir dir,
	const void *data,
	size_t size
);
// Bytes of dir that are missing in the capture; the other side says that it has them.
void desk_lose(struct desk_connection *connection, enum stream_dir dir, size_t size);
void desk_hang_up(struct desk_connection *connection);
