"""Collector fixtures: a clock that advances the emulator, and pollers of emulated accounts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from math import ceil

from heliograph import AsyncGoodWe, AsyncGrowatt
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.keeper import Keeper

USUAL = PollPolicy(180.0)
KINDS = {"growatt": AsyncGrowatt, "goodwe": AsyncGoodWe}


class Jumping:
    """The clock of one collector: once all tasks wait, it jumps to the earliest requested time."""

    def __init__(self, emulator, end):
        self.emulator = emulator
        self.end = end
        self.waiting = {}

    def now(self):
        return self.emulator.world.clock.now().timestamp()

    def go(self, time):
        self.emulator.world.clock.set(datetime.fromtimestamp(time, UTC))

    async def wait(self, until, stop):
        """Wait until a time of the simulated clock."""
        until = ceil(until)  # the emulator's clock has microseconds, and a float may lie between two
        event = asyncio.Event()
        self.waiting[event] = until
        self.jump(stop)
        try:
            await event.wait()
        finally:
            del self.waiting[event]

    def jump(self, stop):
        """Advance to the earliest requested time if all tasks wait."""
        if len(self.waiting) < self.workers:
            return
        earliest = min(self.waiting.values())
        if earliest >= self.end:
            stop.set()
        self.go(min(max(earliest, self.now()), self.end))
        for event, until in self.waiting.items():
            if until <= earliest or stop.is_set():
                event.set()

    workers = 1


def worker_of(account, ready, writer, clock, folder, *, pace=USUAL, **options):
    """Return the poller of an emulated account."""

    def connect():
        return KINDS[account["vendor"]](
            account["username"],
            account["password"],
            server=ready["url"],
            keeper=Keeper(folder),
            clock=clock.now,
            self_throttled=True,
        )

    return AccountPoller(account["username"], connect, writer, clock, pace, **options)
