# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""The programs that read mail against Cyrus, POP3, ManageSieve, COMPRESS and ID; mail to OpenSMTPD through HAProxy.
Programs that send with a login are refused there without TLS."""

import scenario_clients
from cyrus import Cyrus
from network import SERVER_V4
from proxies import HAPROXY, WEBMAIL

CLIENTS = [*scenario_clients.CLIENTS, HAPROXY, WEBMAIL]
SERVERS = Cyrus


class Scenario(scenario_clients.Scenario):
    prefix = "INBOX/"
    has_submission = False

    def more(self):
        return [
            (SERVER_V4, None, [self.fetchmail_pop3, self.getmail_pop3, self.mpop, self.curl_pop3, self.poplib_read,
                               self.apop, self.sieve_put, self.sieve_connect, self.mutt_deflate]),
            (WEBMAIL, "imap_id", [self.webmail]),
            (HAPROXY, "proxy_v2", [self.swaks_inbound, self.msmtp_inbound]),
        ]
