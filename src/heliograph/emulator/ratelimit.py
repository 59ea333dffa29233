"""Rate limiting in the emulated clouds: sliding windows, lockouts, session lifetimes, and the firewall."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

_MAX_CLIENTS = 1000
MAX_COUNT = 100_000
"""Maximum number of events a window counts."""


class RateLimit(NamedTuple):
    """More than `most` requests within `span` are blocked for `pause`."""

    most: int
    span: timedelta
    pause: timedelta


class SlidingWindow:
    """Counts events within the last `span`; the simulated clock may be set back."""

    def __init__(self, span: timedelta) -> None:
        self._span = span
        self._times: deque[datetime] = deque(maxlen=MAX_COUNT)

    def add(self, now: datetime) -> int:
        """Count an event, and return the number of earlier ones in the window."""
        times = self._times
        while times and times[-1] > now:  # the clock was set back: these events are in the future
            times.pop()
        while times and times[0] <= now - self._span:
            times.popleft()
        times.append(now)
        return len(times) - 1

    def clear(self) -> None:
        """Remove all events."""
        self._times.clear()


class Lockout:
    """A lock that ends after a fixed time, with the total time it was locked."""

    def __init__(self, pause: timedelta) -> None:
        self._pause = pause
        self._since: datetime | None = None
        self._until: datetime | None = None
        self._total = timedelta()

    def attempt(
        self, now: datetime, window: SlidingWindow, most: int | None, *, extend: bool = False
    ) -> timedelta | None:
        """Count an attempt and lock after `most` in the window; return the remaining lock time, None if unlocked."""
        if self.remaining(now) is not None:
            if extend:
                self.lock(now)
        elif window.add(now) >= (MAX_COUNT + 1 if most is None else most):
            window.clear()
            self.lock(now)
        return self.remaining(now)

    def remaining(self, now: datetime) -> timedelta | None:
        """Return the remaining lock time, None while unlocked."""
        if self._since is None or self._until is None:
            return None
        remaining = self._until - now
        if timedelta() < remaining <= self._pause:
            return remaining
        # More than a whole pause remains only if the clock was set back to before the locking.
        self._end(self._until if remaining <= timedelta() else self._since)
        return None

    def lock(self, now: datetime) -> None:
        """Lock for the full time from now on, even if already locked."""
        if self.remaining(now) is None:
            self._since = now
        self._until = now + self._pause

    def unlock(self, now: datetime) -> None:
        """End the lock early."""
        if self.remaining(now) is not None:
            self._end(now)

    def total(self, now: datetime) -> timedelta:
        """Return the total time locked so far."""
        return self._total + (timedelta() if self.remaining(now) is None or self._since is None else now - self._since)

    def _end(self, at: datetime) -> None:
        if self._since is not None:
            self._total += max(timedelta(), at - self._since)
        self._since = self._until = None


@dataclass(slots=True)
class SessionLifetime:
    """The facts that determine when a session expires."""

    opened: datetime
    used: datetime
    fault_revision: int
    """Number of fault changes when the session was opened."""
    uses: int = 0
    ended: bool = False


class Firewall:
    """Per-client rate limits; the least recent clients are dropped."""

    def __init__(self) -> None:
        self._clients: OrderedDict[tuple[str, str, RateLimit], tuple[SlidingWindow, Lockout]] = OrderedDict()

    def blocks(self, vendor: str, client: str, limit: RateLimit, now: datetime) -> bool:
        """Count a request; return True if its client is blocked. Further requests extend the block."""
        key = (vendor, client, limit)
        if key not in self._clients:
            self._clients[key] = SlidingWindow(limit.span), Lockout(limit.pause)
        self._clients.move_to_end(key)
        if len(self._clients) > _MAX_CLIENTS:
            self._clients.popitem(last=False)
        window, lockout = self._clients[key]
        return lockout.attempt(now, window, limit.most, extend=True) is not None
