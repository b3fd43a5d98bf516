# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Dovecot and Postfix with configuration, queue, mail and logs of their own under one folder."""

import base64
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

from network import run

MAIL_ID = 65534  # whose files mail is: nobody's

DOVECOT = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
log_timestamp = "%s "
protocols = imap
listen = *, ::
hostname = mail.example.org
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5
auth_verbose = yes
auth_failure_delay = 0
auth_username_chars =
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = static
  args = uid={id} gid={id} home={dir}/mail/%u
}}
mail_location = maildir:~/Maildir
first_valid_gid = 1
mail_plugins = notify mail_log
plugin {{
  mail_log_events = delete undelete expunge copy save mailbox_create mailbox_delete
  mail_log_fields = uid box msgid size
}}
login_log_format_elements = user=<%u> method=%m rip=%r rport=%b lip=%l lport=%a mpid=%e %c session=<%{{session}}>
imap_logout_format = in=%i out=%o deleted=%{{deleted}} expunged=%{{expunged}} trashed=%{{trashed}} hdr_count=%{{fetch_hdr_count}} hdr_bytes=%{{fetch_hdr_bytes}} body_count=%{{fetch_body_count}} body_bytes=%{{fetch_body_bytes}} appended=%{{appended}}
service auth {{
  unix_listener {dir}/auth {{
    mode = 0666
  }}
}}
# Failures are what this lab is about: none is delayed.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

POSTFIX_MAIN = """
compatibility_level = 3.6
myhostname = mail.example.org
mydestination =
inet_interfaces = all
inet_protocols = all
queue_directory = {dir}/queue
data_directory = {dir}/postfix-data
maillog_file = {dir}/postfix.log
maillog_file_prefixes = {dir}
default_transport = discard:
virtual_transport = discard:
virtual_mailbox_domains = example.org
virtual_mailbox_maps = regexp:{dir}/postfix/recipients
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_client_port_logging = yes
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {dir}/auth
smtpd_tls_security_level = may
smtpd_tls_cert_file = {dir}/cert.pem
smtpd_tls_key_file = {dir}/key.pem
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
# How many recipients of a message are handed over at once does not matter here; the log is shorter.
default_destination_recipient_limit = 1000
"""

POSTFIX_MASTER = """
smtp inet n - n - - smtpd
submission inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

# Mail for people who left is refused.
POSTFIX_RECIPIENTS = "!/^gone.*@/ ok\n"


class Servers:
    """Both servers, as long as the with block lasts. accounts: name -> (password, messages)."""

    LOGS = ("dovecot", "postfix")
    PORTS = (143, 25, 587)
    KEEP = r"imap-login: |imap\(|auth: "
    # What a kind of platform adds to the configuration.
    DOVECOT_MORE = MAIN_MORE = MASTER_MORE = ""

    def __init__(self, network, folder, accounts):
        self.network = network
        self.dir = pathlib.Path(folder)
        self.accounts = accounts
        self.dovecot = None

    def __enter__(self):
        try:
            self._configure()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.dovecot:
            self.dovecot.send_signal(signal.SIGTERM)
            self.dovecot.wait()
            self.dovecot = None
        stop_postfix(self.network.server, self.dir)

    def _configure(self):
        names = {"dir": self.dir, "id": MAIL_ID}
        for name in ("run", "state", "mail", "postfix", "postfix-data", "queue"):
            (self.dir / name).mkdir()
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
            "-subj", "/CN=mail.example.org", "-keyout", str(self.dir / "key.pem"),
            "-out", str(self.dir / "cert.pem"))
        (self.dir / "dovecot.conf").write_text((DOVECOT + self.DOVECOT_MORE).format(**names))
        (self.dir / "users").write_text(
            "".join(f"{name}:{{PLAIN.b64}}{_base64(password)}\n"
                    for name, (password, _) in self.accounts.items()))
        for name, (_, messages) in self.accounts.items():
            self._fill(name, messages)
        (self.dir / "postfix/main.cf").write_text((POSTFIX_MAIN + self.MAIN_MORE).format(**names))
        (self.dir / "postfix/master.cf").write_text(POSTFIX_MASTER + self.MASTER_MORE)
        (self.dir / "postfix/recipients").write_text(POSTFIX_RECIPIENTS)
        run("chown", "postfix", str(self.dir / "postfix-data"))

    def _fill(self, name, messages):
        """A Maildir with the messages; their dates are the files'."""
        box = self.dir / "mail" / name / "Maildir"
        for part in ("cur", "new", "tmp"):
            (box / part).mkdir(parents=True)
        for i, (date, content) in enumerate(messages):
            path = box / "cur" / f"{int(date)}.{i:05}.mail.example.org:2,"
            path.write_bytes(content.replace(b"\r\n", b"\n"))
            os.utime(path, (date, date))
        run("chown", "-R", f"{MAIL_ID}:{MAIL_ID}", str(self.dir / "mail" / name))

    def _start(self):
        self.dovecot = self.network.popen(
            self.network.server, "dovecot", "-F", "-c", str(self.dir / "dovecot.conf"))
        start_postfix(self.network, self.network.server, self.dir)

    def logs(self):
        """(Dovecot's, Postfix's) lines that say what a client did; nothing of this machine."""
        dovecot = (self.dir / "dovecot.log").read_text().splitlines(True)
        postfix = (self.dir / "postfix.log").read_text().splitlines(True)
        keep = re.compile(self.KEEP)
        drop = re.compile(r"127\.0\.0\.1|postfix-script|/master\[|postlogd|tlsmgr|statistics:")
        return ("".join(l for l in dovecot if keep.search(l) and not drop.search(l)),
                "".join(l for l in postfix if not drop.search(l)))


def start_postfix(network, side, folder):
    """The instance whose configuration is in folder/postfix."""
    out = network.popen(side, "postfix", "-c", str(folder / "postfix"), "start",
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = out.communicate()[0].decode()
    if out.returncode:
        raise RuntimeError(f"Postfix did not start: {text}{_tail(folder / 'postfix.log')}")


def stop_postfix(side, folder):
    if (folder / "queue/pid/master.pid").exists():
        subprocess.run(["ip", "netns", "exec", side, "postfix", "-c", str(folder / "postfix"), "stop"],
                       capture_output=True)


def wait_for_greetings(ports, address="127.0.0.1", seconds=30):
    """Run inside the servers' namespace, so that it stays out of the capture."""
    end = time.monotonic() + seconds
    for port in ports:
        while True:
            try:
                with socket.create_connection((address, port), seconds) as s:
                    if s.recv(1):
                        break
            except OSError:
                pass
            if time.monotonic() > end:
                raise RuntimeError(f"no server on port {port}")
            time.sleep(0.2)


def _base64(text):
    return base64.b64encode(text.encode()).decode()


def _tail(path):
    return path.read_text()[-2000:] if path.exists() else ""


if __name__ == "__main__":
    wait_for_greetings(map(int, sys.argv[1:]))
