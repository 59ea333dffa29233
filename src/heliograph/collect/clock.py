"""The collector's clock: the one place where it learns the time and waits; a simulation brings its own."""

from __future__ import annotations

import asyncio
from time import time


class Clock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return the moment, in epoch seconds."""
        return time()

    async def wait(self, until: float, stop: asyncio.Event) -> None:
        """Wait until a moment, or until `stop` is set; a machine that slept wakes within a minute of its time."""
        while not stop.is_set() and (left := until - self.now()) > 0:
            try:
                await asyncio.wait_for(stop.wait(), min(left, 60.0))
            except TimeoutError:
                continue
