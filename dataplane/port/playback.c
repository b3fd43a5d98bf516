// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "playback.h"

#include "capture_private.h"
#include "vdev.h"

#include <rte_ethdev.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

// Empty polls after which a driver that owes packets of a file is taken to have none left.
enum { FILE_POLLS = 1000 };

// Reads the whole capture that net_pcap is to play. 0, or -1 and error.
static int file_scan(struct playback *playback, const char *path, char *error, int size) {
	struct frame frames[BURST_MAX];
	struct capture *capture;
	struct stat st;
	int n;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		snprintf(
			error,
			size,
			"%s: rx_pcap wants a plain file; postern replay reads pipes",
			path
		);
		return -1;
	}
	capture = capture_open(path, error, size);
	if (!capture)
		return -1;
	playback->is_finite = true;
	while ((n = source_burst(capture_source(capture), frames, BURST_MAX)) >= 0) {
		playback->n_expected += (uint64_t)n;
		if (n > 0)
			playback->link = frames[0].link;
	}
	if (n == SOURCE_BROKEN)
		memcpy(playback->error, capture_source(capture)->error, sizeof(playback->error));
	n = capture->file.compression ? -1 : 0;
	if (n < 0)
		snprintf(
			error,
			size,
			"%s: net_pcap cannot read a %s file; postern replay does",
			capture->file.name,
			capture->file.compression
		);
	capture_close(capture);
	return n;
}

int playback_scan(struct playback *playback, const char *vdev, char *error, int size) {
	char path[4096], flag[8];

	if (strncmp(vdev, "net_pcap", 8) != 0 || !vdev_get(vdev, "rx_pcap", path, sizeof(path)))
		return 0;
	// Played again and again it has no end, and no times of its own.
	if (vdev_get(vdev, "infinite_rx", flag, sizeof(flag)) && strcmp(flag, "0") != 0)
		return 0;
	return file_scan(playback, path, error, size);
}

// Nothing came from a file: it is over, or, as the driver cannot tell us, taken to be.
int playback_idle(struct queue *queue) {
	const struct playback *playback = queue->idle_ctx;
	struct rte_eth_stats stats = {0};

	if (queue->n_received < playback->n_expected) {
		if (++queue->n_empty < FILE_POLLS)
			return 0;
		rte_eth_stats_get(queue->port_id, &stats);
		snprintf(
			queue->source.error,
			sizeof(queue->source.error),
			"net_pcap gave only %llu of %llu packets (%llu without a buffer, %llu "
			"errors): postern replay reads the capture itself",
			(unsigned long long)queue->n_received,
			(unsigned long long)playback->n_expected,
			(unsigned long long)stats.rx_nombuf,
			(unsigned long long)stats.ierrors
		);
		return SOURCE_BROKEN;
	}
	if (!playback->error[0])
		return SOURCE_END;
	memcpy(queue->source.error, playback->error, sizeof(queue->source.error));
	return SOURCE_BROKEN;
}
