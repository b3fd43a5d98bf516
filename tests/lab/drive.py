# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""The clients' side of a recording, run by make.py inside the clients' namespace:
drive.py SCENARIO NOTES.json FOLDER, the last of which is the servers'"""

import importlib
import json
import pathlib
import sys


def main():
    scenario = importlib.import_module(f"scenario_{sys.argv[1]}").Scenario()
    scenario.servers = pathlib.Path(sys.argv[3])
    scenario.run()
    pathlib.Path(sys.argv[2]).write_text(json.dumps(scenario.notes, indent=1) + "\n")


main()
