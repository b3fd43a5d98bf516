#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""check_secrets.py POSTERN: passwords, tokens and answers to challenges, in every mechanism of every protocol
(said.py), go by on the wire, and many are half read when the packets end. None of them, in no form, is in any
output, in the store, in memory that a core dump would hold, or in the core file that the kernel writes: of a
replay at several places and at its end, and of a live run. Nothing is traced: the program waits for packets,
or for a reader of what it says, when it is looked at.

One more password is left where it is seen, as the name of an account: that must be found everywhere."""

import array
import fcntl
import json
import mmap
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

import said

PAGE = 4096
HUGE_MAPPING = 1 << 36  # a sanitizer's shadow, which holds no bytes of the program's
ROOT = pathlib.Path(__file__).resolve().parent.parent
LEFT = said.secret("left").lower()  # as names of accounts are written
TEXT = re.compile(rb"[0-9A-Za-z+/]{10,}|(?:[0-9A-Za-z]\0){10,}[0-9A-Za-z]")  # what forms are made of
needles = {}  # form: name of the secret


class Found:
    """What was found, and where nothing was that must be."""

    def __init__(self):
        self.leaks, self.blind = [], []

    def look(self, where, pieces):
        """pieces: (name, bytes)"""
        size, n_left = 0, 0
        for name, data in pieces:
            size += len(data)
            data = b"\n".join(TEXT.findall(data))  # most of it is none
            n_left += data.count(LEFT.encode())
            for form, secret in needles.items():
                at = data.find(form)
                if at >= 0:
                    self.leaks.append(f"{where}, {name}: {secret} as {form}, among {data[max(0, at - 40):at + 60]}")
        if n_left == 0:
            self.blind.append(f"{where}: the password that was left is not found in {size >> 10} KB")
        print(f"{where}: {size >> 10} KB, what was left {n_left} times", flush=True)


# ---- What a core dump would hold, and one

def dumped(pid):
    """(name, bytes) of pages that are there, of mappings that a core dump has (core(5)): private or anonymous,
    and not told to be left out. Pages of files are none."""
    mappings, flags = [], {}
    for line in open(f"/proc/{pid}/smaps"):
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            mappings.append(words)
        elif words[0] == "VmFlags:":
            flags[id(mappings[-1])] = words[1:]
    with open(f"/proc/{pid}/mem", "rb", 0) as memory, open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for mapping in mappings:
            start, end = (int(word, 16) for word in mapping[0].split("-"))
            if end - start > HUGE_MAPPING or "r" not in mapping[1] or mapping[-1] in ("[vvar]", "[vsyscall]"):
                continue
            if {"dd", "io"} & set(flags[id(mapping)]) or (mapping[1][3] == "s" and mapping[4] != "0"):
                continue
            pagemap.seek(start // PAGE * 8)
            entries = array.array("Q", pagemap.read((end - start) // PAGE * 8))
            for first, last in runs(entries, is_file=mapping[4] != "0"):
                memory.seek(start + first * PAGE)
                yield mapping[-1], memory.read((last - first) * PAGE)


def runs(entries, is_file):
    """(first, behind the last) of pages that are there; of a file, only what was written to."""
    first = None
    for i in range(len(entries) + 1):
        is_there = i < len(entries) and entries[i] >> 62 and not (is_file and entries[i] >> 61 & 1)
        if is_there and first is None:
            first = i
        elif not is_there and first is not None:
            yield first, i
            first = None


def no_core_files():
    """Why there can be none here; None when there can."""
    pattern = open("/proc/sys/kernel/core_pattern").read().strip()
    if pattern.startswith("|") or "/" in pattern:
        return f"the kernel's core_pattern is {pattern}"
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        return "the limit of core files' size is fixed"
    return None


def core_pieces(path):
    """What was written of a core file, which is mostly holes."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        at = 0
        while at < len(data):
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return  # nothing but a hole is left
            end = min(os.lseek(file.fileno(), start, os.SEEK_HOLE), start + (64 << 20))
            yield path.name, data[start:end]
            # What stands across the cut is seen with the next piece.
            at = end if end == len(data) or end - start < 64 << 20 else end - PAGE


