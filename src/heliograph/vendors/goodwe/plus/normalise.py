"""Mapping of SEMS+ payloads to the common model: signs, time zones, and derived values for missing members."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.core.measurements import raw_numbers
from heliograph.model import Device, DeviceSnapshot, Plant, Snapshot, Status, combine
from heliograph.vendors.goodwe.legacy.normalise import VENDOR, SourcedValues, valid_percent, with_plant_powers
from heliograph.vendors.goodwe.measurements import PLUS_TABLES, measure_plus, plus_oddities
from heliograph.vendors.goodwe.plus.zones import plant_zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from heliograph.core.measurements import Measurements
    from heliograph.core.session import Session
    from heliograph.vendors.goodwe.plus import payloads

# Quirk: 0 is both waiting and offline, 5 a running hybrid; 2, 4, 6 and 7 are undocumented.
_STATUS = {0.0: Status.OFFLINE, 1.0: Status.ONLINE, 3.0: Status.STANDBY, 5.0: Status.ONLINE}
METER_FAMILY, BATTERY_FAMILY = "meter", "battery"
"""Family names of devices that only measure."""
_MAX_FAMILY = 40
"""Characters of a device type that are stored as the family."""

_FORMATS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")

_INVERTER_METRICS = (m.AC_POWER, m.PV_ENERGY_TODAY, m.PV_ENERGY_TOTAL)
_BATTERY_METRICS = (
    m.BATTERY_CHARGE_ENERGY_TODAY,
    m.BATTERY_CHARGE_ENERGY_TOTAL,
    m.BATTERY_DISCHARGE_ENERGY_TODAY,
    m.BATTERY_DISCHARGE_ENERGY_TOTAL,
)
_METER_METRICS = (
    m.GRID_IMPORT_ENERGY_TODAY,
    m.GRID_EXPORT_ENERGY_TODAY,
    m.GRID_IMPORT_ENERGY_TOTAL,
    m.GRID_EXPORT_ENERGY_TOTAL,
)

# Statistics item of each daily energy, used if no counter reports it.
_ITEMS = {
    m.PV_ENERGY_TODAY: "proSystemTotalStats",
    m.BATTERY_CHARGE_ENERGY_TODAY: "proCharStats",
    m.BATTERY_DISCHARGE_ENERGY_TODAY: "proDischarStats",
    m.GRID_IMPORT_ENERGY_TODAY: "proPurchaseStats",
    m.GRID_EXPORT_ENERGY_TODAY: "proGridStats",
    m.LOAD_ENERGY_TODAY: "proConsumStats",
}
_GRID_METRICS = (m.GRID_IMPORT_ENERGY_TODAY, m.GRID_EXPORT_ENERGY_TODAY, m.LOAD_ENERGY_TODAY)


def plant(plant_id: str, session: Session) -> Plant:
    """Return a plant from the account's plant list; a configured time zone takes precedence."""
    name = session.facts.get("plants", {}).get(plant_id)
    size = parsing.plant_size(session.facts.get("sizes", {}).get(plant_id))
    return Plant(vendor=VENDOR, id=plant_id, name=name, zone=plant_zone(plant_id, session), peak_power=size)


def has_meter(flow: payloads.PlusFlow, devices: Sequence[payloads.Equipment]) -> bool:
    """Return True if the plant measures its grid connection."""
    reported = flow.grid is not None or flow.load is not None
    return reported or any(device.type == "SMART_METER" or device.is_hybrid for device in devices)


def snapshot(
    plant: Plant,
    flow: payloads.PlusFlow,
    devices: Sequence[payloads.Equipment],
    counters: Mapping[str, payloads.Telecounting | None] | None,
    today: payloads.PlusStatistics | None,
    fetched_at: datetime,
    telemetry: Mapping[str, payloads.Telemetry | None] = MappingProxyType({}),
    further: Sequence[payloads.FurtherDevice] = (),
) -> Snapshot:
    """Return the snapshot of one plant from its devices' counters, power flow and daily statistics.

    Without `counters` only its powers were fetched: its devices and energies are absent.
    """
    plant = replace(plant, name=flow.name or plant.name)
    measured_at = parsing.parse_time(flow.refreshed, plant.zone, _FORMATS)
    if counters is None:
        powers = flow_powers(flow, devices)
        return Snapshot(
            plant=plant,
            status=plant_status(parsing.parse_number(flow.status)),
            measured_at=measured_at,
            fetched_at=fetched_at,
            values={metric.name: value for metric, (value, _) in powers.items()},
            sources={metric.name: source for metric, (_, source) in powers.items()},
        )
    parts = [
        device_snapshot(
            plant, device, counters.get(device.serial or ""), measured_at, telemetry.get(device.serial or "")
        )
        for device in devices
    ]
    unlisted = {one.device.serial: one.problem for one in further if one.device.is_hybrid}
    parts = [
        replace(part, oddities={**part.oddities, "the list of batteries": unlisted[part.device.id]})
        if part.device.id in unlisted
        else part
        for part in parts
    ]
    measured = [further_snapshot(plant, one, measured_at) for one in further if not one.device.is_hybrid]
    inverters = combine(plant, [part for part in parts if part.device.family != METER_FAMILY], fetched_at)
    whole = combine(plant, [*parts, *measured], fetched_at)
    values = dict(whole.values)
    if sum(part.device.family == METER_FAMILY for part in parts) > 1:
        # Only one of several meters can be the grid meter, and it is not marked.
        values |= {metric.name: None for metric in _METER_METRICS}
    sourced = flow_powers(flow, devices) | day_energies(today, values, metered=has_meter(flow, devices))
    return replace(
        whole,
        status=inverters.status or plant_status(parsing.parse_number(flow.status)),
        measured_at=measured_at,
        devices=tuple(with_plant_powers(whole.devices, sourced)),
        values=values | {metric.name: value for metric, (value, _) in sourced.items()},
        sources={**whole.sources, **{metric.name: source for metric, (_, source) in sourced.items()}},
    )


