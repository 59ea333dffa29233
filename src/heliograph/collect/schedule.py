"""Poll schedule of an account: how often each kind of request is due within the budget, and the next poll. Pure.

Most of the budget is spent in daylight. A poll has up to three parts (`PollLoad`): the requests of every poll, the
power flows of hybrids that are polled in rotation where the budget is short, and the slow counters.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from heliograph.errors import AccountLocked, Blocked, LoginFailed, StoreError, Throttled, Unreachable
from heliograph.vendors.base import PollLoad, PollRhythm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from heliograph.errors import HeliographError

RETRY_SECONDS, LOGIN_RETRY_SECONDS, LONG_RETRY_SECONDS = 60.0, 300.0, 900.0
UNUSABLE = "the cloud's response cannot be used"
UPLOAD_LAG = 45.0
"""Seconds from a datalogger's upload until the cloud reports the sample."""
UPLOAD_INTERVAL = 300.0
"""Seconds between two uploads of a datalogger; more frequent polls return the same sample."""
POLL_SHARE = 0.9
"""The part of the budget that polls may use; the rest is for gap filling."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 24 * 3600.0
NIGHT_INTERVAL = HOUR
"""Seconds between two polls at night."""
NIGHT_FLOW_INTERVAL, NIGHT_SLOW_INTERVAL = 3 * HOUR, 8 * HOUR
DAY_END = 10 * MINUTE
"""Seconds before local midnight at which the slow counters of plants with a battery are read: the day's energies."""
FLOW_INTERVAL = 90 * MINUTE
"""The longest interval of a hybrid's power flow, unless there are too many hybrids for the budget."""
FLOW_INTERVALS = (0.0, FLOW_INTERVAL, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY)
"""Seconds between two polls of each hybrid's power flow; 0 is every poll."""
SLOW_INTERVAL = 8 * HOUR
"""The longest interval of slow counters, unless there are too many plants for the budget."""
SLOW_INTERVALS = (HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 6 * HOUR, 8 * HOUR, DAY, 3 * DAY)
LIVE_INTERVAL = 14.5 * MINUTE
"""The longest interval of polls in daylight, if other intervals can be longer instead; a backfill leaves as much.

With the jitter that is one poll per 15 minutes.
"""
MIN_SHARE = 0.25
"""The part of the budget that polls use at least, however much other programs use."""
WARNING_FACTOR = 1.5
"""Warn if the budget stretches the configured interval by more than this factor."""
_BACKFILL_SLOW_INTERVAL = 4 * HOUR
"""Seconds between two polls of the slow counters for which a backfill leaves requests."""
_ROUNDING = 30.0
_FLOWS, _COUNTERS = 0.5, 0.25
"""How much a longer interval of flows or counters counts beside the interval of polls, as exponents."""
_DAWN, _DUSK = 5 * HOUR, 21 * HOUR
_TWILIGHT = HOUR / 2
_ENOUGH = 24
"""Half-hours with sun that a history must have before its first and last decide what is daylight."""


class PollPolicy(NamedTuple):
    """The configured interval of an account and the limits of its vendor, in seconds."""

    min_interval: float
    """The poll floor: nothing is polled more often."""
    interval: float | None = None
    """The configured interval; None is `usual_interval`."""
    usual_interval: float = 10 * MINUTE

    @property
    def wanted(self) -> float:
        """Seconds between two polls in daylight if the budget allows it."""
        return max(self.interval or self.usual_interval, self.min_interval)


class Daylight(NamedTuple):
    """The part of the day in which solar plants produce, in seconds since local midnight."""

    dawn: float = _DAWN
    dusk: float = _DUSK

    @property
    def length(self) -> float:
        """Seconds of daylight per day."""
        return self.dusk - self.dawn

    def includes(self, second: float) -> bool:
        """Return True if the time of day is in daylight."""
        return self.dawn <= second < self.dusk

    def until_change(self, second: float) -> float:
        """Return the seconds from a time of day until daylight begins or ends."""
        return min((change - second) % DAY or DAY for change in (self.dawn, self.dusk))


