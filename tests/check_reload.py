#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""check_reload.py POSTERN: a thousand rules are reloaded again and again while packets come as fast as they are read,
from a pipe and from the wire of a DPDK port, and what comes out is that of a run without: no packet and no match is
lost. Counters are answered while rules are read. A broken file changes nothing and is told; a new rule is found from then on.

check_reload.py POSTERN wire: the part on the wire alone; needs root and a network namespace of its own."""

import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
POSTERN = sys.argv[1]
NEW_RULE = """rules:
  - id: came-later
    look: header
    pattern: '(?:^|\\n)(?i:subject):'
    severity: low
"""
NEVER = """rules:
  - id: never
    pattern: 'nobody writes this {}'
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

    def frames(self, n):
        """The same, between hosts of their own."""
        return [moved(rest[8:], n) for _, _, rest in self.records]


def moved(frame, n):
    """The lower address becomes less by n and the higher one more, so that all checksums stay right."""
    kind, frame = frame[12:14], bytearray(frame)
    if kind not in (b"\x08\x00", b"\x86\xdd"):
        return bytes(frame)
    at, size = (26, 4) if kind == b"\x08\x00" else (22, 16)
    ends = [at + size - 2, at + 2 * size - 2]
    if frame[at:at + size] > frame[at + size:at + 2 * size]:
        ends.reverse()
    for end, by in zip(ends, (-n, n)):
        word = (int.from_bytes(frame[end:end + 2], "big") + by) % 65535
        frame[end:end + 2] = word.to_bytes(2, "big")
    return bytes(frame)


def without_times(record):
    record.pop("@timestamp")
    record["postern"].pop("session", None)
    for name in ("id", "start", "end", "duration", "created"):
        record["event"].pop(name, None)
    return record


