"""From the SEMS Portal's answers to common readings: signs, zones and which of its lies to skip."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone, tzinfo
from typing import TYPE_CHECKING

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.model import Device, DeviceSnapshot, Plant, Status, combine
from heliograph.vendors.goodwe.legacy.signs import is_same_meter_twice, resolve_signs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from heliograph.metrics import Metric
    from heliograph.model import Snapshot
    from heliograph.vendors.goodwe.legacy import payloads as said

VENDOR = "goodwe"
CALL = "monitor_detail"

SourcedValues = dict["Metric", tuple[float | None, str]]
"""Values with the field, and the rule, they come from."""

_STATUS = {-1.0: Status.OFFLINE, 0.0: Status.STANDBY, 1.0: Status.ONLINE, 2.0: Status.FAULT}
_FURTHEST_ZONE = 14.0


def plants(named: Mapping[str, str | None]) -> tuple[Plant, ...]:
    """Return the plants of an account by their ids and names."""
    return tuple(Plant(vendor=VENDOR, id=plant_id, name=name) for plant_id, name in named.items())


def snapshot(
    detail: said.MonitorDetail, plant_id: str, fetched_at: datetime, configured: tzinfo | None = None
) -> Snapshot:
    """Read one plant whole: its inverters, and what the portal says of the plant itself.

    A configured zone is the plant's; the moments are read by the offset the portal itself says it writes them in.
    """
    plant = Plant(vendor=VENDOR, id=plant_id, name=detail.info.name, zone=configured or plant_zone(detail.info))
    devices = [inverter_snapshot(plant, row, detail.info) for row in detail.inverters if row.serial]
    whole = combine(plant, devices, fetched_at)
    status = whole.status or _status(detail.info.status)
    found = plant_values(detail, status)
    return replace(
        whole,
        status=status,
        values={**whole.values, **{row.name: value for row, (value, _) in found.items()}},
        sources={**whole.sources, **{row.name: f"{CALL} {source}" for row, (_, source) in found.items()}},
    )


def plant_zone(info: said.SemsPlantInfo) -> tzinfo | None:
    """Return the clock on the plant's wall, as it is offset from UTC now."""
    hours = info.hours_behind
    return None if hours is None or abs(hours) > _FURTHEST_ZONE else timezone(-timedelta(hours=hours))


def inverter_snapshot(plant: Plant, row: said.SemsInverter, info: said.SemsPlantInfo) -> DeviceSnapshot:
    """Read one inverter."""
    registers = row.registers
    status = _status(row.status)
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
        # Quirk: AC-coupled battery boxes show their battery's output as solar power.
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
    )


def measured_at(row: said.SemsInverter, wall: tzinfo | None) -> datetime | None:
    """Return when an inverter last spoke; of its three ways to say so the epoch is the plainest."""
    return (
        parsing.parse_time(row.registers.last_time, None)
        or parsing.parse_time(row.last_refresh_time, wall, _FORMATS)
        or parsing.parse_time(row.frame.received, parsing.CHINA, _FORMATS)
    )


_FORMATS = ("%m/%d/%Y %H:%M:%S",)


def plant_values(detail: said.MonitorDetail, status: Status | None) -> SourcedValues:
    """Return what the portal says of the plant itself."""
    found = _powers(detail, status) | _solar(detail, status) | _grid_energies(detail)
    if has_statistics(detail) and not _metered_twice(detail):
        found[m.LOAD_ENERGY_TODAY] = (detail.today.used, "energeStatisticsCharts")
        found[m.LOAD_ENERGY_TOTAL] = (detail.lifetime.used, "energeStatisticsTotals")
    if has_battery(detail):
        found |= _battery(detail, status)
    return found


def has_battery(detail: said.MonitorDetail) -> bool:
    """Tell whether there is a battery: a hybrid with an empty bay calls itself stored, too."""
    capacities = (row.registers.battery_capacity or row.registers.battery_voltage for row in detail.inverters)
    return bool(detail.info.is_stored and (detail.info.battery_capacity or any(capacities)))


def has_homekit(detail: said.MonitorDetail) -> bool:
    """Tell whether a HomeKit box measures the plant, rather than its inverters."""
    return bool(detail.homekit.serial or detail.powerflow.is_homekit)


def has_statistics(detail: said.MonitorDetail) -> bool:
    """Tell whether the portal's sums mean anything."""
    # Quirk: they are filled with numbers even when the flag is off, and with zeros while a HomeKit is offline.
    silent = has_homekit(detail) and _status(detail.info.status) is Status.OFFLINE
    return bool(detail.has_statistics) and not silent


