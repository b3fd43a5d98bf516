// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/postern-sink-XXXXXX";
static char path[64];

static int make_folder(void **state) {
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/out", folder);
	return 0;
}

static int remove_folder(void **state) {
	unlink(path);
	return rmdir(folder);
}

static struct sink *opened(const char *where) {
	char error[256] = "";
	struct sink *sink = sink_open(where, SINK_ANEW, error, sizeof(error));

	assert_string_equal(error, "");
	assert_non_null(sink);
	return sink;
}

static void write_numbered(struct sink *sink, int first, int n) {
	char line[32];

	for (int i = first; i < first + n; i++)
		sink_write(sink, line, (size_t)snprintf(line, sizeof(line), "{\"line\":%d}", i));
}

// Reads to the end and counts lines; each must be whole and one of write_numbered's, ascending.
static int read_lines(FILE *file) {
	char line[64];
	int n = 0, number, last = -1, end;

	while (fgets(line, sizeof(line), file)) {
		end = 0;
		assert_int_equal(sscanf(line, "{\"line\":%d}%n", &number, &end), 1);
		assert_string_equal(line + end, "\n");
		assert_true(number > last);
		last = number;
		n++;
	}
	return n;
}

static int lines_in_file(void) {
	FILE *file = fopen(path, "r");
	int n;

	assert_non_null(file);
	n = read_lines(file);
	fclose(file);
	return n;
}

static void a_run_writes_its_lines_and_only_those(void **state) {
	for (int run = 0; run < 2; run++) {
		struct sink *sink = opened(path);
		write_numbered(sink, 0, 50000); // more than a buffer
		assert_int_equal(sink_n_lines(sink), 50000);
		sink_flush(sink);
		assert_null(sink_error(sink));
		sink_close(sink);
		assert_int_equal(lines_in_file(), 50000);
	}
}

static void nowhere_takes_everything(void **state) {
	struct sink *sink = opened(NULL);

	write_numbered(sink, 0, 50000);
	sink_flush(sink);
	assert_null(sink_error(sink));
	assert_int_equal(sink_n_lines(sink), 50000);
	assert_int_equal(sink_n_lost(sink), 0);
	sink_close(sink);
	sink_close(NULL);
}

static void what_cannot_be_opened_is_named_with_advice(void **state) {
	char error[256], expected[256], deep[128];

	snprintf(deep, sizeof(deep), "%s/none/out", folder);
	assert_null(sink_open(deep, SINK_ANEW, error, sizeof(error)));
	snprintf(
		expected,
		sizeof(expected),
		"%s: No such file or directory: make the folder first",
		deep
	);
	assert_string_equal(error, expected);

	assert_null(sink_open(folder, SINK_ANEW, error, sizeof(error)));
	snprintf(expected, sizeof(expected), "%s: Is a directory: name a file in it", folder);
	assert_string_equal(error, expected);
}

static void r4_a_full_device_is_an_error_with_its_losses(void **state) {
	struct sink *sink = opened("/dev/full");

	write_numbered(sink, 0, 1);
	sink_flush(sink);
	assert_string_equal(
		sink_error(sink),
		"/dev/full: No space left on device: 1 line lost; free space or write elsewhere"
	);
	write_numbered(sink, 1, 2);
	sink_flush(sink);
	assert_string_equal(
		sink_error(sink),
		"/dev/full: No space left on device: 3 lines lost; free space or write elsewhere"
	);
	assert_int_equal(sink_n_lines(sink), 0);
	assert_int_equal(sink_n_lost(sink), 3);
	assert_false(sink_is_broken_pipe(sink));
	sink_close(sink);
}

// r4: a limit on the file's size stands in for a disk that fills in the middle of a line, at each byte of it.
static void r4_a_disk_that_fills_keeps_whole_lines_and_may_be_freed(void **state) {
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	for (rlim_t size = 0; size <= 24; size++) {
		struct sink *sink = opened(path);
		int n_kept = (int)(size / 11);

		assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){size, RLIM_INFINITY}), 0);
		write_numbered(sink, 0, 4); // of 11 bytes each
		sink_flush(sink);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
		assert_int_equal(lines_in_file(), n_kept);
		assert_int_equal(sink_n_lines(sink), n_kept);
		assert_int_equal(sink_n_lost(sink), 4 - n_kept);
		assert_non_null(strstr(sink_error(sink), "File too large"));

		write_numbered(sink, 4, 3);
		sink_close(sink);
		assert_int_equal(lines_in_file(), n_kept + 3);
	}
}

