"""Fetch the history of a plant through the token API: device rows of about 95 days, yields of all years.

Each family has one call for its rows: V1's pages of 100 rows where the vendor allows them every ten seconds, otherwise
V4's whole day every five minutes, because V1 would take five minutes for each of three pages.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from heliograph.core.http import endless_list_error
from heliograph.core.parsing import parse_number, parse_time
from heliograph.local_time import EARLIEST_YEAR, ordered_energies, period_range
from heliograph.metrics import ENERGIES, METRICS
from heliograph.model import Device, HistoryCost, Sample
from heliograph.vendors.growatt.openapi import normalise, snapshots
from heliograph.vendors.growatt.openapi.api import MAX_PAGES, PAGE_SIZE, OpenApiCalls, TimeUnit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from heliograph.core.endpoint import FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import DeviceSnapshot, PeriodEnergy
    from heliograph.vendors.growatt.openapi import payloads as pay

HISTORY_CALLS = {
    **dict.fromkeys(("tlx", "spa", "storage"), ("v1_history", 3)),
    **dict.fromkeys(("mix", "max", "inverter", "sph-s", "wit", "noah"), ("v4_history", 1)),
}
"""The call for the rows of each family, and its usual requests for a day."""
DEPTH = timedelta(days=95)
"""Age of the oldest device rows (found by trying, growatt-public-api)."""
_GAUGES = tuple(name for name, metric in METRICS.items() if metric.kind == "gauge")
_WEEK = timedelta(days=6)
_SLOT = timedelta(minutes=5)


def day_curve(session: Session, plant_id: str, day: date) -> FlowGenerator[tuple[Sample, ...]]:
    """Fetch powers and device measurements of a day: one call per device, or the plant's AC output for older days."""
    zone = yield from snapshots.zone(session, plant_id)
    today = datetime.fromtimestamp(session.server_time, zone).date()
    if day > today:
        return ()
    listed = yield from snapshots.devices(session, plant_id)
    readable = [device for device in listed if device.family in normalise.FAMILIES]
    if not readable or today - day > DEPTH:
        return (yield from _plant_power(plant_id, day, zone))
    curves: list[dict[datetime, DeviceSnapshot]] = []
    # The calls that may be rejected as too frequent come first: after them nothing is fetched in vain.
    for serial, family, _ in sorted(readable, key=lambda one: HISTORY_CALLS[one.family][0] == "v1_history"):
        device = Device(vendor=snapshots.VENDOR, plant=plant_id, id=serial, family=family)
        curves.append(_curve(device, (yield from _rows(serial, family, day)), zone, day))
    return _combined(curves)


def _rows(serial: str, family: str, day: date) -> FlowGenerator[list[pay.OpenApiData]]:
    """Fetch the rows of one device of a day, oldest first."""
    found: list[pay.OpenApiData] = []
    if HISTORY_CALLS[family][0] == "v4_history":
        history: pay.V4History = yield OpenApiCalls.v4_history.flow(serial, snapshots.V4_TYPES[family], day)
        found = list(history.rows)
    else:
        v1_family: Any = family
        for number in range(1, MAX_PAGES + 1):
            page: pay.DataPage = yield OpenApiCalls.v1_history.flow(v1_family, serial, day, day, number)
            found += page.rows
            if len(page.rows) < PAGE_SIZE or (page.count is not None and len(found) >= page.count):
                break
        else:
            raise endless_list_error(snapshots.VENDOR, "v1_history")
    # Quirk: the order of rows is not documented; the published ones are newest first.
    return sorted(found, key=lambda row: str(row.body.get("time")))


