#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""check_secrets.py POSTERN: passwords, tokens and answers to challenges, in every mechanism of every protocol,
each different from all others, go by on the wire. None of them, in no form, is in any output, in the store,
or in what a core dump would hold: in the middle of a replay, when all that was sent has been read, and at
its end, just before the process is gone."""

import array
import base64
import ctypes
import fcntl
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

PAGE = 4096
HUGE_MAPPING = 1 << 36  # a sanitizer's shadow, which holds no bytes of the program's
ROOT = pathlib.Path(__file__).resolve().parent.parent

drawn = random.Random(1)
secrets = {}  # name: bytes


def secret(name, size=20):
    alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    secrets[name] = "".join(drawn.choice(alphabet) for _ in range(size)).encode()
    return secrets[name].decode()


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


# ---- What is said

def ntlm_answer(user, answer):
    """The third message: names, and an answer of 24 bytes."""
    user = user.encode("utf-16le")
    at = 64 + len(user)

    def field(size, offset):
        return struct.pack("<HHI", size, size, offset)
    return (b"NTLMSSP\0" + struct.pack("<I", 3) + field(24, at) + field(24, at) + field(0, 64)
            + field(len(user), 64) + field(0, 64) + field(0, 64) + struct.pack("<I", 1) + user + answer)


def exchanges(protocol):
    """(mechanism, messages of client C and server S)"""
    def own(name, size=20):
        return secret(f"{protocol} {name}", size)
    user = "anna@example.org"
    scram = [("S", "r=fykoX,s=QSXCR+Q6,i=4096"), ("C", f"c=biws,r=fykoX,p={own('SCRAM')}"),
             ("S", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), ("C", "")]
    return [
        ("PLAIN", [("C", f"\0{user}\0{own('PLAIN')}")]),
        ("LOGIN", [("S", "Username:"), ("C", user), ("S", "Password:"), ("C", own("LOGIN"))]),
        ("CRAM-MD5", [("S", "<1@x>"), ("C", f"{user} {own('CRAM-MD5', 32)}")]),
        ("DIGEST-MD5", [
            ("S", 'realm="x",nonce="OA6MG",qop="auth",algorithm=md5-sess'),
            ("C", f'username="{user}",realm="x",nonce="OA6MG",nc=00000001,cnonce="OA6MH",'
                  f'digest-uri="imap/x",response={own("DIGEST-MD5", 32)},qop=auth'),
            ("S", "rspauth=x"), ("C", "")]),
        ("SCRAM-SHA-256", [("C", f"n,,n={user},r=fyko"), *scram]),
        ("NTLM", [("C", b"NTLMSSP\0" + struct.pack("<II", 1, 0x8207) + bytes(16)),
                  ("S", b"NTLMSSP\0" + struct.pack("<I", 2) + bytes(36)),
                  ("C", ntlm_answer("anna", own("NTLM", 24).encode()))]),
        ("GSSAPI", [("C", b"\x60\x40\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" + own("GSSAPI", 40).encode()),
                    ("S", b"\x60\3abc"), ("C", b"\1\0\0\0anna")]),
        ("XOAUTH2", [("C", f"user={user}\1auth=Bearer {own('XOAUTH2', 60)}\1\1")]),
        ("OAUTHBEARER", [("C", f"n,a={user},\1host=x\1port=143\1auth=Bearer {own('OAUTHBEARER', 60)}\1\1")]),
    ]


def imap():
    lines = [("S", "* OK ready"), ("C", f"a LOGIN anna {secret('imap LOGIN atom')}"), ("S", "a NO no"),
             ("C", f'b LOGIN anna "{secret("imap LOGIN string")}"'), ("S", "b NO no"),
             ("C", "c LOGIN {4}"), ("S", "+ go on"), ("C", "anna {20}"), ("S", "+ go on"),
             ("C", secret("imap LOGIN literal")), ("S", "c NO no")]
    for i, (mechanism, messages) in enumerate(exchanges("imap")):
        initial = i % 2 == 0 and messages[0][0] == "C"
        lines.append(("C", f"m{i} AUTHENTICATE {mechanism}" + (f" {b64(messages[0][1])}" if initial else "")))
        if messages[0][0] == "C" and not initial:
            lines.append(("S", "+ "))
        lines += [(side, ("+ " if side == "S" else "") + b64(text)) for side, text in messages[initial:]]
        lines.append(("S", f"m{i} NO no"))
    return 143, lines + [("C", f"z LOGIN anna {secret('imap accepted')}"), ("S", "z OK in"), ("C", "y NOOP"),
                         ("S", "y OK done")]


def smtp():
    lines = [("S", "220 mail ESMTP"), ("C", "EHLO x"), ("S", "250-mail"), ("S", "250 AUTH PLAIN")]
    for i, (mechanism, messages) in enumerate(exchanges("smtp")):
        initial = i % 2 == 0 and messages[0][0] == "C"
        lines.append(("C", f"AUTH {mechanism}" + (f" {b64(messages[0][1])}" if initial else "")))
        if messages[0][0] == "C" and not initial:
            lines.append(("S", "334 "))
        lines += [(side, ("334 " if side == "S" else "") + b64(text)) for side, text in messages[initial:]]
        lines.append(("S", "535 5.7.8 no"))
    return 587, lines + [("C", "AUTH PLAIN " + b64(f"\0anna\0{secret('smtp accepted')}")), ("S", "235 2.7.0 in"),
                         ("C", "NOOP"), ("S", "250 Ok")]


def pop3():
    lines = [("S", "+OK <1896.6@x> ready"), ("C", "USER anna"), ("S", "+OK"),
             ("C", f"PASS {secret('pop3 PASS')}"), ("S", "-ERR [AUTH] no"),
             ("C", f"APOP anna {secret('pop3 APOP', 32)}"), ("S", "-ERR [AUTH] no")]
    for i, (mechanism, messages) in enumerate(exchanges("pop3")):
        initial = i % 2 == 0 and messages[0][0] == "C"
        lines.append(("C", f"AUTH {mechanism}" + (f" {b64(messages[0][1])}" if initial else "")))
        if messages[0][0] == "C" and not initial:
            lines.append(("S", "+ "))
        lines += [(side, ("+ " if side == "S" else "") + b64(text)) for side, text in messages[initial:]]
        lines.append(("S", "-ERR [AUTH] no"))
    return 110, lines + [("C", "USER anna"), ("S", "+OK"), ("C", f"PASS {secret('pop3 accepted')}"), ("S", "+OK in"),
                         ("C", "NOOP"), ("S", "+OK")]


def sieve():
    lines = [("S", '"IMPLEMENTATION" "x"'), ("S", '"SASL" "PLAIN"'), ("S", "OK")]
    for i, (mechanism, messages) in enumerate(exchanges("sieve")):
        initial = i % 2 == 0 and messages[0][0] == "C"
        lines.append(("C", f'AUTHENTICATE "{mechanism}"' + (f' "{b64(messages[0][1])}"' if initial else "")))
        if messages[0][0] == "C" and not initial:
            lines.append(("S", '""'))
        for side, text in messages[initial:]:
            text = b64(text)
            if side == "C" and i % 3 == 0:
                lines.append((side, f"{{{len(text)}+}}"))
                lines.append((side, text))
            else:
                lines.append((side, f'"{text}"'))
        lines.append(("S", 'NO "no"'))
    return 4190, lines + [("C", f'AUTHENTICATE "PLAIN" "{b64(chr(0) + "anna" + chr(0) + secret("sieve accepted"))}"'),
                          ("S", "OK"), ("C", "NOOP"), ("S", "OK")]


# ---- As packets

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data)) if len(data) % 2 == 0 else checksum_sum(data)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def checksum_sum(data):
    return sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0"))


class Capture:
    def __init__(self):
        self.bytes = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101)
        self.us = 1768204800 * 1000000

    def packet(self, source, target, seq, ack, flags, payload):
        (ip_a, port_a), (ip_b, port_b) = source, target
        tcp = struct.pack("!HHIIBBHHH", port_a, port_b, seq & 0xffffffff, ack & 0xffffffff, 5 << 4, flags, 65000, 0, 0)
        pseudo = ip_a + ip_b + struct.pack("!BBH", 0, 6, len(tcp) + len(payload))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp + payload)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + len(payload), 1, 0, 64, 6, 0, ip_a, ip_b)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        data = ip + tcp + payload
        self.us += 1000
        self.bytes += struct.pack("<IIII", self.us // 1000000, self.us % 1000000, len(data), len(data)) + data

    def conversation(self, number, port, lines, cut):
        ends = {"C": (bytes([192, 0, 2, number]), 40000 + number), "S": (bytes([10, 77, 0, 1]), port)}
        seq = {"C": 1000, "S": 5000}
        self.packet(ends["C"], ends["S"], 999, 0, 2, b"")
        self.packet(ends["S"], ends["C"], 4999, 1000, 18, b"")
        self.packet(ends["C"], ends["S"], 1000, 5000, 16, b"")
        for side, text in lines:
            data, other = text.encode() + b"\r\n", "S" if side == "C" else "C"
            for at in range(0, len(data), cut):
                piece = data[at:at + cut]
                self.packet(ends[side], ends[other], seq[side], seq[other], 24, piece)
                seq[side] += len(piece)


# ---- What a core dump would hold

def dumped(pid):
    """Pages that are there, of mappings that a core dump has (core(5)): private or anonymous, and not told
    to be left out. Pages of files are none."""
    mappings, flags = [], {}
    current = None
    for line in open(f"/proc/{pid}/smaps"):
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            current = words
            mappings.append(current)
        elif words[0] == "VmFlags:":
            flags[id(current)] = words[1:]
    with open(f"/proc/{pid}/mem", "rb", 0) as memory, open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for mapping in mappings:
            start, end = (int(word, 16) for word in mapping[0].split("-"))
            if end - start > HUGE_MAPPING or "r" not in mapping[1] or mapping[-1] in ("[vvar]", "[vsyscall]"):
                continue
            if "dd" in flags[id(mapping)] or (mapping[1][3] == "s" and mapping[4] != "0"):
                continue
            is_file = mapping[4] != "0"
            pagemap.seek(start // PAGE * 8)
            entries = array.array("Q", pagemap.read((end - start) // PAGE * 8))
            run = None
            for i in range(len(entries) + 1):
                # Of a file, only what was written to.
                there = i < len(entries) and entries[i] >> 62 and not (is_file and entries[i] >> 61 & 1)
                if there and run is None:
                    run = i
                elif not there and run is not None:
                    memory.seek(start + run * PAGE)
                    yield mapping[-1], memory.read((i - run) * PAGE)
                    run = None


def forms(value):
    """A secret as it may be written down."""
    result = {value, value.hex().encode(), value.hex().upper().encode(), value.decode().encode("utf-16le")}
    for shift in range(3):  # base64 of something it stands in
        coded = base64.b64encode(b"x" * shift + value)
        result.add(coded[(0, 2, 3)[shift]:len(coded) // 4 * 4 - 4])
    return result


needles = {}


def find(where, data, found):
    for form, name in needles.items():
        at = data.find(form)
        if at >= 0:
            found.append(f"{where}: {name} as {form[:24]}, among {data[max(0, at - 40):at + 60]}")


CONTROL = b"anna@example.org"  # no secret: that it is found shows that looking finds


def look(pid, when, found):
    size, n_control = 0, 0
    for name, data in dumped(pid):
        size += len(data)
        n_control += data.count(CONTROL)
        find(f"{when}, {name}", data, found)
    print(f"{when}: {size >> 10} KB of memory, an account's name {n_control} times")
    return n_control


# ---- Stopped just before the end

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_CONT, PTRACE_SEIZE, PTRACE_O_TRACEEXIT, PTRACE_EVENT_EXIT = 7, 0x4206, 0x40, 6


def at_exit(pid, look_now):
    """Runs until the process ends, and looks before its memory goes. Returns its exit status."""
    while True:
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return status
        if status >> 8 == signal.SIGTRAP | PTRACE_EVENT_EXIT << 8:
            look_now()
            pending = 0
        else:
            pending = os.WSTOPSIG(status)
        libc.ptrace(PTRACE_CONT, pid, None, ctypes.c_void_p(pending))


def options_without_leaks():
    """LeakSanitizer traces, too, and only one can."""
    return ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "detect_leaks=0")))


def is_waiting(pid, fd):
    """All that was written has been read, and every thread sleeps."""
    left = fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4)
    states = []
    for task in os.listdir(f"/proc/{pid}/task"):
        states.append(open(f"/proc/{pid}/task/{task}/stat").read().rsplit(")", 1)[1].split()[0])
    return left == b"\0" * 4 and set(states) == {"S"}


def main():
    postern = sys.argv[1]
    capture = Capture()
    for number, make in enumerate((imap, smtp, pop3, sieve)):
        port, lines = make()
        for i, cut in enumerate((1000, 1, 7)):
            capture.conversation(10 * number + i + 1, port, lines, cut)
    for name, value in secrets.items():
        for form in forms(value):
            needles[form] = name
    found = []
    with tempfile.TemporaryDirectory(prefix="postern-test-") as folder:
        folder = pathlib.Path(folder)
        out = {name: folder / f"{name}.ndjson" for name in ("sessions", "alerts", "activity")}
        options = [word for name, path in out.items() for word in (f"--{name}", path)]
        command = [postern, "replay", *options, "--store", folder / "store", "--rules", ROOT / "rules", "--text", "-"]
        with open(folder / "said", "wb") as said:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said,
                                       env={**os.environ, "ASAN_OPTIONS": options_without_leaks()})
        if libc.ptrace(PTRACE_SEIZE, process.pid, None, ctypes.c_void_p(PTRACE_O_TRACEEXIT)) != 0:
            print("no tracing here:", os.strerror(ctypes.get_errno()))
            process.kill()
            sys.exit(77)
        process.stdin.write(capture.bytes)
        process.stdin.flush()
        n_quiet = 0
        while n_quiet < 10 and process.pid:
            n_quiet = n_quiet + 1 if is_waiting(process.pid, process.stdin.fileno()) else 0
            time.sleep(0.05)
        size = look(process.pid, "in the middle", found)
        process.stdin.close()
        sizes = []
        status = at_exit(process.pid, lambda: sizes.append(look(process.pid, "at the end", found)))
        if status != 0 or not sizes or size == 0:
            sys.exit(f"exit status {status}: {(folder / 'said').read_text()[-2000:]}")
        n_written = 0
        for path in folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                n_written += len(data)
                find(path.name, data, found)
        text = out["sessions"].read_text()
        if text.count('"anna') < 4 or n_written < 10000:
            sys.exit("hardly anything was read: " + text[:1000])
    print(*found[:40], sep="\n")
    print(f"{len(secrets)} secrets, {len(needles)} forms, found {len(found)} times")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
