// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "store/writer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum item_op {
	ITEM_PUT,
	ITEM_DELETE,
	ITEM_END, // of the transaction
};

struct item {
	uint8_t op; // enum item_op
	struct value_key key;
	struct value_head head; // head.size bytes follow, rounded up to 8
};

struct chunk {
	struct chunk *next;
	size_t used;
	uint8_t data[WRITER_CHUNK_SIZE];
};

struct writer {
	struct disk *disk;
	pthread_t thread;
	pthread_mutex_t mutex; // of the lists
	pthread_cond_t changed;
	struct chunk *free; // both lists: model thread and writer, under the mutex
	struct chunk *first, **last; // full ones, in order
	bool is_closing;
	struct chunk *chunk; // being filled by the model thread
	uint64_t n_waits; // model thread
	size_t size; // of the transaction at most; written before its first chunk is sent
	_Atomic bool is_busy;
	int result; // written before is_busy falls
	uint8_t value[VALUE_SIZE_MAX(VALUE_IMAGE_MAX)];
	struct chunk chunks[WRITER_CHUNKS];
};

static_assert(WRITER_CHUNK_SIZE >= 2 * VALUE_IMAGE_MAX, "an image fits into a chunk");

static size_t item_size(size_t image) {
	return (sizeof(struct item) + image + 7) & ~(size_t)7;
}

// ---- The writer's side

static void item_write(struct writer *writer, const struct item *item) {
	if (item->op == ITEM_DELETE) {
		disk_delete(writer->disk, &item->key);
		return;
	}
	size_t size = value_write(&item->key, &item->head, item + 1, writer->value);
	disk_put(writer->disk, &item->key, writer->value, size);
}

// A transaction that could not begin swallows its items. True while one is under way.
static bool chunk_write(struct writer *writer, const struct chunk *chunk, bool is_open) {
	for (size_t at = 0; at < chunk->used;) {
		const struct item *item = (const struct item *)(chunk->data + at);
		at += item_size(item->head.size);
		if (!is_open) {
			writer->result = disk_begin(writer->disk, writer->size);
			is_open = true;
		}
		if (item->op != ITEM_END) {
			if (writer->result == 0)
				item_write(writer, item);
			continue;
		}
		if (writer->result == 0)
			writer->result = disk_commit(writer->disk);
		is_open = false;
		atomic_store_explicit(&writer->is_busy, false, memory_order_release);
	}
	return is_open;
}

static void *run(void *arg) {
	struct writer *writer = arg;
	bool is_open = false;
	pthread_mutex_lock(&writer->mutex);
	for (;;) {
		struct chunk *chunk = writer->first;
		if (!chunk && writer->is_closing)
			break;
		if (!chunk) {
			pthread_cond_wait(&writer->changed, &writer->mutex);
			continue;
		}
		writer->first = chunk->next;
		if (!writer->first)
			writer->last = &writer->first;
		pthread_mutex_unlock(&writer->mutex);
		is_open = chunk_write(writer, chunk, is_open);
		pthread_mutex_lock(&writer->mutex);
		chunk->next = writer->free;
		writer->free = chunk;
		pthread_cond_broadcast(&writer->changed);
	}
	pthread_mutex_unlock(&writer->mutex);
	return NULL;
}

// ---- The model thread's

static void chunk_take(struct writer *writer) {
	pthread_mutex_lock(&writer->mutex);
	writer->n_waits += writer->free == NULL;
	while (!writer->free)
		pthread_cond_wait(&writer->changed, &writer->mutex);
	writer->chunk = writer->free;
	writer->free = writer->chunk->next;
	pthread_mutex_unlock(&writer->mutex);
	writer->chunk->used = 0;
	writer->chunk->next = NULL;
}

static void chunk_send(struct writer *writer) {
	pthread_mutex_lock(&writer->mutex);
	*writer->last = writer->chunk;
	writer->last = &writer->chunk->next;
	pthread_cond_broadcast(&writer->changed);
	pthread_mutex_unlock(&writer->mutex);
	writer->chunk = NULL;
}

static struct item *item_add(struct writer *writer, enum item_op op, size_t image) {
	size_t size = item_size(image);
	if (writer->chunk && writer->chunk->used + size > WRITER_CHUNK_SIZE)
		chunk_send(writer);
	if (!writer->chunk)
		chunk_take(writer);
	struct item *item = (struct item *)(writer->chunk->data + writer->chunk->used);
	writer->chunk->used += size;
	memset(item, 0, sizeof(*item));
	item->op = (uint8_t)op;
	item->head.size = (uint32_t)image;
	return item;
}

struct writer *writer_open(struct disk *disk) {
	struct writer *writer = calloc(1, sizeof(*writer));
	sigset_t all, before;
	if (!writer)
		return NULL;
	writer->disk = disk;
	writer->last = &writer->first;
	for (int i = 0; i < WRITER_CHUNKS; i++) {
		writer->chunks[i].next = writer->free;
		writer->free = &writer->chunks[i];
	}
	pthread_mutex_init(&writer->mutex, NULL);
	pthread_cond_init(&writer->changed, NULL);
	// Signals are for the threads that have something to stop.
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&writer->thread, NULL, run, writer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		free(writer);
		errno = error;
		return NULL;
	}
	return writer;
}

void writer_close(struct writer *writer) {
	if (!writer)
		return;
	writer_wait(writer);
	pthread_mutex_lock(&writer->mutex);
	writer->is_closing = true;
	pthread_cond_broadcast(&writer->changed);
	pthread_mutex_unlock(&writer->mutex);
	pthread_join(writer->thread, NULL);
	pthread_mutex_destroy(&writer->mutex);
	pthread_cond_destroy(&writer->changed);
	free(writer);
}

void writer_begin(struct writer *writer, size_t size) {
	assert(!writer_is_busy(writer));
	writer->size = size;
	atomic_store_explicit(&writer->is_busy, true, memory_order_release);
}

void *
writer_put(struct writer *writer, const struct value_key *key, const struct value_head *head) {
	struct item *item = item_add(writer, ITEM_PUT, head->size);
	item->key = *key;
	item->head = *head;
	return item + 1;
}

void writer_delete(struct writer *writer, const struct value_key *key) {
	item_add(writer, ITEM_DELETE, 0)->key = *key;
}

bool writer_has_room(struct writer *writer, size_t size) {
	if (writer->chunk && writer->chunk->used + item_size(size) <= WRITER_CHUNK_SIZE)
		return true;
	pthread_mutex_lock(&writer->mutex);
	bool has = writer->free != NULL;
	pthread_mutex_unlock(&writer->mutex);
	return has;
}

void writer_end(struct writer *writer) {
	item_add(writer, ITEM_END, 0);
	chunk_send(writer);
}

bool writer_is_busy(const struct writer *writer) {
	return atomic_load_explicit(&writer->is_busy, memory_order_acquire);
}

void writer_wait(struct writer *writer) {
	pthread_mutex_lock(&writer->mutex);
	while (writer_is_busy(writer))
		pthread_cond_wait(&writer->changed, &writer->mutex);
	pthread_mutex_unlock(&writer->mutex);
}

int writer_result(const struct writer *writer) {
	return writer->result;
}

uint64_t writer_n_waits(const struct writer *writer) {
	return writer->n_waits;
}

size_t writer_memsize(void) {
	return sizeof(struct writer);
}
