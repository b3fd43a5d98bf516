// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/series.h"

// What a subject has that the table wants to know, whatever it is.
struct subject {
	uint64_t key;
	bool *noted, *alarmed;
	struct evidence *evidence;
};

static const struct facts nothing;

// An account's name may hash to what an address's bytes hash to.
enum salt { SALT_ORIGIN = 1, SALT_PASSWORD, SALT_TARGET };

static uint64_t salted(uint64_t key, enum salt salt) {
	return key ^ salt * 0x9e3779b97f4a7c15ull;
}

uint64_t series_key_of_target(uint64_t account) {
	return salted(account, SALT_TARGET);
}

static struct subject of_origin(struct origin *origin) {
	return (struct subject
	){salted(origin->node.key, SALT_ORIGIN),
	  &origin->noted,
	  &origin->alarmed,
	  &origin->evidence};
}

static struct subject of_password(struct password *password) {
	return (struct subject
	){salted(password->node.key, SALT_PASSWORD),
	  &password->noted,
	  &password->alarmed,
	  &password->evidence};
}

static struct subject of_target(struct target *account) {
	return (struct subject
	){salted(account->node.key, SALT_TARGET),
	  &account->noted,
	  &account->alarmed,
	  &account->evidence};
}

static const struct facts *find(const struct table *table, uint64_t key, bool noted) {
	const struct series *series = noted ? table_peek(table, key) : NULL;
	return series ? &series->facts : &nothing;
}

const struct facts *series_of_origin(const struct table *series, const struct origin *origin) {
	return find(series, salted(origin->node.key, SALT_ORIGIN), origin->noted);
}

const struct facts *
series_of_password(const struct table *series, const struct password *password) {
	return find(series, salted(password->node.key, SALT_PASSWORD), password->noted);
}

const struct facts *series_of_target(const struct table *series, const struct target *account) {
	return find(series, salted(account->node.key, SALT_TARGET), account->noted);
}

static struct facts *note(struct table *table, struct subject subject) {
	struct series *series = table_find(table, subject.key);
	if (series && !*subject.noted) {
		table_remove(table, series); // of one that was forgotten since, by the same key
		series = NULL;
	}
	if (!series)
		series = table_add(table, subject.key);
	*subject.noted = true;
	return &series->facts;
}

struct facts *series_note_origin(struct table *series, struct origin *origin) {
	return note(series, of_origin(origin));
}

struct facts *series_note_password(struct table *series, struct password *password) {
	return note(series, of_password(password));
}

struct facts *series_note_target(struct table *series, struct target *account) {
	return note(series, of_target(account));
}

void series_told(struct table *series, const struct facts *facts) {
	if (facts != &nothing)
		table_prove(series, (uint8_t *)facts - offsetof(struct series, facts));
}

static bool holds(const struct table *table, struct subject subject) {
	if (!*subject.noted || table_peek(table, subject.key))
		return true;
	*subject.noted = *subject.alarmed = false;
	subject.evidence->m_log1p = 0;
	return false;
}

bool series_holds_origin(struct table *series, struct origin *origin) {
	return holds(series, of_origin(origin));
}

bool series_holds_password(struct table *series, struct password *password) {
	return holds(series, of_password(password));
}

bool series_holds_target(struct table *series, struct target *account) {
	return holds(series, of_target(account));
}

static void end(struct table *table, struct subject subject) {
	struct series *series = *subject.noted ? table_peek(table, subject.key) : NULL;
	if (series)
		table_remove(table, series);
	*subject.noted = false;
}

void series_end_origin(struct table *series, struct origin *origin) {
	end(series, of_origin(origin));
}

void series_end_password(struct table *series, struct password *password) {
	end(series, of_password(password));
}

void series_end_target(struct table *series, struct target *account) {
	end(series, of_target(account));
}
