#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Holds session records against what Cyrus and OpenSMTPD logged:

    check_cyrus.py SESSIONS.ndjson CYRUS.log OPENSMTPD.log CAPTURE.pcap.zst

Neither logs a client's port: an address's sessions are compared one by one in their order, which is that of
their logins. Cyrus counts each session's bytes both ways, but not those of a write that fills its buffer of
4,096 bytes; OpenSMTPD the size of each message as it lies on its disk: without CR, and with the Received field
that it adds. What a plain reader (wire.py) finds in the capture stands between them. One line per mismatch; exit
status 1 when there is one, or too little to compare."""

import collections
import re
import sys

import wire
from check_lab import get, last_records
from check_others import wire_counts

LOGIN = re.compile(r"cyrus/imap\[\d+\]: login: \S* ?\[(?P<ip>[^]]+)\] (?P<user>\S+) (?P<method>\S+) User logged in "
                   r"SESSIONID=<(?P<session>[^>]+)>")
FAILED = re.compile(r"cyrus/imap\[\d+\]: badlogin: \S* ?\[(?P<ip>[^]]+)\] \S+ \(?(?P<user>[^)\s]*)\)? ")
TRAFFIC = re.compile(r"auditlog: traffic sessionid=<(?P<session>[^>]+)> bytes_in=<(?P<received>\d+)> bytes_out=<(?P<sent>\d+)>")
APPEND = re.compile(r"auditlog: append sessionid=<(?P<session>[^>]+)>")
CONNECTED = re.compile(r"^(?P<id>\w+) smtp connected address=(?P<ip>\S+)")
MESSAGE = re.compile(r"^(?P<id>\w+) smtp message msgid=(?P<queue_id>\w+) size=(?P<size>\d+) nrcpt=(?P<nrcpt>\d+)")
ENVELOPE = re.compile(r"^\w+ smtp envelope evpid=(?P<queue_id>\w{8})\w+ from=<(?P<sender>[^>]*)> to=<(?P<to>[^>]*)>")
REFUSED = re.compile(r'^(?P<id>\w+) smtp failed-command command="RCPT')


def read_cyrus(lines):
    """(ip -> sessions in the order of their logins, ip -> number of refused logins)"""
    sessions, refused, by_session = collections.defaultdict(list), collections.Counter(), {}
    for line in lines:
        if m := LOGIN.search(line):
            by_session[m["session"]] = {"user": m["user"], "method": m["method"], "appended": 0}
            sessions[m["ip"]].append(by_session[m["session"]])
        elif m := FAILED.search(line):
            refused[m["ip"]] += 1
        elif (m := TRAFFIC.search(line)) and m["session"] in by_session:
            by_session[m["session"]].update(received=int(m["received"]), sent=int(m["sent"]))
        elif (m := APPEND.search(line)) and m["session"] in by_session:
            by_session[m["session"]]["appended"] += 1
    return sessions, refused


def read_opensmtpd(lines):
    """(messages by queue id, ip -> number of refused recipients)"""
    ips, messages, refused = {}, {}, collections.Counter()
    for line in lines:
        if m := CONNECTED.search(line):
            ips[m["id"]] = m["ip"]
        elif m := MESSAGE.search(line):
            messages[m["queue_id"]] = {"ip": ips[m["id"]], "size": int(m["size"]), "nrcpt": int(m["nrcpt"]), "to": set()}
        elif m := ENVELOPE.search(line):
            messages[m["queue_id"]]["sender"] = m["sender"]
            messages[m["queue_id"]]["to"].add(m["to"])
        elif m := REFUSED.search(line):
            refused[ips[m["id"]]] += 1
    return messages, refused


def compare_imap(sessions, refused, records, streams):
    """Yields each mismatch."""
    by_ip, failed = collections.defaultdict(list), collections.Counter()
    for record in sorted(records.values(), key=lambda r: get(r, "event.start")):
        outcome = get(record, "postern.imap.login.outcome")
        ip = get(record, "source.ip")
        if outcome == "success":
            by_ip[ip].append(record)
        failed[ip] += get(record, "postern.imap.login.attempts") - (outcome == "success")
    if +failed != refused:
        yield f"refused logins: {+failed}, Cyrus says {refused}"
    for ip in sessions.keys() | by_ip.keys():
        if len(sessions[ip]) != len(by_ip[ip]):
            yield f"imap from {ip}: {len(by_ip[ip])} sessions, Cyrus knows {len(sessions[ip])}"
        for truth, record in zip(sessions[ip], by_ip[ip]):
            imap = get(record, "postern.imap")
            mechanism = "LOGIN" if truth["method"] == "plaintext" else truth["method"]
            client, server = streams[(ip, get(record, "source.port"))]
            # A copy of several messages is one COPY, and each is appended.
            n_new = truth["appended"] if imap["copy"] and truth["appended"] >= imap["append"]["count"] + imap["copy"] \
                else imap["append"]["count"]
            got = [get(record, "user.id"), imap["login"]["mechanism"], n_new,
                   get(record, "postern.seen"), get(record, "source.bytes"), get(record, "destination.bytes")]
            says = [truth["user"], mechanism, truth["appended"], 1.0, len(client), len(server)]
            if not imap["compress"]:
                got += [imap["fetch"]["header_bytes"], imap["fetch"]["body_bytes"]]
                says += wire_counts(list(wire.fetched(server)))
                is_small = len(server) <= 4096
                if len(client) != truth["received"] or len(server) < truth["sent"] or is_small and len(server) != truth["sent"]:
                    yield f"imap from {ip}: {len(client)} and {len(server)} bytes went by, Cyrus says {truth}"
            if got != says:
                yield f"imap from {ip}: {got}, Cyrus and the wire say {says}"


def stored(data, truth, helo):
    """The bytes of a message, lines ending in CR LF, on OpenSMTPD's disk."""
    received = (f"Received: from {helo} (<unknown> [{truth['ip']}])\n\tby mail.example.org (OpenSMTPD) with ESMTP id 01234567"
                + (f"\n\tfor <{next(iter(truth['to']))}>" if truth["nrcpt"] == 1 else "")
                + ";\n\tSat, 28 Nov 2026 23:32:09 +0000 (UTC)\n")
    return len(received) + len(data) - data.count(b"\r\n")


