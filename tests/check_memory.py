#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""check_memory.py POSTERN FAIL_LIBRARY: n2: the n-th allocation of the whole program fails (ours, LMDB's, jansson's,
the C library's), once and for ever: it ends by itself with an exit status of its own, says what is wrong unless it
did without, and the store that it wrote to opens afterwards with the accounts it had. Without content rules: libfyaml
does not survive it."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ACCOUNTS = 12


def lines(first, n):
    for i in range(first, first + n):
        yield json.dumps({"time": f"2026-01-{1 + i // ACCOUNTS:02d}T08:00:{i % ACCOUNTS:02d}Z",
                          "account": f"u{i % ACCOUNTS}", "session": f"s{i}", "source": {"ip": f"192.0.2.{i % ACCOUNTS}"},
                          "auth": {"success": 1},
                          "mailboxes": [{"name": "INBOX", "uidvalidity": 1, "uidnext": 100 + i, "bodies": f"{90 + i}"}]})


def run(postern, library, env, *arguments):
    return subprocess.run([postern, *map(str, arguments)], capture_output=True, text=True,
                          env={**os.environ, **env, "LD_PRELOAD": library} if env is not None else None)


def main():
    postern, library = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="postern-test-") as folder:
        folder = pathlib.Path(folder)
        # Beside this copy there are no rules.
        postern = shutil.copy(postern, folder / "postern")
        store, first, more, count = folder / "store", folder / "first", folder / "more", folder / "count"
        first.write_text("\n".join(lines(0, 60)) + "\n")
        more.write_text("\n".join(lines(60, 60)) + "\n")
        score = ("score", "--max-accounts", 64, "--alerts", "/dev/null", "--store", store)
        assert run(postern, None, None, *score, first).returncode == 0
        whole = run(postern, library, {"FAIL_COUNT": str(count)}, *score, more)
        assert whole.returncode == 0, whole.stderr
        n_most = int(re.search(r"\d+", count.read_text())[0])
        statuses, bad = {}, []
        # Each allocation until lines are read, then some: those of one line are like those of another.
        places = [n for n in range(1, n_most + 2) if n <= 150 or n % 97 == 0]
        for always in (False, True):
            for n in places[30:] if always else places:
                env = {"FAIL_AT": str(n)} | ({"FAIL_ALWAYS": "1"} if always else {})
                got = run(postern, library, env, *score, more)
                statuses[got.returncode] = statuses.get(got.returncode, 0) + 1
                if got.returncode not in (0, 1, 2, 3) or (got.returncode and "memory" not in got.stderr):
                    bad.append(f"{'from the' if always else 'the'} {n}. on: exit {got.returncode}: {got.stderr[-300:]}")
        after = run(postern, None, None, *score, more)
        known = [run(postern, None, None, "account", "--store", store, f"u{i}") for i in range(ACCOUNTS)]
        if after.returncode or "broken" in after.stderr or any(page.returncode for page in known):
            bad.append(f"the store afterwards: {after.stderr}")
        print(f"{n_most} allocations, {sum(statuses.values())} runs; exit statuses {statuses}")
        print(*bad[:20], sep="\n")
        sys.exit(bool(bad))


if __name__ == "__main__":
    main()
