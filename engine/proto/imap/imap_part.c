// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "proto/imap/imap_part.h"

#include "proto/imap/imap_private.h"

#include <string.h>
#include <strings.h>

struct imap_stream {
	struct content *content; // NULL: free
	uint32_t seq;
	uint64_t total; // octets of the whole, 0: unknown
	uint32_t used; // when last
	uint64_t from, next; // read without a hole
	struct imap_section section;
};

// In front of a section's name and a header.
struct known {
	uint64_t total;
	uint32_t seq;
	uint16_t n_header;
	uint8_t n_section;
};

struct imap_parts {
	struct imap_stream streams[IMAP_STREAMS_MAX];
	uint32_t clock;
	uint8_t *known; // one behind the other, the oldest first
	uint32_t known_cap, known_size;
};

static struct imap_parts *parts_get(struct imap_ctx *c) {
	struct imap_more *more = imap_more_get(c);

	if (more == NULL || more->parts != NULL)
		return more != NULL ? more->parts : NULL;
	more->parts = slab_get(session_slab(c->s), sizeof(struct imap_parts));
	if (more->parts == NULL)
		session_event(c->s, EVENT_memory_full);
	return more->parts;
}

// ---- What is known

static size_t known_at(const struct imap_parts *parts, size_t at, struct known *known) {
	memcpy(known, parts->known + at, sizeof(*known));
	return sizeof(*known) + known->n_section + known->n_header;
}

static void known_drop(struct imap_parts *parts, size_t at, size_t size) {
	memmove(parts->known + at, parts->known + at + size, parts->known_size - at - size);
	parts->known_size -= (uint32_t)size;
}

// Returns where it is, or -1.
static int64_t
known_find(const struct imap_parts *parts, uint32_t seq, const char *section, size_t size) {
	struct known known;

	for (size_t at = 0; at < parts->known_size; at += known_at(parts, at, &known)) {
		known_at(parts, at, &known);
		if (known.seq == seq && known.n_section == size
		    && memcmp(parts->known + at + sizeof(known), section, size) == 0)
			return (int64_t)at;
	}
	return -1;
}

// Room for size more bytes. Old ones go, some at once.
static bool known_reserve(struct imap_ctx *c, struct imap_parts *parts, size_t size) {
	void *block = parts->known;
	struct known known;
	size_t n = 0;

	if (parts->known_size + size > IMAP_KNOWN_SIZE_MAX) {
		while (n < parts->known_size && n < size + IMAP_KNOWN_SIZE_MAX / 4)
			n += known_at(parts, n, &known);
		known_drop(parts, 0, n);
	}
	if (slab_grow(
		    session_slab(c->s),
		    &block,
		    &parts->known_cap,
		    (uint32_t)(parts->known_size + size),
		    false
	    )
	    < 0) {
		session_event(c->s, EVENT_memory_full);
		return false;
	}
	parts->known = block;
	return true;
}

void imap_part_known(
	struct imap_ctx *c,
	uint32_t seq,
	const struct imap_section *section,
	const char *header,
	size_t size,
	uint64_t total
) {
	struct known known = {total, seq, (uint16_t)size, section->size};
	struct imap_parts *parts;
	struct known old;
	int64_t at;

	if (section->size > IMAP_SECTION_SIZE_MAX || size > IMAP_KNOWN_HEADER_SIZE_MAX)
		return;
	parts = parts_get(c);
	if (parts == NULL)
		return;
	at = known_find(parts, seq, section->name, section->size);
	if (at >= 0)
		known_drop(parts, (size_t)at, known_at(parts, (size_t)at, &old));
	if (!known_reserve(c, parts, sizeof(known) + section->size + size))
		return;
	uint8_t *to = parts->known + parts->known_size;
	memcpy(to, &known, sizeof(known));
	memcpy(to + sizeof(known), section->name, section->size);
	memcpy(to + sizeof(known) + section->size, header, size);
	parts->known_size += (uint32_t)(sizeof(known) + section->size + size);
}

