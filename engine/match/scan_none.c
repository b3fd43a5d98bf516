// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A build without Hyperscan: rules are read and checked as YAML, nothing is scanned, and that is said.

#include "match/scan.h"

#include <stdlib.h>

struct scan_db {
	const struct rules *rules;
};

struct scanner {
	const struct scan_db *db;
};

const char *scan_describe(void) {
	return "none: this build scans no content";
}

struct scan_db *
scan_db_open(const struct rules *rules, rules_report *report, void *ctx, int *n_bad_r) {
	struct scan_db *db = calloc(1, sizeof(*db));

	*n_bad_r = 0;
	if (db == NULL)
		return NULL;
	db->rules = rules;
	if (report != NULL && rules->n > 0)
		report(ctx,
		       "content rules: this build has no Hyperscan and scans nothing; build "
		       "with -Dhyperscan=enabled");
	return db;
}

void scan_db_close(struct scan_db *db) {
	free(db);
}

const struct rules *scan_db_rules(const struct scan_db *db) {
	return db->rules;
}

uint32_t scan_db_n(const struct scan_db *) {
	return 0;
}

size_t scan_db_stream_size(const struct scan_db *, enum rule_field) {
	return 0;
}

struct scanner *scanner_open(const struct scan_db *db, uint32_t) {
	struct scanner *scanner = calloc(1, sizeof(*scanner));

	if (scanner != NULL)
		scanner->db = db;
	return scanner;
}

void scanner_close(struct scanner *scanner) {
	free(scanner);
}

size_t scanner_memsize(const struct scanner *) {
	return sizeof(struct scanner);
}

const struct scan_db *scanner_db(const struct scanner *scanner) {
	return scanner->db;
}

bool scanner_wants(const struct scanner *, enum rule_field) {
	return false;
}

uint32_t scanner_min_width(const struct scanner *, uint32_t) {
	return 1;
}

struct scan_stream *scan_open(struct scanner *, enum rule_field) {
	return NULL;
}

void scan_data(struct scan_stream *, const uint8_t *, size_t, scan_match *, void *) {}

void scan_close(struct scan_stream *, scan_match *, void *) {}