static char *rotated(int number) {
	static char paths[4][80];
	char *to = paths[number % 4];

	snprintf(to, sizeof(paths[0]), "%s.%d", path, number);
	return to;
}

static int lines_in(const char *name) {
	FILE *file = fopen(name, "r");
	int n = file ? read_lines(file) : 0;

	if (file)
		fclose(file);
	return n;
}

// r2, r3: several sinks, their files moved away at any moment, many times in what may be one second, each
// under a name of its own: every line is in one file, whole, in order, and every sink goes on in the new one.
static void r2_r3_rotation_loses_no_line_of_any_writer(void **state) {
	enum { WRITERS = 3, ROTATIONS = 50 };
	struct sink *sinks[WRITERS];
	char names[WRITERS][80], moved[300];
	int n_written[WRITERS] = {0}, n_read[WRITERS] = {0};

	for (int w = 0; w < WRITERS; w++) {
		snprintf(names[w], sizeof(names[w]), "%s-%d", path, w);
		sinks[w] = opened(names[w]);
	}
	for (int i = 0; i < ROTATIONS; i++)
		for (int w = 0; w < WRITERS; w++) {
			int n = (i * 7 + w * 13) % 11 * (i % 5 == w ? 3000 : 1);
			write_numbered(sinks[w], n_written[w], n);
			n_written[w] += n;
			if ((i + w) % 3)
				sink_flush(sinks[w]);
			snprintf(moved, sizeof(moved), "%s.%d", names[w], i);
			rename(names[w], moved); // there is none where nothing was written
		}
	for (int w = 0; w < WRITERS; w++) {
		sink_flush(sinks[w]);
		assert_null(sink_error(sinks[w]));
		assert_null(sink_notice(sinks[w]));
		assert_int_equal(sink_n_lost(sinks[w]), 0);
		sink_close(sinks[w]);
		for (int i = 0; i <= ROTATIONS; i++) {
			snprintf(moved, sizeof(moved), "%s.%d", names[w], i);
			n_read[w] += lines_in(i < ROTATIONS ? moved : names[w]);
			unlink(i < ROTATIONS ? moved : names[w]);
		}
		assert_int_equal(n_read[w], n_written[w]);
	}
}

// r3: two sinks of one file do not write over each other, and who opens it again to append goes on behind
// them; half a line that a killed writer left is no line.
static void r3_writers_of_one_file_keep_out_of_each_others_way(void **state) {
	char error[256];
	struct sink *a = opened(path), *b = sink_open(path, SINK_APPEND, error, sizeof(error));
	struct sink *c;
	FILE *file;

	assert_non_null(b);
	for (int i = 0; i < 20; i++) {
		write_numbered(i % 2 ? a : b, 10 * i, 10);
		sink_flush(i % 2 ? a : b);
	}
	sink_close(a);
	sink_close(b);
	assert_int_equal(lines_in(path), 200);
	file = fopen(path, "a");
	fputs("{\"line\":20", file);
	for (int i = 0; i < 10000; i++)
		fputs(" ", file);
	fclose(file);
	c = sink_open(path, SINK_APPEND, error, sizeof(error));
	assert_non_null(c);
	write_numbered(c, 200, 5);
	sink_close(c);
	assert_int_equal(lines_in(path), 205);
}

// r1: the name is taken by what cannot be opened: the old file goes on, it is said, and when the way is free
// the new one is there.
static void r1_when_the_new_file_cannot_be_opened_the_old_one_goes_on(void **state) {
	struct sink *sink = opened(path);

	write_numbered(sink, 0, 3);
	sink_flush(sink);
	rename(path, rotated(0));
	assert_int_equal(mkdir(path, 0700), 0); // nobody, not even root, opens a folder to write
	write_numbered(sink, 3, 4);
	sink_flush(sink);
	assert_non_null(strstr(sink_notice(sink), "Is a directory: the file was moved"));
	assert_null(sink_error(sink));
	assert_int_equal(lines_in(rotated(0)), 7);
	assert_int_equal(rmdir(path), 0);
	write_numbered(sink, 7, 2);
	sink_flush(sink);
	assert_null(sink_notice(sink));
	assert_int_equal(lines_in(path), 2);
	assert_int_equal(lines_in(rotated(0)), 7);
	assert_int_equal(sink_n_lost(sink), 0);
	sink_close(sink);
	unlink(rotated(0));
}

