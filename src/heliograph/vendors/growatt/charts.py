"""Parse Growatt's charts into samples and period energies: common names, signs, units and UTC; filler zeros removed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.errors import Unreadable
from heliograph.model import Sample
from heliograph.vendors.growatt.normalise import difference
from heliograph.vendors.growatt.params import is_ambiguous
from heliograph.vendors.growatt.payloads import devices as dev
from heliograph.vendors.growatt.payloads import noah, plants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.core.payload import Payload
    from heliograph.local_time import EnergyRows, LocalDay
    from heliograph.metrics import Metric

P = TypeVar("P", bound="Payload")
T = TypeVar("T")

Curve = dict[datetime, dict[str, float | None]]
"""Powers of one device over a day, keyed by UTC time."""

_TIME = re.compile(r"(?:(\d{4}-\d{2}-\d{2})[ T])?(\d{2}):(\d{2})(?::\d{2})?")
_WRONG_DAY_LEAD = timedelta(hours=2)
_COPY_TOLERANCE = 0.02
"""kW up to which two chart lines count as equal; each is rounded to 10 W."""
_BALANCE_TOLERANCE = 15.0
"""W of error in a balance of three lines, each rounded to 10 W."""
_MAX_INT16 = 0x7FFF


# Curves


def tlx_curve(response: dev.ProdCons, local_day: LocalDay) -> Curve:
    """Parse a TLX device's day; a meter or battery without any value all day is treated as absent."""
    points = _points(response, "chartData", dev.TlxPoint, local_day)
    metered = any(point.load_power or point.grid_import_power or point.grid_export_power for point in points.values())
    charging = metered and any(
        abs((point.battery_charge_power or 0.0) - (point.pv_power or 0.0)) > _COPY_TOLERANCE
        for point in points.values()
    )
    curve: Curve = {}
    for moment, point in points.items():
        values: dict[Metric, float | None] = {m.PV_POWER: point.readings()[m.PV_POWER]}
        if metered:
            values |= point.readings()
            values[m.GRID_POWER] = difference(point.grid_import_power, point.grid_export_power, scale=1000)
        if charging:
            # The chart reports battery charge; discharge is what the power balance lacks.
            values[m.BATTERY_POWER] = _battery(values, charge=point.battery_charge_power)
        curve[moment] = _named(values)
    return curve


def mix_curve(response: dev.ProdCons, local_day: LocalDay) -> Curve:
    """Parse a hybrid inverter's day."""
    curve: Curve = {}
    for moment, point in _points(response, "chartData", dev.MixPoint, local_day).items():
        values = point.readings()
        values[m.GRID_POWER] = difference(point.grid_import_power, point.grid_export_power, scale=1000)
        # The chart reports battery discharge; charge is the surplus of the power balance.
        values[m.BATTERY_POWER] = _battery(values, discharge=point.battery_discharge_power)
        curve[moment] = _named(values)
    return curve


def portal_curve(response: plants.Dashboard, local_day: LocalDay) -> Curve:
    """Parse the portal's day of a plant with storage."""
    points = _points(response, "chartData", plants.DashboardPoint, local_day)
    return {moment: _named(point.readings()) for moment, point in points.items()}


def noah_curve(response: noah.NoahChart, local_day: LocalDay, shape: type[noah.NoahPoint] = noah.NoahPoint) -> Curve:
    """Parse a balcony battery's day; the load is known only with a meter."""
    points = _points(response, "obj", shape, local_day)
    metered = any(point.load_power for point in points.values())
    curve: Curve = {}
    for moment, point in points.items():
        values = point.readings()
        if not metered:
            del values[m.LOAD_POWER]
        elif (point.load_power or 0.0) > _MAX_INT16:
            # Quirk: a negative load wraps around 16 bits: 65488 is -48, and averages around such values are arbitrary.
            values[m.LOAD_POWER] = None
        curve[moment] = _named(values)
    return curve


def power_curve(response: dev.PowerCurve, local_day: LocalDay) -> Curve:
    """Parse a classic inverter's day. The chart has points only for received data, so its zeros are real."""
    curve: Curve = {}
    for text, value in _chart(response, "invPacData").items():
        if (moment := _moment(text, local_day)) is not None:
            curve[moment] = _named({m.PV_POWER: parsing.parse_quantity(value, "W")})
    return _drop_future(curve, local_day)


def plant_samples(curves: Sequence[Curve]) -> tuple[Sample, ...]:
    """Sum devices to plant samples; a metric is None where a device that reports it that day has no value."""
    known = [dict.fromkeys(name for values in curve.values() for name in values) for curve in curves]
    samples = []
    for moment in sorted({moment for curve in curves for moment in curve}):
        columns: dict[str, list[float | None]] = {}
        for curve, names in zip(curves, known, strict=True):
            for name in names:
                columns.setdefault(name, []).append(curve.get(moment, {}).get(name))
        samples.append(Sample(moment=moment, values={name: _sum(column) for name, column in columns.items()}))
    return tuple(samples)


