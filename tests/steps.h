// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Counts work, so that a test can say that it grows with the input and no faster, on any machine and
// under any load. The rooms are compiled once more for these tests (counted_dep), with a call in each
// basic block (-fsanitize-coverage=trace-pc). Counted are
//
//	blocks  basic blocks run in the rooms; not in the test, its talks or the libraries
//	bytes   what is handed to memcpy, memmove, memset, memcmp, bcmp, memchr, memrchr, memmem, strlen and
//	        strnlen by the rooms or the test, where the compiler leaves a call; what inflate() took and
//	        gave; what hs_scan() and hs_scan_stream() were given
//
// Not seen: all else inside libraries (allocation, printf, jansson, LMDB, OpenSSL, the content of a
// Hyperscan match), and the kernel. One thread only.
//
// A test:
//
//	static void holes(size_t n) {
//		struct talk *t = talk_new(16, 1 << 20);
//
//		steps_start(); // what stands before is not counted
//		for (size_t i = 0; i < n; i++)
//			TALK(t, C, TCP_ACK, 1 + 2 * i, 1, "x");
//		steps_stop(); // nor what comes after
//		talk_free(t);
//	}
//
//	static void t19_holes_cost_in_proportion(void **state) {
//		steps_are_linear(holes, 1000);
//	}
//
// Its main() is `return steps_run(tests);`: exit code 77, and a word on why, where the compiler counts no
// blocks.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct steps {
	uint64_t blocks;
	uint64_t bytes;
};

// From zero. Without it everything in the run counts.
void steps_start(void);

// Until the next steps_start().
void steps_stop(void);

struct steps steps_read(void);

// Feeds n of something: n times the bytes, or n times the segments. No state is left from run to run.
typedef void steps_construction(size_t n);

// Work is a block, or sixteen bytes handed over, about what a processor does at once.
uint64_t steps_work(const struct steps *cost);
// Of 4n to n.
double steps_ratio(const struct steps cost[2]);

// What n and 4n cost; true when it is linear: at most 4.5 times the work. Also false when 4n costs less than
// twice n: then n is so small that what is fixed hides the growth, or the input is not looked at.
bool steps_grow(steps_construction *run, size_t n, struct steps cost[2]);

// Fails the cmocka test unless steps_grow(); says what was counted in either case.
#define steps_are_linear(run, n) steps_assert_linear(run, #run, n, __FILE__, __LINE__)
void steps_assert_linear(
	steps_construction *run,
	const char *name,
	size_t n,
	const char *file,
	int line
);

// False where the compiler has no such instrumentation.
bool steps_are_counted(void);

#define steps_run(tests)                                                                           \
	(steps_are_counted() ? cmocka_run_group_tests(tests, NULL, NULL) : steps_skip())
int steps_skip(void);
