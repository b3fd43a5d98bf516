// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

int main(void) {
	return 77; // skipped: not written yet
}