// The first part of a message that is no multipart is the message's text: "1" is TEXT, "2.1" is 2.TEXT.
static bool
text_of(const struct imap_section *section, char name[IMAP_SECTION_SIZE_MAX + 4], size_t *size) {
	size_t n = section->size;

	if (n == 0 || section->name[n - 1] != '1' || (n > 1 && section->name[n - 2] != '.'))
		return false;
	memcpy(name, section->name, n - 1);
	memcpy(name + n - 1, "TEXT", 4);
	*size = n + 3;
	return true;
}

static bool has_multipart(const uint8_t *header, size_t size) {
	for (size_t i = 0; i + 10 <= size; i++)
		if (strncasecmp((const char *)header + i, "multipart/", 10) == 0)
			return true;
	return false;
}

// The header of a part; NULL: not known.
static const uint8_t *header_find(
	const struct imap_parts *parts,
	uint32_t seq,
	const struct imap_section *section,
	struct known *known
) {
	char text[IMAP_SECTION_SIZE_MAX + 4];
	const uint8_t *header;
	size_t size;
	int64_t at;

	if (parts == NULL || parts->known == NULL)
		return NULL;
	at = known_find(parts, seq, section->name, section->size);
	if (at < 0 && text_of(section, text, &size)) {
		at = known_find(parts, seq, text, size);
		if (at >= 0) {
			known_at(parts, (size_t)at, known);
			header = parts->known + at + sizeof(*known) + known->n_section;
			if (has_multipart(header, known->n_header))
				return NULL;
		}
	}
	if (at < 0)
		return NULL;
	known_at(parts, (size_t)at, known);
	return parts->known + at + sizeof(*known) + known->n_section;
}

// ---- Parts

size_t imap_section_number(const struct imap_section *section, bool *is_text) {
	size_t n = 0;

	while (n < section->size
	       && (section->name[n] == '.' || (section->name[n] >= '0' && section->name[n] <= '9')))
		n++;
	*is_text = n < section->size;
	while (n > 0 && section->name[n - 1] == '.')
		n--;
	return n;
}

static struct content *part_open(
	struct imap_ctx *c,
	uint32_t seq,
	const struct imap_section *section,
	uint64_t origin,
	uint64_t *total
) {
	struct content_part part = {.number = section->name, .is_decoded = section->is_binary};
	struct known known = {0};
	struct content *content;

	*total = 0;
	if (section->size == 0 && origin == 0)
		return content_open(c->s, CONTENT_FETCHED);
	if (section->size <= IMAP_SECTION_SIZE_MAX) {
		part.number_size = imap_section_number(section, &part.is_text);
		part.header = header_find(imap_parts_of(c), seq, section, &known);
		part.header_size = known.n_header;
		if (part.header == NULL)
			part.header_size = 0; // what was found is of something else
		else if (!section->is_binary)
			*total = known.total;
	}
	content = content_open_part(c->s, CONTENT_FETCHED, &part);
	if (origin > 0)
		content_gap(content, origin);
	return content;
}

static bool is_same(const struct imap_section *a, const struct imap_section *b) {
	return a->size == b->size && a->is_binary == b->is_binary
		&& memcmp(a->name, b->name, a->size) == 0;
}

// More of it may have come, and did not.
static void stream_cut(struct imap_ctx *c, struct imap_stream *stream) {
	const struct imap_fetch *fetch = c->imap->busy != NULL ? &c->imap->busy->fetch : NULL;
	int selected = c->imap->selected;

	if (stream->content == NULL)
		return;
	// What was attached to the message that comes is not this one's.
	if (fetch != NULL && fetch->is_open)
		session_files_place(
			c->s, CONTENT_FETCHED, selected, imap_uid_of(c, fetch->seq), NULL, 0
		);
	content_cut(stream->content);
	content_close(stream->content, c->now_ns);
	stream->content = NULL;
	session_files_place(c->s, CONTENT_FETCHED, selected, imap_uid_of(c, stream->seq), NULL, 0);
}

