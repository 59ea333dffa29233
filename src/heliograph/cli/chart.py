"""Table of daily or monthly energies, with a bar in each row for one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.cli.drawing import HEAD_RULE, Group, Table, Text
from heliograph.cli.table import MISSING
from heliograph.cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.tariffs.money import PeriodMoney

# On a narrow terminal, columns are omitted from the end.
_HEADINGS = {
    "pv_energy": "Solar",
    "load_energy": "House",
    "grid_import_energy": "Imported",
    "grid_export_energy": "Exported",
    "battery_charge_energy": "Charged",
    "battery_discharge_energy": "Discharged",
}
_MONEY = {"cost": "Cost", "income": "Income", "savings": "Savings", "co2": "CO2"}
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SHORTEST, _LONGEST = 8, 40
_SPACE = 2


class HistoryPeriod(NamedTuple):
    """The energies of a plant's day or month in kWh, and the number of its days with data."""

    label: str
    values: dict[str, float | None]
    known: int
    days: int
    final: bool
    provisional: frozenset[str] = frozenset()
    """The energies that no second reading has confirmed."""


def history_table(name: str, rows: Sequence[HistoryPeriod], metric: str, width: int, encoding: str = "utf-8") -> Group:
    """Return a plant's table for a terminal of this width; columns that do not fit are omitted, except for `metric`."""
    known = [name for name in _HEADINGS if any(row.values.get(name) is not None for row in rows)]
    names = known if metric in known else [metric, *known]
    partial = any(row.known < row.days for row in rows) and any(row.days > 1 for row in rows)
    while _width(names, rows, partial=partial) + _SHORTEST > width and len(names) > 1:
        names.remove([name for name in names if name != metric][-1])
    room = min(max(width - _width(names, rows, partial=partial), _SHORTEST), _LONGEST)
    table = Table(box=HEAD_RULE, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("Month" if any(row.days > 1 for row in rows) else "Day", no_wrap=True)
    for column in names:
        table.add_column(_heading(column), justify="right", no_wrap=True)
    if partial:
        table.add_column("Days", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    highest = max((row.values.get(metric) or 0.0 for row in rows), default=0.0)
    for row in rows:
        bar = _bar(row.values.get(metric), highest, room, blocks="utf" in encoding.lower())
        days = [f"{row.known}/{row.days}"] if partial else []
        table.add_row(_label(row), *(_cell(row, one) for one in names), *days, bar)
    table.add_section()
    table.add_row("Total", *(_amount(_sum(rows, one)) for one in names), *([""] if partial else []), "")
    title = Text(printable(name), "bold")
    title.append(f"   kWh (bars: {_heading(metric).lower()})", "dim")
    notes = [Text("~ provisional", "dim")] if any(row.known and not row.final for row in rows) else []
    return Group(title, table, *notes)


def money_table(name: str, rows: Sequence[HistoryPeriod], money: Mapping[str, PeriodMoney]) -> Group:
    """Return a plant's money for a terminal; a sum with an asterisk lacks days whose prices or hours are unknown."""
    table = Table(box=HEAD_RULE, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("Month" if any(row.days > 1 for row in rows) else "Day", no_wrap=True)
    for heading in _MONEY.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        one = money.get(row.label)
        table.add_row(_label(row), *(Text(MISSING, "dim") if one is None else _money_cell(one, key) for key in _MONEY))
    table.add_section()
    table.add_row("Total", *(_money_total(money, key) for key in _MONEY))
    title = Text(printable(name), "bold")
    title.append(f"   {next(iter(money.values())).currency}, CO2 avoided in kg", "dim")
    short = any(_is_short(one, key) for one in money.values() for key in _MONEY)
    notes = [Text("* without days whose prices, or hours of use, are unknown", "dim")] if short else []
    return Group(title, table, *notes)


def _is_short(one: PeriodMoney, key: str) -> bool:
    return one.values[key] is not None and one.known[key] < max(one.known.values())


def _money_cell(one: PeriodMoney, key: str) -> Text:
    value = one.values[key]
    return Text(MISSING, "dim") if value is None else Text(f"{'* ' if _is_short(one, key) else ''}{value:,.2f}")


def _money_total(money: Mapping[str, PeriodMoney], key: str) -> Text:
    known = [value for one in money.values() if (value := one.values[key]) is not None]
    star = "* " if any(_is_short(one, key) for one in money.values()) else ""
    return Text(f"{star}{sum(known):,.2f}") if known else Text(MISSING, "dim")


def _heading(metric: str) -> str:
    return _HEADINGS.get(metric, metric)


def _label(row: HistoryPeriod) -> str:
    return row.label + (" ~" if row.known and not row.final else "")


def _amount(value: float | None) -> Text:
    return Text(MISSING, "dim") if value is None else Text(f"{value:.1f}" if abs(value) < 9999.5 else f"{value:.0f}")


def _cell(row: HistoryPeriod, metric: str) -> Text:
    amount = _amount(row.values.get(metric))
    return Text("~") + amount if metric in row.provisional else amount


def _sum(rows: Sequence[HistoryPeriod], metric: str) -> float | None:
    column = [value for row in rows if (value := row.values.get(metric)) is not None]
    return sum(column) if column else None


def _width(names: Sequence[str], rows: Sequence[HistoryPeriod], *, partial: bool) -> int:
    label = max((len(_label(row)) for row in rows), default=0)
    columns = [
        max(len(_heading(one)), len(_amount(_sum(rows, one)).plain), *(len(_cell(row, one).plain) for row in rows))
        for one in names
    ]
    return label + sum(columns) + (5 if partial else 0) + _SPACE * (len(names) + 1 + partial)


def _bar(value: float | None, highest: float, room: int, *, blocks: bool) -> str:
    """Draw a bar in eighths of a character, so that small differences are visible."""
    if not value or value < 0 or highest <= 0:
        return ""
    if not blocks:
        return "#" * max(round(value / highest * room), 1)
    eighths = max(round(value / highest * room * 8), 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
