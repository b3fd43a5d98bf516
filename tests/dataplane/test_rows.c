// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is promised of every row on TCP, whatever else it leads to (rows.h): however its segments are cut the same is
// told; every prefix ends cleanly; so does either direction alone; each event is said once; the connection goes on;
// one beside it notices nothing; memory stays where it is.

#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TIMES = 12 }; // each construction

static void write_all(const struct row *row, struct row_script *script, uint32_t n) {
	row->write(script, n);
	if (!(row->leave & ROW_TAIL))
		row_tail(script);
}

// Whatever came: each connection is told of once and to its end, no event twice, and each segment has one fate.
static void assert_clean(const struct row *row, struct row_play *play) {
	row_play_end(play);
	for (const struct told *told = play->first; told; told = told->next) {
		assert_int_equal(told->n_closes, 1);
		for (int i = 0; i < STREAM_EVENT_COUNT; i++) {
			if (told->n_events[i] > 1)
				print_error("%s: %s twice\n", row->id, stream_event_name(i));
			assert_in_range(told->n_events[i], 0, 1);
		}
	}
	assert_int_equal(flow_n_open(play->table), 0);
	assert_int_equal(row_play_fates(play), play->n_packets);
}

// All that is told of all connections, as one text.
static char *talk_of(const struct row_play *play) {
	size_t size = 0;
	char *text;

	for (const struct told *told = play->first; told; told = told->next)
		size += told->talk.size + 1;
	text = malloc(size + 1);
	size = 0;
	for (const struct told *told = play->first; told; told = told->next) {
		memcpy(text + size, told->talk.text, told->talk.size);
		size += told->talk.size;
		text[size++] = '\n';
	}
	text[size] = 0;
	return text;
}

static char *talk_of_script(const struct row *row, const struct row_script *script) {
	struct row_frames frames = row_frames_make(script);
	struct row_play play;
	char *text;

	row_play_open(&play, row, false);
	row_play_frames(&play, &frames, 0, frames.n);
	assert_clean(row, &play);
	text = talk_of(&play);
	row_play_close(&play);
	row_frames_free(&frames);
	return text;
}

// ---- Any cut

// The first size bytes of what is left of seg go into a segment of their own, as a sending host would cut it: only the last
// has the FIN. What is in a SYN stays there, and what no host reads is not cut.
static void cut_off(struct row_script *to, struct row_seg *seg, uint32_t size) {
	struct row_seg piece = *seg;

	piece.size = size;
	piece.missing = 0;
	piece.flags &= (uint8_t)~TCP_FIN;
	if (piece.urgent > size || !piece.urgent) {
		piece.urgent = 0;
		piece.flags &= (uint8_t)~TCP_URG;
	}
	row_put(to, &piece);
	seg->seq += size;
	seg->data += size;
	seg->size -= size;
	seg->time_ns++;
	if (seg->urgent > size) {
		seg->urgent -= size;
	} else {
		seg->urgent = 0;
		seg->flags &= (uint8_t)~TCP_URG;
	}
}

static bool is_whole(const struct row_seg *seg) {
	return (seg->flags & (TCP_SYN | TCP_RST)) || seg->promised || seg->extra_header;
}

// at: where each segment is cut in two; 0: into single bytes.
static void script_cut(const struct row_script *from, struct row_script *to, uint32_t at) {
	for (uint32_t i = 0; i < from->n; i++) {
		struct row_seg seg = from->segs[i];

		seg.time_ns = (i + 1) * 1000000ull;
		while (seg.size > (at ? at : 1) && !is_whole(&seg)) {
			cut_off(to, &seg, at ? at : 1);
			if (at)
				break;
		}
		row_put(to, &seg);
	}
}

static void t1_to_t37_any_cut_tells_the_same(void **state) {
	int n_wrong = 0;

	for (size_t i = 0; i < n_rows; i++) {
		struct row_script script = {0}, whole = {0};
		uint32_t longest = 0;
		char *expected;

		if (rows[i].leave & ROW_CUTS)
			continue;
		write_all(&rows[i], &script, TIMES);
		for (uint32_t j = 0; j < script.n; j++)
			if (script.segs[j].size > longest)
				longest = script.segs[j].size;
		script_cut(&script, &whole, UINT32_MAX);
		expected = talk_of_script(&rows[i], &whole);
		for (uint32_t at = 0; at < longest && at < 40; at++) {
			struct row_script pieces = {0};
			char *told;

			script_cut(&script, &pieces, at);
			told = talk_of_script(&rows[i], &pieces);
			if (strcmp(told, expected) != 0) {
				print_error(
					"%s, cut at %u:\n%s\ninstead of\n%s\n",
					rows[i].id,
					at,
					told,
					expected
				);
				at = longest;
				n_wrong++;
			}
			free(told);
			row_free(&pieces);
		}
		free(expected);
		row_free(&script);
		row_free(&whole);
	}
	assert_int_equal(n_wrong, 0);
}

