// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The arguments of DPDK's virtual devices, "driver0,key=value,…".

#pragma once

#include <stdbool.h>
#include <stddef.h>

// The value of key, at most size - 1 bytes. Whether it is there.
bool vdev_get(const char *vdev, const char *key, char *value, size_t size);
// MTU of an interface; 0: there is none of that name.
unsigned vdev_interface_mtu(const char *iface);
// Writes vdev to full, for net_af_packet with room for the interface's frames where the user has not said
// how much: its driver cuts longer ones and tells nobody.
void vdev_complete(const char *vdev, char *full, size_t size);
// The same for an interface of that MTU: bytes of each place in its ring.
unsigned vdev_frame_size(unsigned mtu);
