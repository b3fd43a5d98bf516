// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Compiling once at start, with the culprits found one by one; then streams that are opened when
// their slot is first used and only ever reset after that, so that scanning allocates nothing.

#include "match/scan.h"

#include "match/validate.h"
#include "yaml.h"

#include <hs.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	SLOT_ALIGN = 64,
	// A finite pattern that spans more than this is a mistake, and expensive in each stream.
	WIDTH_MAX = 4096,
	// hs_scan_stream takes an unsigned int.
	PIECE_SIZE_MAX = 1 << 30,
};

struct scan_db {
	const struct rules *rules;
	hs_database_t *dbs[RULE_FIELDS]; // NULL: no rule
	size_t stream_size[RULE_FIELDS];
	uint32_t *min_width; // by rule
	bool *is_out; // by rule: left out
	uint32_t n_out;
	struct yaml_mistakes mistakes; // while compiling
};

// Slots of one field: the state of slot i stands at base + i * slot_size.
//
//	free[0 … n_free)  slots to be had, last first, so that the same few pages are used again
//	is_open bit       Hyperscan has made a stream in it (once; reset after each message)
struct arena {
	uint8_t *base;
	size_t slot_size;
	struct scan_stream *streams;
	uint32_t *free;
	uint32_t n_free;
};

struct scan_stream {
	struct scanner *scanner;
	hs_stream_t *hs; // NULL: slot not used yet
	uint8_t field;
	bool is_done; // the callback wants no more
	uint8_t n_tail;
	uint64_t n_before; // bytes scanned before those being scanned
	uint8_t tail[VALIDATE_WINDOW]; // the last of them, for check digits
};

struct scanner {
	const struct scan_db *db;
	hs_scratch_t *scratch;
	uint32_t n_streams;
	struct arena arenas[RULE_FIELDS];
	size_t memsize;
};

const char *scan_describe(void) {
	return hs_version();
}

// ---- Hyperscan's stream allocator has no argument: what it shall return stands here while a slot is
// opened for the first time.

static _Thread_local struct {
	void *block;
	size_t size;
} slot_offered;

static void *slot_alloc(size_t size) {
	return size <= slot_offered.size ? slot_offered.block : NULL;
}

static void slot_free(void *block) {
	(void)block; // the arena goes as a whole
}

static void allocator_set(void) {
	hs_set_stream_allocator(slot_alloc, slot_free);
}

// ---- Compiling.

