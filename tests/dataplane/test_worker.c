// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The whole walk over a source made by the test: whatever its bursts, the readers hear the same.

#include "limits.h"
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N_FRAMES = 200, SECOND = 1000000000 };

// A connection in one frame each: SYN, SYN+ACK, then bytes of the client, one per frame. Every
// seventh frame is not TCP.
struct feed {
	struct source source; // first
	uint8_t data[N_FRAMES][64];
	struct frame frames[N_FRAMES];
	int at, step;
	int end; // what follows the last frame
	int n_idle; // empty bursts before that
	sig_atomic_t *stop;
	int stop_at;
};

static void frame_make(struct feed *feed, int i, uint32_t seq) {
	uint8_t *p = feed->data[i];
	int from_server = i == 1, size = i < 2 ? 0 : 1;

	memcpy(p, "\2\0\0\0\0\2\2\0\0\0\0\1\x08\0\x45\0\0\0\0\0\0\0\x40\6\0\0", 26);
	p[17] = (uint8_t)(40 + size);
	memcpy(p + 26, from_server ? "\x0a\0\0\2\x0a\0\0\1" : "\x0a\0\0\1\x0a\0\0\2", 8);
	memcpy(p + 34, from_server ? "\0\x8f\x40\0" : "\x40\0\0\x8f", 4);
	p[40] = (uint8_t)((from_server ? 0 : seq) >> 8);
	p[41] = (uint8_t)(from_server ? 0 : seq);
	p[45] = i == 0 ? 0 : 1;
	p[46] = 0x50;
	p[47] = i == 0 ? 0x02 : i == 1 ? 0x12 : 0x10;
	p[48] = 0xff;
	p[54] = (uint8_t)i;
	if (i % 7 == 6)
		p[12] = 0x77; // no EtherType of ours
	feed->frames[i] = (struct frame){
		.data = p,
		.time_ns = (uint64_t)(1000 + i) * SECOND,
		.size = 54 + (uint32_t)size,
		.wire_size = 54 + (uint32_t)size + (i == 9),
		.link = LINK_ETHERNET,
	};
}

static int feed_burst(struct source *source, struct frame *frames, int max) {
	struct feed *feed = (struct feed *)source;
	int n = feed->step < max ? feed->step : max;

	if (feed->stop && feed->at >= feed->stop_at)
		*feed->stop = 1;
	n = n < N_FRAMES - feed->at ? n : N_FRAMES - feed->at;
	memcpy(frames, feed->frames + feed->at, (size_t)n * sizeof(*frames));
	feed->at += n;
	if (n > 0)
		return n;
	if (feed->n_idle-- <= 0)
		return feed->end;
	source->now_ns = feed->frames[N_FRAMES - 1].time_ns + 3600ull * SECOND;
	return 0;
}

static void feed_init(struct feed *feed, int step) {
	uint32_t seq = 0;

	*feed = (struct feed){.source = {.burst = feed_burst}, .step = step, .end = SOURCE_END};
	for (int i = 0; i < N_FRAMES; i++) {
		frame_make(feed, i, seq);
		// The frames that are not TCP take no sequence number.
		seq += i == 0 || (i > 1 && i % 7 != 6);
	}
}

struct story {
	char text[65536];
	int len;
	struct stream *stream;
	int n_pauses;
};

__attribute__((format(printf, 2, 3))) static void
tell(struct story *story, const char *format, ...) {
	va_list args;

	va_start(args, format);
	story->len += vsnprintf(
		story->text + story->len, sizeof(story->text) - (size_t)story->len, format, args
	);
	va_end(args);
	assert_true(story->len < (int)sizeof(story->text));
}

static void *story_open(void *ctx, struct stream *stream, uint64_t now_ns) {
	struct story *story = ctx;

	story->stream = stream;
	tell(story, "open %llu\n", (unsigned long long)now_ns);
	// Due behind the last TCP segment and before the last frame, which is not TCP in one feed.
	stream_timer_set(stream, (1000 + N_FRAMES - 1) * (uint64_t)SECOND - SECOND / 2);
	return story;
}

static void
story_data(void *reader, enum stream_dir dir, const uint8_t *data, size_t size, uint64_t now_ns) {
	for (size_t i = 0; i < size; i++)
		tell(reader, "%d %02x %llu\n", dir, data[i], (unsigned long long)now_ns);
}

static void story_gap(void *reader, enum stream_dir dir, uint64_t size, uint64_t now_ns) {
	tell(reader, "gap %d %llu\n", dir, (unsigned long long)size);
}

static void story_event(void *reader, enum stream_event event, uint64_t now_ns) {
	tell(reader, "event %s\n", stream_event_name(event));
}

static void story_timer(void *reader, uint64_t now_ns) {
	tell(reader, "timer %llu\n", (unsigned long long)now_ns);
}

static void story_close(void *reader, enum stream_end end, uint64_t now_ns) {
	tell(reader, "close %d %llu\n", end, (unsigned long long)now_ns);
}

static void pause_count(void *ctx, uint64_t now_ns) {
	struct story *story = ctx;

	story->n_pauses++;
}

