// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Both directions of an IMAP connection: lines, literals, holes, and the commands in flight. What the
// bytes mean is said in the files next to this one; here they are only kept apart.

#include "proto/imap/imap.h"

#include "proto/imap/imap_private.h"
#include "proto/starttls.h"
#include "proto/tls_unasked.h"

#include <stddef.h>
#include <string.h>

static bool has_event(const struct session *s, enum session_event event) {
	return s->events & UINT64_C(1) << event;
}

// ---- Commands in flight

void imap_flight_free(struct imap_ctx *c, struct imap_flight *flight) {
	uint32_t kept = flight->tag_size < IMAP_TAG_SIZE_MAX ? flight->tag_size : IMAP_TAG_SIZE_MAX;

	imap_args_free(c, flight);
	slab_put(session_slab(c->s), flight, sizeof(*flight) + imap_args_size(flight) + kept);
}

struct imap_flight *imap_flight_find(struct imap_ctx *c, const uint8_t *tag, size_t size) {
	size_t kept = size < IMAP_TAG_SIZE_MAX ? size : IMAP_TAG_SIZE_MAX;

	for (struct imap_flight *f = c->imap->flights; f != NULL; f = f->next)
		if (f->tag_size == size
		    && memcmp((uint8_t *)(f + 1) + imap_args_size(f), tag, kept) == 0)
			return f;
	return NULL;
}

void imap_flight_unlink(struct imap_ctx *c, struct imap_flight *flight) {
	struct imap_flight **at = &c->imap->flights;

	while (*at != flight)
		at = &(*at)->next;
	*at = flight->next;
	c->imap->n_flights--;
}

struct imap_flight *
imap_flight_oldest(struct imap_ctx *c, enum imap_command a, enum imap_command b) {
	for (struct imap_flight *f = c->imap->flights; f != NULL; f = f->next)
		if (f->command == a || f->command == b)
			return f;
	return NULL;
}

// A hole in what the server sent may have held answers: an answer to a younger command shows that
// they were given.
static void flights_doubt(struct imap_ctx *c) {
	for (struct imap_flight *f = c->imap->flights; f != NULL; f = f->next)
		f->flags |= FLIGHT_DOUBTFUL;
}

bool imap_is_access(const struct imap_ctx *c) {
	return c->s->login == LOGIN_SUCCESS || c->imap->is_preauth || c->imap->is_unsure;
}

// ---- Literals

void imap_literal_begin(
	struct imap_ctx *c,
	enum stream_dir dir,
	const struct imap_literal *literal,
	enum imap_keep keep
) {
	struct imap_side *side = &c->imap->busy->side[dir];

	if (side->n_literals == IMAP_LITERALS_PER_COMMAND_MAX)
		session_event(c->s, EVENT_too_many_literals);
	else
		side->n_literals++;
	side->literal_left = literal->size;
	side->keep = keep;
	side->is_kept_lost = false;
	if (keep == KEEP_VALUE && literal->size > IMAP_LITERAL_KEPT_MAX) {
		session_event(c->s, EVENT_literal_too_long);
		side->is_kept_lost = true;
	}
	// A server does not ask; a client that waits may be told no.
	c->imap->place[dir]
		= dir == STREAM_CLIENT && literal->is_sync ? PLACE_ANNOUNCED : PLACE_LITERAL;
}

static void kept_free(struct imap_ctx *c, struct imap_side *side) {
	if (side->kept != NULL)
		explicit_bzero(side->kept, side->kept_cap); // a password may be sent as a literal
	slab_put(session_slab(c->s), side->kept, side->kept_cap);
	side->kept = NULL;
	side->kept_cap = side->kept_size = 0;
}