static struct imap_stream *
stream_find(struct imap_parts *parts, uint32_t seq, const struct imap_section *section) {
	for (int i = 0; i < IMAP_STREAMS_MAX; i++)
		if (parts->streams[i].content != NULL && parts->streams[i].seq == seq
		    && is_same(&parts->streams[i].section, section))
			return &parts->streams[i];
	return NULL;
}

static struct imap_stream *stream_oldest(struct imap_parts *parts) {
	struct imap_stream *oldest = &parts->streams[0];

	for (int i = 0; i < IMAP_STREAMS_MAX; i++) {
		struct imap_stream *stream = &parts->streams[i];
		if (stream->content == NULL)
			return stream;
		if (stream->used < oldest->used)
			oldest = stream;
	}
	return oldest;
}

// Where a piece of a text that is being read belongs.
static bool stream_place(struct imap_stream *stream, struct imap_reading *reading) {
	if (reading->origin < stream->from)
		return false;
	if (reading->origin > stream->next) {
		content_gap(stream->content, reading->origin - stream->next);
		stream->from = stream->next = reading->origin;
	}
	reading->skip = stream->next - reading->origin;
	return true;
}

struct imap_reading imap_part_read(
	struct imap_ctx *c,
	uint32_t seq,
	const struct imap_section *section,
	int64_t origin
) {
	struct imap_reading reading = {.origin = origin > 0 ? (uint64_t)origin : 0};
	struct imap_parts *parts = NULL;
	struct imap_stream *stream;
	uint64_t total;

	if (!content_is_wanted(c->s))
		return reading;
	if (origin >= 0 && section->size <= IMAP_SECTION_SIZE_MAX)
		parts = parts_get(c);
	if (parts == NULL) {
		reading.content = part_open(c, seq, section, reading.origin, &total);
		return reading;
	}
	stream = stream_find(parts, seq, section);
	if (stream != NULL && !stream_place(stream, &reading)) {
		stream_cut(c, stream);
		stream = NULL;
	}
	if (stream == NULL) {
		stream = stream_oldest(parts);
		stream_cut(c, stream);
		*stream = (struct imap_stream){
			.content = part_open(c, seq, section, reading.origin, &total),
			.seq = seq,
			.from = reading.origin,
			.next = reading.origin,
			.section = *section,
		};
		stream->total = total;
	}
	stream->used = ++parts->clock;
	reading.content = stream->content;
	reading.stream = stream;
	return reading;
}

void imap_part_data(struct imap_reading *reading, const uint8_t *data, size_t size) {
	size_t n = size < reading->skip ? size : (size_t)reading->skip;

	reading->size += size;
	reading->skip -= n;
	if (data != NULL)
		content_data(reading->content, data + n, size - n);
	else
		content_gap(reading->content, size - n);
}

struct mime_summary *imap_part_done(
	struct imap_ctx *c,
	struct imap_reading *reading,
	uint64_t requested,
	bool is_whole
) {
	struct imap_stream *stream = reading->stream;
	struct content *content = reading->content;
	uint64_t end = reading->origin + reading->size;
	bool is_over = is_whole;

	if (stream != NULL) {
		if (end > stream->next)
			stream->next = end;
		is_over &= (requested > 0 && reading->size < requested)
			|| (stream->total > 0 && stream->next >= stream->total);
		if (is_over)
			stream->content = NULL;
	} else if (!is_whole) {
		content_cut(content);
	}
	*reading = (struct imap_reading){0};
	return is_over || stream == NULL ? content_finish(content, c->now_ns) : NULL;
}

// ---- Messages come and go

void imap_parts_expunged(struct imap_ctx *c, uint32_t seq) {
	struct imap_parts *parts = imap_parts_of(c);
	struct known known;
	size_t at = 0, size;

	if (parts == NULL)
		return;
	for (int i = 0; i < IMAP_STREAMS_MAX; i++) {
		if (parts->streams[i].seq == seq)
			stream_cut(c, &parts->streams[i]);
		parts->streams[i].seq -= parts->streams[i].seq > seq;
	}
	while (at < parts->known_size) {
		size = known_at(parts, at, &known);
		if (known.seq == seq) {
			known_drop(parts, at, size);
			continue;
		}
		known.seq -= known.seq > seq;
		memcpy(parts->known + at, &known, sizeof(known));
		at += size;
	}
}

