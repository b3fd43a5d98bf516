// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// idle SESSIONS OUT: a capture of so many IMAP sessions open at once: each logs in, selects INBOX, fetches
// one small message and waits in IDLE. Every step is taken by all of them before the next, so that no
// two packets in a row belong to one connection: the worst case for caches.

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT, SERVER };
enum { SYN = 2, ACK = 16 };

static const struct {
	int from;
	uint8_t flags;
	const char *text;
} steps[] = {
	{CLIENT, SYN, ""},
	{SERVER, SYN | ACK, ""},
	{CLIENT, ACK, ""},
	{SERVER, ACK, "* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n"},
	{CLIENT, ACK, "a LOGIN user%07u@example.org secret\r\n"},
	{SERVER, ACK, "a OK Logged in\r\n"},
	{CLIENT, ACK, "b SELECT INBOX\r\n"},
	{SERVER,
	 ACK,
	 "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok\r\nb OK [READ-WRITE] "
	 "done\r\n"},
	{CLIENT, ACK, "c UID FETCH 3 (UID BODY.PEEK[])\r\n"},
	{SERVER,
	 ACK,
	 "* 3 FETCH (UID 3 BODY[] {24}\r\nSubject: hello\r\n\r\nhello\r\n)\r\nc OK done\r\n"},
	{CLIENT, ACK, "d IDLE\r\n"},
	{SERVER, ACK, "+ idling\r\n"},
};

static uint8_t *put(uint8_t *p, uint32_t value, int size) {
	for (int i = size - 1; i >= 0; i--)
		*p++ = (uint8_t)(value >> (8 * i));
	return p;
}

// Of size bytes, an odd one's half is zero (RFC 1071); sum: one to go on from.
static uint16_t checksum(uint32_t sum, const uint8_t *p, uint32_t size) {
	for (uint32_t i = 0; i < size; i += 2)
		sum += (uint32_t)(p[i] << 8 | (i + 1 < size ? p[i + 1] : 0));
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static void packet_write(FILE *out, uint32_t session, int step, uint32_t seq[2], uint64_t time_us) {
	uint8_t frame[400] = {0}, *p = frame + 12;
	char text[300];
	int from = steps[step].from;
	uint32_t size = (uint32_t)snprintf(text, sizeof(text), steps[step].text, session);
	uint32_t client = 0x0a000000 + session % 200000 + 1, server = 0xc0a80001;
	uint16_t client_port = (uint16_t)(20000 + session / 200000), server_port = 143;

	p = put(p, 0x0800, 2);
	uint8_t *ip = p;
	p = put(p, 0x4500, 2), p = put(p, 40 + size, 2), p = put(p, 0, 4), p = put(p, 0x4006, 2),
	p = put(p, 0, 2);
	p = put(p, from == CLIENT ? client : server, 4),
	p = put(p, from == CLIENT ? server : client, 4);
	put(ip + 10, checksum(0, ip, 20), 2);
	p = put(p, from == CLIENT ? client_port : server_port, 2),
	p = put(p, from == CLIENT ? server_port : client_port, 2);
	p = put(p, seq[from], 4), p = put(p, steps[step].flags & ACK ? seq[!from] : 0, 4);
	p = put(p, 0x5000u | steps[step].flags, 2), p = put(p, 0xffff, 2), p = put(p, 0, 4);
	memcpy(p, text, size);
	p += size;
	// The pseudo header: both addresses, the protocol, the length.
	put(ip + 36, checksum((uint16_t)~checksum(6 + 20 + size, ip + 12, 8), ip + 20, 20 + size), 2
	);

	uint32_t length = (uint32_t)(p - frame);
	uint32_t record[4]
		= {(uint32_t)(time_us / 1000000), (uint32_t)(time_us % 1000000), length, length};
	fwrite(record, sizeof(record), 1, out);
	fwrite(frame, length, 1, out);
	seq[from] += size + !!(steps[step].flags & SYN);
}

int main(int argc, char **argv) {
	static const uint32_t header[6] = {0xa1b2c3d4, 4u << 16 | 2, 0, 0, 65535, 1};
	uint32_t n = argc == 3 ? (uint32_t)atoi(argv[1]) : 0;
	FILE *out = n ? fopen(argv[2], "wb") : NULL;
	uint32_t(*seq)[2] = calloc(n ? n : 1, sizeof(*seq));
	uint64_t time_us = 1768204800ull * 1000000;

	if (!out || !seq) {
		fprintf(stderr, "usage: idle SESSIONS OUT\n");
		return 2;
	}
	fwrite(header, sizeof(header), 1, out);
	for (size_t step = 0; step < sizeof(steps) / sizeof(steps[0]); step++)
		for (uint32_t session = 0; session < n; session++)
			packet_write(out, session, (int)step, seq[session], time_us += 2);
	free(seq);
	return ferror(out) | fclose(out) ? 1 : 0;
}
