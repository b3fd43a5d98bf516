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
from check_lab import get, last_records, wire_end
from check_others import compare_pop3_wire, wire_counts

LOGIN = re.compile(r"cyrus/(?P<service>\w+)\[\d+\]: login: \S* ?\[(?P<ip>[^]]+)\] (?P<user>\S+) (?P<method>\S+) User logged in"
                   r"(?: SESSIONID=<(?P<session>[^>]+)>)?")
FAILED = re.compile(r"cyrus/(?P<service>\w+)\[\d+\]: badlogin: \S* ?\[(?P<ip>[^]]+)\] ")
CLIENT_ID = re.compile(r"client id sessionid=<(?P<session>[^>]+)>: (?P<id>.*)")
TRAFFIC = re.compile(r"auditlog: traffic sessionid=<(?P<session>[^>]+)> bytes_in=<(?P<received>\d+)> bytes_out=<(?P<sent>\d+)>")
APPEND = re.compile(r"auditlog: append sessionid=<(?P<session>[^>]+)>")
CONNECTED = re.compile(r"^(?P<id>\w+) smtp connected address=(?P<ip>\S+)")
MESSAGE = re.compile(r"^(?P<id>\w+) smtp message msgid=(?P<queue_id>\w+) size=(?P<size>\d+) nrcpt=(?P<nrcpt>\d+)")
ENVELOPE = re.compile(r"^\w+ smtp envelope evpid=(?P<queue_id>\w{8})\w+ from=<(?P<sender>[^>]*)> to=<(?P<to>[^>]*)>")
REFUSED = re.compile(r'^(?P<id>\w+) smtp failed-command command="RCPT')
REDIRECT = re.compile(rb'redirect (?::copy )?"([^"]+)"')
# What Cyrus calls a login that is no SASL exchange.
MECHANISM = {"plaintext": {"imap": "LOGIN", "pop3": "LOGIN"}}


def read_cyrus(lines):
    """By service (ip -> sessions in the order of their logins), and (ip -> number of refused logins)."""
    sessions = collections.defaultdict(lambda: collections.defaultdict(list))
    refused, by_session, ids = collections.defaultdict(collections.Counter), {}, {}
    for line in lines:
        if m := LOGIN.search(line):
            truth = {"user": m["user"], "method": m["method"], "appended": 0, "id": ids.get(m["session"])}
            sessions[m["service"]][m["ip"]].append(truth)
            by_session[m["session"]] = truth
        elif m := FAILED.search(line):
            refused[m["service"]][m["ip"]] += 1
        elif m := CLIENT_ID.search(line):
            words = re.findall(r'"([^"]*)"', m["id"])
            ids[m["session"]] = dict(zip(words[::2], words[1::2]))
            if m["session"] in by_session:
                by_session[m["session"]]["id"] = ids[m["session"]]
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


def paired(protocol, sessions, refused, records):
    """Yields what differs in who came in, then (ip, what Cyrus says, record) of each session."""
    by_ip, failed = collections.defaultdict(list), collections.Counter()
    for record in sorted(records.values(), key=lambda r: get(r, "event.start")):
        login = get(record, f"postern.{protocol}.login")
        ip = wire_end(record)[0]
        if login["outcome"] == "success":
            by_ip[ip].append(record)
        failed[ip] += login["attempts"] - (login["outcome"] == "success")
    if +failed != refused:
        yield f"refused {protocol} logins: {+failed}, Cyrus says {refused}"
    for ip in sessions.keys() | by_ip.keys():
        if len(sessions[ip]) != len(by_ip[ip]):
            yield f"{protocol} from {ip}: {len(by_ip[ip])} sessions, Cyrus knows {len(sessions[ip])}"
        for truth, record in zip(sessions[ip], by_ip[ip]):
            got = get(record, "user.id"), get(record, f"postern.{protocol}.login.mechanism"), get(record, "postern.seen")
            says = truth["user"], MECHANISM.get(truth["method"], {}).get(protocol, truth["method"]), 1.0
            if got != says:
                yield f"{protocol} from {ip}: {got}, Cyrus says {says}"
            yield ip, truth, record


