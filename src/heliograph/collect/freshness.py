"""How fresh a sample is: live, late, asleep as expected, or missing though it should be there."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

DEFAULT_INTERVAL = 300.0
"""Loggers of both clouds upload every five minutes unless told otherwise."""

_LEEWAY = 300
_LATE = 3600
_HOUR = 3600
_DAY = 24 * _HOUR
_AWAKE = 6.0
"""Above this elevation in degrees every string inverter has woken; below it, cloud and roof decide."""
_ENOUGH_DAYS = 3
_NIGHT_ENDS, _NIGHT_BEGINS = 8, 17


class Freshness(StrEnum):
    """What the age of a sample means, given the sun and how often its device speaks."""

    LIVE = "live"
    STALE = "stale"
    OFFLINE_EXPECTED = "offline-expected"
    OFFLINE_UNEXPECTED = "offline-unexpected"


def freshness(
    measured_at: int | None, now: int, rhythm_seconds: float, sun: float | bool | None, *, has_battery: bool
) -> Freshness:
    """Judge the newest sample.

    `sun` is its elevation in degrees, or, where the plant's position is unknown, what `awake` says of this time of
    day, or None for nothing known: then nobody is expected to sleep. A battery keeps its inverter awake at night.
    """
    age = None if measured_at is None else now - measured_at
    if age is not None and age <= 2 * rhythm_seconds + _LEEWAY:
        return Freshness.LIVE
    if not has_battery and _may_sleep(sun):
        return Freshness.OFFLINE_EXPECTED
    if age is not None and age <= max(_LATE, 6 * rhythm_seconds):
        return Freshness.STALE
    return Freshness.OFFLINE_UNEXPECTED


def _may_sleep(sun: float | bool | None) -> bool:
    if isinstance(sun, bool):
        return not sun
    return sun is not None and sun < _AWAKE


def sample_interval(moments: Iterable[int]) -> float:
    """Return the usual seconds between samples; nights and gaps are rare enough not to count."""
    apart = [after - before for before, after in pairwise(sorted(set(moments))) if after - before <= _HOUR]
    return float(median(apart)) if len(apart) >= _ENOUGH_DAYS else DEFAULT_INTERVAL


def usually_reporting(moments: Iterable[int], now: int, zone: tzinfo) -> bool:
    """Say whether the plant is usually heard at this time of day: on most of its past days, within this hour.

    With fewer than three days to go by, the clock decides: from 8 to 17 it should be day anywhere people live.
    """
    today = _local(now, zone)
    minutes = today.hour * 60 + today.minute
    days: set[int] = set()
    heard: set[int] = set()
    for moment in moments:
        then = _local(moment, zone)
        if (day := then.toordinal()) < today.toordinal():
            days.add(day)
            if abs(then.hour * 60 + then.minute - minutes) <= 30:
                heard.add(day)
    if len(days) < _ENOUGH_DAYS:
        return _NIGHT_ENDS <= today.hour < _NIGHT_BEGINS
    return len(heard) * 2 > len(days)


def elevation(moment: int, latitude: float, longitude: float) -> float:
    """Return how high the sun stands, in degrees; needs the library of the extra "emulator"."""
    from astral import Observer  # noqa: PLC0415 - an extra, and slow to load
    from astral.sun import elevation as stands  # noqa: PLC0415 - likewise

    return float(stands(Observer(latitude, longitude), datetime.fromtimestamp(moment, UTC)))


def _local(moment: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(moment, UTC).astimezone(zone)
