// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "data_path.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The folder the program lies in, without the last slash. false: not known.
static bool program_folder(char folder[PATH_MAX]) {
	ssize_t size = readlink("/proc/self/exe", folder, PATH_MAX - 1);

	if (size < 0)
		return false;
	folder[size] = '\0';
	*strrchr(folder, '/') = '\0';
	return true;
}

static bool is_there(char path[PATH_MAX], const char *folder, const char *rules, const char *name) {
	return snprintf(path, PATH_MAX, "%s/%s%s%s", folder, rules, name[0] ? "/" : "", name)
		< PATH_MAX
		&& access(path, R_OK) == 0;
}

bool data_path(char path[PATH_MAX], const char *name) {
	char program[PATH_MAX];

	if (program_folder(program)
	    && (is_there(path, program, "../share/postern/rules", name)
		|| is_there(path, program, "../rules", name)))
		return true;
	return is_there(path, POSTERN_DATA, "rules", name);
}
