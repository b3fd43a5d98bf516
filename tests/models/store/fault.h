// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The system calls by which LMDB writes, ours in place of libc's: they can end the process, fail, or be
// written down, at the n-th call. Only files of a directory under test are counted.

#pragma once

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum fault_call {
	FAULT_PWRITE, // single pages, and the meta page at the end of a commit
	FAULT_WRITEV, // runs of pages
	FAULT_SYNC, // fdatasync
	FAULT_CALLS,
};

static struct {
	bool is_on;
	uint64_t n; // calls so far
	uint64_t n_of[FAULT_CALLS];
	uint64_t kill_before, kill_after; // the how manieth call; 0: none
	int error; // of calls from fail_from on, fail_n times; 0: none
	uint64_t fail_from, fail_n;
	bool skips_sync; // for tests that no disk is needed for
	// Sees each write that is done, and each sync.
	void (*wrote)(off_t at, const void *data, size_t size);
	void (*synced)(void);
} fault;

static inline void fault_die(void) {
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

// True when the call shall fail.
static inline bool fault_enter(enum fault_call call) {
	if (!fault.is_on)
		return false;
	fault.n++;
	fault.n_of[call]++;
	if (fault.n == fault.kill_before)
		fault_die();
	return fault.error && fault.n >= fault.fail_from
		&& fault.n < fault.fail_from + fault.fail_n;
}

static inline void fault_leave(void) {
	if (fault.is_on && fault.n == fault.kill_after)
		fault_die();
}

// By its name in the library: with 64-bit offsets asked for, pwrite in C is pwrite64 there.
ssize_t fault_pwrite(int fd, const void *data, size_t size, off_t at) __asm__("pwrite");

ssize_t fault_pwrite(int fd, const void *data, size_t size, off_t at) {
	if (fault_enter(FAULT_PWRITE)) {
		errno = fault.error;
		return -1;
	}
	ssize_t n = syscall(SYS_pwrite64, fd, data, size, at);
	if (fault.is_on && fault.wrote && n > 0)
		fault.wrote(at, data, (size_t)n);
	fault_leave();
	return n;
}

ssize_t writev(int fd, const struct iovec *iov, int n_iov) {
	if (fault_enter(FAULT_WRITEV)) {
		errno = fault.error;
		return -1;
	}
	off_t at = lseek(fd, 0, SEEK_CUR);
	ssize_t n = syscall(SYS_writev, fd, iov, n_iov);
	for (int i = 0; fault.is_on && fault.wrote && n > 0 && i < n_iov; i++) {
		fault.wrote(at, iov[i].iov_base, iov[i].iov_len);
		at += (off_t)iov[i].iov_len;
	}
	fault_leave();
	return n;
}

int fdatasync(int fd) {
	if (fault_enter(FAULT_SYNC)) {
		errno = fault.error;
		return -1;
	}
	int rc = fault.is_on && fault.skips_sync ? 0 : (int)syscall(SYS_fdatasync, fd);
	if (fault.is_on && fault.synced)
		fault.synced();
	fault_leave();
	return rc;
}
