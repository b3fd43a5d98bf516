#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""end_to_end.py POSTERN CASE: the program as its users run it, on our own captures (tests/data). The
cases are the functions below; exit status 77 when a case needs what this build lacks."""

import base64
import datetime
import gzip
import itertools
import json
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import check_lab
import wire

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
DATA = TESTS / "data"
LAB = DATA / "lab.pcap.zst"
DEMO = DATA / "demo.pcap.zst"
WEEKS = DATA / "weeks.pcap.zst"
DRIVEN = ROOT / "../shared/captures/lab/labA.pcap"
PROXIES = "198.51.100.200/29"  # where they stand in all recordings
SKIPPED = 77
PACKETS = ("source.packets", "destination.packets")
# What swapping two packets may move by the time between them.
TIMES = PACKETS + ("@timestamp", "event.start", "event.end", "event.duration")


class Run:
    """One run of a postern command that writes sessions, alerts and activity to files."""

    def __init__(self, postern, folder, *arguments, command="replay", stdin=None, until=None, cwd=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
        self.out = {name: self.folder / f"{name}.ndjson"
                    for name in ("sessions", "alerts", "activity")}
        options = [word for name, path in self.out.items() for word in (f"--{name}", str(path))]
        if command == "score":
            options = ["--alerts", str(self.out["alerts"])]
        process = subprocess.Popen(
            [str(postern), command, *options, *map(str, arguments)],
            stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd)
        if until:
            stop_when(process, lambda: len(self.lines("sessions")) >= until)
        self.stdout, self.stderr = process.communicate()
        self.status = process.returncode

    def lines(self, name):
        path = self.out[name]
        return path.read_bytes().splitlines() if path.exists() else []

    def done(self):
        if self.status:
            fail(f"exit status {self.status}: {self.stderr.decode(errors='replace')[-3000:]}")
        return self


def stop_when(process, condition):
    """A live run does not end by itself."""
    while process.poll() is None and not condition():
        time.sleep(0.1)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)


def fail(*words):
    print(*words)
    sys.exit(1)


def without(record, paths):
    for path in paths:
        *way, last = path.split(".")
        target = record
        for name in way:
            target = target.get(name, {})
        target.pop(last, None)
    return record


def comparable(lines, ignored):
    return sorted(json.dumps(without(json.loads(line), ignored), sort_keys=True) for line in lines)


def same(name, got, expected, ignored=()):
    """Both are lines; order does not count."""
    got, expected = comparable(got, ignored), comparable(expected, ignored)
    if not expected:
        fail(f"{name}: there is nothing to compare with")
    only_got = [line for line in got if line not in expected]
    only_expected = [line for line in expected if line not in got]
    if only_got or only_expected or len(got) != len(expected):
        print(*[f"only now: {line}" for line in only_got[:5]], sep="\n")
        print(*[f"only before: {line}" for line in only_expected[:5]], sep="\n")
        fail(f"{name}: {len(got)} records, {len(expected)} expected; "
             f"{len(only_got)} and {len(only_expected)} differ")
    print(f"{name}: {len(got)} records, the same")


def plain_lab(folder):
    """The lab capture uncompressed, for tools that read no zstd."""
    path = pathlib.Path(folder) / "lab.pcap"
    subprocess.run(["zstd", "-q", "-d", "-f", str(LAB), "-o", str(path)], check=True)
    return path


def recapture(folder, *options):
    path = pathlib.Path(folder) / ("".join(options).strip("-").replace("-", "_") + ".pcap")
    subprocess.run([sys.executable, str(TESTS / "tools/recapture.py"), *options,
                    str(plain_lab(folder)), str(path)], check=True)
    return path


# ---- Cases

def lab(postern, folder):
    """What the servers logged is what the session records say."""
    run = Run(postern, folder, LAB).done()
    check = subprocess.run([sys.executable, str(TESTS / "check_lab.py"), run.out["sessions"],
                            DATA / "lab.dovecot.log", DATA / "lab.postfix.log"])
    attached(run, LAB)
    if check.returncode:
        sys.exit(1)


def attached(run, capture):
    """Attachments' names, sizes and hashes are what Python's own reader of mail finds on the wire."""
    records = check_lab.last_records(line.decode() for line in run.lines("sessions"))
    faults = list(check_lab.compare_attachments(capture, records["smtp"].values()))
    n = sum(wire.attachments(capture).values())
    print(*faults, f"{capture.name}: {n} attachments: {len(faults)} differ", sep="\n")
    if faults:
        sys.exit(1)


def others(postern, folder):
    """And what other servers logged, to the byte."""
    for check, logs, names in (("check_others.py", ("courier", "exim"), ("others", "clients_others")),
                               ("check_cyrus.py", ("cyrus", "opensmtpd"), ("cyrus", "clients_cyrus"))):
        for name in names:
            capture = DATA / f"{name}.pcap.zst"
            run = Run(postern, folder, "--trusted-proxies", PROXIES, capture).done()
            done = subprocess.run([sys.executable, str(TESTS / check), run.out["sessions"],
                                   *(DATA / f"{name}.{log}.log" for log in logs), capture])
            attached(run, capture)
            if done.returncode:
                sys.exit(1)


def proxies(postern, folder):
    """And what servers behind proxies logged: the clients' real addresses."""
    capture = DATA / "proxies.pcap.zst"
    trusted = Run(postern, folder, "--trusted-proxies", PROXIES, capture).done()
    untrusted = Run(postern, folder, capture).done()
    check = subprocess.run([sys.executable, str(TESTS / "check_proxies.py"), trusted.out["sessions"],
                            untrusted.out["sessions"], capture, str(DATA / "proxies")])
    attached(trusted, capture)
    if check.returncode:
        sys.exit(1)


