# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""The same mail programs against Courier and Exim."""

import scenario_clients
from others import Others

CLIENTS = scenario_clients.CLIENTS
SERVERS = Others


class Scenario(scenario_clients.Scenario):
    prefix = "INBOX."
    mechanisms = "LOGIN"  # which it uses in clear only when told to
