// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is given up is gone, on all threads, and what is needed still works. Each case in a process of its
// own: there is no way back. Becoming somebody else needs root; without, that case says so.

#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// A check in the child: its line is the exit status.
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr,                                                            \
				"line %d: %s (%s)\n",                                              \
				__LINE__,                                                          \
				#condition,                                                        \
				strerror(errno));                                                  \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static int status_of(void (*child)(void)) {
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		child();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

// ---- Another thread, begun before

static int go[2];
static uid_t seen_uid;
static int seen_socket;

static void *look(void *) {
	char byte;

	MUST(read(go[0], &byte, 1) == 1);
	seen_uid = geteuid();
	seen_socket = socket(AF_INET, SOCK_DGRAM, 0) < 0 ? errno : 0;
	return NULL;
}

static void *nothing(void *) {
	return NULL;
}

static pthread_t thread_begin(void) {
	pthread_t thread;

	MUST(pipe(go) == 0);
	MUST(pthread_create(&thread, NULL, look, NULL) == 0);
	return thread;
}

static void thread_end(pthread_t thread) {
	MUST(write(go[1], "x", 1) == 1);
	MUST(pthread_join(thread, NULL) == 0);
}

// ---- Cases

static void becomes_nobody(void) {
	struct confine_user user;
	char error[256];
	pthread_t thread = thread_begin();

	MUST(confine_find("nobody", &user, error, sizeof(error)) == 0);
	MUST(user.is_needed && user.uid != 0);
	MUST(confine_become(&user, error, sizeof(error)) == 0);
	thread_end(thread);
	MUST(seen_uid == user.uid);
	MUST(getuid() == user.uid && getegid() == user.gid && getgroups(0, NULL) == 0);
	MUST(setuid(0) < 0 && setgid(0) < 0);
	MUST(socket(AF_PACKET, SOCK_RAW, 0) < 0);
	MUST(open("/etc/shadow", O_RDONLY) < 0);
}

static void makes_harmless_calls_only(void) {
	static const char path[] = "/dev/null";
	char error[256], byte = 0;
	pthread_t thread = thread_begin(), later;
	int fd, result = confine_calls(error, sizeof(error));

	if (result == 0)
		_exit(77);
	MUST(result == 1);
	thread_end(thread);
	MUST(seen_socket == EPERM);
	// What a sensor does.
	fd = open(path, O_RDWR);
	MUST(fd >= 0 && write(fd, &byte, 1) == 1 && close(fd) == 0);
	MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
	     != MAP_FAILED);
	MUST(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	MUST(pthread_create(&later, NULL, nothing, NULL) == 0);
	MUST(pthread_join(later, NULL) == 0);
	MUST(usleep(1) == 0);
	MUST(kill(getpid(), 0) == 0);
	// What an intruder would.
	MUST(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
	MUST(socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EPERM);
	MUST(execl("/bin/true", "true", NULL) < 0 && errno == EPERM);
	MUST(fork() < 0 && errno == EPERM);
	MUST(ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 && errno == EPERM);
	MUST(syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EPERM);
	MUST(syscall(SYS_mount, 0, 0, 0, 0, 0) < 0 && errno == EPERM);
	MUST(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
	     == MAP_FAILED);
	MUST(errno == EPERM);
	MUST(kill(getppid(), 0) < 0 && errno == EPERM);
	MUST(chmod(path, 0666) < 0 && errno == EPERM);
}

static void a_user_that_is_none_is_said(void **) {
	struct confine_user user;
	char error[256];

	assert_int_equal(confine_find("no-such-user", &user, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "no such user"));
}

static void root_is_gone_on_all_threads(void **) {
	int status;

	if (geteuid() != 0) {
		print_message("not root: there is nothing to give up\n");
		skip();
	}
	status = status_of(becomes_nobody);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void system_calls_are_refused_and_the_program_goes_on(void **) {
	int status = status_of(makes_harmless_calls_only);

	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("built without libseccomp\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_that_is_none_is_said),
		cmocka_unit_test(root_is_gone_on_all_threads),
		cmocka_unit_test(system_calls_are_refused_and_the_program_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
