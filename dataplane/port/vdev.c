// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "vdev.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	NAME_SIZE = 64,
	// In front of each frame, in the kernel's ring (packet(7), TPACKET_V2) and on the wire.
	RING_HEADER_SIZE = 80,
	FRAME_HEADER_SIZE = 14 + 2 * 4, // Ethernet, two tags
	FRAME_SIZE_DEFAULT = 2048, // of the driver
};

bool vdev_get(const char *vdev, const char *key, char *value, size_t size) {
	size_t len = strlen(key);
	const char *at = vdev;

	while ((at = strchr(at, ','))) {
		at++;
		if (strncmp(at, key, len) == 0 && at[len] == '=') {
			at += len + 1;
			snprintf(value, size, "%.*s", (int)strcspn(at, ","), at);
			return true;
		}
	}
	return false;
}

unsigned vdev_interface_mtu(const char *iface) {
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result;

	if (fd < 0)
		return 0;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", iface);
	result = ioctl(fd, SIOCGIFMTU, &ifr);
	close(fd);
	return result < 0 || ifr.ifr_mtu < 0 ? 0 : (unsigned)ifr.ifr_mtu;
}

unsigned vdev_frame_size(unsigned mtu) {
	unsigned size = FRAME_SIZE_DEFAULT;

	while (size < mtu + RING_HEADER_SIZE + FRAME_HEADER_SIZE && size < 65536)
		size *= 2;
	return size;
}

void vdev_complete(const char *vdev, char *full, size_t size) {
	static const char driver[] = "net_af_packet";
	char iface[NAME_SIZE] = "eth0", value[16];
	unsigned frame_size;

	vdev_get(vdev, "iface", iface, sizeof(iface));
	frame_size = vdev_frame_size(vdev_interface_mtu(iface));
	snprintf(full, size, "%s", vdev);
	// Blocks hold whole frames and pages.
	if (strncmp(vdev, driver, sizeof(driver) - 1) == 0 && frame_size > FRAME_SIZE_DEFAULT
	    && !vdev_get(vdev, "framesz", value, sizeof(value))
	    && !vdev_get(vdev, "blocksz", value, sizeof(value)))
		snprintf(full, size, "%s,framesz=%u,blocksz=%u", vdev, frame_size, 2 * frame_size);
}
