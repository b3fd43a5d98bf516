// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// postern replay: captures, one after another as one stretch of time, through the pipeline. A session
// may begin in one file and end in the next (rotated captures); a broken file does not stop the others.

#include "capture.h"
#include "cmd.h"
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>

struct chain {
	struct source source; // first: what the pipeline sees
	char **paths;
	int n_paths;
	int next; // path to open when the current capture has ended
	struct capture *capture;
	uint64_t last_ns;
	int n_opened, n_bad;
	uint64_t n_backward; // packets, of all captures
	uint64_t n_overlapping; // where one begins before the last has ended
	uint64_t n_skipped;
	struct progress *progress;
};

static void complain(struct chain *chain, const char *error) {
	progress_clear(chain->progress);
	fprintf(stderr, "postern: %s\n", error);
	chain->n_bad++;
}

// Ends the current capture, and says what of it could not be used.
static void chain_close(struct chain *chain) {
	const char *why;
	uint64_t n;

	if (!chain->capture)
		return;
	source_release(&chain->source); // workers may still read what is mapped
	chain->n_backward += capture_n_backward(chain->capture);
	why = capture_skipped(chain->capture, &n);
	chain->n_skipped += n;
	if (why) {
		progress_clear(chain->progress);
		fprintf(stderr,
			"postern: %s: %llu packets were passed over; the first: %s\n",
			chain->paths[chain->next - 1],
			(unsigned long long)n,
			why);
	}
	capture_close(chain->capture);
	chain->capture = NULL;
}

// The next capture that can be opened, or false.
static bool chain_open_next(struct chain *chain) {
	char error[512];

	chain_close(chain);
	while (!chain->capture && chain->next < chain->n_paths) {
		const char *path = chain->paths[chain->next++];

		// With several workers frames are read where they lie.
		chain->capture = chain->source.release
			? capture_open_mapped(path, error, sizeof(error))
			: capture_open(path, error, sizeof(error));
		if (!chain->capture)
			complain(chain, error);
	}
	chain->n_opened += chain->capture != NULL;
	if (chain->capture) {
		capture_source(chain->capture)->release = chain->source.release;
		capture_source(chain->capture)->release_ctx = chain->source.release_ctx;
		chain->source.frames_stay = capture_source(chain->capture)->frames_stay;
	}
	return chain->capture != NULL;
}

static int chain_burst(struct source *source, struct frame *frames, int max) {
	struct chain *chain = (struct chain *)source;
	int n = 0;

	for (;;) {
		if (chain->capture)
			n = source_burst(capture_source(chain->capture), frames, max);
		if (n > 0)
			break;
		if (n == SOURCE_BROKEN)
			complain(chain, capture_source(chain->capture)->error);
		n = 0;
		if (!chain_open_next(chain))
			return SOURCE_END;
	}
	// Time does not go back where one file begins before the other has ended.
	for (int i = 0; i < n; i++) {
		if (frames[i].time_ns < chain->last_ns) {
			frames[i].time_ns = chain->last_ns;
			chain->n_overlapping++;
		}
		chain->last_ns = frames[i].time_ns;
	}
	return n;
}

static void show_progress(void *ctx, uint64_t) {
	struct chain *chain = ctx;
	uint64_t done = 0, total = 0;

	if (chain->capture)
		capture_position(chain->capture, &done, &total);
	progress_show(chain->progress, chain->paths[chain->next - 1], done, total);
}

static void chain_summary(const struct chain *chain) {
	if (chain->n_skipped)
		fprintf(stderr,
			"postern: %llu packets of the captures were passed over: nothing could be "
			"read of them (capture_skipped)\n",
			(unsigned long long)chain->n_skipped);
	if (chain->n_backward)
		fprintf(stderr,
			"postern: %llu packets bear an earlier time than the one before them and "
			"were given its time (capture_backward)\n",
			(unsigned long long)chain->n_backward);
	if (chain->n_overlapping)
		fprintf(stderr,
			"postern: %llu packets are older than the end of the capture before theirs "
			"and were given its time: name captures in the order of time, or merge "
			"them "
			"(mergecap)\n",
			(unsigned long long)chain->n_overlapping);
	if (chain->next < chain->n_paths)
		fprintf(stderr,
			"postern: %d of %d captures were not begun\n",
			chain->n_paths - chain->next,
			chain->n_paths);
}

enum exit_status cmd_replay(const struct config *config) {
	struct chain chain = {
		.source.burst = chain_burst,
		.paths = config->inputs,
		.n_paths = config->n_inputs,
	};
	struct pipeline *pipeline = pipeline_open(config, false);
	enum exit_status status;

	if (!pipeline)
		return EXIT_BAD_INPUT;
	chain.progress = progress_open(config->text);
	pipeline_on_pause(pipeline, show_progress, &chain);
	pipeline_run(pipeline, &chain.source);
	progress_close(chain.progress);
	status = pipeline_finish(pipeline);
	chain_close(&chain);
	if (chain.n_opened && pipeline_summary(pipeline))
		chain_summary(&chain);
	pipeline_close(pipeline);
	return chain.n_bad ? EXIT_BAD_INPUT : status;
}
