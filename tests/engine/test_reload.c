// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Rules that change under open messages: each message is read with the rules it began with, sets that are held
// stay up to a number, and go when their last message has ended.

#include "analyst.h"
#include "config.h"
#include "content.h"
#include "engine.h"
#include "reload.h"
#include "ring.h"
#include "session.h"
#include "session_match.h"
#include "slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MESSAGES = RELOAD_OLD_MAX + 2 };

struct fixture {
	char folder[32], path[64];
	struct config config;
	struct reload *reload;
	struct analyst *analyst;
	struct ring *ring;
	struct engine *engine;
	struct session sessions[MESSAGES];
	struct content *contents[MESSAGES];
};

// One rule: the word and a number.
static void rules_write(const struct fixture *f, const char *text) {
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void word_write(const struct fixture *f, int number) {
	char text[128];

	snprintf(
		text,
		sizeof(text),
		"rules:\n- {id: word-%d, look: body, pattern: 'word%d[.]'}\n",
		number,
		number
	);
	rules_write(f, text);
}

static void fixture_open(struct fixture *f) {
	char error[256];

	memset(f, 0, sizeof(*f));
	strcpy(f->folder, "/tmp/test_reload_XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/rules.yaml", f->folder);
	word_write(f, 0);
	char *argv[]
		= {"postern",
		   "replay",
		   "--rules",
		   f->path,
		   "--rule-cache",
		   "none",
		   "--alerts",
		   "/dev/null",
		   "-",
		   NULL};
	assert_int_equal(config_open(&f->config, 9, argv, stdout, stderr), CONFIG_GO);
	f->reload = reload_open(&f->config, stderr);
	assert_non_null(f->reload);
	f->analyst = analyst_open(&f->config, reload_rules(f->reload), error, sizeof(error));
	f->ring = ring_open(1 << 16);
	assert_non_null(f->analyst);
	assert_int_equal(analyst_start(f->analyst, &f->ring, 1), 0);
	f->engine = engine_open(&(struct engine_config){
		.slab_size = 1 << 22,
		.decode = true,
		.scanner = reload_scanner(f->reload),
	});
	assert_non_null(f->engine);
	for (int i = 0; i < MESSAGES; i++) {
		struct session *s = &f->sessions[i];

		s->engine = f->engine;
		assert_int_equal(pending_place(&f->engine->pending), i);
		pending_take(&f->engine->pending, s, 0);
		s->pending = (uint32_t)i + 1;
	}
}

static void fixture_close(struct fixture *f) {
	for (int i = 0; i < MESSAGES; i++)
		session_match_free(&f->sessions[i]);
	engine_close(f->engine);
	ring_finish(f->ring);
	analyst_join(f->analyst);
	analyst_close(f->analyst);
	ring_close(f->ring);
	reload_close(f->reload);
	config_close(&f->config);
	unlink(f->path);
	rmdir(f->folder);
}

// What was said is freed by the next call.
static int reload(struct fixture *f, char **said) {
	static char *text;
	size_t size;
	int rc;

	free(text);
	FILE *out = open_memstream(&text, &size);
	rc = reload_run(f->reload, f->analyst, &f->engine, 1, out);
	fclose(out);
	*said = text;
	return rc;
}

static void message_begin(struct fixture *f, int i) {
	static const char head[] = "Subject: x\r\n\r\n";

	f->contents[i] = content_open(&f->sessions[i], CONTENT_SENT);
	assert_non_null(f->contents[i]);
	content_data(f->contents[i], (const uint8_t *)head, sizeof(head) - 1);
}

// All words that ever were rules.
static void message_end(struct fixture *f, int i) {
	char text[MESSAGES * 16] = "";

	for (int n = 0; n < MESSAGES; n++)
		sprintf(text + strlen(text), "word%d. ", n);
	strcat(text, "\r\n");
	content_data(f->contents[i], (const uint8_t *)text, strlen(text));
	content_close(f->contents[i], 1);
}

static void assert_found(const struct fixture *f, int i, int number) {
	char id[32];

	snprintf(id, sizeof(id), "word-%d", number);
	assert_int_equal(f->sessions[i].n_matches, 1);
	assert_string_equal(f->sessions[i].matches[0].rule, id);
}

static void a_message_ends_under_the_rules_it_began_with(void **) {
	struct fixture f;
	char *said;

	fixture_open(&f);
	message_begin(&f, 0);
	word_write(&f, 1);
	assert_int_equal(reload(&f, &said), 0);
	// Offered, and not in force before the worker's next pause.
	message_begin(&f, 1);
	engine_quiesce(f.engine);
	message_begin(&f, 2);
	for (int i = 0; i < 3; i++)
		message_end(&f, i);
	assert_found(&f, 0, 0);
	assert_found(&f, 1, 0);
	assert_found(&f, 2, 1);
	reload_reap(f.reload, &f.engine, 1);
	assert_int_equal(reload_n_old(f.reload), 0);
	fixture_close(&f);
}

static void sets_that_are_held_are_kept_up_to_a_number(void **) {
	struct fixture f;
	char *said;

	fixture_open(&f);
	for (int i = 0; i < RELOAD_OLD_MAX; i++) {
		message_begin(&f, i);
		word_write(&f, i + 1);
		assert_int_equal(reload(&f, &said), 0);
		engine_quiesce(f.engine);
		assert_int_equal(reload_n_old(f.reload), i + 1);
	}
	message_begin(&f, RELOAD_OLD_MAX);
	word_write(&f, RELOAD_OLD_MAX + 1);
	assert_int_equal(reload(&f, &said), -1);
	assert_non_null(strstr(said, "the rules in force stay: 8 earlier rule sets are still used")
	);

	// One message of the middle ends, with its rules; then there is room for one more.
	message_end(&f, 3);
	assert_found(&f, 3, 3);
	assert_int_equal(reload(&f, &said), 0);
	assert_int_equal(reload_n_old(f.reload), RELOAD_OLD_MAX);
	engine_quiesce(f.engine);
	message_begin(&f, RELOAD_OLD_MAX + 1);
	for (int i = 0; i < MESSAGES; i++)
		if (i != 3) {
			message_end(&f, i);
			assert_found(&f, i, i);
		}
	reload_reap(f.reload, &f.engine, 1);
	assert_int_equal(reload_n_old(f.reload), 0);
	fixture_close(&f);
}

// A worker that has not come by may still begin something with what it has.
static void nothing_is_freed_before_every_worker_has_come_by(void **) {
	struct fixture f;
	char *said;

	fixture_open(&f);
	word_write(&f, 1);
	assert_int_equal(reload(&f, &said), 0);
	reload_reap(f.reload, &f.engine, 1);
	assert_int_equal(reload_n_old(f.reload), 1);
	message_begin(&f, 0);
	engine_quiesce(f.engine);
	reload_reap(f.reload, &f.engine, 1);
	assert_int_equal(reload_n_old(f.reload), 1);
	message_end(&f, 0);
	assert_found(&f, 0, 0);
	reload_reap(f.reload, &f.engine, 1);
	assert_int_equal(reload_n_old(f.reload), 0);
	fixture_close(&f);
}

static void a_mistake_leaves_everything_and_is_told(void **) {
	static const char *const wrong[] = {
		"rules:\n- {id: word-1, look: body, pattern: 'word1'}\n- {id: b, look: nowhere, "
		"pattern: 'b'}\n",
		"rules:\n- {id: word-1, look: body, pattern: 'word1'}\n\n- {id: b, pattern: "
		"'(b'}\n",
		"rules: [\n",
		"rules:\n- {id: word-1, pattern: 'word1', test: {match: [word2]}}\n",
	};
	static const char *const told[]
		= {"rules.yaml:3:", "rules.yaml:4:", "rules.yaml:", "does not match and must"};
	struct fixture f;
	char *said;

	fixture_open(&f);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		rules_write(&f, wrong[i]);
		assert_int_equal(reload(&f, &said), -1);
		assert_non_null(strstr(said, told[i]));
		assert_non_null(strstr(said, "the rules in force stay"));
		engine_quiesce(f.engine);
	}
	unlink(f.path);
	assert_int_equal(reload(&f, &said), -1);
	engine_quiesce(f.engine);
	message_begin(&f, 0);
	message_end(&f, 0);
	assert_found(&f, 0, 0);
	assert_int_equal(reload_n_old(f.reload), 0);
	fixture_close(&f);
}

