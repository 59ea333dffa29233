"""Mapping of SEMS Portal payloads to the common model: signs, time zones and rejected values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.model import Device, DeviceSnapshot, Plant, Status, combine
from heliograph.vendors.goodwe.legacy.signs import is_same_meter_twice, resolve_signs
from heliograph.vendors.goodwe.measurements import measure_sems_inverter, sems_oddities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from heliograph.metrics import Metric
    from heliograph.model import Snapshot
    from heliograph.vendors.goodwe.legacy import payloads

VENDOR = "goodwe"
CALL = "monitor_detail"

SourcedValues = dict["Metric", tuple[float | None, str]]
"""Values by metric, each with its source field and rule."""

_STATUS = {-1.0: Status.OFFLINE, 0.0: Status.STANDBY, 1.0: Status.ONLINE, 2.0: Status.FAULT}


def plants(named: Mapping[str, str | None]) -> tuple[Plant, ...]:
    """Return plants for a mapping of ids to names."""
    return tuple(Plant(vendor=VENDOR, id=plant_id, name=name) for plant_id, name in named.items())


def snapshot(
    detail: payloads.MonitorDetail, plant_id: str, fetched_at: datetime, configured: tzinfo | None = None
) -> Snapshot:
    """Return the snapshot of one plant, from its inverters and the plant's own values.

    `configured` overrides the plant's time zone; timestamps are still read with the UTC offset the portal reports.
    """
    plant = Plant(
        vendor=VENDOR,
        id=plant_id,
        name=detail.info.name,
        zone=configured or plant_zone(detail.info),
        peak_power=parsing.plant_size(detail.info.capacity),
    )
    devices = [inverter_snapshot(plant, row, detail.info) for row in detail.inverters if row.serial]
    whole = combine(plant, devices, fetched_at)
    status = whole.status or plant_status(detail.info.status)
    sourced = plant_values(detail, status)
    if not has_homekit(detail):
        devices = with_plant_powers(devices, sourced)
    return replace(
        whole,
        status=status,
        devices=tuple(devices),
        values={**whole.values, **{metric.name: value for metric, (value, _) in sourced.items()}},
        sources={**whole.sources, **{metric.name: f"{CALL} {source}" for metric, (_, source) in sourced.items()}},
    )


def with_plant_powers(devices: Sequence[DeviceSnapshot], sourced: SourcedValues) -> list[DeviceSnapshot]:
    """Return the devices, an only inverter with the powers that the vendor API reports for its plant only."""
    inverters = [one for one in devices if one.device.family in ("hybrid", "inverter")]
    if len(inverters) != 1:
        return list(devices)
    (inverter,) = inverters
    found = {
        metric.name: sourced[metric]
        for metric in (m.PV_POWER, m.BATTERY_POWER, m.BATTERY_SOC)
        if metric in sourced and inverter.values.get(metric.name) is None
    }
    values = {**inverter.values, **{name: value for name, (value, _) in found.items()}}
    sources = {**inverter.sources, **{name: f"plant {source}" for name, (_, source) in found.items()}}
    return [replace(one, values=values, sources=sources) if one is inverter else one for one in devices]


def plant_zone(info: payloads.SemsPlantInfo) -> tzinfo | None:
    """Return the plant's current UTC offset as a time zone."""
    return None if info.hours_behind is None else parsing.offset_zone(-info.hours_behind)


def inverter_snapshot(plant: Plant, row: payloads.SemsInverter, info: payloads.SemsPlantInfo) -> DeviceSnapshot:
    """Return the snapshot of one inverter."""
    registers = row.registers
    status = plant_status(row.status)
    device = Device(
        vendor=VENDOR,
        plant=plant.id,
        id=row.serial or "",
        family="hybrid" if row.is_stored else "inverter",
        name=row.name,
        model=row.model,
    )
    output = row.output_power if registers.output_power is None else registers.output_power
    values: dict[Metric, float | None] = {m.AC_POWER: plausible_power(output, status)}
    if not (registers.is_battery_box or registers.is_battery_unit):
        # Quirk: AC-coupled battery boxes report their battery's output as PV power.
        values |= {m.PV_ENERGY_TODAY: row.energy_today, m.PV_ENERGY_TOTAL: row.energy_total}
        if not row.is_stored:
            values[m.PV_POWER] = plausible_power(row.output_power, status)
    if row.is_stored and (registers.battery_capacity or info.battery_capacity or registers.battery_voltage):
        values[m.BATTERY_SOC] = valid_percent(registers.soc)
    named = {metric.name: value for metric, value in values.items()}
    return DeviceSnapshot(
        device=device,
        status=status,
        measured_at=measured_at(row, plant_zone(info)),
        values=named,
        sources=dict.fromkeys(named, f"{CALL} inverter"),
        measurements={} if status is Status.OFFLINE else measure_sems_inverter(row.body),
        oddities={} if status is Status.OFFLINE else sems_oddities(row.body),
    )