def compare_bytes(truth, client, server):
    """Whether what went by is what Cyrus counted."""
    return len(client) == truth["received"] and (
        len(server) == truth["sent"] or len(server) > 4096 and len(server) > truth["sent"])


def compare_id(truth, record):
    """Whether the client said who it is, and for whom it speaks, in Cyrus' words."""
    said = truth["id"] or {}
    name = " ".join(filter(None, (said.get("name"), said.get("version")))) or None
    origin = said.get("x-originating-ip")
    return get(record, "postern.imap.client.id") == name and (not origin or (
        get(record, "source.ip"), get(record, "postern.via.how")) == (origin, "imap_id"))


def compare_imap(sessions, refused, records, streams):
    """Yields each mismatch."""
    for found in paired("imap", sessions, refused, records):
        if isinstance(found, str):
            yield found
            continue
        ip, truth, record = found
        imap = get(record, "postern.imap")
        client, server = streams[wire_end(record)]
        # A copy of several messages is one COPY, and each is appended.
        n_new = truth["appended"] if imap["copy"] and truth["appended"] >= imap["append"]["count"] + imap["copy"] \
            else imap["append"]["count"]
        got = (n_new, get(record, "source.bytes"), get(record, "destination.bytes"),
               (imap["fetch"]["header_bytes"], imap["fetch"]["body_bytes"]))
        says = (truth["appended"], len(client), len(server), wire_counts(list(wire.fetched(wire.inflated(client, server)[1]))))
        if got != says:
            yield f"imap from {ip}: {got}, Cyrus and the wire say {says}"
        if not imap["compress"] and not compare_bytes(truth, client, server):
            yield f"imap from {ip}: {len(client)} and {len(server)} bytes went by, Cyrus says {truth}"
        if not compare_id(truth, record):
            yield f"imap from {ip}: {record['source']} is {imap['client']}, Cyrus says {truth['id']}"


def compare_pop3(sessions, refused, records, streams):
    """Yields each mismatch."""
    for found in paired("pop3", sessions, refused, records):
        if isinstance(found, str):
            yield found
            continue
        ip, truth, record = found
        client, server = streams[wire_end(record)]
        if not compare_bytes(truth, client, server):
            yield f"pop3 from {ip}: {len(client)} and {len(server)} bytes went by, Cyrus says {truth}"
        yield from compare_pop3_wire(record, client, server)


def compare_sieve(sessions, refused, records, streams):
    """Yields each mismatch; where mail is redirected to is read from the script itself."""
    for found in paired("sieve", sessions, refused, records):
        if isinstance(found, str):
            yield found
            continue
        ip, _, record = found
        targets = [target.decode() for target in REDIRECT.findall(streams[wire_end(record)][0])]
        if get(record, "postern.sieve.redirects") != targets or not targets:
            yield f"sieve from {ip}: {get(record, 'postern.sieve')}, the script says {targets}"


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
        ip, on_wire = get(record, "source.ip"), wire.sent(streams[wire_end(record)][0])
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
    faults = [*(fault for name, compare in (("imap", compare_imap), ("pop3", compare_pop3), ("sieve", compare_sieve))
                for fault in compare(logins[name], refused[name], records[name], streams)),
              *compare_smtp(messages, rejected, records["smtp"], streams)]
    n_logins = {name: sum(map(len, logins[name].values())) for name in ("imap", "pop3", "sieve")}
    if n_logins["imap"] < 7:
        faults.append(f"too little to compare: {n_logins}")
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{n_logins['imap']} IMAP, {n_logins['pop3']} POP3, {n_logins['sieve']} ManageSieve sessions of Cyrus, "
          f"{sum(map(sum, (some.values() for some in refused.values())))} refused logins, {len(messages)} messages of "
          f"OpenSMTPD compared: {len(faults)} mismatches")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
