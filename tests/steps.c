// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Compiled without the instrumentation: its own blocks do not count, and the callback calls itself not.

#include "steps.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#ifdef HAVE_HYPERSCAN
#include <hs.h>
#endif

static struct steps now;
static bool is_on = true;

// ---- What the compiler and the linker call

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
	now.blocks += is_on;
}

static void count(uint64_t n_bytes) {
	if (is_on)
		now.bytes += n_bytes;
}

// The linker sends calls of f to __wrap_f, and __real_f is f (-Wl,--wrap=f).
#define WRAP(result, name, parameters, arguments, n_bytes)                                         \
	result __real_##name parameters;                                                           \
	result __wrap_##name parameters;                                                           \
	result __wrap_##name parameters {                                                          \
		count(n_bytes);                                                                    \
		return __real_##name arguments;                                                    \
	}

WRAP(void *, memcpy, (void *to, const void *from, size_t size), (to, from, size), size)
WRAP(void *, memmove, (void *to, const void *from, size_t size), (to, from, size), size)
WRAP(void *, memset, (void *to, int byte, size_t size), (to, byte, size), size)
WRAP(int, memcmp, (const void *a, const void *b, size_t size), (a, b, size), size)

// What clang makes of a memcmp() that asks only whether.
WRAP(int, bcmp, (const void *a, const void *b, size_t size), (a, b, size), size)

// Only as far as they had to look.
static uint64_t looked_at(const void *from, const void *found, size_t size) {
	return found ? (uint64_t)((const char *)found - (const char *)from) + 1 : size;
}

#define WRAP_SEARCH(result, name, parameters, arguments, n_bytes)                                  \
	result __real_##name parameters;                                                           \
	result __wrap_##name parameters;                                                           \
	result __wrap_##name parameters {                                                          \
		result found = __real_##name arguments;                                            \
                                                                                                   \
		count(n_bytes);                                                                    \
		return found;                                                                      \
	}

WRAP_SEARCH(
	void *,
	memchr,
	(const void *from, int byte, size_t size),
	(from, byte, size),
	looked_at(from, found, size)
)
WRAP_SEARCH(
	void *,
	memrchr,
	(const void *from, int byte, size_t size),
	(from, byte, size),
	found ? size - looked_at(from, found, size) + 1 : size
)
WRAP_SEARCH(
	void *,
	memmem,
	(const void *from, size_t size, const void *what, size_t what_size),
	(from, size, what, what_size),
	looked_at(from, found, size)
)
WRAP_SEARCH(size_t, strlen, (const char *s), (s), found + 1)
WRAP_SEARCH(size_t, strnlen, (const char *s, size_t max), (s, max), found + 1)

int __real_inflate(z_stream *z, int flush);
int __wrap_inflate(z_stream *z, int flush);
int __wrap_inflate(z_stream *z, int flush) {
	uint64_t in = z->avail_in, out = z->avail_out;
	int status = __real_inflate(z, flush);

	count(in - z->avail_in + out - z->avail_out);
	return status;
}

#ifdef HAVE_HYPERSCAN
WRAP(hs_error_t,
     hs_scan,
     (const hs_database_t *db,
      const char *data,
      unsigned int size,
      unsigned int flags,
      hs_scratch_t *scratch,
      match_event_handler on_match,
      void *ctx),
     (db, data, size, flags, scratch, on_match, ctx),
     size)
WRAP(hs_error_t,
     hs_scan_stream,
     (hs_stream_t * stream,
      const char *data,
      unsigned int size,
      unsigned int flags,
      hs_scratch_t *scratch,
      match_event_handler on_match,
      void *ctx),
     (stream, data, size, flags, scratch, on_match, ctx),
     size)
#endif

// ---- What tests call

void steps_start(void) {
	now = (struct steps){0};
	is_on = true;
}

void steps_stop(void) {
	is_on = false;
}

struct steps steps_read(void) {
	return now;
}

uint64_t steps_work(const struct steps *cost) {
	return cost->blocks + cost->bytes / 16;
}

bool steps_grow(steps_construction *run, size_t n, struct steps cost[2]) {
	uint64_t work[2];

	for (int i = 0; i < 2; i++) {
		steps_start();
		run(i ? 4 * n : n);
		steps_stop();
		cost[i] = steps_read();
		work[i] = steps_work(&cost[i]);
	}
	return 2 * work[1] <= 9 * work[0] && work[1] >= 2 * work[0];
}

double steps_ratio(const struct steps cost[2]) {
	uint64_t few = steps_work(&cost[0]);

	return few ? (double)steps_work(&cost[1]) / (double)few : 0;
}

void steps_assert_linear(
	steps_construction *run,
	const char *name,
	size_t n,
	const char *file,
	int line
) {
	struct steps cost[2];
	bool linear = steps_grow(run, n, cost);

	print_message("%s: %zu and %zu cost ", name, n, 4 * n);
	for (int i = 0; i < 2; i++)
		print_message(
			"%" PRIu64 " blocks, %" PRIu64 " bytes%s",
			cost[i].blocks,
			cost[i].bytes,
			i ? "" : "; "
		);
	print_message(": x %.2f\n", steps_ratio(cost));
	if (!linear) {
		print_error("%s: not between 2 and 4.5 times the work\n", name);
		_fail(file, line);
	}
}

bool steps_are_counted(void) {
#ifdef STEPS_COUNTED
	return true;
#else
	return false;
#endif
}

int steps_skip(void) {
	printf("skipped: this compiler counts no blocks (-fsanitize-coverage=trace-pc)\n");
	return 77;
}