def measured_at(row: payloads.SemsInverter, zone: tzinfo | None) -> datetime | None:
    """Return the time of an inverter's last upload, from the least ambiguous of three fields."""
    return (
        parsing.parse_time(row.registers.last_time, None)
        or parsing.parse_time(row.last_refresh_time, zone, _FORMATS)
        or parsing.parse_time(row.frame.received, parsing.CHINA, _FORMATS)
    )


_FORMATS = ("%m/%d/%Y %H:%M:%S",)


def plant_values(detail: payloads.MonitorDetail, status: Status | None) -> SourcedValues:
    """Return the values of the plant itself."""
    values = _powers(detail, status) | _solar(detail, status) | _grid_energies(detail)
    if has_statistics(detail) and not _metered_twice(detail):
        values[m.LOAD_ENERGY_TODAY] = (detail.today.used, "energeStatisticsCharts")
        values[m.LOAD_ENERGY_TOTAL] = (detail.lifetime.used, "energeStatisticsTotals")
    if has_battery(detail):
        values |= _battery(detail, status)
    return values


def has_battery(detail: payloads.MonitorDetail) -> bool:
    """Return True if the plant has a battery; `is_stored` alone is also set on hybrids without one."""
    capacities = (row.registers.battery_capacity or row.registers.battery_voltage for row in detail.inverters)
    return bool(detail.info.is_stored and (detail.info.battery_capacity or any(capacities)))


def has_homekit(detail: payloads.MonitorDetail) -> bool:
    """Return True if a HomeKit meter measures the plant rather than its inverters."""
    return bool(detail.homekit.serial or detail.powerflow.is_homekit)


def has_statistics(detail: payloads.MonitorDetail) -> bool:
    """Return True if the plant's energy statistics are valid."""
    # Quirk: they contain numbers even if the flag is off, and zeros while a HomeKit is offline.
    unavailable = has_homekit(detail) and plant_status(detail.info.status) is Status.OFFLINE
    return bool(detail.has_statistics) and not unavailable


def _powers(detail: payloads.MonitorDetail, status: Status | None) -> SourcedValues:
    flow = detail.powerflow
    if detail.has_powerflow is False or (flow.grid is None and flow.load is None):
        return {}
    if status is Status.OFFLINE:
        return {m.GRID_POWER: (None, "powerflow"), m.LOAD_POWER: (None, "powerflow")}
    signed = resolve_signs(flow, [row.registers for row in detail.inverters])
    if _metered_twice(detail):
        half = None if signed.grid is None else signed.grid / 2
        return {m.GRID_POWER: (half, "powerflow.grid, counted twice"), m.LOAD_POWER: (None, "powerflow.load")}
    return {
        m.GRID_POWER: (signed.grid, f"powerflow.grid by {signed.grid_rule}"),
        m.LOAD_POWER: (flow.load, "powerflow.load"),
    }


def _battery(detail: payloads.MonitorDetail, status: Status | None) -> SourcedValues:
    flow = resolve_signs(detail.powerflow, [row.registers for row in detail.inverters])
    values: SourcedValues = {
        m.BATTERY_POWER: (
            None if status is Status.OFFLINE else flow.battery,
            f"powerflow.bettery by {flow.battery_rule}",
        )
    }
    with_battery = [row for row in detail.inverters if row.is_stored and valid_percent(row.registers.soc) is not None]
    if not with_battery:
        # Quirk: the plant's value counts inverters without a battery as 0, so an inverter's own value is preferred.
        soc = detail.powerflow.soc if detail.powerflow.soc_text else detail.soc.percent
        values[m.BATTERY_SOC] = (None if status is Status.OFFLINE else valid_percent(soc), "soc")
    if has_statistics(detail):
        values |= {
            m.BATTERY_CHARGE_ENERGY_TODAY: (detail.today.charged, "energeStatisticsCharts"),
            m.BATTERY_DISCHARGE_ENERGY_TODAY: (detail.today.discharged, "energeStatisticsCharts"),
            m.BATTERY_CHARGE_ENERGY_TOTAL: (detail.lifetime.charged, "energeStatisticsTotals"),
            m.BATTERY_DISCHARGE_ENERGY_TOTAL: (detail.lifetime.discharged, "energeStatisticsTotals"),
        }
    return values


