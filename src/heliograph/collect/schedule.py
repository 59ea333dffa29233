"""Poll schedule of an account: the next poll is when a new sample can exist and the budget allows it. Pure."""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

UPLOAD_LAG = 45.0
"""Seconds from a datalogger's upload until the cloud reports the sample."""
POLL_SHARE = 0.8
"""The part of the budget that polls may use; the rest is for gap filling."""
DAY, DAYLIGHT = 24 * 3600.0, 16 * 3600.0
"""Seconds over which the budget is spread: a battery reports all day, a temperate summer has 16 hours of sun."""
SLEEP_INTERVAL = 3600.0
"""Seconds between two polls of sleeping plants."""
MAX_WAIT = 3600.0
"""Seconds for which a newest sample with a wrong time may delay the next poll, or two uploads if that is longer."""
WARNING_FACTOR = 1.5
"""Warn if the budget stretches the configured interval by more than this factor."""


class PollPolicy(NamedTuple):
    """The configured interval of an account and the minimum of its vendor, in seconds."""

    min_interval: float
    interval: float | None = None
    """None polls when a new sample can exist."""


class PollStats(NamedTuple):
    """The facts after a poll that decide when the next one is."""

    newest: float | None
    """When the newest sample was measured."""
    sample_interval: float
    """Seconds between two uploads."""
    reporting: bool
    """Whether a plant is awake, or usually is at this hour."""
    has_battery: bool
    """Whether a plant has a battery, and so reports at night."""
    cost: float
    """Requests per poll."""
    daily: int
    """Requests allowed in 24 hours."""


def poll_interval(policy: PollPolicy, stats: PollStats) -> float:
    """Return the minimum seconds between two polls."""
    wanted = max(policy.interval or stats.sample_interval, policy.min_interval)
    awake = stats.reporting or stats.has_battery
    return max(wanted, min_affordable_interval(stats), 0.0 if awake else SLEEP_INTERVAL)


def min_affordable_interval(stats: PollStats) -> float:
    """Return the minimum seconds between two polls that the budget allows."""
    return stats.cost * (DAY if stats.has_battery else DAYLIGHT) / (stats.daily * POLL_SHARE)


class BudgetWarning:
    """Decides when to warn that the budget does not allow the configured interval."""

    def __init__(self) -> None:
        self._polls = 0
        """Consecutive polls whose interval the budget did not allow."""

    def due(self, interval: float | None, stats: PollStats) -> bool:
        """Return True if the warning is due after this poll.

        That is the second such poll in a row, as the first one after a login takes more requests; and not again before
        the budget has allowed the interval.
        """
        if interval is None:
            return False
        affordable = min_affordable_interval(stats)
        if affordable > interval * WARNING_FACTOR:
            self._polls += 1
            return self._polls == 2
        if affordable <= interval or self._polls < 2:
            self._polls = 0
        return False


def next_poll(now: float, policy: PollPolicy, stats: PollStats, name: str) -> float:
    """Return the time of the next poll after one at `now`; `name` shifts accounts so that they do not poll in step."""
    earliest = now + poll_interval(policy, stats)
    jitter = crc32(name.encode()) % 1000 / 1000 * min(UPLOAD_LAG, stats.sample_interval / 10)
    if stats.newest is None or policy.interval is not None or not (stats.reporting or stats.has_battery):
        return earliest + jitter
    # The next upload that is due by then: an earlier poll would only return the same sample again.
    # Limited, because a sample from the future would stop the polls until then.
    due = min(stats.newest + UPLOAD_LAG, now + max(2 * stats.sample_interval, MAX_WAIT))
    if due < earliest:
        due += -(-(earliest - due) // stats.sample_interval) * stats.sample_interval
    return due + jitter