def device_snapshot(
    plant: Plant,
    device: payloads.Equipment,
    counters: payloads.Telecounting | None,
    measured_at: datetime | None,
    telemetry: payloads.Telemetry | None = None,
) -> DeviceSnapshot:
    """Return the snapshot of one inverter or meter."""
    readings = counters.readings() if counters else {}
    if device.type == "INVERTER":
        family = "hybrid" if device.is_hybrid else "inverter"
        metrics = _INVERTER_METRICS + (_BATTERY_METRICS if device.is_hybrid else ())
    else:
        family, metrics = METER_FAMILY, _METER_METRICS
    values = {metric.name: readings.get(metric) for metric in metrics}
    body = {**(counters.body if counters else {}), **(telemetry.body if telemetry else {})}
    return DeviceSnapshot(
        device=Device(vendor=VENDOR, plant=plant.id, id=device.serial or "", family=family, name=device.name),
        status=plant_status(device.status),
        measured_at=measured_at,
        values=values,
        sources=dict.fromkeys(values, "plus_telecounting"),
        measurements=measure_plus(device.type or "", body),
        oddities=plus_oddities(device.type or "", body),
    )


def further_snapshot(plant: Plant, found: payloads.FurtherDevice, measured_at: datetime | None) -> DeviceSnapshot:
    """Return the snapshot of a battery, or of a device of an unknown type: its numbers, which may mean anything."""
    device, telemetry = found.device, found.telemetry
    kind = device.type or ""
    is_known, body = kind in PLUS_TABLES, telemetry.body if telemetry else {}
    # In capitals it is no family of this program, whatever the server sends: a family decides about settings.
    family = BATTERY_FAMILY if kind == "BAT_SYS" else kind.upper()[:_MAX_FAMILY]
    oddities = plus_oddities(kind, body)
    if found.problem:
        oddities["the measurements of the device"] = found.problem
    measured = measure_plus(kind, body)
    values: dict[str, float | None] = {}
    if family == BATTERY_FAMILY:
        values = {m.BATTERY_POWER.name: _number(measured, "battery1_power")}
        values[m.BATTERY_SOC.name] = _number(measured, "battery1_soc")
    return DeviceSnapshot(
        device=Device(vendor=VENDOR, plant=plant.id, id=device.serial or "", family=family, name=device.name),
        status=plant_status(device.status),
        measured_at=measured_at,
        values=values,
        sources=dict.fromkeys(values, "plus_telemetry"),
        measurements=measured,
        oddities=oddities,
        raw={} if is_known or telemetry is None else raw_numbers(telemetry.data),
    )


def _number(measured: Measurements, name: str) -> float | None:
    value = measured.get(name)
    return value if isinstance(value, float) else None


def flow_powers(flow: payloads.PlusFlow, devices: Sequence[payloads.Equipment]) -> SourcedValues:
    """Return the powers of the flow; missing members are derived from the energy balance."""
    readings = flow.readings()
    grid, load, battery = readings[m.GRID_POWER], readings[m.LOAD_POWER], readings[m.BATTERY_POWER]
    ac, pv = readings[m.AC_POWER], readings[m.PV_POWER]
    has_storage = battery is not None or any(device.is_hybrid for device in devices)
    ac_source, pv_source = "plus_flow pAc", "plus_flow pSystem"
    # Quirk: at night pAc and pSystem are missing rather than 0, also while the battery feeds the house.
    if ac is None and grid is not None and load is not None:
        ac, ac_source = round(load - grid, 3), "plus_flow by balance"
    if pv is None and ac is not None and (battery is not None or not has_storage):
        pv, pv_source = round(ac - (battery or 0.0), 3), "plus_flow by balance"
    powers: SourcedValues = {
        m.PV_POWER: (None if pv is None else max(pv, 0.0), pv_source),
        m.AC_POWER: (ac, ac_source),
    }
    if has_meter(flow, devices):
        powers |= {m.GRID_POWER: (grid, "plus_flow pGrid"), m.LOAD_POWER: (load, "plus_flow pConsum")}
    if has_storage:
        powers |= {
            m.BATTERY_POWER: (battery, "plus_flow pBat"),
            m.BATTERY_SOC: (valid_percent(readings[m.BATTERY_SOC]), "plus_flow soc"),
        }
    return powers


def day_energies(
    today: payloads.PlusStatistics | None, counted: Mapping[str, float | None], *, metered: bool
) -> SourcedValues:
    """Return the daily energies that no counter reports; counters take precedence as they are more precise."""
    items = {
        metric: item
        for metric, item in _ITEMS.items()
        if metric.name in counted or (metered and metric in _GRID_METRICS)
    }
    return {
        metric: (None if today is None else today.sum_of(item), f"plus_statistics {item}")
        for metric, item in items.items()
        if counted.get(metric.name) is None
    }


def plant_status(code: float | None) -> Status | None:
    """Return the status of a plant or device for the vendor's code."""
    return None if code is None else _STATUS.get(code)