static void
kept_feed(struct imap_ctx *c, struct imap_side *side, const uint8_t *data, size_t size) {
	void *block = side->kept;

	if (side->is_kept_lost || size == 0)
		return;
	if (slab_grow(session_slab(c->s), &block, &side->kept_cap, side->kept_size + size, true)
	    < 0) {
		session_event(c->s, EVENT_memory_full);
		side->is_kept_lost = true;
		kept_free(c, side);
		return;
	}
	side->kept = block;
	memcpy(side->kept + side->kept_size, data, size);
	side->kept_size += size;
}

static void literal_end(struct imap_ctx *c, enum stream_dir dir) {
	struct imap_side *side = &c->imap->busy->side[dir];
	struct imap_token value = {.kind = TOKEN_LITERAL};

	c->imap->place[dir] = PLACE_LINE;
	if (dir == STREAM_SERVER) {
		imap_fetch_literal_end(c);
		return;
	}
	if (side->keep == KEEP_VALUE && !side->is_kept_lost) {
		value.data = side->kept != NULL ? side->kept : (const uint8_t *)"";
		value.size = side->kept_size;
	}
	imap_client_literal_end(c, &value);
	kept_free(c, side);
}

// The next size octets of the literal; data NULL: they are missing.
static void
literal_feed(struct imap_ctx *c, enum stream_dir dir, const uint8_t *data, size_t size) {
	struct imap_side *side = &c->imap->busy->side[dir];

	side->literal_left -= size;
	if (side->keep == KEEP_CONTENT && dir == STREAM_CLIENT)
		imap_client_content(c, data, size);
	else if (side->keep == KEEP_CONTENT)
		imap_fetch_content(c, data, size);
	else if (side->keep == KEEP_VALUE && data != NULL)
		kept_feed(c, side, data, size);
	else if (side->keep == KEEP_VALUE)
		side->is_kept_lost = true;
	if (side->literal_left == 0)
		literal_end(c, dir);
}

// ---- Lines

static void line_received(struct imap_ctx *c, enum stream_dir dir, const struct line_slice *line) {
	struct imap_cursor text = {line->data, line->data + line->size};
	uint8_t *place = &c->imap->place[dir];

	if (*place == PLACE_HOLE) {
		*place = PLACE_LOST; // the rest of a line: it says nothing
		session_unparsed(c->s, line->size);
		return;
	}
	if (*place == PLACE_LOST) {
		if (dir == STREAM_CLIENT ? !imap_client_is_sure(text)
					 : !imap_server_is_sure(c, text)) {
			session_unparsed(c->s, line->size);
			return;
		}
		*place = PLACE_LINE;
	}
	if (line->is_cut)
		session_event(c->s, line->is_full ? EVENT_memory_full : EVENT_line_too_long);
	if (dir == STREAM_CLIENT)
		imap_client_line(c, line);
	else
		imap_server_line(c, line);
}

// Whether these bytes may be read; false: they have been dealt with.
static bool tls_decide(struct imap_ctx *c, enum stream_dir dir, const uint8_t *data, size_t size) {
	if (dir == STREAM_SERVER) {
		session_event(c->s, EVENT_starttls_response_injection);
		session_unparsed(c->s, size);
		return false;
	}
	c->imap->is_tls_next = false;
	return !starttls_take(c->s, data, size);
}

// A client's bytes, between literals. Whether they are taken, as they may be TLS.
static bool is_unasked_tls(struct imap_ctx *c, const uint8_t *data, size_t size) {
	const struct imap_side *side = c->imap->busy->side;
	uint8_t place = c->imap->place[STREAM_SERVER];
	bool is_server_start = place != PLACE_LITERAL && !side[STREAM_SERVER].is_inside
		&& line_is_start(&side[STREAM_SERVER].line);

	return data[0] == TLS_RECORD_HANDSHAKE && !side[STREAM_CLIENT].is_inside
		&& line_is_start(&side[STREAM_CLIENT].line) && imap_compress_of(c) == NULL
		&& tls_unasked(c->s, data, size, is_server_start);
}

