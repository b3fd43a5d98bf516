#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""check_port.py POSTERN: real drivers under real packets. net_tap, which verifies checksums as a NIC does;
jumbo frames of real TCP through net_af_packet, and as long ones as AF_XDP takes. Namespaces of its own; exit
status 77 when something is missing.

    client ── c0│s0 ── server        s0 is mirrored to t0 by tc
                     └─ t0│x0 ── postern run
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
DATA = pathlib.Path(__file__).resolve().parent / "data"
SERVER = "10.98.0.1"
BODY = b"".join(b"line %07d of a long message\r\n" % i for i in range(60000))
TIMES = ("@timestamp", "ecs", "observer")


def fail(*words):
    print("FAILED:", *words)
    sys.exit(1)


def skip(*words):
    print("skipped:", *words)
    sys.exit(SKIPPED)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        fail(" ".join(command), done.stderr)
    return done.stdout


class Namespaces:
    """Network namespaces that go with this process."""

    def __init__(self, *names):
        self.names = {name: f"postern-{name}-{os.getpid()}" for name in names}

    def __enter__(self):
        for name in self.names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def inside(self, name, *command):
        return ["ip", "netns", "exec", self.names[name], *command]


class Live:
    def __init__(self, postern, folder, inside, *arguments):
        self.postern, self.sessions, self.err = postern, folder / "sessions", folder / "err"
        self.control = str(folder / "control")
        self.process = subprocess.Popen(
            inside(str(postern), "run", *arguments, "--control", self.control, "--user", "nobody",
                   "--sessions", str(self.sessions), "--alerts", "/dev/null"), stderr=open(self.err, "wb"))
        while "postern: running as" not in self.said():
            if self.process.poll() is not None:
                fail("it does not start:", self.said())
            time.sleep(0.05)

    def said(self):
        return self.err.read_text(errors="replace")

    def stats(self):
        return json.loads(run(str(self.postern), "ctl", "--control", self.control, "stats"))["postern"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait():
            fail(f"exit status {self.process.returncode}:", self.said())
        return [json.loads(line) for line in self.sessions.read_bytes().splitlines()]


# ---- The same numbers by DPDK's telemetry

def telemetry(pid):
    for path in pathlib.Path("/var/run/dpdk").glob("*/dpdk_telemetry.v2*"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as talk:
            try:
                talk.connect(str(path))
            except OSError:
                continue  # of a process that is gone
            if json.loads(talk.recv(65536))["pid"] == pid:
                talk.send(b"/postern/stats")
                return json.loads(talk.recv(65536))["/postern/stats"]
    fail("no telemetry socket of the process")


def check_telemetry(live):
    """Each number of ctl stats, while nothing comes."""
    flat, stats = telemetry(live.process.pid), live.stats()
    port, workers = stats["ports"][0], stats["workers"]
    expected = {name: stats[name] for name in ("packets", "bytes", "lane_full", "handed", "ring_full")}
    expected |= {f"port0_{name}": port[name] for name in ("received", "missed", "no_buffer")}
    expected |= {f"decode_{name}": n for name, n in stats["decode"].items()}
    expected |= stats["fragments"] | stats["flows"]
    expected |= {name: stats["results"][name] for name in ("records", "alerts", "shed", "lost")}
    expected |= {f"memory_{name}_{what}": n for name, kinds in stats["memory"].items() for what, n in kinds.items()}
    expected |= {f"connections_{state}": sum(worker["connections"][state] for worker in workers)
                 for state in workers[0]["connections"]}
    expected |= {f"worker{i}_packets": worker["packets"] for i, worker in enumerate(workers)}
    for name, n in expected.items():
        if flat.get(name) != n:
            fail(f"telemetry says {name} {flat.get(name)}, ctl stats {n}")
    for i in range(len(workers)):
        if not 0 <= flat[f"worker{i}_busy_permille"] <= 1000 or not 0 <= workers[i]["busy"] <= 1:
            fail("busy shares:", flat, workers)
    if not stats["packets"] or not stats["flows"]["segment_in_order"] or port["received"] != stats["packets"]:
        fail("nothing was counted:", stats)
    print(f"telemetry: {len(expected)} counters, as ctl stats says")


# ---- net_tap: what it says of checksums is used, and right

def frames_of(path):
    data, at = path.read_bytes(), 24
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + size]
        at += 16 + size


def comparable(records):
    """What does not depend on when a packet was read, nor on what drew its id."""
    out = []
    for record in records:
        record["event"] = {"action": record["event"]["action"]}
        record["postern"].pop("session")
        for name in TIMES:
            record.pop(name)
        out.append(json.dumps(record, sort_keys=True))
    return sorted(out)


def damaged(folder, whole):
    """Of every fifteenth packet a byte of payload is another: its checksum is wrong, the next copy right."""
    data, at, n, out = whole.read_bytes(), 24, 0, bytearray(whole.read_bytes()[:24])
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        record = bytearray(data[at:at + 16 + size])
        n += 1
        if n % 15 == 0 and size > 80:
            bad = bytearray(record)
            bad[-1] ^= 0x20
            out += bad
        out += record
        at += 16 + size
    path = folder / "damaged.pcap"
    path.write_bytes(out)
    return path


def feed(namespaces, live, path, space="tap", device="dtap0"):
    """Into the wire's other end, never more than its queue holds ahead of its reader."""
    sender = subprocess.Popen(namespaces.inside(space, sys.executable, __file__, "--send", str(path), device),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    base, sent = live.stats()["packets"], 0
    while True:
        sender.stdin.write("more\n")
        sender.stdin.flush()
        n = int(sender.stdout.readline())
        sent += n
        while live.stats()["packets"] < base + sent:
            if live.process.poll() is not None:
                fail("it ended:", live.said())
            time.sleep(0.01)
        if n == 0:
            sender.communicate()
            return sent


def send(path, device):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((device, 0))
        frames = frames_of(pathlib.Path(path))
        for _ in sys.stdin:
            n = 0
            for frame in frames:
                out.send(frame)
                n += 1
                if n == 200:
                    break
            print(n, flush=True)


def tap(postern, folder):
    if not os.path.exists("/dev/net/tun"):
        return print("net_tap: skipped: no /dev/net/tun")
    whole = folder / "lab.pcap"
    run("zstd", "-q", "-d", "-f", str(DATA / "lab.pcap.zst"), "-o", str(whole))
    # Both times nothing but the capture is in the namespace's wire: the kernel says nothing of its own.
    for name, path, workers in (("right", whole, "1"), ("some wrong", damaged(folder, whole), "2")):
        expected = folder / "expected"
        expected.unlink(missing_ok=True)
        run(str(postern), "replay", "--alerts", "/dev/null", "--sessions", str(expected), str(path))
        with Namespaces("tap") as namespaces:
            run(*namespaces.inside("tap", "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                                   "net.ipv6.conf.default.disable_ipv6=1"))
            live = Live(postern, folder, lambda *words: namespaces.inside("tap", *words),
                        "--vdev", "net_tap0,iface=dtap0", "--workers", workers)
            if "checksums verified by the driver" not in live.said():
                fail("net_tap offers to verify checksums, and is not asked to:", live.said())
            # It offers several queues, and does not tell how it spreads over them.
            if workers != "1" and "not spread by the NIC (the driver does not tell" not in live.said():
                fail("a driver that cannot keep directions together is not told of:", live.said())
            run("ip", "-n", namespaces.names["tap"], "link", "set", "dtap0", "up")
            sent = feed(namespaces, live, path)
            check_telemetry(live)
            got = comparable(live.stop())
        want = comparable(map(json.loads, expected.read_bytes().splitlines()))
        ends = {line for line in want} ^ {line for line in got}
        if got != want or not want:
            fail(f"net_tap, {name}: {len(got)} records, {len(want)} expected:", *sorted(ends)[:4])
        print(f"net_tap, checksums {name}: {sent} packets, {len(got)} records, as replayed")
        live.sessions.unlink()


# ---- Jumbo frames

def serve():
    with socket.create_server((SERVER, 25)) as listener:
        print("ready", flush=True)
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 mail.example ESMTP\r\n")
            for line in lines:
                word = line[:4].upper()
                if word == b"DATA":
                    connection.sendall(b"354 go on\r\n")
                    while next(lines) != b".\r\n":
                        pass
                connection.sendall(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return


def talk():
    with socket.create_connection((SERVER, 25)) as connection, connection.makefile("rb") as lines:
        lines.readline()
        for line in (b"HELO c.example\r\n", b"MAIL FROM:<a@c.example>\r\n", b"RCPT TO:<b@s.example>\r\n",
                     b"DATA\r\n", b"Subject: long\r\n\r\n" + BODY + b".\r\n", b"QUIT\r\n"):
            connection.sendall(line)
            lines.readline()


def wire(namespaces, mtu):
    def pair(a, at, b, bt):
        run("ip", "link", "add", a, "mtu", mtu, "netns", namespaces.names[at], "type", "veth",
            "peer", "name", b, "mtu", mtu, "netns", namespaces.names[bt])
        for name, space in ((a, at), (b, bt)):
            run(*namespaces.inside(space, "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"))
            run(*namespaces.inside(space, "ethtool", "-K", name, "tso", "off", "gso", "off", "gro", "off",
                                   "tx", "off"))
            run(*namespaces.inside(space, "ip", "link", "set", name, "up"))
    pair("c0", "client", "s0", "server")
    pair("t0", "server", "x0", "watch")
    run(*namespaces.inside("client", "ip", "addr", "add", "10.98.0.2/24", "dev", "c0"))
    run(*namespaces.inside("server", "ip", "addr", "add", f"{SERVER}/24", "dev", "s0"))
    run(*namespaces.inside("server", "tc", "qdisc", "add", "dev", "s0", "clsact"))
    for way in ("ingress", "egress"):
        run(*namespaces.inside("server", "tc", "filter", "add", "dev", "s0", way, "protocol", "all", "u32",
                               "match", "u32", "0", "0", "action", "mirred", "egress", "mirror", "dev", "t0"))


def over(stats):
    """Whether there was a session, and no connection goes on."""
    going_on = sum(worker["connections"][state] for worker in stats["workers"] for state in ("opening", "read"))
    return stats["sessions"]["smtp"] > 0 and going_on == 0


def jumbo(postern, folder, name, mtu, *arguments):
    with Namespaces("client", "server", "watch") as namespaces:
        wire(namespaces, str(mtu))
        live = Live(postern, folder, lambda *words: namespaces.inside("watch", *words), *arguments)
        server = subprocess.Popen(namespaces.inside("server", sys.executable, __file__, "--serve"),
                                  stdout=subprocess.PIPE, text=True)
        server.stdout.readline()
        run(*namespaces.inside("client", sys.executable, __file__, "--talk"))
        server.wait()
        while not over(live.stats()):
            time.sleep(0.05)
        counts = live.stats()["ports"][0]
        records = live.stop()
    if len(records) != 1:
        fail(f"{name}: {len(records)} records")
    smtp, source = records[0]["postern"], records[0]["source"]
    if not smtp["smtp"].get("messages"):
        fail(f"{name}: no message:", records[0], live.said())
    message = smtp["smtp"]["messages"][0]
    size = len(b"Subject: long\r\n\r\n") + len(BODY)
    if message["bytes"] != size or smtp["gaps"] or smtp["seen"] != 1.0 or smtp.get("events"):
        fail(f"{name}: {message['bytes']} bytes of {size}, {smtp['gaps']} gaps:", records[0])
    if counts["missed"] or counts["no_buffer"]:
        fail(f"{name}: lost:", counts)
    # Segments as long as the wire allows, or it was no test.
    if source["bytes"] / source["packets"] < 0.6 * mtu:
        fail(f"{name}: only {source['bytes'] // source['packets']} bytes a packet")
    live.sessions.unlink()
    print(f"{name}: a message of {size} bytes, {source['bytes'] // source['packets']} bytes a packet, MTU {mtu}")
    return live.said()


# ---- Tunnels, spread by what is inside

def tunnelled(postern, folder, name, *arguments):
    """The lab's talks in tunnels, through a port and two workers: the records they have without."""
    whole, expected = folder / "lab.pcap", folder / "expected"
    run("zstd", "-q", "-d", "-f", str(DATA / "lab.pcap.zst"), "-o", str(whole))
    expected.unlink(missing_ok=True)
    run(str(postern), "replay", "--alerts", "/dev/null", "--sessions", str(expected), str(whole))
    want = comparable(map(json.loads, expected.read_bytes().splitlines()))
    for shape in ("vxlan", "gre_teb", "geneve"):
        path = folder / f"{shape}.pcap"
        run(sys.executable, str(DATA.parent / "tools/transform.py"), shape, str(whole), str(path))
        with Namespaces("client", "server", "watch") as namespaces:
            wire(namespaces, "2000")
            live = Live(postern, folder, lambda *words: namespaces.inside("watch", *words), *arguments,
                        "--workers", "2", "--tunnels", "vxlan,gre,geneve")
            sent = feed(namespaces, live, path, "server", "t0")
            stats = live.stats()
            got = comparable(live.stop())
        if got != want or not want:
            ends = {line for line in want} ^ {line for line in got}
            fail(f"{name}, {shape}: {len(got)} records, {len(want)} expected:", *sorted(ends)[:4])
        shares = [worker["packets"] for worker in stats["workers"]]
        if stats["decode"]["tcp"] != sent or min(shares) == 0:
            fail(f"{name}, {shape}: {sent} packets, {stats['decode']}, of the workers {shares}")
        print(f"{name}, {shape}: {sent} packets, {shares} of the workers, {len(got)} records, as without")
        live.sessions.unlink()


def main():
    if sys.argv[1] == "--send":
        return send(*sys.argv[2:])
    if sys.argv[1] == "--serve":
        return serve()
    if sys.argv[1] == "--talk":
        return talk()
    postern = pathlib.Path(sys.argv[1]).resolve()
    if os.geteuid():
        skip("network namespaces need root")
    lacking = [tool for tool in ("ip", "tc", "ethtool", "sysctl", "zstd") if not shutil.which(tool)]
    if lacking:
        skip("not installed:", ", ".join(lacking))
    if "without DPDK" in subprocess.run([str(postern), "run", "--vdev", "net_none0"], capture_output=True,
                                        text=True).stderr:
        skip("built without DPDK")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        skip("no network namespaces here")
    with tempfile.TemporaryDirectory(prefix="postern-port-") as name:
        folder = pathlib.Path(name)
        os.chmod(folder, 0o777)
        tap(postern, folder)
        # The ring holds the whole message: whether it is read in time is no question of this test.
        jumbo(postern, folder, "net_af_packet", 9000, "--vdev", "net_af_packet0,iface=x0,framecnt=1024")
        jumbo(postern, folder, "net_af_packet, two workers", 1500, "--workers", "2",
              "--vdev", "net_af_packet0,iface=x0,framecnt=4096")
        tunnelled(postern, folder, "net_af_packet", "--vdev", "net_af_packet0,iface=x0,framecnt=1024")
        if "built without" not in subprocess.run([str(postern), "run", "--xdp", "lo0"], capture_output=True,
                                                 text=True).stderr:
            tunnelled(postern, folder, "AF_XDP", "--xdp", "x0")
            said = jumbo(postern, folder, "AF_XDP", 3438, "--xdp", "x0")
            if "AF_XDP takes up to" not in said:
                fail("it does not say how long a frame AF_XDP takes:", said)


main()
