"""Device measurements of Growatt's families: which wire key is which device metric.

One table serves the password API and the token API, since both send the same object of a device; keys are compared
without case. Sources: public recordings described in docs/clouds/growatt.md and growatt-token.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.measurements import (
    Measurements,
    find_oddities,
    numbered,
    parse_measurements,
    row,
    smallest_and_largest,
    without_absent_parts,
)
from heliograph.core.parsing import parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping

# Quirk: "not available" is -0.1 or -1 (captures of MIN and WIT).
_FILLERS = frozenset((-1.0, -0.1, -0.10000000149011612))
_CELLS = 16

_INPUTS = (
    *numbered("pv{n}_voltage", "vpv{n}", 16),
    *numbered("pv{n}_current", "ipv{n}", 16),
    *numbered("pv{n}_power", "ppv{n}", 16),
    *numbered("pv{n}_energy_today", "epv{n}Today", 16),
    *numbered("pv{n}_energy_total", "epv{n}Total", 16),
)
_STRINGS = (
    *numbered("string{n}_voltage", "vString{n}", 32),
    *numbered("string{n}_current", "currentString{n}", 32),
)
_PHASES = (
    *numbered("phase{n}_voltage", "vac{n}", 3),
    *numbered("phase{n}_current", "iac{n}", 3),
    *numbered("phase{n}_power", "pac{n}", 3),
    row("line1_2_voltage", "vacRs"),
    row("line2_3_voltage", "vacSt"),
    row("line3_1_voltage", "vacTr"),
    row("grid_frequency", "fac"),
)
_PHASES_BY_LETTER = (
    *(row(f"phase{n}_voltage", f"vac{letter}") for n, letter in enumerate("rst", 1)),
    *(row(f"phase{n}_current", f"iac{letter}") for n, letter in enumerate("rst", 1)),
    *(row(f"phase{n}_power", f"pac{letter}") for n, letter in enumerate("rst", 1)),
)
_STATE = (
    row("work_mode", "uwSysWorkMode"),
    row("status_text", "statusText"),
    row("fault_code", "faultCode"),
    row("fault_code", "faultType"),
    row("fault_code", "errorCode"),
    row("warning_code", "warnCode"),
    row("fault_text", "errorText"),
    row("warning_text", "warnText"),
    row("datalogger", "dataLogSn"),
    row("firmware", "fwVersion"),
)
_SHARED = (
    row("power_factor", "pf"),
    row("output_percent", "realOPPercent"),
    row("rated_power", "opFullwatt"),
    row("leakage_current", "gfci"),
    row("bus_voltage", "pBusVoltage"),
    row("bus_voltage_negative", "nBusVoltage"),
    row("ac_energy_today", "eacToday"),
    row("ac_energy_total", "eacTotal"),
    row("self_consumption_energy_today", "eselfToday"),
    row("self_consumption_energy_total", "eselfTotal"),
    row("system_energy_today", "esystemToday"),
    row("system_energy_total", "esystemTotal"),
    row("self_consumption_power", "pself"),
    row("system_power", "psystem"),
    *_STATE,
)

TLX = (
    *_INPUTS,
    *_PHASES,
    *_SHARED,
    row("battery_state_of_health", "bmsSoh"),
    row("battery_temperature", "bmsTemp1Bat"),
    row("battery_voltage", "bmsVbat"),
    row("battery_voltage", "bdc1Vbat"),
    row("battery_current", "bmsIbat"),
    row("battery_charge_current_limit", "bmsMaxCurr"),
    row("battery_ac_charge_energy_today", "eacChargeToday"),
    row("battery_ac_charge_energy_total", "eacChargeTotal"),
    *numbered("battery{n}_soc", "bdc{n}Soc", 2),
    *numbered("battery{n}_charge_power", "bdc{n}ChargePower", 2),
    *numbered("battery{n}_discharge_power", "bdc{n}DischargePower", 2),
    *numbered("battery{n}_voltage", "bdc{n}Vbat", 2),
    *numbered("battery{n}_current", "bdc{n}Ibat", 2),
    *numbered("battery{n}_temperature", "bdc{n}Temp1", 2),
    *numbered("battery{n}_charge_energy_total", "bdc{n}ChargeTotal", 2),
    *numbered("battery{n}_discharge_energy_total", "bdc{n}DischargeTotal", 2),
    row("backup_power", "epsPac"),
    row("backup_frequency", "epsFac"),
    row("backup_load", "loadPercent"),
    *numbered("backup_phase{n}_power", "epsPac{n}", 3),
    *numbered("backup_phase{n}_voltage", "epsVac{n}", 3),
    *numbered("backup_phase{n}_current", "epsIac{n}", 3),
    row("generator_power", "pex1"),
    row("generator_energy_today", "eex1Today"),
    row("generator_energy_total", "eex1Total"),
    row("temperature", "temp1"),
    *(row(f"temperature{n}", f"temp{n}") for n in range(2, 6)),
    row("isolation_resistance", "iso"),
    row("operating_time", "timeTotal", "s"),
)
"""MIN, MIC, MID, MOD and NEO: `tlx_detail`, V1 `tlx_last_data`, V4 `min`."""

MIX_STATUS = (
    *numbered("pv{n}_voltage", "vPv{n}", 4),
    # Quirk: the strings are in W inside an answer that is otherwise in kW.
    *numbered("pv{n}_power", "pPv{n}", 4),
    row("phase1_voltage", "vAc1"),
    row("grid_frequency", "fAc"),
    row("battery_voltage", "vBat"),
    row("backup_voltage", "upsVac1"),
    row("backup_frequency", "upsFac"),
    row("work_mode", "uwSysWorkMode"),
    row("rated_power", "pmax", "kW"),
)
"""SPH by the password API: `mix_system_status`."""

MIX_DETAIL = (
    row("system_energy_today", "eCharge"),
    row("self_consumption_energy_today", "eChargeToday1"),
    row("load_from_pv_energy_today", "eChargeToday"),
    row("load_from_battery_energy_today", "echarge1"),
    # Quirk: without what charges the battery from the grid (growattServer's documentation).
    row("load_from_grid_energy_today", "etouser"),
)
"""SPH by the password API: `mix_detail`."""

SPH = (
    *_INPUTS,
    *_PHASES,
    *_SHARED,
    row("battery_voltage", "vbat"),
    row("battery_voltage", "bmsBatteryVolt"),
    row("battery_current", "bmsBatteryCurr"),
    row("battery_temperature", "bmsBatteryTemp"),
    row("battery_temperature", "batteryTemperature"),
    row("battery_state_of_health", "bmsSOH"),
    row("battery_cycles", "bmsCycleCnt"),
    row("battery_charge_current_limit", "bmsMaxCurr"),
    row("battery_discharge_current_limit", "bmsMaxDischgCurr"),
    row("battery_ac_charge_power", "acChargePower"),
    row("battery_ac_charge_energy_today", "acChargeEnergyToday"),
    row("battery_ac_charge_energy_total", "acChargeEnergyTotal"),
    row("backup_frequency", "upsFac"),
    row("backup_load", "upsLoadpercent"),
    *numbered("backup_phase{n}_power", "upsPac{n}", 3),
    row("backup_phase1_voltage", "upsVac1"),
    *(row(f"backup_phase{n}_voltage", f"epsVac{n}") for n in (2, 3)),
    *numbered("backup_phase{n}_current", "epsIac{n}", 3),
    row("generator_power", "genPower"),
    row("generator_voltage", "genVol"),
    row("generator_frequency", "genFreq"),
    row("generator_energy_today", "genEnergyToday"),
    row("generator_energy_total", "genEnergy"),
    row("temperature", "temp1"),
    row("temperature", "invTemp"),
    *(row(f"temperature{n}", f"temp{n}") for n in range(2, 6)),
    row("dc_converter_temperature", "dcTemp"),
    row("bus_voltage", "vBus1"),
)
"""SPH, SPA and SPH-S by the token API."""

INVERTER = (
    *_INPUTS,
    *_PHASES,
    *_PHASES_BY_LETTER,
    *_STRINGS,
    *_SHARED,
    row("ac_energy_today", "powerToday"),  # of a classic inverter, which has no `eacToday`; 0 on a MAX
    row("ac_energy_total", "powerTotal"),
    row("reactive_power", "reactPower"),
    row("reactive_power", "rac"),
    row("temperature", "temperature"),
    *(row(f"temperature{n}", f"temperature{n}") for n in range(2, 6)),
    row("module_temperature", "ipmTemperature"),
    row("isolation_resistance", "pvIso"),
    row("fault_code", "faultCode1"),
)
"""Classic inverters and MAX: `inverter_detail`, V1 `inverter` and `max`."""

STORAGE = (
    row("pv1_voltage", "vpv"),
    row("pv2_voltage", "vpv2"),
    row("pv1_current", "iChargePV1"),
    row("pv2_current", "iChargePV2"),
    row("pv1_power", "ppv"),
    row("pv2_power", "ppv2"),
    row("pv1_energy_today", "epvToday"),
    row("pv1_energy_total", "epvTotal"),
    row("pv2_energy_today", "epvToday2"),
    row("pv2_energy_total", "epvTotal2"),
    row("phase1_voltage", "vGrid"),
    row("grid_frequency", "freqGrid"),
    row("backup_power", "outPutPower"),
    row("backup_voltage", "outPutVolt"),
    row("backup_current", "outPutCurrent"),
    row("backup_frequency", "freqOutPut"),
    row("backup_load", "loadPercent"),
    row("backup_energy_today", "eopDischrToday"),
    row("backup_energy_total", "eopDischrTotal"),
    row("apparent_power", "rateVA"),
    row("battery_voltage", "vBat"),
    row("battery_temperature", "bmsBatteryTemp"),
    row("battery_temperature", "batTemp"),
    row("battery_state_of_health", "bmsSoh"),
    row("battery_state_of_health", "soh"),
    row("battery_cycles", "cycleCount"),
    row("battery_charge_current", "chgCurr"),
    row("battery_discharge_current", "dischgCurr"),
    row("battery_ac_charge_power", "pAcCharge"),
    row("battery_ac_charge_current", "iAcCharge"),
    row("battery_ac_charge_energy_today", "eacChargeToday"),
    row("battery_ac_charge_energy_total", "eacChargeTotal"),
    row("battery_ac_discharge_energy_today", "eacDisChargeToday"),
    row("battery_ac_discharge_energy_total", "eacDisChargeTotal"),
    row("battery_cell_voltage_min", "minCellVolt"),
    row("battery_cell_voltage_max", "maxCellVolt"),
    row("generator_voltage", "genVolt"),
    row("generator_power", "eGenDischrPower"),
    row("generator_energy_today", "eGenDischrToday"),
    row("generator_energy_total", "eGenDischrTotal"),
    row("temperature", "invTemperature"),
    row("temperature", "temperature"),
    row("dc_converter_temperature", "dcDcTemperature"),
    row("module_temperature", "ipmTemperature"),
    row("bus_voltage", "vBus"),
    *_STATE,
)
"""SPF: `storage_params` (its `storageDetailBean`), V1 and V4 `storage`."""

NOAH = (
    *numbered("pv{n}_voltage", "pv{n}Voltage", 4),
    *numbered("pv{n}_current", "pv{n}Current", 4),
    *numbered("pv{n}_temperature", "pv{n}Temp", 4),
    *numbered("battery{n}_soc", "battery{n}Soc", 4),
    *numbered("battery{n}_temperature", "battery{n}Temp", 4),
    row("battery_state_of_health", "batterySoh"),
    row("battery_cycles", "batteryCycles"),
    row("battery_packs", "batteryPackageQuantity"),
    # Quirk: in mV: 3256 beside 3253 on a 16-cell pack of 51 V (capture of a NOAH 2000).
    row("battery_cell_voltage_min", "minCellVoltage", "mV"),
    row("battery_cell_voltage_max", "maxCellVoltage", "mV"),
    row("phase1_voltage", "onGridVoltage"),
    row("phase1_current", "onGridCurrent"),
    row("phase1_power", "onGridPower"),
    row("backup_voltage", "offGridVoltage"),
    row("backup_current", "offGridCurrent"),
    row("backup_power", "offGridPower"),
    row("ac_energy_today", "eacToday"),
    row("ac_energy_total", "eacTotal"),
    row("temperature", "systemTemp"),
    row("work_mode", "workMode"),
    row("fault_code", "faultStatus"),
    row("datalogger", "datalogSn"),
)
"""NOAH and NEXA: `noah_system_status`, V4 `noah`."""

WIT = (
    *_INPUTS,
    *_PHASES,
    *_STRINGS,
    *_SHARED,
    row("reactive_power", "reactPower"),
    row("battery_voltage", "vbat"),
    row("battery_state_of_health", "soh"),
    row("generator_power", "genPower"),
    row("temperature", "temp1"),
    *(row(f"temperature{n}", f"temp{n}") for n in (2, 3)),
    row("isolation_resistance", "pvIso"),
    row("bus_voltage", "vBusP"),
    row("bus_voltage_negative", "vBusN"),
)
"""WIT by V4."""

TABLES = {
    "tlx": TLX,
    "mix": SPH,
    "spa": SPH,
    "sph-s": SPH,
    "inverter": INVERTER,
    "max": INVERTER,
    "storage": STORAGE,
    "noah": NOAH,
    "wit": WIT,
}
"""Tables of the token API by family; the password API has its own answer for `mix`."""


def measure(family: str, body: Mapping[str, Any]) -> Measurements:
    """Return the measurements in a device's object of either API; empty for a family without a table."""
    found = parse_measurements(TABLES.get(family, ()), body, _FILLERS)
    if family == "tlx":
        _complete_tlx(found, body)
    elif family in ("mix", "spa", "sph-s"):
        _complete_sph(found, body)
    return without_absent_parts(found)


