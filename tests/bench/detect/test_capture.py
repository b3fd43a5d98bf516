#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""test_capture.py POSTERN DETECT_SIMULATE: weeks of a simulated population as packets and as activity
must be the same to the models: what each account did, counted, from a replay of the
capture and from the simulator itself, and what is told of whom on which day.

A capture of plain IMAP has no networks, countries and TLS handshakes, so the lines are scored without. On the wire
a login is told by itself, and the rest of the session at its end or a minute later."""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile

POPULATION = ["--accounts", "45", "--weeks", "6", "--learning", "3", "--mail", ".1", "--attacks", "--campaign", "1"]
SEEDS = ("4", "11", "12")
COUNTED = ("dated", "old", "peek", "store", "move", "copy", "append", "delete")


def uids(text):
    return sum(int(part.split(":")[-1]) - int(part.split(":")[0]) + 1 for part in text.split(",") if part)


def counts(path):
    """account -> what was done, counted."""
    done = collections.defaultdict(collections.Counter)
    for line in open(path):
        activity = json.loads(line)
        account = done[activity.get("account", "")]
        auth = activity.get("auth", {})
        account["refused"] += auth.get("failure", 0)
        for mailbox in activity.get("mailboxes", []):
            account["bodies"] += mailbox.get("body_count", uids(mailbox.get("bodies", "")))
            account["searches"] += sum(mailbox.get("search", {}).values())
            for name in COUNTED:
                account[name] += mailbox.get(name, 0)
        for sent in activity.get("sent", []):
            account["sent"] += 1
            account["recipients"] += sent.get("recipients", len(sent["to"]))
        account["forward"] += len(activity.get("forward", []))
        account["acl"] += len(activity.get("acl", []))
    return done


def without_networks(path, to):
    with open(to, "w") as out:
        for line in open(path):
            activity = json.loads(line)
            for name in ("asn", "country", "network"):
                activity.get("source", {}).pop(name, None)
            activity.get("client", {}).pop("ja4", None)
            out.write(json.dumps(activity) + "\n")


def told(path):
    """(day, rule, account) of each alert that was opened; of a campaign's, the accounts that it named then."""
    alerts = collections.Counter()
    for alert in map(json.loads, open(path)):
        if alert["event"]["action"] == "open":
            about = alert.get("user", {}).get("id") or " ".join(sorted(alert.get("related", {}).get("user", [])))
            alerts[alert["@timestamp"][:10], alert["rule"]["id"], about] += 1
    return alerts


def check(postern, simulate, seed):
    """Whether all is the same."""
    population = [simulate, *POPULATION, "--seed", seed]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with open(folder / "lines", "wb") as out:
            subprocess.run(population, stdout=out, check=True)
        with open(folder / "pcap", "wb") as out:
            subprocess.run([*population, "--capture"], stdout=out, check=True)
        (folder / "rules.yaml").write_text("rules: []\n")
        rules = ("--rules", folder / "rules.yaml")
        subprocess.run([postern, "replay", *rules, "--activity", folder / "replayed", "--alerts", folder / "wire",
                        folder / "pcap"], check=True)
        without_networks(folder / "lines", folder / "plain")
        subprocess.run([postern, "score", *rules, "--alerts", folder / "scored", folder / "plain"], check=True)
        scored, wire = told(folder / "scored"), told(folder / "wire")
        simulated, replayed = counts(folder / "lines"), counts(folder / "replayed")
    total = sum(simulated.values(), collections.Counter())
    print(f"seed {seed}:", dict(total))
    wrong = [(account, {key: (simulated[account][key], replayed[account][key])
                        for key in simulated[account] | replayed[account]
                        if simulated[account][key] != replayed[account][key]})
             for account in sorted(set(simulated) | set(replayed))
             if +simulated[account] != +replayed[account]]
    for account, differences in wrong[:10]:
        print(f"{account}: simulated and replayed: {differences}")
    print(f"{len(simulated)} accounts, {len(wrong)} of them not the same")
    print(f"{scored.total()} alerts opened by lines, {wire.total()} by packets; by lines alone, and by packets alone:")
    for alert in (*(scored - wire), "", *(wire - scored)):
        print("  ", *alert)
    enough = scored.total() >= 20 and min(total[key] for key in ("bodies", "old", "sent", "forward", "acl")) > 0
    return not wrong and scored == wire and enough


def main():
    same = [check(*sys.argv[1:3], seed) for seed in SEEDS]
    sys.exit(not all(same))


main()
