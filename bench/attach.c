// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// attach MEGABYTES OUT: a capture of so many megabytes of mail with attachments, as it is on the wire between
// mail servers: SMTP, segments of 1,448 bytes, an acknowledgement for every second one, right checksums. Each
// message has two pages of quoted-printable text and one attachment of 20 to 1,300 KB in base64.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT, SERVER };
enum { BURST = 8, AT_ONCE_MAX = 64 }; // packets of one session in its turn
enum { FIN = 1, SYN = 2, ACK = 16, SEGMENT = 1448, HEADERS = 14 + 20 + 32 };

static struct {
	FILE *out;
	uint64_t time_us, bytes;
	uint32_t session, seq[2], n_unacked;
} wire;

static uint32_t random_state = 1;

static uint32_t random_next(void) {
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static uint8_t *put(uint8_t *p, uint32_t value, int size) {
	for (int i = size - 1; i >= 0; i--)
		*p++ = (uint8_t)(value >> (8 * i));
	return p;
}

static uint32_t sum_add(uint32_t sum, const uint8_t *data, uint32_t size) {
	for (uint32_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	return size & 1 ? sum + (uint32_t)(data[size - 1] << 8) : sum;
}

static uint16_t sum_fold(uint32_t sum) {
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

// One frame: Ethernet, IPv4, TCP with room for timestamps as hosts have it.
static void frame_write(int from, uint8_t flags, const uint8_t *data, uint32_t size) {
	uint8_t frame[HEADERS + SEGMENT] = {0}, *ip = frame + 14, *tcp = ip + 20, *p;
	uint32_t client = 0x0a000000 + wire.session % 60000 + 1, server = 0xc0a80001;
	uint32_t length = HEADERS + size;

	put(frame + 12, 0x0800, 2);
	p = put(ip, 0x4500, 2), p = put(p, 52 + size, 2), p = put(p, 0x4000, 4);
	p = put(p, 0x4006, 2), p = put(p, 0, 2);
	p = put(p, from == CLIENT ? client : server, 4);
	put(p, from == CLIENT ? server : client, 4);
	put(ip + 10, sum_fold(sum_add(0, ip, 20)), 2);
	p = put(tcp, from == CLIENT ? 20000 + wire.session % 40000 : 25, 2);
	p = put(p, from == CLIENT ? 25 : 20000 + wire.session % 40000, 2);
	p = put(p, wire.seq[from], 4);
	p = put(p, flags & ACK ? wire.seq[!from] : 0, 4);
	p = put(p, 0x8000u | flags, 2), p = put(p, 0xffff, 2), p = put(p, 0, 4);
	put(p, 0x0101080a, 4);
	if (size > 0)
		memcpy(tcp + 32, data, size);
	put(tcp + 16, sum_fold(sum_add(sum_add(6 + 32 + size, ip + 12, 8), tcp, 32 + size)), 2);

	uint32_t record[4] = {0, 0, length, length}; // its time is known when its turn comes

	fwrite(record, sizeof(record), 1, wire.out);
	fwrite(frame, length, 1, wire.out);
	wire.bytes += sizeof(record) + length;
	wire.seq[from] += size + ((flags & (SYN | FIN)) != 0);
}

static void say(int from, const char *data, size_t size) {
	for (size_t at = 0, n; at < size; at += n) {
		n = size - at < SEGMENT ? size - at : SEGMENT;
		frame_write(from, ACK, (const uint8_t *)data + at, (uint32_t)n);
		if (++wire.n_unacked == 2) {
			frame_write(!from, ACK, NULL, 0);
			wire.n_unacked = 0;
		}
	}
}

static void line(int from, const char *text) {
	say(from, text, strlen(text));
}

// ---- A message

static void text_write(FILE *message) {
	static const char *const words[] = {
		"zpr=C3=A1va",
		"smlouva",
		"ministerstvo",
		"jedn=C3=A1n=C3=AD",
		"the",
		"meeting",
		"on",
		"p=C5=99=C3=ADloha",
		"v",
		"a",
		"report",
		"tomorrow",
	};
	for (int i = 0, column = 0; i < 400; i++) {
		column += fprintf(message, "%s ", words[random_next() % 12]);
		if (column < 65)
			continue;
		fputs(random_next() % 3 ? "=\r\n" : "\r\n", message);
		column = 0;
	}
}

static void base64_write(FILE *message, uint32_t size) {
	static const char alphabet[]
		= "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[78];

	text[76] = '\r', text[77] = '\n';
	for (uint32_t i = 0; i < size / 57; i++) {
		for (int c = 0; c < 76; c++)
			text[c] = alphabet[random_next() & 63];
		fwrite(text, sizeof(text), 1, message);
	}
}

static char *message_make(size_t *size) {
	char *text;
	FILE *message = open_memstream(&text, size);

	fprintf(message,
		"From: a@example.org\r\nTo: b@partner.example\r\nSubject: "
		"=?utf-8?Q?P=C5=99=C3=ADloha_%u?=\r\nMessage-ID: <%u@example.org>\r\n"
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_part\"\r\n\r\n"
		"--=_part\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		wire.session,
		wire.session);
	text_write(message);
	fprintf(message,
		"\r\n--=_part\r\nContent-Type: application/octet-stream\r\n"
		"Content-Disposition: attachment; filename=report%u.bin\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n",
		wire.session);
	base64_write(message, 20000u << random_next() % 7);
	fputs("--=_part--\r\n.\r\n", message);
	fclose(message);
	return text;
}

// Its packets, one behind the other.
static char *session_make(size_t *session_size) {
	char *session;
	size_t size;
	char *message = message_make(&size);

	wire.out = open_memstream(&session, session_size);
	wire.seq[CLIENT] = random_next();
	wire.seq[SERVER] = random_next();
	frame_write(CLIENT, SYN, NULL, 0);
	frame_write(SERVER, SYN | ACK, NULL, 0);
	frame_write(CLIENT, ACK, NULL, 0);
	line(SERVER, "220 mx.partner.example ESMTP\r\n");
	line(CLIENT, "EHLO mail.example.org\r\n");
	line(SERVER, "250-mx.partner.example\r\n250 PIPELINING\r\n");
	line(CLIENT, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@partner.example>\r\nDATA\r\n");
	line(SERVER, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n");
	say(CLIENT, message, size);
	line(SERVER, "250 2.0.0 Ok: queued as 4ABC\r\n");
	line(CLIENT, "QUIT\r\n");
	line(SERVER, "221 2.0.0 Bye\r\n");
	frame_write(CLIENT, FIN | ACK, NULL, 0);
	frame_write(SERVER, FIN | ACK, NULL, 0);
	frame_write(CLIENT, ACK, NULL, 0);
	free(message);
	fclose(wire.out);
	wire.session++;
	return session;
}

// Some packets of an open session. Returns how many bytes they are.
static size_t burst_write(FILE *out, char *packets, size_t size) {
	size_t at = 0;

	for (int i = 0; i < BURST && at < size; i++) {
		uint32_t head[4];

		wire.time_us += 3;
		memcpy(head, packets + at, sizeof(head));
		head[0] = (uint32_t)(wire.time_us / 1000000);
		head[1] = (uint32_t)(wire.time_us % 1000000);
		fwrite(head, sizeof(head), 1, out);
		fwrite(packets + at + sizeof(head), head[2], 1, out);
		at += sizeof(head) + head[2];
	}
	return at;
}

// Until there are enough bytes; n sessions are open at once, and have their turns.
static void sessions_write(FILE *out, uint64_t size, int n) {
	struct {
		char *packets;
		size_t at, size;
	} open[AT_ONCE_MAX] = {0};
	int n_open = 0;

	for (int i = 0; n_open > 0 || wire.bytes < size; i = (i + 1) % n) {
		if (!open[i].packets && wire.bytes < size) {
			open[i].at = 0;
			open[i].packets = session_make(&open[i].size);
			n_open++;
		}
		if (!open[i].packets)
			continue;
		open[i].at += burst_write(
			out, open[i].packets + open[i].at, open[i].size - open[i].at
		);
		if (open[i].at < open[i].size)
			continue;
		free(open[i].packets);
		open[i].packets = NULL;
		n_open--;
	}
}

int main(int argc, char **argv) {
	static const uint32_t header[6] = {0xa1b2c3d4, 4u << 16 | 2, 0, 0, 65535, 1};
	uint64_t size = argc >= 3 ? strtoull(argv[1], NULL, 10) * 1000000 : 0;
	int at_once = argc == 4 ? atoi(argv[3]) : 1;
	FILE *out = size && at_once > 0 && at_once <= AT_ONCE_MAX ? fopen(argv[2], "wb") : NULL;

	if (!out) {
		fprintf(stderr, "usage: attach MEGABYTES OUT [SESSIONS-AT-ONCE]\n");
		return 2;
	}
	wire.time_us = 1768204800ull * 1000000;
	fwrite(header, sizeof(header), 1, out);
	sessions_write(out, size, at_once);
	return ferror(out) | fclose(out) ? 1 : 0;
}