def _powers(detail: said.MonitorDetail, status: Status | None) -> SourcedValues:
    flow = detail.powerflow
    if detail.has_powerflow is False or (flow.grid is None and flow.load is None):
        return {}
    if status is Status.OFFLINE:
        return {m.GRID_POWER: (None, "powerflow"), m.LOAD_POWER: (None, "powerflow")}
    found = resolve_signs(flow, [row.registers for row in detail.inverters])
    if _metered_twice(detail):
        half = None if found.grid is None else found.grid / 2
        return {m.GRID_POWER: (half, "powerflow.grid, counted twice"), m.LOAD_POWER: (None, "powerflow.load")}
    return {
        m.GRID_POWER: (found.grid, f"powerflow.grid by {found.grid_rule}"),
        m.LOAD_POWER: (flow.load, "powerflow.load"),
    }


def _battery(detail: said.MonitorDetail, status: Status | None) -> SourcedValues:
    flow = resolve_signs(detail.powerflow, [row.registers for row in detail.inverters])
    found: SourcedValues = {
        m.BATTERY_POWER: (
            None if status is Status.OFFLINE else flow.battery,
            f"powerflow.bettery by {flow.battery_rule}",
        )
    }
    own = [row for row in detail.inverters if row.is_stored and valid_percent(row.registers.soc) is not None]
    if not own:
        # Quirk: the plant's figure counts units without a battery as 0, so an inverter's own word is better.
        soc = detail.powerflow.soc if detail.powerflow.soc_text else detail.soc.percent
        found[m.BATTERY_SOC] = (None if status is Status.OFFLINE else valid_percent(soc), "soc")
    if has_statistics(detail):
        found |= {
            m.BATTERY_CHARGE_ENERGY_TODAY: (detail.today.charged, "energeStatisticsCharts"),
            m.BATTERY_DISCHARGE_ENERGY_TODAY: (detail.today.discharged, "energeStatisticsCharts"),
            m.BATTERY_CHARGE_ENERGY_TOTAL: (detail.lifetime.charged, "energeStatisticsTotals"),
            m.BATTERY_DISCHARGE_ENERGY_TOTAL: (detail.lifetime.discharged, "energeStatisticsTotals"),
        }
    return found


def _solar(detail: said.MonitorDetail, status: Status | None) -> SourcedValues:
    if detail.info.only_battery_box or detail.info.only_battery_unit:
        return {}
    found: SourcedValues = {}
    homekit = has_homekit(detail)
    if detail.has_powerflow is not False and detail.powerflow.pv is not None:
        found[m.PV_POWER] = (plausible_power(detail.powerflow.pv, status), "powerflow.pv")
    elif not homekit:
        found[m.PV_POWER] = (plausible_power(detail.kpi.power, status), "kpi.pac")
    if homekit and detail.inverters:
        # Quirk: the headline then is the HomeKit's own count, younger than the inverter's and 0 while it is offline.
        return found
    for metric, value in detail.kpi.readings().items():
        if value is not None:
            found[metric] = (value, "kpi")
    return found


def _grid_energies(detail: said.MonitorDetail) -> SourcedValues:
    """Return import and export as the meters counted them, else as the portal adds them up."""
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


def _grid_statistics(detail: said.MonitorDetail) -> SourcedValues:
    return {
        m.GRID_IMPORT_ENERGY_TODAY: (detail.today.bought, "energeStatisticsCharts.buy"),
        m.GRID_EXPORT_ENERGY_TODAY: (detail.today.sold, "energeStatisticsCharts.sell"),
        m.GRID_IMPORT_ENERGY_TOTAL: (detail.lifetime.bought, "energeStatisticsTotals.buy"),
        m.GRID_EXPORT_ENERGY_TOTAL: (detail.lifetime.sold, "energeStatisticsTotals.sell"),
    }


def _metered_twice(detail: said.MonitorDetail) -> bool:
    return is_same_meter_twice([row.registers for row in detail.inverters])


def plausible_power(power: float | None, status: Status | None) -> float | None:
    """Return a generating power as far as it can be true.

    Quirk: a plant that sleeps keeps its last power on some accounts and reads zeros on others (Home Assistant
    integration, issue 24): offline nothing is known, and while it waits only a zero is true.
    """
    if power is None or status is Status.OFFLINE:
        return None
    if status in (Status.STANDBY, Status.FAULT) and power > 0:
        return None
    return max(power, 0.0)


def valid_percent(value: float | None) -> float | None:
    """Return a state of charge that can be one."""
    return value if value is not None and 0 <= value <= 100 else None


def _status(code: float | None) -> Status | None:
    return None if code is None else _STATUS.get(code)


def _sum(values: Iterable[float | None]) -> float | None:
    """Add meters up; one that is silent makes the sum a gap."""
    known = list(values)
    return None if None in known else round(sum(value or 0.0 for value in known), 3)