def unusable(family: str, body: Mapping[str, Any]) -> dict[str, str]:
    """Return what could not be used in a device's object of either API."""
    return find_oddities(TABLES.get(family, ()), body)


def measure_mix(status: Mapping[str, Any], detail: Mapping[str, Any]) -> Measurements:
    """Return the measurements in `mix_system_status` and, if it was fetched, in `mix_detail`."""
    return parse_measurements(MIX_STATUS, status, _FILLERS) | parse_measurements(MIX_DETAIL, detail)


def _complete_tlx(found: Measurements, body: Mapping[str, Any]) -> None:
    # Quirk: a system with one battery reports a second one with state of charge 3, 12 V and fault type 7.
    if parse_number(body.get("bdc2FaultType")) or not parse_number(body.get("bdc2Status")):
        for name in [name for name in found if name.startswith("battery2_")]:
            del found[name]
    for part in ("battery1", "battery2"):
        _set_power(found, part)
    charge, discharge = found.get("battery1_charge_power"), found.get("battery1_discharge_power")
    _set_current_sign(found, "battery_current", charge, discharge)


def _complete_sph(found: Measurements, body: Mapping[str, Any]) -> None:
    lowered = {key.lower(): value for key, value in body.items()}
    for n, letter in enumerate("rst", 1):
        imported = parse_number(lowered.get(f"pactouser{letter}"))
        exported = parse_number(lowered.get(f"pactogrid{letter}"))
        if imported is not None and exported is not None:
            found[f"meter_phase{n}_power"] = round(imported - exported, 3) + 0.0
    cells = (lowered.get(f"bmscell{n}volt") for n in range(1, _CELLS + 1))
    low, high = smallest_and_largest(cells)
    if low is not None:
        found |= {"battery_cell_voltage_min": low, "battery_cell_voltage_max": high}
    charge, discharge = parse_number(lowered.get("pcharge1")), parse_number(lowered.get("pdischarge1"))
    _set_current_sign(found, "battery_current", charge, discharge)


def _set_power(found: Measurements, part: str) -> None:
    charge, discharge = found.get(f"{part}_charge_power"), found.get(f"{part}_discharge_power")
    if isinstance(charge, float) and isinstance(discharge, float):
        found[f"{part}_power"] = round(discharge - charge, 3) + 0.0
        _set_current_sign(found, f"{part}_current", charge, discharge)


def _set_current_sign(found: Measurements, name: str, charge: object, discharge: object) -> None:
    """Set the sign of a current from the powers beside it: the vendor's own sign is not documented."""
    current = found.get(name)
    if isinstance(current, float) and isinstance(charge, float) and isinstance(discharge, float):
        found[name] = -abs(current) if charge > discharge else abs(current)
