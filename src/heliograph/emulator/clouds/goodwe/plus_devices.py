"""Devices of an emulated plant in SEMS+: inventory, measurements and counters."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.goodwe.context import GoodWeFailure
from heliograph.emulator.clouds.goodwe.inverter_model import COMMISSIONED, epoch_ms
from heliograph.emulator.clouds.goodwe.inverters import registers
from heliograph.emulator.clouds.goodwe.plus_context import (
    NO_ACCESS,
    PLUS_ROUTER,
    battery_of,
    device_of,
    devices_of,
    plant_of,
    to_kilowatts,
)
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heliograph.emulator.clouds.goodwe.context import GoodWeCallContext
    from heliograph.emulator.clouds.goodwe.inverter_model import EmulatedInverter
    from heliograph.emulator.clouds.goodwe.plus_context import EmulatedPlusDevice

Factor = dict[str, Any]

_PHASES = ("A", "B", "C")
_SPANS = ("Today", "Week", "Month", "Year", "Total")
_FIRMWARE = "V1.08.08"


@PLUS_ROUTER.route(SemsPlusCalls.plus_devices)
def devices(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the devices of a plant by type and status."""
    kinds: dict[str, dict[int, list[EmulatedPlusDevice]]] = {}
    found = list(devices_of(plant_of(call), call))
    for one in found:
        kinds.setdefault(one.type, {}).setdefault(one.status, []).append(one)
    return {
        "total": len(found),
        "deviceDetailList": [
            {
                "deviceType": kind,
                "total": sum(map(len, states.values())),
                "statusDetailList": [_state(status, rows) for status, rows in states.items()],
            }
            for kind, states in kinds.items()
        ],
    }


def _state(status: int, rows: list[EmulatedPlusDevice]) -> dict[str, Any]:
    return {
        "status": status,
        "total": len(rows),
        "snList": [one.serial for one in rows],
        "isHemsMap": {one.serial: False for one in rows},
        "detailMap": {one.serial: _detail(one) for one in rows},
    }


def _detail(one: EmulatedPlusDevice) -> dict[str, Any]:
    return {
        "sn": one.serial,
        "name": one.serial,
        "deviceType": one.type,
        "status": one.status,
        "isHems": False,
        **({"subtype": one.subtype} if one.subtype else {}),
        # Quirk: epoch milliseconds as text.
        "addTime": str(epoch_ms(COMMISSIONED)),
    }


@PLUS_ROUTER.route(SemsPlusCalls.plus_related_devices)
def related_devices(call: GoodWeCallContext) -> list[dict[str, Any]]:
    """Return the battery of a hybrid."""
    one = device_of(call)
    if one.subtype != "store":
        return []
    behind, unit = battery_of(one.inverter), one.inverter
    return [
        {
            "sn": behind.serial,
            "no": "1",
            "name": "BAT1",
            "translateCode": "mppt1_battery",
            "type": behind.type,
            "status": behind.status,
            "soc": unit.soc,
            "isConnected": True,
            "pbat": to_kilowatts(unit.values["battery_power"]),
        }
    ]


@PLUS_ROUTER.route(SemsPlusCalls.plus_equipment_information)
def information(call: GoodWeCallContext) -> list[Factor]:
    """Return the identity of a device."""
    one = device_of(call)
    hybrid = one.subtype == "store"
    kind = f"{one.type}_{'STORE' if hybrid else 'GRID'}" if one.type == "INVERTER" else one.type
    told = {
        "status": ("status", str(one.status), None),
        "deviceName": ("name_1", one.serial, None),
        "sn": ("serial_number_1", one.serial, None),
        "deviceType": ("type", kind, None),
        "modelType": ("model", one.inverter.family.model if one.type == "INVERTER" else one.type, None),
        "safetyVersion": ("firmware_version", _FIRMWARE, None),
        "ratedPower": ("rated_power", _text(one.inverter.family.capacity), "kW"),
    }
    return [
        {"code": code, "data": data, "alias": alias, **({"unit": unit} if unit else {})}
        for code, (alias, data, unit) in told.items()
    ]


