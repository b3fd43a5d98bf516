// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// ManageSieve (RFC 5804): what the record and the models want to know of a connection. The parser's own
// state is in sieve_private.h; it extends struct sieve.

#pragma once

#include "proto/sieve_script.h"

#define SIEVE_COMMANDS                                                                             \
	SIEVE_COMMAND(OTHER, "other")                                                              \
	SIEVE_COMMAND(AUTHENTICATE, "AUTHENTICATE")                                                \
	SIEVE_COMMAND(STARTTLS, "STARTTLS")                                                        \
	SIEVE_COMMAND(LOGOUT, "LOGOUT")                                                            \
	SIEVE_COMMAND(CAPABILITY, "CAPABILITY")                                                    \
	SIEVE_COMMAND(HAVESPACE, "HAVESPACE")                                                      \
	SIEVE_COMMAND(PUTSCRIPT, "PUTSCRIPT")                                                      \
	SIEVE_COMMAND(CHECKSCRIPT, "CHECKSCRIPT")                                                  \
	SIEVE_COMMAND(LISTSCRIPTS, "LISTSCRIPTS")                                                  \
	SIEVE_COMMAND(SETACTIVE, "SETACTIVE")                                                      \
	SIEVE_COMMAND(GETSCRIPT, "GETSCRIPT")                                                      \
	SIEVE_COMMAND(DELETESCRIPT, "DELETESCRIPT")                                                \
	SIEVE_COMMAND(RENAMESCRIPT, "RENAMESCRIPT")                                                \
	SIEVE_COMMAND(NOOP, "NOOP")                                                                \
	SIEVE_COMMAND(UNAUTHENTICATE, "UNAUTHENTICATE")                                            \
	SIEVE_COMMAND(XCLIENT, "XCLIENT")

enum sieve_verb {
#define SIEVE_COMMAND(id, name) SIEVE_##id,
	SIEVE_COMMANDS
#undef SIEVE_COMMAND
		SIEVE_VERBS,
};

struct sieve {
	uint32_t commands[SIEVE_VERBS]; // sent, by enum sieve_verb
	uint32_t n_rejected; // answered with NO
	uint32_t n_put, n_active; // scripts stored; set active, or all inactive
	struct sieve_targets *targets; // of redirects in scripts stored; NULL: none
	bool is_starttls, is_logout;
};
