// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "rows.h"

#include "limits.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	CLIENT_FIRST = 1000, // number of each side's first byte
	SERVER_FIRST = 5000,
	TEXT_SIZE = 1 << 16,
};

// The byte at each sequence number is always the same, so that whatever comes again is what it was.
static const char *bytes_at(uint32_t seq) {
	static char text[TEXT_SIZE + 26];

	if (!text[0])
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (char)('a' + i % 26);
	return text + seq % 26;
}

void row_put(struct row_script *s, const struct row_seg *seg) {
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->segs = realloc(s->segs, s->room * sizeof(*s->segs));
	}
	s->segs[s->n] = *seg;
	if (seg->data && !seg->size)
		s->segs[s->n].size = (uint32_t)strlen(seg->data);
	s->n++;
}

#define PUT(s, ...) row_put(s, &(struct row_seg){__VA_ARGS__})

void row_free(struct row_script *s) {
	free(s->segs);
	*s = (struct row_script){0};
}

// Bytes of dir at seq, as they always are.
#define BYTES(s, dir_, seq_, size_, ...)                                                           \
	PUT(s, dir_, TCP_ACK, seq_, (s)->at[!(dir_)], bytes_at(seq_), size_, ##__VA_ARGS__)

void row_say(struct row_script *s, enum stream_dir dir, uint32_t size) {
	BYTES(s, dir, s->at[dir], size, .stamp = s->stamp ? s->stamp++ : 0);
	s->at[dir] += size;
}

static void opened_at(struct row_script *s, uint32_t client, uint32_t server, uint8_t wscale) {
	s->at[C] = client;
	s->at[S] = server;
	PUT(s, C, TCP_SYN, client - 1, .wscale = wscale);
	PUT(s, S, TCP_SYN | TCP_ACK, server - 1, client, .wscale = wscale);
	PUT(s, C, TCP_ACK, client, server);
}

void row_open(struct row_script *s) {
	opened_at(s, CLIENT_FIRST, SERVER_FIRST, 0);
}

// So that the window goes along.
static void acked(struct row_script *s, uint32_t i) {
	if (i % 64 == 63)
		PUT(s, S, TCP_ACK, s->at[S], s->at[C]);
}

void row_tail(struct row_script *s) {
	PUT(s, C, TCP_ACK, s->at[C], s->at[S], "QUIT!", .stamp = s->stamp ? s->stamp + 100 : 0);
	s->at[C] += 5;
	PUT(s, S, TCP_ACK, s->at[S], s->at[C], "BYE!", .stamp = s->stamp ? s->stamp + 100 : 0);
	s->at[S] += 4;
}

// ---- The rows

static void t1(struct row_script *s, uint32_t n) {
	uint32_t isn = 0;

	for (uint32_t i = 0; i < n; i++)
		PUT(s, C, TCP_SYN, isn = CLIENT_FIRST + 7919 * i);
	PUT(s, S, TCP_SYN | TCP_ACK, SERVER_FIRST - 1, isn + 1);
	s->at[C] = isn + 1;
	s->at[S] = SERVER_FIRST;
	PUT(s, C, TCP_ACK, s->at[C], s->at[S]);
	row_say(s, C, 30);
}

static void t2(struct row_script *s, uint32_t n) {
	uint32_t isn = 0;

	PUT(s, C, TCP_SYN, CLIENT_FIRST - 1);
	for (uint32_t i = 0; i < n; i++)
		PUT(s, S, TCP_SYN | TCP_ACK, isn = SERVER_FIRST + 7919 * i, CLIENT_FIRST);
	s->at[C] = CLIENT_FIRST;
	s->at[S] = isn + 1;
	PUT(s, C, TCP_ACK, s->at[C], s->at[S]);
	row_say(s, S, 30);
}

static void t3(struct row_script *s, uint32_t n) {
	PUT(s, C, TCP_SYN, CLIENT_FIRST - 1, 12345);
	PUT(s, S, TCP_SYN | TCP_ACK, SERVER_FIRST - 1, CLIENT_FIRST);
	s->at[C] = CLIENT_FIRST;
	s->at[S] = SERVER_FIRST;
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, C, TCP_PSH, s->at[C], s->at[S], "EVIL");
		row_say(s, C, 4);
	}
}