@PLUS_ROUTER.route(SemsPlusCalls.plus_telemetry)
def telemetry(call: GoodWeCallContext) -> list[dict[str, Any]]:
    """Return the current measurements of a device."""
    one = device_of(call)
    measure: Callable[[EmulatedInverter], dict[str, list[Factor]]] | None = _MEASURED.get(one.type)
    return [] if measure is None else _groups(measure(one.inverter))


def _inverter(unit: EmulatedInverter) -> dict[str, list[Factor]]:
    full, hybrid = registers(unit), unit.has_battery
    live = unit.status >= 0

    def now(code: str, value: float | None, measure: str | None, alias: str) -> Factor:
        # Quirk: an offline inverter lists its values without data.
        return _factor(code, value if live else None, measure, alias)

    phases = [""] if unit.family.phases == 1 else [f"PHASE-{name}:" for name in _PHASES]
    ac = [
        now("pAc", to_kilowatts(unit.values["ac_power"], 3), "kW", "active_power"),
        now("qAc", -0.001, "kVar", "reactive_power"),
        now("storagePF" if hybrid else "gridPF", -0.001, None, "power_factor"),
    ]
    for place, phase in enumerate(phases, 1):
        ac.append(now(f"{phase}Vac", full[f"vac{place}"], "V", "single_phase_volt"))
        ac.append(now(f"{phase}Iac", full[f"iac{place}"], "A", "single_phase_current"))
    pv = [] if not hybrid else [now("pDc", to_kilowatts(unit.values["pv_power"], 4), "kW", "dc_input_total_power")]
    pv.append(_factor("ISOLimit", None, "kΩ", "insulation_resistance"))
    for place in range(1, unit.family.strings + 1):
        share = unit.values["pv_power"] / unit.family.strings
        pv.append(now(f"MPPT-{place}:Ppv", to_kilowatts(share), "kW", "power"))
        pv.append(now(f"MPPT-{place}:Vpv", full[f"vpv{place}"], "V", "volt"))
        pv.append(now(f"MPPT-{place}:Ipv", full[f"ipv{place}"], "A", "cur"))
    groups = {
        "system:system_parameters": [
            _factor("sn", unit.serial, None, "serial_number_1"),
            _factor("hTotal", full["hour_total"], "H", "total_worke_time"),
            now("Temperature", full["tempperature"], "℃", "chamber_temperature"),
        ],
        "ac:ac_parameters": ac,
        "pv:pv_parameters": pv,
    }
    if hybrid:
        groups["backup:backup_parameters"] = [now("pBackup", 0.0, "kW", "power")]
    else:
        ac.append(now("Fac", full["fac1"], "Hz", "grid_freq"))
    return groups


def _battery(unit: EmulatedInverter) -> dict[str, list[Factor]]:
    full = registers(unit)
    return {
        "runtime:operating_param": [
            _factor("soh", full["soh"], "%", "soh"),
            _factor("soc", unit.soc, "%", "soc"),
            _factor("pBat", to_kilowatts(unit.values["battery_power"]), "kW", "power"),
            _factor("voltage", full["vbattery1"], "V", "volt"),
            _factor("a", full["ibattery1"], "A", "cur"),
            _factor("batSysTemp", 24.0, "℃", "batt_temp"),
            _factor("aMaxChar", 25.0, "A", "chargecur_limit"),
            _factor("aMaxDischar", 25.0, "A", "discharge_current_limit"),
        ]
    }


def _meter(unit: EmulatedInverter) -> dict[str, list[Factor]]:
    phases, volts = _PHASES[: unit.family.phases], 231.4
    power = -unit.values["grid_power"]
    share = power / len(phases)
    return {
        "runtime:operating_param": [
            # Quirk: - is import, as in the power flow.
            _factor("totalPac", to_kilowatts(power, 4), "kW", "total_active_power_1"),
            *(_factor(f"PHASE-{name}:pAc", to_kilowatts(share, 4), "kW", "power") for name in phases),
            *(_factor(f"PHASE-{name}:voltage", volts, "V", "volt") for name in phases),
            # Quirk: currents are unsigned.
            *(_factor(f"PHASE-{name}:current", round(abs(share) / volts, 2), "A", "cur") for name in phases),
        ]
    }


