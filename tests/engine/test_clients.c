// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// Reads text as a file; *said_r (to be freed) is what was said of it, without the file's name.
static struct clients *clients_of(const char *text, char **said_r) {
	char path[] = "/tmp/postern-clients-XXXXXX", *at;
	size_t size;
	FILE *err = open_memstream(said_r, &size);
	int fd = mkstemp(path);
	struct clients *clients;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	clients = clients_open(path, err);
	fclose(err);
	unlink(path);
	while ((at = strstr(*said_r, path)) != NULL)
		memmove(at, at + strlen(path), strlen(at + strlen(path)) + 1);
	return clients;
}

static void software_is_named_by_its_grammars(void **) {
	char *said;
	struct clients *clients = clients_of(
		"clients:\n- name: A\n  grammars: [ffffffff, 00000001]\n- name: 'B: c'\n  "
		"grammars: [\"01311d37\"]\n",
		&said
	);

	assert_string_equal(said, "");
	assert_int_equal(clients_n_bad(clients), 0);
	assert_string_equal(clients_name(clients, 0xffffffff), "A");
	assert_string_equal(clients_name(clients, 1), "A");
	assert_string_equal(clients_name(clients, 0x01311d37), "B: c");
	assert_null(clients_name(clients, 2));
	assert_null(clients_name(clients, 0));
	assert_null(clients_name(NULL, 1));
	clients_close(clients);
	free(said);
}

// What is right is used, whatever stands beside it.
static void each_mistake_is_said_where_it_is(void **) {
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"clients:\n- name: A\n  grammars: [12]\n- name: B\n  grammars: [00000007]\n",
		 "postern: :3:14: a grammar is eight hexadecimal digits, as in session records\n"},
		{"clients:\n- name: A\n- name: B\n  grammars: [00000007]\n",
		 "postern: :2:3: a client needs a name of at most 64 bytes and a list of "
		 "grammars\n"},
		{"clients:\n- name: B\n  grammars: [00000007]\n  colour: red\n",
		 "postern: :4:3: colour: unknown key; known are name and grammars\n"},
	};
	char *said;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clients *clients = clients_of(cases[i].text, &said);
		assert_string_equal(said, cases[i].said);
		assert_int_equal(clients_n_bad(clients), 1);
		assert_string_equal(clients_name(clients, 7), "B");
		clients_close(clients);
		free(said);
	}
}

static void a_file_that_is_no_list_names_nobody(void **) {
	static const char *const texts[]
		= {"", "x", "- a", "clients: 1", "rules:\n- a\n", "clients:\n"};
	char *said;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct clients *clients = clients_of(texts[i], &said);
		assert_non_null(clients);
		assert_null(clients_name(clients, 7));
		clients_close(clients);
		free(said);
	}
	FILE *err = fopen("/dev/null", "w");
	assert_null(clients_open("/tmp/postern-there-is-no-such-file", err));
	fclose(err);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(software_is_named_by_its_grammars),
		cmocka_unit_test(each_mistake_is_said_where_it_is),
		cmocka_unit_test(a_file_that_is_no_list_names_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
