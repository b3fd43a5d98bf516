#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""check_calls.py POSTERN COUNT_CALLS COUNT_LIBRARY: between burst and ring nothing is allocated or locked and
no system is called. The same sessions are replayed in few packets and in many, so that only the number
of packets differs, and what the worker's thread asks of allocator, locks and system is counted: it
may not grow with the packets."""

import pathlib
import re
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent
SHAPES = {"as it was": [], "7-byte segments": ["--cut", "7"], "1-byte segments": ["--cut", "1"]}
# So many packets may pass per call: what is done per 1,024 bursts (progress, quiescence) is not per packet.
PACKETS_PER_CALL = 1000


def counts(postern, count_calls, library, capture):
    """{what is counted: how often}, and the packets."""
    run = subprocess.run([count_calls, "env", f"LD_PRELOAD={library}", postern, "replay",
                          "--alerts", "/dev/null", "--sessions", "/dev/null",
                          "--rules", str(TESTS.parent / "rules"), capture],
                         capture_output=True, text=True)
    if run.returncode == 77:
        print(run.stderr)
        sys.exit(77)
    if run.returncode:
        sys.exit(f"{capture}: exit status {run.returncode}: {run.stderr}")
    found = dict(re.findall(r"^(system_calls|allocations|locks) (\d+)$", run.stderr, re.M))
    packets = re.search(r"(\d+) packets, ", run.stderr)
    return {name: int(n) for name, n in found.items()}, int(packets.group(1))


def main():
    postern, count_calls, library = sys.argv[1:]
    failed = False
    with tempfile.TemporaryDirectory(prefix="postern-test-") as folder:
        plain = pathlib.Path(folder) / "lab.pcap"
        subprocess.run(["zstd", "-q", "-d", "-f", str(TESTS / "data/lab.pcap.zst"), "-o", str(plain)], check=True)
        first = None
        for shape, options in SHAPES.items():
            path = str(pathlib.Path(folder) / "shape.pcap")
            subprocess.run([sys.executable, str(TESTS / "tools/recapture.py"), *options, str(plain), path],
                           check=True)
            got, packets = counts(postern, count_calls, library, path)
            print(f"{shape}: {packets} packets,", ", ".join(f"{n} {name}" for name, n in got.items()))
            if set(got) != {"system_calls", "allocations", "locks"}:
                sys.exit("a counter is missing")
            if first is None:
                first, first_packets = got, packets
            for name, n in got.items():
                if n - first[name] > (packets - first_packets) / PACKETS_PER_CALL + 10:
                    print(f"{name} grow with packets")
                    failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