_MEASURED: dict[str, Callable[[EmulatedInverter], dict[str, list[Factor]]]] = {
    "INVERTER": _inverter,
    "BAT_SYS": _battery,
    "SMART_METER": _meter,
}


@PLUS_ROUTER.route(SemsPlusCalls.plus_telecounting)
def telecounting(call: GoodWeCallContext) -> list[dict[str, Any]]:
    """Return the energy counters of a device."""
    one = device_of(call)
    if one.type == "INVERTER":
        counters = [("proPvStats", "pv_energy", "power_generation", 1)]
        if one.inverter.has_battery:
            counters.append(("proCharStats", "battery_charge_energy", "charge_quantity", 1))
            counters.append(("proDischarStats", "battery_discharge_energy", "energy_discharged", 1))
        real = [
            _factor("pAc", to_kilowatts(one.inverter.values["ac_power"], 3), "kW", "cur_power"),
            _factor("ratedPower", one.inverter.family.capacity, "kW", "rated_power"),
        ]
        return _groups({"telecounting_real:": real, **_counted(one.inverter, counters)})
    if one.type == "SMART_METER":
        bought = ("proPurchaseStats", "grid_import_energy", "purchased_electricity", 2)
        return _groups(_counted(one.inverter, [("proGridStats", "grid_export_energy", "grid_energy_1", 2), bought]))
    return []


def _counted(unit: EmulatedInverter, counters: list[tuple[str, str, str, int]]) -> dict[str, list[Factor]]:
    spans = dict(zip(_SPANS, _energies(unit), strict=True))
    return {
        f"telecounting_{'lifetime' if span == 'Total' else span.lower()}:": [
            _factor(f"{code}{span}", round(energies[name], digits), "kWh", alias)
            for code, name, alias, digits in counters
        ]
        for span, energies in spans.items()
    }


def _energies(unit: EmulatedInverter) -> Iterator[dict[str, float]]:
    """Yield the energies of today, this week, this month, this year and the lifetime."""
    home, day = unit.home, unit.now.astimezone(unit.home.zone).date()
    suffixes = {"_today": dict[str, float](), "_total": dict[str, float]()}
    for name, value in unit.values.items():
        for suffix, found in suffixes.items():
            if name.endswith(suffix):
                found[name.removesuffix(suffix)] = value
    week = [home.energies(f"{day - timedelta(days=back)}") for back in range(day.weekday() + 1)]
    yield suffixes["_today"]
    yield {name: sum(one[name] for one in week) for name in week[0]}
    yield home.energies(f"{day:%Y-%m}")
    yield home.energies(f"{day:%Y}")
    yield suffixes["_total"]


@PLUS_ROUTER.route(SemsPlusCalls.plus_alarm_count)
def alarm_count(call: GoodWeCallContext) -> dict[str, int]:
    """Return the number of alarms, always 0; the real shape is unpublished."""
    return {"total": 0}


@PLUS_ROUTER.route(SemsPlusCalls.plus_ev_charger, SemsPlusCalls.plus_last_charge)
def ev_charger(call: GoodWeCallContext) -> Any:
    """Reject the call: no emulated plant has a charger."""
    raise GoodWeFailure(*NO_ACCESS)


def _groups(groups: dict[str, list[Factor]]) -> list[dict[str, Any]]:
    found = []
    for name, factors in groups.items():
        code, _, alias = name.partition(":")
        found.append({"code": code, **({"alias": alias} if alias else {}), "factors": factors})
    return found


def _factor(code: str, value: float | str | None, unit: str | None, alias: str) -> Factor:
    # Quirk: numbers are sent as text.
    data = value if value is None or isinstance(value, str) else _text(value)
    kind = "STRING" if isinstance(value, str) else "NUMERIC"
    return {"code": code, "data": data, "dataType": kind, "unit": unit, "alias": alias}


def _text(value: float) -> str:
    """Return a number as text without trailing zeros.

    >>> _text(6791.0), _text(0.0776), _text(-0.0)
    ('6791', '0.0776', '0')
    """
    return f"{value + 0.0:.5f}".rstrip("0").rstrip(".")
