# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Moves the packets of a capture to other times, so that a recording of a minute tells a story of a
day. Within a step of the story time runs as it was recorded."""

import bisect
import struct


def rewrite(path, steps):
    """steps: [(recorded, told)] in seconds, both rising; packets before the first move with it."""
    recorded = [step[0] for step in steps]
    for (r0, t0), (r1, t1) in zip(steps, steps[1:]):
        if t1 - t0 < r1 - r0:
            raise ValueError(f"the step at {t0} lasted {r1 - r0:.1f} s, the next comes too early")
    data = bytearray(path.read_bytes())
    if data[:4] != b"\xd4\xc3\xb2\xa1":
        raise ValueError(f"{path}: not a little-endian pcap with microseconds")
    at = 24
    while at + 16 <= len(data):
        seconds, micros, size = struct.unpack_from("<III", data, at)
        when = seconds + micros / 1e6
        step = max(bisect.bisect_right(recorded, when) - 1, 0)
        told = round((when - recorded[step] + steps[step][1]) * 1e6)
        struct.pack_into("<II", data, at, *divmod(told, 1000000))
        at += 16 + size
    path.write_bytes(data)
