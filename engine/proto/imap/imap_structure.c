// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// BODYSTRUCTURE (RFC 9051 7.5.2): of each part what its header says of type, encoding and name, so that the
// part can be read when it is fetched alone. Its tokens come one by one; nothing is kept of it but where
// reading stands, and the header being put together.

#include "proto/imap/imap_part.h"
#include "proto/imap/imap_private.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FRAMES_MAX = 16, PARAM_NAME_SIZE_MAX = 48 };

enum body_kind {
	BODY_OTHER,
	BODY_TEXT,
	BODY_MESSAGE,
	BODY_MULTI,
	BODY_TOLD, // a message whose header has been told: the rest says nothing
};

// A body that is open. Elements count from 0; those of a multipart begin behind its parts.
struct frame {
	uint8_t kind; // enum body_kind
	uint8_t n; // elements so far
	bool is_root; // the text of a message
	uint8_t path_size; // of what is before the number of its parts
	uint16_t part; // of a multipart: its last
};

struct imap_structure {
	bool is_over; // too deep, or not the grammar
	uint8_t depth; // frames
	uint8_t lists; // open in the element
	uint8_t n_values; // of the innermost list
	uint8_t path_size;
	uint8_t n_name; // of a parameter
	bool is_full; // header
	uint16_t n_header;
	uint64_t octets;
	char path[IMAP_SECTION_SIZE_MAX];
	char name[PARAM_NAME_SIZE_MAX];
	char header[IMAP_KNOWN_HEADER_SIZE_MAX];
	struct frame frames[FRAMES_MAX];
};

struct imap_structure *imap_structure_open(struct imap_ctx *c) {
	return content_is_wanted(c->s) ? slab_get(session_slab(c->s), sizeof(struct imap_structure))
				       : NULL;
}

void imap_structure_close(struct imap_ctx *c, struct imap_structure *s) {
	slab_put(session_slab(c->s), s, sizeof(*s));
}

// ---- The header

static void header_add(struct imap_structure *s, const void *text, size_t size) {
	s->is_full |= size > sizeof(s->header) - s->n_header;
	if (s->is_full)
		return;
	memcpy(s->header + s->n_header, text, size);
	s->n_header += (uint16_t)size;
}

static void
header_word(struct imap_structure *s, const char *before, const struct imap_token *token) {
	header_add(s, before, strlen(before));
	if (token->data != NULL)
		header_add(s, token->data, token->size);
}

static bool token_is(const struct imap_token *token, const char *word) {
	return token->data != NULL && token->size == strlen(word)
		&& strncasecmp((const char *)token->data, word, token->size) == 0;
}

// Names and values in turn. A quoted string of IMAP is one of MIME as it stands.
static void param_value(struct imap_structure *s, const struct imap_token *token) {
	if (s->n_values++ % 2 == 0) {
		s->n_name = 0;
		if (token->data == NULL || token->size > sizeof(s->name))
			return;
		memcpy(s->name, token->data, token->size);
		s->n_name = (uint8_t)token->size;
		return;
	}
	if (s->n_name == 0 || token->data == NULL)
		return;
	header_add(s, "; ", 2);
	header_add(s, s->name, s->n_name);
	header_add(s, "=\"", 2);
	header_add(s, token->data, token->size);
	header_add(s, "\"", 1);
}

// ---- Parts

// The part at path is what the header says.
static void
body_tell(struct imap_ctx *c, struct imap_structure *s, uint32_t seq, const struct frame *f) {
	struct imap_section section = {.size = s->path_size};

	header_add(s, "\r\n\r\n", 4);
	memcpy(section.name, s->path, s->path_size);
	if (f->is_root) {
		int n = s->path_size > 0 ? 5 : 4;

		if (section.size + n > IMAP_SECTION_SIZE_MAX)
			return;
		memcpy(section.name + section.size, n == 5 ? ".TEXT" : "TEXT", (size_t)n);
		section.size += (uint8_t)n;
	}
	if (!s->is_full)
		imap_part_known(
			c,
			seq,
			&section,
			s->header,
			s->n_header,
			f->kind == BODY_MULTI ? 0 : s->octets
		);
}

static void frame_open(struct imap_structure *s, bool is_root) {
	if (s->depth == FRAMES_MAX) {
		s->is_over = true;
		return;
	}
	s->frames[s->depth++] = (struct frame){.is_root = is_root, .path_size = s->path_size};
	s->n_header = 0;
	s->is_full = false;
	s->octets = 0;
}

