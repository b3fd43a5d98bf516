# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""The same mail programs against Courier and Exim, and POP3; Exim behind HAProxy, too."""

import scenario_clients
from network import SERVER_V4
from others import Others
from proxies import HAPROXY, WEBMAIL

CLIENTS = [*scenario_clients.CLIENTS, HAPROXY, WEBMAIL]
SERVERS = Others


class Scenario(scenario_clients.Scenario):
    prefix = "INBOX."
    mechanisms = "LOGIN"  # which it uses in clear only when told to

    def more(self):
        return [
            (SERVER_V4, None, [self.fetchmail_pop3, self.getmail_pop3, self.mpop, self.curl_pop3, self.poplib_read]),
            (HAPROXY, "proxy_v1", [self.swaks_inbound, self.msmtp_inbound]),
            (HAPROXY, "proxy_v2", [self.smtplib_send, self.msmtp, self.swaks]),
        ]