static struct story story;
static struct feed feed;

// Runs the feed; story says what a reader heard.
static int run(struct worker *worker) {
	struct flow_config config = {
		.n_flows = 100,
		.held_size = 1 << 20,
		.handler = {
			&story, story_open, story_data, story_gap, story_event, story_timer, story_close,
		},
	};
	int result;

	story = (struct story){0};
	worker->source = &feed.source;
	worker->flows = flow_open(&config);
	worker->pause = pause_count;
	worker->pause_ctx = &story;
	assert_non_null(worker->flows);
	result = worker_run(worker);
	flow_close(worker->flows);
	return result;
}

static void bursts_of_any_size_tell_the_same_story(void **) {
	static char first[sizeof(story.text)];

	for (int step = 1; step <= BURST_MAX; step++) {
		struct worker worker = {0};

		feed_init(&feed, step);
		assert_int_equal(run(&worker), 0);
		assert_int_equal(worker.n_frames, N_FRAMES);
		assert_int_equal(worker.verdicts[VERDICT_not_ip], N_FRAMES / 7);
		assert_int_equal(worker.verdicts[VERDICT_tcp], N_FRAMES - N_FRAMES / 7);
		assert_int_equal(worker.n_cut, 1);
		assert_int_equal(worker.now_ns, feed.frames[N_FRAMES - 1].time_ns);
		if (step == 1)
			memcpy(first, story.text, sizeof(first));
		assert_string_equal(story.text, first);
	}
	assert_non_null(strstr(first, "0 c5 "));
	assert_non_null(strstr(first, "timer 1198500000000\n"));
	assert_non_null(strstr(first, "close"));
}

static void time_reaches_frames_that_are_not_tcp(void **) {
	// The timer is due before the last frame, and all after the tenth are not TCP.
	for (int step = 1; step <= BURST_MAX; step += 21) {
		struct worker worker = {0};

		feed_init(&feed, step);
		for (int i = 10; i < N_FRAMES; i++)
			feed.data[i][12] = 0x77;
		assert_int_equal(run(&worker), 0);
		assert_non_null(strstr(story.text, "timer 1198500000000\n"));
	}
}

static void damage_is_reported_and_every_connection_closed(void **) {
	struct worker worker = {0};

	feed_init(&feed, 64);
	feed.end = SOURCE_BROKEN;
	assert_int_equal(run(&worker), SOURCE_BROKEN);
	assert_int_equal(worker.n_frames, N_FRAMES);
	assert_non_null(strstr(story.text, "close"));
}

static void z2_time_goes_on_while_a_live_source_is_idle(void **) {
	struct worker worker = {0};

	feed_init(&feed, 64);
	feed.n_idle = 3;
	assert_int_equal(run(&worker), 0);
	assert_int_equal(story.n_pauses, 3);
	assert_int_equal(worker.now_ns, feed.source.now_ns);
}

struct marks {
	const struct worker *worker;
	uint64_t now_ns;
	uint32_t n, number;
};

static void mark_note(void *ctx, uint64_t now_ns, uint32_t number) {
	struct marks *marks = ctx;
	const struct flow_moment *moment = flow_moment(marks->worker->flows);
	struct flow_moment mark = {.time_ns = now_ns, .number = number, .kind = FLOW_MOMENT_FRAME};

	// What was told last is not behind the mark, what was marked before neither.
	assert_true(flow_moment_compare(moment, &mark) <= 0);
	assert_true(now_ns >= marks->now_ns && number >= marks->number);
	assert_int_equal(number, feed.at - 1);
	marks->now_ns = now_ns;
	marks->number = number;
	marks->n++;
}

static void every_burst_ends_with_a_mark(void **) {
	for (int step = 1; step <= BURST_MAX; step += 9) {
		struct worker worker = {0};
		struct marks marks = {.worker = &worker};

		feed_init(&feed, step);
		worker.mark = mark_note;
		worker.mark_ctx = &marks;
		assert_int_equal(run(&worker), 0);
		assert_int_equal(marks.n, (N_FRAMES + step - 1) / step);
		assert_int_equal(marks.number, N_FRAMES - 1);
		assert_int_equal(marks.now_ns, feed.frames[N_FRAMES - 1].time_ns);
	}
}

static void a_stop_is_heeded_after_the_burst(void **) {
	sig_atomic_t stop = 0;
	struct worker worker = {.stop = &stop};

	feed_init(&feed, 10);
	feed.stop = &stop;
	feed.stop_at = 50;
	assert_int_equal(run(&worker), 0);
	assert_int_equal(worker.n_frames, 60);
	assert_non_null(strstr(story.text, "close"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts_of_any_size_tell_the_same_story),
		cmocka_unit_test(time_reaches_frames_that_are_not_tcp),
		cmocka_unit_test(damage_is_reported_and_every_connection_closed),
		cmocka_unit_test(z2_time_goes_on_while_a_live_source_is_idle),
		cmocka_unit_test(every_burst_ends_with_a_mark),
		cmocka_unit_test(a_stop_is_heeded_after_the_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