static void t4(struct row_script *s, uint32_t n) {
	PUT(s, C, TCP_SYN, CLIENT_FIRST - 1);
	for (uint32_t i = 0; i < n; i++)
		PUT(s, S, i % 2 ? TCP_RST : TCP_RST | TCP_ACK, 0, CLIENT_FIRST, .stamp = 77 + i);
	PUT(s, S, TCP_SYN | TCP_ACK, SERVER_FIRST - 1, CLIENT_FIRST);
	s->at[C] = CLIENT_FIRST;
	s->at[S] = SERVER_FIRST;
	row_say(s, C, 30);
}

static const char signature[20] = {19, 18, [18] = 1, [19] = 1}; // TCP-MD5, RFC 2385

static void t5(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, C, TCP_RST, s->at[C], .options = signature, .options_size = 20);
		row_say(s, C, 8);
	}
}

// Geneva's insertions before each piece of real data.
static void t6(struct row_script *s, uint32_t n) {
	row_open(s);
	row_say(s, C, 8);
	row_say(s, S, 8);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = s->at[C], ack = s->at[S];

		PUT(s, C, TCP_ACK, at, ack, "EVIL", .is_forged = true);
		PUT(s, C, TCP_ACK, at, ack, "EVIL", .ttl = 8 + 2 * (i % 2));
		PUT(s, C, TCP_ACK, at, ack + 0x50000000, "EVIL");
		PUT(s, C, TCP_ACK, at, ack, "EVIL", .extra_header = 3 + 2 * (i % 2));
		PUT(s, C, TCP_ACK, at, ack, "EVIL", .promised = 20 + 14 * (i % 2));
		row_say(s, C, 8);
		PUT(s, S, TCP_ACK, s->at[S], s->at[C]);
	}
}

static void t7(struct row_script *s, uint32_t n) {
	static const uint8_t flags[] = {
		TCP_RST,
		TCP_RST | TCP_ACK,
		TCP_FIN | TCP_RST | TCP_ACK | TCP_PSH | TCP_URG,
		TCP_FIN | TCP_RST | TCP_ACK,
		TCP_SYN | TCP_ACK,
	};

	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t these = flags[i % sizeof(flags)];

		PUT(s, C, these, s->at[C], s->at[S], .is_forged = true);
		PUT(s, C, these, s->at[C], s->at[S], .ttl = 10);
		PUT(s, C, these, s->at[C], s->at[S], .options = signature, .options_size = 20);
		row_say(s, C, 8);
	}
}

static void t8(struct row_script *s, uint32_t n) {
	PUT(s, C, TCP_SYN | TCP_ACK, 4242, 1);
	for (uint32_t i = 0; i < n; i++)
		PUT(s, C, TCP_SYN, CLIENT_FIRST - 1, 0, bytes_at(CLIENT_FIRST), 8);
	PUT(s, S, TCP_SYN | TCP_ACK, SERVER_FIRST - 1, CLIENT_FIRST + 8);
	s->at[C] = CLIENT_FIRST + 8;
	s->at[S] = SERVER_FIRST;
	PUT(s, C, TCP_ACK, s->at[C], s->at[S]);
	row_say(s, C, 8);
}

static void t9(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = s->at[C];

		BYTES(s, C, at + 8, 4);
		BYTES(s, C, at + 4, 4);
		BYTES(s, C, at, 8);
		BYTES(s, C, at + 12, 19);
		BYTES(s, C, at + 31, 1);
		s->at[C] += 32;
		acked(s, i);
	}
}

static void t10(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, C, TCP_SYN | TCP_FIN, 700000 + i);
		PUT(s, C, TCP_SYN, 900000 + i);
		row_say(s, C, 8);
	}
}

