#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""innocent.py N [SEED]: so many innocent messages on standard output, each behind a line with its size. Made of what lies about
on a Debian system, which nobody wrote for us: documentation, changelogs, licences, manual pages (Czech ones, too, where
manpages-cs is installed), scripts, certificates, binaries as attachments; and of what offices, shops and machines send:
tables, invoices, tracking numbers, references, logs, calendars, newsletters; with numbers of every shape that rules could take for theirs."""

import base64
import datetime
import gzip
import pathlib
import quopri
import random
import subprocess
import sys
import uuid

SIZE = 6000  # of a piece of a file


def files():
    found = []
    for folder, pattern in (("/usr/share/doc", "*/*"), ("/usr/share/common-licenses", "*"), ("/usr/share/man/cs", "*/*"),
                            ("/usr/share/man/man1", "*"), ("/usr/share/man/man5", "*"), ("/usr/share/man/man7", "*"),
                            ("/usr/share/perl", "*/*.p[lm]"), ("/usr/lib/python3", "dist-packages/*.py"),
                            ("/usr/lib/python3.11", "*.py"), ("/etc/ssl/certs", "*.pem"), ("/usr/include", "*.h"),
                            ("/usr/share/zoneinfo", "*"), ("/usr/share/misc", "*")):
        found += [path for path in pathlib.Path(folder).glob(pattern) if path.is_file()]
    return sorted(found)


def piece(r, paths):
    for _ in range(20):
        path = r.choice(paths)
        try:
            data = gzip.open(path).read(400000) if path.suffix == ".gz" else path.read_bytes()[:400000]
        except (OSError, EOFError):
            continue
        if data:
            at = r.randrange(max(1, len(data) - SIZE))
            return data[at:at + r.randint(300, SIZE)]
    return b"nothing"


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.paths = files()
        self.words = sorted({w for p in self.r.sample(self.paths, min(300, len(self.paths)))
                             for w in piece(self.r, [p]).decode("utf-8", "replace").split() if w.isalpha()})
        log = subprocess.run(["git", "log", "-p", "-n", "60", "--", "../engine", "../dataplane", "../models", "../README.md"], cwd=pathlib.Path(__file__).parent, capture_output=True).stdout
        self.log = log.decode("utf-8", "replace").splitlines() or ["no log"]

    # ---- Numbers and names

    def digits(self, n):
        return "".join(self.r.choice("0123456789") for _ in range(n))

    def capitals(self, n):
        return "".join(self.r.choice("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in range(n))

    def day(self):
        return datetime.date(2019, 1, 1) + datetime.timedelta(self.r.randrange(3000))

    def uuid(self):
        return str(uuid.UUID(int=self.r.getrandbits(128)))

    def ico(self):
        digits = [int(c) for c in self.digits(7)]
        rest = sum(d * w for d, w in zip(digits, range(8, 1, -1))) % 11
        return "".join(map(str, digits)) + str((11 - rest) % 10)

    def words_of(self, n):
        return " ".join(self.r.choice(self.words) for _ in range(n))

    def number(self):
        r, d = self.r, self.day()
        return r.choice([
            lambda: f"+420 {self.digits(3)} {self.digits(3)} {self.digits(3)}", lambda: f"00420{self.digits(9)}",
            lambda: f"IČO: {self.ico()}, DIČ: CZ{self.ico()}", lambda: f"{self.digits(6)}/{self.digits(4)}",
            lambda: f"{d:%y%m%d}/{self.digits(3)}", lambda: f"{d:%y%m%d}/{self.digits(4)}", lambda: f"{d:%Y%m%d}-{self.digits(4)}",
            lambda: f"{d:%d/%m/%Y}", lambda: f"{d:%d.%m.%Y}", lambda: f"{d.isoformat()}T{r.randrange(24):02}:{self.digits(2)}:00Z",
            lambda: self.uuid(), lambda: f"{r.getrandbits(160):040x}", lambda: f"{r.getrandbits(256):064x}",
            lambda: self.digits(16), lambda: self.digits(15), lambda: self.digits(13), lambda: self.digits(20),
            lambda: " ".join(self.digits(4) for _ in range(4)), lambda: "-".join(self.digits(4) for _ in range(4)),
            lambda: "-".join(self.capitals(5) for _ in range(5)), lambda: f"1Z{self.capitals(16)}",
            lambda: f"RR{self.digits(9)}CZ", lambda: f"JD{self.digits(18)}", lambda: f"ISBN 978-80-{self.digits(4)}-{self.digits(3)}-{self.digits(1)}",
            lambda: f"{self.digits(3)}-{self.digits(7)}-{self.digits(7)}", lambda: f"{self.digits(2)}-{self.digits(10)}/0100",
            lambda: f"VS: {self.digits(10)}, KS: 0308", lambda: f"{r.randrange(999)} {self.digits(3)},{self.digits(2)} Kč",
            lambda: f"EUR {r.uniform(0, 99999):,.2f}", lambda: f"{self.digits(2)}:{self.digits(2)}:{self.digits(2)}:{self.digits(2)}:{self.digits(2)}:{self.digits(2)}",
            lambda: f"2001:db8:{r.getrandbits(16):x}::{r.getrandbits(16):x}", lambda: f"192.0.2.{r.randrange(256)}",
            lambda: f"https://www.example.com/{self.capitals(22)}?utm_source={self.uuid()}", lambda: f"{r.random() * 90:.6f}, {r.random() * 90:.6f}",
            lambda: f"č.j. {self.digits(5)}-{self.digits(2)}/{d.year}-MZV/{r.choice(['ODS', 'SRO'])}", lambda: f"sp. zn. {r.randrange(40)} Cm {self.digits(3)}/{d.year}",
            lambda: f"IMEI {self.digits(15)}", lambda: f"{self.digits(10)}", lambda: f"CZ{self.digits(8)}", lambda: f"CZ{self.digits(10)}",
            lambda: f"DE{self.digits(9)}", lambda: f"SE{self.digits(12)}", lambda: f"INV/{d.year}/{self.digits(5)}", lambda: f"#{self.digits(7)}",
        ])()

    # ---- Bodies

    def document(self):
        return piece(self.r, self.paths).decode("utf-8", "replace")

    def letter(self):
        return "\n".join(self.words_of(self.r.randint(5, 14)) + (f" {self.number()}" if self.r.random() < 0.4 else "")
                         + self.r.choice([".", ",", "", " ..."]) for _ in range(self.r.randint(3, 40)))

    def table(self):
        separator, columns = self.r.choice([",", ";", "\t", " | ", "  "]), self.r.randint(2, 7)
        quote = self.r.choice(["", "", '"'])
        kinds = [self.r.choice([self.number, lambda: self.digits(self.r.randint(1, 18)), lambda: self.words_of(2),
                                lambda: f"{self.r.uniform(-999, 9999):.3f}", lambda: self.capitals(8)]) for _ in range(columns)]
        return "\n".join(separator.join(quote + kind() + quote for kind in kinds) for _ in range(self.r.randint(5, 60)))

    def invoice(self):
        return (f"FAKTURA - DAŇOVÝ DOKLAD č. {self.digits(10)}\nDodavatel: {self.words_of(2).title()} s.r.o., IČO: {self.ico()}\n"
                f"Číslo účtu: {self.digits(10)}/0800  Variabilní symbol: {self.digits(10)}\nObjednávka č. {self.digits(self.r.choice([8, 10, 16]))}\n"
                + "\n".join(f"{i}. {self.words_of(3)}  {self.r.randint(1, 99)} ks  {self.number()}" for i in range(1, self.r.randint(2, 20)))
                + f"\nCelkem k úhradě: {self.r.randrange(99999)},- Kč\nSplatnost {self.day():%d. %m. %Y}\n")

    def account(self):
        name = self.r.choice(self.words)
        return self.r.choice([
            f"Dobrý den,\n\nvaše přihlašovací jméno je {name}. Heslo si prosím nastavte na odkazu https://example.cz/reset/{self.uuid()}\n"
            "Odkaz platí 24 hodin.\n",
            f"Hi {name},\n\nYour password was changed on {self.day():%d %B %Y}. If it was not you, reset your password: https://example.com/r?t={self.capitals(40)}\n",
            f"Your verification code is {self.digits(6)}. Never share it. Username: {name}\nPassword: (as you chose)\nIP address: 192.0.2.7\n",
            f"Wi-Fi pro hosty: síť HOST-{self.digits(2)}, heslo dostanete na recepci.\nPassword: see reception\n",
            f"Login: {name}@example.org\nPassword: ********\nServer: imap.example.org:993 (SSL/TLS)\nIP: 192.0.2.9\n"])

    def machine(self):
        r = self.r
        return "\n".join(r.choice([
            lambda: f"{self.day():%b %d} {self.digits(2)}:{self.digits(2)}:{self.digits(2)} host{r.randrange(9)} sshd[{self.digits(5)}]: Failed password for invalid user {r.choice(self.words)} from 192.0.2.{r.randrange(256)} port {self.digits(5)} ssh2",
            lambda: f"{r.choice(self.words)}:x:{self.digits(4)}:{self.digits(4)}::/home/u:/bin/bash",
            lambda: f"ERROR {self.uuid()} {self.words_of(6)} (0x{r.getrandbits(64):016x})",
            lambda: f"SHA256:{base64.b64encode(r.randbytes(32)).decode().rstrip('=')} {r.choice(self.words)}@host (ED25519)",
            lambda: f"ssh-rsa {base64.b64encode(r.randbytes(279)).decode()} u@h", lambda: f"{r.getrandbits(128):032x}:{r.getrandbits(128):032x}:{r.choice(self.words)}",
            lambda: f"eyJhbGciOiJub25lIn0.{base64.urlsafe_b64encode(r.randbytes(90)).decode()}", lambda: f"$ {r.choice(self.words)} --{r.choice(self.words)}={self.number()}",
            lambda: f"DKIM-Signature: v=1; b={base64.b64encode(r.randbytes(128)).decode()}"])() for _ in range(r.randint(3, 30)))

    def diff(self):
        at = self.r.randrange(len(self.log))
        return "\n".join(self.log[at:at + self.r.randint(10, 120)])

    def talk(self):
        return "\n".join(self.r.choice([
            "Restricted area behind the secret garden.", "EU funds: confidential until Tuesday?", "Tajné volby proběhnou v úterý, důvěrně vám sděluji.",
            "Vyhrazeno pro držitele průkazu. Vyhrazené stání.", "NATO exercise, press release", "Přísně tajně jsme upekli dort.",
            "TOP SECRET recipe for bábovka", "Secret Santa / Tajný Ježíšek", "STRICTLY CONFIDENTIAL - this message is intended for the addressee only.",
            "Tato zpráva je DŮVĚRNÁ a je určena pouze adresátovi.", "CONFIDENTIAL", "Důvěrné informace nešiřte.", "EU RESTRICTIVE MEASURES", "the NATO Secretary-General",
            "redirect the traffic to the other server;", "-----Original Message-----", "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN CERTIFICATE-----",
            self.words_of(10), self.number()]) for _ in range(self.r.randint(3, 25)))

    def newsletter(self):
        rows = "".join(f'<tr><td style="color:#{self.r.getrandbits(24):06x}"><a href="https://news.example.com/c/{self.capitals(60)}">{self.words_of(5)}</a>'
                       f'<img src="https://t.example.com/o.gif?i={self.uuid()}" width=1></td><td>{self.number()}</td></tr>' for _ in range(self.r.randint(3, 25)))
        return (f"<html><head><style>a{{x:{self.digits(3)}}}</style></head><body><p>{self.words_of(30)}<table>{rows}</table>"
                f'<form action="https://www.example.com/survey"><input type="radio" name="q"><input type=submit></form></body></html>')

    # ---- Messages

    def head(self, subject):
        r = self.r
        return (f"Received: from mx{r.randrange(99)}.example.org (mx.example.org [192.0.2.{r.randrange(256)}])\r\n\tby mail.example.cz (Postfix) with ESMTPS id {self.capitals(11)}\r\n"
                f"\tfor <u{r.randrange(999)}@example.cz>; {self.day():%a, %d %b %Y} 10:00:00 +0100\r\nDate: {self.day():%a, %d %b %Y} 09:59:00 +0100\r\n"
                f"From: =?utf-8?B?{base64.b64encode(self.words_of(2).encode()).decode()}?= <a{r.randrange(999)}@example.org>\r\nTo: u{r.randrange(999)}@example.cz\r\n"
                f"Subject: =?utf-8?Q?{quopri.encodestring(subject.encode(), header=True).decode().replace(chr(10), '').replace('=' + chr(13), '')}?=\r\n"
                f"Message-ID: <{self.uuid()}@example.org>\r\nList-Unsubscribe: <https://example.org/u/{self.capitals(30)}>\r\nMIME-Version: 1.0\r\n").encode()

    def part(self, text, kind):
        data = text.replace("\r", "").replace("\n", "\r\n").encode("utf-8", "replace")
        way = self.r.choice(["quoted-printable", "base64", "8bit"])
        if way == "quoted-printable":
            data = quopri.encodestring(data)
        elif way == "base64":
            data = base64.encodebytes(data).replace(b"\n", b"\r\n")
        return f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {way}\r\n\r\n".encode() + data

    def attachment(self):
        r = self.r
        name = r.choice(["Faktura_{}.pdf", "report-{}.xlsx", "IMG_{}.jpg", "scan.{}.pdf", "zápis {}.docx", "data_{}.csv", "{}.tar.gz", "setup_{}.log", "v1.2.{}.txt"]).format(self.digits(6))
        data = r.choice([lambda: r.randbytes(r.randint(500, 9000)), lambda: piece(r, self.paths), lambda: self.table().encode()])()
        return (f"Content-Type: application/octet-stream; name=\"{name}\"\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n"
                "Content-Transfer-Encoding: base64\r\n\r\n").encode() + base64.encodebytes(data).replace(b"\n", b"\r\n")

    def message(self):
        r = self.r
        body, kind = r.choice([(self.document, "plain"), (self.document, "plain"), (self.letter, "plain"), (self.table, "plain"), (self.invoice, "plain"),
                               (self.account, "plain"), (self.machine, "plain"), (self.diff, "plain"), (self.talk, "plain"), (self.newsletter, "html")])
        head, main = self.head(self.words_of(r.randint(1, 7)) + r.choice(["", " " + self.number()])), self.part(body(), kind)
        if r.random() < 0.6:
            return head + main
        parts = [main] + [self.attachment() for _ in range(r.randint(1, 3))]
        return head + b'Content-Type: multipart/mixed; boundary="=_x"\r\n\r\n' + b"".join(b"--=_x\r\n" + p + b"\r\n" for p in parts) + b"--=_x--\r\n"


def main():
    maker = Maker(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    for _ in range(int(sys.argv[1])):
        message = maker.message()
        sys.stdout.buffer.write(b"%d\n" % len(message) + message)


main()