def one_byte_segments(postern, folder):
    """How TCP cuts the bytes does not matter."""
    whole = Run(postern, folder, LAB).done()
    for size in ("1", "7"):
        cut = Run(postern, folder, recapture(folder, "--cut", size)).done()
        same(f"cut at {size}", cut.lines("sessions"), whole.lines("sessions"), PACKETS)


def dpdk_port(postern, folder):
    """Nor does it matter whether the packets come from a file or a port."""
    replay = Run(postern, folder, LAB).done()
    records = replay.lines("sessions")
    ended = sum(json.loads(line)["event"]["reason"] != "end-of-input" for line in records)
    # A second device that EAL options bring is none of this run's, and it says so.
    live = Run(postern, folder, "--vdev", f"net_pcap0,rx_pcap={plain_lab(folder)}", "--", "--vdev", "net_ring0",
               command="run", until=ended)
    if b"without DPDK" in live.stderr:
        print("built without DPDK")
        sys.exit(SKIPPED)
    same("port", live.done().lines("sessions"), records)
    if b"port net_ring0 is not read" not in live.stderr:
        fail("it does not say that a second port is not read:", live.stderr.decode())


def every_container(postern, folder):
    """Nor the file's format, its compression, or a pipe; nor the link layer."""
    expected = Run(postern, folder, LAB).done().lines("sessions")
    plain = plain_lab(folder)
    packed = pathlib.Path(folder) / "lab.pcap.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, packed):
        same(path.name, Run(postern, folder, path).done().lines("sessions"), expected)
    for path in (plain, packed, LAB):
        with open(path, "rb") as stdin:
            piped = Run(postern, folder, "-", stdin=stdin).done()
        same(f"{path.name} from standard input", piped.lines("sessions"), expected)
        cat = subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE)
        piped = Run(postern, folder, "-", stdin=cat.stdout).done()
        cat.wait()
        same(f"{path.name} from a pipe", piped.lines("sessions"), expected)
    shapes = [("--format", f) for f in ("pcap-ns", "pcap-be", "pcapng", "pcapng-be")]
    shapes += [("--link", link) for link in ("raw", "sll", "sll2", "null")]
    for shape in shapes:
        path = recapture(folder, *shape)
        same(shape[1], Run(postern, folder, path).done().lines("sessions"), expected)


def any_number_of_workers(postern, folder):
    """Nor how many cores share the work."""
    one = Run(postern, folder, DEMO).done()
    four = Run(postern, folder, "--workers", 4, DEMO).done()
    for name in ("sessions", "alerts"):
        same(name, four.lines(name), one.lines(name))


def capture_of(path, talks):
    """Connections one after the other: (client's address, server's, [(is it the client's, bytes)])."""
    frames = []

    def put(at, source, target, ports, seq, ack, flags, payload=b""):
        tcp = struct.pack("!HHIIBBHHH", *ports, seq, ack, 5 << 4, flags, 65535, 0, 0) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, bytes(source), bytes(target))
        frames.append((at, bytes(12) + b"\x08\x00" + ip + tcp))

    for number, (client, server, talk) in enumerate(talks):
        at, seq = 1768204800 + number, [1000, 9000]
        ends, ports = (client, server), (40000 + number, 143)
        put(at, client, server, ports, seq[0] - 1, 0, 2)
        put(at, server, client, ports[::-1], seq[1] - 1, seq[0], 18)
        put(at, client, server, ports, seq[0], seq[1], 16)
        for is_client, data in talk + [(True, None), (False, None)]:
            way = 0 if is_client else 1
            put(at, ends[way], ends[1 - way], ports[::1 - 2 * way], seq[way], seq[1 - way],
                17 if data is None else 24, data or b"")
            seq[way] += 1 if data is None else len(data)
        put(at, client, server, ports, seq[0], seq[1], 16)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for at, frame in frames:
            file.write(struct.pack("<IIII", at, 0, len(frame), len(frame)) + frame)


