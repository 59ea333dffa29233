"""Monthly reports: the energies of a plant by day, or of a customer's plants, beside the month and the year before."""

from __future__ import annotations

import csv
import re
from calendar import monthrange
from datetime import date, timedelta
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError
from heliograph.local_time import EARLIEST_YEAR
from heliograph.metrics import ENERGIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.fleet.database import Run

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Characters by which a spreadsheet takes a text for a formula."""


class EnergySums(NamedTuple):
    """The known energies of some days in kWh; an energy that is unknown on all of them is None."""

    values: Mapping[str, float | None]
    days: int
    """Days whose solar energy is known."""


class PlantMonth(NamedTuple):
    """The month of one plant."""

    tenant: int
    series: int
    name: str
    peak_power: float | None
    sums: EnergySums
    month_before: EnergySums
    year_before: EnergySums

    @property
    def specific_yield(self) -> float | None:
        """Solar energy of the known days per size, in kWh/kWp."""
        energy = self.sums.values["pv_energy"]
        return None if energy is None or not self.peak_power else energy / self.peak_power


class DayEnergies(NamedTuple):
    """The energies of one day of one plant."""

    day: date
    values: Mapping[str, float | None]


class MonthReport(NamedTuple):
    """The report of one plant, with its days, or of a customer, with its plants."""

    first: date
    last: date
    plants: Sequence[PlantMonth]
    days: Sequence[DayEnergies] = ()

    @property
    def length(self) -> int:
        """Number of days of the month."""
        return (self.last - self.first).days + 1


def parse_month(text: str, today: date) -> date:
    """Return the first day of a month like 2026-05, default: of the last complete one; raises `ConfigError`.

    >>> parse_month("", date(2026, 6, 21)), parse_month("2026-06", date(2026, 6, 21))
    (datetime.date(2026, 5, 1), datetime.date(2026, 6, 1))
    """
    if not text:
        return (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text, re.ASCII):
        raise ConfigError(f"month must be a month like 2026-05; got {text[:20]!r}")
    year, month = int(text[:4]), int(text[5:])
    if not year >= EARLIEST_YEAR or (year, month) > (today.year, today.month):
        raise ConfigError(f"no data for the month {text}")
    return date(year, month, 1)


def month_end(first: date) -> date:
    """Return the last day of a month."""
    return first.replace(day=monthrange(first.year, first.month)[1])


def month_before(first: date) -> date:
    """Return the first day of the month before."""
    return (first - timedelta(days=1)).replace(day=1)


async def plant_report(run: Run, tenants: Sequence[int], tenant: int, series: int, first: date) -> MonthReport | None:
    """Return the report of a plant; None if these tenants have none of this number."""
    plants = await _plants(
        run, tenants, "plant.tenant = %(tenant)s AND plant.series = %(series)s", first, (tenant, series)
    )
    if not plants:
        return None
    columns = ", ".join(f"day.{name}" for name in ENERGIES)
    statement = f"""SELECT day.day, {columns} FROM day JOIN plant ON plant.series = day.series
        WHERE plant.tenant = ANY(%(tenants)s::bigint[]) AND plant.tenant = %(tenant)s AND plant.series = %(series)s
            AND day.day BETWEEN %(first)s AND %(last)s ORDER BY day.day"""  # noqa: S608 - constants
    values = {"tenants": list(tenants), "tenant": tenant, "series": series, "first": first, "last": month_end(first)}
    days = [
        DayEnergies(day, dict(zip(ENERGIES, energies, strict=True))) for day, *energies in await run(statement, values)
    ]
    return MonthReport(first, month_end(first), plants, days)


async def customer_report(
    run: Run, tenants: Sequence[int], tenant: int, customer: str, first: date
) -> MonthReport | None:
    """Return the report of a customer's plants, by name; None if these tenants have no such customer."""
    condition = "plant.tenant = %(tenant)s AND plant.customer = %(customer)s"
    plants = await _plants(run, tenants, condition, first, (tenant, customer))
    return MonthReport(first, month_end(first), plants) if plants and customer else None


async def _plants(
    run: Run, tenants: Sequence[int], condition: str, first: date, given: tuple[int, int | str]
) -> list[PlantMonth]:
    """Return the months of the plants that fulfil a condition about `given`, by name."""
    tenant, other = given
    year_before = first.replace(year=first.year - 1)
    periods = [first, month_before(first), year_before]
    sums = ", ".join(f"sum(day.{name})" for name in ENERGIES)
    statement = f"""
        SELECT plant.tenant, plant.series, plant.name, plant.peak_power, period.first, count(day.pv_energy), {sums}
        FROM plant CROSS JOIN unnest(%(firsts)s::date[], %(lasts)s::date[]) AS period (first, last)
        LEFT JOIN day ON day.series = plant.series AND day.day BETWEEN period.first AND period.last
        WHERE plant.tenant = ANY(%(tenants)s::bigint[]) AND {condition}
        GROUP BY plant.tenant, plant.series, period.first ORDER BY plant.sort_name, plant.series"""  # noqa: S608 - constants
    values = {
        "tenants": list(tenants),
        "firsts": periods,
        "lasts": [month_end(one) for one in periods],
        "tenant": tenant,
        "series": other,
        "customer": other,
    }
    found: dict[tuple[int, int], dict[date, EnergySums]] = {}
    described: dict[tuple[int, int], tuple[str, float | None]] = {}
    for number, series, name, peak_power, period, days, *energies in await run(statement, values):
        key = (number, series)
        described[key] = (name, peak_power)
        known = {one: None if kwh is None else round(kwh, 3) for one, kwh in zip(ENERGIES, energies, strict=True)}
        found.setdefault(key, {})[period] = EnergySums(known, days)
    return [PlantMonth(*key, *described[key], *(sums[one] for one in periods)) for key, sums in found.items()]


def plant_csv(report: MonthReport) -> str:
    """Return the days of a plant's report as CSV; a gap is an empty cell."""
    header = ["day", *(f"{name}_kwh" for name in ENERGIES)]
    return _csv(header, [[one.day.isoformat(), *one.values.values()] for one in report.days])


def customer_csv(report: MonthReport) -> str:
    """Return the plants of a customer's report as CSV; a gap is an empty cell."""
    energies = [f"{name}_kwh" for name in ENERGIES]
    header = ["plant", "peak_power_kwp", *energies, "kwh_per_kwp", "days_known", "days"]
    header += ["pv_energy_month_before_kwh", "pv_energy_year_before_kwh"]
    return _csv(
        header,
        [
            [
                one.name,
                one.peak_power,
                *one.sums.values.values(),
                None if one.specific_yield is None else round(one.specific_yield, 3),
                one.sums.days,
                report.length,
                one.month_before.values["pv_energy"],
                one.year_before.values["pv_energy"],
            ]
            for one in report.plants
        ],
    )


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    found = StringIO()
    writer = csv.writer(found, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    return found.getvalue()


def safe_cell(value: object) -> object:
    """Return a cell that no spreadsheet executes: names come from the cloud and from CSV files.

    >>> safe_cell("=HYPERLINK(1)"), safe_cell("Roof"), safe_cell(-3.5)
    ("'=HYPERLINK(1)", 'Roof', -3.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
