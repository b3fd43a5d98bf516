# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Two network namespaces joined by a veth pair: the servers' side and the clients' side."""

import os
import subprocess

SERVER_V4 = "192.0.2.25"
SERVER_V6 = "2001:db8::25"


def run(*command, **options):
    """Runs a command; what it wrote becomes part of the error when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}".strip())
    return done.stdout


class Network:
    """Lives as long as its with block; the names hold the process id, so that two can exist."""

    def __init__(self, client_addresses):
        self.server = f"postern-s-{os.getpid()}"
        self.client = f"postern-c-{os.getpid()}"
        self.client_addresses = client_addresses

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in (self.server, self.client):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def _build(self):
        for name in (self.server, self.client):
            run("ip", "netns", "add", name)
            # Neighbour discovery and duplicate address detection take seconds and prove nothing.
            self.inside(name, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0",
                        "net.ipv6.conf.default.accept_dad=0")
            self.inside(name, "ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "mail0", "netns", self.server, "type", "veth",
            "peer", "name", "users0", "netns", self.client)
        self._side(self.server, "mail0", "02:00:00:00:00:25", [SERVER_V4, SERVER_V6])
        self._side(self.client, "users0", "02:00:00:00:00:01", self.client_addresses)

    def _side(self, name, device, mac, addresses):
        self.inside(name, "ip", "link", "set", device, "address", mac)
        for address in addresses:
            length = "128" if ":" in address else "32"
            self.inside(name, "ip", "addr", "add", f"{address}/{length}", "dev", device)
        self.inside(name, "ip", "link", "set", device, "up")
        for family in ("-4", "-6"):
            self.inside(name, "ip", family, "route", "add", "default", "dev", device)
        # Segments as on a wire: no larger than the MTU, and with their checksums.
        self.inside(name, "ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off",
                    "tx", "off")

    @staticmethod
    def inside(name, *command, **options):
        return run("ip", "netns", "exec", name, *command, **options)

    @staticmethod
    def popen(name, *command, **options):
        """The process is the command itself: ip and unshare both end in exec. It sees a host of
        its own name, so that no log holds this machine's."""
        return subprocess.Popen(
            ["ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c",
             'hostname mail.example.org && exec "$0" "$@"', *command], **options)
