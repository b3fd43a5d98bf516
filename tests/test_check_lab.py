#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""A check that cannot fail proves nothing: records made up from the servers' logs must pass
check_lab.py, and each single change of a field it claims to hold must not."""

import copy
import json
import pathlib
import unittest

import check_lab

DATA = pathlib.Path(__file__).resolve().parent / "data"
DOVECOT = (DATA / "lab.dovecot.log").read_text(encoding="utf-8").splitlines()
POSTFIX = (DATA / "lab.postfix.log").read_text(encoding="utf-8").splitlines()


def record(protocol, n, key, user):
    return {"event": {"dataset": "postern.session"}, "network": {"protocol": protocol},
            "source": {"ip": key[0], "port": key[1]}, "user": {"id": user} if user else {},
            "postern": {"session": f"{protocol}-{n}", protocol: {}}}


def put(target, path, value):
    *path, last = path.split(".")
    for name in path:
        target = target.setdefault(name, {})
    target[last] = value


def made_up():
    """Records as a faultless sensor would write them."""
    records = []
    logins, refused = check_lab.read_dovecot(DOVECOT)
    for n, (key, truth) in enumerate(logins.items()):
        r = record("imap", n, key, truth["user"])
        for name, path in check_lab.FIELDS.items():
            put(r, path, truth[name])
        put(r, "postern.imap.login", {"outcome": "success", "mechanism": truth["method"]})
        records.append(r)
    for n, (key, truth) in enumerate(refused.items()):
        r = record("imap", f"refused-{n}", key, truth["user"])
        put(r, "postern.imap.login", {"outcome": "failure", "attempts": truth["attempts"]})
        records.append(r)
    sessions = {}
    for queue_id, truth in check_lab.read_postfix(POSTFIX).items():
        key = truth["peer"]
        if key not in sessions:
            sessions[key] = record("smtp", len(sessions), key, truth["user"])
            records.append(sessions[key])
        sessions[key]["postern"]["smtp"].setdefault("messages", []).append(
            {"from": truth["sender"], "to": ["x"] * truth["nrcpt"], "queue_id": queue_id})
    return records


def faults(records, dovecot=DOVECOT, postfix=POSTFIX):
    return check_lab.compare([json.dumps(r) for r in records], dovecot, postfix)[1]


def leaves(node, path=()):
    if isinstance(node, (dict, list)):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from leaves(node[key], path + (key,))
    else:
        yield path


class CheckLab(unittest.TestCase):
    def test_faultless_records_pass(self):
        self.assertEqual(faults(made_up()), [])

    def test_the_logs_hold_what_the_scenario_did(self):
        logins, refused = check_lab.read_dovecot(DOVECOT)
        self.assertGreaterEqual(len(logins), 25)
        self.assertTrue(all("body_count" in truth for truth in logins.values()))
        self.assertEqual(sorted(t["attempts"] for t in refused.values()), [1, 3])
        self.assertGreaterEqual(len(check_lab.read_postfix(POSTFIX)), 15)
        for name in check_lab.FIELDS:
            self.assertTrue(any(truth[name] for truth in logins.values()), name)

    def test_any_changed_field_is_a_mismatch(self):
        records = made_up()
        for i, r in enumerate(records):
            for path in leaves(r):
                if path in (("postern", "session"),) or path[-2:-1] == ("to",):
                    continue
                changed = copy.deepcopy(records)
                target = changed[i]
                for key in path[:-1]:
                    target = target[key]
                value = target[path[-1]]
                target[path[-1]] = value + 1 if isinstance(value, int) else value + "x"
                with self.subTest(record=i, path=path):
                    self.assertNotEqual(faults(changed), [])

    def test_a_lost_record_is_a_mismatch(self):
        records = made_up()
        for i in range(len(records)):
            self.assertNotEqual(faults(records[:i] + records[i + 1:]), [])

    def test_a_lost_recipient_is_a_mismatch(self):
        records = made_up()
        for r in records:
            for message in check_lab.get(r, "postern.smtp.messages") or []:
                message["to"].pop()
                self.assertNotEqual(faults(records), [])
                message["to"].append("x")

    def test_what_no_server_logged_is_a_mismatch(self):
        invented = record("imap", "x", ("203.0.113.1", 1), "u1@example.org")
        put(invented, "postern.imap.login.outcome", "success")
        self.assertEqual(len(faults(made_up() + [invented])), 1)

    def test_the_last_record_of_a_connection_counts(self):
        records = made_up()
        interim = copy.deepcopy(records[0])
        put(interim, "postern.imap.fetch.body_count", 12345)
        self.assertEqual(faults([interim] + records), [])
        self.assertNotEqual(faults(records + [interim]), [])

    def test_nothing_compared_is_no_success(self):
        self.assertNotEqual(faults([], [], []), [])
        self.assertNotEqual(faults(made_up(), DOVECOT, []), [])


if __name__ == "__main__":
    unittest.main()
