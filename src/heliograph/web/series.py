"""Time series for charts: samples aggregated into buckets that are parts of a day or whole days."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from math import fsum
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.local_time import day_at, day_bounds, day_start
from heliograph.metrics import published_value
from heliograph.web.schemas import iso_utc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, tzinfo

    from heliograph.store.base import Bucket, Series, Store

MAX_BUCKETS = 2000
"""Buckets per response."""

_DAY = 24 * 3600
_LENGTHS = (60, 300, 600, 900, 1800, 3600, 2 * 3600, 3 * 3600, 4 * 3600, 6 * 3600, 12 * 3600)


def bucket_seconds(since: int, until: int, points: int) -> int:
    """Return the shortest round bucket length that gives at most `points` buckets: minutes, hours, or whole days.

    >>> bucket_seconds(0, 86400, 500), bucket_seconds(0, 365 * 86400, 2000), bucket_seconds(0, 3650 * 86400, 500)
    (300, 21600, 691200)
    """
    least = -(-(until - since) // points)
    return next((one for one in _LENGTHS if one >= least), -(-least // _DAY) * _DAY)


def uniform_runs(since: int, until: int, seconds: int, zone: tzinfo) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and bucket length of runs of equal buckets, each run starting at a local midnight.

    A change of the plant's UTC offset ends a run. Buckets of whole days are as long as those days, so that a day of 23
    or 25 hours is one bucket. The first run starts with the bucket that contains `since`.
    """
    first, last = day_at(since, zone), day_at(max(until - 1, since), zone)
    days = (first + timedelta(days=past) for past in range((last - first).days + 1))

    def kind(day: date) -> int:
        start, end = day_bounds(day, zone)
        return start % seconds if seconds < _DAY else end - start

    for found, run in groupby(days, kind):
        step = seconds if seconds < _DAY else seconds // _DAY * found
        members = list(run)
        start, end = day_start(members[0], zone), day_bounds(members[-1], zone)[1]
        whole = max(since - start, 0) // step * step
        yield start + whole, min(end, until), step


def columns(
    store: Store, series: Series, zone: tzinfo, metrics: Sequence[str], since: int, until: int, points: int
) -> dict[str, Any]:
    """Return mean, minimum and maximum of each metric per bucket."""
    seconds = bucket_seconds(since, until, points)
    found = [
        one
        for start, end, step in uniform_runs(since, until, seconds, zone)
        for one in store.buckets(series, metrics, start, end, step)
    ]
    return {
        "seconds": seconds,
        "starts": [iso_utc(one.starts_at) for one in found],
        "metrics": {name: _column(found, place) for place, name in enumerate(metrics)},
    }


def measurement_columns(
    store: Store, series: Series, zone: tzinfo, metrics: Sequence[str], since: int, until: int, points: int
) -> dict[str, Any]:
    """Return mean, minimum and maximum of each device metric per bucket; texts are left out."""
    seconds = bucket_seconds(since, until, points)
    starts: list[int] = []
    columns: dict[str, list[MeasurementBucket]] = {name: [] for name in metrics}
    for start, end, step in uniform_runs(since, until, seconds, zone):
        rows = store.measurements(series, start, end)
        for number, group in groupby(rows, lambda row: (row.measured_at - start) // step):  # noqa: B023 - used at once
            starts.append(start + number * step)
            members = list(group)
            for name, column in columns.items():
                values = [value for row in members if isinstance(value := row.values.get(name), float)]
                column.append(_measurement_bucket(values))
    return {
        "seconds": seconds,
        "starts": [iso_utc(one) for one in starts],
        "metrics": {
            name: {
                "mean": [published_value(one.mean) for one in column],
                "low": [published_value(one.low) for one in column],
                "high": [published_value(one.high) for one in column],
            }
            for name, column in columns.items()
        },
    }


class MeasurementBucket(NamedTuple):
    """Mean, minimum and maximum of one device metric; None for a gap."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None


def _measurement_bucket(values: Sequence[float]) -> MeasurementBucket:
    return MeasurementBucket(fsum(values) / len(values), min(values), max(values)) if values else MeasurementBucket()


def _column(found: Sequence[Bucket], place: int) -> dict[str, list[float | None]]:
    return {
        "mean": [published_value(one.mean[place]) for one in found],
        "low": [published_value(one.low[place]) for one in found],
        "high": [published_value(one.high[place]) for one in found],
    }
