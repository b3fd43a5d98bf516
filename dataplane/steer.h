// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The XDP program of one interface and its loader: mail to the AF_XDP sockets that DPDK polls, everything
// else to the kernel. The program hangs on a link that this process owns: it goes when the process does,
// however it ends.
//
// DPDK's driver insists on loading a program with each socket. It is given a copy of ours without rules,
// which takes nothing; steer_adopt() removes that copy and keeps the socket, steer_attach() puts the real
// one in its place.
//
// All of it needs root (CAP_NET_ADMIN, CAP_BPF …) until steer_attach() is done; rules are changed and
// counters read in memory that is shared with the program, without system calls or privileges.

#pragma once

#include "steer_rules.h"

#include <stdbool.h>
#include <stdint.h>

enum { STEER_QUEUES_MAX = 64 };

struct steer;

struct steer_sockets {
	uint64_t n_ring_full; // not read in time; the driver's own count leaves it out
	uint64_t n_no_buffer;
};

// Whether this build, the kernel and the interface can do it: 0, or −1 and one line in error.
int steer_check(const char *iface, char *error, int size);
// Receive queues of the interface, at most STEER_QUEUES_MAX.
int steer_n_queues(const char *iface);
// NUMA node of the interface; −1: none.
int steer_node(const char *iface);

// NULL and one line in error.
struct steer *steer_open(const char *iface, char *error, int size);
// What the driver is to load (its xdp_prog=). Borrowed.
const char *steer_object(const struct steer *steer);
// To be called when the driver has opened the socket of that queue, one after the other from 0.
int steer_adopt(struct steer *steer, char *error, int size);
// Frames arrive from here on. promiscuous: those for other stations too, as long as this lives.
int steer_attach(
	struct steer *steer,
	const struct steer_rules *rules,
	bool promiscuous,
	char *error,
	int size
);
// Accepts NULL.
void steer_close(struct steer *steer);

// Replaces all rules at once, while frames come. One thread at a time.
void steer_set(struct steer *steer, const struct steer_rules *rules);
void steer_counts(const struct steer *steer, uint64_t counts[STEER_REASONS]);
void steer_sockets(const struct steer *steer, struct steer_sockets *sockets);
// Frames for whose time the network driver left no room.
const volatile uint64_t *steer_n_unstamped(const struct steer *steer);
const char *steer_iface(const struct steer *steer);
// How frames come: "native, zero copy" or worse, for people.
const char *steer_mode(const struct steer *steer);

// Name as in counters, and its meaning for a person.
const char *steer_reason_name(enum steer_reason reason);
const char *steer_reason_text(enum steer_reason reason);

// ---- Rules (steer_rules.c)

void steer_rules_tcp(struct steer_rules *rules, uint16_t port);
// family 4 or 6. False: there are STEER_PREFIXES_MAX already.
bool steer_rules_prefix(struct steer_rules *rules, int family, const uint8_t *addr, unsigned bits);
// names: "gre,vxlan,udp/8472 …", "all" or "none". 0, or −1 and one line in error that lists what there is.
int steer_rules_tunnels(struct steer_rules *rules, const char *names, char *error, int size);
