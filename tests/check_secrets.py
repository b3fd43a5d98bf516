#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""check_secrets.py POSTERN: passwords, tokens and answers to challenges, in every mechanism of every protocol,
each different from all others, go by on the wire, and the last of each protocol is still coming when the
packets end. None of them, in no form, is in any output, in the store, or in what a core dump would hold: in the
middle of a replay, when all that was sent has been read, and at its end, just before the process is gone; nor
in the core file that the kernel writes of a replay in the middle."""

import array
import base64
import ctypes
import fcntl
import mmap
import os
import pathlib
import platform
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import termios

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


def halves():
    """(port, lines, the end of a line that has not come): a secret is in the parser's hands."""
    def sent(name):
        return secret(f"half {name}")
    greeting = {143: "* OK ready", 587: "220 mail ESMTP", 110: "+OK ready", 4190: '"IMPLEMENTATION" "x"'}
    begin = {port: [("S", line)] for port, line in greeting.items()}
    begin[4190] += [("S", '"SASL" "PLAIN"'), ("S", "OK")]
    begin[587] += [("C", "EHLO x"), ("S", "250 AUTH PLAIN LOGIN")]
    yield 143, begin[143] + [("C", "a LOGIN anna {30}"), ("S", "+ go on")], sent("literal")
    yield 143, begin[143] + [], f'a LOGIN anna "{sent("string")}'
    yield 143, begin[143] + [("C", "a AUTHENTICATE PLAIN"), ("S", "+ ")], b64(f"\0anna\0{sent('imap PLAIN')}abcdef")[:-8]
    yield 587, begin[587] + [], "AUTH PLAIN " + b64(f"\0anna\0{sent('smtp PLAIN')}abcdef")[:-8]
    yield 587, begin[587] + [("C", "AUTH LOGIN"), ("S", "334 VXNlcm5hbWU6"), ("C", b64("anna")),
                             ("S", "334 UGFzc3dvcmQ6")], b64(sent("smtp LOGIN") + "abcdef")[:-8]
    yield 110, begin[110] + [("C", "USER anna"), ("S", "+OK")], f"PASS {sent('PASS')}"
    yield 110, begin[110] + [("C", "AUTH XOAUTH2"), ("S", "+ ")], b64(f"user=anna\1auth=Bearer {sent('token')}abcdef")[:-8]
    yield 4190, begin[4190] + [("C", 'AUTHENTICATE "PLAIN" {80+}')], b64(f"\0anna\0{sent('sieve literal')}abcdef")[:-8]
    yield 4190, begin[4190] + [], 'AUTHENTICATE "PLAIN" "' + b64(f"\0anna\0{sent('sieve string')}abcdef")[:-8]


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
        self.n_packets = 0

    def packet(self, source, target, seq, ack, flags, payload):
        (ip_a, port_a), (ip_b, port_b) = source, target
        tcp = struct.pack("!HHIIBBHHH", port_a, port_b, seq & 0xffffffff, ack & 0xffffffff, 5 << 4, flags, 65000, 0, 0)
        pseudo = ip_a + ip_b + struct.pack("!BBH", 0, 6, len(tcp) + len(payload))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp + payload)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + len(payload), 1, 0, 64, 6, 0, ip_a, ip_b)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        data = ip + tcp + payload
        self.us += 1000
        self.n_packets += 1
        self.bytes += struct.pack("<IIII", self.us // 1000000, self.us % 1000000, len(data), len(data)) + data

    def conversation(self, number, port, lines, cut, rest=""):
        ends = {"C": (bytes([192, 0, 2, number]), 40000 + number), "S": (bytes([10, 77, 0, 1]), port)}
        seq = {"C": 1000, "S": 5000}
        self.packet(ends["C"], ends["S"], 999, 0, 2, b"")
        self.packet(ends["S"], ends["C"], 4999, 1000, 18, b"")
        self.packet(ends["C"], ends["S"], 1000, 5000, 16, b"")
        for side, data in [(side, text.encode() + b"\r\n") for side, text in lines] + [("C", rest.encode())]:
            other = "S" if side == "C" else "C"
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


# ---- Stopped at a known place

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_GET_SYSCALL_INFO = 7, 24, 0x4206, 0x4207, 0x420e
PTRACE_O_TRACESYSGOOD, PTRACE_O_TRACEEXIT, PTRACE_EVENT_EXIT, PTRACE_SYSCALL_INFO_ENTRY = 1, 0x40, 6, 1
READ = {"x86_64": 0, "aarch64": 63, "riscv64": 63}.get(platform.machine())


def trace(request, pid, data=0, address=None):
    return libc.ptrace(request, pid, address, ctypes.c_void_p(data) if isinstance(data, int) else data)


def entered_read(pid):
    """The descriptor, when the thread stands before a read; else None."""
    info = ctypes.create_string_buffer(128)
    if trace(PTRACE_GET_SYSCALL_INFO, pid, info, ctypes.c_void_p(len(info))) <= 0:
        return None
    number, descriptor = struct.unpack_from("QQ", info, 24)
    return descriptor if info.raw[0] == PTRACE_SYSCALL_INFO_ENTRY and number == READ else None


def until_all_is_read(process):
    """The thread that reads also parses: where it wants more, and the pipe is empty, all of it has been
    through. It stands there until it is told to go on."""
    pid, pipe = process.pid, os.fstat(process.stdin.fileno()).st_ino
    trace(PTRACE_INTERRUPT, pid)
    while True:
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            sys.exit(f"it ended with status {status}")
        event = status >> 8
        if event == signal.SIGTRAP | 0x80:
            descriptor = entered_read(pid)
            if descriptor is not None and os.stat(f"/proc/{pid}/fd/{descriptor}").st_ino == pipe \
                    and fcntl.ioctl(process.stdin, termios.FIONREAD, b"\0" * 4) == b"\0" * 4:
                return
        # Signals are handed on; an event of ptrace's own is none.
        trace(PTRACE_SYSCALL, pid, event if event < signal.SIGTRAP or signal.SIGTRAP < event < 0x80 else 0)


def until_the_end(pid, look_now):
    """Runs until the process ends, and looks before its memory goes. Returns its exit status."""
    trace(PTRACE_CONT, pid)
    while True:
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return status
        pending = os.WSTOPSIG(status)
        if status >> 8 == signal.SIGTRAP | PTRACE_EVENT_EXIT << 8:
            look_now()
        if status >> 16 or status >> 8 == signal.SIGTRAP:
            pending = 0
        trace(PTRACE_CONT, pid, pending)


def environment():
    """LeakSanitizer traces, too, and only one can; and its like forbids core files."""
    options = (os.environ.get("ASAN_OPTIONS"), "detect_leaks=0", "disable_coredump=0")
    return {**os.environ, "ASAN_OPTIONS": ":".join(filter(None, options))}


# ---- A core file

def no_core_files():
    """Why there can be none here; None when there can."""
    pattern = open("/proc/sys/kernel/core_pattern").read().strip()
    if pattern.startswith(("|", "/")) or "/" in pattern:
        return f"the kernel's core_pattern is {pattern}"
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        return "the limit of core files' size is fixed"
    return None


def allow_core_files():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)


