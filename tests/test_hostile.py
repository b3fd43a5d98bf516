#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Every row of the lists of hostile inputs (tests/**/hostile_*.md) is held by tests that exist and are run."""

import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parent

# The rows that a list must have, whoever edits it.
ROWS = {
    "hostile_mail.md": [f"S{i}" for i in range(1, 25)] + [f"I{i}" for i in range(25, 29)]
    + [f"M{i}" for i in range(1, 25)],
}

run = set()
for path in TESTS.rglob("test_*.c"):
    text = path.read_text()
    run |= set(re.findall(r"cmocka_unit_test(?:_setup_teardown)?\(\s*(\w+)", text)) & set(
        re.findall(r"^static void (\w+)\(", text, re.M))
run |= {path.name for path in (TESTS / "talks").glob("*.talk")}

wrong = []
n = 0
for path in sorted(TESTS.rglob("hostile_*.md")):
    rows = dict(re.findall(r"^\| ([A-Z]\d+) \| (.*) \|$", path.read_text(), re.M))
    n += len(rows)
    wrong += [f"{path.name}: no row {row}" for row in ROWS.get(path.name, []) if row not in rows]
    for row, held in rows.items():
        tests = re.findall(r"`([^`]+)`", held)
        wrong += [f"{path.name}: {row}: no test {test}" for test in tests if test not in run]
        if not tests and not held.startswith("left out: "):
            wrong.append(f"{path.name}: {row}: neither a test nor a reason")
print(*wrong, sep="\n")
print(f"{n} rows, {len(run)} tests")
sys.exit(bool(wrong) or not n)
