"""Freshness of a plant's newest sample, judged by its age when the vendor API was last polled. Pure."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from math import inf
from statistics import median
from typing import TYPE_CHECKING

from heliograph.store.base import MAX_AHEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from heliograph.store.base import PollStatus

DEFAULT_INTERVAL = 300.0
"""Dataloggers of both clouds upload every five minutes by default."""
PATTERN_WINDOW = 14 * 24 * 3600
"""Seconds of history that decide at which hours a plant usually reports."""
POLL_GRACE = 600
"""Seconds after which a planned poll that has not happened is overdue."""

_MINUTE, _HOUR, _DAY = 60, 3600, 24 * 3600
_ENOUGH_DAYS = 3
_PROMPT = 10 * _MINUTE
"""Data that is usually older than this when it is fetched arrives late."""
_MARGIN = 25 * _MINUTE
"""A plant certainly reports only this long after its usual start and before its usual end: clouds and the season."""
_NEARBY = 2 * _HOUR
_NIGHT_ENDS, _NIGHT_BEGINS = 8, 17


class Freshness(StrEnum):
    """The meaning of a sample's age, given the polls, the daylight and the upload interval of the device."""

    LIVE = "live"
    STALE = "stale"
    NOT_POLLED = "not-polled"
    OFFLINE_EXPECTED = "offline-expected"
    OFFLINE_UNEXPECTED = "offline-unexpected"


def freshness(
    measured_at: int | None, poll: PollStatus | None, now: int, upload: float, reports_at: Callable[[int], bool]
) -> Freshness:
    """Return the freshness of the newest sample.

    `poll.polled_at` is when the vendor API last answered; only what it answered then can mean that a plant is offline.
    `upload` is the seconds between two uploads of the datalogger. `reports_at` returns whether the plant surely reports
    at a time; one with a battery does so at night too. A sample ahead of `now` by more than clocks
    may differ has a wrong time: its age is unknown.
    """
    if poll is None:
        return Freshness.NOT_POLLED
    age, age_when_polled = inf, inf
    if measured_at is not None and measured_at <= now + MAX_AHEAD:
        age, age_when_polled = now - measured_at, min(poll.polled_at, now) - measured_at
        if poll.unconfirmed:
            # The same values again, without a data time: a battery at rest, or an upload that is missing.
            age, age_when_polled = min(age, now - poll.polled_at), 0
    valid = valid_seconds(poll, upload)
    due = poll.polled_at + poll.interval if poll.reason else poll.next_at
    overdue = now > due + POLL_GRACE
    if overdue and now - poll.polled_at > valid:
        return Freshness.NOT_POLLED
    # Uploads that are a quarter of an hour late are usual at both clouds.
    late = 2 * upload + 12 * _MINUTE
    silent = age_when_polled > late
    if silent and not reports_at(poll.polled_at):
        not_polled_since_dawn = overdue and reports_at(now)
        return Freshness.NOT_POLLED if not_polled_since_dawn else Freshness.OFFLINE_EXPECTED
    # A silent datalogger is found within 45 minutes, unless two polls take longer. An answer without a data time is as
    # old as its upload when it is fetched, which the five minutes are for.
    if age_when_polled > max(4 * upload + 5 * _MINUTE, 40 * _MINUTE - poll.interval):
        return Freshness.OFFLINE_UNEXPECTED
    if age > valid:
        # The last poll of the evening, and the next is planned for the morning.
        return Freshness.NOT_POLLED if overdue or reports_at(now) else Freshness.OFFLINE_EXPECTED
    return Freshness.LIVE if age <= late or not (silent or overdue) else Freshness.STALE


def valid_seconds(poll: PollStatus | None, upload: float) -> float:
    """Return the seconds for which a live value is shown: three polls, at least an hour or four uploads."""
    return max(3 * poll.interval if poll else 0, _HOUR, 4 * upload + 5 * _MINUTE)


def surely_reports(slots: Sequence[int], at: int, zone: tzinfo) -> bool:
    """Return True if a plant without a battery reported before and after this time of day on most of 14 days.

    `slots` are the sorted results of `slots_of`. With fewer than three days the clock decides: from 9 to 16 it is day
    in every season.
    """
    days = inside = 0
    for past in range(at - _DAY, at - PATTERN_WINDOW - 1, -_DAY):
        if _any_between(slots, past - _DAY // 2, past + _DAY // 2):
            days += 1
            before = _any_between(slots, past - _NEARBY, past - _MARGIN)
            inside += before and _any_between(slots, past + _MARGIN, past + _NEARBY)
    return inside * 2 > days if days >= _ENOUGH_DAYS else 9 <= _local_time(at, zone).hour < 16


def slots_of(sample_times: Iterable[int]) -> list[int]:
    """Return the ten-minute slots with samples as epoch seconds of their start; the times must be sorted."""
    return list(dict.fromkeys(at - at % 600 for at in sample_times))


def _any_between(slots: Sequence[int], since: int, until: int) -> bool:
    place = bisect_left(slots, since)
    return place < len(slots) and slots[place] <= until


def sample_interval(sample_times: Iterable[int]) -> float:
    """Return the median seconds between samples; nights and gaps are too rare to matter."""
    distances = [after - before for before, after in pairwise(sorted(set(sample_times))) if after - before <= _HOUR]
    return float(median(distances)) if len(distances) >= _ENOUGH_DAYS else DEFAULT_INTERVAL


def upload_interval(sample_interval: float, poll_interval: float | None) -> float:
    """Return the probable seconds between two uploads, given the usual seconds between samples and between polls.

    Samples that are as far apart as the polls do not show how often the datalogger uploads.
    """
    if poll_interval is None or sample_interval > 1.5 * poll_interval:
        return sample_interval
    return min(sample_interval, DEFAULT_INTERVAL)


def arrival_delay(ages: Iterable[int]) -> float:
    """Return the usual seconds between a measurement and its fetch, given some of them; 0 if data arrives promptly.

    A prompt sample is as old as the datalogger's upload when it is fetched, which is part of the poll interval.
    """
    known = list(ages)
    delay = float(median(known)) if len(known) >= _ENOUGH_DAYS else 0.0
    return delay if delay > _PROMPT else 0.0


def usually_reporting(sample_times: Iterable[int], now: int, zone: tzinfo) -> bool:
    """Return True if the plant reported within half an hour of this time of day on most of its past days.

    With fewer than three past days the clock decides: from 8 to 17 it should be day anywhere people live.
    """
    today = _local_time(now, zone)
    minutes = today.hour * 60 + today.minute
    days: set[int] = set()
    reporting: set[int] = set()
    for sample_time in sample_times:
        then = _local_time(sample_time, zone)
        if (day := then.toordinal()) < today.toordinal():
            days.add(day)
            if abs(then.hour * 60 + then.minute - minutes) <= 30:
                reporting.add(day)
    if len(days) < _ENOUGH_DAYS:
        return _NIGHT_ENDS <= today.hour < _NIGHT_BEGINS
    return len(reporting) * 2 > len(days)


def has_battery(values: Mapping[str, float | None]) -> bool:
    """Return True if a battery is reported; its plant reports at night as well."""
    return any(values.get(name) is not None for name in ("battery_soc", "battery_power"))


def _local_time(at: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(zone)