// Takes bytes up to where they are to be read another way. Returns how many.
static size_t
side_feed(struct imap_ctx *c, enum stream_dir dir, const uint8_t *data, const size_t all) {
	struct imap_side *side = &c->imap->busy->side[dir];
	uint8_t *place = &c->imap->place[dir];
	struct line_slice line;
	size_t size = all, n;

	c->imap->is_switched = false;
	while (size > 0 && !c->s->is_deaf && !c->imap->is_switched) {
		if (c->imap->is_tls_next && !tls_decide(c, dir, data, size))
			return all;
		if (*place == PLACE_ANNOUNCED)
			*place = PLACE_LITERAL; // it comes: whatever the server will say of it
		if (*place == PLACE_LITERAL) {
			n = side->literal_left < size ? side->literal_left : size;
			literal_feed(c, dir, data, n);
			data += n;
			size -= n;
		} else if (dir == STREAM_CLIENT && is_unasked_tls(c, data, size)) {
			return all;
		} else if (line_next(&side->line, session_slab(c->s), &data, &size, &line) == 1) {
			line_received(c, dir, &line);
		}
	}
	if (side->line.is_whole)
		line_reset(&side->line, session_slab(c->s));
	return all - size;
}

void imap_layer_feed(struct imap_ctx *c, enum stream_dir dir, const uint8_t *data, size_t size) {
	size_t n;

	for (; size > 0 && !c->s->is_deaf; data += n, size -= n)
		n = side_feed(c, dir, data, size);
	session_unparsed(c->s, size);
}

void imap_feed(struct imap_ctx *c, enum stream_dir dir, const uint8_t *data, size_t size) {
	size_t n;

	while (size > 0 && !c->s->is_deaf) {
		if (imap_compress_takes(c, dir)) {
			imap_compress_data(c, dir, data, size);
			return;
		}
		n = side_feed(c, dir, data, size);
		data += n;
		size -= n;
		if (c->imap->is_switched)
			imap_compress_settle(c);
	}
	session_unparsed(c->s, size);
}

// ---- Memory while something is half read

// For as long as a call lasts; NULL: there is one already, which is longer needed.
static void busy_open(struct imap_ctx *c, struct imap_busy *here) {
	if (c->imap->busy != NULL)
		return;
	memset(here, 0, offsetof(struct imap_busy, fetch));
	here->fetch.is_open = false;
	here->side[STREAM_CLIENT].line.is_secret = true; // any of its lines may be a LOGIN
	c->imap->busy = here;
}

static bool side_is_idle(const struct imap_ctx *c, enum stream_dir dir) {
	const struct imap_side *side = &c->imap->busy->side[dir];
	uint8_t place = c->imap->place[dir];

	return place != PLACE_ANNOUNCED && place != PLACE_LITERAL && !side->is_inside
		&& line_is_start(&side->line) && side->line.carry == NULL;
}

// here: where it lies when it was made for this call; else it is the slab's.
static void busy_free(struct imap_ctx *c, const struct imap_busy *here) {
	struct imap_busy *busy = c->imap->busy;

	if (busy == NULL)
		return;
	if (busy->command != NULL && (busy->command->flags & FLIGHT_UNLISTED))
		imap_flight_free(c, busy->command);
	session_argument_free(c->s, &busy->argument);
	for (int dir = 0; dir < 2; dir++) {
		kept_free(c, &busy->side[dir]);
		line_reset(&busy->side[dir].line, session_slab(c->s));
	}
	if (busy != here)
		slab_put(session_slab(c->s), busy, sizeof(*busy));
	c->imap->busy = NULL;
}

static bool busy_is_idle(const struct imap_ctx *c) {
	const struct imap_busy *busy = c->imap->busy;

	return busy->command == NULL && !busy->fetch.is_open && side_is_idle(c, STREAM_CLIENT)
		&& side_is_idle(c, STREAM_SERVER);
}

// Of an idle one: whether it holds nothing of the slab.
static bool busy_is_empty(const struct imap_busy *busy) {
	return busy->side[0].kept == NULL && busy->side[1].kept == NULL
		&& busy->argument.data == NULL;
}

