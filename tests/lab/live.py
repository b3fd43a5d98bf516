#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""live.py POSTERN: real Dovecot and Postfix, real clients, and a mirror of their wire, read at once by
AF_XDP with our XDP program, by net_af_packet, and from a capture: the same session records, nothing lost,
and what is not mail goes on to the kernel. Namespaces of its own; exit status 77 when something is
missing.

    clients ── users0│mail0 ── servers        mail0 is mirrored to both taps by tc
                     ├─ tapx│xdp0 ── postern run --xdp xdp0
                     └─ tapp│pkt0 ── postern run --vdev net_af_packet0,iface=pkt0
"""

import atexit
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import make
import scenario_test
from network import Network, run
from servers import Servers

SKIPPED = 77
TOOLS = make.TOOLS + ("tc",)
HOST = "10.99.0.1"  # the watching host's own address, on the interface that is mirrored to
STRANGER = "10.99.0.2"
# When a packet was read is each source's own; everything else must be equal.
IGNORED = ("@timestamp", "event.id", "event.start", "event.end", "event.duration", "postern.session")


def fail(*words):
    print("FAILED:", *words)
    sys.exit(1)


class Watch:
    """The namespace that Postern runs in, with two taps on the servers' wire."""

    def __init__(self, network):
        self.network = network
        self.name = f"postern-w-{os.getpid()}"

    def __enter__(self):
        run("ip", "netns", "add", self.name)
        try:
            for tap, device in (("tapx", "xdp0"), ("tapp", "pkt0")):
                self._tap(tap, device)
            self._mirror()
            Network.inside(self.name, "ip", "link", "set", "lo", "up")
            Network.inside(self.name, "ip", "addr", "add", f"{HOST}/24", "dev", "xdp0")
            Network.inside(self.network.server, "ip", "addr", "add", f"{STRANGER}/24", "dev", "tapx")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)

    def _tap(self, tap, device):
        server = self.network.server
        queues = ("numtxqueues", "2", "numrxqueues", "2")
        run("ip", "link", "add", tap, "netns", server, *queues, "type", "veth", "peer", "name", device,
            "netns", self.name, *queues)
        for name, end in ((server, tap), (self.name, device)):
            Network.inside(name, "sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1")
            # Checksums as on a wire.
            Network.inside(name, "ethtool", "-K", end, "tso", "off", "gso", "off", "gro", "off", "tx", "off")
            # Two queues, over which the kernel spreads without regard for direction.
            Network.inside(name, "ethtool", "-L", end, "rx", "2", "tx", "2")
            Network.inside(name, "ip", "link", "set", end, "up")

    def _mirror(self):
        Network.inside(self.network.server, "tc", "qdisc", "add", "dev", "mail0", "clsact")
        for way in ("ingress", "egress"):
            Network.inside(
                self.network.server, "tc", "filter", "add", "dev", "mail0", way, "protocol", "all",
                "u32", "match", "u32", "0", "0",
                "action", "mirred", "egress", "mirror", "dev", "tapx", "pipe",
                "action", "mirred", "egress", "mirror", "dev", "tapp")

    def program(self):
        """Whether an XDP program is on the interface, and whether it takes all stations' frames."""
        said = Network.inside(self.name, "ip", "-d", "link", "show", "xdp0")
        return "prog/xdp" in said, "promiscuity 0" not in said


class Live:
    """postern run in the watching namespace."""

    def __init__(self, postern, watch, folder, name, *arguments):
        self.postern = postern
        self.name = name
        self.sessions = folder / f"{name}.ndjson"
        self.errors = folder / f"{name}.err"
        self.control = str(folder / f"{name}.control")
        self.process = watch.network.popen(
            watch.name, str(postern), "run", *arguments, "--control", self.control,
            "--sessions", str(self.sessions), "--alerts", str(folder / f"{name}.alerts"),
            stderr=open(self.errors, "wb"))
        atexit.register(self.process.kill)  # a failed test leaves nobody who holds its output open

    def said(self):
        return self.errors.read_text(errors="replace")

    def wait_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while "postern: running as" not in self.said():
            if self.process.poll() is not None or time.monotonic() > end:
                fail(f"{self.name} does not start: {self.said()}")
            time.sleep(0.1)

    def stats(self):
        return json.loads(run(str(self.postern), "ctl", "--control", self.control, "stats"))["postern"]

    def status(self):
        """Of all threads, what /proc says about their rights."""
        texts = [p.read_text() for p in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/status")]
        keys = ("Uid", "Gid", "CapPrm", "CapEff", "NoNewPrivs", "Seccomp")
        return {tuple(re.search(rf"^{key}:\s+(.*)$", text, re.M)[1] for key in keys) for text in texts}

    def stop(self):
        run(str(self.postern), "ctl", "--control", self.control, "stop")
        status = self.process.wait(60)
        if status:
            fail(f"{self.name}: exit status {status}: {self.said()}")


def without_times(line):
    record = json.loads(line)
    for path in IGNORED:
        *way, last = path.split(".")
        target = record
        for name in way:
            target = target.get(name, {})
        target.pop(last, None)
    return json.dumps(record, sort_keys=True)


def records(path):
    return sorted(without_times(line) for line in path.read_bytes().splitlines())


def compare(name, got, expected):
    if got == expected:
        return
    for a, b in zip(got, expected):
        if a != b:
            print(f"{name}:    {a}\ncapture: {b}")
            break
    fail(f"{name} has {len(got)} records, the capture {len(expected)}; they differ")


def talk_beside(watch, network):
    """A megabyte to a port that is no mail's, and back, on the interface that the program watches."""
    server = watch.network.popen(watch.name, sys.executable, str(HERE / "live.py"), "--echo")
    client = network.popen(network.server, sys.executable, str(HERE / "live.py"), "--talk")
    if client.wait(60) or server.wait(60):
        fail("a connection to another port on the watched interface did not work")


def echo():
    with socket.create_server((HOST, 2222)) as listener:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)


