#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Holds session records against what Courier and Exim logged:

    check_others.py SESSIONS.ndjson COURIER.log EXIM.log NOTES.json

One line per mismatch; exit status 1 when there is one, or when there was nothing to compare."""

import json
import re
import sys

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


def compare_imap(sessions, records, driven):
    """Yields each mismatch. driven: peers that logged in with talk.py's first command."""
    greetings = set()
    for key, truth in sessions.items():
        where = f"imap {truth['user']} from {key[0]} port {key[1]}"
        record = records.get(key)
        if record is None:
            yield f"{where}: no session record"
            continue
        for path, says in (("user.id", truth["user"]), ("postern.imap.login.outcome", truth["outcome"]),
                           ("postern.imap.login.mechanism", "LOGIN"), ("postern.seen", 1.0)):
            if get(record, path) != says:
                yield f"{where}: {path} is {get(record, path)!r}, expected {says!r}"
        # Another process counts from the login on; before it stands one command, and the same answers for all.
        before = get(record, "source.bytes") - truth["rcvd"], get(record, "destination.bytes") - truth["sent"]
        login = f"a1 LOGIN {truth['user']} \"pw-{truth['user'].split('@')[0]}\"\r\n"
        if truth["outcome"] == "failure" and before != (0, 0):
            yield f"{where}: bytes differ from the server's by {before}"
        if truth["outcome"] == "success" and key in driven:
            greetings.add(before[1])
            if before[0] != len(login):
                yield f"{where}: {before[0]} bytes before the server counts, expected {len(login)}"
        # It counts lines as they lie on its disk, with one byte less each.
        for name, path in (("headers", "header_bytes"), ("body", "body_bytes")):
            got = get(record, f"postern.imap.fetch.{path}")
            if not truth[name] <= got <= 2 * truth[name] or (got == truth[name]) != (got == 0):
                yield f"{where}: {path} is {got}, the server says {truth[name]} without CRs"
    if len(greetings) != 1:
        yield f"bytes that the server sent before it counts: {greetings}"
    for key, record in records.items():
        if get(record, "postern.imap.login.outcome") != "none" and key not in sessions:
            yield f"imap from {key[0]} port {key[1]}: a login that the server knows nothing of"


def compare(sessions, courier, exim, notes):
    """(what was compared, mismatches); the arguments but the last are lines."""
    logins, messages = read_courier(courier), read_exim(exim)
    records = last_records(sessions)
    driven = {(note["ip"], note["port"]) for note in notes}
    faults = list(compare_imap(logins, records["imap"], driven)) + list(compare_smtp(messages, records["smtp"]))
    if len(logins) < 5 or len(messages) < 5 or any("sent" not in truth for truth in logins.values()):
        faults.append(f"too little to compare: {len(logins)} logins, {len(messages)} messages in logs")
    return f"{len(logins)} IMAP sessions of Courier, {len(messages)} messages of Exim", faults


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    what, faults = compare(*(open(path, encoding="utf-8") for path in sys.argv[1:4]),
                           json.load(open(sys.argv[4], encoding="utf-8")))
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{what} compared: {len(faults)} mismatches")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
