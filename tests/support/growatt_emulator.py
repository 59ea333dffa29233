"""One emulated Growatt account to ask, with or without sockets."""

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


class Box:
    """An emulator with a stopped clock and a browser that is logged in."""

    def __init__(self, start=NOON, faults=(), accounts=1):
        options = EmulatorOptions(start=datetime.fromisoformat(start), speed=0, accounts=accounts, faults=tuple(faults))
        self.emulator = build_emulator(options, [EMULATION])
        self.holder = self.emulator.accounts[0]
        self.plants = {site.family: site for site in self.holder.plants}
        self.cookie = None

    def plant(self, family):
        return self.plants[family].id

    def device(self, family):
        return self.plants[family].devices[0]

    def home(self, family):
        return self.plants[family].households[0]

    def truth(self, family):
        return self.home(family).values(self.emulator.world.uploaded_at())

    def fault(self, **settings):
        self.emulator.faults.set(settings)

    def wait(self, **duration):
        clock = self.emulator.world.clock
        clock.set(clock.now() + timedelta(**duration))

    def told(self, verb, path, headers=None, **arguments):
        """Send one request with what a logged-in browser would send."""
        own = AGENT | ({"cookie": self.cookie} if self.cookie else {})
        target = f"/{path}" + ("&" if "?" in path else "?") + urlencode(arguments)
        return self.emulator.respond(verb, target, own if headers is None else headers)

    def get(self, path, **arguments):
        return json.loads(self.told("GET", path, **arguments).body)

    def post(self, path, **arguments):
        return json.loads(self.told("POST", path, **arguments).body)

    def log_in(self, password=None, username=None):
        told = self.told(
            "POST",
            "newTwoLoginAPI.do",
            userName=username or self.holder.username,
            password=hash_password(password or self.holder.password),
        )
        cookies = [value for name, value in told.headers if name == "Set-Cookie"]
        if cookies:
            self.cookie = cookies[0].partition(";")[0]
        return json.loads(told.body)["back"]


def box(start=NOON, faults=(), accounts=1):
    """Return a box whose browser is logged in."""
    found = Box(start, faults, accounts)
    found.log_in()
    return found


@contextmanager
def served(start=NOON, faults=()):
    """Yield a box behind a real socket, and our own client of it."""
    found = Box(start, faults)
    with serve_in_thread(found.emulator) as ready:
        who = found.holder
        yield found, Growatt(who.username, who.password, server=ready["growatt"], allow_commands=True)
