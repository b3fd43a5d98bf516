// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "desk.h"

#include <stdlib.h>
#include <string.h>

#define START_NS (1768204800ull * 1000000000)

static void on_record(void *ctx, const char *line, size_t size) {
	struct desk *desk = ctx;

	memcpy(desk->line, line, size);
	desk->line[size] = '\0';
	desk->n_records++;
	if (desk->record)
		desk->record(desk);
}

static void on_activity(void *ctx, const struct activity *activity) {
	struct desk *desk = ctx;

	desk->n_activities++;
	if (desk->activity)
		desk->activity(desk, activity);
}

struct desk *desk_open(size_t slab_size, uint32_t n_flows) {
	struct desk *desk = calloc(1, sizeof(*desk));
	struct engine_config config = {
		.slab_size = slab_size,
		.password_key = {1, 2},
		.parse = true,
		.records = true,
		.out = {desk, on_record, on_activity},
	};
	struct flow_config flows = {.n_flows = n_flows, .held_size = 1 << 20};

	if (!desk)
		abort();
	desk->now_ns = START_NS;
	desk->engine = engine_open(&config);
	if (!desk->engine)
		abort();
	flows.handler = engine_handler(desk->engine);
	desk->flows = flow_open(&flows);
	if (!desk->flows)
		abort();
	return desk;
}

void desk_end(struct desk *desk) {
	flow_end(desk->flows);
}

void desk_close(struct desk *desk) {
	flow_close(desk->flows);
	engine_close(desk->engine);
	free(desk);
}

static void segment_send(
	struct desk_connection *c,
	enum stream_dir dir,
	uint8_t flags,
	const void *data,
	size_t size
) {
	uint8_t *copy = malloc(size ? size : 1); // of the exact size: reading past it is seen
	struct pkt pkt = {
		.payload = copy,
		.addr = c->addr[dir],
		.time_ns = c->desk->now_ns += 1000,
		.payload_size = (uint32_t)size,
		.seq = c->next[dir],
		.ack = c->next[!dir],
		.hash = c->hash,
		.window = 65000,
		.port = {c->port[dir], c->port[!dir]},
		.flags = flags,
		.family = 4,
		.wscale = 0xff,
	};

	if (!copy)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	c->next[dir] += (uint32_t)size + !!(flags & (TCP_SYN | TCP_FIN));
	flow_run(c->desk->flows, &pkt, 1);
	free(copy);
}

struct desk_connection desk_connect(struct desk *desk, uint32_t client, uint16_t server_port) {
	uint8_t ip[2][4]
		= {{10, (uint8_t)(client >> 16), (uint8_t)(client >> 8), (uint8_t)client},
		   {192, 0, 2, 1}};
	struct desk_connection c = {
		.desk = desk,
		.port = {40000, server_port},
		.hash = client * 0x9e3779b1,
		.next = {1000, 9000},
	};

	for (int dir = 0; dir < 2; dir++) {
		memcpy(c.addr[dir], ip[dir], 4);
		memcpy(c.addr[dir] + 4, ip[!dir], 4);
	}
	segment_send(&c, STREAM_CLIENT, TCP_SYN, NULL, 0);
	segment_send(&c, STREAM_SERVER, TCP_SYN | TCP_ACK, NULL, 0);
	segment_send(&c, STREAM_CLIENT, TCP_ACK, NULL, 0);
	return c;
}

void desk_say(struct desk_connection *c, enum stream_dir dir, const void *data, size_t size) {
	segment_send(c, dir, TCP_ACK, data, size);
}

void desk_hang_up(struct desk_connection *c) {
	segment_send(c, STREAM_CLIENT, TCP_ACK | TCP_FIN, NULL, 0);
	segment_send(c, STREAM_SERVER, TCP_ACK | TCP_FIN, NULL, 0);
	segment_send(c, STREAM_CLIENT, TCP_ACK, NULL, 0);
}
