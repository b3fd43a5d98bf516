// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Reads the tables of tests/data/reference. Tests run in the top directory of the sources.

#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFERENCE_COLUMNS_MAX = 20 };

// One line cut into its columns in place; quotes around a column go. Returns how many there are.
static inline int reference_columns(char *line, char *columns[REFERENCE_COLUMNS_MAX]) {
	int n = 0;
	char *p = line;

	line[strcspn(line, "\r\n")] = '\0';
	while (n < REFERENCE_COLUMNS_MAX) {
		char end = *p == '"' ? '"' : ',';
		columns[n++] = p += *p == '"';
		p += strcspn(p, (char[]){end, '\0'});
		if (end == '"' && *p)
			*p++ = '\0';
		if (!*p)
			break;
		*p++ = '\0';
	}
	return n;
}

// Opens the table and passes its heading.
static inline FILE *reference_open(const char *name) {
	char path[200], line[4096];
	FILE *file;

	snprintf(path, sizeof(path), "tests/data/reference/%s.csv", name);
	file = fopen(path, "r");
	if (!file || !fgets(line, sizeof(line), file)) {
		fprintf(stderr, "%s: cannot be read\n", path);
		abort();
	}
	return file;
}

// The next line's columns, 0 at the end.
static inline int reference_next(FILE *file, char *columns[REFERENCE_COLUMNS_MAX]) {
	static char line[4096];

	return fgets(line, sizeof(line), file) ? reference_columns(line, columns) : 0;
}
