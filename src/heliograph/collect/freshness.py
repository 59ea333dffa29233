"""Freshness of a plant's newest sample: live, stale, or offline, expected or not."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from heliograph.store.base import MAX_AHEAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

DEFAULT_INTERVAL = 300.0
"""Dataloggers of both clouds upload every five minutes by default."""
PATTERN_WINDOW = 14 * 24 * 3600
"""Seconds of history that decide at which hours a plant usually reports."""

_LEEWAY = 300
_LATE = 3600
_HOUR = 3600
_AWAKE = 6.0
"""Solar elevation in degrees above which every string inverter runs; below it, cloud cover and roof decide."""
_ENOUGH_DAYS = 3
_NIGHT_ENDS, _NIGHT_BEGINS = 8, 17


class Freshness(StrEnum):
    """The meaning of a sample's age, given the sun and the upload interval of the device."""

    LIVE = "live"
    STALE = "stale"
    OFFLINE_EXPECTED = "offline-expected"
    OFFLINE_UNEXPECTED = "offline-unexpected"


def freshness(
    measured_at: int | None, now: int, interval: float, sun: float | bool | None, *, has_battery: bool
) -> Freshness:
    """Return the freshness of the newest sample.

    `interval` is the usual seconds between samples. `sun` is the solar elevation in degrees or, for an unknown
    position, the result of `usually_reporting`, or None if neither is known: then no sleep is expected. A battery keeps
    its inverter awake at night. A time ahead of `now` by more than clocks may differ is wrong: the age is unknown.
    """
    age = None if measured_at is None or measured_at > now + MAX_AHEAD else now - measured_at
    if age is not None and age <= 2 * interval + _LEEWAY:
        return Freshness.LIVE
    if not has_battery and _may_sleep(sun):
        return Freshness.OFFLINE_EXPECTED
    if age is not None and age <= max(_LATE, 6 * interval):
        return Freshness.STALE
    return Freshness.OFFLINE_UNEXPECTED


def _may_sleep(sun: float | bool | None) -> bool:
    if isinstance(sun, bool):
        return not sun
    return sun is not None and sun < _AWAKE


def sample_interval(sample_times: Iterable[int]) -> float:
    """Return the median seconds between samples; nights and gaps are too rare to matter."""
    distances = [after - before for before, after in pairwise(sorted(set(sample_times))) if after - before <= _HOUR]
    return float(median(distances)) if len(distances) >= _ENOUGH_DAYS else DEFAULT_INTERVAL


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


def elevation(at: int, latitude: float, longitude: float) -> float:
    """Return the solar elevation in degrees; needs the library of the extra "emulator"."""
    from astral import Observer  # noqa: PLC0415 - an optional extra, and slow to load
    from astral.sun import elevation as sun_elevation  # noqa: PLC0415 - the same extra

    return float(sun_elevation(Observer(latitude, longitude), datetime.fromtimestamp(at, UTC)))


def _local_time(at: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(zone)