static void t11(struct row_script *s, uint32_t n) {
	s->at[C] = CLIENT_FIRST;
	s->at[S] = SERVER_FIRST;
	PUT(s, C, TCP_SYN, s->at[C] - 1);
	for (uint32_t i = 0; i < n; i++)
		PUT(s, S, TCP_ACK, 0, s->at[C]);
	for (uint32_t i = 0; i < n; i++)
		PUT(s, S, TCP_SYN, s->at[S] - 1);
	PUT(s, C, TCP_SYN | TCP_ACK, s->at[C] - 1, s->at[S]);
	PUT(s, S, TCP_ACK, s->at[S], s->at[C]);
	row_say(s, S, 8);
	row_say(s, C, 8);
}

static void t12(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++)
		row_say(s, C, 8);
	BYTES(s, C, s->at[C] + 4, 8);
	BYTES(s, C, s->at[C] + 20, 8);
	PUT(s, S, TCP_RST, s->at[S]);
}

static void t13(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, S, TCP_RST | TCP_ACK, s->at[S] - 9, s->at[C], "go away");
		row_say(s, C, 8);
	}
	PUT(s, S, TCP_RST | TCP_ACK, s->at[S], s->at[C], "go away");
}

static void t14(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, C, TCP_RST, s->at[C] + 1 + i % 9);
		PUT(s, S, TCP_RST, s->at[S] - 1 - i % 9);
		row_say(s, C, 16);
		row_say(s, C, 16);
		acked(s, i);
	}
}

static void t15(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, C, TCP_ACK | TCP_URG, s->at[C], s->at[S], "malicXious", .urgent = 6);
		s->at[C] += 10;
		row_say(s, C, 20);
	}
}

static void t16(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, C, TCP_ACK | TCP_FIN, s->at[C] + 0x30000000, s->at[S]);
		PUT(s, C, TCP_ACK | TCP_FIN, s->at[C] - 9, s->at[S]);
		PUT(s, S, TCP_ACK, s->at[S], s->at[C] - 3);
		row_say(s, C, 8);
	}
}

static void t17(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, S, TCP_ACK, s->at[S], s->at[C] + 0x7ffffbe1);
		row_say(s, S, 8);
		row_say(s, C, 8);
	}
}

static void t18(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = s->at[C];

		BYTES(s, C, at + 8, 4);
		BYTES(s, C, at + 16, 4);
		BYTES(s, C, at + 4, 24); // holds both, what is between and around them
		BYTES(s, C, at, 28);
		s->at[C] += 28;
		acked(s, i);
	}
}

// Every other byte, the first missing.
static void t19(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++)
		BYTES(s, C, s->at[C] + 1 + 2 * i, 1);
	s->at[C] += 2 * n;
}

static void t19_backwards(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = n; i-- > 0;)
		BYTES(s, C, s->at[C] + 1 + 2 * i, 1);
	s->at[C] += 2 * n;
}

// From both ends to the middle, so that no place is near the one before.
static void t19_both_ends(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++)
		BYTES(s, C, s->at[C] + 1 + 2 * (i % 2 ? n - 1 - i / 2 : i / 2), 1);
	s->at[C] += 2 * n;
}

// In no order at all.
static void t19_anyhow(struct row_script *s, uint32_t n) {
	uint64_t state = 1;
	uint32_t first;

	row_open(s);
	first = s->n;
	for (uint32_t i = 0; i < n; i++)
		BYTES(s, C, s->at[C] + 1 + 2 * i, 1);
	for (uint32_t i = n; i > 1; i--) {
		struct row_seg *a = &s->segs[first + i - 1], *b, seg = *a;

		state = state * 6364136223846793005ull + 1442695040888963407ull;
		b = &s->segs[first + (uint32_t)(state >> 33) % i];
		*a = *b;
		*b = seg;
	}
	s->at[C] += 2 * n;
}

// A run of everything again, over all that is held.
static void t19_repeated(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++)
		BYTES(s, C, s->at[C] + 2 + 2 * (i * 37 % 120), 1);
	s->at[C] += 242;
}

