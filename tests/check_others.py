#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Holds session records against what Courier and Exim logged:

    check_others.py SESSIONS.ndjson COURIER.log EXIM.log CAPTURE.pcap.zst

Courier counts bytes as they lie on its disk, and calls BODY[HEADER] a body; Postern counts bytes of the wire,
and calls headers what Dovecot calls so. What a plain reader (wire.py) finds in the capture stands between
them: counted Courier's way it must be what Courier logged, counted the other way what the record says.
One line per mismatch; exit status 1 when there is one, or when there was nothing to compare."""

import re
import sys

import wire
from check_lab import compare_smtp, get, last_records

PEER = r"ip=\[(?:::ffff:)?(?P<ip>[^]]+)\], port=\[(?P<port>\d+)\]"
LOGIN = re.compile(rf"LOGIN, user=(?P<user>\S+), {PEER}, protocol=IMAP")
FAILED = re.compile(rf"LOGIN FAILED, user=(?P<user>\S+), {PEER}")
LOGOUT = re.compile(rf"(?:LOGOUT|DISCONNECTED), (?:user=\S+, )?{PEER}(?:, headers=(?P<headers>\d+), body=(?P<body>\d+))?, "
                    r"rcvd=(?P<rcvd>\d+), sent=(?P<sent>\d+)")
MESSAGE = re.compile(
    r" (?P<queue_id>\S+) <= (?P<sender>\S+) H=.*\[(?P<ip>[^]]+)\]:(?P<port>\d+) .*?(?:A=\w+:(?P<user>\S+) .*)?"
    r" for (?P<to>.+)$")


def peer(match):
    return match["ip"], int(match["port"])


def read_courier(lines):
    """Sessions by peer."""
    sessions = {}
    for line in lines:
        if m := FAILED.search(line):
            sessions[peer(m)] = {"user": m["user"], "outcome": "failure"}
        elif m := LOGIN.search(line):
            sessions[peer(m)] = {"user": m["user"], "outcome": "success"}
        elif (m := LOGOUT.search(line)) and peer(m) in sessions:
            sessions[peer(m)].update({name: int(m[name] or 0) for name in ("headers", "body", "rcvd", "sent")})
    return sessions


def read_exim(lines):
    """Messages by queue id."""
    return {m["queue_id"]: {"peer": peer(m), "user": m["user"], "sender": m["sender"].strip("<>"),
                            "nrcpt": len(m["to"].split())}
            for m in map(MESSAGE.search, lines) if m}


def courier_counts(literals):
    """(headers, body) as Courier's imapd counts: without the CR that it puts before each LF, and of
    chosen header fields without either."""
    headers = body = 0
    for item, data in literals:
        size = len(data) - data.count(b"\r\n")
        if re.search(r"HEADER\.FIELDS|MIME\]", item):
            headers += size - data.count(b"\r\n")
        elif item == "RFC822.HEADER":
            headers += size
        else:
            body += size
    return headers, body


def wire_counts(literals):
    """(bytes of headers, of bodies) as they went by."""
    is_header = re.compile(r"HEADER|MIME\]")
    return (sum(len(data) for item, data in literals if is_header.search(item)),
            sum(len(data) for item, data in literals if not is_header.search(item)))


def compare_imap(sessions, records, streams):
    """Yields each mismatch."""
    for key, truth in sessions.items():
        where = f"imap {truth['user']} from {key[0]} port {key[1]}"
        record = records.get(key)
        if record is None:
            yield f"{where}: no session record"
            continue
        for path, says in (("user.id", truth["user"]), ("postern.imap.login.outcome", truth["outcome"]),
                           ("postern.seen", 1.0)):
            if get(record, path) != says:
                yield f"{where}: {path} is {get(record, path)!r}, expected {says!r}"
        client, server = streams[key]
        if (get(record, "source.bytes"), get(record, "destination.bytes")) != (len(client), len(server)):
            yield f"{where}: {record['source']}, {record['destination']}; {len(client)} and {len(server)} went by"
        literals = list(wire.fetched(server))
        if "sent" in truth:
            yield from (f"{where}: {text}" for text in compare_bytes(truth, client, server))
        if "sent" in truth and courier_counts(literals) != (truth["headers"], truth["body"]):
            yield f"{where}: the wire has {courier_counts(literals)}, the server says {truth}"
        got = get(record, "postern.imap.fetch")
        if (got["header_bytes"], got["body_bytes"]) != wire_counts(literals):
            yield f"{where}: {got}, on the wire are {wire_counts(literals)}"
    for key, record in records.items():
        if get(record, "postern.imap.login.outcome") != "none" and key not in sessions:
            yield f"imap from {key[0]} port {key[1]}: a login that the server knows nothing of"


def compare_bytes(truth, client, server):
    """Yields a mismatch of Courier's rcvd and sent. A login that succeeds begins another process, which
    counts anew: from behind the line that was the login, and from its own first answer."""
    before, answered = client[:len(client) - truth["rcvd"]], server[:len(server) - truth["sent"]]
    if truth["outcome"] == "failure":
        if before or answered:
            yield f"{len(before)} and {len(answered)} bytes that the server did not count"
        return
    *commands, login = re.sub(rb"\{\d+\}\r\n", b"", before).decode().splitlines()
    replies = [line for line in answered.decode().splitlines()[1:] if not line.startswith(("*", "+"))]
    tag = login.split()[0]
    if not re.match(r"\S+ LOGIN ", login, re.I) or not before.endswith(b"\r\n") \
            or [line.split()[0] for line in replies] != [line.split()[0] for line in commands] \
            or not re.search(rf"(?m)^{re.escape(tag)} OK ", server[len(answered):].decode(errors="replace")):
        yield f"the server counts from behind {before[-80:]}, and its answers from behind {answered[-80:]}"


def compare(sessions, courier, exim, capture):
    """(what was compared, mismatches); the arguments but the last are lines."""
    logins, messages = read_courier(courier), read_exim(exim)
    records = last_records(sessions)
    faults = list(compare_imap(logins, records["imap"], wire.streams(capture))) + list(compare_smtp(messages, records["smtp"]))
    # A client that breaks off takes imapd with it, unlogged: NeoMutt does.
    n_unlogged = sum("sent" not in truth for truth in logins.values())
    if len(logins) < 5 or len(messages) < 5 or n_unlogged * 5 > len(logins):
        faults.append(f"too little to compare: {len(logins)} logins, {len(messages)} messages in logs")
    return f"{len(logins)} IMAP sessions of Courier, {len(messages)} messages of Exim", faults


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    what, faults = compare(*(open(path, encoding="utf-8") for path in sys.argv[1:4]), sys.argv[4])
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{what} compared: {len(faults)} mismatches")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
