"""History fixtures: the past of a plant at an emulated cloud with a stopped clock."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime

from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread


class Past:
    """An emulated cloud with a stopped clock, and its account; each cloud's tests say how a client of it is made."""

    emulation = None
    address = "url"

    def __init__(self, emulator, url):
        self.emulator, self.url = emulator, url
        self.holder = emulator.accounts[0]
        self.plants = {site.family: site for site in self.holder.plants}

    @classmethod
    @contextmanager
    def at(cls, start, zone=None):
        options = EmulatorOptions(start=datetime.fromisoformat(start), speed=0, accounts=1, zone=zone)
        emulator = build_emulator(options, [cls.emulation])
        with serve_in_thread(emulator) as ready:
            yield cls(emulator, ready[cls.address])

    def plant(self, family):
        return self.plants[family].id

    def truth(self, family, period):
        found = [home.energies(period) for home in self.plants[family].households]
        return {name: sum(one[name] for one in found) for name in found[0]}


def flowed(samples, metric, sign):
    """Return what a power of 5-minute steps comes to, kWh, counted one way only."""
    return sum(max(0.0, sign * one.values[metric]) for one in samples) / 12_000
