#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Holds session records of servers behind proxies against what the servers logged, who know the clients'
real addresses, and what the gateway before them logged:

    check_proxies.py SESSIONS.ndjson UNTRUSTED.ndjson CAPTURE.pcap.zst NAME

NAME.{dovecot,postfix,gateway}.log and NAME.json are the truth. UNTRUSTED is of the same capture with no
proxy trusted. One line per mismatch; exit status 1 when there is one, or too little to compare."""

import collections
import json
import re
import sys

import wire
from check_lab import compare_imap, compare_smtp, get, last_records, peer, read_dovecot, read_postfix

LOGIN = re.compile(r"(?P<service>pop3|managesieve)-login: Info: Login: user=<(?P<user>[^>]*)>, method=(?P<method>[^,]+), "
                   r"rip=(?P<ip>[^,]+), rport=(?P<port>\d+), .*?mpid=\d+,(?P<tls> TLS,)?.* session=<(?P<session>[^>]+)>")
END = re.compile(r"pop3\([^)]*\)<\d+><(?P<session>[^>]+)>: Info: Disconnected: Logged out top=(?P<tops>\d+)/(?P<top_bytes>\d+), "
                 r"retr=(?P<retrs>\d+)/(?P<retr_bytes>\d+), del=(?P<deleted>\d+)/")
REFUSED = re.compile(r"pop3-login: Info: .*\(auth failed, (?P<attempts>\d+) attempts.*?\): user=<(?P<user>[^>]*)>, "
                     r"method=(?P<method>[^,]+), rip=(?P<ip>[^,]+), rport=(?P<port>\d+)")
DELIVERY = re.compile(r" (?P<queue_id>[0-9A-F]{8,}): to=<(?P<to>[^>]*)>, relay=\S+:24, .*status=(?P<status>\w+) \((?P<said>.*)\)")
REPLY = re.compile(rb"\+OK (\d+) octets\r\n")

# What the driver did, whatever a server logs of it.
REDIRECTS = {"sieve_put": ["stranger@elsewhere.example"], "sieve_connect": ["another@elsewhere.example"]}
MECHANISMS = {"PLAIN": ("PLAIN", "LOGIN")}  # Dovecot calls USER and PASS PLAIN
HAPROXY, HAPROXY_V6 = "198.51.100.201", "2001:db8:1::c9"


def read_logins(lines):
    """(peer -> truth) of POP3 and of ManageSieve, of what was in clear."""
    found, by_session = {"pop3": {}, "managesieve": {}}, {}
    for line in lines:
        if (m := LOGIN.search(line)) and not m["tls"]:
            by_session[m["session"]] = found[m["service"]][peer(m)] = {
                "user": m["user"], "method": m["method"], "outcome": "success"}
        elif m := REFUSED.search(line):
            found["pop3"][peer(m)] = {"user": m["user"], "method": m["method"], "outcome": "failure",
                                      **dict.fromkeys(("tops", "top_bytes", "retrs", "retr_bytes", "deleted"), 0)}
        elif m := END.search(line):
            by_session[m["session"]].update({name: int(m[name]) for name in
                                             ("tops", "top_bytes", "retrs", "retr_bytes", "deleted")})
    return found["pop3"], found["managesieve"]


def compare_logins(protocol, logins, records):
    """Yields each mismatch in who came in."""
    for key, truth in logins.items():
        record = records.get(key)
        login = get(record, f"postern.{protocol}.login") or {}
        got = get(record, "user.id"), login.get("outcome")
        if got != (truth["user"], truth["outcome"]) \
                or login.get("mechanism") not in MECHANISMS.get(truth["method"], (truth["method"],)):
            yield f"{protocol} from {key}: {got} by {login}, the server says {truth}"
    for key in records.keys() - logins.keys():
        if get(records[key], f"postern.{protocol}.login.outcome") == "success":
            yield f"{protocol} from {key}: a login that the server knows nothing of"


def compare_pop3(logins, records, streams):
    """Yields each mismatch. Dovecot counts a message with its reply line; TOP's says +OK alone."""
    for key, truth in logins.items():
        facts = get(records.get(key), "postern.pop3")
        if not facts:
            continue
        hop = get(records[key], "postern.via")
        replies = REPLY.findall(streams[(hop["ip"], hop["port"]) if hop else key][1])
        expected = {"count": truth["retrs"], "bytes": truth["retr_bytes"] - sum(len(n) + 13 for n in replies)}
        if len(replies) != truth["retrs"] or sum(map(int, replies)) != expected["bytes"]:
            yield f"pop3 from {key}: the wire has {replies}, the server says {truth}"
        for name, says in (("retr", expected), ("dele", truth["deleted"]), ("expunge", truth["deleted"]), ("top", {
                "count": truth["tops"], "bytes": truth["top_bytes"] - 5 * truth["tops"]})):
            if facts[name] != says:
                yield f"pop3 from {key}: {name} is {facts[name]}, the server says {says}"


