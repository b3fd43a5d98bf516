// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The control socket: what it answers to good and bad clients, and what it leaves behind.

#include "control.h"

#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_control_XXXXXX";
static char path[64];
static _Atomic int n_counted;

static int answer_count(void *context, FILE *out) {
	*(_Atomic int *)context += 1;
	fputs("{\"counted\":true}", out);
	return 0;
}

static int answer_refuse(void *, FILE *out) {
	fputs("rules/a.yaml:3: \"unclosed\" bracket", out);
	return -1;
}

static int answer_much(void *, FILE *out) {
	fputs("{\"x\":\"", out);
	for (int i = 0; i < 1 << 20; i++)
		fputc('x', out);
	fputs("\"}", out);
	return 0;
}

// Says that it has begun, and ends when the test lets it.
static sem_t has_begun, may_end;

static int answer_long(void *, FILE *out) {
	sem_post(&has_begun);
	sem_wait(&may_end);
	fputs("{\"long\":true}", out);
	return 0;
}

static const struct control_command commands[] = {
	{.name = "count", .answer = answer_count},
	{.name = "refuse", .answer = answer_refuse},
	{.name = "much", .answer = answer_much},
	{.name = "long", .answer = answer_long, .is_slow = true},
};

static struct control *begin(void) {
	char error[256];
	struct control *control = control_open(
		path,
		commands,
		sizeof(commands) / sizeof(commands[0]),
		&n_counted,
		error,
		sizeof(error)
	);

	if (!control)
		fail_msg("%s", error);
	return control;
}

// What control_ask() says and writes; text is freed by the next call.
static int ask(const char *command, char **text, char error[256]) {
	static char *answer;
	size_t size;
	FILE *out;
	int result;

	free(answer);
	answer = NULL;
	out = open_memstream(&answer, &size);
	error[0] = '\0';
	result = control_ask(path, command, out, error, 256);
	fclose(out);
	*text = answer;
	return result;
}

static int reach(void) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

// One line of the answer into text, terminated; false at the end.
static bool line_read(int fd, char *text, size_t size) {
	size_t used = 0;

	while (used + 1 < size && read(fd, text + used, 1) == 1)
		if (text[used++] == '\n')
			break;
	text[used] = '\0';
	return used > 0;
}

static void a_command_is_answered_with_one_line(void **) {
	struct control *control = begin();
	char *text, error[256];

	n_counted = 0;
	assert_int_equal(ask("count", &text, error), 0);
	assert_string_equal(text, "{\"counted\":true}\n");
	assert_int_equal(n_counted, 1);
	control_close(control);
}

static void what_fails_is_said_in_words(void **) {
	struct control *control = begin();
	char *text, error[256];

	assert_int_equal(ask("refuse", &text, error), -1);
	assert_string_equal(text, "{\"error\":\"rules/a.yaml:3: \\\"unclosed\\\" bracket\"}\n");
	assert_string_equal(error, "refuse was not done: see the answer");
	control_close(control);
}

static void an_unknown_command_is_told_which_there_are(void **) {
	struct control *control = begin();
	char *text, error[256];

	assert_int_equal(ask("restart\x1b[1m\"", &text, error), -1);
	assert_non_null(strstr(text, "unknown command; known are count refuse much long\"}"));
	assert_null(strchr(text, '\x1b'));
	control_close(control);
}

static void a_long_answer_comes_whole(void **) {
	struct control *control = begin();
	char *text, error[256];

	assert_int_equal(ask("much", &text, error), 0);
	assert_int_equal(strlen(text), (1 << 20) + 9);
	control_close(control);
}

static void say(int fd, const char *line) {
	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
}

static void others_are_answered_while_something_long_is_done(void **) {
	struct control *control = begin();
	char *text, error[256], line[64];
	int fd = reach();

	say(fd, "long\ncount\n");
	sem_wait(&has_begun);
	n_counted = 0;
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask("count", &text, error), 0);
	// Who waits is answered in order: his own has not been counted.
	assert_int_equal(n_counted, 100);
	sem_post(&may_end);
	assert_true(line_read(fd, line, sizeof(line)));
	assert_string_equal(line, "{\"long\":true}\n");
	assert_true(line_read(fd, line, sizeof(line)));
	assert_string_equal(line, "{\"counted\":true}\n");
	assert_int_equal(n_counted, 101);
	close(fd);
	control_close(control);
}

