#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""transform.py SHAPE INPUT OUTPUT: a capture of Ethernet frames as another path through a network
would have left it: in tunnels, in fragments, out of order, twice. What was said in it stays the same.
The shapes are the functions of SHAPES. Standard library only."""

import random
import struct
import sys

import recapture
from recapture import FIN, PSH, RST, SYN, checksum

OUTER = b"\2\0\0\0\0\4" + b"\2\0\0\0\0\3"


# ---- Around a frame

def qinq(frame):
    return frame[:12] + struct.pack(">HHHH", 0x88a8, 100, 0x8100, 200) + frame[12:]


def mpls(frame):
    """Two labels in front of the IP packet; nothing says which version it is."""
    label = struct.pack(">II", 16 << 12 | 64, 17 << 12 | 1 << 8 | 64)
    return frame[:12] + struct.pack(">H", 0x8847) + label + frame[14:]


def ipv4(protocol, payload, number=1):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), number & 0xffff, 0, 64, protocol,
                       0, bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def carried(protocol, payload):
    return OUTER + b"\x08\0" + ipv4(protocol, payload)


def udp(port, payload):
    return carried(17, struct.pack(">HHHH", 50000, port, 8 + len(payload), 0) + payload)


def vxlan(frame):
    return udp(4789, struct.pack(">II", 0x08000000, 4711 << 8) + frame)


def geneve(frame):
    """With two options, of 4 and of 12 bytes."""
    options = struct.pack(">HBBI", 0x0102, 7, 1, 1) + struct.pack(">HBB12s", 0x0102, 8, 3, b"abcdefghijkl")
    return udp(6081, struct.pack(">BBHI", len(options) // 4, 0, 0x6558, 4711 << 8) + options + frame)


def gre_teb(frame):
    return carried(47, struct.pack(">HH", 0, 0x6558) + frame)


def erspan_2(frame):
    return carried(47, struct.pack(">HHIHHI", 0x1000, 0x88be, 1, 0x1007, 7, 0) + frame)


# ---- Of one packet, several

def fragments_4(ip, size, number):
    header = (ip[0] & 15) * 4
    payload = ip[header:struct.unpack_from(">H", ip, 2)[0]]
    for at in range(0, len(payload), size):
        part = payload[at:at + size]
        head = bytearray(ip[:header])
        more = 0x2000 if at + size < len(payload) else 0
        struct.pack_into(">HHH", head, 2, header + len(part), number & 0xffff, more | at // 8)
        struct.pack_into(">H", head, 10, 0)
        struct.pack_into(">H", head, 10, checksum(bytes(head)))
        yield bytes(head) + part


def fragments_6(ip, size, number):
    payload = ip[40:40 + struct.unpack_from(">H", ip, 4)[0]]
    for at in range(0, len(payload), size):
        part = payload[at:at + size]
        more = at + size < len(payload)
        head = ip[:4] + struct.pack(">HB", 8 + len(part), 44) + ip[7:40]
        yield head + struct.pack(">BBHI", ip[6], 0, at | more, number) + part


def fragments(frames):
    """Of 256 bytes; of every second packet the last comes first."""
    for number, (ns, frame) in enumerate(frames):
        head, ip = frame[:14], frame[14:]
        cut = fragments_4 if ip[0] >> 4 == 4 else fragments_6
        parts = list(cut(ip, 256, number))
        if len(parts) == 1:
            parts = [ip]
        for part in parts[::-1] if number % 2 else parts:
            yield ns, head + part


def segments(frames):
    for ns, frame in frames:
        for part in recapture.pieces(7, frame[14:]):
            yield ns, frame[:14] + part


# ---- TCP

class Segment:
    """A whole TCP segment in an Ethernet frame, to be written again with other numbers or bytes."""

    def __init__(self, frame):
        self.head, ip = frame[:14], frame[14:]
        self.four = ip[0] >> 4 == 4
        at = (ip[0] & 15) * 4 if self.four else 40
        end = struct.unpack_from(">H", ip, 2)[0] if self.four else 40 + struct.unpack_from(">H", ip, 4)[0]
        offset = at + (ip[at + 12] >> 4) * 4
        self.ip, self.tcp, self.payload = ip[:at], ip[at:offset], ip[offset:end]
        self.addresses = ip[12:20] if self.four else ip[8:40]
        half = len(self.addresses) // 2
        self.flow = (self.addresses[:half], self.tcp[:2], self.addresses[half:], self.tcp[2:4])
        self.reverse = self.flow[2:] + self.flow[:2]
        self.seq, self.ack = struct.unpack_from(">II", self.tcp, 4)
        self.flags = self.tcp[13]

    def frame(self, seq, ack, payload, flags):
        tcp = bytearray(self.tcp)
        struct.pack_into(">II", tcp, 4, seq & 0xffffffff, ack & 0xffffffff)
        tcp[13] = flags
        struct.pack_into(">H", tcp, 16, 0)
        length = len(tcp) + len(payload)
        pseudo = self.addresses + struct.pack(">HH" if self.four else ">II", 6, length)
        struct.pack_into(">H", tcp, 16, checksum(pseudo + bytes(tcp) + payload))
        ip = bytearray(self.ip)
        if self.four:
            struct.pack_into(">H", ip, 2, len(ip) + length)
            struct.pack_into(">H", ip, 10, 0)
            struct.pack_into(">H", ip, 10, checksum(bytes(ip)))
        else:
            struct.pack_into(">H", ip, 4, length)
        return self.head + bytes(ip) + bytes(tcp) + payload


def wrap(frames):
    """Each side's numbers pass through zero forty bytes after its SYN."""
    shift = {}
    for ns, frame in frames:
        s = Segment(frame)
        if s.flags & SYN and s.flow not in shift:
            shift[s.flow] = 0xffffffd8 - s.seq
        yield ns, s.frame(s.seq + shift.get(s.flow, 0), s.ack + shift.get(s.reverse, 0), s.payload, s.flags)