def compare_lmtp(gateway, records):
    """Yields each mismatch: a reply for each recipient, which the gateway has logged."""
    accepted, refused = collections.defaultdict(dict), collections.Counter()
    for m in filter(None, map(DELIVERY.search, gateway)):
        if m["status"] == "sent":
            accepted[m["queue_id"]][m["to"]] = re.search(r"> (\S+) Saved", m["said"])[1].split(":")[0]
        else:
            refused[m["queue_id"]] += 1
    seen = {message["queue_id"]: message for record in records.values() if get(record, "postern.smtp.lmtp")
            for message in get(record, "postern.smtp.messages")}
    if not accepted or not refused or len(seen) != len(accepted):
        yield f"lmtp: the gateway says {dict(accepted)} and {dict(refused)} refused, the records {sorted(seen)}"
    for queue_id, recipients in accepted.items():
        message = seen.get(next(iter(recipients.values())))
        got = message and (sorted(message["to"]), message["rejected"], message["outcome"])
        if got != (sorted(recipients), refused[queue_id], "250"):
            yield f"lmtp: {got}, the gateway says {recipients} and {refused[queue_id]} refused"


def compare_hops(notes, records):
    """Yields each mismatch in who named the client, and how."""
    by_ip = collections.defaultdict(list)
    for some in records.values():
        for record in some.values():
            by_ip[get(record, "source.ip")].append(record)
    hops = {(note["hop"], note["how"]) for note in notes if note["how"]}
    for note in notes:
        hop = HAPROXY if note["hop"] == HAPROXY_V6 else note["hop"]
        found = by_ip[note["ip"]]
        if note["hop"] and not note["how"]:
            continue  # nobody told the server who it was
        said = {(get(r, "postern.via.ip"), get(r, "postern.via.how")) for r in found}
        if said != {(hop, note["how"]) if hop else (None, None)}:
            yield f"{note['kind']} from {note['ip']}: {said or 'no record'}, expected {hop} by {note['how']}"
        for r in found:
            if note["kind"] in REDIRECTS and get(r, "network.protocol") == "sieve" and not get(r, "tls.established") \
                    and get(r, "postern.sieve.redirects") != REDIRECTS[note["kind"]]:
                yield f"{note['kind']} from {note['ip']}: {get(r, 'postern.sieve')}"
    if len(hops) < 8 or {how for _, how in hops} != {"proxy_v1", "proxy_v2", "xclient", "xforward", "imap_id"}:
        yield f"too few ways to name a client: {hops}"


def compare_untrusted(notes, records):
    """Yields each record that believes a proxy nobody said to believe."""
    hidden = {note["ip"] for note in notes if note["hop"]}
    n_claims = 0
    for some in records.values():
        for record in some.values():
            if get(record, "postern.via") or get(record, "source.ip") in hidden:
                yield f"believed without trust: {record['source']} {get(record, 'postern.via')}"
            n_claims += "untrusted_proxy_claim" in get(record, "postern.events")
    told = {note["ip"] for note in notes if note["how"]}
    if n_claims < len(told):
        yield f"{n_claims} untrusted claims stated, {len(told)} were made"


def compare_deflated(notes, records):
    """Yields what is missing: what was compressed is read like all else."""
    for note in notes:
        if note["kind"] not in ("mutt_deflate", "deflate"):
            continue
        record = next((r for key, r in records.items() if key[0] == note["ip"]), None)
        commands = {c["name"] for c in get(record, "postern.imap.commands") or []}
        if not get(record, "postern.imap.compress") or not {"COMPRESS", "SELECT", "UID FETCH"} <= commands \
                or get(record, "postern.imap.fetch.body_bytes") < 100:
            yield f"{note['kind']}: {get(record, 'postern.imap')}"


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sessions, untrusted, capture, name = sys.argv[1:]
    logs = {log: open(f"{name}.{log}.log", encoding="utf-8").readlines() for log in ("dovecot", "postfix", "gateway")}
    notes = json.load(open(f"{name}.json", encoding="utf-8"))
    records = last_records(open(sessions, encoding="utf-8"))
    streams = wire.streams(capture)
    imap, refused = read_dovecot(logs["dovecot"])
    pop3, sieve = read_logins(logs["dovecot"])
    messages = read_postfix(logs["postfix"])
    smtp = {key: r for key, r in records["smtp"].items() if not get(r, "postern.smtp.lmtp")}
    faults = [*compare_imap(imap, refused, records["imap"]), *compare_smtp(messages, smtp),
              *compare_logins("pop3", pop3, records["pop3"]), *compare_pop3(pop3, records["pop3"], streams),
              *compare_logins("sieve", sieve, records["sieve"]), *compare_lmtp(logs["gateway"], records["smtp"]),
              *compare_hops(notes, records), *compare_deflated(notes, records["imap"]),
              *compare_untrusted(notes, last_records(open(untrusted, encoding="utf-8")))]
    what = f"{len(imap)} IMAP, {len(pop3)} POP3, {len(sieve)} ManageSieve sessions, {len(messages)} messages"
    if len(imap) < 12 or len(pop3) < 8 or len(sieve) < 3 or len(messages) < 7:
        faults.append(f"too little to compare: {what}")
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{what}, {len(notes)} programs through {len({n['hop'] for n in notes if n['hop']})} proxies or none: "
          f"{len(faults)} mismatches")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
