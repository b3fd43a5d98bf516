// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One Hyperscan database per field, compiled or taken from the cache; the culprits in a set that is refused
// are found one by one; then every rule's test lines, through the very databases that will be used.

#include "match/database_private.h"
#include "match/found.h"
#include "match/scan.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	// A finite pattern that spans more than this is a mistake, and expensive in each stream.
	WIDTH_MAX = 4096,
};

const char *database_describe(void) {
	return hs_version();
}

// ---- Compiling.

__attribute__((format(printf, 3, 4))) static void
rule_out(struct database *db, uint32_t i, const char *format, ...) {
	const struct rule *rule = &db->rules->rules[i];
	char what[400];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	yaml_mistake(
		&db->mistakes, rule->file, rule->line, rule->column, "rule %s: %s", rule->id, what
	);
	db->is_out[i] = true;
	db->n_out++;
}

static unsigned hs_flags(const struct rule *rule) {
	return (rule->flags & RULE_CASELESS ? HS_FLAG_CASELESS : 0)
		| (rule->flags & RULE_DOTALL ? HS_FLAG_DOTALL : 0)
		| (rule->flags & RULE_MULTILINE ? HS_FLAG_MULTILINE : 0);
}

static void pattern_out(struct database *db, uint32_t i, const hs_compile_error_t *error) {
	rule_out(
		db,
		i,
		"pattern: %s; write it in Hyperscan's (PCRE) syntax, and \\( for a character",
		error != NULL ? error->message : "cannot be compiled"
	);
}

// What can be said of a pattern alone, and cheaply.
static void pattern_check(struct database *db, uint32_t i) {
	const struct rule *rule = &db->rules->rules[i];
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *error = NULL;

	if (hs_expression_info(rule->pattern, hs_flags(rule), &info, &error) != HS_SUCCESS)
		pattern_out(db, i, error);
	else if (info->min_width == 0)
		rule_out(
			db,
			i,
			"pattern matches the empty text, so everywhere; make something in it "
			"necessary (+ for *)"
		);
	else if (info->max_width != UINT32_MAX && info->max_width > WIDTH_MAX)
		rule_out(
			db,
			i,
			"pattern spans up to %u bytes; at most %d",
			info->max_width,
			WIDTH_MAX
		);
	else
		db->min_width[i] = info->min_width;
	hs_free_compile_error(error);
	free(info);
}

static void patterns_free(struct database_patterns *patterns) {
	free(patterns->text);
	free(patterns->flags);
	free(patterns->ids);
}

static int
patterns_gather(const struct database *db, int field, struct database_patterns *patterns) {
	size_t n = db->rules->n + 1;

	*patterns = (struct database_patterns){
		.text = calloc(n, sizeof(*patterns->text)),
		.flags = calloc(n, sizeof(*patterns->flags)),
		.ids = calloc(n, sizeof(*patterns->ids)),
	};
	if (patterns->text == NULL || patterns->flags == NULL || patterns->ids == NULL)
		return -1;
	for (uint32_t i = 0; i < db->rules->n; i++) {
		const struct rule *rule = &db->rules->rules[i];

		if (db->is_out[i] || (rule->fields >> field & 1) == 0)
			continue;
		patterns->text[patterns->n] = rule->pattern;
		patterns->flags[patterns->n] = hs_flags(rule);
		patterns->ids[patterns->n++] = i;
	}
	return 0;
}

// The set as a whole was refused and no culprit named: each is tried alone.
static bool
culprits_find(struct database *db, const struct database_patterns *patterns, unsigned how) {
	uint32_t n_out = db->n_out;

	for (unsigned i = 0; i < patterns->n; i++) {
		hs_database_t *alone = NULL;
		hs_compile_error_t *error = NULL;

		if (hs_compile(patterns->text[i], patterns->flags[i], how, NULL, &alone, &error)
		    != HS_SUCCESS)
			pattern_out(db, patterns->ids[i], error);
		hs_free_compile_error(error);
		hs_free_database(alone);
	}
	return db->n_out > n_out;
}

// ---- One field's database, which may have been made before.

static unsigned mode(int field) {
	return database_is_streamed(field) ? HS_MODE_STREAM : HS_MODE_BLOCK;
}

