# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Each construction of IMAP and SMTP that a session record must get right, once or twice, with the
servers' own logs as the truth. Sessions run four at a time, so that flows interleave."""

import concurrent.futures
import imaplib
import shutil
import smtplib
import ssl
import subprocess
import threading
import time

from mailtext import Writer
from network import SERVER_V4, SERVER_V6
from talk import Imap, Literal, Smtp, cram_md5, plain, quoted, stuffed

CLIENTS = [f"198.51.100.{i}" for i in range(1, 41)] + ["2001:db8:1::1", "2001:db8:1::2"]
DAY = 86400
BASE = 1767600000  # 2026-01-05, Monday

# Passwords that need quoting, escaping or a literal.
HARD = 'p"w \\ {3}'


def accounts():
    writer = Writer(1)
    made = {f"u{i}@example.org": f"pw-u{i}" for i in range(1, 21)}
    made.update({"jana@partner.example": HARD, "postmaster": "pw-postmaster", "příliš@example.org": "pw-žluť"})
    return {name: (password, [
        (BASE + i * DAY, writer.message(
            "alena@partner.example", [name], BASE + i * DAY, 3 + i % 9,
            attachment=3000 if i % 5 == 4 else 0,
            charset=("utf-8", "iso-8859-2", "windows-1250")[i % 3],
            cte=("8bit", "quoted-printable", "base64")[i % 3]))
        for i in range(12)]) for name, password in made.items()}


