// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Streams that are opened when their slot is first used and only ever reset after that, so that
// scanning allocates nothing.

#include "match/scan.h"

#include "match/database_private.h"
#include "match/validate.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	SLOT_ALIGN = 64,
	// hs_scan_stream takes an unsigned int.
	PIECE_SIZE_MAX = 1 << 30,
	// Calls into Hyperscan cost some hundred nanoseconds whatever they scan: pieces are gathered up to
	// this, and scanned where they lie from half of it on, over as many packets as they take. With 200 bytes a piece (header fields,
	// short lines) this halves the time of matching.
	GATHER_SIZE = 2048,
	GATHER_PIECE_MAX = GATHER_SIZE / 2,
};

// Slots of one field: the state of slot i stands at base + i * slot_size.
//
//	free[0 … n_free)  slots to be had, last first, so that the same few pages are used again
//	is_open bit       Hyperscan has made a stream in it (once; reset after each message)
struct arena {
	uint8_t *base;
	size_t slot_size;
	struct scan_stream *streams;
	uint32_t *free;
	uint32_t n_free;
};

struct scan_stream {
	struct scanner *scanner;
	hs_stream_t *hs; // NULL: slot not used yet
	scan_match *match;
	void *ctx;
	uint8_t field;
	bool is_done; // the callback wants no more
	uint8_t n_tail;
	uint64_t n_before; // bytes scanned before those being scanned
	uint8_t tail[VALIDATE_WINDOW]; // the last of them, for check digits
};

// Pieces of one stream, not scanned yet. One for each field: a text and its markup come by turns.
struct gather {
	struct scan_stream *stream; // whose bytes these are; NULL: nobody's
	size_t n;
	uint8_t bytes[GATHER_SIZE];
};

struct scanner {
	const struct database *db;
	hs_scratch_t *scratch;
	uint32_t n_streams;
	struct arena arenas[RULE_STREAMED];
	size_t memsize;
	struct scan_work work;
	bool is_scanning; // whoever scans now is a callback
	_Atomic uint32_t n_holds; // w: worker, r: who wants to close it
	struct gather gathers[RULE_STREAMED];
};

// ---- Hyperscan's stream allocator has no argument: what it shall return stands here while a slot is
// opened for the first time.

static _Thread_local struct {
	void *block;
	size_t size;
} slot_offered;

static void *slot_alloc(size_t size) {
	return size <= slot_offered.size ? slot_offered.block : NULL;
}

static void slot_free(void *block) {
	(void)block; // the arena goes as a whole
}

static void allocator_set(void) {
	hs_set_stream_allocator(slot_alloc, slot_free);
}

void scan_allocator_set(void) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, allocator_set);
}

// ---- A worker's scanner.

static int arena_open(struct scanner *scanner, int field) {
	struct arena *arena = &scanner->arenas[field];
	size_t n = scanner->n_streams, size;
	void *base;

	// Room for Hyperscan's own head in front of the state, which hs_stream_size() includes.
	arena->slot_size
		= (scanner->db->stream_size[field] + SLOT_ALIGN - 1) & ~(size_t)(SLOT_ALIGN - 1);
	size = n * arena->slot_size;
	base
		= mmap(NULL,
		       size,
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1,
		       0);
	if (base == MAP_FAILED)
		return -1;
	madvise(base, size, MADV_DONTDUMP); // its history is mail
	arena->base = base;
	arena->streams = calloc(n, sizeof(*arena->streams));
	arena->free = calloc(n, sizeof(*arena->free));
	if (arena->streams == NULL || arena->free == NULL)
		return -1;
	scanner->memsize += size + n * (sizeof(*arena->streams) + sizeof(*arena->free));
	for (uint32_t i = 0; i < n; i++)
		arena->free[i] = (uint32_t)n - 1 - i;
	arena->n_free = (uint32_t)n;
	return 0;
}

static void arena_close(struct scanner *scanner, int field) {
	struct arena *arena = &scanner->arenas[field];

	for (uint32_t i = 0; arena->streams != NULL && i < scanner->n_streams; i++)
		if (arena->streams[i].hs != NULL)
			hs_close_stream(arena->streams[i].hs, NULL, NULL, NULL);
	if (arena->base != NULL)
		munmap(arena->base, scanner->n_streams * arena->slot_size);
	free(arena->streams);
	free(arena->free);
}

struct scanner *scanner_open(const struct database *db, uint32_t n_streams) {
	struct scanner *scanner = calloc(1, sizeof(*scanner));
	size_t size;

	if (scanner == NULL)
		return NULL;
	scanner->db = db;
	scanner->n_streams = n_streams;
	scanner->memsize = sizeof(*scanner);
	for (int i = 0; i < RULE_FIELDS; i++) {
		if (db->dbs[i] == NULL)
			continue;
		if (hs_alloc_scratch(db->dbs[i], &scanner->scratch) != HS_SUCCESS
		    || (database_is_streamed(i) && arena_open(scanner, i) < 0)) {
			scanner_close(scanner);
			errno = ENOMEM;
			return NULL;
		}
	}
	if (scanner->scratch != NULL && hs_scratch_size(scanner->scratch, &size) == HS_SUCCESS)
		scanner->memsize += size;
	return scanner;
}

