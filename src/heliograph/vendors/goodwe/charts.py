"""Parsers for the charts and statistics of both dialects: samples and period energies in common metrics and UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from heliograph.local_time import EnergyRows, LocalDay
    from heliograph.metrics import Metric
    from heliograph.model import Sample
    from heliograph.vendors.goodwe.legacy import charts_payloads
    from heliograph.vendors.goodwe.plus import payloads as plus_payloads


class ChartLine(NamedTuple):
    """Metric of a chart line, its default unit, and the factor that converts its sign."""

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
    # Quirk: on a hybrid Pac is the PV power, not the AC output (Home Assistant integration, issue 107).
    "pv_power": ("Pac", ChartLine(m.PV_POWER, "W")),
    "battery_soc": ("Cbattery1", ChartLine(m.BATTERY_SOC, "%")),
    "pv_energy_today": ("Eday", ChartLine(m.PV_ENERGY_TODAY, "kWh")),
}
"""Inverter curves by metric name: the portal's column name and its chart line."""
# Quirk: units and signs of these curves are unpublished; they are read like the power flow with the same names.
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
# Quirk: lines have a key, a display label ("Grid sell (kWh)"), or both; only the letters are compared.
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

RawPoint = tuple[str | None, Any]
"""Raw x value (time or date text) and raw y value of one chart point."""


# Curves


def chart_curve(chart: charts_payloads.PowerChart, local_day: LocalDay) -> tuple[Sample, ...]:
    """Parse a plant's day chart; empty if it has no known line."""
    return _samples(
        local_day,
        [
            (_with_unit(_CHART[line.key], line.unit), [(point.x, point.body.get("y")) for point in line.points])
            for line in chart.lines
            if line.key in _CHART
        ],
    )


def power_curve(powers: charts_payloads.PowerDay, local_day: LocalDay) -> tuple[Sample, ...]:
    """Parse a plant's list of AC powers."""
    points = [(point.at, point.body.get("pac")) for point in powers.points]
    return _samples(local_day, [(ChartLine(m.AC_POWER, "W"), points)])


def column_curve(column: charts_payloads.InverterColumn, line: ChartLine, local_day: LocalDay) -> tuple[Sample, ...]:
    """Parse one measured quantity of an inverter."""
    return _samples(local_day, [(line, [(point.at, point.body.get("column")) for point in column.points])])


def plus_curve(curves: plus_payloads.PowerCurves, local_day: LocalDay) -> tuple[Sample, ...]:
    """Parse a plant's SEMS+ day curves."""
    return _samples(
        local_day,
        [
            (_with_unit(_PLUS_CURVES[row.item], row.unit), [(p.moment, p.body.get("power")) for p in row.points])
            for row in curves.series
            if row.item in _PLUS_CURVES
        ],
    )


def _with_unit(line: ChartLine, unit: str | None) -> ChartLine:
    return line._replace(unit=unit) if unit else line


def _samples(local_day: LocalDay, lines: Sequence[tuple[ChartLine, Iterable[RawPoint]]]) -> tuple[Sample, ...]:
    """Merge lines into samples; future samples are absent, missing values are None."""
    from heliograph.model import Sample  # noqa: PLC0415 - loads dataclasses

    curves = [(line, dict(_utc_points(points, line, local_day))) for line, points in lines]
    times = sorted({at for _, points in curves for at in points if at <= local_day.now})
    return tuple(
        Sample(moment=at, values={line.metric.name: points.get(at) for line, points in curves}) for at in times
    )


def _utc_points(
    points: Iterable[RawPoint], line: ChartLine, local_day: LocalDay
) -> Iterator[tuple[datetime, float | None]]:
    """Yield a line's points in UTC; the hour repeated at the end of DST gets fold=1."""
    previous, again = datetime.min, False  # noqa: DTZ901 - local times
    for text, value in points:
        local = _parse_local(text, local_day.day)
        if local is not None:
            again, previous = again or local < previous, local
            yield local.replace(tzinfo=local_day.zone, fold=int(again)).astimezone(UTC), _value(value, line)


_LOCAL = re.compile(r"(?:(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})[ T]+)?(\d{1,2}):(\d{2})(?::(\d{2}))?")


def _parse_local(text: str | None, day: date) -> datetime | None:
    """Parse a local time of `day`; return None for anything else.

    Quirk: some dates use the account's date format (21/06/2026, 06.21.2026), which the response does not name. The
    requested day is known, so its three numbers are accepted in any order.

    >>> from datetime import date
    >>> _parse_local("21/06/2026 12:05:00", date(2026, 6, 21)) == _parse_local("12:05", date(2026, 6, 21))
    True
    >>> _parse_local("22/06/2026 00:00:00", date(2026, 6, 21)), _parse_local("24:00", date(2026, 6, 21))
    (None, None)
    """
    match = _LOCAL.fullmatch((text or "").strip())
    if match is None:
        return None
    *date_parts, hour, minute, second = (int(part) if part else None for part in match.groups())
    if date_parts[0] is not None and sorted(part or 0 for part in date_parts) != sorted((day.year, day.month, day.day)):
        return None
    try:
        return datetime.combine(day, time(hour or 0, minute or 0, second or 0))
    except ValueError:
        return None


def _value(value: Any, line: ChartLine) -> float | None:
    try:
        number = parsing.parse_quantity(value, line.unit)
    except KeyError:
        raise Unreadable(f"the chart line of {line.metric.name} has the unknown unit {line.unit!r}") from None
    if number is None or (line.unit == "%" and not 0 <= number <= 100):
        return None
    if line.metric in (m.PV_POWER, m.LOAD_POWER):
        return max(number, 0.0)
    return number * line.sign + 0.0  # + 0.0 avoids a negative zero


# Energies


def chart_energies(chart: charts_payloads.EnergyChart, digits: int) -> EnergyRows:
    """Parse an energy chart; keys are ISO periods cut to `digits` characters."""
    rows: EnergyRows = {}
    for line in chart.lines:
        name = _line_name(line)
        if name is not None:
            points = [(point.x, point.body.get("y")) for point in line.points]
            _add_row(rows, name, points, line.unit, digits)
    return rows


def plus_energies(statistics: plus_payloads.PlusStatistics, digits: int) -> EnergyRows:
    """Parse SEMS+ statistics; keys are ISO periods cut to `digits` characters."""
    rows: EnergyRows = {}
    for row in statistics.series:
        name = _PLUS_ENERGIES.get(row.item or "")
        if name is not None:
            _add_row(rows, name, [(point.date, point.body.get("val")) for point in row.points], row.unit, digits)
    return rows


def _add_row(rows: EnergyRows, name: str, points: Iterable[RawPoint], unit: str | None, digits: int) -> None:
    line = ChartLine(m.METRICS[f"{name}_today"], unit or "kWh")
    for text, value in points:
        if text and _PERIOD.fullmatch(text[:digits]):
            rows.setdefault(text[:digits], {})[name] = _value(value, line)


_PERIOD = re.compile(r"\d{4}(-\d{2}){0,2}")


def _line_name(line: charts_payloads.SemsChartLine) -> str | None:
    names = (line.name, (line.label or "").partition("(")[0], line.key)
    letters = (re.sub(r"[^a-z]", "", (name or "").lower()) for name in names)
    return next((_LINES[name] for name in letters if name in _LINES), None)
