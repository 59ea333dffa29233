"""The clock of orders: the one place where they learn the time and wait; tests bring their own."""

from __future__ import annotations

import time


class Clock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return the moment, in epoch seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait on this thread."""
        time.sleep(seconds)

    async def pause(self, seconds: float) -> None:
        """Wait on this event loop."""
        from asyncio import sleep  # noqa: PLC0415 - the blocking form never needs it

        await sleep(seconds)