static void long_commands_wait_for_each_other_up_to_a_number(void **) {
	struct control *control = begin();
	int fds[CONTROL_WAITING_MAX];
	char *text, error[256], line[64];

	for (int i = 0; i < CONTROL_WAITING_MAX; i++) {
		fds[i] = reach();
		say(fds[i], "long\n");
		if (i == 0)
			sem_wait(&has_begun);
		// An answer to another means that this one has been read.
		assert_int_equal(ask("count", &text, error), 0);
	}
	assert_int_equal(ask("long", &text, error), -1);
	assert_non_null(strstr(text, "too many wait"));
	for (int i = 0; i < CONTROL_WAITING_MAX; i++) {
		if (i > 0)
			sem_wait(&has_begun);
		sem_post(&may_end);
		assert_true(line_read(fds[i], line, sizeof(line)));
		assert_string_equal(line, "{\"long\":true}\n");
		close(fds[i]);
	}
	control_close(control);
}

static void who_hangs_up_while_waiting_costs_nobody_anything(void **) {
	struct control *control = begin();
	char *text, error[256];
	int fd = reach();

	say(fd, "long\n");
	sem_wait(&has_begun);
	close(fd);
	assert_int_equal(ask("count", &text, error), 0);
	sem_post(&may_end);
	sem_post(&may_end);
	assert_int_equal(ask("long", &text, error), 0);
	sem_wait(&has_begun);
	assert_string_equal(text, "{\"long\":true}\n");
	control_close(control);
}

// More clients than places: those who wait keep theirs.
static void who_waits_is_not_sent_away(void **) {
	struct control *control = begin();
	int fd = reach(), others[2 * CONTROL_CLIENTS_MAX];
	char line[64];

	say(fd, "long\n");
	sem_wait(&has_begun);
	for (int i = 0; i < 2 * CONTROL_CLIENTS_MAX; i++) {
		others[i] = reach();
		say(others[i], "count\n");
		assert_true(line_read(others[i], line, sizeof(line)));
	}
	sem_post(&may_end);
	assert_true(line_read(fd, line, sizeof(line)));
	assert_string_equal(line, "{\"long\":true}\n");
	for (int i = 0; i < 2 * CONTROL_CLIENTS_MAX; i++)
		close(others[i]);
	close(fd);
	control_close(control);
}

static void the_end_waits_for_what_has_begun_and_answers_it(void **) {
	struct control *control = begin();
	int first = reach(), second = reach();
	char *text, error[256], line[64];

	say(first, "long\n");
	sem_wait(&has_begun);
	say(second, "long\n");
	assert_int_equal(ask("count", &text, error), 0);
	// The second may be begun or not before the end is seen: it may end, too.
	sem_post(&may_end);
	sem_post(&may_end);
	control_close(control);
	assert_true(line_read(first, line, sizeof(line)));
	assert_string_equal(line, "{\"long\":true}\n");
	close(first);
	close(second);
	while (sem_trywait(&may_end) == 0 || sem_trywait(&has_begun) == 0)
		;
}

static void nobody_listening_is_said(void **) {
	char *text, error[256];

	assert_int_equal(ask("count", &text, error), -1);
	assert_non_null(strstr(error, "nobody answers there"));
}

static void commands_may_come_in_pieces_and_together(void **) {
	struct control *control = begin();
	const char *words = "count\r\ncount\nnone\ncount\n";
	char line[256];
	int fd = reach();

	n_counted = 0;
	for (const char *p = words; *p; p++)
		assert_int_equal(write(fd, p, 1), 1);
	for (int i = 0; i < 4; i++)
		assert_true(line_read(fd, line, sizeof(line)));
	assert_string_equal(line, "{\"counted\":true}\n");
	assert_int_equal(write(fd, words, strlen(words)), strlen(words));
	for (int i = 0; i < 4; i++)
		assert_true(line_read(fd, line, sizeof(line)));
	assert_int_equal(n_counted, 6);
	close(fd);
	control_close(control);
}

