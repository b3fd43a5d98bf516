// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Content rules that change while packets walk. New ones are read and compiled on the thread that reloads; each
// worker takes them up between two bursts; a message that began under older rules is read to its end
// under those, and they are freed when the last such message is over. Rules with any mistake are
// refused, and what is in force stays.

#pragma once

#include "config.h"
#include "match/rules.h"

#include <stdio.h>

struct analyst;
struct engine;
struct reload;
struct scanner;

enum {
	// Rule sets in memory beside the one in force, because messages that began under them have not
	// ended. With so many another reload is refused.
	RELOAD_OLD_MAX = 8,
};

// Opens the first rules (config->rules, or those beside the program). NULL after one line on err: they
// cannot be read, or config->strict and there is a mistake. config is borrowed.
struct reload *reload_open(const struct config *config, FILE *err);
// Those in force; NULL: there are none. Borrowed until the next reload.
const struct rules *reload_rules(const struct reload *reload);
// Mistakes found in those in force. Any thread.
int reload_n_bad(struct reload *reload);
// The scanner of the next worker; NULL: no rules, or no memory. Before the threads.
struct scanner *reload_scanner(struct reload *reload);
// What else is reloaded with the rules: all of it comes into force, or nothing does.
struct reload_more {
	// Reads it: 0, or −1 and in words on out what is wrong. Nothing changes yet.
	int (*check)(void *ctx, FILE *out);
	// Puts in force what check has read. Called only behind a check that was right, when the rules are, too.
	void (*commit)(void *ctx);
	void *ctx;
};

// Before the threads.
void reload_with(struct reload *reload, const struct reload_more *more);
// Reads the configuration's rules anew and hands them to the engines (whose first scanners came from
// reload_scanner(), in this order). analyst: is told of them before. Writes a JSON object to out and
// returns 0; or writes why not and returns −1: then nothing has changed. Mistakes are said on stderr, too.
// Takes as long as compiling. One thread at a time; the functions below may be called by another meanwhile.
int reload_run(
	struct reload *reload,
	struct analyst *analyst,
	struct engine *const *engines,
	int n,
	FILE *out
);
// Frees older rules that nobody uses any more.
void reload_reap(struct reload *reload, struct engine *const *engines, int n);
// Rule sets in memory beside the one in force.
int reload_n_old(struct reload *reload);
// The engines must have been closed. Accepts NULL.
void reload_close(struct reload *reload);
