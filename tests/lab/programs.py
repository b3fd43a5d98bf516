# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Programs beside those that read by IMAP: POP3, ManageSieve, mail from elsewhere, webmail; and how each comes
from an address of its own, over the wire or to a proxy beside it."""

import poplib

from network import SERVER_V4, run
from proxies import DOVECOT, GATEWAY, HAPROXY, HAPROXY_V6, NGINX
from talk import Imap, Pop3, Sieve, plain, quoted

WHO = "anna@example.org"
USER_V6 = "2001:db8:1::7"

SCRIPT = """require ["fileinto", "copy"];
if header :contains "subject" "smlouva" { redirect :copy "stranger@elsewhere.example"; }
"""


class Programs:
    """Mixed into scenario_clients.Scenario."""

    proxys_own = HAPROXY  # the address that a proxy speaks from which cannot be told one

    def _steps(self, steps, users):
        """steps: (whom the programs speak to, how that names them to the server or None, the programs)"""
        for self.host, how, programs in steps:
            for program in programs:
                self.address = USER_V6 if self.host == HAPROXY_V6 else next(users)
                self._come_from(self.address)
                self.home = self.folder / f"{program.__name__}-{self.address}"
                self.home.mkdir()
                program(WHO, self.accounts[WHO][0])
                self.notes.append({"kind": program.__name__, "ip": self.address, "how": how,
                                   "hop": None if self.host == SERVER_V4 else self.host})

    def _source(self, route, address, *more):
        run("ip", "route", "replace", *route.split(), "dev", "users0", "src", address, *more)

    def _come_from(self, address):
        """What a program that binds no address comes from: over the wire, or to a proxy beside it."""
        if ":" in address:
            return
        self._source("default", address if self.host == SERVER_V4 else self.proxys_own)
        for proxy in (HAPROXY, NGINX, DOVECOT, GATEWAY):
            self._source(f"local {proxy}/32", address, "table", "local", "scope", "host")

    # ---- Mail from elsewhere, and on behalf of others

    def swaks_inbound(self, account, password):
        """Mail from elsewhere, with no login."""
        self._call("swaks", "--server", self.host, "--local-interface", self.address, "--helo", "mx.partner.example",
                   "--from", "alena@partner.example", "--to", account)

    def msmtp_inbound(self, account, password):
        """The same to two, with a message of many lines."""
        self._call("msmtp", f"--host={self.host}", "--port=25", "--auth=off", "--tls=off", "--domain=mx.partner.example",
                   "--from=alena@partner.example", account, "karel@example.org", input=self._sent(account))

    def webmail(self, account, password):
        """As webmail does it, on behalf of who sits before it."""
        imap = Imap(self.host)
        imap.ok("ID", f'("name" "Webmail" "x-originating-ip" "{self.address}" "x-originating-port" "4711")')
        imap.ok("LOGIN", account, quoted(password))
        imap.ok("SELECT", "INBOX")
        imap.ok("UID", "FETCH", "1:3", "(FLAGS BODY.PEEK[])")
        imap.logout()

    # ---- COMPRESS

    def mutt_deflate(self, account, password):
        self.mutt(account, password, more="set imap_deflate=yes")

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
