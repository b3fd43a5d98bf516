#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Event time has one source: the packets', or for live packets the clock of dataplane/port/queue.c. Nothing
else that decides anything reads a clock, so that none can drift from another."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLOCKS = re.compile(r"\b(clock_gettime|gettimeofday|ftime|time|timespec_get|__builtin_ia32_rdtsc|rte_rdtsc\w*|"
                    r"rte_get_\w*cycles|localtime(?:_r)?|mktime)\s*\(")
# Where a clock is read, how often, and for what.
ALLOWED = {
    "dataplane/port/queue.c": (1, "event time of live packets"),
    "dataplane/cycles.h": (2, "how busy a worker is, for counters alone"),
    "engine/pipeline.c": (1, "when it was opened, for how long it has run"),
    "engine/pipeline_stats.c": (1, "the same, for people"),
    "engine/progress.c": (1, "the progress bar"),
    "engine/analyst.c": (1, "whether a store was written by a clock that is wrong, at start"),
    "engine/match/cache.c": (1, "age of what a killed compiler left behind"),
}

wrong = []
n_files = 0
for path in sorted(p for room in ("dataplane", "engine", "models") for p in (ROOT / room).rglob("*.[ch]")):
    text = re.sub(r"//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", "", path.read_text())
    n = len(CLOCKS.findall(text))
    name = str(path.relative_to(ROOT))
    n_files += 1
    if n != ALLOWED.get(name, (0, ""))[0]:
        wrong.append(f"{name}: reads a clock {n} times, not {ALLOWED.get(name, (0, ''))[0]}")
print(*wrong, sep="\n")
print(f"{n_files} files; clocks are read in {len(ALLOWED)}")
sys.exit(bool(wrong) or n_files < 100)