// Something is half read when the call ends: it stays. false: there is no memory for it.
static bool busy_keep(struct imap_ctx *c, const struct imap_busy *here) {
	struct imap_busy *busy = c->imap->busy;

	if (busy != here)
		return true;
	busy = slab_get(session_slab(c->s), sizeof(*busy));
	if (busy == NULL)
		return false;
	memcpy(busy, here, offsetof(struct imap_busy, fetch));
	if (here->fetch.is_open)
		busy->fetch = here->fetch;
	c->imap->busy = busy;
	return true;
}

// The end of a call: what is needed no longer is given back. false: what is needed cannot be kept.
static bool busy_settle(struct imap_ctx *c, const struct imap_busy *here) {
	if (c->s->is_deaf) {
		imap_compress_free(c); // nothing more will come
		if (c->imap->busy != NULL)
			imap_fetch_close(c);
		imap_parts_forget(c);
	}
	if (c->imap->busy == NULL)
		return true;
	if (c->s->is_deaf)
		busy_free(c, here);
	else if (!busy_is_idle(c))
		return busy_keep(c, here);
	else if (c->imap->busy == here && busy_is_empty(here))
		c->imap->busy = NULL;
	else
		busy_free(c, here);
	return true;
}

// ---- What few connections need

struct imap_more *imap_more_get(struct imap_ctx *c) {
	struct imap_more *more = imap_more(c->imap);

	if (more == NULL) {
		more = slab_get(session_slab(c->s), sizeof(*more));
		c->imap->facts.deeds = more != NULL ? &more->deeds : NULL;
	}
	if (more == NULL)
		session_event(c->s, EVENT_memory_full);
	return more;
}

struct imap_deeds *imap_deeds(struct imap_ctx *c) {
	// Where counts go when there is no room for them: written, never read.
	static _Thread_local struct imap_deeds nowhere;
	struct imap_more *more = imap_more_get(c);

	if (more != NULL)
		return &more->deeds;
	nowhere = (struct imap_deeds){};
	return &nowhere;
}

// ---- The protocol

static void *imap_open(struct session *s) {
	struct imap_state *imap = slab_get(session_slab(s), sizeof(*imap));

	if (imap == NULL)
		return NULL;
	imap->selected = -1;
	if (has_event(s, EVENT_midstream)) {
		imap->is_unsure = true;
		imap->place[STREAM_CLIENT] = imap->place[STREAM_SERVER] = PLACE_LOST;
	}
	return imap;
}

// The line or literal begun is lost, and with it what it belongs to.
static void place_lose(struct imap_ctx *c, enum stream_dir dir) {
	struct imap_busy *busy = c->imap->busy;

	session_event(c->s, EVENT_lost_place);
	c->imap->place[dir] = PLACE_HOLE;
	if (busy == NULL)
		return;
	line_reset(&busy->side[dir].line, session_slab(c->s));
	kept_free(c, &busy->side[dir]);
	busy->side[dir].is_inside = false;
	if (dir == STREAM_SERVER) {
		imap_fetch_close(c);
	} else if (busy->command != NULL) {
		busy->command->flags |= FLIGHT_BROKEN | FLIGHT_COMPLETE;
		if (busy->command->flags & FLIGHT_UNLISTED)
			imap_flight_free(c, busy->command);
		busy->command = NULL;
	}
}

// Without memory for what is half read the place in the stream is lost, as after a hole.
static void memory_lost(struct imap_ctx *c, enum stream_dir dir, const struct imap_busy *here) {
	session_event(c->s, EVENT_memory_full);
	c->imap->is_unsure = true;
	place_lose(c, dir);
	busy_free(c, here);
}

