"""From Growatt's charts to samples and energies of periods: our names, signs, units, UTC; zeros that are none."""

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
from heliograph.vendors.growatt.payloads import plants as said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.core.payload import Payload
    from heliograph.local_time import EnergyRows, LocalDay
    from heliograph.metrics import Metric

P = TypeVar("P", bound="Payload")
T = TypeVar("T")

Curve = dict[datetime, dict[str, float | None]]
"""What one device told of its day, by moment."""

_TIME = re.compile(r"(?:(\d{4}-\d{2}-\d{2})[ T])?(\d{2}):(\d{2})(?::\d{2})?")
_AHEAD = timedelta(hours=2)
_COPIED = 0.02
"""kW up to which two lines are one, each of them rounded to 10 W."""
_ROUNDED = 15.0
"""W that a balance of three lines is off when each is rounded to 10 W."""
_WRAPPED = 0x7FFF


# Curves


def tlx_curve(answer: dev.ProdCons, wall: LocalDay) -> Curve:
    """Read a TLX device's day; a meter or a battery that tells nothing all day is not there."""
    points = _points(answer, "chartData", dev.TlxPoint, wall)
    metered = any(one.load_power or one.grid_import_power or one.grid_export_power for one in points.values())
    charging = metered and any(
        abs((one.battery_charge_power or 0.0) - (one.pv_power or 0.0)) > _COPIED for one in points.values()
    )
    found: Curve = {}
    for moment, one in points.items():
        values: dict[Metric, float | None] = {m.PV_POWER: one.readings()[m.PV_POWER]}
        if metered:
            values |= one.readings()
            values[m.GRID_POWER] = difference(one.grid_import_power, one.grid_export_power, scale=1000)
        if charging:
            # The chart tells what the battery takes; what it gives is what the balance lacks.
            values[m.BATTERY_POWER] = _battery(values, charge=one.battery_charge_power)
        found[moment] = _named(values)
    return found


def mix_curve(answer: dev.ProdCons, wall: LocalDay) -> Curve:
    """Read a hybrid inverter's day."""
    found: Curve = {}
    for moment, one in _points(answer, "chartData", dev.MixPoint, wall).items():
        values = one.readings()
        values[m.GRID_POWER] = difference(one.grid_import_power, one.grid_export_power, scale=1000)
        # The chart tells what the battery gives; what it takes is what the balance has too much.
        values[m.BATTERY_POWER] = _battery(values, discharge=one.battery_discharge_power)
        found[moment] = _named(values)
    return found


def portal_curve(answer: said.Dashboard, wall: LocalDay) -> Curve:
    """Read the portal's day of a plant with storage."""
    points = _points(answer, "chartData", said.DashboardPoint, wall)
    return {moment: _named(one.readings()) for moment, one in points.items()}


def noah_curve(answer: dev.NoahChart, wall: LocalDay) -> Curve:
    """Read a balcony battery's day; the house's load is known where there is a meter."""
    points = _points(answer, "obj", dev.NoahPoint, wall)
    metered = any(one.load_power for one in points.values())
    found: Curve = {}
    for moment, one in points.items():
        values = one.readings()
        if not metered:
            del values[m.LOAD_POWER]
        elif (one.load_power or 0.0) > _WRAPPED:
            # Quirk: a negative load wraps around 16 bits: 65488 is -48, and means near such are anything.
            values[m.LOAD_POWER] = None
        found[moment] = _named(values)
    return found


def power_curve(answer: dev.PowerCurve, wall: LocalDay) -> Curve:
    """Read a classic inverter's day: points only where something came, so that a zero is one."""
    found: Curve = {}
    for text, value in _chart(answer, "invPacData").items():
        if (moment := _moment(text, wall)) is not None:
            found[moment] = _named({m.PV_POWER: parsing.parse_quantity(value, "W")})
    return _so_far(found, wall)


def plant_samples(curves: Sequence[Curve]) -> tuple[Sample, ...]:
    """Add up devices to their plant; what one of those that know a metric that day does not tell is a gap."""
    known = [dict.fromkeys(name for values in curve.values() for name in values) for curve in curves]
    found = []
    for moment in sorted({moment for curve in curves for moment in curve}):
        columns: dict[str, list[float | None]] = {}
        for curve, names in zip(curves, known, strict=True):
            for name in names:
                columns.setdefault(name, []).append(curve.get(moment, {}).get(name))
        found.append(Sample(moment=moment, values={name: _sum(column) for name, column in columns.items()}))
    return tuple(found)


def _points(answer: Payload, key: str, shape: type[P], wall: LocalDay) -> dict[datetime, P]:
    """Return the points of a day that tell something.

    Quirk: a day is filled up with zeros: for the time to come, for the hours a logger was away, for days before
    the plant. Where everything is zero nothing was measured, or nothing worth a word.
    """
    found: dict[datetime, P] = {}
    for text, body in _chart(answer, key).items():
        moment = _moment(text, wall)
        if (
            moment is not None
            and isinstance(body, dict)
            and any(parsing.parse_number(value) for value in body.values())
        ):
            found[moment] = shape(body)
    return _so_far(found, wall)


