"""The table of snapshots: one line per plant on a wide terminal, two on a narrow one."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from heliograph import metrics as m
from heliograph.cli.drawing import HEAD_RULE, Table, Text
from heliograph.cli.terminal import printable
from heliograph.model import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from heliograph.metrics import Metric
    from heliograph.model import Snapshot

MISSING = "·"
WIDE = 116
STALE_AFTER = timedelta(minutes=15)
"""Older samples are highlighted; clouds receive one every five minutes."""

# Heading and cell lines of each column. Numbers are right-aligned; only the first column may be truncated.
_Layout = tuple[tuple[str, tuple[str, ...]], ...]
_ONE_LINE: _Layout = (
    ("Plant", ("plant",)),
    ("Cloud", ("cloud",)),
    ("Status", ("status",)),
    ("Time", ("time",)),
    ("Solar", ("solar",)),
    ("House", ("house",)),
    ("Battery", ("battery",)),
    ("Charge", ("charge",)),
    ("Grid", ("direction_grid",)),
    ("Today", ("today",)),
    ("Lifetime", ("lifetime",)),
)
_TWO_LINES: _Layout = (
    ("Plant", ("plant", "about")),
    ("Solar", ("solar",)),
    ("House", ("house",)),
    ("Battery", ("battery", "charge")),
    ("Grid", ("grid", "direction")),
    ("Today\nLifetime", ("today", "lifetime")),
)
_SHORT: _Layout = (
    ("Plant", ("plant",)),
    ("Solar", ("solar",)),
    ("House", ("house",)),
    ("Battery", ("battery",)),
    ("Charge", ("charge",)),
    ("Grid", ("direction_grid",)),
    ("Today", ("today",)),
)
_HEAD_LINES = 2
_LEFT_ALIGNED = ("Plant", "Cloud", "Status", "Time")
_GAP_WIDTH = 2
_MAX_NAME_WIDTH = 32
_MIN_NAME_WIDTH = 8
_LARGER_UNIT = {"W": "kW", "kWh": "MWh"}
_STATUS_STYLES = {Status.ONLINE: "green", Status.STANDBY: "cyan", Status.FAULT: "bold red", Status.OFFLINE: "dim"}


def snapshot_table(
    snapshots: Sequence[Snapshot],
    width: int,
    height: int | None = None,
    provisional: Mapping[tuple[str, str], Collection[str]] = MappingProxyType({}),
) -> Table:
    """Return a table that fits the terminal's width, and with `height` preferably its height.

    `provisional` has the counters of each vendor and plant id that no second reading has confirmed.
    """
    columns = _ONE_LINE if width >= WIDE else _TWO_LINES
    if columns is _TWO_LINES and height is not None and 2 * len(snapshots) + _HEAD_LINES + 1 > height:
        columns = _SHORT
    rows = [
        _cells(snapshot, columns, provisional.get((snapshot.plant.vendor, snapshot.plant.id), ()))
        for snapshot in snapshots
    ]
    table = Table(box=HEAD_RULE, show_edge=False, padding=(0, _GAP_WIDTH - 1, 0, 0), pad_edge=False, header_style="dim")
    for place, (heading, _) in enumerate(columns):
        cells = [row[place] for row in rows]
        table.add_column(
            heading,
            justify="left" if heading in _LEFT_ALIGNED else "right",
            no_wrap=True,
            overflow="ellipsis",
            # Numbers are never truncated; the name column shrinks instead.
            min_width=_MIN_NAME_WIDTH if heading == "Plant" else max(map(_width, (*cells, Text(heading)))),
        )
    rest = sum(column.min_width or 0 for column in table.columns[1:]) + _GAP_WIDTH * (len(columns) - 1)
    table.columns[0].max_width = max(_MIN_NAME_WIDTH, min(_MAX_NAME_WIDTH, width - rest))
    for row in rows:
        table.add_row(*row)
    return table


def _cells(snapshot: Snapshot, columns: _Layout, provisional: Collection[str]) -> list[Text]:
    parts = _parts(snapshot, provisional)
    return [Text("\n").join(parts[name] for name in names) for _, names in columns]


def _width(cell: Text) -> int:
    return max((line.cell_len for line in cell.split()), default=0)


def _parts(snapshot: Snapshot, provisional: Collection[str]) -> dict[str, Text]:
    status = Text(snapshot.status.value, _STATUS_STYLES[snapshot.status]) if snapshot.status else Text(MISSING, "dim")
    cloud, measured = Text(snapshot.plant.vendor, "dim"), _measured(snapshot)
    direction, grid = _flow(snapshot, m.GRID_POWER, "import", "export")
    arrow, battery = _flow(snapshot, m.BATTERY_POWER, "▼", "▲")
    return {
        "plant": Text(printable(snapshot.plant.name or snapshot.plant.id), "bold"),
        "cloud": cloud,
        "status": status,
        "time": measured,
        "about": Text(" · ", "dim").join((cloud, status, measured)),
        "solar": _value(snapshot, m.PV_POWER, "yellow"),
        "house": _value(snapshot, m.LOAD_POWER),
        "battery": Text(" ").join(filter(None, (arrow, battery))),
        "charge": _value(snapshot, m.BATTERY_SOC, "dim"),
        "grid": grid,
        "direction": direction,
        "direction_grid": Text(" ").join(filter(None, (direction, grid))),
        "today": _counter(snapshot, m.PV_ENERGY_TODAY, provisional),
        "lifetime": _counter(snapshot, m.PV_ENERGY_TOTAL, provisional, "dim"),
    }


def _measured(snapshot: Snapshot) -> Text:
    """Return the measurement time in the plant's time zone, highlighted if it is old."""
    if snapshot.measured_at is None:
        return Text(MISSING, "dim")
    times = snapshot.measured_at, snapshot.fetched_at
    measured, fetched = (time.astimezone(snapshot.plant.zone) for time in times)
    same_year = "%d %b" if measured.year == fetched.year else "%b %Y"
    time_format = "%H:%M" if measured.date() == fetched.date() else same_year
    return Text(measured.strftime(time_format), "yellow" if fetched - measured > STALE_AFTER else "")


