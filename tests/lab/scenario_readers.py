# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""More programs that people read mail with, against Dovecot."""

import scenario_clients

CLIENTS = scenario_clients.CLIENTS


class Scenario(scenario_clients.Scenario):
    readers = ("snail", "alpine")
