// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 30 };

struct progress {
	double started, drawn; // seconds; for people only, no result depends on them
	bool is_visible;
};

static double seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct progress *progress_open(bool quiet) {
	struct progress *progress
		= quiet || !isatty(STDERR_FILENO) ? NULL : calloc(1, sizeof(*progress));

	if (progress)
		progress->started = seconds();
	return progress;
}

static void bar_draw(double share) {
	char bar[BAR_WIDTH + 1];

	for (int i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < (int)(share * BAR_WIDTH) ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "[%s] %3.0f %% ", bar, share * 100);
}

void progress_show(struct progress *progress, const char *what, uint64_t done, uint64_t total) {
	double now, rate;

	if (!progress || (now = seconds()) - progress->drawn < 0.25)
		return;
	progress->drawn = now;
	rate = (double)done / (now - progress->started + 1e-9);
	fputs("\r\033[K", stderr);
	if (total)
		bar_draw((double)done / (double)total);
	fprintf(stderr, "%.40s %.0f MB, %.0f MB/s", what, (double)done / 1e6, rate / 1e6);
	if (total > done && rate > 0)
		fprintf(stderr, ", %.0f s left", (double)(total - done) / rate);
	progress->is_visible = true;
}

void progress_clear(struct progress *progress) {
	if (progress && progress->is_visible)
		fputs("\r\033[K", stderr);
	if (progress)
		progress->is_visible = false;
}

void progress_close(struct progress *progress) {
	progress_clear(progress);
	free(progress);
}
