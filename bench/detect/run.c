// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SUPPRESSION_NS (14 * SIM_DAY_NS)

// ---- Files

static int put(FILE *file, const void *data, size_t size, size_t n) {
	return n == 0 || fwrite(data, size, n, file) == n ? 0 : -1;
}

int run_write(const struct run *run, const char *path) {
	FILE *file = fopen(path, "wb");
	int rc;

	if (!file)
		return -errno;
	rc = put(file, run, sizeof(*run), 1);
	rc |= put(file, run->attack, sizeof(*run->attack), run->n_attacks);
	rc |= put(file, run->campaign, sizeof(*run->campaign), run->n_campaigns);
	rc |= put(file, run->reads, sizeof(*run->reads), run->n_reads);
	for (size_t i = 0; i < run->n_detectors; i++) {
		const struct run_detector *d = &run->detector[i];
		rc |= put(file, d->records, sizeof(*d->records), d->n_records);
		rc |= put(file, d->groups, sizeof(*d->groups), d->n_groups);
	}
	rc |= fclose(file);
	return rc ? -EIO : 0;
}

static void *get(FILE *file, size_t size, size_t n, bool *failed) {
	void *data = calloc(n + 1, size);

	if (!data || fread(data, size, n, file) != n)
		*failed = true;
	return data;
}

struct run *run_read(const char *path) {
	FILE *file = fopen(path, "rb");
	struct run *run = calloc(1, sizeof(*run));
	bool failed = false;

	if (!file || !run || fread(run, sizeof(*run), 1, file) != 1 || run->magic != RUN_MAGIC) {
		if (file)
			fclose(file);
		free(run);
		errno = file ? EINVAL : errno;
		return NULL;
	}
	run->attack = get(file, sizeof(*run->attack), run->n_attacks, &failed);
	run->campaign = get(file, sizeof(*run->campaign), run->n_campaigns, &failed);
	run->reads = get(file, sizeof(*run->reads), run->n_reads, &failed);
	for (size_t i = 0; i < run->n_detectors; i++) {
		struct run_detector *d = &run->detector[i];
		d->records = get(file, sizeof(*d->records), d->n_records, &failed);
		d->groups = get(file, sizeof(*d->groups), d->n_groups, &failed);
	}
	fclose(file);
	if (!failed)
		return run;
	run_free(run);
	errno = EINVAL;
	return NULL;
}

void run_free(struct run *run) {
	if (!run)
		return;
	free(run->attack);
	free(run->campaign);
	free(run->reads);
	for (size_t i = 0; i < run->n_detectors; i++) {
		free(run->detector[i].records);
		free(run->detector[i].groups);
	}
	free(run);
}

// ---- Episodes

double run_weeks(const struct run *run) {
	return (run->n_days - run->learning_days) / 7.0;
}

static int by_key(const void *a, const void *b) {
	const struct run_record *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

void run_sort(struct run_detector *detector) {
	qsort(detector->records, detector->n_records, sizeof(*detector->records), by_key);
}

size_t run_episodes(const struct run_detector *detector, double threshold, bool only_false) {
	uint64_t until_ns = 0;
	uint32_t key = 0;
	size_t n = 0;

	for (size_t i = 0; i < detector->n_records; i++) {
		const struct run_record *r = &detector->records[i];
		if (!r->counts || r->score < threshold || (only_false && !r->is_false))
			continue;
		if (n > 0 && r->key == key && r->time_ns < until_ns)
			continue;
		key = r->key;
		until_ns = r->time_ns + SUPPRESSION_NS;
		n++;
	}
	return n;
}
