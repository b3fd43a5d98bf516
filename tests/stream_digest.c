// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// stream_digest [-n] CAPTURE: one JSON line per TCP stream with payload, in the order in which they
// end: its ends, bytes, gap bytes and SHA-256 of what each side sent (gaps left out). The dataplane
// alone, to be held against other programs. -n: checksums are not verified.

#include "capture.h"
#include "worker.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct digest {
	struct stream_tuple tuple;
	struct {
		EVP_MD_CTX *sha256;
		uint64_t n_bytes; // without gaps
		uint64_t n_gap_bytes;
	} side[2];
	uint32_t events;
};

static void *digest_open(void *ctx, struct stream *stream, uint64_t now_ns) {
	struct digest *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	stream_tuple_get(stream, &d->tuple);
	for (int i = 0; i < 2; i++) {
		d->side[i].sha256 = EVP_MD_CTX_new();
		EVP_DigestInit_ex(d->side[i].sha256, EVP_sha256(), NULL);
	}
	return d;
}

static void
digest_data(void *reader, enum stream_dir dir, const uint8_t *data, size_t size, uint64_t now_ns) {
	struct digest *d = reader;

	EVP_DigestUpdate(d->side[dir].sha256, data, size);
	d->side[dir].n_bytes += size;
}

static void digest_gap(void *reader, enum stream_dir dir, uint64_t size, uint64_t now_ns) {
	struct digest *d = reader;

	d->side[dir].n_gap_bytes += size;
}

static void digest_event(void *reader, enum stream_event event, uint64_t now_ns) {
	struct digest *d = reader;

	d->events |= 1u << event;
}

static void digest_timer(void *reader, uint64_t now_ns) {}

static void side_print(const struct digest *d, int dir) {
	static const char *const names[] = {"client", "server"};
	uint8_t sum[EVP_MAX_MD_SIZE];
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(
		d->tuple.family == 4 ? AF_INET : AF_INET6, d->tuple.addr[dir], addr, sizeof(addr)
	);
	printf("\"%s\":{\"addr\":\"%s:%u\",", names[dir], addr, d->tuple.port[dir]);
	printf("\"bytes\":%" PRIu64 ",\"gap\":%" PRIu64 ",\"sha256\":\"",
	       d->side[dir].n_bytes,
	       d->side[dir].n_gap_bytes);
	EVP_DigestFinal_ex(d->side[dir].sha256, sum, NULL);
	for (int i = 0; i < 32; i++)
		printf("%02x", sum[i]);
	printf("\"},");
	EVP_MD_CTX_free(d->side[dir].sha256);
}

static void digest_close(void *reader, enum stream_end end, uint64_t now_ns) {
	static const char *const ends[] = {"close", "reset", "timeout", "evicted", "input"};
	struct digest *d = reader;
	const char *comma = "";

	printf("{");
	side_print(d, STREAM_CLIENT);
	side_print(d, STREAM_SERVER);
	printf("\"end\":\"%s\",\"events\":[", ends[end]);
	for (int i = 0; i < STREAM_EVENT_COUNT; i++) {
		if (!(d->events & 1u << i))
			continue;
		printf("%s\"%s\"", comma, stream_event_name(i));
		comma = ",";
	}
	printf("]}\n");
	free(d);
}

int main(int argc, char **argv) {
	struct flow_config config = {
		.handler
		= {NULL,
		   digest_open,
		   digest_data,
		   digest_gap,
		   digest_event,
		   digest_timer,
		   digest_close},
	};
	bool verify = argc < 2 || strcmp(argv[1], "-n") != 0;
	char error[512];
	struct worker worker = {.decode = {.hash_key = {1, 2}, .checksum = verify}};
	struct capture *capture;

	if (argc != 3 - verify) {
		fprintf(stderr, "usage: stream_digest [-n] CAPTURE\n");
		return 2;
	}
	capture = capture_open(argv[argc - 1], error, sizeof(error));
	if (!capture) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	worker.source = capture_source(capture);
	worker.flows = flow_open(&config);
	worker.defrag = defrag_open(&(struct defrag_config){.hash_key = {1, 2}});
	if (!worker.flows || !worker.defrag) {
		perror("stream_digest");
		return 1;
	}
	if (worker_run(&worker) < 0)
		fprintf(stderr, "%s\n", worker.source->error);
	for (int i = 0; i < VERDICT_COUNT; i++)
		if (worker.verdicts[i])
			fprintf(stderr, "%s %" PRIu64 "\n", verdict_name(i), worker.verdicts[i]);
#define DEFRAG_STAT(name, text)                                                                    \
	if (defrag_stats(worker.defrag)->name)                                                     \
		fprintf(stderr, #name " %" PRIu64 "\n", defrag_stats(worker.defrag)->name);
#include "defrag_stat.def"
#undef DEFRAG_STAT
#define FLOW_STAT(name, text)                                                                      \
	if (flow_stats(worker.flows)->name)                                                        \
		fprintf(stderr, #name " %" PRIu64 "\n", flow_stats(worker.flows)->name);
#include "flow_stat.def"
#undef FLOW_STAT
	defrag_close(worker.defrag);
	flow_close(worker.flows);
	capture_close(capture);
	return 0;
}