def _curve(device: Device, rows: Iterable[pay.OpenApiData], zone: tzinfo, day: date) -> dict[datetime, DeviceSnapshot]:
    """Return what one device reported by 5-minute slot."""
    found: dict[datetime, DeviceSnapshot] = {}
    for row in rows:
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        measured_at = normalise.measured_time(row, midnight)
        if measured_at is None or measured_at.astimezone(zone).date() != day:
            continue
        snapshot = normalise.map_device(device, row, measured_at.astimezone(zone), lost=False)
        slot = datetime.fromtimestamp(measured_at.timestamp() // _SLOT.seconds * _SLOT.seconds, UTC)
        found[slot] = snapshot
    return found


def _combined(curves: list[dict[datetime, DeviceSnapshot]]) -> tuple[Sample, ...]:
    """Return the samples of a plant: sums of its devices where all have a value, and the mean state of charge."""
    samples = []
    # A device without a row in a slot has no value of what it reports otherwise.
    missing = [dict.fromkeys(name for one in curve.values() for name in _gauges(one)) for curve in curves]
    for slot in sorted({slot for curve in curves for slot in curve}):
        columns: dict[str, list[float | None]] = {}
        for curve, nothing in zip(curves, missing, strict=True):
            for name, value in (_gauges(curve[slot]) if slot in curve else nothing).items():
                columns.setdefault(name, []).append(value)
        values: dict[str, float | None] = {}
        for name, column in columns.items():
            known = [value for value in column if value is not None]
            total = sum(known) if len(known) == len(column) else None
            is_mean = METRICS[name].unit == "%"
            values[name] = None if total is None else round(total / len(known) if is_mean else total, 3)
        devices = tuple(curve[slot] for curve in curves if slot in curve)
        samples.append(Sample(moment=slot, values=values, devices=devices))
    return tuple(samples)


def _gauges(one: DeviceSnapshot) -> dict[str, float | None]:
    return {name: one.values[name] for name in _GAUGES if name in one.values}


def _plant_power(plant_id: str, day: date, zone: tzinfo) -> FlowGenerator[tuple[Sample, ...]]:
    answer: pay.OpenApiPlantPower = yield OpenApiCalls.v1_plant_power.flow(plant_id, day)
    samples = []
    for row in answer.powers if isinstance(answer.powers, list) else ():
        moment = parse_time(row.get("time"), zone, ("%Y-%m-%d %H:%M",)) if isinstance(row, dict) else None
        power = parse_number(row.get("power")) if moment is not None else None
        # Quirk: future and missing slots are listed with null.
        if moment is not None and power is not None:
            samples.append(Sample(moment=moment, values={"ac_power": power}))
    return tuple(sorted(samples, key=lambda sample: sample.moment))


def period_energies(session: Session, plant_id: str, period: str) -> FlowGenerator[tuple[PeriodEnergy, ...]]:
    """Fetch the yields of a plant's days, months or years; zeros are gaps, as the cloud fills missing days with 0."""
    zone = yield from snapshots.zone(session, plant_id)
    today = datetime.fromtimestamp(session.server_time, zone).date()
    first, last = period_range(period)
    if first > today:
        return ()
    last = min(last, today)
    rows: dict[str, dict[str, float | None]] = {}
    unit: TimeUnit = "day" if len(period) == 7 else "month" if period else "year"
    start = max(first, date(max(EARLIEST_YEAR, today.year - 19), 1, 1)) if unit == "year" else first
    while start <= last:
        end = min(start + _WEEK, last) if unit == "day" else last
        answer: pay.OpenApiPlantEnergy = yield OpenApiCalls.v1_plant_energy.flow(plant_id, start, end, unit)
        for row in answer.energies if isinstance(answer.energies, list) else ():
            if isinstance(row, dict) and (energy := parse_number(row.get("energy"))):
                rows[str(row.get("date"))] = {"pv_energy": energy}
        start = end + timedelta(days=1)
    return ordered_energies(rows, period, today)


def first_day(session: Session, plant_id: str) -> FlowGenerator[date | None]:
    """Fetch the day a plant was created in the cloud."""
    details: pay.OpenApiPlantDetails = yield OpenApiCalls.v1_plant_details.flow(plant_id)
    created = parse_time(details.created, UTC, ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S"))
    return None if created is None else created.date()


def history_cost(session: Session, plant_id: str) -> FlowGenerator[HistoryCost]:
    """Return the requests of a plant's history."""
    listed = yield from snapshots.devices(session, plant_id)
    curve = sum(HISTORY_CALLS[device.family][1] for device in listed if device.family in normalise.FAMILIES)
    unreported = frozenset(ENERGIES) - {"pv_energy"}
    return HistoryCost(curve=max(1, curve), days=5, months=1, years=1, unreported=unreported)
