# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Real mail programs, each from an address of its own, each with accounts that differ in what a command
grammar must not depend on: name, password, folders, number of messages, a first run or a later one."""

import imaplib
import os
import pathlib
import pty
import select
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time
import urllib.parse

import thunderbird
from mailtext import Writer
from network import SERVER_V4, run
from programs import Programs
from talk import Imap, quoted

BASE = 1767600000  # 2026-01-05
CLIENTS = [f"198.51.100.{i}" for i in range(1, 60)]
ACCOUNTS = {"anna@example.org": ("pw-anna", 12), "b.novak": ('hard "pw\\', 1),
            "karel@partner.example": ("pw-karel", 40)}


# Who asks for names asks nobody for long.
NO_RESOLVER = {"RES_NAMESERVERS": "127.0.0.1", "RES_OPTIONS": "timeout:1 attempts:1"}


def accounts():
    writer = Writer(5)
    return {name: (password, [
        (BASE + i * 86400, writer.message("alena@partner.example", [name], BASE + i * 86400, 2 + i % 3))
        for i in range(n)]) for name, (password, n) in ACCOUNTS.items()}


def sender(account):
    return account if "@" in account else f"{account}@example.org"


def in_terminal(command, keys, environment, seconds=20):
    """Runs a program that wants a terminal; keys are typed one after the other."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environment)
    end = time.time() + seconds
    typed = 0
    quiet_since = time.time()
    while time.time() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                if not os.read(terminal, 65536):
                    break
            except OSError:
                break
            quiet_since = time.time()
        elif typed < len(keys) and time.time() - quiet_since > 1:
            os.write(terminal, keys[typed].encode())
            typed += 1
            quiet_since = time.time()
    os.close(terminal)
    os.waitpid(pid, 0)


