// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "installed.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool installed_find(const char *name, char path[PATH_MAX]) {
	static const char *const places[] = {"../share/postern/rules", "../rules"};
	char program[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (size < 0)
		return false;
	program[size] = '\0';
	*strrchr(program, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int written = snprintf(path, PATH_MAX, "%s/%s/%s", program, places[i], name);
		if (written < PATH_MAX && access(path, R_OK) == 0)
			return true;
	}
	return false;
}
