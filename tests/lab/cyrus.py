# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Cyrus IMAP and OpenSMTPD, unpacked as in others.py. Cyrus knows no Maildir: mail is appended to it before the
recording begins. OpenSMTPD offers AUTH behind TLS alone: what can be read of it is mail that comes in."""

import imaplib
import os
import pathlib
import pickle
import re
import sys

from network import SERVER_V4
from others import Unpacked
from proxies import HAPROXY
from servers import MAIL_ID, wait_for_greetings

HOST = "mail.example.org"

IMAPD = """
configdirectory: {dir}/cyrus
defaultpartition: default
partition-default: {dir}/spool
proc_path: {dir}/cyrus/proc
mboxname_lockpath: {dir}/cyrus/lock
altnamespace: no
unixhierarchysep: yes
virtdomains: userid
defaultdomain: localhost
allowplaintext: yes
allowapop: yes
sieveusehomedir: no
sievedir: {dir}/sieve
auditlog: yes
autocreate_quota: 0
autocreate_inbox_folders: Sent
failedloginpause: 0
servername: mail.example.org
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {dir}/sasldb
sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256
syslog_prefix: cyrus
"""

CYRUS = """
START {{
}}
SERVICES {{
  imap cmd="/usr/lib/cyrus/bin/imapd" listen="0.0.0.0:143" prefork=0 maxchild=100
  pop3 cmd="/usr/lib/cyrus/bin/pop3d" listen="0.0.0.0:110" prefork=0 maxchild=100
  sieve cmd="/usr/lib/cyrus/bin/timsieved" listen="0.0.0.0:4190" prefork=0 maxchild=100
}}
EVENTS {{
}}
"""

SMTPD = """
listen on 0.0.0.0 port 25 hostname mail.example.org
listen on 0.0.0.0 port 10025 hostname mail.example.org proxy-v2
action nowhere relay host smtp://127.0.0.1:9
match from any for rcpt-to "gone@example.org" reject
match from any for any action nowhere
"""

# Cyrus writes to /dev/log, and there is none.
LOGGER = """
import os, socket
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log, open("{dir}/cyrus.log", "ab", 0) as file:
    log.bind("/dev/log")
    os.chmod("/dev/log", 0o666)
    while True:
        file.write(log.recv(65536).rstrip(b"\\n\\0") + b"\\n")
"""

START = """
set -e
mount -t overlay overlay -o lowerdir={dir}/root/usr:/usr /usr
mount -t overlay overlay -o lowerdir={dir}/etc:/etc /etc
mkdir -p {dir}/dev
mount -t tmpfs tmpfs {dir}/dev
for node in null zero random urandom; do touch {dir}/dev/$node; mount --bind /dev/$node {dir}/dev/$node; done
ln -s /proc/self/fd {dir}/dev/fd
mount --rbind {dir}/dev /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/spool
mount -t tmpfs tmpfs /var/lib
mkdir -p /var/lib/opensmtpd/empty
mkdir -m 711 /var/spool/smtpd
python3 {dir}/logger.py &
until [ -S /dev/log ]; do sleep 0.1; done
while IFS=: read -r domain name password; do
	printf %s "$password" | saslpasswd2 -p -c -f {dir}/sasldb -u "$domain" "$name"
done <{dir}/passwords
chown cyrus {dir}/sasldb
smtpd -d -f {dir}/smtpd.conf >{dir}/opensmtpd.log 2>&1 &
/usr/lib/cyrus/bin/master -C /etc/imapd.conf -M /etc/cyrus.conf -p {dir}/cyrus.pid -D >{dir}/master.log 2>&1
"""


BEFORE_OPENSMTPD = f"""
listen smtp
  bind {HAPROXY}:25
  server s {SERVER_V4}:10025 send-proxy-v2 proxy-v2-options crc32c,unique-id
"""


class Cyrus(Unpacked):
    LOGS = ("cyrus", "opensmtpd")
    PORTS = (143, 110, 4190, 25)
    PACKAGES = ("cyrus-imapd", "cyrus-pop3d", "opensmtpd", "sasl2-bin", "libsasl2-modules", "libsasl2-modules-db")
    START = START
    BEFORE = BEFORE_OPENSMTPD

    def _configure(self):
        self._users(("cyrus", MAIL_ID), ("smtpd", 65532), ("opensmtpd", 65532), ("opensmtpq", 65531),
                    ("_smtpd", 65532), ("_smtpq", 65531))
        self._write("etc/imapd.conf", IMAPD.format(dir=self.dir))
        self._write("etc/cyrus.conf", CYRUS.format())
        self._write("etc/resolv.conf", "lookup file\nnameserver 127.0.0.1\n")  # who asks for names gets no answer at once
        self._write("smtpd.conf", SMTPD)
        self._write("logger.py", LOGGER.format(dir=self.dir))
        self._write("passwords", "".join(
            f"{name.partition('@')[2] or HOST}:{name.partition('@')[0]}:{password}\n"
            for name, (password, _) in self.accounts.items()), 0o600)
        (self.dir / "accounts").write_bytes(pickle.dumps(self.accounts))
        for name in ("cyrus", "spool", "sieve"):
            for part in ("", "db", "proc", "lock", "log", "msg", "ptclient", "socket", "quota", "user", "sync"):
                (self.dir / name / part).mkdir(exist_ok=True)
                os.chown(self.dir / name / part, MAIL_ID, MAIL_ID)

    def __enter__(self):
        super().__enter__()
        if self.network.popen(self.network.server, sys.executable, __file__, str(self.dir / "accounts")).wait():
            raise RuntimeError("Cyrus took no mail")
        self.n_before = (self.dir / "cyrus.log").stat().st_size
        return self

    def logs(self):
        """(Cyrus', OpenSMTPD's) lines that say what a client did; nothing of this machine."""
        cyrus = (self.dir / "cyrus.log").read_bytes()[self.n_before:].decode(errors="replace").splitlines()
        smtpd = (self.dir / "opensmtpd.log").read_text().splitlines(True)
        keep = re.compile(r"(?:bad)?login: (?!localhost)|auditlog: (?:traffic|append|expunge) |USAGE|client id ")
        return ("".join(re.sub(r"^<\d+>", "", line) + "\n" for line in cyrus if keep.search(line)),
                "".join(line for line in smtpd if " smtp " in line and "127.0.0.1" not in line))


def fill(accounts):
    """Run inside the servers' namespace."""
    wait_for_greetings([143])
    for name, (password, messages) in accounts.items():
        imap = imaplib.IMAP4("127.0.0.1")
        imap.login(name, password)
        for date, content in messages:
            imap.append("INBOX", None, imaplib.Time2Internaldate(date), content)
        imap.logout()


if __name__ == "__main__":
    fill(pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()))