def is_stopped(pid):
    return all(open(f"/proc/{pid}/task/{task}/stat").read().rsplit(")", 1)[1].split()[0] in "TtZX"
               for task in os.listdir(f"/proc/{pid}/task"))


def look_and_kill(process, folder, where, found):
    """Looks at a process that stands still, and at the core file it leaves."""
    os.kill(process.pid, signal.SIGSTOP)
    while not is_stopped(process.pid):
        time.sleep(0.01)
    found.look(f"memory {where}", dumped(process.pid))
    os.kill(process.pid, signal.SIGKILL if no_core_files() else signal.SIGABRT)
    os.kill(process.pid, signal.SIGCONT)
    process.wait()
    if no_core_files():
        return
    cores = list(folder.glob("core*"))
    if process.returncode != -signal.SIGABRT or not cores:
        sys.exit(f"{where}: no core file: {process.returncode}")
    for path in cores:
        found.look(f"core file {where}", core_pieces(path))
        path.unlink()


def look_outputs(folder, where, found):
    found.look(f"outputs {where}", [(path.name, path.read_bytes()) for path in folder.rglob("*") if path.is_file()])


def start(postern, folder, *arguments, before=(), **options):
    """The program, with every output that it has, in a folder of its own."""
    def allow_core_files():
        if not no_core_files():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    outputs = [word for name in ("sessions", "alerts", "activity") for word in (f"--{name}", folder / f"{name}.ndjson")]
    # A sanitizer forbids core files, and looks for leaks by tracing.
    sanitizer = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "detect_leaks=0", "disable_coredump=0")))
    return subprocess.Popen(
        [*before, postern, *arguments, *outputs, "--store", folder / "store", "--rules", ROOT / "rules", "--text"],
        cwd=folder, env={**os.environ, "ASAN_OPTIONS": sanitizer}, preexec_fn=allow_core_files, **options)


# ---- A replay that waits

def waits_in(process, fd):
    """The first thread sleeps in a system call on this pipe of ours."""
    if process.poll() is not None:
        sys.exit(f"it ended with {process.returncode}")
    words = open(f"/proc/{process.pid}/syscall").read().split()
    try:
        return len(words) > 2 and os.stat(f"/proc/{process.pid}/fd/{int(words[1], 16)}").st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False


def feed(process, data):
    """Until all of it has been read: the thread that reads also parses, and wants more when it is done."""
    process.stdin.write(data)
    process.stdin.flush()
    empty = b"\0" * 4
    while fcntl.ioctl(process.stdin, termios.FIONREAD, empty) != empty or not waits_in(process, process.stdin.fileno()):
        time.sleep(0.01)


def replay(postern, folder, data, where, found):
    with open(folder / "said", "wb") as err:
        process = start(postern, folder, "replay", "-", stdin=subprocess.PIPE, stderr=err)
    feed(process, data)
    look_and_kill(process, folder, where, found)