__attribute__((format(printf, 3, 4))) static void
rule_out(struct scan_db *db, uint32_t i, const char *format, ...) {
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

static void pattern_out(struct scan_db *db, uint32_t i, const hs_compile_error_t *error) {
	rule_out(
		db,
		i,
		"pattern: %s; write it in Hyperscan's (PCRE) syntax, and \\( for a character",
		error != NULL ? error->message : "cannot be compiled"
	);
}

// What can be said of a pattern alone, and cheaply.
static void pattern_check(struct scan_db *db, uint32_t i) {
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

// The rules of a field that are in, as Hyperscan wants them.
struct patterns {
	const char **text;
	unsigned *flags, *ids;
	unsigned n;
};

static void patterns_free(struct patterns *patterns) {
	free(patterns->text);
	free(patterns->flags);
	free(patterns->ids);
}

static int patterns_gather(const struct scan_db *db, int field, struct patterns *patterns) {
	size_t n = db->rules->n + 1;

	*patterns = (struct patterns){
		.text = calloc(n, sizeof(*patterns->text)),
		.flags = calloc(n, sizeof(*patterns->flags)),
		.ids = calloc(n, sizeof(*patterns->ids)),
	};
	if (patterns->text == NULL || patterns->flags == NULL || patterns->ids == NULL)
		return -1;
	for (uint32_t i = 0; i < db->rules->n; i++) {
		const struct rule *rule = &db->rules->rules[i];

		if (db->is_out[i] || (rule->fields & (1 << field)) == 0)
			continue;
		patterns->text[patterns->n] = rule->pattern;
		patterns->flags[patterns->n] = hs_flags(rule);
		patterns->ids[patterns->n++] = i;
	}
	return 0;
}

// The set as a whole was refused and no culprit named: each is tried alone.
static bool culprits_find(struct scan_db *db, const struct patterns *patterns) {
	uint32_t n_out = db->n_out;

	for (unsigned i = 0; i < patterns->n; i++) {
		hs_database_t *alone = NULL;
		hs_compile_error_t *error = NULL;

		if (hs_compile(
			    patterns->text[i],
			    patterns->flags[i],
			    HS_MODE_STREAM,
			    NULL,
			    &alone,
			    &error
		    )
		    != HS_SUCCESS)
			pattern_out(db, patterns->ids[i], error);
		hs_free_compile_error(error);
		hs_free_database(alone);
	}
	return db->n_out > n_out;
}

// 1: compiled (or nothing to compile), 0: a rule went out and the rest is to be tried again, -1: no
// memory.
static int field_try(struct scan_db *db, int field) {
	struct patterns patterns;
	hs_compile_error_t *error = NULL;
	int rc = patterns_gather(db, field, &patterns);

	if (rc < 0 || patterns.n == 0)
		goto done;
	if (hs_compile_multi(
		    patterns.text,
		    patterns.flags,
		    patterns.ids,
		    patterns.n,
		    HS_MODE_STREAM,
		    NULL,
		    &db->dbs[field],
		    &error
	    )
	    == HS_SUCCESS) {
		rc = hs_stream_size(db->dbs[field], &db->stream_size[field]) == HS_SUCCESS ? 1 : -1;
		goto done;
	}
	if (error != NULL && error->expression >= 0)
		pattern_out(db, patterns.ids[error->expression], error);
	else if (!culprits_find(db, &patterns))
		// Each is right and all together are too much: the last one goes, and is named.
		rule_out(
			db,
			patterns.ids[patterns.n - 1],
			"one pattern too many for Hyperscan (%s); "
			"split the rule set",
			error != NULL ? error->message : "no reason given"
		);
done:
	if (rc == 0 && patterns.n == 0)
		rc = 1;
	hs_free_compile_error(error);
	patterns_free(&patterns);
	return rc;
}

static void fields_forget(struct scan_db *db) {
	for (int i = 0; i < RULE_FIELDS; i++) {
		hs_free_database(db->dbs[i]);
		db->dbs[i] = NULL;
		db->stream_size[i] = 0;
	}
}

static int fields_compile(struct scan_db *db) {
	fields_forget(db);
	for (int i = 0; i < RULE_FIELDS; i++) {
		int rc;

		do
			rc = field_try(db, i);
		while (rc == 0);
		if (rc < 0)
			return -1;
	}
	return 0;
}

// ---- Test lines, through the very database that will be used.

struct sought {
	uint32_t rule;
	bool found;
};

static bool sought_match(void *ctx, uint32_t rule, uint64_t) {
	struct sought *sought = ctx;

	sought->found |= rule == sought->rule;
	return true;
}

static void rule_test(struct scan_db *db, struct scanner *scanner, uint32_t i) {
	const struct rule *rule = &db->rules->rules[i];
	// A rule for the whole message is the same in both fields.
	enum rule_field field = rule->fields & (1 << RULE_BODY) ? RULE_BODY : RULE_HEADER;

	for (uint32_t t = 0; t < rule->n_tests; t++) {
		const struct rule_test *test = &rule->tests[t];
		struct sought sought = {.rule = i};
		struct scan_stream *stream = scan_open(scanner, field);

		scan_data(
			stream,
			(const uint8_t *)test->text,
			strlen(test->text),
			sought_match,
			&sought
		);
		scan_close(stream, sought_match, &sought);
		if (sought.found == test->match)
			continue;
		yaml_mistake(
			&db->mistakes,
			rule->file,
			test->line,
			test->column,
			"rule %s: test line \"%.60s\" %s; mend the pattern or the line. The rule "
			"is "
			"not used",
			rule->id,
			test->text,
			test->match ? "does not match and must" : "matches and must not"
		);
		db->n_out += db->is_out[i] ? 0 : 1;
		db->is_out[i] = true;
	}
}

static int rules_test(struct scan_db *db) {
	uint32_t n_out = db->n_out;
	struct scanner *scanner = scanner_open(db, 1);

	if (scanner == NULL)
		return -1;
	for (uint32_t i = 0; i < db->rules->n; i++)
		if (!db->is_out[i])
			rule_test(db, scanner, i);
	scanner_close(scanner);
	return db->n_out == n_out ? 0 : fields_compile(db);
}

struct scan_db *
scan_db_open(const struct rules *rules, rules_report *report, void *ctx, int *n_bad_r) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct scan_db *db = calloc(1, sizeof(*db));

	pthread_once(&once, allocator_set);
	if (db == NULL)
		return NULL;
	db->rules = rules;
	db->mistakes = (struct yaml_mistakes){.report = report, .ctx = ctx};
	db->min_width = calloc(rules->n + 1, sizeof(*db->min_width));
	db->is_out = calloc(rules->n + 1, sizeof(*db->is_out));
	if (db->min_width == NULL || db->is_out == NULL)
		goto fail;
	for (uint32_t i = 0; i < rules->n; i++)
		pattern_check(db, i);
	if (fields_compile(db) < 0 || rules_test(db) < 0)
		goto fail;
	*n_bad_r = (int)db->n_out;
	db->mistakes = (struct yaml_mistakes){0};
	return db;

fail:
	scan_db_close(db);
	errno = ENOMEM;
	return NULL;
}

void scan_db_close(struct scan_db *db) {
	if (db == NULL)
		return;
	fields_forget(db);
	free(db->min_width);
	free(db->is_out);
	free(db);
}

const struct rules *scan_db_rules(const struct scan_db *db) {
	return db->rules;
}

uint32_t scan_db_n(const struct scan_db *db) {
	return db->rules->n - db->n_out;
}

size_t scan_db_stream_size(const struct scan_db *db, enum rule_field field) {
	return db->stream_size[field];
}

// ---- A worker's scanner.

static int arena_open(struct scanner *scanner, int field) {
	struct arena *arena = &scanner->arenas[field];
	size_t n = scanner->n_streams, size;
	void *base;

	// Room for Hyperscan's own head in front of the state, which hs_stream_size() includes.
	arena->slot_size
		= (scanner->db->stream_size[field] + SLOT_ALIGN - 1) & ~(size_t)(SLOT_ALIGN - 1);
	size = n * arena->slot_size;
	base
		= mmap(NULL,
		       size,
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1,
		       0);
	if (base == MAP_FAILED)
		return -1;
	arena->base = base;
	arena->streams = calloc(n, sizeof(*arena->streams));
	arena->free = calloc(n, sizeof(*arena->free));
	if (arena->streams == NULL || arena->free == NULL)
		return -1;
	scanner->memsize += size + n * (sizeof(*arena->streams) + sizeof(*arena->free));
	for (uint32_t i = 0; i < n; i++)
		arena->free[i] = (uint32_t)n - 1 - i;
	arena->n_free = (uint32_t)n;
	return 0;
}

static void arena_close(struct scanner *scanner, int field) {
	struct arena *arena = &scanner->arenas[field];

	for (uint32_t i = 0; arena->streams != NULL && i < scanner->n_streams; i++)
		if (arena->streams[i].hs != NULL)
			hs_close_stream(arena->streams[i].hs, NULL, NULL, NULL);
	if (arena->base != NULL)
		munmap(arena->base, scanner->n_streams * arena->slot_size);
	free(arena->streams);
	free(arena->free);
}

struct scanner *scanner_open(const struct scan_db *db, uint32_t n_streams) {
	struct scanner *scanner = calloc(1, sizeof(*scanner));
	size_t size;

	if (scanner == NULL)
		return NULL;
	scanner->db = db;
	scanner->n_streams = n_streams;
	scanner->memsize = sizeof(*scanner);
	for (int i = 0; i < RULE_FIELDS; i++) {
		if (db->dbs[i] == NULL)
			continue;
		if (hs_alloc_scratch(db->dbs[i], &scanner->scratch) != HS_SUCCESS
		    || arena_open(scanner, i) < 0) {
			scanner_close(scanner);
			errno = ENOMEM;
			return NULL;
		}
	}
	if (scanner->scratch != NULL && hs_scratch_size(scanner->scratch, &size) == HS_SUCCESS)
		scanner->memsize += size;
	return scanner;
}

void scanner_close(struct scanner *scanner) {
	if (scanner == NULL)
		return;
	for (int i = 0; i < RULE_FIELDS; i++)
		arena_close(scanner, i);
	hs_free_scratch(scanner->scratch);
	free(scanner);
}

size_t scanner_memsize(const struct scanner *scanner) {
	return scanner->memsize;
}

const struct scan_db *scanner_db(const struct scanner *scanner) {
	return scanner->db;
}

bool scanner_wants(const struct scanner *scanner, enum rule_field field) {
	return scanner->db->dbs[field] != NULL;
}

uint32_t scanner_min_width(const struct scanner *scanner, uint32_t rule) {
	uint32_t width = scanner->db->min_width[rule];

	return width > 0 ? width : 1;
}

// ---- Scanning.

struct scan_stream *scan_open(struct scanner *scanner, enum rule_field field) {
	struct arena *arena = &scanner->arenas[field];
	struct scan_stream *stream;
	uint32_t slot;

	if (arena->n_free == 0)
		return NULL;
	slot = arena->free[arena->n_free - 1];
	stream = &arena->streams[slot];
	if (stream->hs == NULL) {
		slot_offered.block = arena->base + slot * arena->slot_size;
		slot_offered.size = arena->slot_size;
		hs_error_t rc = hs_open_stream(scanner->db->dbs[field], 0, &stream->hs);
		slot_offered.size = 0;
		if (rc != HS_SUCCESS) {
			stream->hs = NULL;
			return NULL;
		}
	}
	arena->n_free--;
	stream->scanner = scanner;
	stream->field = (uint8_t)field;
	stream->is_done = false;
	stream->n_tail = 0;
	stream->n_before = 0;
	return stream;
}

// Between Hyperscan's callback and ours.
struct call {
	scan_match *match;
	void *ctx;
	const struct scan_stream *stream;
	const uint8_t *data; // being scanned; its first byte has offset stream->n_before
	const struct rule *rules;
};

// Check digits of what ends at to. Its bytes may stand in the tail, in data, or begin in one and end in
// the other.
static bool is_valid(const struct call *call, enum validate kind, uint64_t to) {
	const struct scan_stream *stream = call->stream;
	uint8_t text[VALIDATE_WINDOW];
	size_t n_data, n_tail;

	// At the end of a stream, "$" may match before its last line end.
	if (to < stream->n_before)
		return stream->n_before - to < stream->n_tail
			&& validate(kind, stream->tail, stream->n_tail - (stream->n_before - to));
	n_data = (size_t)(to - stream->n_before);
	if (n_data >= VALIDATE_WINDOW)
		return validate(kind, call->data + n_data - VALIDATE_WINDOW, VALIDATE_WINDOW);
	n_tail = VALIDATE_WINDOW - n_data;
	n_tail = n_tail < stream->n_tail ? n_tail : stream->n_tail;
	memcpy(text, stream->tail + stream->n_tail - n_tail, n_tail);
	if (n_data > 0)
		memcpy(text + n_tail, call->data, n_data);
	return validate(kind, text, n_tail + n_data);
}

static int on_match(unsigned id, unsigned long long, unsigned long long to, unsigned, void *ctx) {
	struct call *call = ctx;
	enum validate kind = call->rules[id].validate;

	if (kind != VALIDATE_NOTHING && !is_valid(call, kind, to))
		return 0;
	return call->match(call->ctx, id, to) ? 0 : 1;
}

// Keeps the last bytes of what was scanned.
static void tail_keep(struct scan_stream *stream, const uint8_t *data, size_t size) {
	size_t kept = size < VALIDATE_WINDOW ? VALIDATE_WINDOW - size : 0;

	stream->n_before += size;
	if (size > VALIDATE_WINDOW) {
		data += size - VALIDATE_WINDOW;
		size = VALIDATE_WINDOW;
	}
	kept = kept < stream->n_tail ? kept : stream->n_tail;
	memmove(stream->tail, stream->tail + stream->n_tail - kept, kept);
	memcpy(stream->tail + kept, data, size);
	stream->n_tail = (uint8_t)(kept + size);
}

void scan_data(
	struct scan_stream *stream,
	const uint8_t *data,
	size_t size,
	scan_match *match,
	void *ctx
) {
	struct call call = {
		.match = match,
		.ctx = ctx,
		.stream = stream,
		.rules = stream->scanner->db->rules->rules,
	};

	while (size > 0 && !stream->is_done) {
		unsigned piece = size < PIECE_SIZE_MAX ? (unsigned)size : PIECE_SIZE_MAX;
		call.data = data;
		hs_error_t rc = hs_scan_stream(
			stream->hs,
			(const char *)data,
			piece,
			0,
			stream->scanner->scratch,
			on_match,
			&call
		);

		// Anything but success ends this stream: the callback wants no more, or the scratch is
		// in use because the callback scans, which it must not.
		assert(rc == HS_SUCCESS || rc == HS_SCAN_TERMINATED);
		stream->is_done = rc != HS_SUCCESS;
		tail_keep(stream, data, piece);
		data += piece;
		size -= piece;
	}
}

void scan_close(struct scan_stream *stream, scan_match *match, void *ctx) {
	struct call call = {.match = match, .ctx = ctx, .stream = stream};
	bool fires = stream != NULL && match != NULL && !stream->is_done;
	struct arena *arena;

	if (stream == NULL)
		return;
	call.rules = stream->scanner->db->rules->rules;
	hs_reset_stream(
		stream->hs,
		0,
		fires ? stream->scanner->scratch : NULL,
		fires ? on_match : NULL,
		&call
	);
	arena = &stream->scanner->arenas[stream->field];
	arena->free[arena->n_free++] = (uint32_t)(stream - arena->streams);
}
