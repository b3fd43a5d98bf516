// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The XDP program itself, run by the kernel over single frames (BPF_PROG_TEST_RUN), and the rules a user's
// words become. No interface is touched. Without sockets what is to be taken is counted as
// pass_no_socket, by which it is told here from what passes. Needs root; skipped with a word without.

#include "port/steer.h"
#include "steer.skel.h"

#include <bpf/bpf.h>

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	FRAME_MAX = 512,
	XDP_PASSED = 2,
	TAKEN = STEER_pass_no_socket,
};

static struct steer_bpf *skeleton;

struct buffer {
	uint8_t data[FRAME_MAX];
	size_t size;
};

static void put(struct buffer *b, const void *data, size_t size) {
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

static void put_u16(struct buffer *b, unsigned value) {
	uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	put(b, bytes, 2);
}

static void put_zeros(struct buffer *b, size_t n) {
	static const uint8_t zeros[FRAME_MAX];

	put(b, zeros, n);
}

static void ether(struct buffer *b, unsigned type) {
	put_zeros(b, 12);
	put_u16(b, type);
}

static void vlan(struct buffer *b, unsigned type) {
	put_u16(b, 7);
	put_u16(b, type);
}

// flags: the fragment word.
static void ipv4(struct buffer *b, int protocol, unsigned flags, int n_options) {
	uint8_t header[20]
		= {(uint8_t)(0x45 + n_options),
		   [8] = 64,
		   [9] = (uint8_t)protocol,
		   [12] = 192,
		   0,
		   2,
		   1,
		   198,
		   51,
		   100,
		   2};

	header[6] = (uint8_t)(flags >> 8);
	header[7] = (uint8_t)flags;
	put(b, header, 20);
	put_zeros(b, (size_t)n_options * 4);
}

static void ipv6(struct buffer *b, int next) {
	uint8_t header[40]
		= {0x60,
		   [6] = (uint8_t)next,
		   [7] = 64,
		   [8] = 0x20,
		   0x01,
		   0x0d,
		   0xb8,
		   [24] = 0x20,
		   0x01,
		   0x0d,
		   0xb8,
		   [39] = 9};

	put(b, header, 40);
}

static void extension(struct buffer *b, int next, int n_words) {
	uint8_t head[2] = {(uint8_t)next, (uint8_t)n_words};

	put(b, head, 2);
	put_zeros(b, (size_t)n_words * 8 + 6);
}

static void fragment6(struct buffer *b, int next, unsigned offset) {
	uint8_t head[2] = {(uint8_t)next};

	put(b, head, 2);
	put_u16(b, offset);
	put_zeros(b, 4);
}

static void ports(struct buffer *b, unsigned from, unsigned to, size_t more) {
	put_u16(b, from);
	put_u16(b, to);
	put_zeros(b, more);
}

static void tcp(struct buffer *b, unsigned from, unsigned to) {
	ports(b, from, to, 16);
}

static void udp(struct buffer *b, unsigned from, unsigned to) {
	ports(b, from, to, 4);
}

static void rules_put(const struct steer_rules *rules) {
	uint32_t next = !skeleton->bss->active;

	memcpy((void *)&skeleton->bss->rules[next], rules, sizeof(*rules));
	skeleton->bss->active = next;
}

static void rules_words(const char *tunnels, struct steer_rules *rules) {
	char error[256];

	memset(rules, 0, sizeof(*rules));
	steer_rules_tcp(rules, 25);
	steer_rules_tcp(rules, 143);
	steer_rules_tcp(rules, 65535);
	assert_int_equal(steer_rules_tunnels(rules, tunnels, error, sizeof(error)), 0);
}

static void rules_set(const char *tunnels) {
	struct steer_rules rules;

	rules_words(tunnels, &rules);
	rules_put(&rules);
}

static void count_all(uint64_t counts[STEER_REASONS]) {
	memset(counts, 0, STEER_REASONS * sizeof(counts[0]));
	for (int cpu = 0; cpu < STEER_CPUS_MAX; cpu++)
		for (int i = 0; i < STEER_REASONS; i++)
			counts[i] += skeleton->bss->counters[cpu].reason[i];
}

static uint64_t clock_now(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void stamp_check(const uint8_t *at, uint64_t start_ns) {
	struct steer_stamp stamp;

	memcpy(&stamp, at, sizeof(stamp));
	assert_true(stamp.time_ns >= start_ns && stamp.time_ns <= clock_now());
}

// What the program made of the frame. In a block of its own size, of at least what the kernel runs.
static int reason_of(const struct buffer *b) {
	uint64_t before[STEER_REASONS], after[STEER_REASONS];
	uint8_t out[FRAME_MAX + 256];
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	uint64_t start_ns = clock_now();
	size_t n_front;
	int reason = -1;

	count_all(before);
	opts.data_in = b->data;
	opts.data_size_in = (uint32_t)b->size;
	opts.data_out = out;
	opts.data_size_out = sizeof(out);
	opts.repeat = 1;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.steer), &opts), 0);
	assert_int_equal(opts.retval, XDP_PASSED);
	// The frame goes on as it came, with its stamp in front when it is taken.
	n_front = opts.data_size_out - b->size;
	assert_memory_equal(out + n_front, b->data, b->size);
	count_all(after);
	for (int i = 0; i < STEER_REASONS; i++)
		if (after[i] != before[i]) {
			assert_int_equal(reason, -1);
			reason = i;
		}
	assert_int_equal(n_front, reason == TAKEN ? sizeof(struct steer_stamp) : 0);
	if (reason == TAKEN)
		stamp_check(out, start_ns);
	return reason;
}

