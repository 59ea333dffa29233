"""The simulated clock: a start time and a speed, based on the monotonic clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SimulatedClock:
    """A clock that runs at `speed` times real time; speed 0 stops it."""

    def __init__(self, start: datetime, speed: float = 1.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.speed = speed
        self._monotonic = monotonic
        self._start = start.astimezone(UTC)
        self._since = monotonic()

    def now(self) -> datetime:
        """Return the simulated time in UTC."""
        return self._at(self._monotonic())

    def set(self, now: datetime | None = None, speed: float | None = None) -> None:
        """Set the time, the speed, or both."""
        seconds = self._monotonic()
        self._start = self._at(seconds) if now is None else now.astimezone(UTC)
        self._since = seconds
        if speed is not None:
            self.speed = speed

    def _at(self, seconds: float) -> datetime:
        return self._start + timedelta(seconds=(seconds - self._since) * self.speed)