// ---- Any prefix, either direction

// Up to the segment, and up to each byte of its headers and what of its payload differs.
static void
play_prefix(const struct row *row, const struct row_frames *frames, size_t n, const char *all) {
	uint32_t size = frames->frames[n].size;

	for (uint32_t cut = 0; cut <= size; cut += cut < 80 ? 1
		     : size - cut < 80			    ? size - cut + 1
							    : 977)
		for (int is_snapped = 0; is_snapped < 2; is_snapped++) {
			struct row_play play;

			row_play_open(&play, row, false);
			row_play_frames(&play, frames, 0, n);
			if (n && play.first)
				assert_memory_equal(
					play.first->log.text, all, play.first->log.size
				);
			row_play_cut(&play, frames, n, cut, is_snapped);
			assert_clean(row, &play);
			row_play_close(&play);
		}
}

static void t1_to_t37_every_prefix_ends_cleanly(void **state) {
	for (size_t i = 0; i < n_rows; i++) {
		struct row_script script = {0};
		struct row_frames frames;
		struct row_play play;

		write_all(&rows[i], &script, 3);
		frames = row_frames_make(&script);
		row_play_open(&play, &rows[i], false);
		row_play_frames(&play, &frames, 0, frames.n);
		for (size_t n = 0; n < frames.n; n++)
			play_prefix(&rows[i], &frames, n, play.first ? play.first->log.text : "");
		row_play_close(&play);
		row_frames_free(&frames);
		row_free(&script);
	}
}

// What one side says is told though the other is not captured: all of its last word.
static void t1_to_t37_either_side_alone_ends_cleanly(void **state) {
	int n_wrong = 0;

	for (size_t i = 0; i < n_rows; i++)
		for (enum stream_dir dir = C; dir <= S; dir++) {
			struct row_script script = {0}, side = {0};
			char *told;

			write_all(&rows[i], &script, TIMES);
			for (uint32_t j = 0; j < script.n; j++)
				if (script.segs[j].dir == dir)
					row_put(&side, &script.segs[j]);
			told = talk_of_script(&rows[i], &side);
			if (!(rows[i].leave & ROW_TAIL)
			    && !strstr(told, dir == C ? "QUIT!" : "BYE!")) {
				print_error("%s: %s\n", rows[i].id, told);
				n_wrong++;
			}
			free(told);
			row_free(&side);
			row_free(&script);
		}
	assert_int_equal(n_wrong, 0);
}

static void t1_to_t37_the_connection_goes_on(void **state) {
	for (size_t i = 0; i < n_rows; i++) {
		struct row_script script = {0};
		char *told;

		if (rows[i].leave & ROW_TAIL)
			continue;
		write_all(&rows[i], &script, TIMES);
		told = talk_of_script(&rows[i], &script);
		assert_non_null(strstr(told, "QUIT! S:BYE!"));
		free(told);
		row_free(&script);
	}
}

// ---- A connection beside it

static void good_after(struct row_script *script, const struct row_script *good, uint32_t i) {
	struct row_seg seg = good->segs[i];

	seg.time_ns = (i + 1) * 1000000ull + 500000;
	row_put(script, &seg);
}

static char *log_of_good(const struct row *row, const struct row_script *script) {
	struct row_frames frames = row_frames_make(script);
	struct row_play play;
	char *text = NULL;

	row_play_open(&play, row, false);
	row_play_frames(&play, &frames, 0, frames.n);
	assert_clean(row, &play);
	for (const struct told *told = play.first; told; told = told->next)
		if (strstr(told->talk.text, "IPv4 9.1 ports")) {
			assert_null(text);
			text = strdup(told->log.text);
		}
	assert_non_null(text);
	row_play_close(&play);
	row_frames_free(&frames);
	return text;
}

static void t1_to_t37_a_good_connection_beside_it_is_told_alike(void **state) {
	for (size_t i = 0; i < n_rows; i++) {
		struct row_script bad = {0}, good = {0}, both = {0}, alone = {0};
		char *expected, *told;

		write_all(&rows[i], &bad, 300);
		row_write_good(&good);
		for (uint32_t j = 0; j < good.n; j++)
			good_after(&alone, &good, j);
		for (uint32_t j = 0; j < bad.n || j < good.n; j++) {
			if (j < bad.n) {
				bad.segs[j].time_ns = (j + 1) * 1000000ull;
				row_put(&both, &bad.segs[j]);
			}
			if (j < good.n)
				good_after(&both, &good, j);
		}
		expected = log_of_good(&rows[i], &alone);
		told = log_of_good(&rows[i], &both);
		assert_non_null(strstr(expected, " end 0"));
		if (strcmp(told, expected) != 0)
			print_error("%s\n", rows[i].id);
		assert_string_equal(told, expected);
		free(told);
		free(expected);
		row_free(&bad);
		row_free(&good);
		row_free(&both);
		row_free(&alone);
	}
}

