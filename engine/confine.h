// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a program gives up before the first packet: root, every capability, and the system calls that it
// does not need. Every byte that follows comes from somebody who may be an attacker.

#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct confine_user {
	bool is_needed; // the program was started as root
	uid_t uid;
	gid_t gid;
	char name[64];
};

// Who to become: name, or postern, or nobody. Not needed when the program is not root; it is then an error
// to name another user. 0, or −1 and one line in error.
int confine_find(const char *name, struct confine_user *user, char *error, int size);
// All threads: the user's ids, no groups beside his, no capabilities, none to be got by executing.
// Nothing when it is not needed. 0, or −1 and one line in error.
int confine_become(const struct confine_user *user, char *error, int size);
// All threads, for good: system calls that are not in confine_calls.def are refused with EPERM, and a
// program that meets one goes on: a sensor that dies of a call that nobody thought of would be blind.
// 1; 0 when this build cannot (no libseccomp); −1 and one line in error.
int confine_calls(char *error, int size);
