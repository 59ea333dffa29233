"""Energies of days or months as a calm table, with a bar on each line for one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from heliograph.cli.table import MISSING
from heliograph.cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.cli.history import HistoryPeriod

# In the order they are left out where the terminal is narrow, the last one first.
_HEADINGS = {
    "pv_energy": "Sun",
    "load_energy": "House",
    "grid_import_energy": "Bought",
    "grid_export_energy": "Sold",
    "battery_charge_energy": "Charged",
    "battery_discharge_energy": "Discharged",
}
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SHORTEST, _LONGEST = 8, 40
_SPACE = 2


def history_table(name: str, rows: Sequence[HistoryPeriod], metric: str, width: int, encoding: str = "utf-8") -> Group:
    """Return a plant's table for a terminal this wide; what has no bar of its own and no room is left out."""
    known = [one for one in _HEADINGS if any(row.values.get(one) is not None for row in rows)]
    names = known if metric in known else [metric, *known]
    short = any(row.known < row.days for row in rows) and any(row.days > 1 for row in rows)
    while _width(names, rows, short=short) + _SHORTEST > width and len(names) > 1:
        names.remove([one for one in names if one != metric][-1])
    room = min(max(width - _width(names, rows, short=short), _SHORTEST), _LONGEST)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("Month" if any(row.days > 1 for row in rows) else "Day", no_wrap=True)
    for one in names:
        table.add_column(_heading(one), justify="right", no_wrap=True)
    if short:
        table.add_column("Days", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    highest = max((row.values.get(metric) or 0.0 for row in rows), default=0.0)
    for row in rows:
        bar = _bar(row.values.get(metric), highest, room, blocks="utf" in encoding.lower())
        days = [f"{row.known}/{row.days}"] if short else []
        table.add_row(_label(row), *(_amount(row.values.get(one)) for one in names), *days, bar)
    table.add_section()
    table.add_row("Sum", *(_amount(_sum(rows, one)) for one in names), *([""] if short else []), "")
    title = Text(printable(name), "bold")
    title.append(f"   kWh, bars are {_heading(metric).lower()}", "dim")
    notes = [Text("~ not final yet", "dim")] if any(row.known and not row.final for row in rows) else []
    return Group(title, table, *notes)


def _heading(metric: str) -> str:
    return _HEADINGS.get(metric, metric)


def _label(row: HistoryPeriod) -> str:
    return row.label + (" ~" if row.known and not row.final else "")


def _amount(value: float | None) -> Text:
    return Text(MISSING, "dim") if value is None else Text(f"{value:.1f}" if abs(value) < 9999.5 else f"{value:.0f}")


def _sum(rows: Sequence[HistoryPeriod], metric: str) -> float | None:
    column = [value for row in rows if (value := row.values.get(metric)) is not None]
    return sum(column) if column else None


def _width(names: Sequence[str], rows: Sequence[HistoryPeriod], *, short: bool) -> int:
    label = max((len(_label(row)) for row in rows), default=0)
    columns = [max(len(_heading(one)), *(len(_amount(value).plain) for value in _column(rows, one))) for one in names]
    return label + sum(columns) + (5 if short else 0) + _SPACE * (len(names) + 1 + short)


def _column(rows: Sequence[HistoryPeriod], metric: str) -> list[float | None]:
    return [*(row.values.get(metric) for row in rows), _sum(rows, metric)]


def _bar(value: float | None, highest: float, room: int, *, blocks: bool) -> str:
    """Draw a bar in eighths of a letter, so that small differences show."""
    if not value or value < 0 or highest <= 0:
        return ""
    if not blocks:
        return "#" * max(round(value / highest * room), 1)
    eighths = max(round(value / highest * room * 8), 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
