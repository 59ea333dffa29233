"""One simulated clock for everything in this process: the emulated clouds, the collector, its outputs, the commands."""

from __future__ import annotations

import asyncio
from datetime import datetime

from heliograph.cli import backfill, collect, now, progress, status, stored
from heliograph.client import AccountClient
from heliograph.web import state
from support.collector_fixtures import Jumping

LOOK_SECONDS = 5.0
"""The interval at which services, such as MQTT, look for something new."""


class OneClock(Jumping):
    """A clock that jumps when all `workers` wait; services, which look every five seconds, are woken by each jump."""

    def __init__(self, emulator, end, workers):
        super().__init__(emulator, end)
        self.workers = workers
        self.services = set()
        self.released = False

    async def wait(self, until, stop):
        if self.released:
            return
        if round(until - self.now(), 3) != LOOK_SECONDS:
            await super().wait(until, stop)
            return
        event = asyncio.Event()
        self.services.add(event)
        try:
            await event.wait()
        finally:
            self.services.discard(event)

    def jump(self, stop):
        before = self.now()
        super().jump(stop)
        if self.now() != before:
            self.wake_services()

    def wake_services(self):
        for event in self.services:
            event.set()

    def leave(self, stop):
        """End the part of one worker."""
        self.workers -= 1
        if self.waiting:
            self.jump(stop)

    def release(self):
        """End all waits, now and from now on."""
        self.released = True
        for event in (*self.waiting, *self.services):
            event.set()


def use_one_clock(monkeypatch, clock):
    """Make all clients, commands and the page read this clock."""

    class Simulated(type):
        def __instancecheck__(cls, value):
            return isinstance(value, datetime)

    class SimulatedDatetime(datetime, metaclass=Simulated):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(clock.now(), tz)

    create = AccountClient.__init__

    def create_client(self, *arguments, **options):
        create(self, *arguments, **{**options, "clock": clock.now})

    monkeypatch.setattr(AccountClient, "__init__", create_client)
    for module in (backfill, now, progress, status):
        monkeypatch.setattr(module, "datetime", SimulatedDatetime)
    monkeypatch.setattr(stored, "time", clock.now)
    monkeypatch.setattr(collect, "Clock", lambda: clock)
    monkeypatch.setattr(state, "MAX_AGE", 0.0)  # the only limit in real time