// r4: the whole folder is deleted: what is written then is nowhere, and counted; when it is there again, it is
// used.
static void r4_a_deleted_folder_is_a_counted_loss(void **state) {
	char deep[80], file[100], error[256];
	struct sink *sink;

	snprintf(deep, sizeof(deep), "%s/deep", folder);
	snprintf(file, sizeof(file), "%s/out", deep);
	assert_int_equal(mkdir(deep, 0700), 0);
	sink = sink_open(file, SINK_APPEND, error, sizeof(error));
	assert_non_null(sink);
	write_numbered(sink, 0, 3);
	sink_flush(sink);
	unlink(file);
	assert_int_equal(rmdir(deep), 0);
	write_numbered(sink, 3, 4);
	sink_flush(sink);
	assert_true(sink_is_failing(sink));
	assert_int_equal(sink_n_lost(sink), 4);
	assert_non_null(strstr(sink_error(sink), "No such file or directory: 4 lines lost"));
	assert_int_equal(mkdir(deep, 0700), 0);
	write_numbered(sink, 7, 2);
	sink_flush(sink);
	assert_false(sink_is_failing(sink));
	assert_int_equal(sink_n_lost(sink), 4);
	assert_int_equal(lines_in(file), 2);
	sink_close(sink);
	unlink(file);
	rmdir(deep);
}

// r4: no more files may be opened when the file was moved away: as in r1.
static void r4_without_a_free_descriptor_the_old_file_goes_on(void **state) {
	struct sink *sink = opened(path);
	struct rlimit before, none;

	write_numbered(sink, 0, 3);
	sink_flush(sink);
	rename(path, rotated(0));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){3, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	write_numbered(sink, 3, 4);
	sink_flush(sink);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_non_null(strstr(sink_notice(sink), "Too many open files: the file was moved"));
	write_numbered(sink, 7, 2);
	sink_close(sink);
	assert_int_equal(lines_in(rotated(0)), 7);
	assert_int_equal(lines_in(path), 2);
	unlink(rotated(0));
	unlink(path);
}

// ---- Kills in mid-rotation

struct written {
	int n_begun, n_done; // lines: given to a sink; on their way for certain
	int n_rotated;
};

// A life that rotates its own file between lines, as somebody else would.
static void write_and_rotate(struct written *written, int n) {
	char error[256];
	struct sink *sink = sink_open(path, SINK_APPEND, error, sizeof(error));

	for (int i = 0; sink && i < n; i++) {
		write_numbered(sink, written->n_begun++, 1);
		sink_flush(sink);
		written->n_done = written->n_begun;
		if (i % 2)
			rename(path, rotated(written->n_rotated++));
	}
	_exit(sink ? 0 : 1);
}

// Lets a life run up to its n-th halt at a system call, before it or after it, and kills it there. False: it
// ended by itself, or had not so many.
static bool killed_at_call(struct written *written, int n) {
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		write_and_rotate(written, 5);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	for (; n > 0 && WIFSTOPPED(status); n--) {
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
		waitpid(child, &status, 0);
	}
	if (!WIFSTOPPED(status))
		return false;
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return true;
}

static bool can_trace(void) {
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0);
	waitpid(child, &status, 0);
	return status == 0;
}

// Which of the lines are there, each once and whole.
static int lines_found(struct written *written, bool *is_there) {
	int n = 0, number;
	char line[64];

	for (int i = 0; i <= written->n_rotated; i++) {
		FILE *file = fopen(i < written->n_rotated ? rotated(i) : path, "r");
		while (file && fgets(line, sizeof(line), file)) {
			assert_int_equal(sscanf(line, "{\"line\":%d}", &number), 1);
			assert_true(strchr(line, '\n') && number < written->n_begun);
			assert_false(is_there[number]);
			is_there[number] = true;
			n++;
		}
		if (file)
			fclose(file);
		unlink(i < written->n_rotated ? rotated(i) : path);
	}
	return n;
}

// A kill before and after every system call of a writer whose file is rotated, and another life after it: what
// was written before the kill is there, in the files that were moved away or in the new one, whole and once.
static void r2_r3_a_kill_in_mid_rotation_loses_nothing_that_was_written(void **state) {
	enum { LINES = 16 };
	struct written *written = mmap(
		NULL, sizeof(*written), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0
	);
	int n_points = 0, status;
	bool goes_on = true;

	if (!can_trace()) {
		print_message("  left out: this system lets no process trace another\n");
		skip();
	}
	for (; goes_on; n_points++) {
		bool is_there[LINES] = {false};
		memset(written, 0, sizeof(*written));
		goes_on = killed_at_call(written, n_points + 1);
		int n_done = written->n_done;
		pid_t child = fork();
		if (child == 0)
			write_and_rotate(written, 3);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		lines_found(written, is_there);
		// What the kill fell into may be there or not.
		for (int i = 0; i < written->n_begun; i++)
			assert_true(is_there[i] || (goes_on && i == n_done));
	}
	print_message("  %d points\n", n_points);
	assert_true(n_points > 40);
	munmap(written, sizeof(*written));
}

