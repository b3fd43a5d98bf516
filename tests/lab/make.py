#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Records a capture of real mail servers with real clients, and the servers' own logs as its truth:

    make.py OUTDIR [--scenario test|demo|others|cyrus|proxies|clients|clients_others|clients_cyrus]...

Dovecot and Postfix (others: Courier and Exim; cyrus: Cyrus and OpenSMTPD) run in one network namespace, clients in another, and beside
them the proxies that some go through; tcpdump stands between. Leaves OUTDIR/{lab,demo,others,…}.pcap.zst, a
.log of each server and .json (what the clients did). Needs root for the namespaces; takes nothing else of the
machine and leaves nothing behind."""

import argparse
import importlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import retime
from network import Network, run
from servers import Servers

HERE = pathlib.Path(__file__).resolve().parent
NAMES = {"test": "lab", "demo": "demo", "clients": "clients", "others": "others", "proxies": "proxies",
         "clients_others": "clients_others", "cyrus": "cyrus", "clients_cyrus": "clients_cyrus"}
TOOLS = ("ip", "unshare", "sysctl", "ethtool", "tcpdump", "dovecot", "postfix", "openssl", "zstd")


class Capture:
    def __init__(self, network, path):
        self.process = network.popen(
            network.server, "tcpdump", "-i", "mail0", "-s", "0", "-U", "--immediate-mode",
            "-B", "65536", "-Z", "root", "-w", str(path), "tcp", stderr=subprocess.PIPE)
        for line in self.process.stderr:
            if b"listening on" in line:
                return
        raise RuntimeError("tcpdump did not start")

    def stop(self):
        time.sleep(1)  # what is still between the kernel and tcpdump
        self.process.send_signal(signal.SIGINT)
        said = self.process.stderr.read().decode()
        self.process.wait()
        if "0 packets dropped by kernel" not in said:
            raise RuntimeError(f"the capture has holes: {said}")


def record(name, folder, out):
    module = importlib.import_module(f"scenario_{name}")
    notes = folder / "notes.json"
    pcap = folder / "capture.pcap"
    with Network(module.CLIENTS) as network:
        with getattr(module, "SERVERS", Servers)(network, folder, module.Scenario().accounts) as servers:
            python_inside(network, network.server, "servers.py", *map(str, servers.PORTS))
            capture = Capture(network, pcap)
            try:
                python_inside(network, network.client, "drive.py", name, str(notes), str(folder))
            finally:
                capture.stop()
        logs = servers.logs()
    base = out / NAMES[name]
    if hasattr(module, "times"):
        retime.rewrite(pcap, module.times(notes))
    run("zstd", "-q", "-19", "-f", str(pcap), "-o", f"{base}.pcap.zst")
    for server, log in zip(servers.LOGS, logs):
        pathlib.Path(f"{base}.{server}.log").write_text(log)
    shutil.copy(notes, f"{base}.json")
    print(f"{base}.pcap.zst: {os.path.getsize(f'{base}.pcap.zst')} bytes, "
          f"{pcap.stat().st_size} uncompressed; "
          f"{', '.join(f'{log.count(chr(10))} lines of {server}' for server, log in zip(servers.LOGS, logs))}")


def python_inside(network, side, script, *arguments):
    process = network.popen(side, sys.executable, str(HERE / script), *arguments)
    if process.wait():
        raise RuntimeError(f"{script} failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("outdir", type=pathlib.Path)
    parser.add_argument("--scenario", choices=NAMES, action="append")
    arguments = parser.parse_args()
    if os.geteuid():
        sys.exit("make.py: network namespaces need root: run it with sudo")
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    if lacking:
        sys.exit(f"make.py: not installed: {', '.join(lacking)}; ./dev lab installs them")
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    for name in arguments.scenario or NAMES:
        with tempfile.TemporaryDirectory(prefix="postern-lab-") as folder:
            os.chmod(folder, 0o755)  # the servers run under ids of their own
            record(name, pathlib.Path(folder), arguments.outdir)


if __name__ == "__main__":
    main()
