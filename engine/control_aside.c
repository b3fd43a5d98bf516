// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Work goes in under a lock and comes back as one byte in a pipe, behind which the results stand still.

#include "control_aside.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

struct aside {
	pthread_t thread;
	pthread_mutex_t lock; // of the four below
	pthread_cond_t begun;
	int (*answer)(void *context, FILE *out); // NULL: nothing to do
	void *context;
	bool is_over;
	// w: the thread, before it writes to the pipe, r: who has read from it
	char *text;
	size_t size;
	int result;
	int done[2];
};

static void work(struct aside *aside, int (*answer)(void *, FILE *), void *context) {
	FILE *out = open_memstream(&aside->text, &aside->size);
	char byte = 0;

	aside->result = -1;
	if (out) {
		aside->result = answer(context, out);
		fclose(out);
	}
	while (write(aside->done[1], &byte, 1) < 0 && errno == EINTR)
		;
}

static void *run(void *arg) {
	struct aside *aside = arg;

	pthread_mutex_lock(&aside->lock);
	while (!aside->is_over) {
		int (*answer)(void *, FILE *) = aside->answer;

		if (!answer) {
			pthread_cond_wait(&aside->begun, &aside->lock);
			continue;
		}
		aside->answer = NULL;
		pthread_mutex_unlock(&aside->lock);
		work(aside, answer, aside->context);
		pthread_mutex_lock(&aside->lock);
	}
	pthread_mutex_unlock(&aside->lock);
	return NULL;
}

struct aside *aside_open(void) {
	struct aside *aside = calloc(1, sizeof(*aside));
	int problem;

	if (!aside)
		return NULL;
	pthread_mutex_init(&aside->lock, NULL);
	pthread_cond_init(&aside->begun, NULL);
	if (pipe2(aside->done, O_CLOEXEC) < 0) {
		free(aside);
		return NULL;
	}
	problem = pthread_create(&aside->thread, NULL, run, aside);
	if (problem == 0)
		return aside;
	close(aside->done[0]);
	close(aside->done[1]);
	free(aside);
	errno = problem;
	return NULL;
}

int aside_fd(const struct aside *aside) {
	return aside->done[0];
}

void aside_begin(struct aside *aside, int (*answer)(void *context, FILE *out), void *context) {
	pthread_mutex_lock(&aside->lock);
	aside->answer = answer;
	aside->context = context;
	pthread_cond_signal(&aside->begun);
	pthread_mutex_unlock(&aside->lock);
}

int aside_take(struct aside *aside, char **text_r, size_t *size_r) {
	char byte;

	while (read(aside->done[0], &byte, 1) < 0 && errno == EINTR)
		;
	*text_r = aside->text;
	*size_r = aside->size;
	aside->text = NULL;
	return aside->result;
}

void aside_close(struct aside *aside) {
	if (!aside)
		return;
	pthread_mutex_lock(&aside->lock);
	aside->is_over = true;
	pthread_cond_signal(&aside->begun);
	pthread_mutex_unlock(&aside->lock);
	pthread_join(aside->thread, NULL);
	close(aside->done[0]);
	close(aside->done[1]);
	free(aside->text);
	free(aside);
}
