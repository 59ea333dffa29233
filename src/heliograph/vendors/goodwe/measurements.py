"""Device measurements of both GoodWe dialects: which wire key or factor code is which device metric.

Sources: public recordings described in docs/clouds/goodwe.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.measurements import Measurements, find_oddities, numbered, parse_measurements, row
from heliograph.core.parsing import parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping

_VOLTAGES_AND_CURRENTS = (
    *numbered("pv{n}_voltage", "vpv{n}", 6),
    *numbered("pv{n}_current", "ipv{n}", 6),
    *numbered("phase{n}_voltage", "vac{n}", 3),
    *numbered("phase{n}_current", "iac{n}", 3),
    row("grid_frequency", "fac1"),
)

SEMS_INVERTER = (
    *_VOLTAGES_AND_CURRENTS,
    *numbered("string{n}_current", "istr{n}", 16),
    row("battery_voltage", "vbattery1"),
    row("battery_current", "ibattery1"),
    row("battery_state_of_health", "soh"),
    row("battery_capacity", "battery1_capacity", "kWh"),
    row("battery_charge_current_limit", "bms_charge_i_max"),
    row("battery_discharge_current_limit", "bms_discharge_i_max"),
    row("backup_power", "pbackup"),
    row("backup_voltage", "vload"),
    row("backup_current", "iload"),
    row("meter_power", "pmeter"),
    row("power_factor", "pf"),
    row("reactive_power", "reactive_power"),
    row("leakage_current", "leakage_current"),
    row("isolation_resistance", "isoLimit"),
    row("temperature", "tempperature"),
    row("operating_time", "hour_total"),
    row("rated_power", "capacity", "kW"),
    row("model", "model_type"),
    row("firmware", "firmwareversion"),
    row("warning_code", "bms_warning"),
)
"""`invert_full` of SEMS Portal's monitor_detail."""
SEMS_FRAME = (*_VOLTAGES_AND_CURRENTS, row("operating_time", "hTotal"))
"""`d`, the last frame: it has the voltages where `invert_full` lacks them (capture of 2021)."""

PLUS_INVERTER = (
    *numbered("pv{n}_voltage", "MPPT-{n}:Vpv", 16),
    *numbered("pv{n}_current", "MPPT-{n}:Ipv", 16),
    *numbered("pv{n}_power", "MPPT-{n}:Ppv", 16, "kW"),
    row("phase1_voltage", "Vac"),
    row("phase1_current", "Iac"),
    *(row(f"phase{n}_voltage", f"PHASE-{letter}:Vac") for n, letter in enumerate("ABC", 1)),
    *(row(f"phase{n}_current", f"PHASE-{letter}:Iac") for n, letter in enumerate("ABC", 1)),
    row("grid_frequency", "Fac"),
    row("power_factor", "gridPF"),
    row("power_factor", "storagePF"),
    row("reactive_power", "qAc", "kVar"),
    row("backup_power", "pBackup", "kW"),
    row("backup_voltage", "vBackupPhA"),
    row("backup_current", "aBackupPhA"),
    row("temperature", "Temperature"),
    row("operating_time", "hTotal"),
    row("isolation_resistance", "ISOLimit"),
    row("leakage_current", "LeakageCurrent"),
    row("rated_power", "ratedPower", "kW"),
)
"""SEMS+ telemetry and counters of an inverter."""
PLUS_BATTERY = (
    row("battery1_soc", "soc"),
    row("battery1_power", "pBat", "kW"),
    row("battery_state_of_health", "soh"),
    row("battery_voltage", "voltage"),
    row("battery_current", "a"),
    row("battery_temperature", "batSysTemp"),
    row("battery_charge_current_limit", "aMaxChar"),
    row("battery_discharge_current_limit", "aMaxDischar"),
)
"""SEMS+ telemetry of a battery (BAT_SYS)."""
PLUS_METER = (
    row("meter_power", "totalPac", "kW"),
    *(row(f"meter_phase{n}_power", f"PHASE-{letter}:pAc", "kW") for n, letter in enumerate("ABC", 1)),
    *(row(f"meter_phase{n}_voltage", f"PHASE-{letter}:voltage") for n, letter in enumerate("ABC", 1)),
    *(row(f"meter_phase{n}_current", f"PHASE-{letter}:current") for n, letter in enumerate("ABC", 1)),
)
"""SEMS+ telemetry of a meter."""

PLUS_TABLES = {"INVERTER": PLUS_INVERTER, "BAT_SYS": PLUS_BATTERY, "SMART_METER": PLUS_METER}


SEMS_ROW = (row("fault_code", "fault_message"),)
"""The inverter itself: keys of the app's texts, as "e-G3-12-0_warning"."""


def measure_sems_inverter(inverter: Mapping[str, Any]) -> Measurements:
    """Return the measurements in an inverter's `invert_full`, in its last frame, and beside them."""
    registers, frame = (_object(inverter.get(name)) for name in ("invert_full", "d"))
    found = parse_measurements(SEMS_FRAME, frame) | parse_measurements(SEMS_ROW, inverter)
    if isinstance(code := found.get("fault_code"), str):
        found["fault_code"] = code.removesuffix("_warning").upper()
    found |= {name: value for name, value in parse_measurements(SEMS_INVERTER, registers).items() if value is not None}
    # Quirk: without a battery the state of health is -0.1 and the voltage a sentinel (capture of 2021); the limits
    # that remain are of no battery.
    if not found.get("battery_voltage"):
        found = {name: value for name, value in found.items() if not name.startswith("battery_")}
    power = found.get("meter_power")
    # Quirk: without a backup output its power repeats the meter's, and its voltage is 0 (capture of 2337 W imported).
    if power is not None and found.get("backup_power") == power and not found.get("backup_voltage"):
        found = {name: value for name, value in found.items() if not name.startswith("backup_")}
    # Quirk: + exports, the opposite of ours; without a meter it repeats the output power.
    if power is not None and power == parse_number(registers.get("pac")):
        del found["meter_power"]
    elif isinstance(power, float):
        found["meter_power"] = -power + 0.0
    return found


def sems_oddities(inverter: Mapping[str, Any]) -> dict[str, str]:
    """Return what could not be used in an inverter's `invert_full`."""
    return find_oddities(SEMS_INVERTER, _object(inverter.get("invert_full")))


def plus_oddities(device_type: str, body: Mapping[str, Any]) -> dict[str, str]:
    """Return what could not be used in SEMS+ factors by code."""
    return find_oddities(PLUS_TABLES.get(device_type, ()), body)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def measure_plus(device_type: str, body: Mapping[str, Any]) -> Measurements:
    """Return the measurements in SEMS+ factors by code, of a device of this type."""
    found = parse_measurements(PLUS_TABLES.get(device_type, ()), body)
    for name in found:
        value = found[name]
        # Quirk: - imports, the opposite of ours (capture of a meter importing on three phases).
        if name.startswith("meter_") and name.endswith("power") and isinstance(value, float):
            found[name] = -value + 0.0
    return found
