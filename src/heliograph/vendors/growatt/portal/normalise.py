"""Map the web portal's responses to the common model: signs, units, times; one function per family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.model import DeviceSnapshot, Status
from heliograph.vendors.growatt.normalise import device_snapshot, difference, sum_known

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.metrics import Metric
    from heliograph.model import Device
    from heliograph.vendors.growatt.portal import payloads as pay

Values = dict["Metric", float | None]

_LOST, _MIX_FAULT, _STORAGE_FAULT, _INVERTER_FAULT = -1, 3, 3, 3


def measured_time(row: pay.PortalDevice) -> datetime | None:
    """Return when the values of a device were measured."""
    if (found := parsing.parse_time(row.time_in_china, parsing.CHINA)) is not None:
        return found
    zone = parsing.offset_zone(row.utc_offset)
    return None if zone is None else parsing.parse_time(row.time, zone)


def hybrid(
    device: Device,
    row: pay.PortalDevice,
    status: pay.PortalHybridStatus,
    totals: pay.PortalMixTotals | None,
) -> DeviceSnapshot:
    """Map a hybrid or AC-coupled battery inverter; energies that were not fetched are absent."""
    values = status.readings() | (totals.readings() if totals is not None else {})
    values[m.GRID_POWER] = difference(status.grid_import_power, status.grid_export_power, scale=1000)
    values[m.BATTERY_POWER] = difference(status.battery_discharge_power, status.battery_charge_power, scale=1000)
    state = Status.FAULT if status.work_mode == _MIX_FAULT else Status.ONLINE
    call = "portal_spa_status" if device.family == "spa" else "portal_mix_status"
    return device_snapshot(device, _or_lost(state, status.state), measured_time(row), values, call)


def storage(
    device: Device,
    row: pay.PortalDevice,
    status: pay.PortalStorageStatus,
    totals: pay.PortalStorageTotals | None,
) -> DeviceSnapshot:
    """Map an off-grid storage inverter; energies that were not fetched are absent."""
    values = status.readings() | (totals.readings() if totals is not None else {})
    state = Status.FAULT if status.status == _STORAGE_FAULT else Status.ONLINE
    state = Status.OFFLINE if row.status == _LOST else state
    return device_snapshot(device, state, measured_time(row), values, "portal_storage_status")


def tlx_with_battery(device: Device, row: pay.PortalDevice, status: pay.PortalTlxStatus) -> DeviceSnapshot:
    """Map a TLX device with a battery: powers only, as the portal's energies of its battery are not known."""
    values = status.readings()
    strings = (status.pv1_power, status.pv2_power, status.pv3_power, status.pv4_power)
    # A part of the strings is not the solar power.
    values[m.PV_POWER] = (
        status.pv_power if status.pv_power is not None else None if None in strings else sum_known(*strings)
    )
    values[m.GRID_POWER] = difference(status.grid_import_power, status.grid_export_power)
    values[m.BATTERY_POWER] = difference(status.battery_discharge_power, status.battery_charge_power)
    return device_snapshot(
        device, _or_lost(Status.ONLINE, status.state), measured_time(row), values, "portal_tlx_status"
    )


def inverter(device: Device, row: pay.PortalDevice) -> DeviceSnapshot:
    """Map a device without a battery, from its row in the device list."""
    values: Values = {
        m.AC_POWER: row.ac_power,
        m.PV_ENERGY_TODAY: row.energy_today,
        m.PV_ENERGY_TOTAL: row.energy_total,
    }
    states: dict[float | None, Status] = {
        _LOST: Status.OFFLINE,
        0: Status.STANDBY,
        1: Status.ONLINE,
        _INVERTER_FAULT: Status.FAULT,
    }
    return device_snapshot(device, states.get(row.status), measured_time(row), values, "portal_device_page")


def _or_lost(status: Status, state: str | None) -> Status:
    return Status.OFFLINE if "lost" in (state or "") else status
