# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""The scenario of the other servers against Cyrus and OpenSMTPD, which knows neither AUTH in clear nor BDAT."""

import concurrent.futures

import scenario_others
from cyrus import Cyrus

CLIENTS = scenario_others.CLIENTS
SERVERS = Cyrus


class Scenario(scenario_others.Scenario):
    def submit(self, kind, account, port=25, bytewise=False):
        return super().submit(kind, None, 25, bytewise)

    def deflate(self):
        imap = self.login("COMPRESS=DEFLATE", "u11@example.org")
        imap.ok("COMPRESS", "DEFLATE")
        imap.deflate()
        imap.ok("SELECT", "INBOX")
        imap.ok("UID", "FETCH", "1:4", "(FLAGS BODY.PEEK[])")
        imap.logout()

    def run(self):
        jobs = [self.read, self.refused, self.library_read, self.bytewise_read, self.deflate, self.smtp_inbound_here,
                self.smtp_several_here, self.smtp_several_here, self.smtp_bytewise_here]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for job in [pool.submit(job) for job in jobs]:
                job.result()

    def smtp_bytewise_here(self):
        smtp = self.submit("one-byte segments", None, bytewise=True)
        smtp.ok("MAIL FROM:<alena@partner.example>")
        smtp.ok("RCPT TO:<u3@example.org>")
        assert smtp.data(b"Subject: slow\r\n\r\nbyte by byte\r\n")[0] == 250
        smtp.quit()