class Scenario:
    def __init__(self):
        self.accounts = accounts()
        self.writer = Writer(2)
        self.lock = threading.Lock()
        self.notes = []
        self.next_client = 0

    # ---- Helpers

    def client(self):
        """Addresses in turn, so that no two sessions at a time share one."""
        with self.lock:
            self.next_client += 1
            return CLIENTS[self.next_client % 40]

    def note(self, kind, talk, account=None):
        with self.lock:
            self.notes.append({"kind": kind, "account": account, "ip": talk.ip, "port": talk.port})

    def mail(self, *arguments, **options):
        with self.lock:
            return self.writer.message(*arguments, **options)

    def password(self, account):
        return self.accounts[account][0]

    def login(self, kind, account, port=143, bytewise=False, source=None):
        imap = Imap(source or self.client(), port, bytewise)
        self.note(kind, imap, account)
        imap.ok("LOGIN", account, quoted(self.password(account)))
        return imap

    def submit(self, kind, account, port=587, bytewise=False):
        smtp = Smtp(self.client(), port, bytewise)
        self.note(kind, smtp, account)
        smtp.ok("EHLO client.example.org")
        if account:
            assert smtp.auth_plain(account, self.password(account)) == 235
        return smtp

    # ---- IMAP: ways in

    def login_atom(self):
        imap = Imap(self.client())
        self.note("login atom", imap, "u1@example.org")
        imap.ok("CAPABILITY")
        imap.ok("ID", '("name" "LabMail" "version" "4.2")')
        imap.ok("LOGIN", "u1@example.org", "pw-u1")
        imap.ok("SELECT", "INBOX")
        imap.ok("FETCH", "1:3", "(UID FLAGS RFC822.SIZE)")
        imap.logout()

    def login_quoted(self):
        imap = self.login("login quoted, hard password", "jana@partner.example")
        imap.ok("EXAMINE", '"INBOX"')
        imap.ok("UID", "FETCH", "1:4", "(FLAGS BODY.PEEK[])")
        imap.logout()

    def login_literals(self):
        imap = Imap(self.client())
        self.note("login sync literals", imap, "jana@partner.example")
        imap.ok("LOGIN", Literal("jana@partner.example"), Literal(HARD))
        imap.ok("SELECT", Literal("INBOX"))
        imap.ok("FETCH", "2,5", "BODY[]")
        imap.logout()

    def login_literals_plus(self):
        imap = Imap(self.client())
        self.note("login non-sync literals", imap, "příliš@example.org")
        imap.ok("LOGIN", Literal("příliš@example.org", True), Literal("pw-žluť", True))
        imap.ok("SELECT", Literal("INBOX", True))
        imap.ok("FETCH", "1", "RFC822")
        imap.logout()

    def login_without_domain(self):
        imap = self.login("login without domain", "postmaster")
        imap.ok("SELECT", "INBOX")
        imap.ok("UID", "FETCH", "1:*", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT)])")
        imap.logout()

    def login_upper_case(self):
        imap = Imap(self.client())
        self.note("login in upper case", imap, "u2@example.org")
        imap.ok("login", "U2@Example.ORG", '"pw-u2"')
        imap.ok("select", "inbox")
        imap.ok("fetch", "1", "body[]")
        imap.logout()

    def authenticate(self):
        for i, (mechanism, initial) in enumerate(
                [("PLAIN", False), ("PLAIN", True), ("LOGIN", False), ("LOGIN", True),
                 ("CRAM-MD5", False)]):
            account = f"u{3 + i}@example.org"
            password = self.password(account)
            answers = {"PLAIN": [plain(account, password)], "LOGIN": [account, password],
                       "CRAM-MD5": [cram_md5(account, password)]}[mechanism]
            imap = Imap(self.client())
            self.note(f"authenticate {mechanism}{' initial' if initial else ''}", imap, account)
            assert imap.authenticate(mechanism, *answers, initial=initial) == "OK"
            imap.ok("SELECT", "INBOX")
            imap.ok("FETCH", f"{i + 1}", "(BODY.PEEK[HEADER])")
            imap.logout()

    def failures(self):
        imap = Imap(self.client())
        self.note("one failed login", imap, "u8@example.org")
        assert imap.command("LOGIN", "u8@example.org", "wrong")[0] == "NO"
        imap.logout()
        imap = Imap(self.client())
        self.note("three failed logins", imap, "u9@example.org")
        for guess in ("a", "b", "c"):
            assert imap.authenticate("PLAIN", plain("u9@example.org", guess), initial=True) == "NO"
        imap.logout()
        imap = Imap(self.client())
        self.note("failed, then right", imap, "u10@example.org")
        assert imap.command("LOGIN", "u10@example.org", "wrong")[0] == "NO"
        imap.ok("LOGIN", "u10@example.org", "pw-u10")
        imap.ok("SELECT", "INBOX")
        imap.ok("FETCH", "12", "BODY[TEXT]")
        imap.logout()
        imap = Imap(self.client())
        self.note("authentication cancelled", imap)
        imap.send("a1 AUTHENTICATE LOGIN\r\n")
        imap.line()
        imap.send("*\r\n")
        assert imap.until("a1")[0] == "BAD"
        imap.command("LOGOUT")
        imap.close()

    # ---- IMAP: reading and changing

    def fetch_all_sorts(self):
        imap = self.login("fetch of all sorts", "u11@example.org")
        imap.ok("LIST", '""', "*")
        imap.ok("SELECT", "INBOX")
        for what in ("ALL", "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)", "BODYSTRUCTURE",
                     "RFC822.HEADER", "BODY.PEEK[HEADER]", "BODY[HEADER.FIELDS (SUBJECT DATE)]",
                     "BODY.PEEK[HEADER.FIELDS.NOT (RECEIVED)]"):
            imap.ok("FETCH", "1:5", what)
        imap.ok("FETCH", "1", "BODY[]")
        imap.ok("FETCH", "2", "BODY.PEEK[]")
        imap.ok("FETCH", "3", "RFC822")
        imap.ok("FETCH", "4", "RFC822.TEXT")
        imap.ok("FETCH", "5", "(BODY[TEXT] BODY[1.MIME] BODY[1] BODY[2])")
        imap.ok("FETCH", "10", "(FLAGS BODY.PEEK[1] UID)")
        imap.ok("FETCH", "6", "(BODY.PEEK[HEADER] BODY.PEEK[TEXT])")
        imap.ok("UID", "FETCH", "7", "BODY.PEEK[]<0.500>")
        imap.ok("UID", "FETCH", "7", "BODY.PEEK[]<500.100000>")
        imap.ok("UID", "FETCH", "8:9,11:*", "(UID RFC822.SIZE BODY[]<0.1024>)")
        imap.ok("UID", "FETCH", "1:3", "BODY.PEEK[9]")
        imap.logout()

    def append(self):
        imap = self.login("append with sync literal", "u12@example.org")
        imap.ok("CREATE", "Sent")
        for _ in range(2):
            imap.ok("APPEND", "Sent", r"(\Seen)", Literal(self._sent()))
        imap.ok("STATUS", "Sent", "(MESSAGES UIDNEXT UNSEEN)")
        imap.logout()

    def append_plus(self):
        imap = self.login("append with LITERAL+, multiappend", "u13@example.org")
        imap.ok("APPEND", "INBOX", r"(\Seen $Label)", '"05-Jan-2026 10:00:00 +0100"',
                Literal(self._sent(), True))
        imap.ok("APPEND", "INBOX", Literal(self._sent(), True), r"(\Flagged)",
                Literal(self._sent()), Literal(self._sent(), True))
        imap.command("APPEND", "NoSuchFolder", Literal(self._sent(), True))
        imap.ok("SELECT", "INBOX")
        imap.ok("FETCH", "13:*", "BODY.PEEK[]")
        imap.logout()

    def _sent(self):
        return self.mail("u12@example.org", ["x@partner.example"], BASE, 6)

    def change(self):
        imap = self.login("store, copy, move, search, expunge", "u14@example.org")
        imap.ok("CREATE", "Archiv")
        imap.ok("SELECT", "INBOX")
        imap.ok("SEARCH", "ALL")
        imap.ok("UID", "SEARCH", "CHARSET", "UTF-8", "SUBJECT", Literal("zpráva"))
        imap.ok("SEARCH", "OR", "FROM", "alena", "BODY", "smlouva")
        imap.ok("STORE", "1:2", "+FLAGS", r"(\Seen \Answered)")
        imap.ok("COPY", "1:3", "Archiv")
        imap.ok("UID", "COPY", "4", "Archiv")
        imap.ok("MOVE", "5", "Archiv")
        imap.ok("UID", "MOVE", "6:7", "Archiv")
        imap.ok("STORE", "1:2", "+FLAGS.SILENT", r"(\Deleted)")
        imap.ok("EXPUNGE")
        imap.ok("UID", "STORE", "8:9", "+FLAGS", r"(\Deleted)")
        imap.ok("UID", "EXPUNGE", "8")
        imap.ok("CLOSE")
        imap.ok("SELECT", "Archiv")
        imap.ok("FETCH", "1:*", "BODY[]")
        imap.ok("UNSELECT")
        imap.logout()

    def close_expunges(self):
        imap = self.login("close expunges", "u15@example.org")
        imap.ok("SELECT", "INBOX")
        imap.ok("STORE", "1:4", "FLAGS", r"(\Deleted)")
        imap.ok("CLOSE")
        imap.ok("EXAMINE", "INBOX")
        imap.ok("FETCH", "1:*", "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
        imap.logout()

    def idle(self):
        """Over IPv6; during it, mail arrives through another of the account's devices."""
        imap = self.login("idle with a delivery", "u16@example.org", source=CLIENTS[40])
        imap.ok("SELECT", "INBOX")
        tag = imap.tag()
        imap.send(f"{tag} IDLE\r\n")
        imap.line()
        other = self.login("delivery during idle", "u16@example.org", source=CLIENTS[41])
        other.ok("APPEND", "INBOX", Literal(self._sent()))
        other.logout()
        while b"EXISTS" not in imap.line():
            pass
        imap.send("DONE\r\n")
        imap.until(tag)
        imap.ok("FETCH", "13", "(FLAGS BODY[])")
        imap.logout()

    def pipelined(self):
        imap = self.login("pipelined commands", "u17@example.org")
        imap.ok("SELECT", "INBOX")
        statuses = imap.pipeline(
            "NOOP", "FETCH 1:4 (UID FLAGS)", "UID FETCH 1:3 (BODY.PEEK[HEADER])",
            "FETCH 4 BODY[]", "FETCH 5 BODY[TEXT]", "NOSUCHCOMMAND", "SEARCH UNSEEN",
            r"STORE 1 +FLAGS (\Flagged)", "NOOP")
        assert statuses.count("BAD") == 1
        imap.logout()

    def everything_in_one_segment(self):
        imap = Imap(self.client())
        self.note("login to logout in one segment", imap, "u18@example.org")
        imap.pipeline("LOGIN u18@example.org pw-u18", "SELECT INBOX", "FETCH 1:2 BODY[]", "LOGOUT")
        imap.close()

    def bytewise(self):
        imap = self.login("one-byte segments", "u19@example.org", bytewise=True)
        imap.ok("SELECT", Literal("INBOX"))
        imap.ok("APPEND", "INBOX", Literal(b"Subject: x\r\n\r\nkr\xc3\xa1tce\r\n", True))
        imap.ok("FETCH", "1:2,13", "(FLAGS BODY.PEEK[])")
        imap.logout()

    def connection_lost(self):
        """No LOGOUT: the client goes away in the middle."""
        imap = self.login("gone without logout", "u20@example.org")
        imap.ok("SELECT", "INBOX")
        imap.ok("FETCH", "1:3", "BODY.PEEK[]")
        imap.close()

    def library_clients(self):
        source = self.client()
        imap = imaplib.IMAP4(SERVER_V4, 143)
        imap.ip, imap.port = imap.sock.getsockname()[:2]
        self.note("imaplib", imap, "u1@example.org")
        imap.login("u1@example.org", "pw-u1")
        imap.select("INBOX", readonly=True)
        imap.fetch("1:3", "(RFC822)")
        imap.append("INBOX", None, None, self._sent())
        imap.logout()
        if shutil.which("curl"):
            base = f"imap://{SERVER_V4}/INBOX"
            who = ["curl", "-s", "--interface", source, "-u", "u2@example.org:pw-u2"]
            for command in ([f"{base};UID=2"], [f"{base};UID=3;SECTION=HEADER"],
                            [base, "-X", "FETCH 1:2 (FLAGS BODY[TEXT])"]):
                subprocess.run(who + command, stdout=subprocess.DEVNULL, check=True)

    def encrypted(self):
        """What a record can say of these is only that they were encrypted."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        imap = imaplib.IMAP4(SERVER_V4, 143)
        imap.ip, imap.port = imap.sock.getsockname()[:2]
        self.note("imap starttls", imap)
        imap.starttls(context)
        imap.login("u3@example.org", "pw-u3")
        imap.select("INBOX")
        imap.fetch("1", "(RFC822)")
        imap.logout()
        smtp = smtplib.SMTP(SERVER_V6, 587, local_hostname="client.example.org")
        smtp.ip, smtp.port = smtp.sock.getsockname()[:2]
        self.note("smtp starttls", smtp)
        smtp.starttls(context=context)
        smtp.login("u4@example.org", "pw-u4")
        smtp.sendmail("u4@example.org", ["x@partner.example"], self._sent())
        smtp.quit()

    # ---- SMTP

    def smtp_inbound(self):
        smtp = self.submit("mail from another server", None, port=25)
        smtp.ok("MAIL FROM:<alena@partner.example>")
        smtp.ok("RCPT TO:<u1@example.org>")
        smtp.ok("RCPT TO:<u2@example.org>")
        assert smtp.command("RCPT TO:<gone@example.org>")[0] == 550
        assert smtp.command("RCPT TO:<x@elsewhere.example>")[0] >= 450
        assert smtp.data(self._received())[0] == 250
        smtp.quit()

    def _received(self, **options):
        return self.mail("alena@partner.example", ["u1@example.org"], BASE, 8, **options)

    def smtp_auth(self):
        ways = [("auth plain initial", lambda s, a, p: s.auth_plain(a, p)),
                ("auth plain", lambda s, a, p: s.auth_plain(a, p, False)),
                ("auth login", lambda s, a, p: s.auth_login(a, p)),
                ("auth login initial", lambda s, a, p: s.auth_login(a, p, True))]
        for i, (kind, way) in enumerate(ways):
            account = f"u{5 + i}@example.org"
            smtp = Smtp(self.client(), 587)
            self.note(kind, smtp, account)
            smtp.ok("EHLO client.example.org")
            assert way(smtp, account, self.password(account)) == 235
            smtp.ok(f"MAIL FROM:<{account}> SIZE=2000 BODY=8BITMIME")
            smtp.ok("RCPT TO:<x@partner.example>")
            assert smtp.data(self._sent())[0] == 250
            smtp.quit()

    def smtp_auth_failed(self):
        smtp = Smtp(self.client(), 587)
        self.note("smtp failed login", smtp, "u9@example.org")
        smtp.ok("EHLO client.example.org")
        assert smtp.auth_plain("u9@example.org", "wrong") == 535
        assert smtp.auth_login("u9@example.org", "wrong too") == 535
        smtp.quit()

    def smtp_several_messages(self):
        smtp = self.submit("several messages, dot-stuffing, reset", "u10@example.org")
        for i, content in enumerate([
                b"Subject: dots\r\n\r\n.\r\n..\r\n.a line\r\nend.\r\n.\r\n",
                self._sent(), b"", b"Subject: only a header\r\n"]):
            smtp.ok(f"MAIL FROM:<u10+{i}@example.org>")
            for k in range(i + 1):
                smtp.ok(f"RCPT TO:<r{k}@partner.example>")
            assert smtp.data(content)[0] == 250
            smtp.ok("MAIL FROM:<never-sent@example.org>")
            smtp.ok("RCPT TO:<r@partner.example>")
            smtp.ok("RSET")
        smtp.ok("MAIL FROM:<>")
        smtp.ok("RCPT TO:<u1@example.org>")
        assert smtp.data(self._sent())[0] == 250
        smtp.quit()

    def smtp_pipelined(self):
        smtp = self.submit("pipelined smtp", "u11@example.org")
        smtp.send("MAIL FROM:<u11@example.org>\r\nRCPT TO:<a@partner.example>\r\n"
                  "RCPT TO:<b@partner.example>\r\nRCPT TO:<gone2@example.org>\r\nDATA\r\n")
        codes = [smtp.reply()[0] for _ in range(5)]
        assert codes == [250, 250, 250, 550, 354], codes
        # The message's end and the next transaction in one write.
        smtp.send(stuffed(self._sent()) + b".\r\nMAIL FROM:<u11@example.org>\r\n"
                  b"RCPT TO:<c@partner.example>\r\nDATA\r\n")
        assert [smtp.reply()[0] for _ in range(4)] == [250, 250, 250, 354]
        smtp.send(stuffed(self._sent()) + b".\r\nQUIT\r\n")
        assert [smtp.reply()[0] for _ in range(2)] == [250, 221]
        smtp.close()

    def smtp_bdat(self):
        smtp = self.submit("bdat in chunks", "u12@example.org")
        content = self._received(attachment=20000) + b".\r\nnot an end\r\n"
        smtp.ok("MAIL FROM:<u12@example.org>")
        smtp.ok("RCPT TO:<a@partner.example>")
        for start, end, last in ((0, 1000, ""), (1000, 1001, ""), (1001, len(content), " LAST")):
            smtp.send(b"BDAT %d%s\r\n" % (end - start, last.encode()) + content[start:end])
            assert smtp.reply()[0] == 250
        smtp.ok("MAIL FROM:<u12@example.org>")
        smtp.ok("RCPT TO:<b@partner.example>")
        smtp.send(b"BDAT 30\r\n" + b"Subject: s\r\n\r\nQUIT\r\nDATA\r\n\r\n\r\n" + b"BDAT 0 LAST\r\n")
        assert [smtp.reply()[0] for _ in range(2)] == [250, 250]
        smtp.quit()

    def smtp_bytewise(self):
        smtp = self.submit("smtp in one-byte segments", "u13@example.org", bytewise=True)
        smtp.ok("MAIL FROM:<u13@example.org>")
        smtp.ok("RCPT TO:<a@partner.example>")
        assert smtp.data(b"Subject: slowly\r\n\r\n.one\r\n")[0] == 250
        smtp.quit()

    def smtp_gone(self):
        """The client leaves in the middle of the message: nothing was sent."""
        smtp = self.submit("gone during DATA", "u14@example.org")
        smtp.ok("MAIL FROM:<u14@example.org>")
        smtp.ok("RCPT TO:<a@partner.example>")
        smtp.command("DATA")
        smtp.send("Subject: half\r\n\r\nno end")
        smtp.close()

    def smtp_library(self):
        smtp = smtplib.SMTP(SERVER_V6, 25, local_hostname="mx.partner.example")
        smtp.ip, smtp.port = smtp.sock.getsockname()[:2]
        self.note("smtplib over IPv6", smtp)
        smtp.sendmail("alena@partner.example", ["u5@example.org", "gone@example.org"],
                      self._received(attachment=8000))
        smtp.quit()
        smtp = Smtp(self.client(), 25)
        self.note("HELO, a wrong order, an unknown command", smtp)
        smtp.ok("HELO old.example")
        assert smtp.command("RCPT TO:<u1@example.org>")[0] == 503
        assert smtp.command("WIBBLE")[0] >= 500
        smtp.ok("NOOP")
        smtp.command("VRFY u1@example.org")
        smtp.ok("mail from: <alena@partner.example>")
        smtp.ok("rcpt to: <u1@example.org>")
        assert smtp.data(self._received())[0] == 250
        smtp.quit()

    # ---- All of it

    def run(self):
        jobs = [self.login_atom, self.login_quoted, self.login_literals, self.login_literals_plus,
                self.login_without_domain, self.login_upper_case, self.authenticate, self.failures,
                self.fetch_all_sorts, self.append, self.append_plus, self.change,
                self.close_expunges, self.idle, self.pipelined, self.everything_in_one_segment,
                self.bytewise, self.connection_lost, self.library_clients, self.encrypted,
                self.smtp_inbound, self.smtp_auth, self.smtp_auth_failed,
                self.smtp_several_messages, self.smtp_pipelined, self.smtp_bdat,
                self.smtp_bytewise, self.smtp_gone, self.smtp_library]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for job in [pool.submit(job) for job in jobs]:
                job.result()
        time.sleep(0.5)
