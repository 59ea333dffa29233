"""The money of a day: cost, income, savings and avoided CO2 of its energies; and the sums of several days."""

from __future__ import annotations

from calendar import monthrange
from typing import TYPE_CHECKING, Literal, NamedTuple

from heliograph.tariffs.spread import PriceSpan, energy_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from heliograph.tariffs.spread import Slot
    from heliograph.tariffs.tariff import Piece, Tariff

Span = Literal["day", "month", "year"]

MONEY = {
    "cost": "grid import at its prices, and the standing charge",
    "income": "grid export at its prices",
    "savings": "what the house would have cost without solar and battery, less its grid import",
    "co2": "avoided CO2 in kg: solar energy at the configured factor",
}
"""The sums of money, and the avoided CO2, with their meanings."""
_BATTERY = ("battery_charge_energy", "battery_discharge_energy")


class DayMoney(NamedTuple):
    """The money of a plant on one day; a value that is unknown is None."""

    day: date
    values: Mapping[str, float | None]


class PeriodMoney(NamedTuple):
    """The sums of the known days of a period, and the number of these days; None if no day is known."""

    currency: str
    values: Mapping[str, float | None]
    known: Mapping[str, int]
    days: int
    """Days of the period up to today."""

    @property
    def is_empty(self) -> bool:
        """Whether no value is known."""
        return all(value is None for value in self.values.values())


class DaySlots(NamedTuple):
    """The samples of a day by energy, like `grid_import_energy`, from its start up to its end or the present."""

    start: int
    end: int
    slots: Mapping[str, Sequence[Slot]] = {}


def day_values(
    energies: Mapping[str, float | None], pieces: Sequence[Piece], tariff: Tariff | None, day: DaySlots
) -> dict[str, float | None]:
    """Return the money of one day from its energies; `tariff` has its standing charge and CO2 factor.

    Own use is valued at the import price: the house's energy less the grid import, or without that energy the solar
    energy less the export. With a battery that is charged from the grid it is negative in the hours of charging.
    """
    buy = [PriceSpan(piece.start, piece.end, piece.rates.import_price) for piece in pieces]
    sell = [PriceSpan(piece.start, piece.end, piece.rates.export_price) for piece in pieces]

    def value(name: str, prices: Sequence[PriceSpan]) -> float | None:
        kwh = energies.get(name)
        return None if kwh is None else energy_value(kwh, day.slots.get(name, ()), prices, day.start, day.end)

    imported = value("grid_import_energy", buy)
    if energies.get("load_energy") is not None:
        savings = _difference(value("load_energy", buy), imported)
    elif all(energies.get(name) is None for name in _BATTERY):
        savings = _difference(value("pv_energy", buy), value("grid_export_energy", buy))
    else:
        savings = None
    solar, factor = energies.get("pv_energy"), None if tariff is None else tariff.co2
    return {
        "cost": None if imported is None or tariff is None else imported + tariff.gross_standing,
        "income": value("grid_export_energy", sell),
        "savings": savings,
        "co2": None if solar is None or factor is None else solar * factor / 1000,
    }


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def sum_money(currency: str, days: Iterable[DayMoney], total_days: int) -> PeriodMoney:
    """Return the sums of several days; a day whose value is unknown is not counted as 0, but as missing."""
    rows = list(days)
    columns = {name: [value for row in rows if (value := row.values[name]) is not None] for name in MONEY}
    return PeriodMoney(
        currency,
        {name: sum(column) if column else None for name, column in columns.items()},
        {name: len(column) for name, column in columns.items()},
        total_days,
    )


def group_money(
    currency: str, rows: Iterable[DayMoney], first: date, last: date, span: Span
) -> list[tuple[date, PeriodMoney]]:
    """Return the sums of each day, month or year from `first` to `last`, both included, with its first day.

    Periods without a known day are omitted.
    """
    found: dict[date, list[DayMoney]] = {}
    for row in rows:
        if first <= row.day <= last:
            found.setdefault(_first_day(row.day, span), []).append(row)
    return [
        (start, sum_money(currency, days, (min(last, _last_day(start, span)) - max(first, start)).days + 1))
        for start, days in found.items()
    ]


def _first_day(day: date, span: Span) -> date:
    return day if span == "day" else day.replace(day=1) if span == "month" else day.replace(month=1, day=1)


def _last_day(start: date, span: Span) -> date:
    if span == "day":
        return start
    return (
        start.replace(day=monthrange(start.year, start.month)[1])
        if span == "month"
        else start.replace(month=12, day=31)
    )
