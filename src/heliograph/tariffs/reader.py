"""Reads the money of a plant's days from its stored energies and, where prices change within a day, its samples."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError
from heliograph.eventlog import LogEvent
from heliograph.local_time import day_at, day_bounds, day_start
from heliograph.metrics import ENERGIES
from heliograph.tariffs.money import MONEY, DayMoney, DaySlots, day_values
from heliograph.tariffs.price_files import PriceFiles
from heliograph.tariffs.spread import Slot
from heliograph.tariffs.tariff import QUARTER, TariffPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, tzinfo
    from pathlib import Path

    from heliograph.store.base import Series, Store
    from heliograph.tariffs.tariff import Piece, PriceSource, PriceTable, Tariff

_log = logging.getLogger(__name__)

_METRICS = (
    ("grid_import_energy", "grid_power", 1),
    ("grid_export_energy", "grid_power", -1),
    ("load_energy", "load_power", 1),
    ("pv_energy", "pv_power", 1),
)
"""The energies that are valued, with the power whose positive or negative values they are."""
_COLUMNS = (*(f"{name}_today" for name, _, _ in _METRICS), *dict.fromkeys(power for _, power, _ in _METRICS))
_CHANGING_DAYS = 3
"""Days before today whose samples may still arrive; they are read each time."""
_MAX_CACHED = 20_000
_DAYS_PER_READ = 60


class _PlantDay(NamedTuple):
    """One day to value: its energies, bounds and prices."""

    day: date
    energies: Mapping[str, float | None]
    start: int
    end: int
    pieces: Sequence[Piece]

    @property
    def needs_samples(self) -> bool:
        return len(self.pieces) > 1


class MoneyToday(NamedTuple):
    """The money of a plant today, and the time of its last midnight."""

    currency: str
    since: int
    values: Mapping[str, float | None]


class MoneyReader:
    """Values stored days at the tariffs of their plant; used by one thread at a time."""

    def __init__(self, tariffs: Sequence[Tariff] = (), folder: Path | None = None) -> None:
        """Use these tariffs; `folder` is that of fetched prices."""
        self._tariffs = tariffs
        self._files = PriceFiles(folder)
        self._cache: dict[tuple[Series, date], tuple[object, DayMoney]] = {}
        self._today: dict[Series, tuple[object, MoneyToday]] = {}
        self.problems: dict[str, str] = {}
        """Why prices cannot be read, by their location."""

    def plan(self, series: Series, zone: tzinfo) -> TariffPlan | None:
        """Return the tariffs of a plant; None if there is none."""
        plan = TariffPlan(self._tariffs, series.plant, zone)
        return plan if plan.tariffs else None

    def currency(self, series: Series, zone: tzinfo) -> str | None:
        """Return the currency of a plant's tariffs; None without a tariff."""
        plan = self.plan(series, zone)
        return None if plan is None else plan.currency

    def today(
        self,
        store: Store,
        series: Series,
        zone: tzinfo,
        values: Mapping[str, float | None],
        measured_at: int | None,
        now: int,
    ) -> MoneyToday | None:
        """Return the money of today by the current `values` of a plant; None without a tariff."""
        currency = self.currency(series, zone)
        if currency is None:
            return None
        today = day_at(now, zone)
        energies = {name: values.get(f"{name}_today") for name in ENERGIES}
        key = (today, measured_at, *energies.values())
        if (known := self._today.get(series)) is None or known[0] != key:
            days = self.days(store, series, zone, today, today, measured_at or now, energies)
            found = days[0].values if days else dict.fromkeys(MONEY)
            known = self._today[series] = key, MoneyToday(currency, day_start(today, zone), found)
        return known[1]

    def days(
        self,
        store: Store,
        series: Series,
        zone: tzinfo,
        first: date,
        last: date,
        now: int,
        today: Mapping[str, float | None] | None = None,
    ) -> list[DayMoney]:
        """Return the money of the days with energies, measured or imported, both included; none without a tariff.

        `today` are the current energies of today, if they are newer than the stored ones.
        """
        plan = self.plan(series, zone)
        if plan is None:
            return []
        prices, current = self._prices(plan), day_at(now, zone)
        found: dict[date, DayMoney] = {}
        missing: list[_PlantDay] = []
        keys: dict[date, object] = {}
        energies = {one.day: (one.values, one.written_at) for one in store.known_days(series, first, last)}
        if today is not None and first <= current <= last:
            energies[current] = (today, now)
        tables = frozenset(prices.values())  # a changed file is another table
        for day in sorted(energies):
            if day > current:
                continue
            values, written_at = energies[day]
            key = keys[day] = (written_at, tuple(sorted(values.items())), tables)
            cached = self._cache.get((series, day))
            if cached is not None and cached[0] == key and (current - day).days > _CHANGING_DAYS:
                found[day] = cached[1]
                continue
            start, end = day_bounds(day, zone)
            end = min(end, max(now, start + 1))
            missing.append(_PlantDay(day, values, start, end, plan.pieces(start, end, prices)))
        for one, slots in _day_slots(store, series, missing):
            money = DayMoney(one.day, day_values(one.energies, one.pieces, plan.of_day(one.start, one.end), slots))
            found[one.day] = money
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            self._cache[series, one.day] = (keys[one.day], money)
        return [found[day] for day in sorted(found)]

    def _prices(self, plan: TariffPlan) -> dict[PriceSource, PriceTable]:
        """Return the tables of prices that can be read; the reason of any other is in `problems` and in the log."""
        tables: dict[PriceSource, PriceTable] = {}
        for source in {one.source for one in plan.tariffs if one.source is not None}:
            try:
                tables[source] = self._files.load(source)
                self.problems.pop(source.location, None)
            except ConfigError as error:
                if self.problems.get(source.location) != str(error):
                    self.problems[source.location] = str(error)
                    _log.warning(LogEvent("prices.unreadable", why=str(error)))
        return tables


def _day_slots(store: Store, series: Series, days: Sequence[_PlantDay]) -> Iterator[tuple[_PlantDay, DaySlots]]:
    """Yield each day with its samples in quarters of an hour, those of several days read at once where needed."""
    run: list[_PlantDay] = []
    for day in days:
        if not day.needs_samples:
            yield day, DaySlots(day.start, day.end)
        elif run and (run[-1].end != day.start or (day.start - run[0].start) % QUARTER or len(run) >= _DAYS_PER_READ):
            yield from _slots_of_run(store, series, run)
            run = [day]
        else:
            run.append(day)
    yield from _slots_of_run(store, series, run)


def _slots_of_run(store: Store, series: Series, run: Sequence[_PlantDay]) -> Iterator[tuple[_PlantDay, DaySlots]]:
    if not run:
        return
    place, columns = 0, {name: index for index, name in enumerate(_COLUMNS)}
    by_day: list[dict[str, list[Slot]]] = [{name: [] for name, _, _ in _METRICS} for _ in run]
    for bucket in store.buckets(series, _COLUMNS, run[0].start, run[-1].end, QUARTER):
        while bucket.starts_at >= run[place].end:
            place += 1
        for name, power, sign in _METRICS:
            counter, watts = bucket.high[columns[f"{name}_today"]], bucket.mean[columns[power]]
            by_day[place][name].append(
                Slot(bucket.starts_at, bucket.starts_at + QUARTER, counter, None if watts is None else sign * watts)
            )
    for day, found in zip(run, by_day, strict=True):
        yield day, DaySlots(day.start, day.end, found)