void scanner_close(struct scanner *scanner) {
	if (scanner == NULL)
		return;
	for (int i = 0; i < RULE_STREAMED; i++)
		arena_close(scanner, i);
	hs_free_scratch(scanner->scratch);
	free(scanner);
}

void scanner_hold(struct scanner *scanner) {
	if (scanner != NULL)
		atomic_store_explicit(
			&scanner->n_holds, scanner->n_holds + 1, memory_order_relaxed
		);
}

void scanner_release(struct scanner *scanner) {
	if (scanner != NULL)
		atomic_store_explicit(
			&scanner->n_holds, scanner->n_holds - 1, memory_order_release
		);
}

bool scanner_is_held(const struct scanner *scanner) {
	return atomic_load_explicit(&scanner->n_holds, memory_order_acquire) > 0;
}

const struct scan_work *scanner_work(const struct scanner *scanner) {
	return &scanner->work;
}

size_t scanner_memsize(const struct scanner *scanner) {
	return scanner->memsize;
}

const struct database *scanner_database(const struct scanner *scanner) {
	return scanner->db;
}

bool scanner_wants(const struct scanner *scanner, enum rule_field field) {
	return scanner->db->dbs[field] != NULL;
}

bool scanner_wants_header(const struct scanner *scanner, const uint8_t *name, size_t size) {
	unsigned bit;

	if (size == 0)
		return false;
	bit = header_bit(name, size);
	return (scanner->db->headers[bit / 64] >> bit % 64 & 1) != 0;
}

uint32_t scanner_min_width(const struct scanner *scanner, uint32_t rule) {
	uint32_t width = scanner->db->min_width[rule];

	return width > 0 ? width : 1;
}

// ---- Scanning.

struct scan_stream *
scan_open(struct scanner *scanner, enum rule_field field, scan_match *match, void *ctx) {
	struct arena *arena = &scanner->arenas[field];
	struct scan_stream *stream;
	uint32_t slot;

	assert(field < RULE_STREAMED);
	if (arena->n_free == 0)
		return NULL;
	slot = arena->free[arena->n_free - 1];
	stream = &arena->streams[slot];
	if (stream->hs == NULL) {
		slot_offered.block = arena->base + slot * arena->slot_size;
		slot_offered.size = arena->slot_size;
		hs_error_t rc = hs_open_stream(scanner->db->dbs[field], 0, &stream->hs);
		slot_offered.size = 0;
		if (rc != HS_SUCCESS) {
			stream->hs = NULL;
			return NULL;
		}
	}
	arena->n_free--;
	stream->scanner = scanner;
	stream->match = match;
	stream->ctx = ctx;
	stream->field = (uint8_t)field;
	stream->is_done = false;
	stream->n_tail = 0;
	stream->n_before = 0;
	return stream;
}

// What ends at the hit's offset may stand in the tail, in data, or begin in one and end in the other.
size_t scan_hit_text(const struct scan_hit *hit, uint8_t text_r[VALIDATE_WINDOW]) {
	const struct scan_stream *stream = hit->stream;
	uint64_t before = stream != NULL ? stream->n_before : 0;
	size_t n_data, n_tail;

	if (hit->offset < before) {
		// At the end of a stream, "$" may match before its last line end.
		n_tail = before - hit->offset < stream->n_tail
			? stream->n_tail - (size_t)(before - hit->offset)
			: 0;
		memcpy(text_r, stream->tail, n_tail);
		return n_tail;
	}
	n_data = (size_t)(hit->offset - before);
	if (n_data >= VALIDATE_WINDOW) {
		memcpy(text_r, hit->data + n_data - VALIDATE_WINDOW, VALIDATE_WINDOW);
		return VALIDATE_WINDOW;
	}
	n_tail = stream != NULL ? stream->n_tail : 0;
	n_tail = n_tail < VALIDATE_WINDOW - n_data ? n_tail : VALIDATE_WINDOW - n_data;
	if (n_tail > 0)
		memcpy(text_r, stream->tail + stream->n_tail - n_tail, n_tail);
	if (n_data > 0)
		memcpy(text_r + n_tail, hit->data, n_data);
	return n_tail + n_data;
}

// Between Hyperscan's callback and ours.
struct call {
	scan_match *match;
	void *ctx;
	const struct scan_stream *stream;
	const uint8_t *data; // being scanned; its first byte has offset stream->n_before
	const struct rule *rules;
};

static int on_match(unsigned id, unsigned long long, unsigned long long to, unsigned, void *ctx) {
	struct call *call = ctx;
	struct scan_hit hit
		= {.rule = id, .offset = to, .stream = call->stream, .data = call->data};
	enum validate kind = call->rules[id].validate;
	uint8_t text[VALIDATE_WINDOW];
	struct validate_span span;

	hit.validity = kind == VALIDATE_NOTHING
		? VALIDATE_RIGHT
		: validate(kind, text, scan_hit_text(&hit, text), &span);
	if (hit.validity == VALIDATE_NONE || (hit.validity == VALIDATE_WRONG && !call->stream))
		return 0;
	return call->match(call->ctx, &hit) ? 0 : 1;
}