// At the limit a line is read; one byte more and the client is sent away.
static void a_line_has_a_limit(void **) {
	struct control *control = begin();
	char line[CONTROL_LINE_MAX + 2];
	int fd;

	for (int size = CONTROL_LINE_MAX - 1; size <= CONTROL_LINE_MAX + 1; size++) {
		bool fits = size <= CONTROL_LINE_MAX;

		fd = reach();
		memset(line, 'x', sizeof(line));
		line[size - 1] = '\n';
		assert_int_equal(write(fd, line, (size_t)size), size);
		assert_int_equal(line_read(fd, line, sizeof(line)), fits);
		close(fd);
	}
	control_close(control);
}

static void a_silent_client_makes_room_for_others(void **) {
	struct control *control = begin();
	int fds[CONTROL_CLIENTS_MAX + 1];
	char line[64];

	// Each is heard of, so that it is known to have been accepted, in this order.
	for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
		fds[i] = reach();
		assert_int_equal(write(fds[i], "count\n", 6), 6);
		assert_true(line_read(fds[i], line, sizeof(line)));
	}
	assert_false(line_read(fds[0], line, sizeof(line))); // closed
	for (int i = 1; i <= CONTROL_CLIENTS_MAX; i++) {
		assert_int_equal(write(fds[i], "count\n", 6), 6);
		assert_true(line_read(fds[i], line, sizeof(line)));
	}
	for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
	control_close(control);
}

static void a_client_that_does_not_read_is_left(void **) {
	struct control *control = begin();
	char *text, error[256];
	int fd = reach();

	assert_int_equal(write(fd, "much\nmuch\n", 10), 10);
	assert_int_equal(ask("count", &text, error), 0);
	close(fd);
	control_close(control);
}

static void only_its_owner_may_talk_to_it(void **) {
	struct control *control = begin();
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(control_give(control, geteuid(), getegid()), 0);
	control_close(control);
	assert_int_equal(stat(path, &st), -1);
}

static void what_a_crash_left_is_replaced_and_nothing_else(void **) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct control *control;
	char error[256];
	FILE *file;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd); // the name stays
	control = begin();
	assert_null(control_open(path, commands, 1, NULL, error, sizeof(error)));
	assert_int_equal(errno, EADDRINUSE);
	assert_non_null(strstr(error, "another postern answers there"));
	control_close(control);

	file = fopen(path, "w");
	fclose(file);
	assert_null(control_open(path, commands, 1, NULL, error, sizeof(error)));
	assert_non_null(strstr(error, "no socket"));
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
}

static void a_name_that_is_too_long_or_nowhere_is_said(void **) {
	char error[512], name[200];

	memset(name, 'a', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_null(control_open(name, commands, 1, NULL, error, sizeof(error)));
	assert_non_null(strstr(error, "choose a shorter path"));
	assert_null(control_open("/no/such/folder/s", commands, 1, NULL, error, sizeof(error)));
	assert_non_null(strstr(error, "No such file"));
}

static int folder_make(void **) {
	sem_init(&has_begun, 0, 0);
	sem_init(&may_end, 0, 0);
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/control", folder);
	return 0;
}

static int folder_remove(void **) {
	return rmdir(folder);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_answered_with_one_line),
		cmocka_unit_test(what_fails_is_said_in_words),
		cmocka_unit_test(an_unknown_command_is_told_which_there_are),
		cmocka_unit_test(a_long_answer_comes_whole),
		cmocka_unit_test(others_are_answered_while_something_long_is_done),
		cmocka_unit_test(long_commands_wait_for_each_other_up_to_a_number),
		cmocka_unit_test(who_hangs_up_while_waiting_costs_nobody_anything),
		cmocka_unit_test(who_waits_is_not_sent_away),
		cmocka_unit_test(the_end_waits_for_what_has_begun_and_answers_it),
		cmocka_unit_test(nobody_listening_is_said),
		cmocka_unit_test(commands_may_come_in_pieces_and_together),
		cmocka_unit_test(a_line_has_a_limit),
		cmocka_unit_test(a_silent_client_makes_room_for_others),
		cmocka_unit_test(a_client_that_does_not_read_is_left),
		cmocka_unit_test(only_its_owner_may_talk_to_it),
		cmocka_unit_test(what_a_crash_left_is_replaced_and_nothing_else),
		cmocka_unit_test(a_name_that_is_too_long_or_nowhere_is_said),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