static void hash_add(EVP_MD_CTX *md, const void *data, size_t size) {
	uint64_t n = size;

	EVP_DigestUpdate(md, &n, sizeof(n));
	EVP_DigestUpdate(md, data, size);
}

bool database_key(
	const char *version,
	const hs_platform_info_t *platform,
	unsigned how,
	const struct database_patterns *patterns,
	struct cache_key *key_r
) {
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool done = false;

	memset(key_r, 0, sizeof(*key_r));
	if (md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1) {
		hash_add(md, version, strlen(version));
		hash_add(md, platform, sizeof(*platform));
		hash_add(md, &how, sizeof(how));
		for (unsigned i = 0; i < patterns->n; i++) {
			hash_add(md, patterns->text[i], strlen(patterns->text[i]));
			hash_add(md, &patterns->flags[i], sizeof(patterns->flags[i]));
			hash_add(md, &patterns->ids[i], sizeof(patterns->ids[i]));
		}
		done = EVP_DigestFinal_ex(md, key_r->hash, NULL) == 1;
	}
	EVP_MD_CTX_free(md);
	return done;
}

// Of this machine. Zeroed first: the key must not depend on what lies between the structure's members.
static bool key_make(int field, const struct database_patterns *patterns, struct cache_key *key_r) {
	hs_platform_info_t platform;

	memset(&platform, 0, sizeof(platform));
	return hs_populate_platform(&platform) == HS_SUCCESS
		&& database_key(hs_version(), &platform, mode(field), patterns, key_r);
}

// Fields that look for the same with the same patterns share one database.
static bool field_share(struct database *db, int field) {
	for (int i = 0; i < field; i++) {
		if (db->dbs[i] == NULL
		    || memcmp(&db->keys[i], &db->keys[field], sizeof(db->keys[i])) != 0)
			continue;
		db->dbs[field] = db->dbs[i];
		db->is_shared[field] = true;
		return true;
	}
	return false;
}

static bool field_cached(struct database *db, int field) {
	size_t size;
	void *bytes = cache_get(db->cache, &db->keys[field], &size);

	if (bytes == NULL)
		return false;
	if (hs_deserialize_database(bytes, size, &db->dbs[field]) != HS_SUCCESS) {
		db->dbs[field] = NULL;
		cache_drop(db->cache, &db->keys[field]);
	}
	free(bytes);
	db->n_cached += db->dbs[field] != NULL;
	return db->dbs[field] != NULL;
}

// A field whose patterns have not changed. A copy, because each database owns its own.
static bool field_before(struct database *db, int field) {
	const struct database *before = db->before;
	char *bytes;
	size_t size;

	if (before == NULL || before->dbs[field] == NULL
	    || memcmp(&before->keys[field], &db->keys[field], sizeof(db->keys[field])) != 0
	    || hs_serialize_database(before->dbs[field], &bytes, &size) != HS_SUCCESS)
		return false;
	if (hs_deserialize_database(bytes, size, &db->dbs[field]) != HS_SUCCESS)
		db->dbs[field] = NULL;
	free(bytes);
	db->n_cached += db->dbs[field] != NULL;
	return db->dbs[field] != NULL;
}

static void field_keep(struct database *db, int field) {
	size_t size;
	char *bytes;

	if (db->cache == NULL || hs_serialize_database(db->dbs[field], &bytes, &size) != HS_SUCCESS)
		return;
	cache_put(db->cache, &db->keys[field], bytes, size);
	free(bytes);
}

// 1: compiled, 0: a rule went out and the rest is to be tried again.
static int field_compile(struct database *db, int field, const struct database_patterns *patterns) {
	hs_compile_error_t *error = NULL;

	if (hs_compile_multi(
		    patterns->text,
		    patterns->flags,
		    patterns->ids,
		    patterns->n,
		    mode(field),
		    NULL,
		    &db->dbs[field],
		    &error
	    )
	    == HS_SUCCESS)
		return 1;
	if (error != NULL && error->expression >= 0)
		pattern_out(db, patterns->ids[error->expression], error);
	else if (!culprits_find(db, patterns, mode(field)))
		// Each is right and all together are too much: the last one goes, and is named.
		rule_out(
			db,
			patterns->ids[patterns->n - 1],
			"one pattern too many for Hyperscan (%s); split the rule set",
			error != NULL ? error->message : "no reason given"
		);
	hs_free_compile_error(error);
	return 0;
}