static void t20(struct row_script *s, uint32_t n) {
	opened_at(s, CLIENT_FIRST, SERVER_FIRST, 15);
	row_say(s, C, 8);
	for (uint32_t i = 0; i < n; i++)
		BYTES(s, C, s->at[C] + 100 + 8192 * i, 8192);
	s->at[C] += 100 + 8192 * n;
}

static void t21(struct row_script *s, uint32_t n) {
	row_open(s);
	row_say(s, C, 8);
	PUT(s, S, TCP_ACK, s->at[S], s->at[C], .zero_window = true);
	for (uint32_t i = 0; i < n; i++) {
		BYTES(s, C, s->at[C], 1);
		PUT(s, C, TCP_ACK, s->at[C] + 200000, s->at[S], "beyond");
		PUT(s, S, TCP_ACK, s->at[S], s->at[C], .zero_window = true);
	}
	row_say(s, C, 1);
	PUT(s, S, TCP_ACK, s->at[S], s->at[C]);
	row_say(s, C, 8);
}

static void t22(struct row_script *s, uint32_t n) {
	for (uint32_t i = 0; i < n; i++)
		PUT(s, C, TCP_SYN, CLIENT_FIRST - 1, .stamp = 1000 + i);
	PUT(s, S, TCP_SYN | TCP_ACK, SERVER_FIRST - 1, CLIENT_FIRST, .stamp = 900);
	s->at[C] = CLIENT_FIRST;
	s->at[S] = SERVER_FIRST;
	s->stamp = 1000 + n;
	row_say(s, C, 8);
}

static void t23(struct row_script *s, uint32_t n) {
	s->at[C] = CLIENT_FIRST;
	s->at[S] = SERVER_FIRST;
	s->stamp = 100000;
	PUT(s, C, TCP_SYN, s->at[C] - 1, .stamp = s->stamp);
	PUT(s, S, TCP_SYN | TCP_ACK, s->at[S] - 1, s->at[C], .stamp = s->stamp);
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, C, TCP_ACK, s->at[C], s->at[S], "EVIL", .stamp = s->stamp - 50000);
		row_say(s, C, 8);
		PUT(s, S, TCP_ACK, s->at[S], s->at[C], .stamp = s->stamp);
	}
}

static void t24(struct row_script *s, uint32_t n) {
	opened_at(s, CLIENT_FIRST, SERVER_FIRST, 255);
	for (uint32_t i = 0; i < n; i++)
		row_say(s, i % 2, 8);
}

// The server takes the SYN alone, and what came with it is sent again.
static void t25(struct row_script *s, uint32_t n) {
	PUT(s, C, TCP_SYN, CLIENT_FIRST - 1, 0, bytes_at(CLIENT_FIRST), 8);
	PUT(s, S, TCP_SYN | TCP_ACK, SERVER_FIRST - 1, CLIENT_FIRST);
	s->at[C] = CLIENT_FIRST;
	s->at[S] = SERVER_FIRST;
	for (uint32_t i = 0; i < n; i++) {
		BYTES(s, C, CLIENT_FIRST, 4);
		BYTES(s, C, CLIENT_FIRST, 8);
	}
	s->at[C] += 8;
	row_say(s, C, 8);
}

static void t26(struct row_script *s, uint32_t n) {
	PUT(s, S, TCP_SYN | TCP_ACK, SERVER_FIRST - 1, CLIENT_FIRST, bytes_at(SERVER_FIRST), 8);
	s->at[C] = CLIENT_FIRST;
	s->at[S] = SERVER_FIRST + 8;
	PUT(s, C, TCP_ACK, s->at[C], s->at[S]);
	for (uint32_t i = 0; i < n; i++)
		row_say(s, i % 2, 8);
}

static void t27(struct row_script *s, uint32_t n) {
	s->at[C] = CLIENT_FIRST;
	s->at[S] = SERVER_FIRST;
	PUT(s, C, TCP_ACK | TCP_FIN, s->at[C], s->at[S], bytes_at(s->at[C]), 8);
	s->at[C] += 9;
	for (uint32_t i = 0; i < n; i++) {
		row_say(s, S, 8);
		PUT(s, C, TCP_ACK, s->at[C], s->at[S]);
	}
}