def talk():
    data = os.urandom(1 << 20)
    for _ in range(100):
        try:
            connection = socket.create_connection((HOST, 2222), 20)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    with connection:
        got = bytearray()
        for i in range(0, len(data), 65536):
            connection.sendall(data[i:i + 65536])
            while len(got) < i + 65536:
                got += connection.recv(65536)
        connection.shutdown(socket.SHUT_WR)
        if bytes(got) != data:
            sys.exit(1)


def check_rights(live):
    rights = live.status()
    if len(rights) != 1 or {value.split()[0] for value in list(rights)[0][:2]} != {"65534"}:
        fail("threads that are not nobody's:", rights)
    if list(rights)[0][2:4] != ("0" * 16, "0" * 16) or list(rights)[0][4] != "1":
        fail("capabilities are left:", rights)
    if "system calls confined" in live.said() and list(rights)[0][5] != "2":
        fail("a thread without the filter:", rights)


def settled(lives, capture):
    """Until none has got anything new for a second: the last acknowledgements come after the clients
    have ended, and each reader has its own way from the kernel. tcpdump writes each packet at once."""
    before = None
    while True:
        now = [live.stats()["packets"] for live in lives] + [capture.stat().st_size]
        if now == before:
            return
        before = now
        time.sleep(1)


def crash(postern, watch, folder):
    """Killed, it leaves the interface as it was, and can be started again at once."""
    for attempt in range(2):
        live = Live(postern, watch, folder, f"crash{attempt}", "--xdp", "xdp0", "--user", "nobody")
        live.wait_ready()
        if watch.program() != (True, True):
            fail("no XDP program, or not all frames:", watch.program())
        live.process.send_signal(signal.SIGKILL)
        live.process.wait()
        end = time.monotonic() + 20
        while watch.program() != (False, False) and time.monotonic() < end:
            time.sleep(0.05)
        if watch.program() != (False, False):
            fail("after kill -9 the interface is not as it was:", watch.program())


