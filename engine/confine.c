// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

static int failed(const char *what, char *error, int size) {
	snprintf(error, (size_t)size, "%s: %s", what, strerror(errno));
	return -1;
}

// ---- Who

int confine_find(const char *name, struct confine_user *user, char *error, int size) {
	const struct passwd *entry;

	*user = (struct confine_user){.is_needed = geteuid() == 0};
	entry = getpwnam(name ? name : "postern");
	if (!entry && !name)
		entry = getpwnam("nobody");
	if (!entry) {
		snprintf(
			error,
			(size_t)size,
			"--user %s: no such user: adduser --system %s makes one",
			name ? name : "nobody",
			name ? name : "postern"
		);
		return -1;
	}
	user->uid = entry->pw_uid;
	user->gid = entry->pw_gid;
	snprintf(user->name, sizeof(user->name), "%s", entry->pw_name);
	if (user->is_needed || !name || user->uid == geteuid())
		return 0;
	snprintf(error, (size_t)size, "--user %s: only root can become somebody else", name);
	return -1;
}

static bool has_capabilities(void) {
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return true;
	return data[0].effective || data[0].permitted || data[1].effective || data[1].permitted;
}

// The library's calls change all threads, and with root's id the kernel takes the capabilities away.
int confine_become(const struct confine_user *user, char *error, int size) {
	if (!user->is_needed)
		return 0;
	if (user->uid == 0)
		return 0; // asked for by name
	if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0
	    || setresuid(user->uid, user->uid, user->uid) < 0)
		return failed("cannot give up root", error, size);
	// What could not be undone is not believed, but tried.
	if (setresuid(-1, 0, -1) == 0 || geteuid() == 0 || has_capabilities()) {
		errno = EPERM;
		return failed("root was not given up", error, size);
	}
#ifdef SANITIZED
	prctl(PR_SET_DUMPABLE, 1); // its leak check attaches to the threads
#endif
	return 0;
}

// ---- System calls

#ifdef HAVE_SECCOMP

#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

struct call {
	const char *name;
	int argument; // −1: any
	uint64_t mask, value;
};

static int call_allow(scmp_filter_ctx filter, const struct call *call) {
	int number = seccomp_syscall_resolve_name(call->name);
	struct scmp_arg_cmp test;

	if (number == __NR_SCMP_ERROR)
		return 0; // not of this architecture
	if (call->argument < 0)
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	test = (struct scmp_arg_cmp){
		.arg = (unsigned)call->argument,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = call->mask,
		.datum_b = call->value,
	};
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &test);
}

static int filter_fill(scmp_filter_ctx filter) {
	const struct call calls[] = {
#define CALL(name) {#name, -1, 0, 0},
#define CALL_IF(name, argument, mask, value) {#name, argument, mask, (uint64_t)(value)},
#include "confine_calls.def"
#ifdef SANITIZED
		CALL(ptrace) CALL(clone) CALL(wait4) CALL(process_vm_readv) CALL(prctl) CALL(kill)
#endif
#undef CALL
#undef CALL_IF
	};
	int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	// A refused clone3 of this kind makes the library take clone, whose flags can be looked at.
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && result == 0; i++)
		result = call_allow(filter, &calls[i]);
	return result;
}

int confine_calls(char *error, int size) {
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int result = filter ? filter_fill(filter) : -ENOMEM;

	if (result == 0)
		result = seccomp_load(filter);
	seccomp_release(filter);
	if (result == 0)
		return 1;
	errno = -result;
	return failed("cannot confine system calls", error, size);
}

#else

int confine_calls(char *, int) {
	return 0;
}

#endif