def _value(snapshot: Snapshot, metric: Metric, style: str = "") -> Text:
    value = snapshot.values.get(metric.name)
    return Text(MISSING, "dim") if value is None else Text(amount(value, metric.unit), style)


def _counter(snapshot: Snapshot, metric: Metric, provisional: Collection[str], style: str = "") -> Text:
    value = _value(snapshot, metric, style)
    return Text("~", style) + value if metric.name in provisional else value


def _flow(snapshot: Snapshot, metric: Metric, out: str, into: str) -> tuple[Text, Text]:
    """Return the direction and the amount of a signed power."""
    value = snapshot.values.get(metric.name)
    if value is None:
        return Text(), Text(MISSING, "dim")
    direction = "" if round(value) == 0 else out if value > 0 else into
    return Text(direction, "dim"), Text(amount(abs(value), metric.unit))


def amount(value: float, unit: str) -> str:
    """Format a value with three significant digits in a suitable unit.

    >>> amount(840, "W"), amount(3424, "W"), amount(12345, "W"), amount(0.5, "kWh"), amount(55, "%")
    ('840 W', '3.42 kW', '12.3 kW', '0.5 kWh', '55 %')
    >>> amount(12.34, "kWh"), amount(999.6, "kWh"), amount(81234, "kWh"), amount(999.6, "W"), amount(-0.2, "W")
    ('12.3 kWh', '1.00 MWh', '81.2 MWh', '1.00 kW', '0 W')
    """
    if unit not in _LARGER_UNIT:
        return f"{value:.0f} {unit}"
    if abs(value) < 999.5:
        digits = 0 if unit == "W" or abs(value) >= 99.95 else 1
        return f"{round(value, digits) + 0.0:.{digits}f} {unit}"
    value /= 1000
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f} {_LARGER_UNIT[unit]}"
