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
LOGIN = re.compile(rf"LOGIN, user=(?P<user>\S+), {PEER}(?P<is_imap>, protocol=IMAP)?")
FAILED = re.compile(rf"LOGIN FAILED, user=(?P<user>\S+), {PEER}")
POP3_LOGOUT = re.compile(rf"(?:LOGOUT|DISCONNECTED), user=\S+, {PEER}, top=(?P<top>\d+), retr=(?P<retr>\d+), "
                         r"rcvd=(?P<rcvd>\d+), sent=(?P<sent>\d+)")
LOGOUT = re.compile(rf"(?:LOGOUT|DISCONNECTED), (?:user=\S+, )?{PEER}(?:, headers=(?P<headers>\d+), body=(?P<body>\d+))?, "
                    r"rcvd=(?P<rcvd>\d+), sent=(?P<sent>\d+)")
MESSAGE = re.compile(
    r" (?P<queue_id>\S+) <= (?P<sender>\S+) H=.*\[(?P<ip>[^]]+)\]:(?P<port>\d+) .*?(?:A=\w+:(?P<user>\S+) .*)?"
    r" for (?P<to>.+)$")
PROXY = re.compile(r" PRX=(\S+) ")


def peer(match):
    return match["ip"], int(match["port"])


def read_courier(lines):
    """(IMAP sessions, POP3 sessions) by peer. A refused login names no protocol: it is IMAP's, as nobody was refused by POP3."""
    imap, pop3 = {}, {}
    for line in lines:
        if m := FAILED.search(line):
            imap[peer(m)] = {"user": m["user"], "outcome": "failure"}
        elif m := LOGIN.search(line):
            (imap if m["is_imap"] else pop3)[peer(m)] = {"user": m["user"], "outcome": "success"}
        elif m := POP3_LOGOUT.search(line):
            pop3[peer(m)].update({name: int(m[name]) for name in ("top", "retr", "rcvd", "sent")})
        elif (m := LOGOUT.search(line)) and peer(m) in imap:
            imap[peer(m)].update({name: int(m[name] or 0) for name in ("headers", "body", "rcvd", "sent")})
    return imap, pop3


def read_exim(lines):
    """Messages by queue id."""
    return {m["queue_id"]: {"peer": peer(m), "user": m["user"], "sender": m["sender"].strip("<>"), "proxy": (PROXY.findall(m.string) or [None])[0],
                            "nrcpt": len(m["to"].split())}
            for m in map(MESSAGE.search, lines) if m}


def compare_proxies(messages, records):
    """Yields each message whose proxy the record knows otherwise than Exim."""
    for record in records.values():
        for message in get(record, "postern.smtp.messages") or []:
            truth = messages.get(message.get("queue_id"), {}).get("proxy")
            if get(record, "postern.via.ip") != truth:
                yield f"smtp {message.get('queue_id')}: {get(record, 'postern.via')}, Exim says {truth}"


def compare_pop3(sessions, records, streams):
    """Yields each mismatch. Courier counts what it sent of messages as it lies on the disk, without CR."""
    for key in sessions.keys() | records.keys():
        truth, record = sessions.get(key), records.get(key, {})
        got = get(record, "user.id"), get(record, "postern.pop3.login.outcome"), get(record, "postern.seen")
        if not truth or got != (truth["user"], truth["outcome"], 1.0):
            yield f"pop3 from {key}: {got}, Courier says {truth}"
            continue
        yield from compare_pop3_wire(record, *streams[key])
        yield from (f"pop3 from {key}: {text}" for text in pop3_counts(truth, *streams[key]))


def pop3_counts(truth, client, server):
    """Yields in what Courier's counts are not those of the wire. It begins to count behind the login."""
    did, n_lines = wire.pop3(client, server)
    for name in ("retr", "top"):
        if did[name]["bytes"] - n_lines[name.upper()] != truth[name]:
            yield f"{name} of {did[name]} in {n_lines} lines, Courier says {truth}"
    before, answers = client[:len(client) - truth["rcvd"]], server[len(server) - truth["sent"]:]
    if not re.search(rb"(?i)(^|\n)(PASS |AUTH )", before) or not before.endswith(b"\r\n") or not answers.startswith(b"+OK"):
        yield f"Courier counts from behind {before[-40:]}, and its answers from {answers[:40]}"


def compare_pop3_wire(record, client, server):
    """Yields what a plain reader finds otherwise."""
    facts, did = get(record, "postern.pop3"), wire.pop3(client, server)[0]
    got = {name: facts[name] for name in did}
    if got != did or (get(record, "source.bytes"), get(record, "destination.bytes")) != (len(client), len(server)):
        yield f"pop3 of {get(record, 'user.id')}: {got}, {record['source']}, {record['destination']}; the wire has {did}"


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
    (logins, pop3), messages = read_courier(courier), read_exim(exim)
    records, streams = last_records(sessions), wire.streams(capture)
    faults = [*compare_imap(logins, records["imap"], streams), *compare_pop3(pop3, records["pop3"], streams),
              *compare_smtp(messages, records["smtp"]), *compare_proxies(messages, records["smtp"])]
    # A client that breaks off takes imapd with it, unlogged: NeoMutt, S-nail and Thunderbird do.
    n_unlogged = sum("sent" not in truth for truth in logins.values())
    if len(logins) < 5 or len(messages) < 5 or n_unlogged * 4 > len(logins):
        faults.append(f"too little to compare: {len(logins)} logins, {len(messages)} messages in logs")
    return f"{len(logins)} IMAP and {len(pop3)} POP3 sessions of Courier, {len(messages)} messages of Exim", faults


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    what, faults = compare(*(open(path, encoding="utf-8") for path in sys.argv[1:4]), sys.argv[4])
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{what} compared: {len(faults)} mismatches")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