static void is(const struct buffer *b, int reason, int line) {
	int got = reason_of(b);

	if (got != reason)
		fail_msg(
			"line %d: %s, not %s",
			line,
			got < 0 ? "nothing" : steer_reason_name((enum steer_reason)got),
			steer_reason_name((enum steer_reason)reason)
		);
}

#define IS(reason, ...)                                                                            \
	do {                                                                                       \
		struct buffer b = {0};                                                             \
		__VA_ARGS__;                                                                       \
		is(&b, reason, __LINE__);                                                          \
	} while (0)

static void mail_is_taken_and_other_tcp_passes(void **) {
	rules_set("none");
	IS(TAKEN, ether(&b, 0x0800), ipv4(&b, 6, 0, 0), tcp(&b, 40000, 143));
	IS(TAKEN, ether(&b, 0x0800), ipv4(&b, 6, 0x4000, 0), tcp(&b, 25, 40000));
	IS(TAKEN, ether(&b, 0x0800), ipv4(&b, 6, 0, 10), tcp(&b, 65535, 1));
	IS(TAKEN, ether(&b, 0x86dd), ipv6(&b, 6), tcp(&b, 1, 143));
	IS(STEER_pass_other_port, ether(&b, 0x0800), ipv4(&b, 6, 0, 0), tcp(&b, 40000, 22));
	IS(STEER_pass_other_port, ether(&b, 0x0800), ipv4(&b, 6, 0, 0), tcp(&b, 142, 144));
	IS(STEER_pass_other_port, ether(&b, 0x86dd), ipv6(&b, 6), tcp(&b, 22, 0));
	IS(STEER_pass_not_tcp, ether(&b, 0x0800), ipv4(&b, 17, 0, 0), udp(&b, 53, 53));
	IS(STEER_pass_not_tcp, ether(&b, 0x0800), ipv4(&b, 1, 0, 0), put_zeros(&b, 8));
	IS(STEER_pass_not_ip, ether(&b, 0x0806), put_zeros(&b, 28));
}