// ---- Bounds

static uint64_t counter_with(const struct row *row, uint32_t n) {
	struct row_script script = {0};
	struct row_frames frames;
	struct row_play play;
	uint64_t value;
	size_t memsize;

	row->write(&script, n);
	frames = row_frames_make(&script);
	row_play_open(&play, row, true);
	memsize = flow_memsize(play.table);
	row_play_frames(&play, &frames, 0, frames.n);
	memcpy(&value, (const char *)flow_stats(play.table) + row->counter, sizeof(value));
	assert_int_equal(flow_memsize(play.table), memsize);
	assert_clean(row, &play);
	row_play_close(&play);
	row_frames_free(&frames);
	row_free(&script);
	return value;
}

static void t1_to_t37_what_reaches_a_bound_is_counted_there(void **state) {
	int n_caps = 0;

	for (size_t i = 0; i < n_rows; i++) {
		const struct row *row = &rows[i];

		if (!row->cap)
			continue;
		n_caps++;
		if (counter_with(row, row->cap))
			print_error("%s: too early\n", row->id);
		assert_int_equal(counter_with(row, row->cap - 1), 0);
		assert_int_equal(counter_with(row, row->cap), 0);
		assert_int_equal(counter_with(row, row->cap + 1), 1);
		assert_true(counter_with(row, 100 * row->cap) >= 1);
	}
	assert_true(n_caps > 0);
}

// ---- Geneva's insertions, one by one

// Before the real line another with the same number, as Geneva found it to work. What no host takes never enters
// the stream; of what some hosts may take both copies are compared, and the difference is said, once.
static void t6_what_no_host_takes_is_not_read_and_the_rest_is_compared(void **state) {
	static const char evil[] = "EVILevilEVILevilEVILevilEVIL", good[] = "a LOGIN u1 x";
	static const struct {
		struct row_seg seg;
		bool enters;
	} cases[] = {
		{{.is_forged = true}, false},
		{{.promised = 4}, false}, // IP length 64 and 78 where 60 and 74 are there
		{{.promised = -4}, false},
		{{.promised = 18}, false},
		{{.ttl = 8}, true},
		{{.ttl = 10}, true},
		{{.ack = 0x50000000}, true},
		{{.ack = 0xd0000000}, true},
		{{.extra_header = 3}, true}, // 8 and 10 words: the rest of the bytes is read
		{{.extra_header = 5}, true},
		{{.wscale = 200}, true},
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		struct row_script script = {0};
		struct row_seg seg = cases[i / 2].seg;
		bool enters = cases[i / 2].enters;
		char expected[200];
		char *told;

		row_open(&script);
		seg.dir = C;
		seg.flags = TCP_ACK;
		seg.seq = script.at[C];
		seg.ack += script.at[S];
		seg.data = evil;
		seg.family = i % 2 ? 6 : 4;
		for (uint32_t j = 0; j < script.n; j++)
			script.segs[j].family = seg.family;
		row_put(&script, &seg);
		seg = (struct row_seg
		){C, TCP_ACK, script.at[C], script.at[S], good, .family = seg.family};
		row_put(&script, &seg);
		told = talk_of_script(&rows[0], &script);
		snprintf(
			expected,
			sizeof(expected),
			"IPv%d 0.1 ports 40000 143: C:%s",
			seg.family,
			enters ? evil + 4 * cases[i / 2].seg.extra_header : good
		);
		assert_memory_equal(told, expected, strlen(expected));
		assert_int_equal(strstr(told, "inconsistent_retransmission") != NULL, enters);
		if (!enters)
			assert_null(strstr(told, "EVIL"));
		free(told);
		row_free(&script);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t6_what_no_host_takes_is_not_read_and_the_rest_is_compared),
		cmocka_unit_test(t1_to_t37_any_cut_tells_the_same),
		cmocka_unit_test(t1_to_t37_every_prefix_ends_cleanly),
		cmocka_unit_test(t1_to_t37_either_side_alone_ends_cleanly),
		cmocka_unit_test(t1_to_t37_the_connection_goes_on),
		cmocka_unit_test(t1_to_t37_a_good_connection_beside_it_is_told_alike),
		cmocka_unit_test(t1_to_t37_what_reaches_a_bound_is_counted_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
