"""The money of the days to which the samples of a batch belong, for sinks that store it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from heliograph.local_time import day_at, day_start, zone_from_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from heliograph.store.base import Series, SeriesInfo, Store, StoredSample
    from heliograph.tariffs.reader import MoneyReader

_CORRECTED_DAYS = 3
"""Days before today whose energies may still be corrected: their money is sent again with today's."""


class PlantMoney(NamedTuple):
    """The money of a plant on one day, and the midnight at which it began."""

    series: Series
    currency: str
    since: int
    values: Mapping[str, float | None]


def money_of(
    reader: MoneyReader,
    store: Store,
    samples: Iterable[StoredSample],
    series_info: Mapping[Series, SeriesInfo],
    now: int,
) -> list[PlantMoney]:
    """Return the money of the days of these samples; none of a plant without a tariff."""
    times: dict[Series, set[int]] = {}
    for sample in samples:
        if not sample.series.device:
            times.setdefault(sample.series, set()).add(sample.measured_at)
    found: list[PlantMoney] = []
    for series, moments in times.items():
        info = series_info.get(series)
        zone = zone_from_name(info.zone if info else None)
        currency = reader.currency(series, zone)
        if currency is None:
            continue
        days, today = {day_at(moment, zone) for moment in moments}, day_at(now, zone)
        if today in days:
            days |= {today - timedelta(days=number) for number in range(1, _CORRECTED_DAYS + 1)}
        for first, last in _runs(sorted(days)):
            rows = reader.days(store, series, zone, first, last, now)
            found += (PlantMoney(series, currency, day_start(row.day, zone), row.values) for row in rows)
    return found


def _runs(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Yield the first and last day of each run of consecutive days."""
    first = last = days[0]
    for day in days[1:]:
        if day != last + timedelta(days=1):
            yield first, last
            first = day
        last = day
    yield first, last
