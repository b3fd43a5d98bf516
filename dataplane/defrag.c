// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One fragment at a time: found its datagram, checked against what is known of its end, written into
// chunks under a bitmap. A datagram whose every block is there is copied out in one piece.
//
//   pending ─ chunks[0] ─▶ [bits | 1,024 bytes]     offset 0 … 1,023
//             chunks[1] ─▶ …                         a chunk is taken when its first byte comes

#include "defrag.h"

#include "datagram.h"
#include "decode_private.h"
#include "limits.h"
#include "pool.h"
#include "reserve.h"
#include "siphash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK = 8, // what offsets count
	DATAGRAM_MAX = 65535,
	CHUNK_BLOCKS = DEFRAG_CHUNK_SIZE / BLOCK,
	CHUNKS = (DATAGRAM_MAX + DEFRAG_CHUNK_SIZE) / DEFRAG_CHUNK_SIZE,
	SOURCES = 1024, // buckets; a full one is shared fate of a thousandth of all sources
	SOURCE_SHARE = 8, // one bucket may hold an eighth of what there is
};

struct chunk {
	uint64_t bits[CHUNK_BLOCKS / 64]; // a block that has come
	uint8_t data[DEFRAG_CHUNK_SIZE];
};

// Doubly linked by age, twice: all of them, and those of a bucket of sources.
enum age { AGE_ALL, AGE_SOURCE, AGES };

struct queue {
	uint32_t oldest, youngest;
};

struct source_share {
	struct queue queue;
	uint32_t n_datagrams, n_chunks;
};

struct pending {
	struct datagram head;
	uint32_t id;
	uint64_t first_ns;
	uint32_t slot, slot_next;
	uint32_t source;
	struct {
		uint32_t older, younger;
	} age[AGES];
	uint32_t size; // of the payload; 0: its last fragment has not come
	uint32_t top; // end of the furthest byte that has
	uint32_t n_blocks; // that have come
	uint32_t absent; // the first byte that the snap length cut; UINT32_MAX: none
	uint32_t n_chunks;
	uint32_t chunks[CHUNKS]; // indices, 0: none of its bytes has come
};

// A fragment, read.
struct piece {
	const uint8_t *data;
	uint32_t id;
	uint32_t offset, size;
	uint32_t present; // of size, the rest was cut by the snap length
	uint32_t header_size; // IPv4: counts towards the most a datagram may have
	uint8_t protocol;
	bool has_more;
};

struct defrag {
	struct defrag_config config;
	struct defrag_stats stats;
	struct pool *pool, *chunks;
	uint32_t *slots;
	size_t slots_size;
	struct queue queue;
	struct source_share sources[SOURCES];
	uint8_t whole[sizeof(struct datagram) + CHUNKS * DEFRAG_CHUNK_SIZE];
};

// ---- Opening and closing

struct defrag *defrag_open(const struct defrag_config *config) {
	struct defrag *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->config = *config;
	if (!d->config.n_datagrams)
		d->config.n_datagrams = DEFRAG_DATAGRAMS_DEFAULT;
	if (!d->config.n_chunks)
		d->config.n_chunks = DEFRAG_CHUNKS_DEFAULT;
	if (!d->config.n_slots)
		d->config.n_slots = d->config.n_datagrams;
	d->slots_size = d->config.n_slots * sizeof(*d->slots);
	d->slots = reserve_open(d->slots_size);
	d->pool = pool_open(sizeof(struct pending), d->config.n_datagrams);
	d->chunks = pool_open(sizeof(struct chunk), d->config.n_chunks);
	if (!d->slots || !d->pool || !d->chunks) {
		int error = errno;
		defrag_close(d);
		errno = error;
		return NULL;
	}
	return d;
}

void defrag_close(struct defrag *d) {
	if (!d)
		return;
	pool_close(d->chunks);
	pool_close(d->pool);
	if (d->slots)
		reserve_close(d->slots, d->slots_size);
	free(d);
}

const struct defrag_stats *defrag_stats(const struct defrag *d) {
	return &d->stats;
}

uint32_t defrag_n_open(const struct defrag *d) {
	return pool_used(d->pool);
}

size_t defrag_memsize(const struct defrag *d) {
	return sizeof(*d) + d->slots_size + pool_memsize(d->pool) + pool_memsize(d->chunks);
}

// ---- Queues by age

static struct queue *queue_of(struct defrag *d, const struct pending *p, enum age age) {
	return age == AGE_ALL ? &d->queue : &d->sources[p->source].queue;
}

