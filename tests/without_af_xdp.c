// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// without_af_xdp PROGRAM ARGUMENT...: runs it as on a kernel that was built without AF_XDP.

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int, char **argv) {
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct scmp_arg_cmp is_xdp = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_XDP};

	if (!filter
	    || seccomp_rule_add_array(
		       filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, &is_xdp
	       ) < 0
	    || seccomp_load(filter) < 0) {
		fputs("without_af_xdp: no filter\n", stderr);
		return 125;
	}
	seccomp_release(filter);
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 125;
}
