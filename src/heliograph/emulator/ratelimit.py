"""How an emulated cloud turns callers away: windows that count, doors that stay shut, and the lives of sessions."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.emulator.api import EmulatedAccount, RequestContext
    from heliograph.emulator.fault_values import RateLimit


_MINUTE = timedelta(minutes=1)
MAX_COUNT = 100_000
"""The most a window counts: what is more is as good as that."""


class SlidingWindow:
    """How often something happened within the time before now; pure, as a clock may be sent anywhere."""

    def __init__(self, span: timedelta) -> None:
        self._span = span
        self._times: deque[datetime] = deque(maxlen=MAX_COUNT)

    def add(self, now: datetime) -> int:
        """Count one more, and return how many there were before it."""
        times = self._times
        while times and times[-1] > now:  # the clock was sent back: that has not happened yet
            times.pop()
        while times and times[0] <= now - self._span:
            times.popleft()
        times.append(now)
        return len(times) - 1

    def clear(self) -> None:
        """Forget everything."""
        self._times.clear()


class Lockout:
    """Stays shut for a while after it was shut, and knows for how long it was so in all."""

    def __init__(self, pause: timedelta) -> None:
        self._pause = pause
        self._since: datetime | None = None
        self._until: datetime | None = None
        self._total = timedelta()

    def attempt(
        self, now: datetime, window: SlidingWindow, most: int | None, *, extend: bool = False
    ) -> timedelta | None:
        """Count a knock at an open door and shut it after `most` in the window; return how long it stays shut."""
        if self.remaining(now) is not None:
            if extend:
                self.lock(now)
        elif window.add(now) >= (MAX_COUNT + 1 if most is None else most):
            window.clear()
            self.lock(now)
        return self.remaining(now)

    def remaining(self, now: datetime) -> timedelta | None:
        """Return how long it stays shut, None while it is open."""
        if self._since is None or self._until is None:
            return None
        left = self._until - now
        if timedelta() < left <= self._pause:
            return left
        # More than a whole pause is left when the clock was sent back: it has not been shut yet.
        self._open(self._until if left <= timedelta() else self._since)
        return None

    def lock(self, now: datetime) -> None:
        """Shut it for its pause from now on, also when it is shut already."""
        if self.remaining(now) is None:
            self._since = now
        self._until = now + self._pause

    def unlock(self, now: datetime) -> None:
        """Open it before its time."""
        if self.remaining(now) is not None:
            self._open(now)

    def total(self, now: datetime) -> timedelta:
        """Return for how long it has been shut so far."""
        return self._total + (timedelta() if self.remaining(now) is None or self._since is None else now - self._since)

    def _open(self, at: datetime) -> None:
        if self._since is not None:
            self._total += max(timedelta(), at - self._since)
        self._since = self._until = None


def is_rate_limited(holder: EmulatedAccount, stage: RequestContext, rest: timedelta) -> bool:
    """Tell whether an account asked more within a minute than the fault `rate` allows, or has not rested since."""
    door = holder.state.setdefault("rate", Lockout(rest))
    window = holder.state.setdefault("minute", SlidingWindow(_MINUTE))
    allowed = stage.fault("rate")
    if allowed is None:
        door.unlock(stage.now())
    most = None if allowed is None else int(allowed or 0)
    return door.attempt(stage.now(), window, most) is not None


@dataclass(slots=True)
class SessionLifetime:
    """What decides how long a session lives."""

    opened: datetime
    used: datetime
    fault_revision: int
    """How often faults had been switched when it was opened."""
    uses: int = 0
    ended: bool = False


_MOST_CALLERS = 1000


class Firewall:
    """A door for every caller and limit; the callers of long ago are forgotten."""

    def __init__(self) -> None:
        self._callers: OrderedDict[tuple[str, str, RateLimit], tuple[SlidingWindow, Lockout]] = OrderedDict()

    def blocks(self, vendor: str, client: str, limit: RateLimit, now: datetime) -> bool:
        """Count a request, and tell whether its caller is shut out; to ask on keeps it so."""
        caller = (vendor, client, limit)
        if caller not in self._callers:
            self._callers[caller] = SlidingWindow(limit.span), Lockout(limit.pause)
        self._callers.move_to_end(caller)
        if len(self._callers) > _MOST_CALLERS:
            self._callers.popitem(last=False)
        window, door = self._callers[caller]
        return door.attempt(now, window, limit.most, extend=True) is not None
