"""When to ask an account again: when new data can exist, and the budget allows it. Pure."""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

LAG = 45.0
"""Seconds from a logger's upload until its cloud tells of it."""
POLL_SHARE = 0.8
"""The part of the budget polls may have; the rest heals gaps."""
DAY, DAYLIGHT = 24 * 3600.0, 16 * 3600.0
"""Seconds over which the budget is spread: a battery never sleeps, the sun of temperate summers is up so long."""
ASLEEP = 3600.0
"""Seconds between two looks at plants that sleep."""

MUCH = 1.5
"""An interval that the budget makes so many times as long is not what the person asked for."""


class PollPolicy(NamedTuple):
    """What an account's configuration and its cloud say of asking: both in seconds."""

    min_interval: float
    interval: float | None = None
    """As the person wants it; None is whenever new data can exist."""


class PollStats(NamedTuple):
    """What is known after a poll."""

    newest: float | None
    """When the newest sample was measured."""
    sample_interval: float
    """Seconds between two uploads."""
    reporting: bool
    has_battery: bool
    """Whether there is a battery, which has something to tell at night."""
    cost: float
    """Requests a poll takes."""
    daily: int
    """Requests a program may send in 24 hours."""


def spacing(pace: PollPolicy, seen: PollStats) -> float:
    """Return the least seconds between two polls."""
    wanted = max(pace.interval or seen.sample_interval, pace.min_interval)
    return max(wanted, min_affordable_interval(seen), 0.0 if seen.reporting or seen.has_battery else ASLEEP)


def min_affordable_interval(seen: PollStats) -> float:
    """Return the least seconds between two polls that the budget pays."""
    return seen.cost * (DAY if seen.has_battery else DAYLIGHT) / (seen.daily * POLL_SHARE)


class BudgetWarning:
    """Whether the budget pays the configured interval, and whether that was told."""

    def __init__(self) -> None:
        self._polls = 0
        """How many in a row the budget could not pay."""

    def due(self, interval: float | None, seen: PollStats) -> bool:
        """Tell whether it is to be said now, after a poll, that the interval is not paid.

        That is at the second poll in a row, as the first one after a login takes more requests than the others; and
        not again before the budget has paid the interval.
        """
        if interval is None:
            return False
        least = min_affordable_interval(seen)
        if least > interval * MUCH:
            self._polls += 1
            return self._polls == 2
        if least <= interval or self._polls < 2:
            self._polls = 0
        return False


def next_poll(now: float, pace: PollPolicy, seen: PollStats, name: str) -> float:
    """Return when to ask next, after a poll at `now`; accounts of one program do not ask in step."""
    earliest = now + spacing(pace, seen)
    jitter = crc32(name.encode()) % 1000 / 1000 * min(LAG, seen.sample_interval / 10)
    if seen.newest is None or pace.interval is not None or not (seen.reporting or seen.has_battery):
        return earliest + jitter
    # The next upload that is due by then: asking before it would only see the same sample again.
    due = seen.newest + LAG
    if due < earliest:
        due += -(-(earliest - due) // seen.sample_interval) * seen.sample_interval
    return due + jitter
