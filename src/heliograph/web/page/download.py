"""The data of a chart as CSV: energies and money of days or months, or powers in buckets."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import TYPE_CHECKING, Any

from heliograph.local_time import day_at, day_start
from heliograph.metrics import ENERGIES, published_value
from heliograph.tariffs.money import MONEY, group_money
from heliograph.web.page.format import to_local
from heliograph.web.page.history import POWERS, energy_bars, load_period
from heliograph.web.series import bucket_seconds, uniform_runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heliograph.current import PlantState
    from heliograph.store.base import Store
    from heliograph.tariffs.money import Span
    from heliograph.tariffs.reader import MoneyReader
    from heliograph.web.page.history import PeriodSelection

_POINTS = 2100
"""Buckets of a file: those of a week have five minutes, or fifteen where a clock change makes the week longer."""


def file_name(plant: str, view: PeriodSelection) -> str:
    """Return the name of the file, safe for every header and file system."""
    return f"heliograph-{safe_file_name(plant)}-{view.span}-{view.first.isoformat()}-{view.show}.csv"


def safe_file_name(name: str) -> str:
    """Return a name as part of a file's name.

    >>> safe_file_name("Größe 1/2")
    'Gr__e_1_2'
    """
    return re.sub(r"[^A-Za-z0-9-]", "_", name)[:60]


def csv_text(store: Store, plant: PlantState, view: PeriodSelection, now: int, money: MoneyReader) -> str:
    """Return the file: a header, then one row per day, month or bucket; a gap is an empty cell."""
    found = StringIO()
    rows = _powers(store, plant, view) if view.show == "power" else _energies(store, plant, view, now, money)
    csv.writer(found, lineterminator="\n").writerows(rows)
    return found.getvalue()


def _powers(store: Store, plant: PlantState, view: PeriodSelection) -> Iterable[list[Any]]:
    """Yield the mean of each metric; powers in W, the state of charge in %."""
    until = day_start(view.last, plant.zone) + 86400
    since = day_start(view.first, plant.zone)
    yield ["time", *POWERS]
    for start, end, step in uniform_runs(since, until, bucket_seconds(since, until, _POINTS), plant.zone):
        for bucket in store.buckets(plant.series, POWERS, start, end, step):
            yield [to_local(bucket.starts_at, plant.zone).isoformat(), *map(published_value, bucket.mean)]


def _energies(
    store: Store, plant: PlantState, view: PeriodSelection, now: int, money: MoneyReader
) -> Iterable[list[Any]]:
    """Yield the energies in kWh of each day or month with data and, with a tariff, its money."""
    past = load_period(store, plant.series, plant.zone, view, now)
    currency = money.currency(plant.series, plant.zone)
    by: Span = "month" if view.span == "year" else "day"
    last = min(view.last, day_at(now, plant.zone))
    days = money.days(store, plant.series, plant.zone, view.first, last, now)
    sums = dict(group_money(currency, days, view.first, last, by)) if currency else {}
    names = [f"{name}_kg" if name == "co2" else name for name in MONEY]
    yield [by, *(f"{name}_kwh" for name in ENERGIES), "days_known", *(["currency", *names] if currency else [])]
    for bar in energy_bars(past):
        if not bar.known_days:
            continue
        row = [bar.first.isoformat()[: 7 if by == "month" else 10], *(bar.values[name] for name in ENERGIES)]
        amounts = sums[bar.first].values if bar.first in sums else dict.fromkeys(MONEY)
        cells = [None if (value := amounts[name]) is None else round(value, 4) + 0.0 for name in MONEY]
        yield [*row, bar.known_days, *([currency, *cells] if currency else [])]
