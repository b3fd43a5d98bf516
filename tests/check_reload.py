#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""check_reload.py POSTERN: a thousand rules are reloaded again and again while packets come as fast as they are read,
and what comes out is byte for byte that of a run without: no packet and no match is lost. A broken file
changes nothing and is told; a new rule is found from then on."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
POSTERN = sys.argv[1]
RELOADS = 12
NEW_RULE = """rules:
  - id: came-later
    look: header
    pattern: '(?:^|\\n)(?i:subject):'
    severity: low
"""
# What mail of the capture has in it.
FOUND = """rules:
  - id: is-header
    look: header
    pattern: '\\n(?i:message-id):'
    severity: low
  - id: is-body
    look: body
    pattern: '[a-z]{4}[ .,]'
    severity: low
  - id: is-subject
    look: subject
    pattern: '[a-z]'
    severity: low
"""
BROKEN = """rules:
  - id: broken
    look: body
    pattern: 'never (closed'
    severity: low
"""


class Capture:
    """Records of a pcap file, to be written many times, each copy later than the one before."""

    def __init__(self, path):
        data = subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout
        magic = struct.unpack_from("<I", data)[0]
        assert magic in (0xA1B2C3D4, 0xA1B23C4D), hex(magic)
        self.head, at, self.records = data[:24], 24, []
        while at < len(data):
            seconds, fraction, size, wire = struct.unpack_from("<IIII", data, at)
            self.records.append((seconds, fraction, data[at + 8:at + 16 + size]))
            at += 16 + size
        self.length = self.records[-1][0] - self.records[0][0] + 2

    def copy(self, n):
        return b"".join(struct.pack("<II", s + n * self.length, f) + rest for s, f, rest in self.records)


class Run:
    def __init__(self, folder, rules, name):
        self.out = folder / name
        self.control = folder / f"{name}.socket"
        self.process = subprocess.Popen(
            [POSTERN, "replay", "--rules", rules, "--rule-cache", folder / "cache", "--control", self.control,
             "--sessions", f"{self.out}.s", "--alerts", f"{self.out}.a", "-"],
            stdin=subprocess.PIPE, stderr=open(f"{self.out}.err", "wb"))

    def ctl(self, command):
        done = subprocess.run([POSTERN, "ctl", "--control", self.control, command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    def wait(self):
        self.process.stdin.close()
        assert self.process.wait() == 0, open(f"{self.out}.err").read()

    def lines(self, kind):
        return sorted(open(f"{self.out}.{kind}").read().splitlines())


def feed(run, capture, is_enough):
    """Copies of the capture until it is enough. Returns how many."""
    n = 0
    run.process.stdin.write(capture.head)
    while n == 0 or not is_enough():
        run.process.stdin.write(capture.copy(n))
        n += 1
    return n


def rules_make(folder):
    rules = folder / "rules"
    shutil.copytree(ROOT / "rules", rules)
    made = subprocess.run([sys.executable, ROOT / "bench/make_rules.py", "1000"], check=True, stdout=subprocess.PIPE).stdout
    (rules / "made.yaml").write_bytes(made)
    (rules / "found.yaml").write_text(FOUND)
    return rules


def same_matches(folder, capture, rules):
    answers = []

    def reload_all(run):
        for _ in range(RELOADS):
            answers.append(run.ctl("reload"))

    run = Run(folder, rules, "reloaded")
    thread = threading.Thread(target=reload_all, args=(run,))
    # The socket is there before the first packet is read; the header alone makes it begin.
    while not run.control.exists():
        assert run.process.poll() is None, open(f"{run.out}.err").read()
    thread.start()
    n = feed(run, capture, lambda: not thread.is_alive())
    thread.join()
    run.wait()
    refused = [answer for rc, answer in answers if rc != 0]
    assert not refused, refused
    assert all(answer["reloaded"] and answer["rules"] > 1000 for _, answer in answers), answers

    once = Run(folder, rules, "once")
    feed(once, capture, iter([False] * (n - 1) + [True]).__next__)
    once.wait()
    for kind in "sa":
        assert run.lines(kind) == once.lines(kind), f"{kind}: differs with reloads"
    matches = sum(match["count"] for line in run.lines("s") for match in json.loads(line)["postern"].get("matches", []))
    assert matches > 0
    print(f"{RELOADS} reloads of {answers[0][1]['rules']} rules over {n} copies: {len(run.lines('s'))} records,"
          f" {matches} matches, {len(run.lines('a'))} alerts, all as without")


def changes(folder, capture, rules):
    run = Run(folder, rules, "changed")
    while not run.control.exists():
        assert run.process.poll() is None
    run.process.stdin.write(capture.head + capture.copy(0))

    (rules / "broken.yaml").write_text(BROKEN)
    rc, answer = run.ctl("reload")
    assert rc == 1 and "broken.yaml:4" in answer["error"] and "stay" in answer["error"], answer
    (rules / "broken.yaml").unlink()
    run.process.stdin.write(capture.copy(1))

    (rules / "later.yaml").write_text(NEW_RULE)
    rc, answer = run.ctl("reload")
    assert rc == 0, answer
    run.process.stdin.write(capture.copy(2))
    run.wait()
    assert "broken.yaml:4" in open(f"{run.out}.err").read()
    sessions = [json.loads(line) for line in run.lines("s")]
    found = {m["rule"] for s in sessions for m in s["postern"].get("matches", [])}
    assert "came-later" in found and "is-body" in found, found
    assert any("came-later" in line for line in run.lines("a"))
    print("a broken file: refused and told; a new rule: found")


def main():
    capture = Capture(ROOT / "tests/data/lab.pcap.zst")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.chmod(folder, 0o700)
        rules = rules_make(folder)
        same_matches(folder, capture, rules)
        changes(folder, capture, rules)


main()
