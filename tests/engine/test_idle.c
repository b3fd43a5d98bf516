// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a logged-in IMAP session that waits costs, everything included: the process's resident size with many
// against that with few. They log in by the thousand; what a login needs while it is under way is the next
// wave's after it.

#include "../bench/idle_frames.h"
#include "engine.h"
#include "worker.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define SHADOW_SHARE *9 / 8 // the sanitizer keeps a byte for eight
#else
#define SHADOW_SHARE
#endif

enum {
	FEW = 20000,
	MANY = 120000,
	BUDGET = 512, // bytes, with IPv4
	ADDRESSES_6 = 32, // more, with IPv6
	BURST = 64,
	WAVE = 2000,
};

// The packets, one burst after the other, made as they are read.
struct input {
	struct source source;
	bool is_6;
	uint32_t n, wave, session; // the wave begins with that one
	int step;
	uint64_t time_ns;
	uint32_t (*seq)[2];
	uint8_t frames[BURST][IDLE_FRAME_SIZE];
	struct engine *engine;
	size_t resident; // when all wait
};

// Anonymous memory alone, in bytes: no mapped files, no program.
static size_t resident(void) {
	FILE *status = fopen("/proc/self/status", "r");
	char line[200];
	size_t kb = 0;

	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "RssAnon: %zu kB", &kb) == 1)
			break;
	fclose(status);
	assert_true(kb > 0);
	return kb * 1024;
}

// A wave of sessions takes each step together and waits from then on, with all before it.
static void input_next(struct input *in) {
	if (++in->session < in->n && in->session < in->wave + WAVE)
		return;
	in->session = in->wave;
	if (++in->step < IDLE_STEPS)
		return;
	in->step = 0;
	in->session = in->wave += WAVE;
	if (in->wave >= in->n)
		in->resident = resident();
}

static int input_burst(struct source *source, struct frame *frames, int max) {
	struct input *in = (struct input *)source;
	int n = 0;

	for (; n < max && n < BURST && in->wave < in->n; n++) {
		uint32_t size = idle_frame(
			in->frames[n], in->is_6, in->session, in->step, in->seq[in->session]
		);

		frames[n] = (struct frame){
			.data = in->frames[n],
			.size = size,
			.wire_size = size,
			.time_ns = in->time_ns += 2000,
		};
		input_next(in);
	}
	return n ? n : SOURCE_END;
}

static void no_record(void *ctx, const char *line, size_t size) {}

static void no_activity(void *ctx, const struct activity *activity) {}

// Of the whole process at its largest, in bytes, with n sessions.
static size_t measure(uint32_t n, bool is_6) {
	struct engine_config config = {
		.password_key = {1, 2},
		.parse = true,
		.records = true,
		.out = {NULL, no_record, no_activity},
	};
	struct input *in = calloc(1, sizeof(*in));
	struct worker worker = {.decode = {.hash_key = {5, 6}, .checksum = true}};
	// The ring of recent bytes is of fixed size: full with few of them already.
	struct flow_config flows = {.n_flows = n + n / 16, .recent_size = 1 << 20};
	struct flow_counts counts;
	size_t size;

	in->engine = engine_open(&config);
	in->seq = calloc(n, sizeof(*in->seq));
	memset(in->seq, 1, n * sizeof(*in->seq)); // the test's own memory is there before
	in->source.burst = input_burst;
	in->time_ns = UINT64_C(1768204800) * 1000000000;
	in->n = n;
	in->is_6 = is_6;
	flows.handler = engine_handler(in->engine);
	worker.source = &in->source;
	worker.flows = flow_open(&flows);
	assert_non_null(worker.flows);
	assert_int_equal(worker_run(&worker), 0);
	assert_int_equal(in->engine->stats.sessions[ACTIVITY_IMAP], n);
	assert_int_equal(in->engine->stats.n_records, n);
	assert_int_equal(worker.verdicts[VERDICT_tcp], n * IDLE_STEPS);
	flow_counts(worker.flows, &counts);
	assert_int_equal(counts.read, 0);
	size = in->resident - n * sizeof(*in->seq);
	flow_close(worker.flows);
	engine_close(in->engine);
	free(in->seq);
	free(in);
	return size;
}

// In a process of its own: what one leaves resident must not count for the next.
static size_t measured(uint32_t n, bool is_6) {
	size_t size = 0;
	int ends[2], status;

	assert_int_equal(pipe(ends), 0);
	if (fork() == 0) {
		size = measure(n, is_6);
		_exit(write(ends[1], &size, sizeof(size)) != sizeof(size));
	}
	assert_int_equal(read(ends[0], &size, sizeof(size)), sizeof(size));
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
	return size;
}

static void an_idle_session_keeps_to_its_budget(bool is_6) {
	size_t few = measured(FEW, is_6), many = measured(MANY, is_6);
	size_t each = (many - few) / (MANY - FEW);

	print_message(
		"IPv%c: %d sessions %zu MB, %d sessions %zu MB: %zu bytes each\n",
		is_6 ? '6' : '4',
		FEW,
		few >> 20,
		MANY,
		many >> 20,
		each
	);
	assert_true(many > few);
	assert_in_range(each, 100, (BUDGET + (is_6 ? ADDRESSES_6 : 0)) SHADOW_SHARE);
}

static void an_idle_session_of_ipv4_keeps_to_its_budget(void **) {
	an_idle_session_keeps_to_its_budget(false);
}

static void an_idle_session_of_ipv6_keeps_to_its_budget(void **) {
	an_idle_session_keeps_to_its_budget(true);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_session_of_ipv4_keeps_to_its_budget),
		cmocka_unit_test(an_idle_session_of_ipv6_keeps_to_its_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