static void queue_append(struct defrag *d, struct pending *p, enum age age) {
	struct queue *queue = queue_of(d, p, age);
	uint32_t index = pool_index(d->pool, p);

	p->age[age].older = queue->youngest;
	if (queue->youngest)
		((struct pending *)pool_at(d->pool, queue->youngest))->age[age].younger = index;
	else
		queue->oldest = index;
	queue->youngest = index;
}

static void queue_remove(struct defrag *d, const struct pending *p, enum age age) {
	struct queue *queue = queue_of(d, p, age);
	uint32_t older = p->age[age].older, younger = p->age[age].younger;

	if (older)
		((struct pending *)pool_at(d->pool, older))->age[age].younger = younger;
	else
		queue->oldest = younger;
	if (younger)
		((struct pending *)pool_at(d->pool, younger))->age[age].older = older;
	else
		queue->youngest = older;
}

// ---- Finding, adding, forgetting

static void chunks_free(struct defrag *d, struct pending *p) {
	for (int i = 0; i < CHUNKS && p->n_chunks; i++) {
		if (!p->chunks[i])
			continue;
		pool_put(d->chunks, pool_at(d->chunks, p->chunks[i]));
		p->chunks[i] = 0;
		p->n_chunks--;
		d->sources[p->source].n_chunks--;
	}
}

static void forget(struct defrag *d, struct pending *p) {
	uint32_t index = pool_index(d->pool, p), *link = &d->slots[p->slot];

	chunks_free(d, p);
	while (*link != index)
		link = &((struct pending *)pool_at(d->pool, *link))->slot_next;
	*link = p->slot_next;
	queue_remove(d, p, AGE_ALL);
	queue_remove(d, p, AGE_SOURCE);
	d->sources[p->source].n_datagrams--;
	pool_put(d->pool, p);
}

static void expire(struct defrag *d, uint64_t now_ns) {
	while (d->queue.oldest) {
		struct pending *p = pool_at(d->pool, d->queue.oldest);

		if (now_ns < p->first_ns + DEFRAG_TIMEOUT_NS)
			return;
		d->stats.datagram_timeout++;
		forget(d, p);
	}
}

// Gives up the oldest but p of p's queue. Whether there was one.
static bool give_up(struct defrag *d, enum age age, const struct pending *p) {
	uint32_t oldest = queue_of(d, p, age)->oldest;

	if (oldest == pool_index(d->pool, p))
		oldest = p->age[age].younger;
	if (!oldest)
		return false;
	forget(d, pool_at(d->pool, oldest));
	return true;
}

// Keeps a bucket of sources to its share: one sender cannot crowd out the others.
static void share_keep(struct defrag *d, const struct pending *p) {
	struct source_share *share = &d->sources[p->source];

	while (share->n_datagrams > d->config.n_datagrams / SOURCE_SHARE
	       || share->n_chunks > d->config.n_chunks / SOURCE_SHARE) {
		if (!give_up(d, AGE_SOURCE, p))
			return;
		d->stats.datagram_of_source++;
	}
}

static size_t addr_size(const struct pkt *pkt) {
	return pkt->family == 4 ? 4 : 16;
}

// The same for all fragments of a datagram. In IPv6 the protocol is not part of it: only the first
// fragment's counts (RFC 8200 4.5).
static uint32_t key_hash(const struct defrag *d, const struct pkt *pkt, const struct piece *piece) {
	uint8_t message[48] = {0};

	memcpy(message, pkt->addr, 2 * addr_size(pkt));
	memcpy(message + 32, &piece->id, 4);
	memcpy(message + 36, &pkt->realm, 4);
	message[40] = pkt->family;
	message[41] = pkt->family == 4 ? piece->protocol : 0;
	return (uint32_t)siphash(d->config.hash_key, message, sizeof(message));
}

static bool key_is(const struct pending *p, const struct pkt *pkt, const struct piece *piece) {
	return p->id == piece->id && p->head.family == pkt->family && p->head.realm == pkt->realm
		&& p->head.is_doubtful == (pkt->checksum == PKT_CHECKSUM_WRONG)
		&& (pkt->family == 6 || p->head.protocol == piece->protocol)
		&& memcmp(p->head.addr, pkt->addr, 2 * addr_size(pkt)) == 0;
}

