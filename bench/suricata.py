#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""suricata.py CAPTURE RULES POSTERN [ROUNDS]: the capture by Suricata on one thread, with the same patterns as its pcre, and by
Postern with one worker, in turns; prints both medians of processor time, start included, and their ratio. Says how to get
Suricata where it is missing."""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile


def patterns(folder):
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        for block in re.split(r"\n  - id: ", path.read_text())[1:]:
            found = re.search(r"^    pattern: '(.*)'$", block, re.M)
            if found:
                flags = re.search(r"^    flags: \[(.*)\]$", block, re.M)
                yield found[1].replace("''", "'"), flags[1] if flags else ""


def rule(number, pattern, flags):
    text = pattern.replace("/", "\\/").replace(";", "\\x3b").replace('"', "\\x22")
    options = ("i" if "caseless" in flags else "") + ("s" if "dotall" in flags else "")
    return f'alert tcp any any -> any any (msg:"{number}"; pcre:"/{text}/{options}"; sid:{number};)'


def processor_time(*args):
    process = subprocess.Popen(args, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{args[0]}: exit {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime


def main():
    capture, folder, postern = sys.argv[1:4]
    if not shutil.which("suricata"):
        print("suricata: not on the PATH; apt-get install suricata where the release has it; then the same"
              " patterns are run by it, too, and the ratio is printed")
        return
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as out:
        rules = pathlib.Path(out) / "rules"
        rules.write_text("\n".join(rule(1000000 + n, *p) for n, p in enumerate(patterns(folder))) + "\n")
        for _ in range(int((sys.argv + ["3"])[4])):
            theirs.append(processor_time("suricata", "-r", capture, "-S", rules, "-l", out, "--runmode", "single",
                                         "-k", "none"))
            ours.append(processor_time(postern, "replay", "--rules", folder, "--rule-cache", "none", "--sessions",
                                       "/dev/null", "--alerts", "/dev/null", capture))
    theirs, ours = statistics.median(theirs), statistics.median(ours)
    print(f"suricata {theirs:.2f} s, postern {ours:.2f} s of processor time, start included: {theirs / ours:.1f} x (5 wanted)")

main()
