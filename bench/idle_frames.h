// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The packets of so many IMAP sessions open at once: each logs in, selects INBOX, fetches one small message and
// waits in IDLE. For bench/idle.c and the tests of what such a session costs.

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { IDLE_CLIENT, IDLE_SERVER, IDLE_FRAME_SIZE = 400 };
enum { IDLE_SYN = 2, IDLE_ACK = 16 };

static const struct {
	int from;
	uint8_t flags;
	const char *text;
} idle_steps[] = {
	{IDLE_CLIENT, IDLE_SYN, ""},
	{IDLE_SERVER, IDLE_SYN | IDLE_ACK, ""},
	{IDLE_CLIENT, IDLE_ACK, ""},
	{IDLE_SERVER, IDLE_ACK, "* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n"},
	{IDLE_CLIENT, IDLE_ACK, "a LOGIN user%07u@example.org secret\r\n"},
	{IDLE_SERVER, IDLE_ACK, "a OK Logged in\r\n"},
	{IDLE_CLIENT, IDLE_ACK, "b SELECT INBOX\r\n"},
	{IDLE_SERVER,
	 IDLE_ACK,
	 "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok\r\nb OK [READ-WRITE] "
	 "done\r\n"},
	{IDLE_CLIENT, IDLE_ACK, "c UID FETCH 3 (UID BODY.PEEK[])\r\n"},
	{IDLE_SERVER,
	 IDLE_ACK,
	 "* 3 FETCH (UID 3 BODY[] {24}\r\nSubject: hello\r\n\r\nhello\r\n)\r\nc OK done\r\n"},
	{IDLE_CLIENT, IDLE_ACK, "d IDLE\r\n"},
	{IDLE_SERVER, IDLE_ACK, "+ idling\r\n"},
};

static inline uint8_t *idle_put(uint8_t *p, uint32_t value, int size) {
	for (int i = size - 1; i >= 0; i--)
		*p++ = (uint8_t)(value >> (8 * i));
	return p;
}

// Of size bytes, an odd one's half is zero (RFC 1071); sum: one to go on from.
static inline uint16_t idle_checksum(uint32_t sum, const uint8_t *p, uint32_t size) {
	for (uint32_t i = 0; i < size; i += 2)
		sum += (uint32_t)(p[i] << 8 | (i + 1 < size ? p[i + 1] : 0));
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

enum { IDLE_STEPS = sizeof(idle_steps) / sizeof(idle_steps[0]) };

// Packet step of a session, whose sequence numbers go on. IPv4 or IPv6. Returns the frame's size.
static inline uint32_t
idle_frame(uint8_t frame[IDLE_FRAME_SIZE], bool is_6, uint32_t session, int step, uint32_t seq[2]) {
	char text[300];
	bool is_server = idle_steps[step].from == IDLE_SERVER;
	uint32_t size = (uint32_t)snprintf(text, sizeof(text), idle_steps[step].text, session);
	uint32_t client = 0x0a000000 + session % 200000 + 1, server = 0xc0a80001;
	uint32_t ports[2] = {20000 + session / 200000, 143}, addr_size = is_6 ? 16 : 4;
	uint8_t *p = frame + 12, *ip = frame + 14, *addr, *tcp;

	memset(frame, 0, IDLE_FRAME_SIZE);
	p = idle_put(p, is_6 ? 0x86dd : 0x0800, 2);
	if (is_6) {
		p = idle_put(p, 0x60000000, 4), p = idle_put(p, 20 + size, 2);
		p = idle_put(p, 0x0640, 2);
	} else {
		p = idle_put(p, 0x4500, 2), p = idle_put(p, 40 + size, 2), p = idle_put(p, 0, 4);
		p = idle_put(p, 0x4006, 2), p = idle_put(p, 0, 2);
	}
	addr = p;
	idle_put(addr + addr_size - 4, is_server ? server : client, 4);
	idle_put(addr + 2 * addr_size - 4, is_server ? client : server, 4);
	p = tcp = addr + 2 * addr_size;
	if (is_6)
		addr[0] = addr[16] = 0xfd;
	else
		idle_put(ip + 10, idle_checksum(0, ip, 20), 2);
	p = idle_put(p, ports[is_server], 2), p = idle_put(p, ports[!is_server], 2);
	p = idle_put(p, seq[is_server], 4);
	p = idle_put(p, idle_steps[step].flags & IDLE_ACK ? seq[!is_server] : 0, 4);
	p = idle_put(p, 0x5000u | idle_steps[step].flags, 2), p = idle_put(p, 0xffff, 2);
	p = idle_put(p, 0, 4);
	memcpy(p, text, size);
	p += size;
	// The pseudo header: both addresses, the protocol, the length.
	idle_put(
		tcp + 16,
		idle_checksum(
			(uint16_t)~idle_checksum(6 + 20 + size, addr, 2 * addr_size), tcp, 20 + size
		),
		2
	);
	seq[is_server] += size + !!(idle_steps[step].flags & IDLE_SYN);
	return (uint32_t)(p - frame);
}
