// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// YAML files (configuration, rules) as a small tree in which each node knows its line and column, so
// that every mistake can be shown where it is. libfyaml reads; this bounds: nodes, depth, keys per
// map; aliases, which make YAML bombs, are refused. What was read before a syntax error is kept.

#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	YAML_DEPTH_MAX = 16, // our deepest file has five levels
	YAML_KEYS_MAX = 128, // per map: keys are compared with each other
	YAML_NODES_MAX = 2000000, // 20,000 rules have about 600,000
};

// Called for each mistake: one line, "FILE:LINE:COLUMN: what is wrong; what would be right".
typedef void yaml_report(void *ctx, const char *text);

// Where mistakes go and how many there were. No report: they are only counted.
struct yaml_mistakes {
	yaml_report *report;
	void *ctx;
	int n;
};

enum yaml_kind {
	YAML_SCALAR,
	YAML_LIST,
	YAML_MAP, // its children are the keys, in the order of the file
};

// All of it lives as long as the struct yaml.
struct yaml_node {
	enum yaml_kind kind;
	int line, column; // from 1
	bool is_cut; // it, or something in it, was not read to its end: do not use it
	bool is_plain; // a scalar without quotes
	const char *text; // of a scalar, terminated, UTF-8
	const struct yaml_node *value; // of a key; NULL when the file ends there
	const struct yaml_node *first; // child
	const struct yaml_node *next; // sibling
	size_t n; // children
};

struct yaml;

// Reads a whole file of at most size_max bytes into a terminated block (the caller frees it); "-" is
// not special. NULL when it cannot be read (reported).
char *yaml_file(const char *path, size_t size_max, size_t *size_r, struct yaml_mistakes *mistakes);
// Parses text, whose first line is line first_line of file (borrowed, for mistakes). NULL: no memory.
struct yaml *yaml_open(
	const char *file,
	const char *text,
	size_t size,
	int first_line,
	struct yaml_mistakes *mistakes
);
// Accepts NULL.
void yaml_close(struct yaml *yaml);
// NULL when the file is empty or its first thing is already wrong.
const struct yaml_node *yaml_root(const struct yaml *yaml);
// Whether a syntax error ended it early.
bool yaml_is_broken(const struct yaml *yaml);

// Reports one mistake; line 0: of the file as a whole.
__attribute__((format(printf, 5, 6))) void yaml_mistake(
	struct yaml_mistakes *mistakes,
	const char *file,
	int line,
	int column,
	const char *format,
	...
);
// "a list", for mistakes.
const char *yaml_kind_text(enum yaml_kind kind);
