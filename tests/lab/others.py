# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Courier and Exim, in the place of Dovecot and Postfix. Debian does not let two servers of a kind be
installed, so their packages, and what they need beside what is there, are only unpacked, and laid over /usr and
/etc in a mount namespace of their own: nothing of the machine changes. HAProxy stands in the clients' namespace
before those that know its protocol."""

import os
import pathlib
import re
import shutil
import subprocess

from network import SERVER_V4, run
from proxies import HAPROXY
from servers import MAIL_ID

AUTHDAEMON = """
authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
daemons=2
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
"""

EXIM = """
primary_hostname = mail.example.org
spool_directory = {dir}/spool
log_file_path = {dir}/exim/%slog
log_selector = +incoming_port +received_recipients +proxy
hosts_proxy = {proxy}
daemon_smtp_ports = 25 : 587
exim_user = nobody
exim_group = nogroup
keep_environment =
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
queue_only = true
smtp_accept_max = 0
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept
begin acl
check_rcpt:
  deny local_parts = ^gone.*
  accept
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if eq{{$auth3}}{{${{lookup{{$auth2}}lsearch{{{dir}/exim-passwords}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if eq{{$auth2}}{{${{lookup{{$auth1}}lsearch{{{dir}/exim-passwords}}}}}}}}
  server_set_id = $auth1
"""

START_COURIER_AND_EXIM = """
set -e
mount -t overlay overlay -o lowerdir={dir}/root/usr:/usr /usr
mount -t overlay overlay -o lowerdir={dir}/etc:/etc /etc
mount --bind {dir}/etc/courier /etc/courier
mount -t tmpfs tmpfs /run
mkdir -p /run/courier/authdaemon
makeuserdb
export LD_LIBRARY_PATH=/usr/lib/courier-authlib
/usr/lib/courier/courier-authlib/authdaemond >{dir}/auth.log 2>&1 &
until [ -S /run/courier/authdaemon/socket ]; do sleep 0.1; done
exim4 -C {dir}/exim.conf -bdf >{dir}/exim.err 2>&1 &
set -a
(
	. /etc/courier/pop3d.env
	POP3_STARTTLS=NO
	exec couriertcpd -maxprocs=100 -maxperip=100 -nodnslookup -noidentlookup 110 \\
		/usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir >{dir}/courier-pop.log 2>&1
) &
. /etc/courier/imapd.env
IMAP_STARTTLS=NO
IMAP_USELOCKS=0
exec couriertcpd -maxprocs=100 -maxperip=100 -nodnslookup -noidentlookup 143 \\
	/usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir >{dir}/courier.log 2>&1
"""


HAPROXY_CONFIG = """
defaults
  mode tcp
  timeout connect 20s
  timeout client 60s
  timeout server 60s
  unique-id-format %Ts-%rt
  source {proxy}
"""
BEFORE_EXIM = f"""
listen smtp
  bind {HAPROXY}:25
  server s {SERVER_V4}:25 send-proxy
listen submission
  bind {HAPROXY}:587
  server s {SERVER_V4}:587 send-proxy-v2 proxy-v2-options crc32c,unique-id
"""


class Unpacked:
    """Servers out of unpacked packages, as long as the with block lasts. accounts: name -> (password, messages)."""

    def __init__(self, network, folder, accounts):
        self.network = network
        self.dir = pathlib.Path(folder)
        self.accounts = accounts
        self.process = self.proxy = None

    def __enter__(self):
        self._unpack()
        self._configure()
        self._write("start.sh", self.START.format(dir=self.dir))
        self.process = self.network.popen(
            self.network.server, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh",
            str(self.dir / "start.sh"))
        if HAPROXY in self.network.client_addresses:
            self._write("haproxy.conf", HAPROXY_CONFIG.format(proxy=HAPROXY) + self.BEFORE)
            self.proxy = self.network.popen(self.network.client, "haproxy", "-db", "-f", str(self.dir / "haproxy.conf"),
                                            stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        for process in filter(None, (self.proxy, self.process)):
            process.kill()  # and with it all that it has started
            process.wait()

    def _unpack(self):
        packages = self.dir / "packages"
        packages.mkdir()
        would = run("apt-get", "-qq", "-s", "install", "--no-install-recommends", *self.PACKAGES)
        run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download",
            *re.findall(r"(?m)^Inst (\S+)", would), cwd=packages)
        for package in packages.iterdir():
            run("dpkg", "-x", str(package), str(self.dir / "root"))
        # Some packages still put into /lib what lies in /usr/lib.
        if (self.dir / "root/lib").exists():
            shutil.copytree(self.dir / "root/lib", self.dir / "root/usr/lib", symlinks=True, dirs_exist_ok=True)

    def _write(self, name, text, mode=0o644):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def _users(self, *users):
        """(name, id) that the servers run as."""
        for name in ("passwd", "group"):
            extra = "".join(f"{who}:x:{number}:" + (f"{number}::/:/bin/false" if name == "passwd" else "") + "\n"
                            for who, number in users)
            self._write(f"etc/{name}", pathlib.Path("/etc", name).read_text() + extra)


class Others(Unpacked):
    LOGS = ("courier", "exim")
    PORTS = (143, 110, 25, 587)
    PACKAGES = ("exim4-daemon-heavy", "courier-imap", "courier-pop", "courier-authlib-userdb")
    START = START_COURIER_AND_EXIM
    BEFORE = BEFORE_EXIM

    def _configure(self):
        self._users(("courier", MAIL_ID), ("Debian-exim", MAIL_ID))
        self._write("etc/courier/authdaemonrc", AUTHDAEMON)
        for name in ("imapd", "pop3d"):
            settings = (self.dir / "root/etc/courier" / name).read_text().splitlines()
            self._write(f"etc/courier/{name}.env", "".join(l + "\n" for l in settings if re.match(r"[A-Z_0-9]+=", l)))
        self._write("etc/courier/userdb", "".join(
            f"{name}\tuid={MAIL_ID}|gid={MAIL_ID}|home={self.dir}/mail/{name}|mail={self.dir}/mail/{name}/Maildir|"
            f"systempw={run('openssl', 'passwd', '-1', password).strip()}\n"
            for name, (password, _) in self.accounts.items()), 0o600)
        self._write("exim-passwords", "".join(f"{name}: {password}\n" for name, (password, _) in self.accounts.items()))
        self._write("exim.conf", EXIM.format(dir=self.dir, proxy=HAPROXY))
        for name in ("spool", "exim"):
            (self.dir / name).mkdir()
            os.chown(self.dir / name, MAIL_ID, MAIL_ID)
        for name, (_, messages) in self.accounts.items():
            box = self.dir / "mail" / name / "Maildir"
            for part in ("cur", "new", "tmp"):
                (box / part).mkdir(parents=True)
            for i, (date, content) in enumerate(messages):
                (box / "cur" / f"{int(date)}.{i:05}.mail.example.org:2,").write_bytes(content.replace(b"\r\n", b"\n"))
        run("chown", "-R", f"{MAIL_ID}:{MAIL_ID}", str(self.dir / "mail"))

    def logs(self):
        """(Courier's, Exim's) lines that say what a client did; nothing of this machine."""
        courier = [line for name in ("courier.log", "courier-pop.log")
                   for line in (self.dir / name).read_text().splitlines(True)]
        exim = (self.dir / "exim/mainlog").read_text().splitlines(True)
        return ("".join(l for l in courier if "LOG" in l and "127.0.0.1" not in l),
                "".join(l for l in exim if " <= " in l and "[127.0.0.1]" not in l or " rejected " in l or " authenticator failed " in l))
