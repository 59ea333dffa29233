"""Snapshots as a calm table: two lines a plant where the terminal is narrow, one where it is wide."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from heliograph import metrics as m
from heliograph.cli.terminal import printable
from heliograph.model import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.metrics import Metric
    from heliograph.model import Snapshot

MISSING = "·"
WIDE = 116
LATE = timedelta(minutes=15)
"""Past this age a sample is marked; clouds get one every five minutes."""

# A heading, and the parts below each other in it. Numbers stand right, words left; only the first may be cut.
_Layout = tuple[tuple[str, tuple[str, ...]], ...]
_ONE_LINE: _Layout = (
    ("Plant", ("plant",)),
    ("Cloud", ("cloud",)),
    ("Status", ("status",)),
    ("Time", ("time",)),
    ("Sun", ("sun",)),
    ("House", ("house",)),
    ("Battery", ("battery",)),
    ("Charge", ("charge",)),
    ("Grid", ("way_grid",)),
    ("Today", ("today",)),
    ("Lifetime", ("lifetime",)),
)
_TWO_LINES: _Layout = (
    ("Plant", ("plant", "about")),
    ("Sun", ("sun",)),
    ("House", ("house",)),
    ("Battery", ("battery", "charge")),
    ("Grid", ("grid", "way")),
    ("Energy", ("today", "lifetime")),
)
_SHORT: _Layout = (
    ("Plant", ("plant",)),
    ("Sun", ("sun",)),
    ("House", ("house",)),
    ("Battery", ("battery",)),
    ("Charge", ("charge",)),
    ("Grid", ("way_grid",)),
    ("Today", ("today",)),
)
_HEAD_LINES = 2
_WORDS = ("Plant", "Cloud", "Status", "Time")
_SPACE = 2
_LONGEST_NAME = 32
_SHORTEST_NAME = 8
_LARGER = {"W": "kW", "kWh": "MWh"}
_STATUS_STYLES = {Status.ONLINE: "green", Status.STANDBY: "cyan", Status.FAULT: "bold red", Status.OFFLINE: "dim"}


def snapshot_table(snapshots: Sequence[Snapshot], width: int, height: int | None = None) -> Table:
    """Return the table of these plants for a terminal this wide; what has to fit a height may say less."""
    columns = _ONE_LINE if width >= WIDE else _TWO_LINES
    if columns is _TWO_LINES and height is not None and 2 * len(snapshots) + _HEAD_LINES > height:
        columns = _SHORT
    rows = [_cells(one, columns) for one in snapshots]
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, padding=(0, _SPACE - 1, 0, 0), pad_edge=False, header_style="dim"
    )
    for place, (heading, _) in enumerate(columns):
        cells = [row[place] for row in rows]
        table.add_column(
            heading,
            justify="left" if heading in _WORDS else "right",
            no_wrap=True,
            overflow="ellipsis",
            # The numbers keep their width, whatever the name has to give up for them.
            min_width=_SHORTEST_NAME if heading == "Plant" else max(map(_width, (*cells, Text(heading)))),
        )
    rest = sum(column.min_width or 0 for column in table.columns[1:]) + _SPACE * (len(columns) - 1)
    table.columns[0].max_width = max(_SHORTEST_NAME, min(_LONGEST_NAME, width - rest))
    for row in rows:
        table.add_row(*row)
    return table


def _cells(one: Snapshot, columns: _Layout) -> list[Text]:
    parts = _parts(one)
    return [Text("\n").join(parts[name] for name in names) for _, names in columns]


def _width(cell: Text) -> int:
    return max((line.cell_len for line in cell.split()), default=0)


def _parts(one: Snapshot) -> dict[str, Text]:
    status = Text(one.status.value, _STATUS_STYLES[one.status]) if one.status else Text(MISSING, "dim")
    cloud, measured = Text(one.plant.vendor, "dim"), _measured(one)
    way, grid = _flow(one, m.GRID_POWER, "import", "export")
    arrow, battery = _flow(one, m.BATTERY_POWER, "▼", "▲")
    return {
        "plant": Text(printable(one.plant.name or one.plant.id), "bold"),
        "cloud": cloud,
        "status": status,
        "time": measured,
        "about": Text(" · ", "dim").join((cloud, status, measured)),
        "sun": _value(one, m.PV_POWER, "yellow"),
        "house": _value(one, m.LOAD_POWER),
        "battery": Text(" ").join(filter(None, (arrow, battery))),
        "charge": _value(one, m.BATTERY_SOC, "dim"),
        "grid": grid,
        "way": way,
        "way_grid": Text(" ").join(filter(None, (way, grid))),
        "today": _value(one, m.PV_ENERGY_TODAY),
        "lifetime": _value(one, m.PV_ENERGY_TOTAL, "dim"),
    }


def _measured(one: Snapshot) -> Text:
    """Return the moment of the sample on the plant's own wall, marked when it is old."""
    if one.measured_at is None:
        return Text(MISSING, "dim")
    measured, fetched = (moment.astimezone(one.plant.zone) for moment in (one.measured_at, one.fetched_at))
    same_year = "%d %b" if measured.year == fetched.year else "%b %Y"
    form = "%H:%M" if measured.date() == fetched.date() else same_year
    return Text(measured.strftime(form), "yellow" if fetched - measured > LATE else "")


def _value(one: Snapshot, metric: Metric, style: str = "") -> Text:
    value = one.values.get(metric.name)
    return Text(MISSING, "dim") if value is None else Text(amount(value, metric.unit), style)


def _flow(one: Snapshot, metric: Metric, out: str, into: str) -> tuple[Text, Text]:
    """Return the direction of a power that goes both ways, and how much it is."""
    value = one.values.get(metric.name)
    if value is None:
        return Text(), Text(MISSING, "dim")
    way = "" if round(value) == 0 else out if value > 0 else into
    return Text(way, "dim"), Text(amount(abs(value), metric.unit))


def amount(value: float, unit: str) -> str:
    """Write a value with three digits, as a person reads it, in the unit that suits it.

    >>> amount(840, "W"), amount(3424, "W"), amount(12345, "W"), amount(0.5, "kWh"), amount(55, "%")
    ('840 W', '3.42 kW', '12.3 kW', '0.5 kWh', '55 %')
    >>> amount(12.34, "kWh"), amount(999.6, "kWh"), amount(81234, "kWh"), amount(999.6, "W"), amount(-0.2, "W")
    ('12.3 kWh', '1.00 MWh', '81.2 MWh', '1.00 kW', '0 W')
    """
    if unit not in _LARGER:
        return f"{value:.0f} {unit}"
    if abs(value) < 999.5:
        digits = 0 if unit == "W" or abs(value) >= 99.95 else 1
        return f"{round(value, digits) + 0.0:.{digits}f} {unit}"
    value /= 1000
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f} {_LARGER[unit]}"
