"""When to ask an account again: when new data can exist, and the budget allows it. Pure."""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

LAG = 45.0
"""Seconds from a logger's upload until its cloud tells of it."""
POLLS = 0.8
"""The part of the budget polls may have; the rest heals gaps."""
DAY, DAYLIGHT = 24 * 3600.0, 16 * 3600.0
"""Seconds over which the budget is spread: a battery never sleeps, the sun of temperate summers is up so long."""
ASLEEP = 3600.0
"""Seconds between two looks at plants that sleep."""

MUCH = 1.5
"""An interval that the budget makes so many times as long is not what the person asked for."""


class Pace(NamedTuple):
    """What an account's configuration and its cloud say of asking: both in seconds."""

    floor: float
    interval: float | None = None
    """As the person wants it; None is whenever new data can exist."""


class Seen(NamedTuple):
    """What is known after a poll."""

    newest: float | None
    """When the newest sample was measured."""
    rhythm: float
    """Seconds between two uploads."""
    awake: bool
    enduring: bool
    """Whether there is a battery, which has something to tell at night."""
    cost: float
    """Requests a poll takes."""
    daily: int
    """Requests a program may send in 24 hours."""


def spacing(pace: Pace, seen: Seen) -> float:
    """Return the least seconds between two polls."""
    wanted = max(pace.interval or seen.rhythm, pace.floor)
    return max(wanted, affordable(seen), 0.0 if seen.awake or seen.enduring else ASLEEP)


def affordable(seen: Seen) -> float:
    """Return the least seconds between two polls that the budget pays."""
    return seen.cost * (DAY if seen.enduring else DAYLIGHT) / (seen.daily * POLLS)


class Shortfall:
    """Whether the budget pays the configured interval, and whether that was told."""

    def __init__(self) -> None:
        self._polls = 0
        """How many in a row the budget could not pay."""

    def news(self, interval: float | None, seen: Seen) -> bool:
        """Tell whether it is to be said now, after a poll, that the interval is not paid.

        That is at the second poll in a row, as the first one after a login takes more requests than the others; and
        not again before the budget has paid the interval.
        """
        if interval is None:
            return False
        least = affordable(seen)
        if least > interval * MUCH:
            self._polls += 1
            return self._polls == 2
        if least <= interval or self._polls < 2:
            self._polls = 0
        return False


def next_poll(now: float, pace: Pace, seen: Seen, name: str) -> float:
    """Return when to ask next, after a poll at `now`; accounts of one program do not ask in step."""
    earliest = now + spacing(pace, seen)
    jitter = crc32(name.encode()) % 1000 / 1000 * min(LAG, seen.rhythm / 10)
    if seen.newest is None or pace.interval is not None or not (seen.awake or seen.enduring):
        return earliest + jitter
    # The next upload that is due by then: asking before it would only see the same sample again.
    due = seen.newest + LAG
    if due < earliest:
        due += -(-(earliest - due) // seen.rhythm) * seen.rhythm
    return due + jitter
