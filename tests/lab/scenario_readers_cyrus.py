# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""The same programs against Cyrus."""

import scenario_clients_cyrus

CLIENTS = scenario_clients_cyrus.CLIENTS
SERVERS = scenario_clients_cyrus.SERVERS


class Scenario(scenario_clients_cyrus.Scenario):
    readers = ("snail", "alpine")
