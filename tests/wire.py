# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""A plain reader of a lab capture, which has no holes: each connection's bytes, and of IMAP's answers the
literals that FETCH sent, what a POP3 session did, and the messages a client of SMTP sent. It shares nothing with the program that is tested."""

import collections
import email
import email.policy
import hashlib
import re
import socket
import struct
import subprocess
import zlib

LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


def packets(capture):
    data = subprocess.run(["zstd", "-q", "-d", "-c", "-f", str(capture)], capture_output=True, check=True).stdout
    at = 24
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + size]
        at += 16 + size


def segments(capture):
    """(from, to, sequence number, is SYN, payload)"""
    for frame in packets(capture):
        kind = struct.unpack_from("!H", frame, 12)[0]
        if kind == 0x0800:
            head, family, where = 14 + (frame[14] & 15) * 4, socket.AF_INET, (26, 30, 4)
            end = 14 + struct.unpack_from("!H", frame, 16)[0]
        elif kind == 0x86dd:
            head, family, where = 54, socket.AF_INET6, (22, 38, 16)
            end = 54 + struct.unpack_from("!H", frame, 18)[0]
        else:
            continue
        source, target = (socket.inet_ntop(family, frame[at:at + where[2]]) for at in where[:2])
        port, to, seq = struct.unpack_from("!HHI", frame, head)
        yield ((source, port), (target, to), seq, bool(frame[head + 13] & 2),
               frame[head + (frame[head + 12] >> 4) * 4:end])


def streams(capture):
    """(client's address and port) -> (its bytes, the server's bytes)"""
    pieces, first, clients = {}, {}, {}
    for source, target, seq, is_syn, payload in segments(capture):
        if is_syn:
            first[source, target] = seq + 1
            clients.setdefault(frozenset((source, target)), source)
        if payload:
            pieces.setdefault((source, target), {}).setdefault(seq, payload)
    found = {}
    for ends, client in clients.items():
        server = next(end for end in ends if end != client)
        found[client] = tuple(joined(pieces.get(way, {}), first.get(way, 0))
                              for way in ((client, server), (server, client)))
    return found


def joined(pieces, first):
    data = bytearray()
    for seq in sorted(pieces, key=lambda seq: (seq - first) & 0xffffffff):
        at = (seq - first) & 0xffffffff
        if at > len(data):
            raise ValueError("a hole in the capture")
        data[at:at + len(pieces[seq])] = pieces[seq]
    return bytes(data)


def fetched(data):
    """(item, literal) of each FETCH answer: BODY[...], RFC822 and the like."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            return
        line, at = data[at:end + 1], end + 1
        is_fetch = re.match(rb"\* \d+ FETCH ", line)
        while literal := LITERAL.search(line):
            size = int(literal[1])
            item = re.search(rb"(BODY\[[^]]*\](?:<\d+>)?|RFC822(?:\.\w+)?) \{\d+\}\r\n$", line)
            if is_fetch and item:
                yield item[1].decode(), data[at:at + size]
            at += size
            end = data.index(b"\n", at)
            line, at = data[at:end + 1], end + 1


def sent(client):
    """Messages of a client's DATA, as they were before dots were put in front of their dots, and of its BDAT."""
    messages, chunks, at = [], b"", 0
    while (end := client.find(b"\r\n", at)) >= 0:
        line, at = client[at:end].upper(), end + 2
        if line == b"DATA" and (end := client.find(b"\r\n.\r\n", at - 2)) >= 0:
            messages.append(re.sub(rb"(?m)^\.", b"", client[at:end + 2]))
            at = end + 5
        elif chunk := re.fullmatch(rb"BDAT (\d+)( LAST)?", line):
            chunks += client[at:at + int(chunk[1])]
            at += int(chunk[1])
            if chunk[2]:
                messages.append(chunks)
                chunks = b""
    return messages


def inflated(client, server):
    """(client's bytes, server's bytes) as if COMPRESS=DEFLATE had never begun."""
    begin = re.search(rb"(?m)^(\S+) COMPRESS DEFLATE\r\n", client)
    answer = begin and re.search(rb"(?m)^" + re.escape(begin[1]) + rb" OK [^\r]*\r\n", server)
    if not answer:
        return client, server
    return tuple(data[:at] + zlib.decompressobj(-15).decompress(data[at:])
                 for data, at in ((client, begin.end()), (server, answer.end())))


def pop3(client, server):
    """What a POP3 session did: RETR and TOP with the bytes of their messages, and how many deletions hold; and how many
    lines those messages have."""
    did, n_lines = {"retr": {"count": 0, "bytes": 0}, "top": {"count": 0, "bytes": 0}, "dele": 0}, {"RETR": 0, "TOP": 0}
    at = server.index(b"\r\n") + 2  # behind the greeting
    lines = iter(client.split(b"\r\n"))
    for line in lines:
        word = line.split(b" ")
        name = word[0].upper().decode()
        while (end := server.find(b"\r\n", at)) >= 0:
            reply, at = server[at:end], end + 2
            if not reply.startswith(b"+ "):
                break
            next(lines)  # an answer to a challenge
        if end < 0 or not reply.startswith(b"+OK"):
            continue
        if name in ("RETR", "TOP", "CAPA") or name in ("LIST", "UIDL") and len(word) == 1:
            end = server.index(b"\r\n.\r\n", at - 2)
            data, at = server[at:end + 2], end + 5
            if name in ("RETR", "TOP"):
                did[name.lower()]["count"] += 1
                did[name.lower()]["bytes"] += len(re.sub(rb"(?m)^\.", b"", data))
                n_lines[name] += data.count(b"\r\n")
        elif name in ("DELE", "RSET"):
            did["dele"] = did["dele"] + 1 if name == "DELE" else 0
    return did, n_lines


def attachments(capture):
    """(name, size, SHA-256) of what has a name in the messages that clients sent, as Python's own reader has it."""
    found = collections.Counter()
    for client, _ in streams(capture).values():
        for message in sent(client):
            for part in email.message_from_bytes(message, policy=email.policy.default).walk():
                if part.get_filename() and not part.is_multipart():
                    content = part.get_payload(decode=True)
                    found[part.get_filename(), len(content), hashlib.sha256(content).hexdigest()] += 1
    return found
