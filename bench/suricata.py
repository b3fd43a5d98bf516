#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""suricata.py CAPTURE RULES: reads the capture with Suricata on one thread, with the same patterns as its pcre, and prints
the processor time. Says how to get Suricata where it is missing."""

import pathlib
import re
import resource
import shutil
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


def main():
    if not shutil.which("suricata"):
        print("suricata: not on the PATH; Debian 12: apt-get install suricata; then the same"
              " patterns are run by it, too")
        return
    with tempfile.TemporaryDirectory() as out:
        rules = pathlib.Path(out) / "rules"
        rules.write_text("\n".join(rule(1000000 + n, *p) for n, p in enumerate(patterns(sys.argv[2]))) + "\n")
        subprocess.run(["suricata", "-r", sys.argv[1], "-S", rules, "-l", out, "--runmode", "single", "-k", "none"],
                       check=True, stdout=subprocess.DEVNULL)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"suricata: {used.ru_utime + used.ru_stime:.2f} s of processor time, start included; divide by"
              " pipeline-seconds above for the ratio (5 wanted)")


main()