static void imap_data(
	struct session *s,
	void *state,
	enum stream_dir dir,
	const uint8_t *data,
	size_t size,
	uint64_t now_ns
) {
	struct imap_ctx c = {s, state, now_ns};
	struct imap_busy here;

	busy_open(&c, &here);
	c.imap->is_asked |= dir == STREAM_CLIENT;
	imap_feed(&c, dir, data, size);
	if (!busy_settle(&c, &here))
		memory_lost(&c, dir, &here);
}

static void
imap_gap(struct session *s, void *state, enum stream_dir dir, uint64_t size, uint64_t now_ns) {
	struct imap_ctx c = {s, state, now_ns};
	struct imap_busy *busy = c.imap->busy;
	uint64_t n;

	if (imap_compress_of(&c) != NULL) {
		imap_compress_gap(&c);
		busy_settle(&c, NULL);
		return;
	}
	if (busy != NULL && c.imap->place[dir] == PLACE_ANNOUNCED)
		c.imap->place[dir] = PLACE_LITERAL;
	if (busy != NULL && c.imap->place[dir] == PLACE_LITERAL) {
		n = busy->side[dir].literal_left < size ? busy->side[dir].literal_left : size;
		literal_feed(&c, dir, NULL, n);
		size -= n;
	}
	if (size > 0) {
		c.imap->is_unsure |= dir == STREAM_CLIENT;
		if (dir == STREAM_SERVER) {
			flights_doubt(&c);
			imap_uids_forget(&c); // an EXPUNGE may have been in it
		}
		place_lose(&c, dir);
		if (dir == STREAM_SERVER)
			imap_parts_forget(&c);
	}
	busy_settle(&c, NULL);
}

static void imap_end(struct session *s, void *state, uint64_t now_ns) {
	struct imap_ctx c = {s, state, now_ns};

	imap_compress_end(&c);
	imap_grammar_end(&c);
	for (int dir = 0; dir < 2; dir++) // a message of which less came than was announced
		if (c.imap->place[dir] == PLACE_LITERAL && c.imap->busy != NULL
		    && c.imap->busy->side[dir].keep == KEEP_CONTENT)
			session_event(s, EVENT_message_cut);
	if (c.imap->busy != NULL) {
		imap_fetch_close(&c);
		if (c.imap->busy->command != NULL)
			imap_args_free(&c, c.imap->busy->command);
	}
	imap_parts_forget(&c);
}

static void imap_free(struct session *s, void *state) {
	struct imap_ctx c = {s, state, 0};
	struct imap_state *imap = state;
	struct imap_flight *flight;

	imap_compress_free(&c);
	imap_grammar_free(&c);
	busy_free(&c, NULL);
	while ((flight = imap->flights) != NULL) {
		imap_flight_unlink(&c, flight);
		imap_flight_free(&c, flight);
	}
	imap_parts_forget(&c);
	imap_mailboxes_free(&c);
	slab_put(
		session_slab(s),
		imap->facts.commands,
		imap->facts.commands_cap * sizeof(*imap->facts.commands)
	);
	imap_ids_free(&c);
	slab_put(session_slab(s), imap_more(imap), sizeof(struct imap_more));
	slab_put(session_slab(s), imap, sizeof(*imap));
}

static void imap_client(const void *state, struct activity *activity) {
	const struct imap *facts = state;
	const char *id = imap_client_id(facts);
	size_t size = id != NULL ? strlen(id) : 0;

	activity->client.grammar = facts->grammar;
	if (size >= sizeof(activity->client.id)) {
		size = sizeof(activity->client.id) - 1;
		while (size > 0 && ((uint8_t)id[size] & 0xc0) == 0x80)
			size--; // whole characters
	}
	if (size > 0)
		memcpy(activity->client.id, id, size); // the rest of it is zero
}

const struct proto proto_imap = {
	.name = "imap",
	.activity = ACTIVITY_IMAP,
	.open = imap_open,
	.data = imap_data,
	.gap = imap_gap,
	.end = imap_end,
	.free = imap_free,
	.client = imap_client,
};