def _so_far(points: dict[datetime, T], wall: LocalDay) -> dict[datetime, T]:
    """Leave out what is to come.

    Quirk: just after midnight a chart may still be yesterday's, and its keys do not tell the day; points hours
    ahead give it away, and nothing of it is today's.
    """
    if any(moment > wall.now + _AHEAD for moment in points):
        return {}
    return {moment: point for moment, point in points.items() if moment <= wall.now}


def _chart(answer: Payload, key: str) -> Mapping[str, Any]:
    """Return a chart of an answer; an empty one is nothing, but a missing one is no answer."""
    chart = answer.body.get(key, "missing")
    if chart is None or isinstance(chart, dict):
        return chart or {}
    raise Unreadable(f"the answer has no chart in {key!r}")


def _moment(text: str, wall: LocalDay) -> datetime | None:
    """Return the moment of "12:05" or "2026-06-21 12:05" on the wall; None where that is no moment of the day.

    Quirk: where clocks are put back an hour comes twice under the same keys, and which of the two is told the
    chart does not say; where they are put forward an hour is missing. Neither is a certain moment.
    """
    found = _TIME.fullmatch(text)
    if found is None or found[1] not in (None, f"{wall.day}"):
        return None
    try:
        local = datetime.combine(wall.day, time(int(found[2]), int(found[3])), wall.zone)
    except ValueError:
        return None
    return None if is_ambiguous(local) else local.astimezone(UTC)


def _battery(
    values: Mapping[Metric, float | None], *, charge: float | None = None, discharge: float | None = None
) -> float | None:
    """Return a battery's power where the cloud tells one direction, in kW, and the balance the other."""
    pv, grid, load = values[m.PV_POWER], values[m.GRID_POWER], values[m.LOAD_POWER]
    told = charge if discharge is None else discharge
    if told:
        return round(1000 * (told if discharge is not None else -told), 6)
    if told is None or pv is None or grid is None or load is None:
        return None
    rest = round(load - pv - grid, 6)
    if abs(rest) <= _ROUNDED:
        return 0.0
    return min(rest, 0.0) if discharge is not None else max(rest, 0.0)


def _named(values: Mapping[Metric, float | None]) -> dict[str, float | None]:
    return {
        metric.name: max(value, 0.0) if value is not None and metric in (m.PV_POWER, m.LOAD_POWER) else value
        for metric, value in values.items()
    }


def _sum(column: Sequence[float | None]) -> float | None:
    known = [value for value in column if value is not None]
    return round(sum(known), 6) if len(known) == len(column) else None


# Energies


def detail_rows(answer: said.GrowattPlantDetail, period: str) -> EnergyRows:
    """Read a plant's bars."""
    return _bars({"pv_energy": _chart(answer, "data")}, period)


def noah_rows(answer: dev.NoahChart, period: str) -> EnergyRows:
    """Read a balcony battery's bars."""
    return _bars({"pv_energy": _chart(answer, "obj")}, period)


def portal_rows(answer: said.Dashboard, period: str) -> EnergyRows:
    """Read the portal's bars of a plant with storage: arrays, the first bar the first day or month."""
    chart = _chart(answer, "chartData")
    lines = {name: chart.get(key) for key, name in said.DASHBOARD_BARS.items()}
    if chart and not any(isinstance(line, list) for line in lines.values()):
        raise Unreadable("the chart holds no bars")
    return _bars(
        {
            name: {f"{place:02}": value for place, value in enumerate(line, start=1)}
            for name, line in lines.items()
            if isinstance(line, list)
        },
        period,
    )


def sum_months(months: EnergyRows) -> dict[str, float | None]:
    """Add up the months of a year."""
    names = dict.fromkeys(name for values in months.values() for name in values)
    return {name: _sum([values.get(name) for values in months.values()]) for name in names}


def _bars(lines: Mapping[str, Mapping[str, Any]], period: str) -> EnergyRows:
    """Lay lines of bars over one another, period by period as we write them; all zeros is nothing.

    Quirk: bars to come, bars before the plant and bars of days without a connection are zeros like a dark day's.
    """
    rows: EnergyRows = {}
    for name, bars in lines.items():
        for key, value in bars.items():
            one = f"{period}-{key:0>2}" if period else key
            if _is_period(one):
                rows.setdefault(one, {})[name] = parsing.parse_quantity(value, "kWh")
    return {one: values for one, values in rows.items() if any(values.values())}


def _is_period(text: str) -> bool:
    """Tell whether there is such a day, month or year.

    >>> _is_period("2026-02-28"), _is_period("2026-02-29"), _is_period("2026-12"), _is_period("26")
    (True, False, True, False)
    """
    try:
        date.fromisoformat(f"{text}-01-01"[:10])
    except ValueError:
        return False
    return len(text) in (4, 7, 10)