static struct call call_of(const struct scan_stream *stream) {
	return (struct call){
		.match = stream->match,
		.ctx = stream->ctx,
		.stream = stream,
		.rules = stream->scanner->db->rules->rules,
	};
}

// Keeps the last bytes of what was scanned.
static void tail_keep(struct scan_stream *stream, const uint8_t *data, size_t size) {
	size_t kept = size < VALIDATE_WINDOW ? VALIDATE_WINDOW - size : 0;

	stream->n_before += size;
	if (size > VALIDATE_WINDOW) {
		data += size - VALIDATE_WINDOW;
		size = VALIDATE_WINDOW;
	}
	kept = kept < stream->n_tail ? kept : stream->n_tail;
	memmove(stream->tail, stream->tail + stream->n_tail - kept, kept);
	memcpy(stream->tail + kept, data, size);
	stream->n_tail = (uint8_t)(kept + size);
}

// Who was told of a match scans: that would overwrite what is being scanned.
static bool is_refused(struct scanner *scanner) {
	scanner->work.n_refused += scanner->is_scanning;
	return scanner->is_scanning;
}

static void work_begin(struct scanner *scanner, size_t size) {
	scanner->work.n_calls++;
	scanner->work.n_bytes += size;
	scanner->is_scanning = true;
}

static void scan(struct scan_stream *stream, const uint8_t *data, size_t size) {
	struct call call = call_of(stream);

	while (size > 0 && !stream->is_done) {
		unsigned piece = size < PIECE_SIZE_MAX ? (unsigned)size : PIECE_SIZE_MAX;
		call.data = data;
		work_begin(stream->scanner, piece);
		hs_error_t rc = hs_scan_stream(
			stream->hs,
			(const char *)data,
			piece,
			0,
			stream->scanner->scratch,
			on_match,
			&call
		);

		stream->scanner->is_scanning = false;
		// The callback wants no more; whatever else it were, this stream would be over.
		stream->is_done = rc != HS_SUCCESS;
		tail_keep(stream, data, piece);
		data += piece;
		size -= piece;
	}
}

static void gather_scan(struct gather *gather) {
	struct scan_stream *stream = gather->stream;
	size_t n = gather->n;

	if (stream == NULL)
		return;
	gather->stream = NULL;
	gather->n = 0;
	scan(stream, gather->bytes, n);
}

void scan_flush(struct scanner *scanner) {
	if (is_refused(scanner))
		return;
	for (int i = 0; i < RULE_STREAMED; i++)
		gather_scan(&scanner->gathers[i]);
}

void scan_data(struct scan_stream *stream, const uint8_t *data, size_t size) {
	struct gather *gather = &stream->scanner->gathers[stream->field];

	if (is_refused(stream->scanner)) {
		stream->is_done = true;
		return;
	}
	if (gather->stream != stream || size > GATHER_SIZE - gather->n)
		gather_scan(gather);
	if (size > GATHER_PIECE_MAX) {
		gather_scan(gather);
		scan(stream, data, size);
		return;
	}
	gather->stream = stream;
	memcpy(gather->bytes + gather->n, data, size);
	gather->n += size;
}

void scan_close(struct scan_stream *stream, bool fires) {
	struct scanner *scanner;
	struct arena *arena;
	struct call call;

	if (stream == NULL)
		return;
	scanner = stream->scanner;
	if (scanner->gathers[stream->field].stream == stream && !scanner->is_scanning)
		gather_scan(&scanner->gathers[stream->field]);
	fires &= !stream->is_done && !scanner->is_scanning;
	call = call_of(stream);
	if (fires) {
		work_begin(scanner, 0);
		hs_reset_stream(stream->hs, 0, scanner->scratch, on_match, &call);
		scanner->is_scanning = false;
	} else {
		hs_reset_stream(stream->hs, 0, NULL, NULL, NULL);
	}
	arena = &scanner->arenas[stream->field];
	arena->free[arena->n_free++] = (uint32_t)(stream - arena->streams);
}

void scan_token(
	struct scanner *scanner,
	enum rule_field field,
	const uint8_t *data,
	size_t size,
	scan_match *match,
	void *ctx
) {
	struct call call = {
		.match = match,
		.ctx = ctx,
		.data = data,
		.rules = scanner->db->rules->rules,
	};

	assert(field >= RULE_STREAMED);
	if (scanner->db->dbs[field] == NULL || size == 0 || is_refused(scanner))
		return;
	size = size < PIECE_SIZE_MAX ? size : PIECE_SIZE_MAX;
	work_begin(scanner, size);
	hs_scan(scanner->db->dbs[field],
		(const char *)data,
		(unsigned)size,
		0,
		scanner->scratch,
		on_match,
		&call);
	scanner->is_scanning = false;
}