// The fragment's datagram, a new one if need be.
static struct pending *
find(struct defrag *d, const struct frame *frame, const struct pkt *pkt, const struct piece *piece
) {
	uint32_t slot = key_hash(d, pkt, piece) % d->config.n_slots;
	struct pending *p;

	for (uint32_t i = d->slots[slot]; i; i = p->slot_next) {
		p = pool_at(d->pool, i);
		if (key_is(p, pkt, piece))
			return p;
	}
	if (pool_used(d->pool) == d->config.n_datagrams) {
		d->stats.datagram_evicted++;
		forget(d, pool_at(d->pool, d->queue.oldest));
	}
	p = pool_get(d->pool);
	memcpy(p->head.addr, pkt->addr, 2 * addr_size(pkt));
	p->head.realm = pkt->realm;
	p->head.family = pkt->family;
	p->head.ttl = pkt->ttl;
	p->head.protocol = piece->protocol;
	p->head.is_doubtful = pkt->checksum == PKT_CHECKSUM_WRONG;
	p->id = piece->id;
	p->first_ns = frame->time_ns;
	p->absent = UINT32_MAX;
	p->source = (uint32_t)siphash(d->config.hash_key, pkt->addr, addr_size(pkt)) % SOURCES;
	p->slot = slot;
	p->slot_next = d->slots[slot];
	d->slots[slot] = pool_index(d->pool, p);
	queue_append(d, p, AGE_ALL);
	queue_append(d, p, AGE_SOURCE);
	d->sources[p->source].n_datagrams++;
	share_keep(d, p);
	return p;
}

// ---- One fragment

// 1, or -1: no host takes it.
static int piece_read(const struct pkt *pkt, struct piece *piece) {
	const uint8_t *header = pkt->payload;
	uint16_t field;

	if (pkt->family == 4) {
		field = get16(header + 6);
		piece->header_size = (header[0] & 0xf) * 4u;
		piece->offset = (field & 0x1fffu) * BLOCK;
		piece->has_more = field & 0x2000;
		piece->id = get16(header + 4);
		piece->protocol = header[9];
		header += piece->header_size;
	} else {
		field = get16(header + 2);
		piece->offset = field & 0xfff8u;
		piece->has_more = field & 1;
		piece->id = get32(header + 4);
		piece->protocol = header[0];
		header += 8;
	}
	piece->data = header;
	piece->present = pkt->payload_size - (uint32_t)(header - pkt->payload);
	piece->size = piece->present + pkt->missing_size;
	if (!piece->size || (piece->has_more && piece->size % BLOCK))
		return -1;
	if ((uint64_t)piece->header_size + piece->offset + piece->size > DATAGRAM_MAX)
		return -1;
	return 1;
}

static bool discards_overlaps(const struct defrag *d, const struct pending *p) {
	return p->head.family == 6 || d->config.overlap == OVERLAP_LINUX;
}

// Whether the fragment agrees with what the others say of the datagram's end.
static bool end_agrees(const struct pending *p, const struct piece *piece) {
	uint32_t end = piece->offset + piece->size;

	if (piece->has_more)
		return !p->size || end <= p->size;
	return p->size ? end == p->size : p->top <= end;
}

static struct chunk *chunk_at(const struct defrag *d, const struct pending *p, uint32_t offset) {
	uint32_t index = p->chunks[offset / DEFRAG_CHUNK_SIZE];

	return index ? pool_at(d->chunks, index) : NULL;
}

static inline bool bit_is(const struct chunk *chunk, uint32_t block) {
	return chunk && chunk->bits[block / 64] >> block % 64 & 1;
}

// How many of the fragment's blocks have not come yet.
static uint32_t
blocks_new(const struct defrag *d, const struct pending *p, const struct piece *piece) {
	uint32_t n = 0;

	for (uint32_t at = piece->offset; at < piece->offset + piece->size; at += BLOCK)
		n += !bit_is(chunk_at(d, p, at), at / BLOCK % CHUNK_BLOCKS);
	return n;
}

// Chunks for all of the fragment. 0, or -1: there is no room.
static int chunks_take(struct defrag *d, struct pending *p, const struct piece *piece) {
	uint32_t last = (piece->offset + piece->size - 1) / DEFRAG_CHUNK_SIZE;

	for (uint32_t i = piece->offset / DEFRAG_CHUNK_SIZE; i <= last; i++) {
		struct chunk *chunk;

		if (p->chunks[i])
			continue;
		while (!(chunk = pool_get(d->chunks))) {
			if (!give_up(d, AGE_ALL, p))
				return -1;
			d->stats.datagram_evicted++;
		}
		p->chunks[i] = pool_index(d->chunks, chunk);
		p->n_chunks++;
		d->sources[p->source].n_chunks++;
	}
	share_keep(d, p);
	return 0;
}

// A block that has come before: is it the same, and who wins?
static void
block_again(struct defrag *d, struct pending *p, uint8_t *old, const uint8_t *new, uint32_t size) {
	if (memcmp(old, new, size) == 0)
		return;
	d->stats.overlap_differs_ip++;
	p->head.is_inconsistent = true;
	if (d->config.overlap == OVERLAP_LAST && p->head.family == 4)
		memcpy(old, new, size);
}