static void tags_are_looked_through(void **) {
	rules_set("none");
	IS(TAKEN, ether(&b, 0x8100), vlan(&b, 0x0800), ipv4(&b, 6, 0, 0), tcp(&b, 1, 143));
	IS(TAKEN,
	   ether(&b, 0x88a8),
	   vlan(&b, 0x8100),
	   vlan(&b, 0x86dd),
	   ipv6(&b, 6),
	   tcp(&b, 1, 143));
	IS(TAKEN, ether(&b, 0x9100), vlan(&b, 0x0800), ipv4(&b, 6, 0, 0), tcp(&b, 1, 143));
	for (int n = STEER_HEADERS_MAX - 1; n <= STEER_HEADERS_MAX + 1; n++) {
		struct buffer b = {0};

		ether(&b, n > 0 ? 0x8100 : 0x0800);
		for (int i = 1; i <= n; i++)
			vlan(&b, i < n ? 0x8100 : 0x0800);
		ipv4(&b, 6, 0, 0);
		tcp(&b, 1, 143);
		is(&b, n <= STEER_HEADERS_MAX ? TAKEN : STEER_pass_too_deep, __LINE__);
	}
}

static void extension_headers_are_looked_through(void **) {
	rules_set("none");
	IS(TAKEN,
	   ether(&b, 0x86dd),
	   ipv6(&b, 0),
	   extension(&b, 60, 0),
	   extension(&b, 43, 2),
	   extension(&b, 6, 1),
	   tcp(&b, 1, 143));
	for (int n = STEER_HEADERS_MAX - 2; n <= STEER_HEADERS_MAX; n++) {
		struct buffer b = {0};

		ether(&b, 0x86dd);
		ipv6(&b, n > 0 ? 60 : 6);
		for (int i = 1; i <= n; i++)
			extension(&b, i < n ? 60 : 6, 0);
		tcp(&b, 1, 143);
		is(&b, n < STEER_HEADERS_MAX ? TAKEN : STEER_pass_too_deep, __LINE__);
	}
}

// All pieces of TCP are taken, also those without ports: a packet must not be torn apart.
static void fragments_that_may_be_mail_are_taken(void **) {
	rules_set("none");
	IS(TAKEN, ether(&b, 0x0800), ipv4(&b, 6, 0x2000, 0), tcp(&b, 1, 22));
	IS(TAKEN, ether(&b, 0x0800), ipv4(&b, 6, 0x0010, 0), put_zeros(&b, 8));
	IS(TAKEN, ether(&b, 0x86dd), ipv6(&b, 44), fragment6(&b, 6, 0x0001), tcp(&b, 1, 143));
	IS(TAKEN, ether(&b, 0x86dd), ipv6(&b, 44), fragment6(&b, 6, 0x0100), put_zeros(&b, 8));
	IS(TAKEN, ether(&b, 0x86dd), ipv6(&b, 44), fragment6(&b, 6, 0), tcp(&b, 1, 143)); // atomic
	IS(STEER_pass_other_port,
	   ether(&b, 0x86dd),
	   ipv6(&b, 44),
	   fragment6(&b, 6, 0),
	   tcp(&b, 1, 22));
	IS(STEER_pass_not_tcp, ether(&b, 0x0800), ipv4(&b, 17, 0x2000, 0), udp(&b, 53, 53));
	IS(STEER_pass_not_tcp,
	   ether(&b, 0x86dd),
	   ipv6(&b, 44),
	   fragment6(&b, 58, 1),
	   put_zeros(&b, 8));
	rules_set("vxlan");
	IS(TAKEN, ether(&b, 0x0800), ipv4(&b, 17, 0x2000, 0), udp(&b, 1, 4789));
}

static const struct {
	const char *name;
	int ethertype, protocol, udp_port;
} kinds[] = {
	{"gre", 0x0800, 47, 0},
	{"erspan", 0x0800, 47, 0},
	{"ipip", 0x0800, 4, 0},
	{"ipip", 0x0800, 41, 0},
	{"mpls", 0x0800, 137, 0},
	{"mpls", 0x8847, 0, 0},
	{"mpls", 0x8848, 0, 0},
	{"pppoe", 0x8864, 0, 0},
	{"vxlan", 0x0800, 17, 4789},
	{"vxlan-gpe", 0x0800, 17, 4790},
	{"geneve", 0x0800, 17, 6081},
	{"gtpu", 0x0800, 17, 2152},
};

static bool names_kind(const char *names, const char *kind) {
	size_t len = strlen(kind);

	for (const char *p = names; *p; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, kind, len) == 0 && (p[len] == ',' || p[len] == '\0'))
			return true;
	return false;
}

