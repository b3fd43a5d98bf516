# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""The scenario of the test, as far as other servers know the same commands, and the programs people use
as far as they are installed."""

import concurrent.futures
import shutil
import smtplib
import subprocess

import scenario_test
from network import SERVER_V4
from others import Others
from talk import Imap, Literal

CLIENTS = scenario_test.CLIENTS
SERVERS = Others


class Scenario(scenario_test.Scenario):
    def __init__(self):
        super().__init__()
        # Passwords that need no quoting in Exim's own file of them.
        self.accounts = {name: of for name, of in self.accounts.items() if name.startswith("u")}

    def read(self):
        for i in range(1, 5):
            imap = self.login("read", f"u{i}@example.org")
            imap.ok("CAPABILITY")
            imap.ok("LIST", '""', "*")
            imap.ok("SELECT", Literal("INBOX"))
            imap.ok("FETCH", "1:*", "(UID FLAGS RFC822.SIZE)")
            imap.ok("UID", "FETCH", "1:*", "BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]")
            imap.ok("FETCH", f"{i}:{i + 2}", "BODY.PEEK[]")
            imap.ok("SEARCH", "UNSEEN")
            imap.ok("STORE", "1", "+FLAGS", r"(\Deleted)")
            imap.ok("COPY", "2", "INBOX")
            imap.ok("EXPUNGE")
            imap.ok("APPEND", "INBOX", Literal(self._sent()))
            imap.logout()

    def refused(self):
        imap = Imap(self.client())
        self.note("one failed login", imap, "u8@example.org")
        assert imap.command("LOGIN", "u8@example.org", "wrong")[0] == "NO"
        imap.command("LOGOUT")
        imap.close()

    def programs(self):
        if shutil.which("curl"):
            subprocess.run(["curl", "-s", "--interface", self.client(), "-u", "u9@example.org:pw-u9",
                            f"imap://{SERVER_V4}/INBOX;UID=2"], stdout=subprocess.DEVNULL, check=True)
        if shutil.which("swaks"):
            subprocess.run(["swaks", "--server", SERVER_V4, "--local-interface", self.client(), "--from",
                            "alena@partner.example", "--to", "u1@example.org"], stdout=subprocess.DEVNULL, check=True)
        smtp = smtplib.SMTP(SERVER_V4, 587, local_hostname="client.example.org")
        smtp.login("u9@example.org", "pw-u9")
        smtp.sendmail("u9@example.org", ["x@partner.example", "y@partner.example"], self._sent())
        smtp.quit()

    def run(self):
        jobs = [self.read, self.refused, self.programs, self.library_read, self.bytewise_read, self.smtp_inbound_here,
                self.smtp_auth, self.smtp_several_here, self.smtp_bdat, self.smtp_bytewise]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for job in [pool.submit(job) for job in jobs]:
                job.result()

    def library_read(self):
        import imaplib
        imap = imaplib.IMAP4(SERVER_V4, 143)
        imap.login("u10@example.org", "pw-u10")
        imap.select("INBOX", readonly=True)
        imap.fetch("1:3", "(RFC822)")
        imap.logout()

    def bytewise_read(self):
        imap = self.login("one-byte segments", "u19@example.org", bytewise=True)
        imap.ok("SELECT", "INBOX")
        imap.ok("FETCH", "1:2", "(FLAGS BODY.PEEK[])")
        imap.logout()

    def smtp_inbound_here(self):
        smtp = self.submit("mail from another server", None, port=25)
        smtp.ok("MAIL FROM:<alena@partner.example>")
        smtp.ok("RCPT TO:<u1@example.org>")
        smtp.ok("RCPT TO:<u2@example.org>")
        assert smtp.command("RCPT TO:<gone@example.org>")[0] == 550
        assert smtp.data(self._received(attachment=5000))[0] == 250
        smtp.quit()

    def smtp_several_here(self):
        smtp = self.submit("several messages, dot-stuffing", "u10@example.org")
        for i, content in enumerate([b"Subject: dots\r\n\r\n.\r\n..\r\n.a line\r\nend.\r\n.\r\n", self._sent()]):
            smtp.ok(f"MAIL FROM:<u10+{i}@example.org>")
            for k in range(i + 1):
                smtp.ok(f"RCPT TO:<r{k}@partner.example>")
            assert smtp.data(content)[0] == 250
        smtp.quit()