def offers_stripped_whatever_worker_hears(postern, folder):
    """A server's connections are on all workers: what it said on one is known for all, and in order."""
    def talk(offers, name):
        return [(False, b"* OK [CAPABILITY IMAP4rev1 %s] ready\r\n" % offers), (True, b"a LOGIN %s x\r\n" % name),
                (False, b"a OK in\r\n"), (True, b"b LOGOUT\r\n"), (False, b"* BYE\r\nb OK\r\n")]
    both, less = b"STARTTLS AUTH=PLAIN", b"AUTH=PLAIN"
    talks = [((10, 0, 9, i), (10, 0, 0, 1 + i % 3), talk(both if i // 3 % 2 else less, b"u%d" % i)) for i in range(60)]
    path = pathlib.Path(folder) / "offers.pcap"
    capture_of(path, talks)
    one = Run(postern, folder, "--checksum=no", "--rules", ROOT / "rules", path).done()
    records = list(map(json.loads, one.lines("sessions")))
    found = {record["user"]["id"] for record in records if "capability_stripped" in record["postern"]["events"]}
    wanted = {f"u{i}" for i in range(6, 60) if i // 3 % 2 == 0}
    if found != wanted or len(records) != 60:
        fail(f"stripped of {len(records)}: {sorted(found)}, not {sorted(wanted)}")
    named = {alert["user"]["id"] for alert in map(json.loads, one.lines("alerts")) if alert["rule"]["id"] == "capability-stripping"}
    has_rules = b"no Hyperscan" not in one.stderr
    if has_rules and named != wanted:
        fail(f"alerts name {sorted(named)}, not {sorted(wanted)}")
    for workers in (2, 4):
        run = Run(postern, folder, "--checksum=no", "--rules", ROOT / "rules", "--workers", workers, path).done()
        same(f"sessions of {workers} workers", run.lines("sessions"), one.lines("sessions"))
        if has_rules:
            same(f"alerts of {workers} workers", run.lines("alerts"), one.lines("alerts"))
    print(f"{len(found)} sessions of 60, the same with 1, 2 and 4 workers")


def q3_every_start_has_keys_of_its_own(postern, folder):
    """The key of all tables is drawn at each start and used: who gets which connection differs from start to start."""
    seen = set()
    for _ in range(6):
        run = Run(postern, folder, "--workers", 4, "--stats", "1s", LAB).done()
        stats = [line for line in map(json.loads, run.lines("sessions")) if line["event"].get("dataset") == "postern.stats"]
        seen.add(tuple(worker["packets"] for worker in stats[-1]["postern"]["workers"]))
    if len(seen) < 2:
        fail(f"six starts share packets over workers alike: {seen}")
    print(f"packets of each worker in {len(seen)} of 6 starts: {sorted(seen)}")


def every_shape(postern, folder, plain):
    sys.path.insert(0, str(TESTS / "tools"))
    import transform
    expected = Run(postern, folder, plain).done().lines("sessions")
    for shape in transform.SHAPES:
        path = pathlib.Path(folder) / f"{shape}.pcap"
        subprocess.run([sys.executable, str(TESTS / "tools/transform.py"), shape, str(plain),
                        str(path)], check=True)
        for workers in (1, 4):
            run = Run(postern, folder, "--workers", workers, path).done()
            same(f"{shape}, {workers} workers", run.lines("sessions"), expected,
                 TIMES if shape == "swapped" else PACKETS)
        path.unlink()


def shapes(postern, folder):
    """Nor the way of the packets: tunnels, fragments, duplicates, disorder."""
    every_shape(postern, folder, plain_lab(folder))


def shapes_driven(postern, folder):
    """The same of the capture beside the checkout, of clients that do whatever clients can."""
    if not DRIVEN.exists():
        print("no ../shared beside the checkout: nothing to read")
        sys.exit(SKIPPED)
    every_shape(postern, folder, DRIVEN)


def plain_demo(folder):
    path = pathlib.Path(folder) / "demo.pcap"
    subprocess.run(["zstd", "-qdf", DEMO, "-o", path], check=True)
    return path


def n1_restarts(postern, folder):
    """A start in the middle of everything is no reason for alerts: nothing is known, nothing is odd."""
    whole = plain_lab(folder).read_bytes()
    packets, at = [], 24
    while at < len(whole):
        size = int.from_bytes(whole[at + 8:at + 12], "little") + 16
        packets.append(whole[at:at + size])
        at += size
    n_records = 0
    for n_parts in (2, 5, 12):
        for i in range(n_parts):
            part = packets[len(packets) * i // n_parts:len(packets) * (i + 1) // n_parts]
            path = pathlib.Path(folder) / "part.pcap"
            path.write_bytes(whole[:24] + b"".join(part))
            run = Run(postern, folder, path).done()
            n_records += len(run.lines("sessions"))
            if run.lines("alerts"):
                fail(f"part {i} of {n_parts}: {run.lines('alerts')[0]}")
    print(f"{n_records} records of parts, no alert")
    every_minute(postern, pathlib.Path(folder))


def every_minute(postern, folder):
    """With a store, a restart in every minute in which something happens: the alerts of one run, each once."""
    lines = Run(postern, folder, DEMO).done().lines("activity")
    part, got = folder / "minute.ndjson", []
    part.write_bytes(b"\n".join(lines) + b"\n")
    expected = Run(postern, folder, part, command="score").done().lines("alerts")
    minutes = [[*group] for _, group in itertools.groupby(lines, lambda line: json.loads(line)["time"][:16])]
    for group in minutes:
        part.write_bytes(b"\n".join(group) + b"\n")
        got += Run(postern, folder, "--store", folder / "every-minute", part, command="score").done().lines("alerts")
    same(f"alerts of {len(minutes)} starts", got, expected)


SPRAYED = ("password-spraying", "password-spraying-distributed")


def pages_of(postern, store, names):
    """What `postern account` says of each account."""
    said = subprocess.run([postern, "account", "--json", "--store", store, *names], capture_output=True, check=True)
    pages = list(map(json.loads, said.stdout.splitlines()))
    if [page["account"] for page in pages] != names:
        fail(f"pages of {len(pages)} accounts, not of {len(names)}")
    return pages


def without_sprayed(page):
    return {**page, "alerts": [alert for alert in page["alerts"] if alert["rule"] not in SPRAYED]}


def same_pages(now, then, new_key):
    """Passwords are hashed under a key that ends with its start: one that was tried before a start and after it
    counts as two. So with new_key, alerts about passwords that were tried on many may say other numbers; an account
    that was got into is named all the same, and everything else is equal to the byte."""
    for page, expected in zip(now, then, strict=True):
        if new_key:
            into = [f'into one: {page["account"]}.' in json.dumps(side["alerts"]) for side in (page, expected)]
            if into[0] != into[1]:
                fail(f'{page["account"]} was got into: {into}:', json.dumps(page["alerts"]))
            page, expected = without_sprayed(page), without_sprayed(expected)
        if page != expected:
            fail("the page of an account is another:", json.dumps(expected), json.dumps(page))


def n1_killed(postern, folder):
    """kill -9 in the middle of a replay, and of a score, again and again: the store opens at once, and what is read
    again from the beginning leads to the pages that one undisturbed run leads to. Where the kills fall is left to
    chance; what must be true afterwards is not."""
    folder = pathlib.Path(folder)
    whole, activity = folder / "whole", folder / "activity.ndjson"
    options = ("--store-interval", "1s", "--alerts", "/dev/null")
    run = Run(postern, folder, "--store", whole, "--store-interval", "1s", DEMO).done()
    activity.write_bytes(run.out["activity"].read_bytes())
    names = sorted({json.loads(line)["account"] for line in run.lines("activity") if b'"account"' in line})
    expected = pages_of(postern, whole, names)
    chance = random.Random()
    n_killed = 0
    for command, source in (("replay", DEMO), ("score", activity)):
        store = folder / command
        arguments = [postern, command, "--store", str(store), *options, str(source)]
        began = time.monotonic()
        subprocess.run(arguments, capture_output=True, check=True)
        took = time.monotonic() - began
        shutil.rmtree(store)
        for _ in range(15):
            process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(chance.random() * took)
            process.kill()
            said = process.communicate()[1]
            n_killed += process.returncode == -signal.SIGKILL
            if b"broken" in said or b"aside" in said:
                fail(f"{command} after a kill:", said.decode())
        last = subprocess.run(arguments, capture_output=True)
        if last.returncode or b"broken" in last.stderr or b"aside" in last.stderr:
            fail(f"{command} after all kills:", last.stderr.decode())
        same_pages(pages_of(postern, store, names), expected, command == "replay")
    print(f"{n_killed} runs killed, {len(names)} accounts")


def n1_stopped_in_every_minute(postern, folder):
    """A replay that ends in each minute in which something happens, and then another of the whole, as after a kill
    there: waves of passwords that the end cuts in two are among them."""
    folder = pathlib.Path(folder)
    whole = plain_demo(folder).read_bytes()
    options = ("--store-interval", "1s")
    run = Run(postern, folder, "--store", folder / "whole", *options, DEMO).done()
    names = sorted({json.loads(line)["account"] for line in run.lines("activity") if b'"account"' in line})
    expected = pages_of(postern, folder / "whole", names)
    ends, at = {}, 24
    while at < len(whole):
        seconds, _, size, _ = struct.unpack_from("<IIII", whole, at)
        at += 16 + size
        ends[seconds // 60] = at
    part, n_cut = folder / "part.pcap", 0
    for end in ends.values():
        part.write_bytes(whole[:end])
        store = folder / "store"
        for source in (part, DEMO):
            Run(postern, folder, "--store", store, *options, source).done()
        pages = pages_of(postern, store, names)
        same_pages(pages, expected, True)
        n_cut += pages != expected
        shutil.rmtree(store)
    print(f"{len(ends)} ends, {n_cut} of them in the middle of a wave")
    if not n_cut:
        fail("no wave was cut: the capture is not what this test needs")


def n1_killed_live(postern, folder):
    """kill -9 of a live run, packets coming in through a port: the store opens, and when the capture of what it saw
    is replayed into it what is missing is learnt, what is known counts once, and the accounts' pages are those of
    one undisturbed replay. Where the kills fall is left to chance; each has a store of its own, because no wire
    brings the same packets twice."""
    folder = pathlib.Path(folder)
    plain, whole = plain_demo(folder), folder / "whole"
    options = ("--store-interval", "1s")
    run = Run(postern, folder, "--store", whole, *options, DEMO).done()
    ended = sum(json.loads(line)["event"]["reason"] != "end-of-input" for line in run.lines("sessions"))
    names = sorted({json.loads(line)["account"] for line in run.lines("activity") if b'"account"' in line})
    expected = pages_of(postern, whole, names)
    port = ("--vdev", f"net_pcap0,rx_pcap={plain}")
    began = time.monotonic()
    first = Run(postern, folder, "--store", folder / "first", *options, *port, command="run", until=ended)
    took = time.monotonic() - began
    if b"without DPDK" in first.stderr:
        print("built without DPDK")
        sys.exit(SKIPPED)
    first.done()
    chance = random.Random()
    n_killed = n_found = 0
    for life in range(8):
        store = folder / f"live-{life}"
        out = folder / "killed.ndjson"
        process = subprocess.Popen([postern, "run", "--store", store, *options, *port, "--sessions", out,
                                    "--alerts", "/dev/null"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(chance.random() * took)
        process.kill()
        said = process.communicate()[1]
        n_killed += process.returncode == -signal.SIGKILL
        n_found += (store / "data.mdb").exists() and (store / "data.mdb").stat().st_size > 0
        if b"broken" in said or b"aside" in said:
            fail("run after a kill:", said.decode())
        Run(postern, folder, "--store", store, *options, DEMO).done()
        same_pages(pages_of(postern, store, names), expected, True)
    print(f"{n_killed} runs killed, {n_found} left a store, {len(names)} accounts")


def demo(postern, folder):
    """The demo ends with at least three different alerts, in words and as JSON lines."""
    run = Run(postern, folder, "--rules", ROOT / "rules", "--text", DEMO).done()
    alerts = [json.loads(line) for line in run.lines("alerts")]
    rules = sorted({alert["rule"]["id"] for alert in alerts})
    print(f"{len(alerts)} alerts of {len(rules)} kinds: {', '.join(rules)}")
    said = run.stderr.decode()
    missing = [alert["message"] for alert in alerts
               if alert["event"]["action"] == "open" and alert["message"] not in said]
    if len(rules) < 3 or missing:
        fail("too few kinds, or not said in words:", missing)
    bystanders = [alert for alert in alerts if "hajek" in alert.get("user", {}).get("name", "")]
    if bystanders:
        fail("an alert about somebody who mistyped a password once:", bystanders[0]["message"])


def installed(postern, folder):
    """The program as it is installed finds rules and clients, also under another root and run from anywhere:
    what it says is what that of the tree says with the tree's."""
    meson = shutil.which("meson")
    if not meson:
        print("meson is not there: not installed")
        sys.exit(SKIPPED)
    root = pathlib.Path(folder) / "root"
    subprocess.run([meson, "install", "-C", pathlib.Path(postern).resolve().parent, "--no-rebuild", "--quiet",
                    "--destdir", root], check=True, stdout=subprocess.DEVNULL)
    program, = root.glob("**/bin/postern")
    captures = (DEMO, DATA / "clients.pcap.zst")
    expected = Run(postern, folder, "--rules", ROOT / "rules", "--clients", ROOT / "rules/clients/grammars.yaml",
                   *captures).done()
    runs = {"installed": Run(program, folder, *captures, cwd="/")}
    if pathlib.Path(postern).resolve().parent.parent == ROOT:
        runs["tree"] = Run(postern, folder, *captures)
    for name, run in runs.items():
        for what in ("sessions", "alerts"):
            same(f"{name}: {what}", run.done().lines(what), expected.lines(what))
    n_known = sum(b'"software":' in line for line in expected.lines("sessions"))
    n_matched = sum(b'"matches":[{' in line for line in expected.lines("sessions"))
    print(f"{n_known} sessions with a known client, {n_matched} with matches of rules")
    if not n_known:  # and without Hyperscan no rule
        fail("nothing that files of the program would show in")


def weeks(postern, folder):
    """Six weeks of a small ministry (bench/detect) end with the campaign's alert: whose mail is read and
    nobody else's, through what, since when, and how much."""
    attacked = {truth["account"] for truth in map(json.loads, open(DATA / "weeks.ndjson"))}
    run = Run(postern, folder, WEEKS).done()
    alerts = [json.loads(line) for line in run.lines("alerts")]
    named = {account for alert in alerts for account in
             [alert.get("user", {}).get("id")] + alert.get("related", {}).get("user", []) if account}
    print(f"{len(alerts)} alerts name {len(named & attacked)} of {len(attacked)} accounts that are read, "
          f"and {len(named - attacked)} others")
    last = alerts[-1] if alerts else {}
    says = re.compile(r"since \d+ \w+, all through (\d+\.\d+\.\d+\.0/24) by a client with the command grammar "
                      r"([0-9a-f]{8}): \d+ messages so far, \d+ of them older")
    said = says.search(last.get("message", ""))
    shared = last.get("postern", {}).get("campaign", {}).get("shared", {})
    if (last.get("rule", {}).get("id") != "campaign" or not said
            or shared.get("network") != [said[1]] or shared.get("grammar") != [said[2]]
            or set(last["related"]["user"]) != attacked or named - attacked):
        fail(*(alert["message"] for alert in alerts))


def upgrade(postern, folder):
    """A store that an older version wrote (episodes in layout 2, the fleet in layout 3: the activities of the
    six weeks up to the one at 2026-02-07T00:42:58.638) goes on: the campaign it was telling is updated, not
    opened anew; nothing was broken, and the page of one of its accounts is there."""
    folder = pathlib.Path(folder)
    kept, rest = folder / "kept", folder / "rest.ndjson"
    kept.mkdir()
    subprocess.run(["zstd", "-dqf", DATA / "older-store.mdb.zst", "-o", kept / "data.mdb"], check=True)
    whole = Run(postern, folder, WEEKS).done()
    rest.write_bytes(b"".join(line + b"\n" for line in whole.lines("activity")
                              if json.loads(line)["time"] > "2026-02-07T00:42:58.638969350Z"))
    run = Run(postern, folder, "--store", kept, "--max-accounts", "1000", rest, command="score").done()
    updates = [json.loads(line) for line in run.lines("alerts")]
    if b"broken" in run.stderr or b"anew" in run.stderr:
        fail("something of the older store was not understood:", run.stderr.decode())
    for number, alert in enumerate(updates, 4):  # three had been told
        if alert["event"]["id"] != f"e-8fe06e9ff3920958-{number}" or alert["event"]["action"] != "update":
            fail("the campaign did not go on:", json.dumps(alert["event"]), alert["message"])
    last = updates[-1]["postern"]["campaign"] if updates else {}
    if last.get("size") != 6 or last["shared"].get("network") != ["22.221.216.0/24"] \
            or len(last["shared"].get("grammar", [])) != 1:
        fail("what the campaign shares:", json.dumps(last))
    page = subprocess.run([postern, "account", "--store", kept, updates[-1]["related"]["user"][0]],
                          capture_output=True, text=True)
    if page.returncode or "  campaign, since 2026-01-30" not in page.stdout:
        fail("the page of one of its accounts:", page.stdout + page.stderr)


def score(postern, folder):
    """What the activity lines say is all that the models heard: they give the same alerts."""
    replay = Run(postern, folder, DEMO).done()
    scored = Run(postern, folder, replay.out["activity"], command="score").done()
    same("alerts", scored.lines("alerts"), replay.lines("alerts"))


def one_session(at, user, ip, grammar, first, n, old, store):
    """An activity line: n bodies from UID first on are read, of which so many are old."""
    minutes, start = at
    time = datetime.datetime(2026, 1, 5, tzinfo=datetime.timezone.utc) + datetime.timedelta(days=start, minutes=minutes)
    inbox = {"name": "INBOX", "uidvalidity": 1, "uidnext": 5000 + 20 * start, "mode": "select" if store else "examine",
             "bodies": f"{first}:{first + n - 1}", "bytes": 20000 * n, "dated": n, "old": old, "store": store}
    return json.dumps({
        "time": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z"), "kind": "activity", "protocol": "imap",
        "session": f"{user:08x}-{start:04x}-{minutes:04x}-0000-{grammar:012x}", "account": f"u{user}@example.org",
        "source": {"ip": ip}, "client": {"grammar": f"{grammar:08x}"}, "auth": {"success": 1}, "mailboxes": [inbox],
        "seen": 1.0, "end": True}) + "\n"


def campaign_pages(postern, folder):
    """The page of an account names the campaign that read it, though its alert has room for 20 of 24 names; and where
    all were backed up, it says so and no alert is left."""
    folder = pathlib.Path(folder)
    first, last, users = 60, 70, 40
    read = dict.fromkeys((f"u{user}@example.org" for user in range(24)), 0)
    with open(folder / "activity", "w") as lines:
        for day in range(last):
            for user in range(users):
                if day >= first:
                    lines.write(one_session((60 + user, day), user, "10.7.7.7", 0x777, 1, 20, 20, 0))
                # Six more each day: no wave.
                if day >= first + 2 and user < min(24, 6 * (day - first - 1)):
                    lines.write(one_session((120 + user, day), user, "5.101.7.9", 0x999, 100 + 10 * day, 3, 3, 0))
                    read[f"u{user}@example.org"] += 3
            for user in range(users):
                lines.write(one_session((480 + user, day), user, f"80.1.{user}.1", 100 + user % 5, 4990 + 20 * day, 10, 0, 3))
    run = Run(postern, folder, "--store", folder / "store", folder / "activity", command="score").done()
    alerts = [alert for alert in map(json.loads, run.lines("alerts")) if alert["rule"]["id"] == "campaign"]
    over = [alert for alert in alerts if alert["event"]["action"] == "close"]
    if len(over) != 1 or over[0]["event"]["severity"] != 47 or "No campaign after all" not in over[0]["message"]:
        fail("the backup's campaign was not closed:", over)
    told = alerts[-1]["postern"]["campaign"]
    if told["size"] != 24 or told["accounts_total"] != 24 or len(told["accounts"]) > 20:
        fail("the campaign's size:", told)
    for page in pages_of(postern, folder / "store", list(read)):
        found = [alert for alert in page["alerts"] if alert["rule"] == "campaign"]
        if len(found) != 1 or found[0]["old"] != read[page["account"]] or found[0]["new"] != 0:
            fail(f"the page of {page['account']}:", page["alerts"])
    page = pages_of(postern, folder / "store", ["u39@example.org"])[0]
    ours = [place["network"] for place in page["places"] if place["organisation"]]
    if page["alerts"] or ours != ["10.7.7.0/24"]:
        fail("after the backup:", page["alerts"], ours)
    text = subprocess.run([postern, "account", "--store", folder / "store", "u0@example.org"], capture_output=True,
                          text=True, check=True).stdout
    for words in ("24 mailboxes are read by the same stranger",
                  "Of this account 24 messages of that, 24 of them older than 30 days.",
                  "taken for the organisation's own (many took it up on one day)"):
        if words not in text:
            fail(f"'{words}' is not said:", text)


def store(postern, folder):
    """With a restart in the middle the store gives the alerts of one run; what is read again counts
    once; an account can be looked at; a second writer is refused."""
    folder = pathlib.Path(folder)
    lines = Run(postern, folder, DEMO).done().lines("activity")
    kept, whole = folder / "kept", folder / "whole.ndjson"
    whole.write_bytes(b"".join(line + b"\n" for line in lines))
    expected = Run(postern, folder, whole, command="score").done().lines("alerts")
    got = []
    for at in range(0, len(lines), len(lines) // 3):
        part = folder / "part.ndjson"
        part.write_bytes(b"".join(line + b"\n" for line in lines[at:at + len(lines) // 3]))
        got += Run(postern, folder, "--store", kept, part, command="score").done().lines("alerts")
    same("alerts", got, expected)
    again = Run(postern, folder, "--store", kept, whole, command="score").done()
    if again.lines("alerts") or b"were known already" not in again.stderr:
        fail("what was learnt before was learnt again:", again.stderr.decode())
    name = next(account for line in lines if (account := json.loads(line).get("account")))
    for options in ([], ["--json"]):
        page = subprocess.run([postern, "account", "--store", kept, *options, name],
                              capture_output=True, text=True)
        if page.returncode or name not in page.stdout:
            fail(f"postern account {name}:", page.stdout + page.stderr)
        if options:
            json.loads(page.stdout)
    page = subprocess.run([postern, "account", "--store", kept, "nobody@nowhere"],
                          capture_output=True, text=True)
    if page.returncode != 1 or "knows no account" not in page.stderr:
        fail("an account that is not there:", page.stderr)
    first = subprocess.Popen([postern, "score", "--store", str(kept), "-"], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lock = kept / "postern.lock"
    while first.poll() is None and lock.read_text().strip() != str(first.pid):
        time.sleep(0.05)
    second = subprocess.run([postern, "score", "--store", kept, "/dev/null"],
                            capture_output=True, text=True)
    first.communicate()
    if second.returncode != 1 or "another postern writes it" not in second.stderr:
        fail("a second writer:", second.stderr)


def z4_a_clock_that_was_ahead_before_a_restart_deafens_nobody(postern, folder):
    """The first activity, or two in the middle, say 300 days too late, and then the program starts again: what follows is
    new to it. What it has learnt it still knows when it is read again."""
    folder = pathlib.Path(folder)
    lines = [json.loads(line) for line in Run(postern, folder, DEMO).done().lines("activity")]
    n = len(lines)
    for ahead in ((0,), (n // 3, n // 3 + 1)):
        harmed = [dict(line) for line in lines]
        for i in ahead:
            day = datetime.datetime.fromisoformat(lines[i]["time"][:10]) + datetime.timedelta(days=300)
            harmed[i]["time"] = day.strftime("%Y-%m-%d") + lines[i]["time"][10:]
        kept = folder / f"kept-{ahead[0]}"
        for lives in (((0, n // 2), (n // 2, n)), ((0, n),)):
            for begin, end in lives:
                part = folder / "part.ndjson"
                part.write_text("".join(json.dumps(line) + "\n" for line in harmed[begin:end]))
                run = Run(postern, folder, "--store", kept, part, command="score").done()
                known = re.search(rb"(\d+) of them were known already", run.stderr)
                n_known, says = int(known[1]) if known else 0, 0 if len(lives) > 1 else n
                if n_known != says:
                    fail(f"{ahead} ahead, activities {begin} to {end}: {n_known} pass for known, {says} are")


def schema(postern, folder):
    """Every line written is what the schemas, and ECS where its list is there, allow."""
    ecs = ROOT / "../shared/accept/ecs_check.py"
    networks = pathlib.Path(folder) / "networks"
    networks.write_text("0.0.0.0/0 vpn AS64500 NL\n::/0 hosting AS4294967295 CZ\n")
    for capture in (LAB, DEMO):
        run = Run(postern, folder, "--rules", ROOT / "rules", "--networks", networks, "--stats", "1s",
                  capture).done()
        if b"postern.stats" not in b"".join(run.lines("sessions")):
            fail("no stats line in the session output")
        record = json.loads(run.lines("sessions")[0])["source"]
        if record["as"]["number"] != 64500 or record["geo"]["country_iso_code"] != "NL":
            fail("a record does not say what the list says:", record)
        files = [str(path) for path in run.out.values() if path.stat().st_size]
        # Debian's own Python, for which python3-jsonschema is installed.
        subprocess.run(["/usr/bin/python3", str(TESTS / "schema_check.py"), *files], check=True)
        if ecs.exists():
            subprocess.run([sys.executable, str(ecs), str(run.out["sessions"]),
                            str(run.out["alerts"])], check=True)
        else:
            print("no ../shared beside the checkout: the ECS list was not held against the lines")


CLIENTS = {"mbsync": "mbsync (isync)", "offlineimap": "OfflineIMAP", "fetchmail": "fetchmail", "getmail": "getmail",
           "mutt": "mutt", "neomutt": "NeoMutt", "curl_list": "curl", "curl_fetch": "curl",
           "imaplib_read": "Python imaplib", "imaplib_headers": "Python imaplib",
           "imapclient_perl": "Mail::IMAPClient (imapsync)", "imapflow": "ImapFlow", "alpine": "Alpine", "snail": "S-nail",
           "imapfilter": "imapfilter", "thunderbird": "Thunderbird"}
# What the same programs are called where they come through proxies, or with COMPRESS.
ALSO = {"mutt_deflate": "mutt", "mbsync_tls": "mbsync", "curl_imaps": "curl_fetch"}
# How many grammars those have that have more than one; rules/clients/grammars.yaml says why.
SEVERAL = {"offlineimap": 2, "alpine": 2, "imapflow": 3, "thunderbird": 5}
# A recording, and how many of the programs are in it.
PLATFORMS = {"clients": 16, "clients_others": 16, "clients_cyrus": 16, "proxies": 6}
# A session has got somewhere with one of these.
OPENED = {"LIST", "XLIST", "LSUB", "STATUS", "FETCH", "UID FETCH", "SEARCH", "UID SEARCH"}
# The columns of the table in tests/lab/README.md.
COLUMNS = (("clients", "proxies"), ("clients_others",), ("clients_cyrus",))


def grammars_in(postern, folder, name):
    """What each program's grammars are: it is named by each, and activities tell them."""
    kinds = {note["ip"]: ALSO.get(note["kind"], note["kind"]) for note in json.loads((DATA / f"{name}.json").read_text())}
    run = Run(postern, folder, "--trusted-proxies", PROXIES, DATA / f"{name}.pcap.zst").done()
    grammars = {}
    for line in run.lines("sessions"):
        record = json.loads(line)
        kind = kinds.get(record["source"]["ip"])
        if kind not in CLIENTS or "imap" not in record["postern"]:
            continue
        if not OPENED & {command["name"] for command in record["postern"]["imap"].get("commands", [])}:
            continue  # ended in the middle of its opening
        client = record["postern"]["imap"]["client"]
        grammars.setdefault(kind, set()).add(client.get("grammar"))
        if client.get("software") != CLIENTS[kind]:
            fail(f"{name}: {kind}: {client} is not called {CLIENTS[kind]}")
    told = {json.loads(line)["client"]["grammar"] for line in run.lines("activity")
            if "grammar" in json.loads(line).get("client", {})}
    if len(grammars) != PLATFORMS[name]:
        fail(f"{name}: not each program is there: {grammars}")
    if not set.union(*grammars.values()) <= told:
        fail(f"{name}: activities lack {set.union(*grammars.values()) - told}")
    return grammars


def ran(postern, folder, name):
    """The programs of a recording, and the ways their proxies named them, that came in or handed over a message."""
    run = Run(postern, folder, "--trusted-proxies", PROXIES, DATA / f"{name}.pcap.zst").done()
    came_in = {}
    for record in map(json.loads, run.lines("sessions")):
        facts = record["postern"].get(record["network"]["protocol"], {})
        if facts.get("login", {}).get("outcome") == "success" or facts.get("messages"):
            came_in[record["source"]["ip"]] = record["postern"].get("via", {}).get("how")
    notes = [note for note in json.loads((DATA / f"{name}.json").read_text()) if note["ip"] in came_in]
    for note in notes:
        if note.get("how") and came_in[note["ip"]] != note["how"]:
            fail(f"{name}: {note} came by {came_in[note['ip']]}")
    return {note["kind"] for note in notes} | {note["how"] for note in notes if note.get("how")}


def table_is_true(postern, folder):
    """What tests/lab/README.md says of each program and server."""
    columns = [set.union(*(ran(postern, folder, name) for name in names)) for names in COLUMNS]
    rows = re.findall(r"(?m)^\| [^`|]*`(\w+)`[^|]*\| (.*) \|$", (TESTS / "lab/README.md").read_text().partition("## Which")[2])
    for kind, cells in rows:
        for cell, column in zip(cells.split(" | "), columns, strict=True):
            if cell.startswith("✓") != (kind in column):
                fail(f"tests/lab/README.md says of {kind}: {cell!r}, which is not so")
    missing = set(CLIENTS) - {kind for kind, _ in rows}
    if missing:
        fail(f"tests/lab/README.md says nothing of {missing}")
    return len(rows)


def clients(postern, folder):
    """Each program speaks by one command grammar, or by few that are known, whatever account, mailbox, run, server,
    proxy and compression; no two by the same; all are named, and no name stands in the data file that no program has."""
    numbers = {}
    for name in PLATFORMS:
        for kind, grammars in grammars_in(postern, folder, name).items():
            numbers.setdefault(kind, set()).update(grammars)
    several = {kind: len(numbers[kind]) for kind in numbers if len(numbers[kind]) > 1}
    seen = set.union(*numbers.values())
    if several != SEVERAL or len(seen) != sum(map(len, numbers.values())) or set(numbers) != set(CLIENTS):
        fail(f"several numbers for {several}, or one for two programs: {numbers}")
    named = set(re.findall(r"\b[0-9a-f]{8}\b", (ROOT / "rules/clients/grammars.yaml").read_text()))
    if named != seen:
        fail(f"named, and no program's: {named - seen}; a program's, and not named: {seen - named}")
    capture = DATA / "clients.pcap.zst"
    run = Run(postern, folder, capture).done()
    check = subprocess.run([sys.executable, str(TESTS / "check_lab.py"), run.out["sessions"],
                            DATA / "clients.dovecot.log", DATA / "clients.postfix.log"])
    if check.returncode:
        sys.exit(1)
    n_rows = table_is_true(postern, folder)
    print(f"{len(numbers)} programs, {len(seen)} grammars, {len(numbers) - len(several)} with one on all of {[*PLATFORMS]}; "
          f"{n_rows} rows of the table are so")


def no_secret(postern, folder):
    """No password that was on the wire is in anything written, in clear or as it was encoded."""
    sys.path.insert(0, str(TESTS / "lab"))
    import scenario_demo
    import scenario_test
    secrets = {"Podzim2025!", "Jaro2026", "archiv2017!", "archiv2026#"}
    for module in (scenario_demo, scenario_test):
        for account, (password, _) in module.accounts().items():
            secrets |= {password, encoded(password), encoded(f"\0{account}\0{password}")}
    for capture in (LAB, DEMO):
        kept = pathlib.Path(folder) / f"kept-{capture.name}"
        run = Run(postern, folder, "--rules", ROOT / "rules", "--text", "--store", kept,
                  capture).done()
        everything = run.stdout + run.stderr + b"".join(
            path.read_bytes() for path in (*run.out.values(), kept / "data.mdb"))
        if len(everything) < 10000:
            fail("there is hardly anything to look through")
        for secret in secrets:
            # As JSON would hold it, too.
            for form in (secret.encode(), json.dumps(secret)[1:-1].encode()):
                if form in everything:
                    fail(f"{capture.name}: {secret!r} is in the output")
    print(f"{len(secrets)} secrets are nowhere")


def encoded(text):
    return base64.b64encode(text.encode()).decode()


CASES = (lab, others, proxies, one_byte_segments, shapes, shapes_driven, dpdk_port, every_container, any_number_of_workers,
         offers_stripped_whatever_worker_hears, q3_every_start_has_keys_of_its_own, n1_restarts, n1_killed,
         n1_stopped_in_every_minute, n1_killed_live, demo, installed, score, store,
         z4_a_clock_that_was_ahead_before_a_restart_deafens_nobody, upgrade, schema, clients, no_secret, weeks,
         campaign_pages)


def main():
    cases = {case.__name__: case for case in CASES}
    if len(sys.argv) != 3 or sys.argv[2] not in cases:
        sys.exit(f"{__doc__}\ncases: {', '.join(cases)}")
    with tempfile.TemporaryDirectory(prefix="postern-test-") as folder:
        cases[sys.argv[2]](sys.argv[1], folder)


if __name__ == "__main__":
    main()
