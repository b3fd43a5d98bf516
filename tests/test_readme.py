#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""The README's walk is the tree: each folder of sources is named there, and what is named there exists."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ("dataplane", "engine", "models")

text = (ROOT / "README.md").read_text()
named = set(re.findall(r"`((?:[a-z0-9_]+/)*[a-z0-9_]+\.[ch]|(?:%s)/[a-z0-9_/]*)`" % "|".join(ROOMS), text))
folders = {str(path.parent.relative_to(ROOT)) + "/" for room in ROOMS for path in (ROOT / room).rglob("*.c")}

wrong = [f"README.md names {name}, which is not there" for name in sorted(named)
         if not list(ROOT.glob(name)) and not list(ROOT.glob(f"*/**/{name}"))]
wrong += [f"{folder} is not named in README.md" for folder in sorted(folders - named)]
print(*wrong, sep="\n")
print(f"{len(folders)} folders, {len(named)} names")
sys.exit(bool(wrong) or not folders)