class Scenario(Programs):
    host = SERVER_V4
    prefix = ""  # of the folders beside INBOX
    mechanisms = "*"  # that mbsync may use
    has_submission = True

    def __init__(self):
        self.accounts = accounts()
        self.notes = []

    def run(self):
        self._folders()
        with tempfile.TemporaryDirectory(prefix="postern-clients-") as folder:
            self.folder = pathlib.Path(folder)
            readers = [self.mbsync, self.offlineimap, self.fetchmail, self.getmail, self.mutt, self.neomutt,
                       self.curl_list, self.curl_fetch, self.imaplib_read, self.imaplib_headers,
                       self.imapclient_perl, self.imapflow, self.imapfilter, self.snail, self.alpine, self.thunderbird]
            senders = [self.msmtp, self.swaks, self.curl_send, self.smtplib_send] if self.has_submission else []
            users = iter(CLIENTS[1:])
            for program in readers + senders:
                self.address = next(users)
                self._source("default", self.address)
                for account, (password, _) in self.accounts.items():
                    for again in (False, True) if program in readers else (False,):
                        self.one(program, account, password, again)
            self._steps(self.more(), users)

    def more(self):
        """Steps of programs (see _steps) that only some servers have a place for."""
        return []

    def one(self, program, account, password, again=False):
        self.home = self.folder / f"{program.__name__}-{account}"
        self.home.mkdir(exist_ok=True)
        if program(account, password) is None:
            self.notes.append({"kind": program.__name__, "ip": self.address,
                               "account": account, "again": again})
        elif not again:
            print(f"{program.__name__} is left out for {account}")

    def _folders(self):
        """More folders for one account, so that programs repeat themselves."""
        imap = Imap(CLIENTS[0])
        imap.ok("LOGIN", "karel@partner.example", quoted("pw-karel"))
        for name in ("Archiv", "Drafts", "Dlouh&AP0- n&AOE-zev"):
            imap.ok("CREATE", quoted(self.prefix + name))
            imap.ok("SUBSCRIBE", quoted(self.prefix + name))
        imap.ok("SELECT", "INBOX")
        imap.ok("COPY", "1:3", self.prefix + "Archiv")
        imap.logout()

    def _file(self, name, text):
        path = self.home / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def _call(self, *command, input=b"", **options):
        try:
            done = subprocess.run(command, timeout=60, input=input, capture_output=True,
                                  env={**os.environ, **NO_RESOLVER, "HOME": str(self.home)}, **options)
            if done.returncode:
                print(*command[:1], "ends with", done.returncode, (done.stderr or done.stdout).decode(errors="replace")[-300:])
        except subprocess.TimeoutExpired:
            print(command[0], "was stopped")  # what it has said until then counts

    # ---- Programs that keep a copy

    def mbsync(self, account, password, way=None):
        escaped = password.replace("\\", "\\\\").replace('"', '\\"')
        rc = self._file("mbsyncrc", f"""
IMAPAccount lab
{way or f"Host {self.host}"}
User "{account}"
Pass "{escaped}"
SSLType None
AuthMechs {self.mechanisms}

IMAPStore far
Account lab
{f'Path "{self.prefix}"' if self.prefix else ""}

MaildirStore near
Path {self.home}/mail/
Inbox {self.home}/mail/INBOX
SubFolders Verbatim

Channel lab
Far :far:
Near :near:
Patterns *
Create Near
SyncState *
""")
        (self.home / "mail").mkdir(exist_ok=True)
        self._call("mbsync", "-c", rc, "-a")

    def offlineimap(self, account, password):
        rc = self._file("offlineimaprc", f"""
[general]
accounts = lab
metadata = {self.home}/meta
[Account lab]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {self.home}/mail
[Repository far]
type = IMAP
remotehost = {self.host}
remoteuser = {account}
remotepass = {password.replace('%', '%%')}
ssl = no
starttls = no
""")
        self._call("offlineimap", "-o", "-c", rc)

    def fetchmail(self, account, password, protocol="imap"):
        if '"' in password:
            return False  # its file has no way to write that
        rc = self._file("fetchmailrc", f"""
poll {self.host} protocol {protocol} auth password username "{account}" password "{password}"
 sslproto '' keep mda "cat >/dev/null"
""")
        os.chown(rc, os.getuid(), os.getgid())
        self._call("fetchmail", "--fetchmailrc", rc, "--idfile", str(self.home / "ids"),
                   "--nodetach", "--nosyslog", "--pidfile", str(self.home / "pid"))

    def getmail(self, account, password, retriever="SimpleIMAPRetriever"):
        self._file("getmailrc", f"""
[retriever]
type = {retriever}
server = {self.host}
username = {account}
password = {password}
[destination]
type = MDA_external
path = /bin/true
allow_root_commands = true
[options]
read_all = false
""")
        self._call("getmail", "--getmaildir", str(self.home), "--rcfile", "getmailrc")

    # ---- Programs for people

    def mutt(self, account, password, program="mutt", more=""):
        escaped = password.replace("\\", "\\\\").replace('"', '\\"')
        rc = self._file("muttrc", f"""
set imap_user="{account}"
set imap_pass="{escaped}"
set folder="imap://{self.host}/"
set spoolfile="+INBOX"
set ssl_starttls=no
set ssl_force_tls=no
set imap_authenticators="login"
set wait_key=no
set quit=yes
unset mark_old
{more}
""")
        in_terminal([program, "-n", "-F", rc], ["\n", "i", "q", "q"],
                    {**os.environ, "TERM": "xterm", "HOME": str(self.home)})

    def neomutt(self, account, password):
        self.mutt(account, password, "neomutt")

    def thunderbird(self, account, password):
        """As it starts, with nobody before it."""
        if not thunderbird.is_there():
            return False
        profile = self.home / "profile"
        if not profile.exists():
            thunderbird.make_profile(profile, self.host, account, password, sender(account))
        process = subprocess.Popen(["thunderbird", "--headless", "--no-remote", "--profile", str(profile)],
                                   env={**os.environ, "HOME": str(self.home)}, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(20)  # by then it has read; later it would look into more folders, each in a session of its own
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        return None

    # ---- Tools and libraries

    def _curl(self, account, password, *arguments, **options):
        self._call("curl", "-s", "--interface", self.address, "-u", f"{account}:{password}", *arguments, **options)

    def curl_list(self, account, password):
        self._curl(account, password, f"imap://{self.host}/")

    def curl_fetch(self, account, password):
        self._curl(account, password, f"imap://{self.host}/INBOX;UID=1")

    def imaplib_read(self, account, password):
        """The loop of a hundred scripts."""
        imap = imaplib.IMAP4(self.host, 143)
        imap.login(account, password)
        imap.select("INBOX", readonly=True)
        for number in imap.search(None, "ALL")[1][0].split()[:5]:
            imap.fetch(number, "(RFC822)")
        imap.logout()

    def imaplib_headers(self, account, password):
        imap = imaplib.IMAP4(self.host, 143)
        imap.login(account, password)
        imap.list()
        imap.select()
        imap.uid("FETCH", "1:*", "(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM)])")
        imap.logout()

    def imapclient_perl(self, account, password):
        """What imapsync does, with the library it is made of."""
        script = """
use Mail::IMAPClient;
my ($server, $user, $password) = @ARGV;
my $imap = Mail::IMAPClient->new(Server => $server, User => $user, Password => $password,
	Uid => 1, Peek => 1) or die;
my @folders = $imap->folders;
for my $folder (@folders) {
	$imap->examine($folder) or next;
	my @messages = $imap->messages or next;
	$imap->fetch_hash("RFC822.SIZE", "INTERNALDATE", "FLAGS");
	$imap->message_string($messages[0]);
}
$imap->logout;
"""
        self._call("perl", "-e", script, self.host, account, password)

    def imapflow(self, account, password):
        """From npm, where NODE_PATH finds it."""
        if not os.environ.get("NODE_PATH") or not shutil.which("node"):
            return False
        script = """
const { ImapFlow } = require('imapflow');
const [host, user, pass] = process.argv.slice(1);
(async () => {
  const imap = new ImapFlow({ host, port: 143, secure: false, doSTARTTLS: false, auth: { user, pass }, logger: false });
  await imap.connect();
  const lock = await imap.getMailboxLock('INBOX');
  for await (const m of imap.fetch('1:*', { envelope: true })) ;
  lock.release();
  await imap.logout();
})();
"""
        self._call("node", "-e", script, self.host, account, password)
        return None

    def imapfilter(self, account, password):
        """Rules over folders, in Lua."""
        if "\\" in password:
            return False  # which it does not escape: the server waits for the rest of the line
        escaped = password.replace("\\", "\\\\").replace('"', '\\"')
        rc = self._file("imapfilter.lua", f"""
options.timeout = 20
options.starttls = false
options.namespace = {'false' if self.prefix else 'true'}
far = IMAP {{ server = "{self.host}", username = "{account}", password = "{escaped}" }}
old = far.INBOX:is_older(10)
new = far.INBOX:is_unseen() * far.INBOX:contain_from("alena")
""")
        self._call("imapfilter", "-c", rc)

    def snail(self, account, password):
        """S-nail, by commands from its standard input."""
        self._call("s-nail", "-n", "-#", "-S", "v15-compat", "-f",
                   f"imap://{urllib.parse.quote(account, '')}:{urllib.parse.quote(password, '')}@{self.host}/INBOX",
                   input=b"headers\ntype 1\nexit\n")

    def alpine(self, account, password):
        rc = self._file("pinerc", f"""
inbox-path={{{self.host}/notls/user={account}}}INBOX
user-domain=example.org
feature-list=quell-user-lookup-in-passwd-file,quit-without-confirm
last-version-used=6.26
""")
        (self.home / "mail").mkdir(exist_ok=True)
        # The password, which is not to be kept; the message shown; the end.
        in_terminal(["alpine", "-p", rc, "-i"], [password + "\r", "n", "\r", "q", "y", "y"],
                    {**os.environ, **NO_RESOLVER, "HOME": str(self.home), "TERM": "xterm"})

    # ---- Programs that send

    def _sent(self, account):
        return self.accounts[account][1][0][1]

    def msmtp(self, account, password):
        escaped = password.replace("\\", "\\\\").replace('"', '\\"')
        rc = self._file("msmtprc", f"""
account lab
host {self.host}
port 587
from {sender(account)}
auth plain
tls off
user "{account}"
password "{escaped}"
account default : lab
""")
        self._call("msmtp", "-C", rc, "x@partner.example", "y@partner.example", input=self._sent(account))

    def swaks(self, account, password):
        self._call("swaks", "--server", self.host, "--port", "587", "--local-interface", self.address,
                   "--from", sender(account), "--to", "x@partner.example", "--auth", "LOGIN",
                   "--auth-user", account, "--auth-password", password)

    def curl_send(self, account, password):
        self._curl(account, password, f"smtp://{self.host}:587/client.example.org", "--mail-from", sender(account),
                   "--mail-rcpt", "x@partner.example", "--mail-rcpt", "y@partner.example",
                   "--upload-file", "-", input=self._sent(account))

    def smtplib_send(self, account, password):
        smtp = smtplib.SMTP(self.host, 587, local_hostname="client.example.org", source_address=(self.address, 0))
        smtp.login(account, password)
        smtp.sendmail(sender(account), ["x@partner.example"], self._sent(account))
        smtp.quit()