static int field_make(struct database *db, int field, const struct database_patterns *patterns) {
	int rc;

	if (key_make(field, patterns, &db->keys[field])
	    && (field_share(db, field) || field_before(db, field) || field_cached(db, field)))
		return 1;
	rc = field_compile(db, field, patterns);
	if (rc > 0)
		field_keep(db, field);
	return rc;
}

// 1: there (or nothing to compile), 0: a rule went out and the rest is to be tried again, -1: no memory.
static int field_try(struct database *db, int field) {
	struct database_patterns patterns;
	int rc = patterns_gather(db, field, &patterns);

	if (rc == 0 && patterns.n == 0)
		rc = 1;
	else if (rc == 0)
		rc = field_make(db, field, &patterns);
	patterns_free(&patterns);
	if (rc > 0 && db->dbs[field] != NULL && database_is_streamed(field)
	    && hs_stream_size(db->dbs[field], &db->stream_size[field]) != HS_SUCCESS)
		rc = -1;
	return rc;
}

static void fields_forget(struct database *db) {
	for (int i = 0; i < RULE_FIELDS; i++) {
		if (!db->is_shared[i])
			hs_free_database(db->dbs[i]);
		db->dbs[i] = NULL;
		db->is_shared[i] = false;
		db->stream_size[i] = 0;
	}
	db->n_cached = 0;
}

static void headers_note(struct database *db) {
	memset(db->headers, 0, sizeof(db->headers));
	for (uint32_t i = 0; i < db->rules->n; i++) {
		const struct rule *rule = &db->rules->rules[i];
		const uint8_t *name = (const uint8_t *)rule->header;
		size_t size = strlen(rule->header);

		if (size > 0 && !db->is_out[i])
			db->headers[header_bit(name, size) / 64] |= (uint64_t)1
				<< header_bit(name, size) % 64;
	}
}

// Anew when a rule went out: an earlier field's database may still hold it.
static int fields_compile(struct database *db) {
	uint32_t n_out;
	int rc = 1;

	do {
		n_out = db->n_out;
		fields_forget(db);
		for (int i = 0; i < RULE_FIELDS && rc >= 0; i++)
			do
				rc = field_try(db, i);
			while (rc == 0);
	} while (rc >= 0 && db->n_out != n_out);
	headers_note(db);
	return rc < 0 ? -1 : 0;
}

// ---- Test lines, through the very databases that will be used.

struct sought {
	const struct database *db;
	uint32_t rule;
	struct found_counter counter, wrong;
	struct found_values values;
	bool is_certain;
};

static bool sought_match(void *ctx, const struct scan_hit *hit) {
	static const uint64_t key[2] = {0};
	struct sought *sought = ctx;
	const struct rule *rule = &sought->db->rules->rules[hit->rule];

	if (hit->rule != sought->rule)
		return true;
	if (hit->validity == VALIDATE_WRONG) {
		found_count(&sought->wrong, hit->offset, sought->db->min_width[hit->rule]);
		return true;
	}
	sought->is_certain |= hit->validity == VALIDATE_CERTAIN;
	found_count(&sought->counter, hit->offset, sought->db->min_width[hit->rule]);
	if (rule->distinct > 0)
		found_values_add(&sought->values, found_value(rule, hit, key));
	return true;
}

// Whether the line matches in this field as often as the rule wants within one message.
static bool
field_matches(struct scanner *scanner, uint32_t i, enum rule_field field, const char *line) {
	const struct database *db = scanner_database(scanner);
	const struct rule *rule = &db->rules->rules[i];
	struct sought sought = {.db = db, .rule = i};
	const uint8_t *text = (const uint8_t *)line;

	if (database_is_streamed(field)) {
		struct scan_stream *stream = scan_open(scanner, field, sought_match, &sought);

		scan_data(stream, text, strlen(line));
		scan_close(stream, true);
	} else {
		scan_token(scanner, field, text, strlen(line), sought_match, &sought);
	}
	if (validate_form(rule->validate) >= 0 && !sought.is_certain
	    && validate_is_chance(sought.counter.n, sought.wrong.n))
		return false;
	if (rule->scope != RULE_MESSAGE)
		return sought.counter.n > 0;
	return sought.counter.n > 0 && found_is_enough(rule, sought.counter.n, sought.values.n);
}

