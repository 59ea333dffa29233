"""The data of a plant's report: a year beside the last, this month beside the last, and the best and worst days."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError
from heliograph.local_time import EARLIEST_YEAR, day_at
from heliograph.tariffs.money import sum_money
from heliograph.web.page.format import split_energy, sum_energies
from heliograph.web.page.history import PeriodSelection, energy_bars, load_period

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.current import PlantState
    from heliograph.store.base import Day, Store
    from heliograph.tariffs.money import DayMoney, PeriodMoney
    from heliograph.tariffs.reader import MoneyReader
    from heliograph.web.page.history import Bar, PeriodData

_RANKED = 3
"""Best and worst days that are shown."""


class ReportPeriod(NamedTuple):
    """The sums of one period."""

    label: str
    first: date
    last: date
    sums: Mapping[str, float | None]
    known_days: int
    self_consumption: float | None
    """In percent, of those days of which both energies are known."""
    self_sufficiency: float | None
    money: PeriodMoney | None

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1


class Report(NamedTuple):
    """The report of a year."""

    year: int
    today: date
    years: Sequence[ReportPeriod]
    months: Sequence[ReportPeriod]
    """This month and the last one; empty for a past year."""
    best: Sequence[Day]
    worst: Sequence[Day]
    past: PeriodData
    bars: Sequence[Bar]
    month_money: Mapping[date, PeriodMoney]
    problems: Sequence[str]


def parse_year(query: Mapping[str, str], today: date) -> int:
    """Return the requested year, default: this year; raises `ConfigError`."""
    text = query.get("year", f"{today.year}")
    if not (text.isascii() and text.isdecimal() and len(text) == len("2026")):
        raise ConfigError(f"year must be a year like 2026; got {text[:20]!r}")
    if not EARLIEST_YEAR <= int(text) <= today.year:
        raise ConfigError(f"no data for the year {text}")
    return int(text)


def load_report(store: Store, plant: PlantState, year: int, now: int, money: MoneyReader) -> Report:
    """Return the report of a year, with the energies of that year and of the one before."""
    today = day_at(now, plant.zone)
    start, end = date(year - 1, 1, 1), min(date(year, 12, 31), today)
    days = store.known_days(plant.series, start, end)
    rows = money.days(store, plant.series, plant.zone, start, end, now)
    currency = money.currency(plant.series, plant.zone)

    def period(label: str, first: date, last: date) -> ReportPeriod:
        return _period(label, first, last, days, rows, currency)

    view = PeriodSelection("year", date(year, 1, 1), date(year, 12, 31), "energy")
    past = load_period(store, plant.series, plant.zone, view, now)
    whole = [one for one in days if one.day.year == year and one.final and one.values.get("pv_energy") is not None]
    ranked = sorted(whole, key=lambda one: one.values["pv_energy"] or 0.0)
    bars = energy_bars(past)
    sums = {bar.first: period("", bar.first, _month_end(bar.first)).money for bar in bars}
    return Report(
        year=year,
        today=today,
        years=[period(*one) for one in _compared_years(year, today)],
        months=[period(*one) for one in _compared_months(today)] if year == today.year else [],
        best=ranked[: -_RANKED - 1 : -1],
        worst=ranked[:_RANKED] if len(ranked) > 2 * _RANKED else [],
        past=past,
        bars=bars,
        month_money={first: one for first, one in sums.items() if one is not None},
        problems=tuple(money.problems.values()) if currency else (),
    )


def _compared_years(year: int, today: date) -> list[tuple[str, date, date]]:
    before = ("", date(year - 1, 1, 1), date(year - 1, 12, 31))
    if year < today.year:
        return [(f"{year}", date(year, 1, 1), date(year, 12, 31)), (f"{year - 1}", *before[1:])]
    same = date(year - 1, today.month, min(today.day, monthrange(year - 1, today.month)[1]))
    return [
        (f"{year} so far", date(year, 1, 1), today),
        (f"{year - 1} to {same.day} {same:%b}", before[1], same),
        (f"{year - 1}", *before[1:]),
    ]


def _compared_months(today: date) -> list[tuple[str, date, date]]:
    first = today.replace(day=1)
    end = first - timedelta(days=1)
    before = end.replace(day=1)
    same = min(end, before.replace(day=min(today.day, end.day)))
    return [
        (f"{first:%B} so far", first, today),
        (f"1–{same.day} {before:%B}", before, same),
        (f"{before:%B}", before, end),
    ]


def _month_end(first: date) -> date:
    return first.replace(day=monthrange(first.year, first.month)[1])


def _period(
    label: str, first: date, last: date, days: Sequence[Day], rows: Sequence[DayMoney], currency: str | None
) -> ReportPeriod:
    known = [one.values for one in days if first <= one.day <= last]
    with_data = [one for one in known if any(value is not None for value in one.values())]

    def share(total: str, grid: str) -> float | None:
        sums = sum_energies(one for one in known if one.get(total) is not None and one.get(grid) is not None)
        split = split_energy(sums[total], sums[grid])
        return split.share if split else None

    of_period = [row for row in rows if first <= row.day <= last]
    return ReportPeriod(
        label,
        first,
        last,
        sum_energies(known),
        len(with_data),
        share("pv_energy", "grid_export_energy"),
        share("load_energy", "grid_import_energy"),
        sum_money(currency, of_period, (last - first).days + 1) if currency else None,
    )