def daylight_of(sunny: Iterable[float]) -> Daylight:
    """Return the daylight of a plant from the times of day, in seconds, at which it produced in the last days.

    With little history it is from 5 to 21, the longest day of temperate latitudes.
    """
    times = sorted(sunny)
    if len(times) < _ENOUGH:
        return Daylight()
    # A single value at night, from a wrong clock or a wrong sign, is ignored.
    times = times[len(times) // 50 : len(times) - len(times) // 50]
    return Daylight(max(times[0] - _TWILIGHT, 0.0), min(times[-1] + _TWILIGHT, DAY))


@lru_cache(maxsize=1024)
def poll_rhythm(load: PollLoad, requests: float, light: float, wanted: float) -> PollRhythm:
    """Return the intervals in daylight that `requests` per day pay for.

    `light` is in seconds per day, `wanted` the shortest interval of polls in seconds. Of all affordable rhythms the one
    with the least delay is chosen; the interval of polls counts most.
    """
    rhythms = list(_affordable_rhythms(load, requests, light, wanted))
    if rhythms:
        return min(rhythms, key=lambda one: _delay(one, load))
    interval = max(wanted, DAY * (load.every_poll + load.flows + load.slow) / max(requests - load.daily, 1.0))
    return PollRhythm(interval, interval, interval)


def _affordable_rhythms(load: PollLoad, requests: float, light: float, wanted: float) -> Iterator[PollRhythm]:
    paid = requests - load.daily
    for flow_interval in FLOW_INTERVALS if load.flows else (0.0,):
        for slow_interval in SLOW_INTERVALS if load.slow else (HOUR,):
            left = paid - _night_requests(load, DAY - light, flow_interval, slow_interval)
            left -= light * load.slow / slow_interval
            left -= light * load.flows / flow_interval if flow_interval else 0.0
            each = load.every_poll + (0 if flow_interval else load.flows)
            if left <= 0:
                continue
            interval = max(wanted, _round_up(light * each / left))
            if interval <= max(flow_interval, slow_interval):
                yield PollRhythm(interval, max(flow_interval, interval), max(slow_interval, interval))


def _night_requests(load: PollLoad, dark: float, flow_interval: float, slow_interval: float) -> float:
    flows = load.night_flows / max(flow_interval, NIGHT_FLOW_INTERVAL)
    slow = dark / max(slow_interval, NIGHT_SLOW_INTERVAL) * load.night_slow
    if load.night_slow and slow_interval <= NIGHT_SLOW_INTERVAL:
        slow = max(slow, load.night_slow) + load.night  # read at the end of the day, by a poll of its own
    return dark * (load.night / NIGHT_INTERVAL + flows) + slow


def _delay(rhythm: PollRhythm, load: PollLoad) -> float:
    delay = rhythm.interval * max(rhythm.interval / LIVE_INTERVAL, 1.0)
    delay *= float((rhythm.slow_interval / HOUR) ** _COUNTERS) * max(rhythm.slow_interval / SLOW_INTERVAL, 1.0)
    if not load.flows:
        return delay
    in_rotation = float((rhythm.flow_interval / rhythm.interval) ** _FLOWS)
    return delay * in_rotation * max(rhythm.flow_interval / FLOW_INTERVAL, 1.0)


def _round_up(seconds: float) -> float:
    return -(-seconds // _ROUNDING) * _ROUNDING


def night_rhythm(day: PollRhythm, until_midnight: float = DAY) -> PollRhythm:
    """Return the intervals at night of an account with these intervals in daylight."""
    return PollRhythm(
        max(day.interval, NIGHT_INTERVAL),
        max(day.flow_interval, NIGHT_FLOW_INTERVAL),
        max(day.slow_interval, NIGHT_SLOW_INTERVAL),
        daylight=False,
        day_end=_reads_day_end(day) and until_midnight <= 2 * DAY_END,
    )


def night_wait(load: PollLoad, night: PollRhythm, daylight: Daylight, second: float, until_midnight: float) -> float:
    """Return the seconds until the next poll at night, sooner at the end of the day and when daylight begins."""
    wait = min(night.interval, daylight.until_change(second) + UPLOAD_INTERVAL)
    if load.night_slow and _reads_day_end(night) and until_midnight > 2 * DAY_END:
        return min(wait, until_midnight - DAY_END)
    return wait


def _reads_day_end(rhythm: PollRhythm) -> bool:
    return rhythm.slow_interval <= NIGHT_SLOW_INTERVAL


def needed_requests(load: PollLoad, light: float, wanted: float) -> float:
    """Return the requests per day that a backfill must leave to polls: one poll per `LIVE_INTERVAL` in daylight."""
    polls = light * load.every_poll / max(LIVE_INTERVAL, wanted)
    rotation = light * (load.flows / FLOW_INTERVAL + load.slow / _BACKFILL_SLOW_INTERVAL)
    night = _night_requests(load, DAY - light, FLOW_INTERVAL, _BACKFILL_SLOW_INTERVAL)
    return polls + rotation + night + load.daily


class BudgetWarning:
    """Decides when to warn that the budget does not allow the configured interval."""

    def __init__(self) -> None:
        self._polls = 0
        """Consecutive polls whose interval the budget did not allow."""

    def due(self, configured: float | None, affordable: float) -> bool:
        """Return True if the warning is due after this poll.

        That is the second such poll in a row, as the first one after a login takes more requests; and not again before
        the budget has allowed the interval.
        """
        if configured is None:
            return False
        if affordable > configured * WARNING_FACTOR:
            self._polls += 1
            return self._polls == 2
        if affordable <= configured or self._polls < 2:
            self._polls = 0
        return False


def jitter(name: str, interval: float) -> float:
    """Return the seconds by which an account's polls are shifted, so that accounts do not poll in step."""
    return crc32(name.encode()) % 1000 / 1000 * min(UPLOAD_LAG, interval / 40)


def wait_after(error: HeliographError) -> tuple[float, str]:
    """Return the seconds to wait after an error, and the reason in words."""
    if isinstance(error, Throttled):
        kinds = {AccountLocked: "locked", Blocked: "blocked by the cloud"}
        return max(error.retry_after, 1.0), kinds.get(type(error), error.message)
    if isinstance(error, LoginFailed):
        return LOGIN_RETRY_SECONDS, "the login failed"
    if isinstance(error, Unreachable):
        return RETRY_SECONDS, "the cloud cannot be reached"
    if isinstance(error, StoreError):
        return RETRY_SECONDS, "the store is unavailable"
    return LONG_RETRY_SECONDS, UNUSABLE