static bool pattern_matches(struct scanner *scanner, uint32_t i, const char *line) {
	const struct rule *rule = &scanner_database(scanner)->rules->rules[i];

	for (int field = 0; field < RULE_FIELDS; field++)
		if ((rule->fields >> field & 1) != 0
		    && field_matches(scanner, i, (enum rule_field)field, line))
			return true;
	return false;
}

// Of a combination: the line is looked at by all members.
static bool line_matches(struct scanner *scanner, uint32_t i, const char *line) {
	const struct rule *rule = &scanner_database(scanner)->rules->rules[i];
	uint32_t n = 0;

	if (rule->kind == RULE_PATTERN)
		return pattern_matches(scanner, i, line);
	for (uint32_t m = 0; m < rule->n_members; m++)
		n += pattern_matches(scanner, rule->members[m], line);
	return rule->kind == RULE_ANY ? n > 0 : n == rule->n_members;
}

static void rule_test(struct database *db, struct scanner *scanner, uint32_t i) {
	const struct rule *rule = &db->rules->rules[i];

	for (uint32_t t = 0; t < rule->n_tests; t++) {
		const struct rule_test *test = &rule->tests[t];

		if (line_matches(scanner, i, test->text) == test->match)
			continue;
		yaml_mistake(
			&db->mistakes,
			rule->file,
			test->line,
			test->column,
			"rule %s: test line \"%.60s\" %s; mend the pattern or the line. The rule "
			"is not used",
			rule->id,
			test->text,
			test->match ? "does not match and must" : "matches and must not"
		);
		db->n_out += db->is_out[i] ? 0 : 1;
		db->is_out[i] = true;
	}
}

// A combination of rules that are not in force says nothing.
static void combination_check(struct database *db, uint32_t i) {
	const struct rule *rule = &db->rules->rules[i];

	for (uint32_t m = 0; m < rule->n_members && !db->is_out[i]; m++)
		if (db->is_out[rule->members[m]])
			rule_out(db, i, "%s is not used, so this is not", rule->member_ids[m]);
}

static int rules_test(struct database *db) {
	uint32_t n_out = db->n_out;
	struct scanner *scanner = scanner_open(db, 1);

	if (scanner == NULL)
		return -1;
	for (uint32_t i = 0; i < db->rules->n; i++)
		if (!db->is_out[i])
			rule_test(db, scanner, i);
	scanner_close(scanner);
	for (uint32_t i = 0; i < db->rules->n; i++)
		combination_check(db, i);
	return db->n_out == n_out ? 0 : fields_compile(db);
}

struct database *database_open(
	const struct rules *rules,
	struct cache *cache,
	const struct database *before,
	rules_report *report,
	void *ctx,
	int *n_bad_r
) {
	struct database *db = calloc(1, sizeof(*db));

	scan_allocator_set();
	if (db == NULL)
		return NULL;
	db->rules = rules;
	db->cache = cache;
	db->before = before;
	db->mistakes = (struct yaml_mistakes){.report = report, .ctx = ctx};
	db->min_width = calloc(rules->n + 1, sizeof(*db->min_width));
	db->is_out = calloc(rules->n + 1, sizeof(*db->is_out));
	if (db->min_width == NULL || db->is_out == NULL)
		goto fail;
	for (uint32_t i = 0; i < rules->n; i++)
		if (rules->rules[i].kind == RULE_PATTERN)
			pattern_check(db, i);
	for (uint32_t i = 0; i < rules->n; i++)
		combination_check(db, i);
	if (fields_compile(db) < 0 || rules_test(db) < 0)
		goto fail;
	*n_bad_r = (int)db->n_out;
	db->cache = NULL;
	db->before = NULL;
	db->mistakes = (struct yaml_mistakes){0};
	return db;

fail:
	database_close(db);
	errno = ENOMEM;
	return NULL;
}

void database_close(struct database *db) {
	if (db == NULL)
		return;
	fields_forget(db);
	free(db->min_width);
	free(db->is_out);
	free(db);
}

const struct rules *database_rules(const struct database *db) {
	return db->rules;
}

uint32_t database_n(const struct database *db) {
	return db->rules->n - db->n_out;
}

size_t database_stream_size(const struct database *db, enum rule_field field) {
	return db->stream_size[field];
}

int database_n_cached(const struct database *db) {
	return db->n_cached;
}
