// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Talking to a running program: a Unix stream socket, one command a line, one JSON object a line in
// answer. Each room's commands stand in a table that its owner hands in. A thread of its own answers
// them, one after another; those that take long are done on a second one, so that the others are answered
// meanwhile. Nothing that packets walk through is ever waited for.
//
// Protocol: a line of at most CONTROL_LINE_MAX bytes, "stats\n"; the answer is one JSON object, with a
// member "error" when the command could not be done. Any number of commands on one connection.

#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

enum {
	CONTROL_LINE_MAX = 255,
	// Clients at once; a further one takes the place of the one that has been silent longest.
	CONTROL_CLIENTS_MAX = 8,
	// Of them, those that wait for commands that take long. A further one is refused.
	CONTROL_WAITING_MAX = 4,
	CONTROL_ANSWER_SIZE_MAX = 8 << 20,
};

struct control_command {
	const char *name;
	// Writes one JSON object without line ends to out and returns 0; or writes in words why it
	// could not be done, and returns −1. Called on the control thread, one command at a time.
	int (*answer)(void *context, FILE *out);
	// Takes long (rules being compiled): called on the second thread, one such command at a time, while
	// others run on the control thread. The client's further commands wait for its answer.
	bool is_slow;
};

struct control;

// Listens on path, mode 0600, and starts the thread. commands: n of them, borrowed, all with the same
// context. What a crashed program left at path is replaced; a socket that somebody answers on is not.
// NULL and one line in error. errno is then EADDRINUSE when another program answers there.
struct control *control_open(
	const char *path,
	const struct control_command *commands,
	int n,
	void *context,
	char *error,
	int size
);
// Gives the socket, and the folder when control_open() made it, to the user that the program is about
// to become, so that it can be removed at the end. 0 or −errno.
int control_give(const struct control *control, uid_t uid, gid_t gid);
// Ends the thread (behind the command being answered) and removes the socket. Accepts NULL.
void control_close(struct control *control);

// The other end: sends one command and writes the answer's line to out. 0; −1 and one line in error
// when nobody listens, the answer is cut off, or it says that the command failed.
int control_ask(const char *path, const char *command, FILE *out, char *error, int size);

// Where the socket is unless the user says otherwise: /run/postern/control for root, in the user's
// runtime folder for others; NULL when there is none. In the caller's buffer.
const char *control_path_default(char *path, size_t size);
