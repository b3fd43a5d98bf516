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
	desk->line_size = size;
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

static void on_offer(void *ctx, const struct offer_heard *heard) {
	struct desk *desk = ctx;

	if (desk->offer)
		desk->offer(desk, heard);
}

static void *need(void *memory) {
	if (!memory)
		abort();
	return memory;
}

struct desk *desk_open_with(const struct engine_config *engine, uint32_t n_flows) {
	struct desk *desk = need(calloc(1, sizeof(*desk)));
	struct engine_config config = *engine;

	desk->now_ns = START_NS;
	desk->step_ns = 1000;
	config.out = (struct engine_out){desk, on_record, on_activity, on_offer};
	desk->engine = need(engine_open(&config));
	desk->flows = need(flow_open(&(struct flow_config
	){.n_flows = n_flows, .held_size = 1 << 20, .handler = engine_handler(desk->engine)}));
	return desk;
}

struct desk *desk_open(size_t slab_size, uint32_t n_flows) {
	const struct engine_config config = {
		.slab_size = slab_size,
		.password_key = {1, 2},
		.parse = true,
		.records = true,
	};

	return desk_open_with(&config, n_flows);
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
	uint8_t *copy = need(malloc(size ? size : 1)); // of the exact size: reading past it is seen
	struct pkt pkt = {
		.payload = copy,
		.addr = c->addr[dir],
		.time_ns = c->desk->now_ns += c->desk->step_ns,
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

	if (size > 0)
		memcpy(copy, data, size);
	c->next[dir] += (uint32_t)size + !!(flags & (TCP_SYN | TCP_FIN));
	flow_run(c->desk->flows, &pkt, 1);
	free(copy);
}

struct desk_connection desk_join_ends(struct desk *desk, const struct desk_ends *ends) {
	struct desk_connection c = {
		.desk = desk,
		.port = {ends->client_port, ends->server_port},
		.next = {1000, 9000},
	};
	uint32_t client;

	memcpy(c.addr[STREAM_CLIENT], ends->client, 4);
	memcpy(c.addr[STREAM_CLIENT] + 4, ends->server, 4);
	memcpy(c.addr[STREAM_SERVER], ends->server, 4);
	memcpy(c.addr[STREAM_SERVER] + 4, ends->client, 4);
	memcpy(&client, ends->client, 4);
	c.hash = (client + ends->client_port) * 0x9e3779b1;
	return c;
}

struct desk_connection desk_connect_ends(struct desk *desk, const struct desk_ends *ends) {
	struct desk_connection c = desk_join_ends(desk, ends);

	segment_send(&c, STREAM_CLIENT, TCP_SYN, NULL, 0);
	segment_send(&c, STREAM_SERVER, TCP_SYN | TCP_ACK, NULL, 0);
	segment_send(&c, STREAM_CLIENT, TCP_ACK, NULL, 0);
	return c;
}

struct desk_connection desk_connect(struct desk *desk, uint32_t client, uint16_t server_port) {
	const struct desk_ends ends = {
		.client = {10, (uint8_t)(client >> 16), (uint8_t)(client >> 8), (uint8_t)client},
		.server = {192, 0, 2, 1},
		.client_port = 40000,
		.server_port = server_port,
	};

	return desk_connect_ends(desk, &ends);
}

void desk_say(struct desk_connection *c, enum stream_dir dir, const void *data, size_t size) {
	segment_send(c, dir, TCP_ACK, data, size);
}

void desk_lose(struct desk_connection *c, enum stream_dir dir, size_t size) {
	c->next[dir] += (uint32_t)size;
	segment_send(c, !dir, TCP_ACK, NULL, 0);
}

void desk_hang_up(struct desk_connection *c) {
	segment_send(c, STREAM_CLIENT, TCP_ACK | TCP_FIN, NULL, 0);
	segment_send(c, STREAM_SERVER, TCP_ACK | TCP_FIN, NULL, 0);
	segment_send(c, STREAM_CLIENT, TCP_ACK, NULL, 0);
}
