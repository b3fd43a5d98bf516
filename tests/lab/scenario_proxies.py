# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Who is really there: mail programs through HAProxy (PROXY v1, and v2 with TLVs behind TLS), nginx (PROXY v1,
XCLIENT), Dovecot as a proxy (IMAP ID, XCLIENT) and Postfix as a gateway (XFORWARD, LMTP); and without one
what else a mail platform speaks: COMPRESS=DEFLATE, POP3, ManageSieve. One at a time: each from an address
of its own."""

import pathlib
import smtplib
import tempfile
import time

import proxies
import scenario_clients
from network import SERVER_V4
from programs import USER_V6, WHO
from proxies import DOVECOT, GATEWAY, HAPROXY, HAPROXY_V6, NGINX, WEBMAIL
from talk import Imap, quoted

USERS = [f"198.51.100.{i}" for i in range(1, 60)]
CLIENTS = [*USERS, USER_V6, *proxies.PROXIES]
SERVERS = proxies.Proxied


class Scenario(scenario_clients.Scenario):
    proxys_own = NGINX

    def run(self):
        # The address that nginx speaks from: it cannot be told one.
        self._source("default", NGINX)
        self._folders()
        with tempfile.TemporaryDirectory(prefix="postern-clients-") as folder:
            self.folder = pathlib.Path(folder)
            steps = [
                (HAPROXY, "proxy_v1", [self.mbsync, self.curl_fetch, self.imaplib_read, self.fetchmail_pop3,
                                       self.swaks_inbound]),
                (HAPROXY, "proxy_v2", [self.curl_imaps, self.mbsync_tls, self.smtplib_send, self.msmtp]),
                (HAPROXY_V6, "proxy_v2", [self.curl_imaps, self.smtplib_send]),
                (NGINX, "proxy_v1", [self.offlineimap, self.curl_pop3]),
                (NGINX, "xclient", [self.swaks, self.swaks_inbound]),
                (DOVECOT, "imap_id", [self.getmail, self.mutt]),
                (DOVECOT, "xclient", [self.msmtp, self.poplib_read, self.sieve_put, self.sieve_connect]),
                (WEBMAIL, "imap_id", [self.webmail]),
                (GATEWAY, "xforward", [self.relay]),
                (GATEWAY, None, [self.deliver]),
                (SERVER_V4, None, [self.mutt_deflate, self.deflate, self.getmail_pop3, self.mpop, self.curl_pop3,
                                   self.poplib_read, self.apop, self.sieve_connect, self.sieve_put]),
            ]
            self._steps(steps, iter(USERS[1:]))
        self._source("default", NGINX)

    # ---- Through HAProxy, with TLS

    def curl_imaps(self, account, password):
        host = f"[{self.host}]" if ":" in self.host else self.host
        self._curl(account, password, "-k", "--connect-to", f"imap.example.org:993:{host}:993",
                   "imaps://imap.example.org/INBOX;UID=2")

    def mbsync_tls(self, account, password):
        self.mbsync(account, password,
                    f'Tunnel "openssl s_client -quiet -verify_quiet -servername imap.example.org -connect {self.host}:993"')

    # ---- SMTP

    def relay(self, account, password):
        """Through the gateway to the inner server, for two who are elsewhere."""
        smtp = smtplib.SMTP(self.host, 25, local_hostname="client.example.org", source_address=(self.address, 0))
        smtp.sendmail(account, ["x@partner.example", "y@partner.example"], self._sent(account))
        smtp.quit()
        self._drained()

    def deliver(self, account, password):
        """Through the gateway into boxes, one of which is not there: LMTP answers for each."""
        smtp = smtplib.SMTP(self.host, 25, local_hostname="client.example.org", source_address=(self.address, 0))
        smtp.sendmail("alena@partner.example", [account, "karel2@example.org", "anna+box@example.org"],
                      self._sent(account))
        smtp.quit()
        self._drained()

    def _drained(self):
        """Until the gateway has nothing in its queue; bounces go out, too."""
        queue = self.servers / "gateway/queue"
        while any(path.is_file() for name in ("incoming", "active", "maildrop") for path in (queue / name).rglob("*")):
            time.sleep(0.1)

    # ---- IMAP

    def deflate(self, account, password):
        """The same session twice, once with every answer compressed."""
        imap = Imap(self.address)
        imap.ok("LOGIN", account, quoted(password))
        imap.ok("COMPRESS", "DEFLATE")
        imap.deflate()
        imap.ok("LIST", '""', "*")
        imap.ok("SELECT", "INBOX")
        imap.ok("UID", "FETCH", "1:5", "(FLAGS BODY.PEEK[])")
        imap.ok("FETCH", "1:*", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        imap.logout()
