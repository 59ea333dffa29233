"""An emulated Growatt cloud with a stopped clock, called directly or over a socket."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import datetime, timedelta
from urllib.parse import urlencode

from heliograph.emulator.clouds.growatt import EMULATION
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.vendors.growatt import Growatt, hash_password

NOON = "2026-06-21T12:02:00+02:00"
AGENT = {"user-agent": "test"}


class EmulatedCloud:
    """An emulator with a stopped clock, and an HTTP client of its first account."""

    def __init__(self, start=NOON, faults=(), accounts=1, extra_plants=()):
        options = EmulatorOptions(
            start=datetime.fromisoformat(start),
            speed=0,
            accounts=accounts,
            faults=tuple(faults),
            extra_plants=tuple(extra_plants),
        )
        self.emulator = build_emulator(options, [EMULATION])
        self.holder = self.emulator.accounts[0]
        self.plants = {plant.family: plant for plant in self.holder.plants}
        self.cookie = None

    def plant(self, family):
        return self.plants[family].id

    def device(self, family):
        return self.plants[family].devices[0]

    def household(self, family):
        return self.plants[family].households[0]

    def true_values(self, family):
        return self.household(family).values(self.emulator.world.uploaded_at())

    def fault(self, **settings):
        self.emulator.faults.set(settings)

    def wait(self, **duration):
        clock = self.emulator.world.clock
        clock.set(clock.now() + timedelta(**duration))

    def send(self, verb, path, headers=None, **arguments):
        """Send a request with User-Agent and session cookie, and return the response."""
        client_headers = AGENT | ({"cookie": self.cookie} if self.cookie else {})
        target = f"/{path}" + ("&" if "?" in path else "?") + urlencode(arguments)
        return self.emulator.respond(verb, target, client_headers if headers is None else headers)

    def get(self, path, **arguments):
        return json.loads(self.send("GET", path, **arguments).body)

    def post(self, path, **arguments):
        return json.loads(self.send("POST", path, **arguments).body)

    def log_in(self, password=None, username=None):
        response = self.send(
            "POST",
            "newTwoLoginAPI.do",
            userName=username or self.holder.username,
            password=hash_password(password or self.holder.password),
        )
        cookies = [value for name, value in response.headers if name == "Set-Cookie"]
        if cookies:
            self.cookie = cookies[0].partition(";")[0]
        return json.loads(response.body)["back"]


def logged_in_cloud(start=NOON, faults=(), accounts=1, extra_plants=()):
    """Return an emulated cloud whose client is logged in."""
    cloud = EmulatedCloud(start, faults, accounts, extra_plants)
    cloud.log_in()
    return cloud


@contextmanager
def served_cloud(start=NOON, faults=(), extra_plants=(), **options):
    """Yield an emulated cloud behind a socket, and a Heliograph client of it."""
    cloud = EmulatedCloud(start, faults, extra_plants=extra_plants)
    with serve_in_thread(cloud.emulator) as ready:
        account = cloud.holder
        options = {"allow_commands": True} | options
        yield cloud, Growatt(account.username, account.password, server=ready["growatt"], **options)
