# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""The programs that read mail against Cyrus; those that send are refused there without TLS."""

import scenario_clients
from cyrus import Cyrus

CLIENTS = scenario_clients.CLIENTS
SERVERS = Cyrus


class Scenario(scenario_clients.Scenario):
    prefix = "INBOX/"
    has_submission = False
