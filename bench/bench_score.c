// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// bench_score lines FILE [ROUNDS]: what the models cost beside reading the same activity lines.
// bench_score models FILE: the models once over the file, for callgrind to count (cost.sh).
// bench_score accounts N...: time and memory of the models for so many accounts, each of which logs in
// and reads on thirty days from the places and with the clients of one person.

#include "models.h"
#include "output/activity_json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 99, DAYS = 30, ACTIVITIES_A_DAY = 3 };

#define DAY_NS (86400ull * 1000000000)
#define START_NS (1767571200ull * 1000000000)

static double seconds(void) {
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t n_alerts;

static void alert_count(void *ctx, const struct alert *alert) {
	n_alerts++;
}

static struct models *models_make(size_t n_accounts) {
	struct models_config config
		= {.n_accounts = n_accounts, .hash_key = {1, 2}, .alert = alert_count};
	struct models *models = models_open(&config);

	if (!models) {
		perror("bench_score");
		exit(1);
	}
	return models;
}

static long resident_kib(void) {
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

// ---- Lines

static uint64_t n_taken;

static void take(void *ctx, const struct activity *activity) {
	if (ctx)
		models_run(ctx, activity);
	n_taken++;
}

// One pass over the file; models NULL: reading alone. Returns the activities.
static uint64_t pass(const char *path, struct models *models) {
	const struct activity_reader reader = {.take = take, .ctx = models};
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;

	if (!file) {
		perror(path);
		exit(1);
	}
	n_taken = 0;
	while ((size = getline(&line, &capacity, file)) > 0)
		activity_json_read(&reader, line, (size_t)size);
	free(line);
	fclose(file);
	return n_taken;
}

static int by_value(const void *a, const void *b) {
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int lines(const char *path, int rounds) {
	double read[ROUNDS_MAX], score[ROUNDS_MAX], ratio[ROUNDS_MAX];
	uint64_t n = pass(path, NULL); // and the file is in memory

	for (int i = 0; i < rounds; i++) {
		double begin = seconds();
		pass(path, NULL);
		read[i] = seconds() - begin;
		struct models *models = models_make(0);
		begin = seconds();
		pass(path, models);
		score[i] = seconds() - begin;
		models_close(models);
		ratio[i] = score[i] / read[i];
	}
	qsort(read, (size_t)rounds, sizeof(read[0]), by_value);
	qsort(score, (size_t)rounds, sizeof(score[0]), by_value);
	qsort(ratio, (size_t)rounds, sizeof(ratio[0]), by_value);
	printf("%llu activities, %d rounds: reading %.2f us each, reading and models %.2f us; "
	       "ratio "
	       "%.2f [%.2f %.2f]\n",
	       (unsigned long long)n,
	       rounds,
	       1e6 * read[rounds / 2] / (double)n,
	       1e6 * score[rounds / 2] / (double)n,
	       ratio[rounds / 2],
	       ratio[0],
	       ratio[rounds - 1]);
	return 0;
}

// ---- Accounts

// What an account does with its k-th activity on a day.
static void activity_make(struct activity *a, uint32_t account, uint32_t day, uint32_t k) {
	struct activity_mailbox *m = &a->mailboxes[0];
	uint32_t net = k == 1 ? 40000 + day * 977 % 64 : account / 40, host = account * 31;

	a->time_ns = START_NS + day * DAY_NS + (8 + 4 * k) * (DAY_NS / 24)
		+ account % 1000000 * 3600000ull;
	snprintf(a->account, sizeof(a->account), "u%u@example.org", account);
	memcpy(a->session, &account, sizeof(account));
	a->source.ip = (struct ip
	){{(uint8_t)(20 + (net >> 16)), (uint8_t)(net >> 8), (uint8_t)net, (uint8_t)host}, 4};
	a->client.grammar = 1 + (account + k) % 7;
	a->auth.success = 1;
	a->n_mailboxes = 1;
	m->uidvalidity = account;
	m->uidnext = 2000 + day * 20;
	m->n_bodies = m->dated = 5;
	m->old = k == 2;
	m->bodies = (struct uid_ranges){1, {{m->uidnext - 5, m->uidnext - 1}}};
	m->bytes = 100000;
	m->peek = 5;
	m->store = 2;
}

static void accounts(uint32_t n) {
	static struct activity activity = {.mailboxes = {{.name = "INBOX"}}};
	long before = resident_kib();
	struct models *models = models_make(n);
	double begin = seconds();
	uint64_t n_run = 0;

	for (uint32_t day = 0; day < DAYS; day++)
		for (uint32_t k = 0; k < ACTIVITIES_A_DAY; k++)
			for (uint32_t i = 0; i < n; i++, n_run++) {
				activity_make(&activity, i, day, k);
				models_run(models, &activity);
			}
	printf("%9u %10.2f %10.2f %12.0f %12.0f %10.2f %8llu\n",
	       n,
	       seconds() - begin,
	       1e6 * (seconds() - begin) / (double)n_run,
	       (double)models_memsize(models) / 1e6,
	       (double)(resident_kib() - before) / 1e3,
	       (double)(resident_kib() - before) * 1024 / n / 1000,
	       (unsigned long long)n_alerts);
	fflush(stdout);
	models_close(models);
}

int main(int argc, char **argv) {
	int rounds = argc > 3 ? atoi(argv[3]) : 5;

	if (argc > 2 && !strcmp(argv[1], "lines") && rounds > 0 && rounds <= ROUNDS_MAX)
		return lines(argv[2], rounds);
	if (argc == 3 && !strcmp(argv[1], "models")) {
		struct models *models = models_make(0);
		printf("%llu activities\n", (unsigned long long)pass(argv[2], models));
		models_close(models);
		return 0;
	}
	if (argc < 3 || strcmp(argv[1], "accounts")) {
		fputs("usage: bench_score lines FILE [ROUNDS] | models FILE | accounts N...\n",
		      stderr);
		return 2;
	}
	printf(" accounts    seconds  us/activity  reserved MB  resident MB  KB/account  alerts\n");
	for (int i = 2; i < argc; i++)
		accounts((uint32_t)strtoul(argv[i], NULL, 10));
	return 0;
}
