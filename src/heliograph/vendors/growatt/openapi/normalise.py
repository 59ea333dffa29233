"""Map measurements of the token API to the common model: signs, fillers, absent parts; one function per family."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from heliograph import metrics as m
from heliograph.core.measurements import raw_numbers
from heliograph.core.parsing import CHINA, parse_time
from heliograph.model import DeviceSnapshot, Status
from heliograph.vendors.growatt.measurements import measure, unusable
from heliograph.vendors.growatt.normalise import (
    BATTERY_METRICS,
    METER_METRICS,
    Values,
    device_snapshot,
    difference,
    drop_metrics,
    sum_known,
)
from heliograph.vendors.growatt.openapi import payloads as pay

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from heliograph.metrics import Metric
    from heliograph.model import Device

# Quirk: "not available" is -0.1 or -1 (captures of MIN and WIT); no published magnitude is negative.
_FILLERS = frozenset((-1.0, -0.1, -0.10000000149011612))
FROZEN_AFTER = 1800.0
"""Seconds after which the powers of a device are its last ones, and no longer current."""
_WRAP = 65536.0


def map_device(device: Device, data: pay.OpenApiData, now: datetime, *, lost: bool | None) -> DeviceSnapshot:
    """Map the newest measurements of one device; `now` is in plant-local time.

    `lost` is the device list's: the member of the same name in the measurements is always true.
    """
    family = FAMILIES.get(device.family)
    if family is None:
        status = Status.OFFLINE if lost else None
        measured_at, raw = measured_time(data, now), raw_numbers(data.raw or {})
        return DeviceSnapshot(device=device, status=status, measured_at=measured_at, values={}, raw=raw)
    payload = family.payload(data.raw)
    values = {metric: _known(metric, value) for metric, value in family.values(payload).items()}
    measured_at = measured_time(data, now)
    age = None if measured_at is None else (now - measured_at).total_seconds()
    if lost or age is None or age > FROZEN_AFTER:
        # Quirk: a sleeping device repeats its last powers (Home Assistant issue 81393).
        values = {metric: None if metric.kind == "gauge" else value for metric, value in values.items()}
    if measured_at is not None and measured_at.astimezone(now.tzinfo).date() != now.date():
        # Quirk: the counters of a day stay until the device's first upload of the next.
        values = {metric: None if metric.kind == "today" else value for metric, value in values.items()}
    status = Status.OFFLINE if lost else family.status.get(payload.status, Status.ONLINE)
    is_current = not lost and age is not None and age <= FROZEN_AFTER
    measurements = measure(device.family, data.body) if is_current else {}
    oddities = unusable(device.family, data.body) if is_current else {}
    return device_snapshot(device, status, measured_at, values, family.call, measurements, oddities)


def measured_time(data: pay.OpenApiData, now: datetime) -> datetime | None:
    """Return when the device measured, in UTC.

    Quirk: `time` (NOAH: `timeStr`) is the device's own clock in the plant's zone; the epoch beside it (`calendar`) is
    that clock misread as China's, hours too early (captures of MIN and NOAH). It is used only where there is no text,
    as in a NOAH's answer (noah-mqtt issue 117).
    """
    found = data.body.get("timeStr") or data.body.get("time")
    if isinstance(found, str):
        return parse_time(found, now.tzinfo)
    misread = parse_time(found, UTC)
    return None if misread is None else misread.astimezone(CHINA).replace(tzinfo=now.tzinfo).astimezone(UTC)


def _known(metric: Metric, value: float | None) -> float | None:
    never_negative = metric.unit in {"kWh", "%"} or metric in {m.PV_POWER, m.LOAD_POWER}
    return None if never_negative and value in _FILLERS else value


def _magnitude(*values: float | None) -> float | None:
    """Return the sum of the known magnitudes, without fillers."""
    return sum_known(*(None if value in _FILLERS else value for value in values))


def _min(data: pay.MinData) -> Values:
    values = data.readings()
    values[m.PV_ENERGY_TODAY] = _magnitude(data.pv1_today, data.pv2_today, data.pv3_today, data.pv4_today)
    values[m.GRID_POWER] = difference(_magnitude(data.import_power), _magnitude(data.export_power))
    # Quirk: devices with one battery report remains of a second: fault 7, 12 V, 3 % (capture of a MOD).
    second = bool(data.second_battery_status) and not data.second_battery_fault
    charge = _magnitude(data.charge_power_1, data.charge_power_2 if second else None)
    discharge = _magnitude(data.discharge_power_1, data.discharge_power_2 if second else None)
    values[m.BATTERY_POWER] = difference(discharge, charge)
    values[m.BATTERY_SOC] = data.state_of_charge or data.state_of_charge_1
    # Quirk: devices without a battery or a meter report zeros for them.
    if not any((data.charge_total, data.discharge_total, data.battery_voltage, values[m.BATTERY_SOC])):
        drop_metrics(values, BATTERY_METRICS)
    if not any((data.import_total, data.export_total, data.load_total)):
        drop_metrics(values, METER_METRICS)
    return values


def _sph(data: pay.SphData) -> Values:
    values = data.readings()
    pv_today = (
        data.pv_today if data.pv_today is not None else _magnitude(data.pv1_today, data.pv2_today, data.pv3_today)
    )
    values[m.PV_ENERGY_TODAY] = pv_today
    # Quirk: the total may be 0 while a phase has the power (capture of an SPH-S).
    imported = data.import_power or _magnitude(data.import_power_r, data.import_power_s, data.import_power_t)
    exported = data.export_power or _magnitude(data.export_power_r, data.export_power_s, data.export_power_t)
    values[m.GRID_POWER] = difference(imported, exported)
    values[m.BATTERY_POWER] = difference(data.discharge_power, data.charge_power)
    values[m.BATTERY_SOC] = data.state_of_charge if data.state_of_charge is not None else data.bms_state_of_charge
    return values


def _storage(data: pay.StorageData) -> Values:
    values = data.readings()
    values[m.PV_POWER] = _magnitude(data.pv_power_1, data.pv_power_2)
    values[m.AC_POWER] = values[m.LOAD_POWER] = data.output_power
    values[m.GRID_POWER] = data.import_power
    charge = _magnitude(data.charge_power_1, data.charge_power_2)
    values[m.BATTERY_POWER] = difference(_magnitude(data.discharge_power_1, data.discharge_power_2), charge)
    values[m.BATTERY_SOC] = data.state_of_charge or data.capacity
    values[m.PV_ENERGY_TODAY] = _magnitude(data.pv1_today, data.pv2_today)
    values[m.PV_ENERGY_TOTAL] = _magnitude(data.pv1_total, data.pv2_total)
    return values


def _inverter(data: pay.InverterData) -> Values:
    values = data.readings()
    values[m.PV_ENERGY_TODAY] = data.power_today if data.power_today is not None else data.ac_today
    values[m.PV_ENERGY_TOTAL] = data.power_total if data.power_total is not None else data.ac_total
    return values


def _wit(data: pay.WitData) -> Values:
    values = data.readings()
    values[m.GRID_POWER] = difference(_magnitude(data.import_power), _magnitude(data.export_power))
    values[m.BATTERY_SOC] = None if data.state_of_charge in _FILLERS else data.state_of_charge
    return values


def _noah(data: pay.NoahData) -> Values:
    values = data.readings()
    power = data.battery_power
    if power is not None and power > _WRAP / 2:
        power -= _WRAP  # Quirk: negative powers arrive as unsigned 16 bits (65451 is -85 W)
    if power is not None:
        # Quirk: the sign is in the status where there is one; else positive is charging.
        power = -abs(power) if data.battery_status == 1 else abs(power) if data.battery_status == 2 else -power
    values[m.BATTERY_POWER] = None if power is None else power + 0.0
    if data.has_meter:
        values |= {m.GRID_POWER: data.grid_power, m.LOAD_POWER: data.load_power}
    return values


_ONLINE_STATUS: dict[float | None, Status] = {0: Status.STANDBY, 1: Status.ONLINE, 2: Status.FAULT, 3: Status.FAULT}
_SPH_STATUS: dict[float | None, Status] = {0: Status.STANDBY, 1: Status.STANDBY, 3: Status.FAULT}
_STORAGE_STATUS: dict[float | None, Status] = {3: Status.FAULT}
_NOAH_STATUS: dict[float | None, Status] = {-1: Status.OFFLINE, 4: Status.FAULT}


class FamilyReader:
    """How one family's measurements are read: their payload, values and status codes, and the call they come from."""

    def __init__(
        self,
        payload: type[Any],
        values: Callable[[Any], Values],
        status: dict[float | None, Status],
        call: str = "v1_last_data",
    ) -> None:
        self.payload = payload
        self.values = values
        self.status = status
        self.call = call


FAMILIES = {
    "tlx": FamilyReader(pay.MinData, _min, _ONLINE_STATUS),
    "mix": FamilyReader(pay.SphData, _sph, _SPH_STATUS),
    "spa": FamilyReader(pay.SpaData, _sph, _SPH_STATUS),
    "storage": FamilyReader(pay.StorageData, _storage, _STORAGE_STATUS),
    "max": FamilyReader(pay.InverterData, _inverter, _ONLINE_STATUS),
    "inverter": FamilyReader(pay.InverterData, _inverter, _ONLINE_STATUS, "v1_inverter_last_data"),
    # Quirk: status 3 of an SPH-S is "battery online", not a fault (capture).
    "sph-s": FamilyReader(pay.SphData, _sph, {}, "v4_last_data"),
    "wit": FamilyReader(pay.WitData, _wit, _ONLINE_STATUS, "v4_last_data"),
    "noah": FamilyReader(pay.NoahData, _noah, _NOAH_STATUS, "v4_last_data"),
}
"""Readers by family, under the names of the password API where it has the family."""