def _points(response: Payload, key: str, shape: type[P], local_day: LocalDay) -> dict[datetime, P]:
    """Return the points of a day that have a nonzero value.

    Quirk: a day is padded with zeros: for future times, for hours without a connection, for days before the plant
    existed. An all-zero point was not measured, or measured nothing of interest.
    """
    points: dict[datetime, P] = {}
    for text, body in _chart(response, key).items():
        moment = _moment(text, local_day)
        if (
            moment is not None
            and isinstance(body, dict)
            and any(parsing.parse_number(value) for value in body.values())
        ):
            points[moment] = shape(body)
    return _drop_future(points, local_day)


def _drop_future(points: dict[datetime, T], local_day: LocalDay) -> dict[datetime, T]:
    """Drop points in the future.

    Quirk: just after midnight a chart may still be yesterday's, and its keys do not name the day. Points hours
    ahead reveal that, and then no point is of today.
    """
    if any(moment > local_day.now + _WRONG_DAY_LEAD for moment in points):
        return {}
    return {moment: point for moment, point in points.items() if moment <= local_day.now}


def _chart(response: Payload, key: str) -> Mapping[str, Any]:
    """Return a chart of a response; an empty chart is valid, a missing one raises `Unreadable`."""
    chart = response.body.get(key, "missing")
    if chart is None or isinstance(chart, dict):
        return chart or {}
    raise Unreadable(f"the response has no chart in {key!r}")


def _moment(text: str, local_day: LocalDay) -> datetime | None:
    """Parse "12:05" or "2026-06-21 12:05" in plant-local time; None if it is not an unambiguous time of the day.

    Quirk: in autumn the repeated hour appears once under the same keys, and the chart does not say which of the two
    it is; in spring an hour does not exist. Neither gives a certain time.
    """
    match = _TIME.fullmatch(text)
    if match is None or match[1] not in (None, f"{local_day.day}"):
        return None
    try:
        local = datetime.combine(local_day.day, time(int(match[2]), int(match[3])), local_day.zone)
    except ValueError:
        return None
    return None if is_ambiguous(local) else local.astimezone(UTC)


def _battery(
    values: Mapping[Metric, float | None], *, charge: float | None = None, discharge: float | None = None
) -> float | None:
    """Return battery power in W: one direction is reported in kW, the other is derived from the power balance."""
    pv, grid, load = values[m.PV_POWER], values[m.GRID_POWER], values[m.LOAD_POWER]
    reported = charge if discharge is None else discharge
    if reported:
        return round(1000 * (reported if discharge is not None else -reported), 6)
    if reported is None or pv is None or grid is None or load is None:
        return None
    balance = round(load - pv - grid, 6)
    if abs(balance) <= _BALANCE_TOLERANCE:
        return 0.0
    return min(balance, 0.0) if discharge is not None else max(balance, 0.0)


def _named(values: Mapping[Metric, float | None]) -> dict[str, float | None]:
    return {
        metric.name: max(value, 0.0) if value is not None and metric in (m.PV_POWER, m.LOAD_POWER) else value
        for metric, value in values.items()
    }


def _sum(column: Sequence[float | None]) -> float | None:
    known = [value for value in column if value is not None]
    return round(sum(known), 6) if len(known) == len(column) else None


# Energies


def detail_rows(response: plants.GrowattPlantDetail, period: str) -> EnergyRows:
    """Parse a plant's bars."""
    return _bars({"pv_energy": _chart(response, "data")}, period)


def noah_rows(response: noah.NoahChart, period: str) -> EnergyRows:
    """Parse a balcony battery's bars."""
    return _bars({"pv_energy": _chart(response, "obj")}, period)


def portal_rows(response: plants.Dashboard, period: str) -> EnergyRows:
    """Parse the portal's bars of a plant with storage: arrays that start at the first day or month."""
    chart = _chart(response, "chartData")
    lines = {name: chart.get(key) for key, name in plants.DASHBOARD_BARS.items()}
    if chart and not any(isinstance(line, list) for line in lines.values()):
        raise Unreadable("the chart has no bars")
    return _bars(
        {
            name: {f"{place:02}": value for place, value in enumerate(line, start=1)}
            for name, line in lines.items()
            if isinstance(line, list)
        },
        period,
    )


def sum_months(months: EnergyRows) -> dict[str, float | None]:
    """Sum the months of a year."""
    names = dict.fromkeys(name for values in months.values() for name in values)
    return {name: _sum([values.get(name) for values in months.values()]) for name in names}


def _bars(lines: Mapping[str, Mapping[str, Any]], period: str) -> EnergyRows:
    """Merge chart lines into rows keyed by period; rows that are all zero are dropped.

    Quirk: future bars, bars before the plant existed and bars of days without a connection are zeros, as on a dark day.
    """
    rows: EnergyRows = {}
    for name, bars in lines.items():
        for key, value in bars.items():
            bar_period = f"{period}-{key:0>2}" if period else key
            if _is_period(bar_period):
                rows.setdefault(bar_period, {})[name] = parsing.parse_quantity(value, "kWh")
    return {name: values for name, values in rows.items() if any(values.values())}


def _is_period(text: str) -> bool:
    """Return True if the text is an existing day, month or year.

    >>> _is_period("2026-02-28"), _is_period("2026-02-29"), _is_period("2026-12"), _is_period("26")
    (True, False, True, False)
    """
    try:
        date.fromisoformat(f"{text}-01-01"[:10])
    except ValueError:
        return False
    return len(text) in (4, 7, 10)