def look_core(folder, when, found):
    """Whether there is one; it is removed."""
    for path in folder.glob("core*"):
        size, n_control = 0, 0
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
            at = 0
            while at < len(data):
                try:
                    start = os.lseek(file.fileno(), at, os.SEEK_DATA)
                    end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
                except OSError:
                    break  # nothing but a hole is left
                piece = data[start:min(end, start + (64 << 20))]
                at = start + len(piece)
                if at < end:
                    at -= PAGE  # what stands across the cut
                size += len(piece)
                n_control += piece.count(CONTROL)
                find(f"core file {when}", piece, found)
        print(f"core file {when}: {size >> 10} KB, an account's name {n_control} times")
        path.unlink()
        if n_control == 0:
            sys.exit("the core file holds hardly anything")
        return True
    return False


# ---- All of it

def packets():
    capture = Capture()
    for number, make in enumerate((imap, smtp, pop3, sieve)):
        port, lines = make()
        for i, cut in enumerate((1000, 1, 7)):
            capture.conversation(10 * number + i + 1, port, lines, cut)
    for number, (port, lines, rest) in enumerate(halves()):
        for i, cut in enumerate((1000, 1, 7)):
            capture.conversation(100 + 10 * number + i, port, lines, cut, rest)
    for name, value in secrets.items():
        for form in forms(value):
            needles[form] = name
    return capture


class Replay:
    """postern replay that has read all of it from its standard input, and waits for more."""

    def __init__(self, postern, folder, capture):
        self.folder = folder
        self.out = {name: folder / f"{name}.ndjson" for name in ("sessions", "alerts", "activity")}
        options = [word for name, path in self.out.items() for word in (f"--{name}", path)]
        with open(folder / "said", "wb") as said:
            self.process = subprocess.Popen(
                [postern, "replay", *options, "--store", folder / "store", "--rules", ROOT / "rules", "--text", "-"],
                stdin=subprocess.PIPE, stdout=said, stderr=said, cwd=folder, env=environment(),
                preexec_fn=allow_core_files if not no_core_files() else None)
        self.pid = self.process.pid
        if trace(PTRACE_SEIZE, self.pid, PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD) != 0:
            print("no tracing here:", os.strerror(ctypes.get_errno()))
            self.process.kill()
            sys.exit(77)
        self.process.stdin.write(capture.bytes)
        self.process.stdin.flush()
        until_all_is_read(self.process)


def outputs(replay, found):
    n_written = 0
    for path in replay.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            n_written += len(data)
            find(path.name, data, found)
    text = replay.out["sessions"].read_text()
    if text.count('"anna') < 4 or n_written < 10000:
        sys.exit("hardly anything was read: " + text[:1000])


def replayed(postern, folder, capture, found):
    replay = Replay(postern, folder, capture)
    size = look(replay.pid, "in the middle", found)
    replay.process.stdin.close()
    sizes = []
    status = until_the_end(replay.pid, lambda: sizes.append(look(replay.pid, "at the end", found)))
    if status != 0 or not sizes or size == 0:
        sys.exit(f"exit status {status}: {(folder / 'said').read_text()[-2000:]}")
    outputs(replay, found)


def aborted(postern, folder, capture, found):
    replay = Replay(postern, folder, capture)
    trace(PTRACE_CONT, replay.pid, 0)
    os.kill(replay.pid, signal.SIGABRT)
    status = until_the_end(replay.pid, lambda: None)
    if not os.WIFSIGNALED(status) or not look_core(folder, "of a replay", found):
        sys.exit(f"no core file: status {status}")


def main():
    postern = pathlib.Path(sys.argv[1]).resolve()
    capture = packets()
    found = []
    steps = [replayed] + ([aborted] if not no_core_files() else [])
    for step in steps:
        with tempfile.TemporaryDirectory(prefix="postern-test-") as folder:
            step(postern, pathlib.Path(folder), capture, found)
    print(*found[:40], sep="\n")
    print(f"{len(secrets)} secrets, {len(needles)} forms, found {len(found)} times"
          + (f"; no core file was made: {no_core_files()}" if no_core_files() else ""))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
