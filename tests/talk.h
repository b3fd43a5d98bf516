// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Talks: dialogues in files, played to a protocol's parser, and the facts it must find. They stand
// for themselves: the parser meets no session of the engine but one that writes down what it is told.
//
//	# comment
//	C: a1 NOOP              the client sends this and CR LF
//	S: * OK hello           the server
//	C| raw\x00\r\n          the client sends just this, with \r \n \t \\ \xHH
//	S|
//	C* 300 ab               the client sends "ab" 300 times
//	C~ a1 NOOP              the client sends this and CR LF, deflated (RFC 4978)
//	GAP 12 S                12 bytes of the server are missing
//	TOKENS                  what rules would see of it is a fact, too: "token FIELD TEXT"
//	HEADERS                 and headers that are fetched alone: "header TEXT"
//	EVENT midstream         the stream says so
//	= login success …       a line of the facts; all of them, in their order
//
// talk_check() plays each in all the ways of play.h: any way of cutting the bytes gives the same facts.

#pragma once

#include "play.h"
#include "proto/proto.h"

#include <stddef.h>
#include <stdint.h>

struct talk;

extern int talk_inflaters_max; // how many directions of a talk may be inflated at once

// Writes what a connection's state says at its end, by talk_fact().
typedef void talk_dump(struct talk *talk, const struct session *s, const void *state);

// Adds a line to the facts.
void talk_fact(struct talk *talk, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Plays every tests/talks/PREFIX*.talk (found from the project's root) in all ways; prints the
// differences. Returns how many talks there were, or -1 when one failed.
int talk_check(const char *prefix, const struct proto *proto, talk_dump *dump);

// A connection as a reader of play.h; its context:
struct talk_reading {
	const struct proto *proto;
	talk_dump *dump; // or NULL
	bool has_tokens, has_headers;
	size_t memory_max; // in use at once; more is a fact. 0: any
};
extern const struct play_reader talk_reader;

// For tests and fuzz targets of their own: steps one by one. slab_size 0: plenty.
struct talk *talk_open(const struct proto *proto, size_t slab_size);
void talk_event(struct talk *talk, enum session_event event); // before the first bytes
void talk_data(struct talk *talk, enum stream_dir dir, const void *data, size_t size);
void talk_gap(struct talk *talk, enum stream_dir dir, uint64_t size);
struct session *talk_session(struct talk *talk);
size_t talk_memory(struct talk *talk); // slab bytes in use
// A client says each of n names in front and behind of which a command has more ("a %s x"): in capitals, in small
// letters, and with a letter behind the name; the server greets and refuses all. Returns the first name that is not
// counted as itself twice and as "other" once (its facts are printed), NULL: there is none. Empty names are passed over.
const char *talk_misnamed(
	const struct proto *proto,
	talk_dump *dump,
	const char *const *names,
	size_t n,
	const char *tag,
	const char *rest,
	const char *greeting,
	const char *refusal
);
// Ends the connection and returns its facts, which talk_close() frees. Memory still in use is a fact.
const char *talk_end(struct talk *talk, talk_dump *dump);
void talk_close(struct talk *talk);
