// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Where the files are that come with the program: rules, and the grammars of clients among them.

#pragma once

#include <linux/limits.h>
#include <stdbool.h>

// Of a file or folder under rules/, "" for rules/ itself: beside the program (../share/postern/rules where it is
// installed, also under another root; ../rules of a build tree), else where it was built to be installed. So a
// build tree never takes what another version has installed. false: it is in none.
bool data_path(char path[PATH_MAX], const char *name);