class Run:
    """postern replay out of a pipe."""

    RELOADS = 2

    def __init__(self, folder, rules, name):
        self.out = folder / name
        self.control = folder / f"{name}.socket"
        self.process = subprocess.Popen(
            [POSTERN, *self.source(), "--rules", rules, "--rule-cache", folder / "cache", "--control", self.control,
             "--sessions", f"{self.out}.s", "--alerts", f"{self.out}.a", *self.last()],
            stdin=self.stdin(), stderr=open(f"{self.out}.err", "wb"))
        self.n_packets, self.asking = 0, None
        self.begin()

    def source(self):
        return ["replay"]

    def last(self):
        return ["-"]

    def stdin(self):
        return subprocess.PIPE

    def begin(self):
        """The socket is there before the first packet is read; the header alone makes it begin."""
        while not self.control.exists():
            assert self.process.poll() is None, self.said()
        self.packets = self.process.stdin

    def said(self):
        return open(f"{self.out}.err").read()

    def feed(self, capture, n):
        """The capture's copy n, behind its head when it is the first."""
        self.packets.write(capture.copy(n) if n else capture.head + capture.copy(n))
        self.packets.flush()
        self.n_packets += len(capture.records)

    def ctl(self, command):
        """The exit status and the answer."""
        done = subprocess.run([POSTERN, "ctl", "--control", self.control, command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    def n_read(self):
        if not self.asking:
            self.asking = socket.socket(socket.AF_UNIX)
            self.asking.connect(str(self.control))
        self.asking.sendall(b"stats\n")
        said = b""
        while not said.endswith(b"\n"):
            more = self.asking.recv(1 << 16)
            assert more, self.said()
            said += more
        answer = json.loads(said)
        return sum(worker["packets"] for worker in answer["postern"]["workers"])

    def wait(self):
        self.packets.close()
        assert self.process.wait() == 0, self.said()

    def lines(self, kind):
        with open(f"{self.out}.{kind}") as lines:
            yield from lines

    def sorted(self, kind):
        """The lines in the order of their bytes, as a file: there may be millions."""
        path = pathlib.Path(f"{self.out}.{kind}.sorted")
        subprocess.run(["sort", "-S", "64M", "-o", path, f"{self.out}.{kind}"], check=True, env={"LC_ALL": "C"})
        return path


class WireRun(Run):
    """postern run --vdev net_af_packet on a veth. A live run does not let its source wait: packets are sent a few at a
    time, the next when those before have been read."""

    RELOADS = 1
    AT_ONCE = 300  # below the frames that the ring holds

    def source(self):
        return ["run", "--vdev", "net_af_packet0,iface=postern-r1,framecnt=1024"]

    def last(self):
        return ["--user", "root"]

    def stdin(self):
        return subprocess.DEVNULL

    def begin(self):
        while "running as" not in self.said() or not self.control.exists():
            assert self.process.poll() is None, self.said()
        self.packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.packets.bind(("postern-r0", 0))

    def feed(self, capture, n):
        frames = capture.frames(n)
        for at in range(0, len(frames), self.AT_ONCE):
            for frame in frames[at:at + self.AT_ONCE]:
                self.packets.send(frame)
                self.n_packets += 1
            while self.n_read() < self.n_packets:
                assert self.process.poll() is None, self.said()

    def wait(self):
        rc, answer = self.ctl("stats")
        port = answer["postern"]["ports"][0]
        assert port["received"] == self.n_packets and port["missed"] == 0, (port, self.n_packets)
        rc, answer = self.ctl("stop")
        assert rc == 0, answer
        super().wait()

    def sorted(self, kind):
        """Without what tells when a packet came, which on a wire differs from run to run. Of alerts: which rule was found
        with whom, and how often in the end."""
        records = map(json.loads, self.lines(kind))
        path = pathlib.Path(f"{self.out}.{kind}.sorted")
        if kind == "s":
            lines = [json.dumps(without_times(record), sort_keys=True) for record in records]
        else:
            last = {}
            for alert in sorted(records, key=lambda alert: alert["event"]["sequence"]):
                if alert["postern"]["evidence"][0]["channel"] != "content":
                    continue  # the models' alerts go by time
                who = alert.get("user", {}).get("name") or alert.get("source", {}).get("ip")
                last[f"{alert['rule']['id']} {who}"] = alert["postern"]["evidence"][0]["seen"]
            lines = [f"{who}: {n}" for who, n in last.items()]
        path.write_text("".join(f"{line}\n" for line in sorted(lines)))
        return path


def rules_make(folder):
    rules = folder / "rules"
    shutil.copytree(ROOT / "rules", rules)
    made = subprocess.run([sys.executable, ROOT / "bench/make_rules.py", "1000"], check=True, stdout=subprocess.PIPE).stdout
    (rules / "made.yaml").write_bytes(made)
    (rules / "found.yaml").write_text(FOUND)
    return rules


def same_matches(kind, folder, capture, rules):
    answers = []

    def reload_all(run):
        # A rule that is another each time, so that each time all is compiled.
        for i in range(run.RELOADS):
            (rules / "changing.yaml").write_text(NEVER.format(i))
            answers.append(run.ctl("reload"))

    run, n = kind(folder, rules, f"{kind.__name__}.reloaded"), 0
    thread = threading.Thread(target=reload_all, args=(run,))
    while n == 0 or thread.is_alive():
        run.feed(capture, n)
        if n == 0:
            thread.start()
        n += 1
    thread.join()
    run.wait()
    refused = [answer for rc, answer in answers if rc != 0]
    assert not refused, refused
    assert all(answer["reloaded"] and answer["rules"] > 1000 for _, answer in answers), answers

    once = kind(folder, rules, f"{kind.__name__}.once")
    for i in range(n):
        once.feed(capture, i)
    once.wait()
    n_lines = {}
    for name in "sa":
        got, expected = run.sorted(name), once.sorted(name)
        if subprocess.run(["cmp", "-s", got, expected]).returncode:
            diff = subprocess.run(["diff", got, expected], stdout=subprocess.PIPE, text=True).stdout
            raise AssertionError(f"{name}: differs with reloads: {diff[:4000]}")
        n_lines[name] = sum(1 for _ in open(got))
    n_matched = sum('"matches"' in line for line in run.lines("s"))
    assert n_matched > 0 and n_lines["a"] > 0
    print(f"{kind.__name__}: {kind.RELOADS} reloads of {answers[0][1]['rules']} rules over {n} copies, {run.n_packets} packets:"
          f" {n_lines['s']} records, {n_matched} of them with matches, {n_lines['a']} alerts, all as without")


def changes(folder, capture, rules):
    run = Run(folder, rules, "changed")
    run.feed(capture, 0)

    (rules / "broken.yaml").write_text(BROKEN)
    rc, answer = run.ctl("reload")
    assert rc == 1 and "broken.yaml:4" in answer["error"] and "stay" in answer["error"], answer
    (rules / "broken.yaml").unlink()
    run.feed(capture, 1)

    (rules / "later.yaml").write_text(NEW_RULE)
    rc, answer = run.ctl("reload")
    assert rc == 0, answer
    run.feed(capture, 2)
    run.wait()
    assert "broken.yaml:4" in run.said()
    sessions = [json.loads(line) for line in run.lines("s")]
    found = {m["rule"] for s in sessions for m in s["postern"].get("matches", [])}
    assert "came-later" in found and "is-body" in found, found
    assert any("came-later" in line for line in run.lines("a"))
    print("a broken file: refused and told; a new rule: found")


def answers_meanwhile(folder, capture, rules):
    """A rule file that is a pipe: the reload cannot end before somebody has written to it."""
    run = Run(folder, rules, "meanwhile")
    run.feed(capture, 0)
    os.mkfifo(rules / "pipe.yaml")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(run.ctl("reload")))
    thread.start()
    with open(rules / "pipe.yaml", "w") as pipe:  # opens when the reload has come to it
        for _ in range(20):
            rc, answer = run.ctl("stats")
            assert rc == 0 and "workers" in answer["postern"], answer
        run.feed(capture, 1)
        while run.n_read() < run.n_packets:
            pass
        assert not answers, answers
        pipe.write(NEW_RULE.replace("came-later", "came-by-pipe"))
    thread.join()
    (rules / "pipe.yaml").unlink()
    assert answers[0][0] == 0 and answers[0][1]["reloaded"], answers
    run.feed(capture, 2)
    run.wait()
    assert any("came-by-pipe" in line for line in run.lines("s"))
    print("counters and packets go on while rules are read")


def wire(folder, capture, rules):
    for command in ("link add postern-r0 type veth peer name postern-r1", "link set postern-r0 up",
                    "link set postern-r1 up"):
        if command.endswith("up"):  # nothing but our packets
            name = command.split()[2]
            pathlib.Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        subprocess.run(["ip", *command.split()], check=True)
    same_matches(WireRun, folder, capture, rules)


def wire_begin():
    """Again, in a network namespace of its own, where there can be one."""
    refused = subprocess.run([POSTERN, "run", "--vdev", "no_such_device"], stderr=subprocess.PIPE, text=True).stderr
    if "without DPDK" in refused:
        print("built without DPDK: not from the wire")
    elif subprocess.run(["unshare", "--net", "ip", "link", "add", "a0", "type", "veth", "peer", "name", "a1"],
                        stderr=subprocess.DEVNULL).returncode:
        print("no root, or no network namespaces: not from the wire")
    else:
        subprocess.run(["unshare", "--net", sys.executable, __file__, POSTERN, "wire"], check=True)


def main():
    capture = Capture(ROOT / "tests/data/lab.pcap.zst")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.chmod(folder, 0o700)
        rules = rules_make(folder)
        if sys.argv[2:] == ["wire"]:
            wire(folder, capture, rules)
            return
        same_matches(Run, folder, capture, rules)
        changes(folder, capture, rules)
        answers_meanwhile(folder, capture, rules)
    wire_begin()


main()
