// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Letters with diacritics in patterns. Hyperscan's own UTF-8 mode is undefined on bytes that are not
// UTF-8, and mail is any bytes; so patterns stay byte patterns, and each such letter is rewritten as
// the bytes it may come as.

#pragma once

// Rewrites a pattern (UTF-8): a capital such as É becomes E or É, a small é becomes E, e, É or é,
// each in UTF-8, ISO 8859-2, Windows-1250 and as a plain letter with a combining mark. Czech and Slovak letters; others are left alone.
// Returns a new string (the caller frees it), or NULL: a letter stands in a character class, where it
// cannot be rewritten (*at_r: its offset), or no memory (*at_r: -1).
char *fold_pattern(const char *pattern, int *at_r);
