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
    "hostile_mail.md": [f"S{i}" for i in range(1, 25)] + [f"I{i}" for i in range(1, 31)]
    + [f"M{i}" for i in range(1, 25)] + [f"A{i}" for i in range(1, 9)] + [f"X{i}" for i in range(1, 10)]
    + [f"L{i}" for i in range(1, 11)],
    "hostile_packets.md": [f"T{i}" for i in range(1, 38)] + [f"F{i}" for i in range(1, 18)]
    + [f"P{i}" for i in range(1, 8)] + ["Q1", "Q3", "Q12"],
    "hostile_state.md": [f"D{i}" for i in range(1, 12)] + ["K1", "K2"] + [f"R{i}" for i in range(1, 5)]
    + [f"Z{i}" for i in range(1, 5)] + ["N1", "N2"],
    "hostile_matching.md": ["Q2"] + [f"Q{i}" for i in range(4, 12)] + ["Q13", "Q14"],
}

# Where the list of hostile inputs lies beside the checkout: the rows of its first section.
HOSTILE = TESTS.parent / "../shared/HOSTILE.md"
if HOSTILE.exists():
    first = HOSTILE.read_text().split("\n## 2")[0]
    ROWS["hostile_packets.md"] += re.findall(r"^\| ([TFP]\d+) \|", first, re.M)
else:
    print("no ../shared beside the checkout: the rows are those listed here")

run = set()
for path in TESTS.rglob("test_*.c"):
    text = path.read_text()
    run |= set(re.findall(r"cmocka_unit_test(?:_setup_teardown)?\(\s*(\w+)", text)) & set(
        re.findall(r"^static void (\w+)\(", text, re.M))
run |= {path.name for path in (TESTS / "talks").glob("*.talk")}
# Programs that are tests of their own, or cases of one.
build = (TESTS / "meson.build").read_text()
run |= set(re.findall(r"\btest\('(\w+)'", build)) | set(re.findall(r"^\t'(\w+)',$", build, re.M))



def is_named_after(test, row):
    """m01_to_m23_… and l1_l2_… are of each row they name."""
    letter, number = row[0].lower(), int(row[1:])
    ids = [int(found) for found in re.findall(rf"(?:^|_){letter}(\d+)(?=_)", test)]
    through = re.search(rf"(?:^|_){letter}(\d+)_to_{letter}(\d+)_", test)
    return number in ids or bool(through and int(through[1]) <= number <= int(through[2]))


wrong = []
n = 0
for path in sorted(TESTS.rglob("hostile_*.md")):
    rows = dict(re.findall(r"^\| ([A-Z]\d+) \| (.*) \|$", path.read_text(), re.M))
    n += len(rows)
    for step in re.findall(r"^\| kill: .* \| (.*) \|$", path.read_text(), re.M):
        wrong += [f"{path.name}: kill: no test {test}" for test in re.findall(r"`([^`]+)`", step) if test not in run]
    wrong += [f"{path.name}: no row {row}" for row in ROWS.get(path.name, []) if row not in rows]
    for row, held in rows.items():
        tests = re.findall(r"`([^`]+)`", held)
        wrong += [f"{path.name}: {row}: no test {test}" for test in tests if test not in run]
        if not tests and not held.startswith("left out: "):
            wrong.append(f"{path.name}: {row}: neither a test nor a reason")
        if tests and not any(is_named_after(test, row) for test in tests):
            wrong.append(f"{path.name}: {row}: no test is named after it")
print(*wrong, sep="\n")
print(f"{n} rows, {len(run)} tests")
sys.exit(bool(wrong) or not n)
