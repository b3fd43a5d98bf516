#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""The README's walk is the tree: each source file is named there, and each file named there exists."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ("dataplane", "engine", "models")

named = set(re.findall(r"`([a-z0-9_/]+\.[ch])`", (ROOT / "README.md").read_text()))
there = {path.name: path for room in ROOMS for path in (ROOT / room).rglob("*.[ch]")}
sources = {name for name in there if name.endswith(".c")}

wrong = [f"README.md names {name}, which is not there" for name in sorted(named)
         if name.split("/")[-1] not in there or not list(ROOT.glob(f"**/{name}"))]
wrong += [f"{there[name].relative_to(ROOT)} is not named in README.md"
          for name in sorted(sources - {n.split('/')[-1] for n in named})]
print(*wrong, sep="\n")
print(f"{len(sources)} source files, {len(named)} names")
sys.exit(bool(wrong) or not sources)