// Standard output of this process becomes fd while a sink on "-" is at work.
static int stdout_swap(int fd) {
	int saved = dup(STDOUT_FILENO);

	fflush(stdout);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	return saved;
}

static void stdout_restore(int saved) {
	dup2(saved, STDOUT_FILENO);
	close(saved);
}

static void a_reader_that_has_gone_is_told_from_other_faults(void **state) {
	struct sink *sink = opened("-");
	int ends[2], saved;

	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	saved = stdout_swap(ends[1]);
	close(ends[1]);
	write_numbered(sink, 0, 2);
	sink_flush(sink);
	write_numbered(sink, 2, 1);
	sink_flush(sink);
	stdout_restore(saved);
	assert_true(sink_is_broken_pipe(sink));
	assert_int_equal(sink_n_lost(sink), 3);
	assert_string_equal(
		sink_error(sink), "standard output: Broken pipe: 3 lines lost; its reader has gone"
	);
	sink_close(sink);
}

static void a_named_pipe_knows_when_its_reader_goes(void **state) {
	struct sink *sink;
	int fd;

	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	sink = opened(path);
	write_numbered(sink, 0, 2);
	sink_flush(sink);
	assert_null(sink_error(sink));
	close(fd);
	write_numbered(sink, 2, 3);
	sink_flush(sink);
	assert_true(sink_is_broken_pipe(sink));
	assert_int_equal(sink_n_lost(sink), 3);
	sink_close(sink);
	unlink(path);
}

static void do_nothing(int signal) {}

// A pipe that takes little at a time, without waiting, while signals come in: nothing is lost.
static void slow_readers_short_writes_and_signals_lose_nothing(void **state) {
	for (int is_nonblocking = 0; is_nonblocking < 2; is_nonblocking++) {
		const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
		struct sink *sink = opened("-");
		int ends[2], saved, status;
		pid_t child;

		assert_int_equal(pipe(ends), 0);
		child = fork();
		if (child == 0) {
			FILE *file = fdopen(ends[0], "r");
			close(ends[1]);
			setvbuf(file, NULL, _IOFBF, 4096);
			_exit(read_lines(file) == 100000 ? 0 : 1);
		}
		close(ends[0]);
		if (is_nonblocking)
			fcntl(ends[1], F_SETFL, O_NONBLOCK);
		sigaction(SIGALRM, &(struct sigaction){.sa_handler = do_nothing}, NULL);
		setitimer(ITIMER_REAL, &often, NULL);
		saved = stdout_swap(ends[1]);
		close(ends[1]);
		write_numbered(sink, 0, 100000);
		sink_flush(sink);
		stdout_restore(saved);
		setitimer(ITIMER_REAL, &never, NULL);
		assert_null(sink_error(sink));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		sink_close(sink);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_writes_its_lines_and_only_those),
		cmocka_unit_test(nowhere_takes_everything),
		cmocka_unit_test(what_cannot_be_opened_is_named_with_advice),
		cmocka_unit_test(r4_a_full_device_is_an_error_with_its_losses),
		cmocka_unit_test(r4_a_disk_that_fills_keeps_whole_lines_and_may_be_freed),
		cmocka_unit_test(r1_when_the_new_file_cannot_be_opened_the_old_one_goes_on),
		cmocka_unit_test(r2_r3_rotation_loses_no_line_of_any_writer),
		cmocka_unit_test(r3_writers_of_one_file_keep_out_of_each_others_way),
		cmocka_unit_test(r4_a_deleted_folder_is_a_counted_loss),
		cmocka_unit_test(r4_without_a_free_descriptor_the_old_file_goes_on),
		cmocka_unit_test(r2_r3_a_kill_in_mid_rotation_loses_nothing_that_was_written),
		cmocka_unit_test(a_reader_that_has_gone_is_told_from_other_faults),
		cmocka_unit_test(a_named_pipe_knows_when_its_reader_goes),
		cmocka_unit_test(slow_readers_short_writes_and_signals_lose_nothing),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
