"""Collector fixtures: a simulated clock that moves an emulator's, and pollers of emulated accounts."""

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
    """A clock for one collector: whoever waits longest is not waited for; it jumps to the next moment anybody wants."""

    def __init__(self, emulator, end):
        self.emulator = emulator
        self.end = end
        self.waiting = {}

    def now(self):
        return self.emulator.world.clock.now().timestamp()

    def go(self, moment):
        self.emulator.world.clock.set(datetime.fromtimestamp(moment, UTC))

    async def wait(self, until, stop):
        """Wait until a moment: once everybody waits, the earliest goes on."""
        until = ceil(until)  # the emulator's clock has microseconds, and a float may lie between two
        turn = asyncio.Event()
        self.waiting[turn] = until
        self.jump(stop)
        try:
            await turn.wait()
        finally:
            del self.waiting[turn]

    def jump(self, stop):
        """Go to the earliest moment anybody waits for, if nobody is busy any more."""
        if len(self.waiting) < self.workers:
            return
        earliest = min(self.waiting.values())
        if earliest >= self.end:
            stop.set()
        self.go(min(max(earliest, self.now()), self.end))
        for turn, until in self.waiting.items():
            if until <= earliest or stop.is_set():
                turn.set()

    workers = 1


def worker_of(account, ready, writer, clock, folder, *, pace=USUAL, **options):
    """Return the worker of one of an emulator's accounts."""

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
