"""From the charts and statistics of both dialects to samples and energies of periods: our names, signs, units, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.errors import Unreadable
from heliograph.model import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from heliograph.local_time import EnergyRows, LocalDay
    from heliograph.metrics import Metric
    from heliograph.vendors.goodwe.legacy import charts_payloads as said
    from heliograph.vendors.goodwe.plus import payloads as plus


class ChartLine(NamedTuple):
    """What a line is of, how its sign turns to ours, and its unit where the cloud names none."""

    metric: Metric
    unit: str
    sign: int = 1


_CHART = {
    "PCurve_Power_PV": ChartLine(m.PV_POWER, "W"),
    "PCurve_Power_Meter": ChartLine(m.GRID_POWER, "W", -1),  # Quirk: negative is import here.
    "PCurve_Power_Battery": ChartLine(m.BATTERY_POWER, "W"),
    "PCurve_Power_Load": ChartLine(m.LOAD_POWER, "W"),
    "PCurve_Power_SOC": ChartLine(m.BATTERY_SOC, "%"),
}
INVERTER_COLUMNS = {
    # Quirk: on a hybrid Pac is what the sun gives, not what leaves it (Home Assistant integration, issue 107).
    "pv_power": ("Pac", ChartLine(m.PV_POWER, "W")),
    "battery_soc": ("Cbattery1", ChartLine(m.BATTERY_SOC, "%")),
    "pv_energy_today": ("Eday", ChartLine(m.PV_ENERGY_TODAY, "kWh")),
}
"""What an inverter's own curves can be of: our name, the portal's column and its meaning."""
# Quirk: nobody has published units and signs of these curves; they are read like the flow, which shares their names.
_PLUS_CURVES = {
    "pSystem": ChartLine(m.PV_POWER, "kW"),
    "pGrid": ChartLine(m.GRID_POWER, "kW", -1),
    "pBat": ChartLine(m.BATTERY_POWER, "kW"),
    "pConsum": ChartLine(m.LOAD_POWER, "kW"),
    "soc": ChartLine(m.BATTERY_SOC, "%"),
}
_PLUS_ENERGIES = {
    "proSystemTotalStats": "pv_energy",
    "proPurchaseStats": "grid_import_energy",
    "proGridStats": "grid_export_energy",
    "proCharStats": "battery_charge_energy",
    "proDischarStats": "battery_discharge_energy",
    "proConsumStats": "load_energy",
}
# Quirk: lines have a name for programs, a label for people ("Grid sell (kWh)"), or both; only the letters are compared.
_LINES = {
    "pvgeneration": "pv_energy",
    "generation": "pv_energy",
    "buy": "grid_import_energy",
    "gridbuy": "grid_import_energy",
    "sell": "grid_export_energy",
    "gridsell": "grid_export_energy",
    "charge": "battery_charge_energy",
    "discharge": "battery_discharge_energy",
    "consumption": "load_energy",
    "consumptionofload": "load_energy",
}

Told = tuple[str | None, Any]
"""A place on a line as the cloud writes it, and the value there."""


# Curves


def chart_curve(chart: said.PowerChart, wall: LocalDay) -> tuple[Sample, ...]:
    """Read a plant's day chart; empty where it draws no line we know."""
    return _samples(
        wall,
        [
            (_in_unit(_CHART[line.key], line.unit), [(point.x, point.body.get("y")) for point in line.points])
            for line in chart.lines
            if line.key in _CHART
        ],
    )


def power_curve(power: said.PowerDay, wall: LocalDay) -> tuple[Sample, ...]:
    """Read a plant's list of AC powers."""
    told = [(point.at, point.body.get("pac")) for point in power.points]
    return _samples(wall, [(ChartLine(m.AC_POWER, "W"), told)])


def column_curve(column: said.InverterColumn, meaning: ChartLine, wall: LocalDay) -> tuple[Sample, ...]:
    """Read one measured quantity of an inverter."""
    return _samples(wall, [(meaning, [(point.at, point.body.get("column")) for point in column.points])])


def plus_curve(curves: plus.PowerCurves, wall: LocalDay) -> tuple[Sample, ...]:
    """Read a plant's day of SEMS+."""
    return _samples(
        wall,
        [
            (_in_unit(_PLUS_CURVES[row.item], row.unit), [(one.moment, one.body.get("power")) for one in row.points])
            for row in curves.series
            if row.item in _PLUS_CURVES
        ],
    )


