#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""check_captures.py POSTERN [-v]: session records of every capture in ../shared/captures, held against the
truth beside it: of other projects' captures what a plain reader found in tshark's streams (open-truth),
of the lab's what the servers logged and the driver did. Each difference must stand in DIFFERENT with its
reason, and whatever stands there must differ. Exit status 77 when ../shared is not there."""

import collections
import json
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import check_lab
import wire
from check_lab import get

CAPTURES = pathlib.Path(__file__).resolve().parent.parent / "../shared/captures"
LAB = CAPTURES / "lab"

# In both a segment of 1,460 bytes was made 6,458 long by hand; the right segments behind it carry all but its first
# part. What the server acknowledges is a message of 15,162 bytes: the record has it, with 10,355 in the attachment.
EDITED = "a segment with a wrong checksum, longer than its place: the truth takes all of it, Postern what no right one carries"
SEQUENCE = "the sequence numbers are one less than they should be: the first byte is before the stream"
# (end of the capture's name, what differs): the reason.
DIFFERENT = {
    ("peafowl__test__pcaps__imap.cap", "account neulingern"):
        "the LOGIN has a wrong checksum, and the capture ends before it is acknowledged",
    ("week8_near_baseline.pcap", "account user"): SEQUENCE,
    ("smtp-bdat-bad-tail-reply-queue__input.pcap", "mail from '' to ['bob@example.com']"):
        "the truth lost the MAIL that came along with a refused BDAT; the server accepted it, and the record has it",
    ("smtp-bug-5989__input.pcap", "mail from 'xxxxxx@xxxxx.co.uk' to ['xxxxxx@xxxxx.co.uk']"):
        "the greeting was made 5,002 bytes long, with a wrong checksum; the client acknowledges 38 of them, and all of it"
        " never: it is a gap, and the record has the message without its MAIL",
    ("smtp-bug-5981__input.pcap", "attachment winmail.dat of 10451 bytes"): EDITED,
    ("smtp-long-DATA-line__input.pcap", "attachment winmail.dat of 10451 bytes"): EDITED,
    ("smtp-errors__smtperr.pcap", "attachment 20186425_642590.jpg.zip of 26746 bytes"):
        "a boundary with three hyphens behind it, which ends the part (RFC 2046 section 5.1.1: a line need only begin with"
        " it); the truth decodes its letters as base64 and has 13 bytes behind the archive's end",
    ("smtp-mime-encap-8649-combined__input.pcap", "attachment innocent.txt of 0 bytes"):
        "a message/rfc822 labelled base64, which RFC 2046 forbids, whose lines are none: read as it stands, with an event;"
        " the truth decodes it to nothing, and has the attachment in it all the same",
    ("bug-6207-2__input.pcap",
     "attachment smtptest-2021-02-25T13-54-22Z-aefb2fc1308d62f4b6c74769f69b13ddf80e995fd98ae442f3be499ea928c67f..zip"
     " of 1 bytes"): "base64 that goes on behind its padding (NA==Mg==, over three lines): all of it is decoded, with an"
     " event; the truth ends at the padding",
    ("connect-with-smtp.pcap", "outcome of the mail from 'nhfjenna_neumann@lycos.com': 250 instead of "):
        "the truth counts the proxy's answer as one more reply of the mail server's; its last one is 250",
}


# Tables for one capture: with a sanitizer, setting up large ones takes longer than the capture.
SMALL = ("--memory", "128M", "--max-accounts", "1000", "--max-flows", "20000")


def replay(postern, capture, *options):
    """The last session record of each connection. Captures that are cut end with status 1."""
    run = subprocess.run([postern, "replay", *SMALL, *options, "--sessions", "-", "--alerts", "/dev/null", str(capture)],
                         capture_output=True)
    if run.returncode not in (0, 1):
        raise RuntimeError(f"{capture.name}: exit status {run.returncode}: {run.stderr.decode(errors='replace')[-2000:]}")
    last = {}
    for line in run.stdout.splitlines():
        record = json.loads(line)
        last[get(record, "postern.session")] = record
    return list(last.values())


# ---- Other projects' captures

def ends(record):
    return {(get(record, f"{side}.ip"), get(record, f"{side}.port")) for side in ("source", "destination")}


def address(text):
    return (text or "").strip().strip("<>").lower()


def end_of(text):
    ip, _, port = text.rpartition(":")
    return ip.strip("[]"), int(port)


def names(record):
    user = record.get("user", {})
    return {str(user.get(name, "")).lower() for name in ("name", "email", "id")}


def compare_mail(mail, messages):
    """Yields what differs. The message found is taken out of messages."""
    who = address(mail["mail_from"]), sorted(map(address, mail["rcpt_to"]))
    hits = [m for m in messages if (address(m.get("from")), sorted(map(address, m["to"]))) == who]
    if not hits:
        yield f"mail from {who[0]!r} to {who[1]}"
        return
    # One sender may write several times: it is the one whose outcome is the same, if there is one.
    reply = str(mail.get("final_reply") or "")
    hits.sort(key=lambda m: (m.get("outcome", "") != reply, m.get("subject") != mail.get("subject")))
    messages.remove(hits[0])
    if hits[0].get("outcome", "") != reply:
        yield f"outcome of the mail from {who[0]!r}: {hits[0].get('outcome')} instead of {reply}"
    got = collections.Counter((a.get("name"), a.get("bytes"), a.get("sha256")) for a in hits[0]["attachments"])
    for a in mail.get("attachments") or []:
        want = a["filename"], a["decoded_size"], a["sha256"]
        if got[want] == 0:
            yield f"attachment {want[0]} of {want[1]} bytes"
        got[want] -= 1


def compare_stream(stream, records):
    """Yields what differs in one stream of the truth."""
    protocol = stream["protocol"]
    records = [r for r in records
               if get(r, "network.protocol") == protocol and end_of(stream["client"]) in ends(r)]
    if not records:
        yield f"no {protocol} session"
    known = set().union(*map(names, records)) if records else set()
    for user in sorted({str(u).strip('"').lower() for u in stream.get("usernames") or [] if u}):
        if user not in known:
            yield f"account {user}"
    messages = [m for r in records for m in get(r, "postern.smtp.messages") or []]
    for mail in stream.get("mails") or []:
        if mail.get("complete"):
            yield from compare_mail(mail, messages)


def compare_open(postern, truth):
    """(name, streams, mails, what differs)"""
    name = truth.name[:-len(".json")]
    streams = (json.loads(truth.read_text()).get("tshark_truth") or {}).get("streams", [])
    streams = [s for s in streams if s.get("protocol") in ("smtp", "imap", "pop3") and s.get("commands")]
    records = replay(postern, CAPTURES / "open" / name)
    wrong = [text for stream in streams for text in compare_stream(stream, records)]
    return name, len(streams), sum(len(s.get("mails") or []) for s in streams), wrong


def judge(name, wrong):
    """Prints what is not as it should be. Whether all is."""
    reasons = {what: reason for (end, what), reason in DIFFERENT.items() if name.endswith(end)}
    new = [what for what in wrong if what not in reasons]
    gone = reasons.keys() - set(wrong)
    for what in new:
        print(f"{name}: {what}")
    for what in gone:
        print(f"{name}: agrees, though listed as different: {what}: {reasons[what]}")
    return not new and not gone


def check_open(postern):
    truths = sorted((CAPTURES / "open-truth").glob("*.json"))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda truth: compare_open(postern, truth), truths))
    good = [judge(name, wrong) for name, _, _, wrong in results]
    streams, mails = sum(r[1] for r in results), sum(r[2] for r in results)
    print(f"{len(results)} captures, {streams} mail streams, {mails} messages: "
          f"{sum(len(r[3]) for r in results)} differ, {len(DIFFERENT)} kinds of them for known reasons")
    return bool(results) and all(good) and streams > 100 and mails > 50


# ---- The lab's capture

# What each session of the driver must have beside what the servers logged of it.
HOW = {"imap_proxy_v1": "proxy_v1", "imap_proxy_v2": "proxy_v2", "imap_id_originating": "imap_id",
       "smtp_xclient": "xclient"}


def lab_faults(driver, records):
    by_port = collections.defaultdict(list)
    for record in records:
        by_port[get(record, "source.port")].append(record)
        by_port[get(record, "postern.via.port")].append(record)
    for note in driver:
        found = by_port.get(note.get("lport"), [])
        if "lport" in note and not found and "tls" not in note["kind"]:
            yield f"{note['kind']} from port {note['lport']}: no record"
        if "real" in note and not any(get(r, "source.ip") == note["real"]
                                      and get(r, "postern.via.how") == HOW[note["kind"]] for r in found):
            yield f"{note['kind']}: the client {note['real']} is {[(r['source'], get(r, 'postern.via')) for r in found]}"
    deflated = [r for r in records if get(r, "postern.imap.compress")]
    inner = {c["name"] for r in deflated for c in get(r, "postern.imap.commands")}
    if not deflated or not {"COMPRESS", "LIST", "LSUB", "SELECT", "FETCH", "LOGOUT"} <= inner:
        yield f"the commands inside COMPRESS=DEFLATE: {sorted(inner)}"


def check_driven(postern):
    records = replay(postern, LAB / "labA.pcap", "--trusted-proxies", "10.77.0.0/16")
    driver = json.loads((LAB / "labA.driver.json").read_text())
    truth = subprocess.run(
        [sys.executable, str(CAPTURES / "../accept/lab_truth.py"), "/dev/stdin", str(LAB / "labA.dovecot.log"),
         str(LAB / "labA.postfix.log"), str(LAB / "labA.driver.json")],
        input="".join(json.dumps(r) + "\n" for r in records), capture_output=True, text=True)
    # Planted words are content rules' matter; fields and messages are this test's.
    said = truth.stdout.splitlines()
    faults = [line for line in said if line.startswith("MISMATCH")] + list(lab_faults(driver, records))
    faults += check_lab.compare_attachments(LAB / "labA.pcap", records)
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"labA.pcap: {said[-1] if said else truth.stderr}; {sum(wire.attachments(LAB / 'labA.pcap').values())} attachments")
    return not faults and bool(said) and "mismatches 0" in said[-1]


def main():
    if not (CAPTURES / "open-truth").is_dir():
        print("no ../shared beside the checkout: nothing to compare with")
        sys.exit(77)
    good = [check_open(sys.argv[1]), check_driven(sys.argv[1])]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