def _solar(detail: payloads.MonitorDetail, status: Status | None) -> SourcedValues:
    if detail.info.only_battery_box or detail.info.only_battery_unit:
        return {}
    values: SourcedValues = {}
    homekit = has_homekit(detail)
    if detail.has_powerflow is not False and detail.powerflow.pv is not None:
        values[m.PV_POWER] = (plausible_power(detail.powerflow.pv, status), "powerflow.pv")
    elif not homekit:
        values[m.PV_POWER] = (plausible_power(detail.kpi.power, status), "kpi.pac")
    if homekit and detail.inverters:
        # Quirk: kpi then is the HomeKit's own counter, newer than the inverter's and 0 while it is offline.
        return values
    for metric, value in detail.kpi.readings().items():
        if value is not None:
            values[metric] = (value, "kpi")
    return values


def _grid_energies(detail: payloads.MonitorDetail) -> SourcedValues:
    """Return import and export from the meters' counters, else from the plant's statistics."""
    meters = [row.registers for row in detail.inverters if row.registers.import_total or row.registers.export_total]
    if not meters:
        return _grid_statistics(detail) if has_statistics(detail) else {}
    meters = meters[:1] if is_same_meter_twice(meters) else meters
    return {
        m.GRID_IMPORT_ENERGY_TODAY: (_sum(row.import_today for row in meters), "invert_full.buy"),
        m.GRID_EXPORT_ENERGY_TODAY: (_sum(row.export_today for row in meters), "invert_full.seller"),
        m.GRID_IMPORT_ENERGY_TOTAL: (_sum(row.import_total for row in meters), "invert_full.total_buy"),
        m.GRID_EXPORT_ENERGY_TOTAL: (_sum(row.export_total for row in meters), "invert_full.total_sell"),
    }


def _grid_statistics(detail: payloads.MonitorDetail) -> SourcedValues:
    return {
        m.GRID_IMPORT_ENERGY_TODAY: (detail.today.bought, "energeStatisticsCharts.buy"),
        m.GRID_EXPORT_ENERGY_TODAY: (detail.today.sold, "energeStatisticsCharts.sell"),
        m.GRID_IMPORT_ENERGY_TOTAL: (detail.lifetime.bought, "energeStatisticsTotals.buy"),
        m.GRID_EXPORT_ENERGY_TOTAL: (detail.lifetime.sold, "energeStatisticsTotals.sell"),
    }


def _metered_twice(detail: payloads.MonitorDetail) -> bool:
    return is_same_meter_twice([row.registers for row in detail.inverters])


def plausible_power(power: float | None, status: Status | None) -> float | None:
    """Return a generation power, or None if it is implausible for the status.

    Quirk: at night some accounts repeat the last power and others report zeros (Home Assistant integration,
    issue 24): the power of an offline plant is unknown, and that of a waiting one is only accepted as zero.
    """
    if power is None or status is Status.OFFLINE:
        return None
    if status in (Status.STANDBY, Status.FAULT) and power > 0:
        return None
    return max(power, 0.0)


def valid_percent(value: float | None) -> float | None:
    """Return a percentage, or None if it is outside 0 to 100."""
    return value if value is not None and 0 <= value <= 100 else None


def plant_status(code: float | None) -> Status | None:
    """Return the status of a plant or device for the vendor's code."""
    return None if code is None else _STATUS.get(code)


def _sum(values: Iterable[float | None]) -> float | None:
    """Return the sum, or None if any value is missing."""
    numbers = list(values)
    return None if None in numbers else round(sum(number or 0.0 for number in numbers), 3)
