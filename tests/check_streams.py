#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""check_streams.py STREAM_DIGEST [-v]: what the dataplane alone reassembles, held against what tshark
found in other projects' captures (../shared/captures). Where the truth is one reading among several
(holes, bytes that came twice and differ) a stream is passed over; every other difference must stand in
DIFFERENT with its reason, and whatever stands there must differ. Exit status 77 when ../shared is not
there."""

import json
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent
CAPTURES = ROOT / "../shared/captures"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

# Name of the capture (its end), and why what is read differs from tshark's reading.
EDITED = "a segment made longer by hand, with a wrong checksum: of what right segments carry too, theirs is taken"
UNHEARD = "the last segment has a wrong checksum, and the capture ends before it is acknowledged"
DIFFERENT = {
    "__imap.cap": UNHEARD,
    "smtp-to-comma__10.7.29.101_49898-178.63.41.150_25.pcap": UNHEARD,
    "smtp-bug-5981__input.pcap": EDITED,
    "smtp-bug-5989__input.pcap": EDITED,
    "smtp-long-DATA-line__input.pcap": EDITED,
    "tcpflow__tests__bug7.pcap": "a wrong checksum beside right ones, never acknowledged",
    "tcpflow__tests__bug6.pcap": "1,448 bytes that crossed the reset of a client whose program had closed: it answers each with another",
    "test5-lines-randomized2.pcap": "shuffled, and begun midway with its last segment: all others lie before it",
    "http_out_of_order_2.pcap": "shuffled, with its times: 9 s lie between an acknowledgement and what it is of, 200 ms"
                                " are waited for that",
    "frag_tcp_80_ipv4.pcap": "data on a SYN that is never acknowledged, only reset",
    "gtpv2.pcap": "one SYN with data: nothing was established",
    "ip_fragmented_garbage.pcap": "segments with impossible flags, which hosts drop",
}


def truth_streams(path):
    """Per stream with bytes: ends, accepted hashes of each side, and whether there is one reading."""
    truth = json.loads(path.read_text())
    for kind in ("tshark_truth", "tcp_truth"):
        for stream in truth.get(kind, {}).get("streams", []):
            follow = stream.get("tshark_follow", {})
            hashes = [{stream.get(side + "_sha256"), follow.get(side + "_sha256"),
                       stream.get(side + "_first_wins_sha256"),
                       EMPTY if stream.get(side + "_unique_bytes") == 0 else None} - {None}
                      for side in ("client", "server")]
            if not all(hashes) or all(EMPTY in side for side in hashes):
                continue
            one = not (stream.get("conflicting_overlaps") or stream.get("holes_jumped")
                       or stream.get("gap_in_capture") or follow.get("gap")
                       or stream.get("client_contiguous") is False
                       or stream.get("server_contiguous") is False)
            yield kind, (stream["client"], stream["server"]), hashes, one


def digest(program, capture):
    run = subprocess.run([program, str(capture)], capture_output=True, text=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def sides(line, ends):
    """Hashes of the two sides in the order of ends, or None when it is another connection. Of tunnels
    tshark may name the outer addresses: only the ports are compared."""
    got = tuple(line[side]["addr"].rpartition(":")[2] for side in ("client", "server"))
    ends = tuple(end.rpartition(":")[2] for end in ends)
    if got == ends:
        return line["client"]["sha256"], line["server"]["sha256"]
    if got == ends[::-1]:  # who is client may be a guess
        return line["server"]["sha256"], line["client"]["sha256"]
    return None


def compare(program, path):
    """(name, streams that agree, passed over, what differs)"""
    name = path.name[:-len(".json")]
    lines = digest(program, CAPTURES / "open" / name)
    agree, passed, wrong = 0, 0, []
    for kind, ends, hashes, one in truth_streams(path):
        candidates = [line for line in lines if sides(line, ends)]
        match = [line for line in candidates
                 if all(got in want for got, want in zip(sides(line, ends), hashes))]
        if match:
            agree += 1
        elif not one:
            passed += 1
        else:
            wrong.append((kind, ends, candidates))
    return name, agree, passed, wrong


def main():
    if not (CAPTURES / "open-truth").is_dir():
        print("no ../shared beside the checkout: nothing to compare with")
        sys.exit(77)
    paths = sorted((CAPTURES / "open-truth").glob("*.json"))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda path: compare(sys.argv[1], path), paths))
    failed = not results
    for name, agree, passed, wrong in results:
        reason = next((why for end, why in DIFFERENT.items() if name.endswith(end)), None)
        if bool(wrong) == bool(reason):
            continue
        failed = True
        if not wrong:
            print(f"{name}: agrees, though listed as different: {reason}")
        for kind, ends, candidates in wrong:
            print(f"{name}: {kind}: {ends[0]} {ends[1]} differs:",
                  *(json.dumps(line) for line in candidates[:2] if "-v" in sys.argv))
    print(f"{len(results)} captures: {sum(r[1] for r in results)} streams agree, "
          f"{sum(r[2] for r in results)} have more than one reading, "
          f"{sum(len(r[3]) for r in results)} differ")
    sys.exit(failed)


if __name__ == "__main__":
    main()
