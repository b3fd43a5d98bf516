#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Writes a capture again in another shape that must mean the same: cut into small TCP segments, in
another file format, behind another link layer. Standard library only."""

import argparse
import gzip
import struct
import sys

ETHERNET, RAW, SLL, SLL2, NULL = 1, 101, 113, 276, 0
LINKS = {'ethernet': ETHERNET, 'raw': RAW, 'sll': SLL, 'sll2': SLL2, 'null': NULL}
FORMATS = {  # byte order, magic; nanoseconds or not
    'pcap-us': ('<', 0xa1b2c3d4), 'pcap-ns': ('<', 0xa1b23c4d), 'pcap-be': ('>', 0xa1b2c3d4),
    'pcapng': ('<', None), 'pcapng-be': ('>', None),
}
FIN, SYN, RST, PSH = 1, 2, 4, 8


def read_pcap(data):
    """Yields (time in ns, wire size, link type, bytes)."""
    for order in '<>':
        magic, = struct.unpack_from(order + 'I', data)
        if magic in (0xa1b2c3d4, 0xa1b23c4d):
            break
    else:
        sys.exit('recapture: neither pcap nor pcapng')
    scale = 1000 if magic == 0xa1b2c3d4 else 1
    link = struct.unpack_from(order + 'I', data, 20)[0] & 0x03ffffff
    at = 24
    while at + 16 <= len(data):
        sec, part, size, wire = struct.unpack_from(order + 'IIII', data, at)
        if at + 16 + size > len(data):
            return
        yield sec * 10**9 + part * scale, wire, link, data[at + 16:at + 16 + size]
        at += 16 + size


def interface(order, body):
    """(link type, units per second, offset in seconds) of an interface description block."""
    link, = struct.unpack_from(order + 'H', body)
    units, offset, at = 10**6, 0, 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + 'HH', body, at)
        value = body[at + 4:at + 4 + size]
        if code == 0:
            break
        if code == 9:
            units = 2**(value[0] & 127) if value[0] & 128 else 10**value[0]
        if code == 14:
            offset, = struct.unpack(order + 'q', value)
        at += 4 + (size + 3) // 4 * 4
    return link, units, offset


def read_pcapng(data):
    order, interfaces, at, last = '<', [], 0, 0
    while at + 12 <= len(data):
        if data[at:at + 4] == b'\n\r\r\n':
            order = '<' if data[at + 8:at + 12] == b'\x4d\x3c\x2b\x1a' else '>'
            interfaces = []
        kind, total = struct.unpack_from(order + 'II', data, at)
        if total < 12 or at + total > len(data):
            return
        body = data[at + 8:at + total - 4]
        at += total
        if kind == 1:
            interfaces.append(interface(order, body))
        elif kind == 6:
            number, high, low, size, wire = struct.unpack_from(order + 'IIIII', body)
            link, units, offset = interfaces[number]
            last = (high << 32 | low) * 10**9 // units + offset * 10**9
            yield last, wire, link, body[20:20 + size]
        elif kind == 3:
            wire, = struct.unpack_from(order + 'I', body)
            yield last, wire, interfaces[0][0], body[4:4 + wire]


def read(path):
    data = sys.stdin.buffer.read() if path == '-' else open(path, 'rb').read()
    if data[:2] == b'\x1f\x8b':
        data = gzip.decompress(data)
    return read_pcapng(data) if data[:4] == b'\n\r\r\n' else read_pcap(data)


class Writer:
    def __init__(self, out, form, link):
        self.out, self.link = out, link
        self.order, self.magic = FORMATS[form]
        if self.magic:
            out.write(struct.pack(self.order + 'IHHiIII', self.magic, 2, 4, 0, 0, 262144, link))
            return
        self.block(0x0a0d0d0a, struct.pack(self.order + 'IHHq', 0x1a2b3c4d, 1, 0, -1))
        option = struct.pack(self.order + 'HHB3xHH', 9, 1, 9, 0, 0)  # nanoseconds
        self.block(1, struct.pack(self.order + 'HHI', link, 0, 262144) + option)

    def block(self, kind, body):
        body += b'\0' * (-len(body) % 4)
        size = struct.pack(self.order + 'I', len(body) + 12)
        self.out.write(struct.pack(self.order + 'I', kind) + size + body + size)

    def write(self, ns, wire, data):
        if self.magic:
            scale = 1000 if self.magic == 0xa1b2c3d4 else 1
            head = (ns // 10**9, ns % 10**9 // scale, len(data), wire)
            self.out.write(struct.pack(self.order + 'IIII', *head) + data)
        else:
            head = struct.pack(self.order + 'IIIII', 0, ns >> 32, ns & 0xffffffff, len(data), wire)
            self.block(6, head + data)


def split(link, data):
    """(link header, IP packet and what follows it), or None when it does not hold IP."""
    if link in (RAW, 12, 14, 228, 229):
        return b'', data
    if link == NULL or link == 108:
        return data[:4], data[4:]
    at = {ETHERNET: 14, SLL: 16, SLL2: 20}.get(link)
    if at is None or len(data) < at:
        return None
    kind, = struct.unpack_from('>H', data, {ETHERNET: 12, SLL: 14, SLL2: 0}[link])
    while kind in (0x8100, 0x88a8) and len(data) >= at + 4:
        kind, at = struct.unpack_from('>H', data, at + 2)[0], at + 4
    return (data[:at], data[at:]) if kind in (0x0800, 0x86dd) else None


def link_header(link, ip):
    """A link header of the wanted kind for an IP packet."""
    six = ip[0] >> 4 == 6
    kind = 0x86dd if six else 0x0800
    if link == ETHERNET:
        return b'\2\0\0\0\0\2' + b'\2\0\0\0\0\1' + struct.pack('>H', kind)
    if link == SLL:
        return struct.pack('>HHH8sH', 0, 1, 6, b'\2\0\0\0\0\1', kind)
    if link == SLL2:
        return struct.pack('>HHIHBB8s', kind, 0, 1, 1, 0, 6, b'\2\0\0\0\0\1')
    return struct.pack('<I', 10 if six else 2) if link == NULL else b''


def checksum(data):
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data[:len(data) // 2 * 2]))
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pieces(size, ip):
    """The IP packet as a list of packets with at most size payload bytes each; [ip] when it holds no
    whole TCP segment with payload (fragments, other protocols, packets cut by a snap length)."""
    if len(ip) < 20:
        return [ip]
    four = ip[0] >> 4 == 4
    if four:
        at, total = (ip[0] & 15) * 4, struct.unpack_from('>H', ip, 2)[0]
        plain = ip[9] == 6 and not struct.unpack_from('>H', ip, 6)[0] & 0x3fff
    else:
        at, total = 40, 40 + struct.unpack_from('>H', ip, 4)[0]
        plain = ip[0] >> 4 == 6 and ip[6] == 6
    if not plain or total > len(ip) or at + 20 > total:
        return [ip]
    header = at + (ip[at + 12] >> 4) * 4
    payload = ip[header:total]
    flags = ip[at + 13]
    addresses = ip[12:20] if four else ip[8:40]
    pseudo = addresses + struct.pack('>HH' if four else '>II', 6, total - at)
    if flags & RST or header > total or len(payload) <= size:
        return [ip]
    # A wrong checksum stays wrong: what its receiver drops must still be dropped. One that covers
    # only the pseudo-header was to be completed by the capturing host's NIC, and is completed here.
    partial = checksum(pseudo) ^ 0xffff == struct.unpack_from('>H', ip, at + 16)[0]
    wrong = checksum(pseudo + ip[at:total]) != 0 and not partial
    return list(tcp_pieces(size, ip, at, header, payload, four, wrong))


def tcp_pieces(size, ip, at, header, payload, four, wrong):
    seq, = struct.unpack_from('>I', ip, at + 4)
    flags = ip[at + 13]
    for begin in range(0, len(payload), size):
        part = payload[begin:begin + size]
        first, last = begin == 0, begin + size >= len(payload)
        head = bytearray(ip[:header])
        # SYN takes a sequence number before the first byte, FIN one behind the last.
        number = seq + begin + (1 if flags & SYN and not first else 0)
        struct.pack_into('>I', head, at + 4, number & 0xffffffff)
        head[at + 13] = flags & ~(0 if first else SYN) & ~(0 if last else FIN | PSH)
        length = header + len(part)
        if four:
            struct.pack_into('>H', head, 2, length)
            struct.pack_into('>H', head, 10, 0)
            struct.pack_into('>H', head, 10, checksum(bytes(head[:at])))
        else:
            struct.pack_into('>H', head, 4, length - 40)
        struct.pack_into('>H', head, at + 16, 0)
        addresses = bytes(head[12:20] if four else head[8:40])
        pseudo = addresses + struct.pack('>HH' if four else '>II', 6, length - at)
        value = checksum(pseudo + bytes(head[at:]) + part)
        struct.pack_into('>H', head, at + 16, value ^ (0x5555 if wrong else 0))
        yield bytes(head) + part


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--cut', type=int, default=0, metavar='N', help='payload bytes per segment')
    parser.add_argument('--format', choices=FORMATS, default='pcap-us')
    parser.add_argument('--link', choices=LINKS, help='default: as it is')
    parser.add_argument('input', help='pcap or pcapng, plain or gzip; "-": standard input')
    parser.add_argument('output', help='"-": standard output')
    args = parser.parse_args()
    writer = None
    with sys.stdout.buffer if args.output == '-' else open(args.output, 'wb') as out:
        for ns, wire, link, data in read(args.input):
            if not writer:
                writer = Writer(out, args.format, LINKS[args.link] if args.link else link)
            if not args.link and link != writer.link:
                sys.exit('recapture: several link types: say --link')
            found = split(link, data)
            if not found or not found[1]:
                if not args.link:
                    writer.write(ns, wire, data)
                continue
            head, ip = found
            if args.link:
                wire += len(link_header(writer.link, ip)) - len(head)
                head = link_header(writer.link, ip)
            parts = pieces(args.cut, ip) if args.cut > 0 else [ip]
            for part in parts:
                size = len(head) + len(part)
                writer.write(ns, wire if len(parts) == 1 else size, head + part)
        if not writer:
            sys.exit('recapture: no packets in %s' % args.input)


if __name__ == '__main__':
    main()
