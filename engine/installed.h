// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What is installed with the program: the folder of rules, in ../share/postern/rules from where the program
// is, or in ../rules as in a build tree.

#pragma once

#include <linux/limits.h>
#include <stdbool.h>

// The path of name in that folder ("": the folder's own). False when the program may not read it in any of
// these places, and path is then of no use.
bool installed_find(const char *name, char path[PATH_MAX]);
