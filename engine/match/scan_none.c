// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A build without Hyperscan: rules are read and checked as YAML, nothing is scanned, and that is said.

#include "match/scan.h"

#include <stdlib.h>

struct database {
	const struct rules *rules;
};

struct scanner {
	const struct database *db;
};

const char *database_describe(void) {
	return "none: this build scans no content";
}

struct database *database_open(
	const struct rules *rules,
	struct cache *,
	const struct database *,
	rules_report *report,
	void *ctx,
	int *n_bad_r
) {
	struct database *db = calloc(1, sizeof(*db));

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

void database_close(struct database *db) {
	free(db);
}

const struct rules *database_rules(const struct database *db) {
	return db->rules;
}

uint32_t database_n(const struct database *) {
	return 0;
}

int database_n_cached(const struct database *) {
	return 0;
}

size_t database_stream_size(const struct database *, enum rule_field) {
	return 0;
}

struct scanner *scanner_open(const struct database *db, uint32_t) {
	struct scanner *scanner = calloc(1, sizeof(*scanner));

	if (scanner != NULL)
		scanner->db = db;
	return scanner;
}

void scanner_close(struct scanner *scanner) {
	free(scanner);
}

void scanner_hold(struct scanner *) {}

void scanner_release(struct scanner *) {}

bool scanner_is_held(const struct scanner *) {
	return false;
}

const struct scan_work *scanner_work(const struct scanner *) {
	static const struct scan_work none;

	return &none;
}

size_t scanner_memsize(const struct scanner *) {
	return sizeof(struct scanner);
}

const struct database *scanner_database(const struct scanner *scanner) {
	return scanner->db;
}

bool scanner_wants(const struct scanner *, enum rule_field) {
	return false;
}

bool scanner_wants_header(const struct scanner *, const uint8_t *, size_t) {
	return false;
}

uint32_t scanner_min_width(const struct scanner *, uint32_t) {
	return 1;
}

size_t scan_hit_text(const struct scan_hit *, uint8_t[VALIDATE_WINDOW]) {
	return 0;
}

struct scan_stream *scan_open(struct scanner *, enum rule_field, scan_match *, void *) {
	return NULL;
}

void scan_data(struct scan_stream *, const uint8_t *, size_t) {}

void scan_flush(struct scanner *) {}

void scan_close(struct scan_stream *, bool) {}

void scan_token(struct scanner *, enum rule_field, const uint8_t *, size_t, scan_match *, void *) {}