void imap_parts_forget(struct imap_ctx *c) {
	struct imap_parts *parts = imap_parts_of(c);

	if (parts == NULL)
		return;
	for (int i = 0; i < IMAP_STREAMS_MAX; i++)
		stream_cut(c, &parts->streams[i]);
	slab_put(session_slab(c->s), parts->known, parts->known_cap);
	slab_put(session_slab(c->s), parts, sizeof(*parts));
	imap_more(c->imap)->parts = NULL;
}

// ---- Headers

enum header_place {
	HEADER_START, // of a line
	HEADER_NAME,
	HEADER_KEPT, // in the value of a field that is kept
	HEADER_PASSED,
};

struct imap_header {
	uint8_t place; // enum header_place
	bool is_kept; // the field the last line belonged to
	bool is_subset, has_encoding, is_full;
	uint8_t n_name;
	uint16_t n;
	char name[28];
	char text[IMAP_KNOWN_HEADER_SIZE_MAX];
};

static const char *const kept_names[]
	= {"content-transfer-encoding:", "content-type:", "content-disposition:"};

struct imap_header *imap_header_open(struct imap_ctx *c, bool is_subset) {
	struct imap_header *header = NULL;

	if (content_is_wanted(c->s))
		header = slab_get(session_slab(c->s), sizeof(*header));
	if (header != NULL)
		header->is_subset = is_subset;
	return header;
}

static void text_add(struct imap_header *header, const void *data, size_t size) {
	header->is_full |= size > sizeof(header->text) - header->n;
	if (header->is_full)
		return;
	memcpy(header->text + header->n, data, size);
	header->n += (uint16_t)size;
}

static void name_char(struct imap_header *header, char c) {
	header->is_kept = false;
	if (header->n_name < sizeof(header->name))
		header->name[header->n_name] = c;
	header->n_name += header->n_name < UINT8_MAX;
	if (c != ':')
		return;
	header->place = HEADER_PASSED;
	for (size_t i = 0; i < sizeof(kept_names) / sizeof(kept_names[0]); i++) {
		if (header->n_name != strlen(kept_names[i])
		    || strncasecmp(header->name, kept_names[i], header->n_name) != 0)
			continue;
		header->has_encoding |= i == 0;
		header->is_kept = true;
		header->place = HEADER_KEPT;
		text_add(header, header->name, header->n_name);
	}
}

static void header_char(struct imap_header *header, uint8_t c) {
	if (header->place == HEADER_START) {
		header->n_name = 0;
		header->place = c != ' ' && c != '\t' ? HEADER_NAME
			: header->is_kept	      ? HEADER_KEPT
						      : HEADER_PASSED;
	}
	if (c == '\r')
		return;
	if (c == '\n') {
		if (header->place == HEADER_KEPT)
			text_add(header, "\r\n", 2);
		header->place = HEADER_START;
	} else if (header->place == HEADER_NAME) {
		name_char(header, (char)c);
	} else if (header->place == HEADER_KEPT) {
		text_add(header, &c, 1);
	}
}

void imap_header_data(struct imap_header *header, const uint8_t *data, size_t size) {
	for (size_t i = 0; header != NULL && i < size; i++)
		header_char(header, data[i]);
}

void imap_header_close(
	struct imap_ctx *c,
	struct imap_header *header,
	uint32_t seq,
	const struct imap_section *section,
	bool is_whole
) {
	if (header == NULL)
		return;
	if (header->place == HEADER_KEPT)
		text_add(header, "\r\n", 2);
	// Without its encoding a part is judged by its bytes; a multipart has none.
	if (header->is_subset && !header->has_encoding
	    && !has_multipart((const uint8_t *)header->text, header->n))
		is_whole = false;
	text_add(header, "\r\n", 2);
	if (is_whole && !header->is_full)
		imap_part_known(c, seq, section, header->text, header->n, 0);
	slab_put(session_slab(c->s), header, sizeof(*header));
}