static void tunnels_are_taken_when_they_are_named(void **) {
	static const char *const names[]
		= {"none",
		   "all",
		   "gre",
		   "erspan",
		   "ipip",
		   "mpls",
		   "pppoe",
		   "vxlan",
		   "vxlan-gpe",
		   "geneve",
		   "gtpu",
		   "gre,vxlan"};

	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		rules_set(names[n]);
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			struct buffer b = {0};
			bool is_wanted = names_kind(names[n], "all")
				|| names_kind(names[n], kinds[k].name)
				|| (kinds[k].protocol == 47
				    && (names_kind(names[n], "gre")
					|| names_kind(names[n], "erspan")));

			ether(&b, (unsigned)kinds[k].ethertype);
			if (kinds[k].protocol)
				ipv4(&b, kinds[k].protocol, 0, 0);
			if (kinds[k].udp_port)
				udp(&b, 50000, (unsigned)kinds[k].udp_port);
			put_zeros(&b, 40);
			is(&b, is_wanted ? TAKEN : STEER_pass_tunnel, (int)(1000 * n + k));
		}
	}
	rules_set("udp/8472");
	IS(TAKEN, ether(&b, 0x0800), ipv4(&b, 17, 0, 0), udp(&b, 1, 8472));
}

static void addresses_narrow_what_is_taken(void **) {
	static const struct {
		int family;
		const char *addr;
		unsigned bits;
		bool takes_v4, takes_v6;
	} cases[] = {
		{4, "192.0.2.1", 32, true, false},
		{4, "198.51.100.0", 24, true, false},
		{4, "198.51.100.2", 31, true, false},
		{4, "198.51.100.0", 31, false, false},
		{4, "0.0.0.0", 0, true, false},
		{4, "10.0.0.0", 8, false, false},
		{6, "2001:db8::", 32, false, true},
		{6, "2001:db8::9", 128, false, true},
		{6, "2001:db8::8", 127, false, true},
		{6, "2001:db8::a", 127, false, false},
		{6, "2001:db9::", 32, false, false},
		{6, "2001:db8:0:0:1::", 80, false, false},
		{6, "::", 0, true, true},
	};
	struct steer_rules rules;
	uint8_t addr[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rules_words("none", &rules);
		inet_pton(cases[i].family == 6 ? AF_INET6 : AF_INET, cases[i].addr, addr);
		assert_true(steer_rules_prefix(&rules, cases[i].family, addr, cases[i].bits));
		rules_put(&rules);
		print_message("%s/%u\n", cases[i].addr, cases[i].bits);
		IS(cases[i].takes_v4 ? TAKEN : STEER_pass_other_address,
		   ether(&b, 0x0800),
		   ipv4(&b, 6, 0, 0),
		   tcp(&b, 1, 143));
		IS(cases[i].takes_v6 ? TAKEN : STEER_pass_other_address,
		   ether(&b, 0x86dd),
		   ipv6(&b, 6),
		   tcp(&b, 1, 143));
	}
	// The last of as many as there may be counts; one more is refused.
	rules_words("none", &rules);
	memset(addr, 10, sizeof(addr));
	for (int i = 0; i < STEER_PREFIXES_MAX - 1; i++)
		assert_true(steer_rules_prefix(&rules, 4, addr, 32));
	inet_pton(AF_INET, "192.0.2.1", addr);
	assert_true(steer_rules_prefix(&rules, 4, addr, 32));
	assert_false(steer_rules_prefix(&rules, 4, addr, 32));
	rules_put(&rules);
	IS(TAKEN, ether(&b, 0x0800), ipv4(&b, 6, 0, 0), tcp(&b, 1, 143));
}

// Cut anywhere, a frame passes: nothing is judged by bytes that are not there.
static void a_frame_cut_anywhere_passes(void **) {
	struct buffer whole = {0}, cut;

	rules_set("all");
	ether(&whole, 0x8100);
	vlan(&whole, 0x86dd);
	ipv6(&whole, 60);
	extension(&whole, 6, 2);
	tcp(&whole, 1, 143);
	// The kernel runs no frame shorter than an Ethernet header.
	for (cut = whole, cut.size = 14; cut.size < whole.size; cut.size++)
		is(&cut, STEER_pass_short, (int)cut.size);
	is(&whole, TAKEN, __LINE__);
}