def _in_unit(meaning: ChartLine, unit: str | None) -> ChartLine:
    return meaning._replace(unit=unit) if unit else meaning


def _samples(wall: LocalDay, lines: Sequence[tuple[ChartLine, Iterable[Told]]]) -> tuple[Sample, ...]:
    """Lay lines over one another; what has not happened yet is absent, what was not measured is None."""
    curves = [(meaning, dict(_moments(told, meaning, wall))) for meaning, told in lines]
    moments = sorted({moment for _, points in curves for moment in points if moment <= wall.now})
    return tuple(
        Sample(moment=moment, values={meaning.metric.name: points.get(moment) for meaning, points in curves})
        for moment in moments
    )


def _moments(told: Iterable[Told], meaning: ChartLine, wall: LocalDay) -> Iterator[tuple[datetime, float | None]]:
    """Yield a line's points in UTC; where a clock is put back, the hour that comes again is the second one."""
    previous, again = datetime.min, False  # noqa: DTZ901 - times on a wall
    for text, value in told:
        local = _local(text, wall.day)
        if local is not None:
            again, previous = again or local < previous, local
            yield local.replace(tzinfo=wall.zone, fold=int(again)).astimezone(UTC), _value(value, meaning)


_LOCAL = re.compile(r"(?:(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})[ T]+)?(\d{1,2}):(\d{2})(?::(\d{2}))?")


def _local(text: str | None, day: date) -> datetime | None:
    """Read a time of the day that was asked for; anything else is None.

    Quirk: some dates are written as the account likes them (21/06/2026, 06.21.2026) and nothing tells how. Which
    day it is was asked, so the three numbers only have to be that day's, in any order.

    >>> from datetime import date
    >>> _local("21/06/2026 12:05:00", date(2026, 6, 21)) == _local("12:05", date(2026, 6, 21))
    True
    >>> _local("22/06/2026 00:00:00", date(2026, 6, 21)) is None and _local("24:00", date(2026, 6, 21)) is None
    True
    """
    found = _LOCAL.fullmatch((text or "").strip())
    if found is None:
        return None
    *dated, hour, minute, second = (int(part) if part else None for part in found.groups())
    if dated[0] is not None and sorted(part or 0 for part in dated) != sorted((day.year, day.month, day.day)):
        return None
    try:
        return datetime.combine(day, time(hour or 0, minute or 0, second or 0))
    except ValueError:
        return None


def _value(value: Any, meaning: ChartLine) -> float | None:
    try:
        found = parsing.parse_quantity(value, meaning.unit)
    except KeyError:
        raise Unreadable(f"a line of {meaning.metric.name} is in {meaning.unit!r}, no unit we know") from None
    if found is None or (meaning.unit == "%" and not 0 <= found <= 100):
        return None
    if meaning.metric in (m.PV_POWER, m.LOAD_POWER):
        return max(found, 0.0)
    return found * meaning.sign + 0.0  # a turned zero is no minus zero


# Energies


def chart_energies(chart: said.EnergyChart, digits: int) -> EnergyRows:
    """Read a chart of energies: period by period, `digits` long as we write them, what its lines are of."""
    rows: EnergyRows = {}
    for line in chart.lines:
        name = _line_name(line)
        if name is not None:
            told = [(point.x, point.body.get("y")) for point in line.points]
            _lay(rows, name, told, line.unit, digits)
    return rows


def plus_energies(statistics: plus.PlusStatistics, digits: int) -> EnergyRows:
    """Read statistics of SEMS+ likewise."""
    rows: EnergyRows = {}
    for row in statistics.series:
        name = _PLUS_ENERGIES.get(row.item or "")
        if name is not None:
            _lay(rows, name, [(point.date, point.body.get("val")) for point in row.points], row.unit, digits)
    return rows


def _lay(rows: EnergyRows, name: str, told: Iterable[Told], unit: str | None, digits: int) -> None:
    meaning = ChartLine(m.METRICS[f"{name}_today"], unit or "kWh")
    for text, value in told:
        if text and _PERIOD.fullmatch(text[:digits]):
            rows.setdefault(text[:digits], {})[name] = _value(value, meaning)


_PERIOD = re.compile(r"\d{4}(-\d{2}){0,2}")


def _line_name(line: said.SemsChartLine) -> str | None:
    written = (line.name, (line.label or "").partition("(")[0], line.key)
    letters = (re.sub(r"[^a-z]", "", (text or "").lower()) for text in written)
    return next((_LINES[text] for text in letters if text in _LINES), None)