static void t28(struct row_script *s, uint32_t n) {
	s->at[C] = CLIENT_FIRST;
	s->at[S] = SERVER_FIRST;
	PUT(s, C, TCP_SYN, s->at[C] - 1);
	for (uint32_t i = 0; i < n; i++) {
		row_say(s, C, 8);
		s->at[C] += i % 20 == 10 ? 3 : 0;
	}
}

// Each piece is acknowledged before it comes.
static void t29(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, S, TCP_ACK, s->at[S], s->at[C] + 4);
		row_say(s, C, 4);
	}
	PUT(s, S, TCP_ACK, s->at[S], s->at[C] + 9); // these never do
	s->at[C] += 9;
	for (int i = 0; i < 12; i++) // longer than swapped neighbours are waited for
		row_say(s, S, 4);
}

static void t30(struct row_script *s, uint32_t n) {
	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		row_say(s, C, 8);
		PUT(s, S, TCP_ACK, s->at[S], s->at[C]);
		PUT(s, C, TCP_ACK, s->at[C] - 8, s->at[S], "EVILevil");
	}
}

// n pieces of eight bytes by others, then the first again: the ring has come round to it.
static void t30_forgotten(struct row_script *s, uint32_t n) {
	row_open(s);
	row_say(s, C, 8);
	for (uint32_t i = 0; i < n; i++)
		PUT(s, C, TCP_ACK, 1 + 8 * i, 1, bytes_at(1 + 8 * i), 8, .client = 1);
	PUT(s, C, TCP_ACK, s->at[C] - 8, s->at[S], bytes_at(s->at[C] - 8), 8);
}

static void t31(struct row_script *s, uint32_t n) {
	static const char *const text[] = {"AAAAAAAA", "BBBBBBBB", "CCCCCCCC"};

	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = s->at[C], shape = i * 7 % 125;

		for (uint32_t j = 0; j < 3; j++, shape /= 5)
			PUT(s, C, TCP_ACK, at + 1 + shape % 5, s->at[S], text[j], 2 + (i + j) % 5);
		BYTES(s, C, at, 16);
		s->at[C] += 16;
		acked(s, i);
	}
}

static void t32(struct row_script *s, uint32_t n) {
	opened_at(s, 0xffffff00, 0xffffff80, 0);
	for (uint32_t i = 0; i < n; i++)
		row_say(s, i % 2, 40);
}

static void t33(struct row_script *s, uint32_t n) {
	row_open(s);
	row_say(s, C, 8);
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, C, TCP_ACK, s->at[C], s->at[S], "EVIL", .promised = 24, .padding = 3);
		BYTES(s, C, s->at[C], 8, .padding = 6);
		s->at[C] += 8;
		PUT(s, S, TCP_ACK, s->at[S], s->at[C], .padding = 6);
	}
}

// One port again and again: unanswered, and used, and reset by a segment that was lost.
static void t34(struct row_script *s, uint32_t n) {
	for (uint32_t i = 0; i < n; i++) {
		PUT(s, C, TCP_SYN, 100000 * i);
		opened_at(s, 100000 * i + 50000, 3000 + 100000 * i, 0);
		row_say(s, C, 8);
		row_say(s, S, 8);
	}
}

static void t35(struct row_script *s, uint32_t n) {
	for (uint32_t i = 0; i < 4 * n; i++)
		PUT(s,
		    C,
		    TCP_ACK,
		    CLIENT_FIRST + 8 * (i / 4),
		    SERVER_FIRST,
		    bytes_at(CLIENT_FIRST + 8 * (i / 4)),
		    8,
		    .family = i & 1 ? 6 : 4,
		    .realm = i & 2 ? 7 : 0);
	s->at[C] = CLIENT_FIRST + 8 * n;
	s->at[S] = SERVER_FIRST;
}

static void t36(struct row_script *s, uint32_t n) {
	for (uint32_t i = 0; i < n; i++)
		PUT(s, C, TCP_SYN, CLIENT_FIRST - 1, .client = (uint16_t)(1 + i));
	row_open(s);
	row_say(s, C, 8);
}