def overlap(frames):
    """Every second segment brings the later half of the one before along, and some come again whole."""
    before, count = {}, 0
    for ns, frame in frames:
        s = Segment(frame)
        last = before.get(s.flow)
        if not s.payload or s.flags & (SYN | RST):
            yield ns, frame
            continue
        count += 1
        if last and (last.seq + len(last.payload)) & 0xffffffff == s.seq and count % 2:
            tail = last.payload[len(last.payload) // 2:]
            yield ns, s.frame(s.seq - len(tail), s.ack, tail + s.payload, s.flags)
        else:
            yield ns, frame
        if count % 5 == 0:
            yield ns, s.frame(s.seq, s.ack, s.payload, s.flags & ~(FIN | PSH))
        before[s.flow] = s


def duplicates(frames):
    """One in ten packets twice, the second time at once or up to three packets later."""
    draw, late = random.Random(1), []
    for ns, frame in frames:
        yield ns, frame
        late = [(wait - 1, copy) for wait, copy in late]
        for wait, copy in late:
            if wait < 0:
                yield ns, copy
        late = [(wait, copy) for wait, copy in late if wait >= 0]
        if draw.random() < 0.1:
            late.append((draw.randrange(4), frame))


def swapped(frames):
    """Neighbouring packets of one connection, of either direction, change places, as far as both carry
    bytes or acknowledgements alone; each pair once."""
    held = {}
    for ns, frame in frames:
        s = Segment(frame)
        key = min(s.flow, s.reverse)
        fixed = s.flags & (SYN | FIN | RST)
        if key in held and fixed:
            yield ns, held.pop(key)
        elif key in held:
            yield ns, frame
            yield ns, held.pop(key)
            continue
        elif not fixed:
            held[key] = frame
            continue
        yield ns, frame
    for frame in held.values():
        yield ns, frame


def vlan_per_direction(frames):
    """As a mirror leaves it that tags what it sends and what it receives."""
    for ns, frame in frames:
        s = Segment(frame)
        tag = 100 if s.flow < s.reverse else 200
        yield ns, frame[:12] + struct.pack(">HH", 0x8100, tag) + frame[12:]


def around(function):
    def shape(frames):
        for ns, frame in frames:
            yield ns, function(frame)
    return shape


SHAPES = {f.__name__: around(f) for f in (qinq, mpls, vxlan, geneve, gre_teb, erspan_2)}
SHAPES.update({f.__name__: f for f in (fragments, segments, wrap, overlap, duplicates, swapped,
                                           vlan_per_direction)})


def in_tunnel(tunnel, inner):
    return lambda frames: SHAPES[tunnel](SHAPES[inner](frames))


SHAPES["fragments_in_vxlan"] = in_tunnel("vxlan", "fragments")
SHAPES["vxlan_in_fragments"] = in_tunnel("fragments", "vxlan")


def tcp_frames(path):
    for ns, wire, link, data in recapture.read(path):
        if link != recapture.ETHERNET or wire != len(data):
            sys.exit("transform: whole Ethernet frames are needed")
        ip = data[14:]
        if data[12:14] in (b"\x08\0", b"\x86\xdd") and (ip[9] if data[12] == 8 else ip[6]) == 6:
            yield ns, data


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in SHAPES:
        sys.exit(f"{__doc__}\nshapes: {', '.join(SHAPES)}")
    with open(sys.argv[3], "wb") as out:
        writer = recapture.Writer(out, "pcap-ns", recapture.ETHERNET)
        for ns, frame in SHAPES[sys.argv[1]](tcp_frames(sys.argv[2])):
            writer.write(ns, len(frame), frame)


if __name__ == "__main__":
    main()
