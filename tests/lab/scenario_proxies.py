# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Who is really there: mail programs through HAProxy (PROXY v1, and v2 with TLVs behind TLS), nginx (PROXY v1,
XCLIENT), Dovecot as a proxy (IMAP ID, XCLIENT) and Postfix as a gateway (XFORWARD, LMTP); and without one
what else a mail platform speaks: COMPRESS=DEFLATE, POP3, ManageSieve. One at a time: each from an address
of its own."""

import pathlib
import poplib
import smtplib
import subprocess
import tempfile
import time

import proxies
import scenario_clients
from network import SERVER_V4, run
from proxies import DOVECOT, GATEWAY, HAPROXY, HAPROXY_V6, NGINX, WEBMAIL
from talk import Imap, Pop3, Sieve, plain, quoted

USERS = [f"198.51.100.{i}" for i in range(1, 60)]
USER_V6 = "2001:db8:1::7"
CLIENTS = [*USERS, USER_V6, *proxies.PROXIES]
SERVERS = proxies.Proxied
WHO = "anna@example.org"

SCRIPT = """require ["fileinto", "copy"];
if header :contains "subject" "smlouva" { redirect :copy "stranger@elsewhere.example"; }
"""


class Scenario(scenario_clients.Scenario):
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
            users = iter(USERS[1:])
            for self.host, how, programs in steps:
                for program in programs:
                    self.address = USER_V6 if self.host == HAPROXY_V6 else next(users)
                    self._come_from(self.address)
                    self.home = self.folder / f"{program.__name__}-{self.address}"
                    self.home.mkdir()
                    program(WHO, scenario_clients.ACCOUNTS[WHO][0])
                    self.notes.append({"kind": program.__name__, "ip": self.address, "how": how,
                                       "hop": None if self.host == SERVER_V4 else self.host})
        self._source("default", NGINX)

    def _source(self, route, address, *more):
        run("ip", "route", "replace", *route.split(), "dev", "users0", "src", address, *more)

    def _come_from(self, address):
        """What a program that binds no address comes from: over the wire, or to a proxy beside it."""
        if ":" in address:
            return
        self._source("default", address if self.host == SERVER_V4 else NGINX)
        for proxy in (HAPROXY, NGINX, DOVECOT, GATEWAY):
            self._source(f"local {proxy}/32", address, "table", "local", "scope", "host")

    # ---- Through HAProxy, with TLS

    def curl_imaps(self, account, password):
        host = f"[{self.host}]" if ":" in self.host else self.host
        self._curl(account, password, "-k", "--connect-to", f"imap.example.org:993:{host}:993",
                   "imaps://imap.example.org/INBOX;UID=2")

    def mbsync_tls(self, account, password):
        self.mbsync(account, password,
                    f'Tunnel "openssl s_client -quiet -verify_quiet -servername imap.example.org -connect {self.host}:993"')

    # ---- SMTP

    def swaks_inbound(self, account, password):
        """Mail from elsewhere, with no login."""
        self._call("swaks", "--server", self.host, "--local-interface", self.address, "--helo", "mx.partner.example",
                   "--from", "alena@partner.example", "--to", account)

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

    def webmail(self, account, password):
        """As webmail does it, on behalf of who sits before it."""
        imap = Imap(self.host)
        imap.ok("ID", f'("name" "Webmail" "x-originating-ip" "{self.address}" "x-originating-port" "4711")')
        imap.ok("LOGIN", account, quoted(password))
        imap.ok("SELECT", "INBOX")
        imap.ok("UID", "FETCH", "1:3", "(FLAGS BODY.PEEK[])")
        imap.logout()

    def mutt_deflate(self, account, password):
        self.mutt(account, password, more="set imap_deflate=yes")

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

    # ---- POP3

    def fetchmail_pop3(self, account, password):
        self.fetchmail(account, password, "pop3")

    def getmail_pop3(self, account, password):
        self.getmail(account, password, "SimplePOP3Retriever")

    def mpop(self, account, password):
        (self.home / "mail/cur").mkdir(parents=True)
        (self.home / "mail/new").mkdir()
        (self.home / "mail/tmp").mkdir()
        rc = self._file("mpoprc", f"""
account lab
host {self.host}
user "{account}"
password "{password}"
auth user
tls off
keep on
delivery maildir {self.home}/mail
uidls_file {self.home}/uidls
account default : lab
""")
        self._call("mpop", "-C", rc)

    def curl_pop3(self, account, password):
        self._curl(account, password, f"pop3://{self.host}/1")

    def poplib_read(self, account, password):
        pop = Pop3(self.host, self.address)
        pop.user(account)
        pop.pass_(password)
        pop.list()
        pop.uidl()
        for i in (1, 2, 3):
            pop.retr(i)
        pop.top(4, 5)
        pop.dele(5)
        pop.rset()
        pop.dele(int(self.address.rpartition(".")[2]) % 2 + 1)
        pop.quit()

    def apop(self, account, password):
        pop = Pop3(self.host, self.address)
        pop.apop(account, password)
        pop.retr(2)
        pop.quit()
        pop = Pop3(self.host, self.address)
        try:
            pop.apop(account, "wrong")
        except poplib.error_proto:
            pop.quit()

    # ---- ManageSieve

    def sieve_put(self, account, password):
        sieve = Sieve(self.host, self.address)
        sieve.ok('AUTHENTICATE "PLAIN" "' + sieve.encoded(plain(account, password)) + '"')
        sieve.ok("LISTSCRIPTS")
        sieve.ok(f'PUTSCRIPT "kopie" {{{len(SCRIPT)}+}}\r\n{SCRIPT}')
        sieve.ok('SETACTIVE "kopie"')
        sieve.ok('GETSCRIPT "kopie"')
        assert not sieve.said('PUTSCRIPT "bad" "redirect 5;"').startswith(b"OK")
        sieve.said("LOGOUT")
        sieve.close()

    def sieve_connect(self, account, password):
        script = self._file("odklon.sieve", SCRIPT.replace("stranger", "another"))
        self._call("sieve-connect", "--server", self.host, "--nosrv", "--user", account, "--notlsverify", "--clearchan",
                   "--localsieve", script, "--remotesieve", "odklon", "--upload", "--passwordfd", "0",
                   input=password.encode() + b"\n")