def replay_to_the_end(postern, folder, data, found):
    """Its last words find a full pipe: all is written, and nothing given back yet."""
    process = start(postern, folder, "replay", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    feed(process, data)
    pipe = os.open(f"/proc/self/fd/{process.stderr.fileno()}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(pipe, b"x")
    except BlockingIOError:
        pass
    process.stdin.close()
    while not waits_in(process, process.stderr.fileno()):
        time.sleep(0.01)
    look_outputs(folder, "at the end of a replay", found)
    look_and_kill(process, folder, "at the end of a replay", found)


# ---- A live run

def no_live_run(postern):
    if os.geteuid():
        return "network namespaces need root"
    if not shutil.which("ip") or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        return "no network namespaces here"
    if "without DPDK" in subprocess.run([postern, "run", "--vdev", "net_none0"], capture_output=True, text=True).stderr:
        return "built without DPDK"
    return None


def send(path):
    """Run inside the namespace: frames, as many at a time as standard input says."""
    data, at = pathlib.Path(path).read_bytes(), 24
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("t0", 0))
        for line in sys.stdin:
            for _ in range(int(line)):
                size = struct.unpack_from("<I", data, at + 8)[0]
                wire.send(data[at + 16:at + 16 + size])
                at += 16 + size


def live(postern, folder, packets, found):
    space = f"postern-secrets-{os.getpid()}"

    def inside(*command):
        return ["ip", "netns", "exec", space, *command]
    subprocess.run(["ip", "netns", "add", space], check=True)
    try:
        for command in (["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"],
                        ["ip", "link", "add", "t0", "type", "veth", "peer", "name", "x0"],
                        ["ip", "link", "set", "t0", "up"], ["ip", "link", "set", "x0", "up"]):
            subprocess.run(inside(*command), check=True)
        (folder / "sent.pcap").write_bytes(packets.capture())
        with open(folder / "said", "wb") as err:
            # As another user it would leave no core file at all.
            process = start(postern, folder, "run", "--vdev", "net_af_packet0,iface=x0,framecnt=1024", "--user", "root",
                            "--control", folder / "control", before=inside(), stderr=err)
        while b"postern: running" not in (folder / "said").read_bytes():
            if process.poll() is not None:
                sys.exit("it does not start: " + (folder / "said").read_text())
            time.sleep(0.05)
        sender = subprocess.Popen(inside(sys.executable, __file__, "--send", folder / "sent.pcap"), stdin=subprocess.PIPE)
        n_sent = 0
        while n_sent < len(packets.frames):
            n = min(300, len(packets.frames) - n_sent)
            n_sent += n
            sender.stdin.write(b"%d\n" % n)
            sender.stdin.flush()
            while stats(postern, folder)["packets"] < n_sent:
                time.sleep(0.05)
        sender.stdin.close()
        sender.wait()
        (folder / "sent.pcap").unlink()
        look_and_kill(process, folder, "of a live run", found)
        look_outputs(folder, "of a live run", found)
    finally:
        subprocess.run(["ip", "netns", "del", space])


def stats(postern, folder):
    said_now = subprocess.run([postern, "ctl", "--control", folder / "control", "stats"], capture_output=True, check=True)
    return json.loads(said_now.stdout)["postern"]


# ---- All of it

def packets_of(protocols, cuts):
    packets = said.Packets()
    for protocol in protocols:
        port = said.PORTS[protocol]
        whole, half = said.conversation(protocol), list(said.halves(protocol))
        for cut in cuts:
            packets.conversation(port, whole, cut)
            for lines, rest in half:
                packets.conversation(port, lines, cut, rest)
    packets.conversation(143, [("S", "* OK"), ("C", f"a LOGIN {LEFT} x"), ("S", "a OK in")], 1000)
    packets.conversation(110, [("S", "+OK"), *[("C", "NOOP"), ("S", "+OK")] * 64], 1000)  # pushes bursts through
    return packets


def main():
    if sys.argv[1] == "--send":
        return send(sys.argv[2])
    postern = pathlib.Path(sys.argv[1]).resolve()
    found = Found()
    all_of_it = packets_of(said.PORTS, (1000, 7, 1))
    steps = [(replay, packets_of([protocol], cuts).capture(), f"of a replay of {protocol}, cut at {cuts[0]}")
             for protocol, cuts in zip(said.PORTS, ((1000,), (7,), (1,), (13,)))]
    steps += [(replay, all_of_it.capture(), "of a replay"), (replay_to_the_end, all_of_it.capture())]
    why_not = no_live_run(postern)
    if not why_not:
        steps.append((live, packets_of(said.PORTS, (1000, 7))))
    for name, value in said.secrets.items():
        if name != "left":
            needles.update(dict.fromkeys(said.forms(value), name))
    for step, *arguments in steps:
        with tempfile.TemporaryDirectory(prefix="postern-test-") as folder:
            step(postern, pathlib.Path(folder), *arguments, found)
    print(*found.leaks[:40], *found.blind, sep="\n")
    print(f"{len(said.secrets) - 1} secrets, {len(needles)} forms, found {len(found.leaks)} times",
          *(f"no live run: {why_not}" for _ in [0] if why_not),
          *(f"no core file: {no_core_files()}" for _ in [0] if no_core_files()), sep="; ")
    sys.exit(bool(found.leaks or found.blind))


if __name__ == "__main__":
    main()
