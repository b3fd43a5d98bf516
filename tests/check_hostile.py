#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Each hostile input that concerns packets has a test named after its id (t31_…, f4_f6_…), or a reason
why not. The ids are those of ../shared/HOSTILE.md, sections 1 and 6; without it, of the list here."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOSTILE = ROOT / "../shared/HOSTILE.md"
ROWS = [f"T{n}" for n in range(1, 38)] + [f"F{n}" for n in range(1, 18)] + [f"P{n}" for n in range(1, 8)]
# The rows of section 6 that are about packets.
ROWS += ["Q1", "Q3", "Q12"]

# Why a row has no test of its own, or what of it is not done.
REASONS = {
}
PARTLY = {
    "T30": "of clients' bytes, as long as they are kept (recent.h); repeat_not_compared counts the others",
    "F17": "no library is used: the rows are held against the table of our own",
}


def tested():
    """{id: names of tests}"""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.c")):
        for name in re.findall(r"cmocka_unit_test\((\w+)\)", path.read_text()):
            ids = re.match(r"((?:[a-z]\d+_)+)", name)
            for row in ids.group(1).strip("_").split("_") if ids else ():
                found.setdefault(row.upper(), []).append(f"{path.stem}: {name}")
    return found


def main():
    rows = ROWS
    if HOSTILE.exists():
        there = set(re.findall(r"^\| ([A-Z]\d+) \|", HOSTILE.read_text(), re.M))
        first = [row for row in there if row[0] in "TFP" and row not in ("P8", "P9")]
        rows = sorted(set(ROWS) | set(first), key=lambda row: (row[0], int(row[1:])))
        unknown = [row for row in ROWS if row not in there]
        if unknown:
            sys.exit(f"not in HOSTILE.md: {unknown}")
    else:
        print("no ../shared beside the checkout: the rows are those listed here")
    found, failed = tested(), False
    for row in rows:
        if row in found and row in REASONS:
            print(f"{row}: tested, and listed as not")
            failed = True
        elif row not in found and row not in REASONS:
            print(f"{row}: no test is named after it")
            failed = True
        elif "-v" in sys.argv:
            print(f"{row}: {', '.join(found.get(row, [REASONS.get(row, '')]))}",
                  f"(partly: {PARTLY[row]})" if row in PARTLY else "")
    print(f"{len(rows)} rows: {sum(row in found for row in rows)} tested,"
          f" {len(PARTLY)} of them in part, {len(REASONS)} not")
    sys.exit(failed)


if __name__ == "__main__":
    main()