static void t37(struct row_script *s, uint32_t n) {
	static const char broken[][4] = {{8, 0, 1, 1}, {8, 1, 1, 1}, {1, 1, 8, 40}, {3, 0, 0, 0}};

	row_open(s);
	for (uint32_t i = 0; i < n; i++) {
		BYTES(s, C, s->at[C], 8, .options = broken[i % 4], .options_size = 4);
		s->at[C] += 8;
	}
}

#define COUNTER(name) offsetof(struct flow_stats, name)

const struct row rows[] = {
	{"T1", t1, .cap = 1 + FLOW_ISN_MAX, .counter = COUNTER(syn_forgotten)},
	{"T2", t2, .cap = 1 + FLOW_ISN_MAX, .counter = COUNTER(syn_forgotten)},
	{"T3", t3},
	{"T4", t4},
	{"T5", t5},
	{"T6", t6},
	{"T7", t7},
	{"T8", t8},
	{"T9", t9},
	{"T10", t10},
	{"T11", t11},
	{"T12", t12, ROW_TAIL},
	{"T13", t13, ROW_TAIL},
	{"T14", t14},
	{"T15 inline", t15},
	{"T15 oob",
	 t15,
	 .config.urgent = URGENT_OOB,
	 .cap = STREAM_URGENT_MAX,
	 .counter = COUNTER(urgent_limit)},
	{"T15 gap", t15, .config.urgent = URGENT_GAP},
	{"T16", t16},
	{"T17", t17},
	{"T18", t18},
	{"T19", t19, .cap = STREAM_SEGMENTS_MAX, .counter = COUNTER(gap)},
	{"T19 backwards", t19_backwards, .cap = STREAM_SEGMENTS_MAX, .counter = COUNTER(gap)},
	{"T19 both ends", t19_both_ends, .cap = STREAM_SEGMENTS_MAX, .counter = COUNTER(gap)},
	{"T19 anyhow", t19_anyhow, .cap = STREAM_SEGMENTS_MAX, .counter = COUNTER(gap)},
	{"T19 repeated", t19_repeated},
	{"T20", t20, ROW_CUTS, .cap = STREAM_HELD_SIZE_MAX / 8192, .counter = COUNTER(gap)},
	{"T21", t21},
	{"T22", t22},
	{"T23", t23},
	{"T24", t24},
	{"T25", t25},
	{"T26", t26},
	{"T27", t27, ROW_TAIL},
	{"T28", t28},
	{"T29", t29},
	{"T30", t30},
	{"T30 forgotten",
	 t30_forgotten,
	 .config.recent_size = 2048,
	 .cap = 2048 / 32 - 1,
	 .counter = COUNTER(repeat_not_compared)},
	{"T31 first", t31},
	{"T31 last", t31, ROW_CUTS, .config.overlap = OVERLAP_LAST},
	{"T31 linux", t31, ROW_CUTS, .config.overlap = OVERLAP_LINUX},
	{"T31 windows", t31, ROW_CUTS, .config.overlap = OVERLAP_WINDOWS},
	{"T32", t32},
	{"T33", t33},
	{"T34", t34},
	{"T35", t35, .one_hash = true},
	{"T36", t36, .config.n_flows = 16, .cap = 15, .counter = COUNTER(flow_evicted)},
	{"T37", t37},
};
const size_t n_rows = sizeof(rows) / sizeof(*rows);

void row_write_good(struct row_script *s) {
	uint32_t first = s->n;

	opened_at(s, 0xfffffff0, 77, 8);
	for (uint32_t i = 0; i < 12; i++)
		row_say(s, i % 2, 20 + i);
	BYTES(s, C, s->at[C] + 10, 10);
	row_say(s, C, 10);
	s->at[C] += 10;
	row_say(s, S, 10);
	PUT(s, C, TCP_ACK | TCP_FIN, s->at[C], s->at[S]);
	PUT(s, S, TCP_ACK | TCP_FIN, s->at[S], s->at[C] + 1);
	for (uint32_t i = first; i < s->n; i++)
		s->segs[i].is_good = true;
}
