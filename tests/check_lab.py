#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Holds session records against what the mail servers themselves logged:

    check_lab.py SESSIONS.ndjson DOVECOT.log POSTFIX.log

One line per mismatch; exit status 1 when there is one, or when there was nothing to compare."""

import collections
import json
import re
import sys

import wire

LOGIN = re.compile(
    r"imap-login: Info: Login: user=<(?P<user>[^>]*)>, method=(?P<method>[^,]+), "
    r"rip=(?P<ip>[^,]+), rport=(?P<port>\d+), .*?mpid=\d+,(?P<tls> TLS,)?.* "
    r"session=<(?P<session>[^>]+)>")
END = re.compile(
    r"imap\([^)]*\)<\d+><(?P<session>[^>]+)>: Info: Disconnected: .* expunged=(?P<expunged>\d+) "
    r"trashed=\d+ hdr_count=(?P<hdr_count>\d+) hdr_bytes=(?P<hdr_bytes>\d+) "
    r"body_count=(?P<body_count>\d+) body_bytes=(?P<body_bytes>\d+) appended=(?P<appended>\d+)")
REFUSED = re.compile(
    r"imap-login: Info: Disconnected: .*\(auth failed, (?P<attempts>\d+) attempts.*?\): "
    r"user=<(?P<user>[^>]*)>, method=[^,]+, rip=(?P<ip>[^,]+), rport=(?P<port>\d+)")

CLIENT = re.compile(
    r" (?P<queue_id>[0-9A-F]{8,}): client=\S*?\[(?P<ip>[^]]+)\]:(?P<port>\d+)"
    r"(?:, sasl_method=\S+, sasl_username=(?P<user>\S+))?")
# XFORWARD: the gateway that the message came through says who its client was.
ORIGINAL = re.compile(r"orig_client=\S*?\[(?P<ip>[^]]+)\]:(?P<port>\d+)")
QUEUED = re.compile(
    r" (?P<queue_id>[0-9A-F]{8,}): from=<(?P<sender>[^>]*)>, size=\d+, nrcpt=(?P<nrcpt>\d+) "
    r"\(queue active\)")
HUNG_UP = re.compile(
    r"disconnect from \S*?\[(?P<ip>[^]]+)\]:(?P<port>\d+).* starttls=1")

# The field of a record that holds what Dovecot's logout line calls so.
FIELDS = {
    "hdr_count": "postern.imap.fetch.header_count",
    "hdr_bytes": "postern.imap.fetch.header_bytes",
    "body_count": "postern.imap.fetch.body_count",
    "body_bytes": "postern.imap.fetch.body_bytes",
    "appended": "postern.imap.append.count",
    "expunged": "postern.imap.expunge",
}


def peer(match):
    return match["ip"], int(match["port"])


def get(record, path):
    for name in path.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


def wire_end(record):
    """The address and port that the record's packets came from: a proxy's, where one named the client."""
    end = get(record, "postern.via") or record["source"]
    return end["ip"], end["port"]


def read_dovecot(lines):
    """(sessions that logged in, in clear; sessions that were refused), each by peer."""
    logins, refused = {}, {}
    by_session = {}
    for line in lines:
        if (m := LOGIN.search(line)) and not m["tls"]:
            by_session[m["session"]] = logins[peer(m)] = {"user": m["user"], "method": m["method"]}
        elif (m := END.search(line)) and m["session"] in by_session:
            by_session[m["session"]].update({name: int(m[name]) for name in FIELDS})
        elif m := REFUSED.search(line):
            refused[peer(m)] = {"user": m["user"], "attempts": int(m["attempts"])}
    return logins, refused


def read_postfix(lines):
    """Messages that came in clear, by queue id."""
    messages, encrypted = {}, set()
    for line in lines:
        if m := CLIENT.search(line):
            messages[m["queue_id"]] = {"peer": peer(ORIGINAL.search(line) or m), "user": m["user"]}
        elif (m := QUEUED.search(line)) and m["queue_id"] in messages:
            messages[m["queue_id"]].update({"sender": m["sender"], "nrcpt": int(m["nrcpt"])})
        elif m := HUNG_UP.search(line):
            encrypted.add(peer(m))
    return {queue_id: message for queue_id, message in messages.items()
            if "sender" in message and message["peer"] not in encrypted}


def last_records(lines):
    """The last record of each connection: it holds the totals."""
    last = {}
    for line in lines:
        record = json.loads(line)
        if get(record, "event.dataset") == "postern.session":
            last[get(record, "postern.session")] = record
    by_protocol = collections.defaultdict(dict)
    for record in last.values():
        key = get(record, "source.ip"), get(record, "source.port")
        by_protocol[get(record, "network.protocol")][key] = record
    return by_protocol


def compare_imap(logins, refused, records):
    """Yields each mismatch."""
    for key, truth in logins.items():
        where = f"imap {truth['user']} from {key[0]} port {key[1]}"
        record = records.get(key)
        if record is None:
            yield f"{where}: no session record"
            continue
        expected = {path: truth[name] for name, path in FIELDS.items() if name in truth}
        expected.update({"user.id": truth["user"], "postern.imap.login.outcome": "success"})
        # Dovecot calls the LOGIN command PLAIN, as no other mechanism is behind it.
        if truth["method"] != "PLAIN" or "LOGIN" not in commands(record):
            expected["postern.imap.login.mechanism"] = truth["method"]
        for path, value in expected.items():
            if get(record, path) != value:
                yield f"{where}: {path} is {get(record, path)!r}, the server says {value!r}"
    for key, truth in refused.items():
        where = f"imap refused {truth['user']} from {key[0]} port {key[1]}"
        login = get(records.get(key, {}), "postern.imap.login")
        if not login:
            yield f"{where}: no session record"
            continue
        if get(records[key], "user.id") != truth["user"]:
            yield f"{where}: user.id is {get(records[key], 'user.id')!r}"
        if (login.get("outcome"), login.get("attempts")) != ("failure", truth["attempts"]):
            yield f"{where}: login is {login!r}, the server says {truth['attempts']} refused"
    for key, record in records.items():
        if get(record, "postern.imap.login.outcome") == "success" and key not in logins:
            yield f"imap from {key[0]} port {key[1]}: a login that the server knows nothing of"


def commands(record):
    return {command["name"] for command in get(record, "postern.imap.commands") or []}


def compare_smtp(messages, records):
    """Yields each mismatch."""
    seen = {}
    for key, record in records.items():
        for message in get(record, "postern.smtp.messages") or []:
            if message.get("queue_id"):
                seen[message["queue_id"]] = (key, record, message)
    for queue_id, truth in messages.items():
        where = f"smtp {queue_id} of <{truth['sender']}>"
        if queue_id not in seen:
            yield f"{where}: not in any record"
            continue
        key, record, message = seen[queue_id]
        for name, is_, says in (
                ("client", key, truth["peer"]),
                ("from", message.get("from"), truth["sender"]),
                ("recipients", len(message.get("to", [])), truth["nrcpt"]),
                ("user.id", get(record, "user.id"), truth["user"])):
            if is_ != says:
                yield f"{where}: {name} is {is_!r}, the server says {says!r}"
    for queue_id in seen.keys() - messages.keys():
        yield f"smtp {queue_id}: a message that the server knows nothing of"


def compare_attachments(capture, records):
    """Yields each difference to what a plain reader finds attached to the messages that went by."""
    got = collections.Counter((a["name"], a["bytes"], a["sha256"]) for record in records
                              for message in get(record, "postern.smtp.messages") or []
                              for a in message["attachments"] if a.get("name"))
    want = wire.attachments(capture)
    yield from (f"attachment {a[:2]}: {n} are missing" for a, n in (want - got).items())
    yield from (f"attachment {a[:2]}: {n} are too many" for a, n in (got - want).items())


def compare(sessions, dovecot, postfix):
    """(what was compared, mismatches); the arguments are lines."""
    logins, refused = read_dovecot(dovecot)
    postfix = list(postfix)
    messages = read_postfix(postfix)
    records = last_records(sessions)
    faults = list(compare_imap(logins, refused, records["imap"]))
    faults += compare_smtp(messages, records["smtp"])
    if not logins or (postfix and not messages):
        faults.append(f"nothing to compare: {len(logins)} logins, {len(messages)} messages in logs")
    return (f"{len(logins)} IMAP sessions, {len(refused)} refused ones, "
            f"{len(messages)} SMTP messages"), faults


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    what, faults = compare(*(open(path, encoding="utf-8") for path in sys.argv[1:]))
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{what} compared: {len(faults)} mismatches")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