static void piece_write(struct defrag *d, struct pending *p, const struct piece *piece) {
	for (uint32_t done = 0; done < piece->size; done += BLOCK) {
		uint32_t at = piece->offset + done, block = at / BLOCK % CHUNK_BLOCKS;
		uint32_t left = piece->present > done ? piece->present - done : 0;
		uint32_t size = left < BLOCK ? left : BLOCK;
		struct chunk *chunk = chunk_at(d, p, at);
		uint8_t *to = chunk->data + at % DEFRAG_CHUNK_SIZE;

		if (bit_is(chunk, block)) {
			if (p->absent == UINT32_MAX)
				block_again(d, p, to, piece->data + done, size);
			continue;
		}
		chunk->bits[block / 64] |= 1ull << block % 64;
		p->n_blocks++;
		if (size)
			memcpy(to, piece->data + done, size);
	}
	if (piece->present < piece->size && p->absent > piece->offset + piece->present)
		p->absent = piece->offset + piece->present;
}

// The fragment's place in its datagram. 1: something new has come, 0: not, -1: the datagram is to be
// discarded.
static int piece_take(struct defrag *d, struct pending *p, const struct piece *piece) {
	uint32_t end = piece->offset + piece->size, n_new;

	if (!end_agrees(p, piece)) {
		d->stats.fragment_contradicts++;
		p->head.is_inconsistent = true;
		return discards_overlaps(d, p) ? -1 : 0;
	}
	n_new = blocks_new(d, p, piece);
	if (n_new && n_new < (piece->size + BLOCK - 1) / BLOCK && discards_overlaps(d, p)) {
		d->stats.fragment_overlap++;
		return -1;
	}
	if (chunks_take(d, p, piece) < 0) {
		d->stats.fragment_no_room++;
		return 0;
	}
	piece_write(d, p, piece);
	if (!piece->has_more)
		p->size = end;
	if (p->top < end)
		p->top = end;
	if (n_new)
		d->stats.fragment_kept++;
	else
		d->stats.fragment_repeated++;
	return 1;
}

static void whole_copy(
	struct defrag *d,
	const struct pending *p,
	const struct frame *frame,
	struct frame *whole
) {
	uint8_t *to = d->whole + sizeof(p->head);
	uint32_t present = p->size < p->absent ? p->size : p->absent;

	memcpy(d->whole, &p->head, sizeof(p->head));
	for (uint32_t at = 0; at < present; at += DEFRAG_CHUNK_SIZE) {
		uint32_t left = present - at;
		// All blocks are there, so the chunk is.
		const struct chunk *chunk = pool_at(d->chunks, p->chunks[at / DEFRAG_CHUNK_SIZE]);

		memcpy(to + at, chunk->data, left < DEFRAG_CHUNK_SIZE ? left : DEFRAG_CHUNK_SIZE);
	}
	*whole = (struct frame){
		.data = d->whole,
		.time_ns = frame->time_ns,
		.size = (uint32_t)sizeof(p->head) + present,
		.wire_size = (uint32_t)sizeof(p->head) + p->size,
		.link = LINK_DATAGRAM,
		.number = frame->number,
	};
}

int defrag_take(
	struct defrag *d,
	const struct frame *frame,
	const struct pkt *pkt,
	struct frame *whole
) {
	struct piece piece = {0};
	struct pending *p;

	expire(d, frame->time_ns);
	if (piece_read(pkt, &piece) < 0) {
		d->stats.fragment_bad++;
		return 0;
	}
	p = find(d, frame, pkt, &piece);
	if (p->head.n_layers < pkt->n_layers)
		p->head.n_layers = pkt->n_layers;
	p->head.way |= pkt->flags;
	if (!piece.offset)
		p->head.protocol = piece.protocol;
	if (piece_take(d, p, &piece) < 0) {
		forget(d, p);
		return 0;
	}
	if (!p->size || p->n_blocks != (p->size + BLOCK - 1) / BLOCK)
		return 0;
	whole_copy(d, p, frame, whole);
	d->stats.datagram_whole++;
	forget(d, p);
	return 1;
}

// Each datagram within a datagram has more headers in front than the one before: decode's cap on them
// ends this loop.
enum verdict defrag_decode(
	struct defrag *d,
	const struct decode_config *config,
	const struct frame *frame,
	struct pkt *pkt,
	struct frame *whole
) {
	enum verdict verdict = VERDICT_fragment;

	while (verdict == VERDICT_fragment && defrag_take(d, frame, pkt, whole)) {
		verdict = decode(config, whole, pkt);
		frame = whole;
	}
	return verdict;
}
