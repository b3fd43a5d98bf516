# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Dovecot (IMAP, POP3, LMTP, ManageSieve) and Postfix as they stand behind proxies, and the proxies in the
clients' namespace, so that what is recorded is the wire between proxy and server: HAProxy, nginx, Dovecot
as a proxy, and Postfix as a gateway. Clients speak to them over their loopback interface."""

import http.server
import shutil
import subprocess
import sys

from network import SERVER_V4
from servers import MAIL_ID, POSTFIX_MASTER, Servers, start_postfix, stop_postfix

HAPROXY, NGINX, DOVECOT, GATEWAY, WEBMAIL = (f"198.51.100.{i}" for i in range(201, 206))
HAPROXY_V6 = "2001:db8:1::c9"
PROXIES = (HAPROXY, NGINX, DOVECOT, GATEWAY, WEBMAIL, HAPROXY_V6)
AUTH_PORT = 8099  # where nginx asks which server an account is on

BACKEND = f"""
protocols = imap pop3 lmtp sieve
mail_plugins = $mail_plugins zlib
auth_mechanisms = $auth_mechanisms apop
login_trusted_networks = {DOVECOT} {WEBMAIL}
haproxy_trusted_networks = {HAPROXY} {NGINX}
service imap-login {{{{
  inet_listener behind {{{{
    port = 10143
    haproxy = yes
  }}}}
}}}}
service pop3-login {{{{
  inet_listener behind {{{{
    port = 10110
    haproxy = yes
  }}}}
}}}}
service lmtp {{{{
  inet_listener lmtp {{{{
    port = 24
  }}}}
}}}}
protocol imap {{{{
  mail_plugins = $mail_plugins imap_zlib
}}}}
protocol pop3 {{{{
  pop3_logout_format = top=%t/%p, retr=%r/%b, del=%d/%m, size=%s
}}}}
protocol lmtp {{{{
  postmaster_address = postmaster@example.org
}}}}
plugin {{{{
  sieve = file:~/sieve;active=~/.dovecot.sieve
}}}}
"""

BACKEND_MAIN = f"""
smtpd_authorized_xclient_hosts = {NGINX}, {DOVECOT}, {WEBMAIL}
smtpd_authorized_xforward_hosts = {GATEWAY}
mynetworks = 127.0.0.0/8, {GATEWAY}
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
"""

BACKEND_MASTER = """10025 inet n - n - - smtpd
 -o smtpd_upstream_proxy_protocol=haproxy
"""

# The client's own name in TLS, and an id of its own, go on as TLVs of version 2.
HAPROXY_CONFIG = f"""
global
  stats socket {{dir}}/haproxy.socket
defaults
  mode tcp
  timeout connect 20s
  timeout client 60s
  timeout server 60s
  unique-id-format %Ts-%rt
  source {HAPROXY}
listen imap
  bind {HAPROXY}:143
  server s {SERVER_V4}:10143 send-proxy
listen pop3
  bind {HAPROXY}:110
  server s {SERVER_V4}:10110 send-proxy
listen smtp
  bind {HAPROXY}:25
  server s {SERVER_V4}:10025 send-proxy
listen imaps
  bind {HAPROXY}:993 ssl crt {{dir}}/both.pem
  bind [{HAPROXY_V6}]:993 ssl crt {{dir}}/both.pem
  server s {SERVER_V4}:10143 send-proxy-v2 proxy-v2-options authority,ssl,ssl-cipher,cert-key,crc32c,unique-id
listen submission
  bind {HAPROXY}:587
  bind [{HAPROXY_V6}]:587
  server s {SERVER_V4}:10025 send-proxy-v2 proxy-v2-options crc32c,unique-id