def idle(postern, watch, network, folder):
    """Z2: time passes without packets: a session that says nothing is recorded all the same."""
    live = Live(postern, watch, folder, "idle", "--xdp", "xdp0", "--user", "nobody", "--interim", "1s")
    live.wait_ready()
    client = network.popen(network.client, sys.executable, str(HERE / "live.py"), "--idle",
                           stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    client.stdout.readline()
    before = live.stats()["packets"]
    end = time.monotonic() + 30
    while time.monotonic() < end:
        lines = [json.loads(line) for line in live.sessions.read_bytes().splitlines()]
        if sum(line["event"]["reason"] == "interim" for line in lines) >= 3:
            break
        time.sleep(0.2)
    else:
        fail("an idle session is not recorded while nothing comes:", lines)
    if live.stats()["packets"] != before:
        fail("it was not idle")
    client.communicate(b"\n")
    live.stop()


def ask(live, word):
    return subprocess.run([str(live.postern), "ctl", "--control", live.control, word],
                          capture_output=True, text=True)


def reload(postern, watch, network, folder):
    """What the program takes changes while it runs; a mistake in the file changes nothing."""
    conf = folder / "postern.yaml"
    conf.write_text("mail_ports: [143]\n")
    live = Live(postern, watch, folder, "reload", "-c", str(conf), "--xdp", "xdp0", "--user", "nobody",
                "--header-charset", "koi8-r")  # another converter than the default one
    live.wait_ready()

    def taken():
        """Packets taken while somebody talks to port 2222."""
        before = live.stats()["ports"][0]["steer"]["redirect_mail"]
        knock(network)
        return live.stats()["ports"][0]["steer"]["redirect_mail"] - before

    if taken():
        fail("a port that is not mail's is taken")
    conf.write_text("mail_ports: [143, 2222]\n")
    done = ask(live, "reload")
    if done.returncode or json.loads(done.stdout)["reloaded"] is not True:
        fail("reload:", done)
    if not taken():
        fail("a port added by reload is not taken")
    conf.write_text("mail_ports: [143]\ntunnels: [\n")
    done = ask(live, "reload")
    if done.returncode != 1 or "postern.yaml:" not in done.stdout or not taken():
        fail("a wrong file must change nothing and be said:", done)
    conf.write_text("mail_ports: 143\n")
    if ask(live, "reload").returncode or taken():
        fail("a port removed by reload is still taken")
    live.stop()


def knock(network):
    """Knocks at port 2222 of the watching host, where nobody needs to answer."""
    subprocess.run(["ip", "netns", "exec", network.server, sys.executable, "-c",
                    f"import socket; s = socket.socket(); s.settimeout(0.3); s.connect_ex(('{HOST}', 2222))"])


def say_nothing():
    from talk import Imap
    account, (password, _) = next(iter(scenario_test.accounts().items()))
    imap = Imap(scenario_test.CLIENTS[0])
    imap.ok("LOGIN", account, f'"{password}"')
    time.sleep(0.5)
    print("logged in", flush=True)
    sys.stdin.readline()
    imap.logout()


def test(postern, folder):
    scenario = scenario_test
    with Network(scenario.CLIENTS) as network, Watch(network) as watch:
        with Servers(network, folder, scenario.Scenario().accounts) as servers:
            make.python_inside(network, network.server, "servers.py", *map(str, servers.PORTS))
            crash(postern, watch, folder)
            idle(postern, watch, network, folder)
            reload(postern, watch, network, folder)
            # Two queues, and two workers behind them; the others have one of each.
            xdp = Live(postern, watch, folder, "xdp", "--xdp", "xdp0", "--user", "nobody", "--workers", "2")
            packet = Live(postern, watch, folder, "packet", "--vdev", "net_af_packet0,iface=pkt0",
                          "--user", "nobody")
            xdp.wait_ready()
            packet.wait_ready()
            capture = make.Capture(network, folder / "capture.pcap")
            try:
                make.python_inside(network, network.client, "drive.py", "test", str(folder / "notes.json"), str(folder))
                talk_beside(watch, network)
                settled([xdp, packet], folder / "capture.pcap")
            finally:
                capture.stop()
        check_rights(xdp)
        check_rights(packet)
        counts, packet_counts = xdp.stats()["ports"][0], packet.stats()["ports"][0]
        shares = [worker["packets"] for worker in xdp.stats()["workers"]]
        xdp.stop()
        packet.stop()
        if watch.program() != (False, False):
            fail("after its end the interface is not as it was")
    run(str(postern), "replay", "--alerts", "/dev/null", "--sessions", str(folder / "capture.ndjson"),
        str(folder / "capture.pcap"))
    expected = records(folder / "capture.ndjson")
    if len(expected) < 40:
        fail(f"only {len(expected)} sessions")
    compare("AF_XDP", records(xdp.sessions), expected)
    compare("net_af_packet", records(packet.sessions), expected)
    print(f"{len(expected)} session records three times; by XDP: {json.dumps(counts)}")
    if any(json.loads(line)["postern"]["gaps"] for line in expected):
        fail("the capture has holes: what is compared with it shows no loss")
    if packet_counts["missed"] or packet_counts["no_buffer"]:
        fail("packets were lost by net_af_packet:", packet_counts)
    if len(shares) != 2 or not all(shares):
        fail("not all workers worked:", shares)
    if counts["missed"] or counts["no_buffer"] or counts["steer"]["redirect_mail"] != counts["received"]:
        fail("packets were lost")
    if len(counts["queues"]) != 2 or not all(counts["queues"]):
        fail("not all queues were used")
    if not counts["steer"]["pass_other_port"]:
        fail("nothing passed to the kernel")


def main():
    if sys.argv[1] == "--echo":
        return echo()
    if sys.argv[1] == "--talk":
        return talk()
    if sys.argv[1] == "--idle":
        return say_nothing()
    postern = pathlib.Path(sys.argv[1]).resolve()
    if os.geteuid():
        print("skipped: network namespaces need root")
        sys.exit(SKIPPED)
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    if lacking:
        print(f"skipped: not installed: {', '.join(lacking)}; ./dev lab installs them")
        sys.exit(SKIPPED)
    said = subprocess.run([str(postern), "run", "--xdp", "lo0"], capture_output=True, text=True).stderr
    if "built without" in said:
        print("skipped:", said)
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory(prefix="postern-live-") as folder:
        os.chmod(folder, 0o755)  # the servers run under ids of their own
        test(postern, pathlib.Path(folder))


main()
