#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Writes a small database in MaxMind's format 2.0 (https://maxmind.github.io/MaxMind-DB/) for tests:

    make_mmdb.py OUT.mmdb < LINES        each line: CIDR and a JSON object of strings, numbers, booleans
                                         and objects, e.g. 198.51.100.0/24 {"country":{"iso_code":"NL"}}
"""

import ipaddress
import json
import sys
import time


def control(kind, size):
    """A field's first bytes: type and size."""
    extended = kind > 7
    first = 0 if extended else kind << 5
    tail = bytes([kind - 7]) if extended else b""
    if size < 29:
        return bytes([first | size]) + tail
    if size < 29 + 256:
        return bytes([first | 29]) + tail + bytes([size - 29])
    return bytes([first | 30]) + tail + (size - 285).to_bytes(2, "big")


# Members of the description whose type the format prescribes: unsigned of 16, or of 64 bits.
KINDS = {
    "record_size": 5,
    "ip_version": 5,
    "binary_format_major_version": 5,
    "binary_format_minor_version": 5,
    "build_epoch": 9,
}


def encode(value, kind=None):
    if isinstance(value, bool):
        return control(14, int(value))
    if isinstance(value, int):
        raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return control(kind or (6 if value < 2**32 else 9), len(raw)) + raw
    if isinstance(value, str):
        raw = value.encode()
        return control(2, len(raw)) + raw
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(encode(item) for item in value)
    pairs = b"".join(encode(key) + encode(item, KINDS.get(key)) for key, item in value.items())
    return control(7, len(value)) + pairs


def bits_of(network):
    """The path through the tree: IPv4 lies under ::/96."""
    raw = network.network_address.packed
    length = network.prefixlen
    if network.version == 4:
        raw, length = bytes(12) + raw, length + 96
    number = int.from_bytes(raw, "big")
    return [number >> (127 - i) & 1 for i in range(length)]


def main():
    nodes = [[None, None]]  # each side: None, index of a node, or ("data", offset)
    data = b""
    for line in sys.stdin:
        if not line.strip():
            continue
        cidr, text = line.split(None, 1)
        *path, last = bits_of(ipaddress.ip_network(cidr))
        at = 0
        for bit in path:
            if not isinstance(nodes[at][bit], int):
                # What was here goes on for both sides below it.
                nodes.append([nodes[at][bit], nodes[at][bit]])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        nodes[at][last] = ("data", len(data))
        data += encode(json.loads(text))
    tree = b""
    for node in nodes:
        for side in node:
            record = len(nodes) if side is None else side
            if isinstance(side, tuple):
                record = len(nodes) + 16 + side[1]
            tree += record.to_bytes(4, "big")
    meta = {
        "node_count": len(nodes),
        "record_size": 32,
        "ip_version": 6,
        "database_type": "Test",
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": int(time.time()),
        "description": {"en": "for tests"},
    }
    with open(sys.argv[1], "wb") as out:
        out.write(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encode(meta))


if __name__ == "__main__":
    main()