// What else is reloaded, told by what it was asked.
struct other {
	int n_checked, n_committed, answer;
};

static int other_check(void *ctx, FILE *out) {
	struct other *other = ctx;

	other->n_checked++;
	if (other->answer < 0)
		fputs("no such port\n", out);
	return other->answer;
}

static void other_commit(void *ctx) {
	((struct other *)ctx)->n_committed++;
}

// All of it is in force, or nothing.
static void what_is_reloaded_together_is_taken_together(void **) {
	struct other other = {0};
	struct fixture f;
	char *said;

	fixture_open(&f);
	reload_with(f.reload, &(struct reload_more){other_check, other_commit, &other});
	rules_write(&f, "rules:\n- {id: a, pattern: '(a'}\n");
	assert_int_equal(reload(&f, &said), -1);
	assert_int_equal(other.n_checked, 1);
	assert_int_equal(other.n_committed, 0);

	word_write(&f, 1);
	other.answer = -1;
	assert_int_equal(reload(&f, &said), -1);
	assert_non_null(strstr(said, "no such port"));
	assert_int_equal(other.n_committed, 0);
	engine_quiesce(f.engine);
	message_begin(&f, 0);
	message_end(&f, 0);
	assert_found(&f, 0, 0);

	other.answer = 0;
	assert_int_equal(reload(&f, &said), 0);
	assert_int_equal(other.n_committed, 1);
	engine_quiesce(f.engine);
	message_begin(&f, 1);
	message_end(&f, 1);
	assert_found(&f, 1, 1);
	fixture_close(&f);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_ends_under_the_rules_it_began_with),
		cmocka_unit_test(sets_that_are_held_are_kept_up_to_a_number),
		cmocka_unit_test(nothing_is_freed_before_every_worker_has_come_by),
		cmocka_unit_test(a_mistake_leaves_everything_and_is_told),
		cmocka_unit_test(what_is_reloaded_together_is_taken_together),
	};

#ifndef HAVE_HYPERSCAN
	return 77; // nothing is scanned in this build
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
