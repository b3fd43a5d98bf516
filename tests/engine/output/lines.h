// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Lines written in tests are held against the project's schemas, and against ECS where the checker is
// there (../shared, seen from the project's root, which is where tests run).

#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// The file that collects a test program's lines; removed when it is checked.
static inline FILE *lines_open(char path[64]) {
	int fd;

	snprintf(path, 64, "/tmp/postern-lines-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

// Closes it. Returns 0 when all lines are valid; what is wrong is on standard output.
static inline int lines_check(FILE *file, const char *path, int is_ecs) {
	static const char ecs_check[] = "../shared/accept/ecs_check.py";
	char command[256];
	int rc;

	if (fclose(file))
		return -1;
	snprintf(command, sizeof(command), "tests/schema_check.py %s", path);
	rc = system(command);
	if (is_ecs && access(ecs_check, R_OK) == 0) {
		snprintf(command, sizeof(command), "python3 %s %s", ecs_check, path);
		rc |= system(command);
	} else if (is_ecs) {
		printf("%s is not there: lines are not held against ECS\n", ecs_check);
	}
	unlink(path);
	return rc;
}