def compare_smtp(messages, refused, records, streams):
    """Yields each mismatch."""
    seen, n_refused = {}, collections.Counter()
    for record in records.values():
        ip, on_wire = get(record, "source.ip"), wire.sent(streams[(get(record, "source.ip"), get(record, "source.port"))][0])
        for message, data in zip(get(record, "postern.smtp.messages") or [], on_wire, strict=True):
            n_refused[ip] += message["rejected"]
            if message.get("queue_id"):
                seen[message["queue_id"]] = ip, message, data, get(record, "postern.smtp.helo")
    if +n_refused != refused:
        yield f"refused recipients: {+n_refused}, OpenSMTPD says {refused}"
    if seen.keys() != messages.keys():
        yield f"messages {sorted(seen)}, OpenSMTPD says {sorted(messages)}"
    for queue_id in seen.keys() & messages.keys():
        (ip, message, data, helo), truth = seen[queue_id], messages[queue_id]
        if (ip, message.get("from"), set(message["to"]), len(message["to"]), message["outcome"]) \
                != (truth["ip"], truth["sender"], truth["to"], truth["nrcpt"], "250"):
            yield f"smtp {queue_id} from {ip}: {message}, OpenSMTPD says {truth}"
        if (message["bytes"], stored(data, truth, helo)) != (len(data), truth["size"]):
            yield (f"smtp {queue_id} from {ip}: {message['bytes']} bytes, on the wire are {len(data)}, which are "
                   f"{stored(data, truth, helo)} on a disk; OpenSMTPD says {truth['size']}")


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sessions, cyrus, opensmtpd = (open(path, encoding="utf-8").readlines() for path in sys.argv[1:4])
    records, streams = last_records(sessions), wire.streams(sys.argv[4])
    logins, refused = read_cyrus(cyrus)
    messages, rejected = read_opensmtpd(opensmtpd)
    faults = [*compare_imap(logins, refused, records["imap"], streams),
              *compare_smtp(messages, rejected, records["smtp"], streams)]
    n_logins = sum(map(len, logins.values()))
    if n_logins < 7:
        faults.append(f"too little to compare: {n_logins} logins")
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{n_logins} IMAP sessions of Cyrus, {sum(refused.values())} refused logins, {len(messages)} messages of "
          f"OpenSMTPD compared: {len(faults)} mismatches")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
