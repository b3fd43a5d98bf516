// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// count_calls COMMAND...: runs it and prints, when it has ended, how many system calls its first thread
// made, as one line on standard error: "system_calls N". The command's exit status is its own.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int trace(pid_t child) {
	unsigned long long n_stops = 0;
	int status;
	pid_t pid;

	waitpid(child, &status, 0);
	ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, child, 0, 0);
	while ((pid = waitpid(child, &status, 0)) == child && WIFSTOPPED(status)) {
		int sig = WSTOPSIG(status);

		n_stops += sig == (SIGTRAP | 0x80);
		ptrace(PTRACE_SYSCALL, child, 0, sig == (SIGTRAP | 0x80) || sig == SIGTRAP ? 0 : sig
		);
	}
	fprintf(stderr, "system_calls %llu\n", n_stops / 2);
	return pid == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
	pid_t child;

	if (argc < 2) {
		fprintf(stderr, "usage: count_calls COMMAND...\n");
		return 2;
	}
	child = fork();
	if (child < 0) {
		perror("count_calls");
		return 1;
	}
	if (child > 0)
		return trace(child);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0) {
		perror("count_calls: ptrace");
		return 77;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