static void noise_is_judged_without_harm(void **) {
	unsigned seed = (unsigned)time(NULL);
	struct buffer b;

	print_message("seed %u\n", seed);
	srand(seed);
	rules_set("all");
	for (int i = 0; i < 20000; i++) {
		b.size = 14 + (size_t)(rand() % 200);
		for (size_t k = 0; k < b.size; k++)
			b.data[k] = (uint8_t)rand();
		if (i % 2) {
			b.data[12] = i % 4 == 1 ? 0x08 : 0x86;
			b.data[13] = i % 4 == 1 ? 0x00 : 0xdd;
		}
		assert_true(reason_of(&b) >= 0);
	}
}

static void rules_change_between_two_frames(void **) {
	struct steer_rules rules;

	rules_set("none");
	IS(STEER_pass_other_port, ether(&b, 0x0800), ipv4(&b, 6, 0, 0), tcp(&b, 1, 2525));
	rules_words("none", &rules);
	steer_rules_tcp(&rules, 2525);
	rules_put(&rules);
	IS(TAKEN, ether(&b, 0x0800), ipv4(&b, 6, 0, 0), tcp(&b, 1, 2525));
	rules_set("none");
	IS(STEER_pass_other_port, ether(&b, 0x0800), ipv4(&b, 6, 0, 0), tcp(&b, 1, 2525));
}

static void wrong_words_for_tunnels_are_told_which_there_are(void **) {
	static const char *const wrong[]
		= {"wireguard",
		   "gre,",
		   "udp/",
		   "udp/0",
		   "udp/65536",
		   "udp/12x",
		   "udp/-1",
		   "GRE",
		   ",",
		   "gre vxlan"};
	struct steer_rules rules;
	char error[256];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int result;

		memset(&rules, 0, sizeof(rules));
		result = steer_rules_tunnels(&rules, wrong[i], error, sizeof(error));
		// A comma at the end is no harm.
		assert_int_equal(result, strcmp(wrong[i], "gre,") == 0 ? 0 : -1);
		if (result < 0)
			assert_non_null(strstr(error, "write gre"));
	}
	memset(&rules, 0, sizeof(rules));
	assert_int_equal(
		steer_rules_tunnels(&rules, "udp/1,udp/2,udp/3,udp/4", error, sizeof(error)), 0
	);
	assert_int_equal(rules.n_udp_ports, STEER_UDP_PORTS_MAX);
	assert_int_equal(steer_rules_tunnels(&rules, "udp/5", error, sizeof(error)), -1);
}

static int program_load(void **) {
	skeleton = steer_bpf__open_and_load();
	return skeleton ? 0 : -1;
}

static int program_unload(void **) {
	steer_bpf__destroy(skeleton);
	return 0;
}

int main(void) {
	const struct CMUnitTest words[] = {
		cmocka_unit_test(wrong_words_for_tunnels_are_told_which_there_are),
	};
	const struct CMUnitTest program[] = {
		cmocka_unit_test(mail_is_taken_and_other_tcp_passes),
		cmocka_unit_test(tags_are_looked_through),
		cmocka_unit_test(extension_headers_are_looked_through),
		cmocka_unit_test(fragments_that_may_be_mail_are_taken),
		cmocka_unit_test(tunnels_are_taken_when_they_are_named),
		cmocka_unit_test(addresses_narrow_what_is_taken),
		cmocka_unit_test(a_frame_cut_anywhere_passes),
		cmocka_unit_test(noise_is_judged_without_harm),
		cmocka_unit_test(rules_change_between_two_frames),
	};
	int n_failed = cmocka_run_group_tests(words, NULL, NULL);

	if (n_failed)
		return n_failed;
	if (geteuid() != 0) {
		print_message("not root: the kernel lets nobody else run the XDP program\n");
		return 77;
	}
	return cmocka_run_group_tests(program, program_load, program_unload);
}