"""

NGINX_CONFIG = f"""
load_module modules/ngx_mail_module.so;
worker_processes 1;
daemon off;
user nobody nogroup;
pid {{dir}}/nginx.pid;
error_log {{dir}}/nginx.log;
events {{{{ }}}}
mail {{{{
  auth_http 127.0.0.1:{AUTH_PORT}/;
  proxy_pass_error_message on;
  server_name mail.example.org;
  server {{{{
    listen {NGINX}:143;
    protocol imap;
    proxy_protocol on;
  }}}}
  server {{{{
    listen {NGINX}:110;
    protocol pop3;
    proxy_protocol on;
  }}}}
  server {{{{
    listen {NGINX}:25;
    protocol smtp;
    smtp_auth none;
    xclient on;
  }}}}
  server {{{{
    listen {NGINX}:587;
    protocol smtp;
    smtp_auth login plain;
    xclient on;
  }}}}
}}}}
"""

DOVECOT_CONFIG = f"""
base_dir = {{dir}}/proxy/run
state_dir = {{dir}}/proxy/state
log_path = {{dir}}/proxy/dovecot.log
protocols = imap pop3 submission sieve
listen = {DOVECOT}
hostname = proxy.example.org
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
first_valid_gid = 1
submission_relay_host = {SERVER_V4}
passdb {{{{
  driver = static
  args = proxy=y host={SERVER_V4} source_ip={DOVECOT} nopassword=y
}}}}
userdb {{{{
  driver = static
  args = uid={{id}} gid={{id}} home={{dir}}/none
}}}}
service anvil {{{{
  unix_listener anvil-auth-penalty {{{{
    mode = 0
  }}}}
}}}}
"""

# Mail for the platform's own people goes straight to their boxes, all else to the inner server.
GATEWAY_MAIN = f"""
compatibility_level = 3.6
myhostname = gateway.example.org
mydestination =
inet_interfaces = {GATEWAY}
queue_directory = {{dir}}/gateway/queue
data_directory = {{dir}}/gateway/postfix-data
maillog_file = {{dir}}/gateway/postfix.log
maillog_file_prefixes = {{dir}}/gateway
alias_maps =
alias_database =
mynetworks = 198.51.100.0/24
smtpd_peername_lookup = no
smtpd_client_port_logging = yes
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [{SERVER_V4}]:25
transport_maps = inline:{{{{ example.org=lmtp:inet:[{SERVER_V4}]:24 }}}}
smtp_bind_address = {GATEWAY}
lmtp_bind_address = {GATEWAY}
smtp_send_xforward_command = yes
lmtp_send_xforward_command = yes
smtp_host_lookup = native
lmtp_host_lookup = native
minimal_backoff_time = 3600s
"""
GATEWAY_MASTER = POSTFIX_MASTER.replace("submission inet n - n - - smtpd\n", "") + """smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
"""


class Proxied(Servers):
    PORTS = (143, 25, 587, 110, 24, 4190)
    DOVECOT_MORE = BACKEND
    MAIN_MORE = BACKEND_MAIN
    MASTER_MORE = BACKEND_MASTER
    LOGS = ("dovecot", "postfix", "gateway")
    KEEP = r"imap-login: |imap\(|auth: |pop3-login: |pop3\(|managesieve-login: |managesieve\(|lmtp\("

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.proxies = []

    def _start(self):
        super()._start()
        side = self.network.client
        (self.dir / "both.pem").write_text((self.dir / "cert.pem").read_text() + (self.dir / "key.pem").read_text())
        for name in ("proxy/run", "proxy/state", "gateway/queue", "gateway/postfix", "gateway/postfix-data"):
            (self.dir / name).mkdir(parents=True)
        shutil.chown(self.dir / "gateway/postfix-data", "postfix")
        names = {"dir": self.dir, "id": MAIL_ID}
        for name, text in (("haproxy.conf", HAPROXY_CONFIG), ("nginx.conf", NGINX_CONFIG),
                           ("proxy/dovecot.conf", DOVECOT_CONFIG), ("gateway/postfix/main.cf", GATEWAY_MAIN)):
            (self.dir / name).write_text(text.format(**names))
        (self.dir / "gateway/postfix/master.cf").write_text(GATEWAY_MASTER)
        for command in ([sys.executable, __file__], ["haproxy", "-db", "-f", str(self.dir / "haproxy.conf")],
                        ["nginx", "-c", str(self.dir / "nginx.conf")],
                        ["dovecot", "-F", "-c", str(self.dir / "proxy/dovecot.conf")]):
            self.proxies.append(self.network.popen(side, *command, stderr=subprocess.DEVNULL))
        start_postfix(self.network, side, self.dir / "gateway")

    def __exit__(self, *_):
        for process in self.proxies:
            process.terminate()
            process.wait()
        stop_postfix(self.network.client, self.dir / "gateway")
        super().__exit__()

    def logs(self):
        gateway = (self.dir / "gateway/postfix.log").read_text().splitlines(True)
        return (*super().logs(), "".join(l for l in gateway if "relay=" in l or "client=" in l))


class WhichServer(http.server.BaseHTTPRequestHandler):
    """nginx asks here where an account's server is."""

    def do_GET(self):
        ports = {"imap": 10143, "pop3": 10110, "smtp": 587}
        self.send_response(200)
        for name, value in (("Auth-Status", "OK"), ("Auth-Server", SERVER_V4),
                            ("Auth-Port", str(ports[self.headers["Auth-Protocol"]]))):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", AUTH_PORT), WhichServer).serve_forever()