// The next part of a multipart.
static void child_open(struct imap_structure *s, struct frame *f) {
	char number[8];
	int n;

	f->kind = BODY_MULTI;
	f->part += f->part < UINT16_MAX;
	n = snprintf(number, sizeof(number), "%s%u", f->path_size > 0 ? "." : "", f->part);
	if (f->path_size + n > IMAP_SECTION_SIZE_MAX) {
		s->is_over = true;
		return;
	}
	memcpy(s->path + f->path_size, number, (size_t)n);
	s->path_size = (uint8_t)(f->path_size + n);
	frame_open(s, false);
}

static void open_received(struct imap_ctx *c, struct imap_structure *s, uint32_t seq) {
	struct frame *f = s->depth > 0 ? &s->frames[s->depth - 1] : NULL;

	if (f == NULL) {
		frame_open(s, true);
	} else if (s->lists == 0 && f->n == 0) {
		child_open(s, f);
	} else if (s->lists == 0 && f->kind == BODY_MESSAGE && f->n == 8) {
		body_tell(c, s, seq, f);
		f->kind = BODY_TOLD;
		// Parts of a message inside have its number in front.
		frame_open(s, true);
	} else {
		s->lists += s->lists < UINT8_MAX;
		s->n_values = 0;
	}
}

static void close_received(struct imap_ctx *c, struct imap_structure *s, uint32_t seq) {
	struct frame *f = &s->frames[s->depth - 1];

	if (s->lists > 0) {
		s->lists--;
		f->n += s->lists == 0 && f->n < UINT8_MAX;
		return;
	}
	s->path_size = f->path_size;
	if (f->kind != BODY_TOLD && f->n > 0)
		body_tell(c, s, seq, f);
	s->depth--;
	if (s->depth == 0) {
		s->is_over = true;
		return;
	}
	f--;
	f->n += f->kind == BODY_TOLD;
}

// Which element is the disposition.
static int disposition_at(const struct frame *f) {
	return f->kind == BODY_MULTI	  ? 2
		: f->kind == BODY_TEXT	  ? 9
		: f->kind == BODY_MESSAGE ? 11
					  : 8;
}

static void
single_value(struct imap_structure *s, struct frame *f, const struct imap_token *token) {
	if (f->n == 0) {
		s->n_header = 0;
		header_word(s, "Content-Type: ", token);
		f->kind = token_is(token, "TEXT")    ? BODY_TEXT
			: token_is(token, "MESSAGE") ? BODY_MESSAGE
						     : BODY_OTHER;
	} else if (f->n == 1) {
		header_word(s, "/", token);
		if (f->kind == BODY_MESSAGE && !token_is(token, "RFC822")
		    && !token_is(token, "GLOBAL"))
			f->kind = BODY_OTHER;
	} else if (f->n == 5) {
		header_word(s, "\r\nContent-Transfer-Encoding: ", token);
	} else if (f->n == 6 && token->data != NULL) {
		struct imap_cursor text = {token->data, token->data + token->size};

		imap_octets(&text, &s->octets);
	}
}

static void value_received(struct imap_structure *s, const struct imap_token *token) {
	struct frame *f = &s->frames[s->depth - 1];
	int params = f->kind == BODY_MULTI ? 1 : 2;

	if (s->lists == 0) {
		if (f->kind == BODY_MULTI && f->n == 0) {
			// The header of its last part was told when that part was over.
			s->n_header = 0;
			s->is_full = false;
			header_word(s, "Content-Type: multipart/", token);
		} else if (f->kind != BODY_MULTI && f->kind != BODY_TOLD) {
			single_value(s, f, token);
		}
		f->n += f->n < UINT8_MAX;
	} else if (f->n == params && s->lists == 1 && f->kind != BODY_TOLD) {
		param_value(s, token);
	} else if (f->n == disposition_at(f) && f->kind != BODY_TOLD) {
		if (s->lists == 1 && s->n_values++ == 0)
			header_word(s, "\r\nContent-Disposition: ", token);
		else if (s->lists == 2)
			param_value(s, token);
	}
}

void imap_structure_token(
	struct imap_ctx *c,
	struct imap_structure *s,
	uint32_t seq,
	const struct imap_token *token
) {
	if (s == NULL || s->is_over)
		return;
	if (token->kind == TOKEN_OPEN)
		open_received(c, s, seq);
	else if (s->depth == 0)
		s->is_over = true; // no structure at all
	else if (token->kind == TOKEN_CLOSE)
		close_received(c, s, seq);
	else
		value_received(s, token);
}
