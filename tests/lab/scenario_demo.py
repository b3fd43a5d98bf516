# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""A day and a night at a small office: people read and send mail, and meanwhile one password is tried
on many accounts from many addresses, a shared mailbox is broken open, one address sprays accounts
until one opens and is read, and two mails go out that should not have. Recorded within minutes;
times() then spreads the capture over the hours of the story."""

import datetime
import json
import time

from mailtext import Writer
from talk import Imap, Literal, Smtp, plain

PEOPLE = """novakova svoboda dvorak cerna prochazka kucera vesela horak nemcova pokorny
maresova hajek jelinek kralova ruzicka benes fiala sedlackova dolezal zemanova""".split()
SHARED = "archiv"

OFFICE = [f"203.0.113.{i}" for i in range(10, 10 + len(PEOPLE))]
SPRAYER = "198.51.100.77"
GUESSER = "198.51.100.140"
# One password from one address after the other, each in a network of its own.
CROWD = [f"100.{64 + 3 * i}.{17 * i % 250}.{20 + i}" for i in range(16)]
CLIENTS = OFFICE + [SPRAYER, GUESSER] + CROWD

MONDAY = datetime.datetime(2026, 3, 2, tzinfo=datetime.timezone.utc).timestamp()
DAY = 86400


def address(name):
    return f"{name}@example.org"


def accounts():
    writer = Writer(11)
    made = {}
    for name in PEOPLE + [SHARED]:
        n = 30 if name in (SHARED, "zemanova") else 6
        dates = [MONDAY - (n - i) * 9 * DAY for i in range(n)]
        made[address(name)] = (f"pw-{name}", [
            (date, writer.message("alena@partner.example", [address(name)], date, 4))
            for date in dates])
    return made


class Scenario:
    def __init__(self):
        self.accounts = accounts()
        self.writer = Writer(12)
        self.notes = []

    def at(self, clock, day=0):
        """From here on it is so late in the story."""
        hours, minutes, seconds = (clock + ":0").split(":")[:3]
        told = MONDAY + day * DAY + int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        self._step(told)

    def after(self, seconds):
        """So many seconds of the story after the last step."""
        self._step(self.notes[-1]["told"] + seconds)

    def _step(self, told):
        time.sleep(0.05)  # the last step's connections end in it
        self.notes.append({"recorded": time.time(), "told": told})

    # ---- People

    def read_mail(self, name, what="1:2"):
        """As a desktop client does: what is there, then what is new."""
        imap = Imap(OFFICE[PEOPLE.index(name)])
        imap.ok("ID", '("name" "Thunderbird" "version" "115.8.0")')
        imap.authenticate("PLAIN", plain(address(name), f"pw-{name}"), initial=True)
        imap.ok("LIST", '""', '"*"')
        imap.ok("SELECT", '"INBOX"')
        imap.ok("UID", "FETCH", "1:*", "(FLAGS)")
        imap.ok("UID", "FETCH", what, "(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS "
                "(From To Cc Subject Date Message-ID)])")
        imap.ok("UID", "FETCH", what, "(UID RFC822.SIZE BODY[])")
        imap.ok("UID", "STORE", what, "+FLAGS", r"(\Seen)")
        return imap

    def send_mail(self, name, to, body=None, subject=None):
        content = self.writer.message(address(name), to, self.notes[-1]["told"], 5, body=body,
                                      subject=subject, cte="8bit")
        smtp = Smtp(OFFICE[PEOPLE.index(name)], 587)
        smtp.ok("EHLO [203.0.113.10]")
        assert smtp.auth_plain(address(name), f"pw-{name}") == 235
        smtp.ok(f"MAIL FROM:<{address(name)}> BODY=8BITMIME SIZE={len(content)}")
        for recipient in to:
            smtp.ok(f"RCPT TO:<{recipient}>")
        assert smtp.data(content)[0] == 250
        smtp.quit()
        imap = self.read_mail(name, "3")
        if b"Sent" not in imap.ok("LIST", '""', "Sent"):
            imap.ok("CREATE", "Sent")
        imap.ok("APPEND", "Sent", r"(\Seen)", Literal(content, True))
        imap.logout()

    def morning(self):
        for i, name in enumerate(PEOPLE):
            self.at(f"{6 + i // 8}:{10 + 6 * (i % 8)}:{7 * i % 60}")
            self.read_mail(name).logout()

    def typing_error(self):
        """Everybody's, and no reason for an alert."""
        self.at("8:50")
        for guess in ("pw-hajke", "pw-hajek"):
            imap = Imap(OFFICE[PEOPLE.index("hajek")])
            imap.command("LOGIN", address("hajek"), guess)
            imap.logout()
            self.after(20)

    def work(self):
        for i, name in enumerate(PEOPLE[:5]):
            self.at(f"9:{5 + 4 * i}")
            self.send_mail(name, ["alena@partner.example", address(PEOPLE[i + 6])])

    # ---- Others

    def one_password_from_everywhere(self):
        self.at("10:05")
        for i, source in enumerate(CROWD):
            self.after(140)
            self._refused(source, address(PEOPLE[i]), "Podzim2025!", smtp=i % 3 == 2)

    def _refused(self, source, account, password, smtp=False):
        if smtp:
            client = Smtp(source, 587)
            client.ok("EHLO localhost")
            assert client.auth_plain(account, password) == 535
            client.quit()
        else:
            client = Imap(source)
            assert client.command("LOGIN", account, f'"{password}"')[0] == "NO"
            client.logout()

    def break_open(self):
        """Guess after guess on the shared mailbox, four a connection; then all of it is read."""
        self.at("13:02")
        for i in range(10):
            self.after(25)
            imap = Imap(GUESSER)
            for k in range(4):
                imap.command("LOGIN", address(SHARED), f"archiv{2017 + i}{'!?.#'[k]}")
            imap.logout()
        self.after(25)
        self._take(GUESSER, SHARED, "1:*")

    def spray(self):
        """At night, one try per account; the last one opens."""
        self.at("2:10", day=1)
        for name in PEOPLE[:-1]:
            self.after(47)
            self._refused(SPRAYER, address(name), "Jaro2026")
        self.after(47)
        self._take(SPRAYER, PEOPLE[-1], "1:25")

    def _take(self, source, name, what):
        imap = Imap(source)
        imap.ok("LOGIN", address(name), f"pw-{name}")
        imap.ok("EXAMINE", "INBOX")
        imap.ok("UID", "SEARCH", "ALL")
        imap.ok("UID", "FETCH", what, "(BODY.PEEK[])")
        imap.logout()

    def should_not_have_left(self):
        self.at("11:21")
        self.send_mail("kucera", ["m.kucera@freemail.example"], subject="Domů na čtení",
                       body="Stupeň utajení: VYHRAZENÉ\n\n" + self.writer.text(6))
        self.at("11:48")
        key = "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ" for _ in range(4))
        self.send_mail("vesela", ["support@vendor.example"], subject="server key",
                       body=f"as asked:\n\n-----BEGIN PRIVATE KEY-----\n{key}\n"
                            "-----END PRIVATE KEY-----\n")

    def run(self):
        self.morning()
        self.typing_error()
        self.work()
        self.one_password_from_everywhere()
        self.should_not_have_left()
        self.break_open()
        self.at("15:30")
        self.send_mail("dvorak", [address("cerna")])
        self.spray()
        self.at("6:30", day=1)
        self.read_mail("novakova").logout()


def times(notes):
    """The steps of retime.rewrite."""
    return [(step["recorded"], step["told"]) for step in json.loads(notes.read_text())]
