// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// In builds without libbpf, clang or bpftool: says so. Nothing behind steer_check() is ever reached.

#include "steer.h"

#include <stdio.h>
#include <string.h>

int steer_check(const char *iface, char *error, int size) {
	snprintf(
		error,
		(size_t)size,
		"%s: this program was built without its XDP program: install libbpf-dev, clang and "
		"bpftool and build with -Dxdp=enabled; --vdev net_af_packet0,iface=%s works "
		"without",
		iface,
		iface
	);
	return -1;
}

int steer_n_queues(const char *) {
	return 1;
}

int steer_node(const char *) {
	return -1;
}

struct steer *steer_open(const char *iface, char *error, int size) {
	steer_check(iface, error, size);
	return NULL;
}

const char *steer_object(const struct steer *) {
	return "";
}

int steer_adopt(struct steer *, char *, int) {
	return -1;
}

int steer_attach(struct steer *, const struct steer_rules *, bool, char *, int) {
	return -1;
}

void steer_close(struct steer *) {}

void steer_set(struct steer *, const struct steer_rules *) {}

void steer_counts(const struct steer *, uint64_t counts[STEER_REASONS]) {
	memset(counts, 0, STEER_REASONS * sizeof(counts[0]));
}

void steer_sockets(const struct steer *, struct steer_sockets *sockets) {
	*sockets = (struct steer_sockets){0};
}

const volatile uint64_t *steer_n_unstamped(const struct steer *) {
	return NULL;
}

const char *steer_iface(const struct steer *) {
	return "";
}

const char *steer_mode(const struct steer *) {
	return "";
}
