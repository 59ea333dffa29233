"""Devices of an emulated plant in SEMS+: inventory, measurements and counters."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.goodwe import electrics
from heliograph.emulator.clouds.goodwe.context import GoodWeFailure
from heliograph.emulator.clouds.goodwe.inverter_model import COMMISSIONED, epoch_ms
from heliograph.emulator.clouds.goodwe.inverters import registers
from heliograph.emulator.clouds.goodwe.plus_context import (
    NO_ACCESS,
    PLUS_ROUTER,
    UNKNOWN_TYPE,
    battery_of,
    device_of,
    devices_of,
    plant_of,
    to_kilowatts,
)
from heliograph.emulator.fault_log import logged_faults
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
    types: dict[str, dict[int, list[EmulatedPlusDevice]]] = {}
    inventory = list(devices_of(plant_of(call), call))
    for device in inventory:
        types.setdefault(device.type, {}).setdefault(device.status, []).append(device)
    return {
        "total": len(inventory),
        "deviceDetailList": [
            {
                "deviceType": device_type,
                "total": sum(map(len, states.values())),
                "statusDetailList": [_state(status, group) for status, group in states.items()],
            }
            for device_type, states in types.items()
        ],
    }


def _state(status: int, devices: list[EmulatedPlusDevice]) -> dict[str, Any]:
    return {
        "status": status,
        "total": len(devices),
        "snList": [device.serial for device in devices],
        "isHemsMap": {device.serial: False for device in devices},
        "detailMap": {device.serial: _detail(device) for device in devices},
    }


def _detail(device: EmulatedPlusDevice) -> dict[str, Any]:
    return {
        "sn": device.serial,
        "name": device.serial,
        "deviceType": device.type,
        "status": device.status,
        "isHems": False,
        **({"subtype": device.subtype} if device.subtype else {}),
        # Quirk: epoch milliseconds as text.
        "addTime": str(epoch_ms(COMMISSIONED)),
    }


@PLUS_ROUTER.route(SemsPlusCalls.plus_related_devices)
def related_devices(call: GoodWeCallContext) -> list[dict[str, Any]]:
    """Return the battery of a hybrid."""
    device = device_of(call)
    if device.subtype != "store":
        return []
    battery, inverter = battery_of(device.inverter), device.inverter
    return [
        {
            "sn": battery.serial,
            "no": "1",
            "name": "BAT1",
            "translateCode": "mppt1_battery",
            "type": battery.type,
            "status": battery.status,
            "soc": inverter.soc,
            "isConnected": True,
            "pbat": to_kilowatts(inverter.values["battery_power"]),
        }
    ]


@PLUS_ROUTER.route(SemsPlusCalls.plus_equipment_information)
def information(call: GoodWeCallContext) -> list[Factor]:
    """Return the identity of a device."""
    device = device_of(call)
    hybrid = device.subtype == "store"
    device_type = f"{device.type}_{'STORE' if hybrid else 'GRID'}" if device.type == "INVERTER" else device.type
    factors = {
        "status": ("status", str(device.status), None),
        "deviceName": ("name_1", device.serial, None),
        "sn": ("serial_number_1", device.serial, None),
        "deviceType": ("type", device_type, None),
        "modelType": ("model", device.inverter.family.model if device.type == "INVERTER" else device.type, None),
        "safetyVersion": ("firmware_version", _FIRMWARE, None),
        "ratedPower": ("rated_power", _text(device.inverter.family.capacity), "kW"),
    }
    return [
        {"code": code, "data": data, "alias": alias, **({"unit": unit} if unit else {})}
        for code, (alias, data, unit) in factors.items()
    ]


@PLUS_ROUTER.route(SemsPlusCalls.plus_telemetry)
def telemetry(call: GoodWeCallContext) -> list[dict[str, Any]]:
    """Return the current measurements of a device."""
    if call.context.fault("visitor") is not None:
        raise GoodWeFailure(*NO_ACCESS)
    device = device_of(call)
    measure: Callable[[EmulatedInverter], dict[str, list[Factor]]] | None = _MEASURED.get(device.type)
    return [] if measure is None else _groups(measure(device.inverter))


def _inverter(inverter: EmulatedInverter) -> dict[str, list[Factor]]:
    full, hybrid = registers(inverter), inverter.has_battery
    is_online = inverter.status >= 0

    def now(code: str, value: float | None, measure: str | None, alias: str) -> Factor:
        # Quirk: an offline inverter lists its values without data.
        return _factor(code, value if is_online else None, measure, alias)

    phases = [""] if inverter.family.phases == 1 else [f"PHASE-{name}:" for name in _PHASES]
    ac = [
        now("pAc", to_kilowatts(inverter.values["ac_power"], 3), "kW", "active_power"),
        now("qAc", -0.001, "kVar", "reactive_power"),
        now("storagePF" if hybrid else "gridPF", -0.001, None, "power_factor"),
    ]
    for index, phase in enumerate(phases, 1):
        ac.append(now(f"{phase}Vac", full[f"vac{index}"], "V", "single_phase_volt"))
        ac.append(now(f"{phase}Iac", full[f"iac{index}"], "A", "single_phase_current"))
    pv = [] if not hybrid else [now("pDc", to_kilowatts(inverter.values["pv_power"], 4), "kW", "dc_input_total_power")]
    pv.append(_factor("ISOLimit", None, "kΩ", "insulation_resistance"))
    for index in range(1, inverter.family.strings + 1):
        share = inverter.values["pv_power"] / inverter.family.strings
        pv.append(now(f"MPPT-{index}:Ppv", to_kilowatts(share), "kW", "power"))
        pv.append(now(f"MPPT-{index}:Vpv", full[f"vpv{index}"], "V", "volt"))
        pv.append(now(f"MPPT-{index}:Ipv", full[f"ipv{index}"], "A", "cur"))
    groups = {
        "system:system_parameters": [
            _factor("sn", inverter.serial, None, "serial_number_1"),
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


def _battery(inverter: EmulatedInverter) -> dict[str, list[Factor]]:
    full = registers(inverter)
    return {
        "runtime:operating_param": [
            _factor("soh", full["soh"], "%", "soh"),
            _factor("soc", inverter.soc, "%", "soc"),
            _factor("pBat", to_kilowatts(inverter.values["battery_power"]), "kW", "power"),
            _factor("voltage", full["vbattery1"], "V", "volt"),
            _factor("a", full["ibattery1"], "A", "cur"),
            _factor("batSysTemp", electrics.battery_temperature(inverter.values), "℃", "batt_temp"),
            _factor("aMaxChar", 25.0, "A", "chargecur_limit"),
            _factor("aMaxDischar", 25.0, "A", "discharge_current_limit"),
        ]
    }


def _meter(inverter: EmulatedInverter) -> dict[str, list[Factor]]:
    phases = _PHASES[: inverter.family.phases]
    volts = [electrics.grid_voltage(inverter, inverter.values, place) for place, _ in enumerate(phases, 1)]
    power = -inverter.values["grid_power"]
    share = power / len(phases)
    return {
        "runtime:operating_param": [
            # Quirk: - is import, as in the power flow.
            _factor("totalPac", to_kilowatts(power, 4), "kW", "total_active_power_1"),
            *(_factor(f"PHASE-{name}:pAc", to_kilowatts(share, 4), "kW", "power") for name in phases),
            *(_factor(f"PHASE-{name}:voltage", volt, "V", "volt") for name, volt in zip(phases, volts, strict=True)),
            # Quirk: currents are unsigned.
            *(
                _factor(f"PHASE-{name}:current", round(abs(share) / volt, 2), "A", "cur")
                for name, volt in zip(phases, volts, strict=True)
            ),
        ]
    }


def _cabinet(inverter: EmulatedInverter) -> dict[str, list[Factor]]:
    """Return invented measurements of a device of a type that no client knows."""
    return {
        "runtime:operating_param": [
            _factor("sn", inverter.serial, None, "serial_number_1"),
            _factor("workStatus", "normal", None, "work_status"),
            _factor("PCS-1:pAc", to_kilowatts(inverter.values["ac_power"], 3), "kW", "active_power"),
            _factor("cabinetTemp", 24.5, "℃", "temperature"),
        ]
    }


_MEASURED: dict[str, Callable[[EmulatedInverter], dict[str, list[Factor]]]] = {
    "INVERTER": _inverter,
    "BAT_SYS": _battery,
    "SMART_METER": _meter,
    UNKNOWN_TYPE: _cabinet,
}


@PLUS_ROUTER.route(SemsPlusCalls.plus_telecounting)
def telecounting(call: GoodWeCallContext) -> list[dict[str, Any]]:
    """Return the energy counters of a device."""
    device = device_of(call)
    if device.type == "INVERTER":
        counters = [("proPvStats", "pv_energy", "power_generation", 1)]
        if device.inverter.has_battery:
            counters.append(("proCharStats", "battery_charge_energy", "charge_quantity", 1))
            counters.append(("proDischarStats", "battery_discharge_energy", "energy_discharged", 1))
        real = [
            _factor("pAc", to_kilowatts(device.inverter.values["ac_power"], 3), "kW", "cur_power"),
            _factor("ratedPower", device.inverter.family.capacity, "kW", "rated_power"),
        ]
        return _groups({"telecounting_real:": real, **_counted(device.inverter, counters)})
    if device.type == "SMART_METER":
        bought = ("proPurchaseStats", "grid_import_energy", "purchased_electricity", 2)
        return _groups(_counted(device.inverter, [("proGridStats", "grid_export_energy", "grid_energy_1", 2), bought]))
    return []


def _counted(inverter: EmulatedInverter, counters: list[tuple[str, str, str, int]]) -> dict[str, list[Factor]]:
    spans = dict(zip(_SPANS, _energies(inverter), strict=True))
    return {
        f"telecounting_{'lifetime' if span == 'Total' else span.lower()}:": [
            _factor(f"{code}{span}", round(energies[name], digits), "kWh", alias)
            for code, name, alias, digits in counters
        ]
        for span, energies in spans.items()
    }


def _energies(inverter: EmulatedInverter) -> Iterator[dict[str, float]]:
    """Yield the energies of today, this week, this month, this year and the lifetime."""
    home, day = inverter.home, inverter.now.astimezone(inverter.home.zone).date()
    suffixes = {"_today": dict[str, float](), "_total": dict[str, float]()}
    for name, value in inverter.values.items():
        for suffix, energies in suffixes.items():
            if name.endswith(suffix):
                energies[name.removesuffix(suffix)] = value
    week = [home.energies(f"{day - timedelta(days=back)}") for back in range(day.weekday() + 1)]
    yield suffixes["_today"]
    yield {name: sum(day[name] for day in week) for name in week[0]}
    yield home.energies(f"{day:%Y-%m}")
    yield home.energies(f"{day:%Y}")
    yield suffixes["_total"]


@PLUS_ROUTER.route(SemsPlusCalls.plus_alarm_count)
def alarm_count(call: GoodWeCallContext) -> dict[str, int]:
    """Return the number of alarms, always 0; the real shape is unpublished."""
    return {"total": 0}


@PLUS_ROUTER.route(SemsPlusCalls.plus_alarm_page)
def alarm_page(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the fault log of the first of the plants that are asked for, on one page."""
    asked = call.arguments.get("stationids", "")
    plant = next((plant for plant in call.account.plants if plant.id in asked), None)
    if plant is None:
        raise GoodWeFailure(*NO_ACCESS)
    rows = []
    for fault in logged_faults(call.context):
        start, end = ("" if at is None else f"{at.timestamp() * 1000:.0f}" for at in (fault.started_at, fault.ended_at))
        rows.append(
            {
                "warningid": f"{plant.id}{start}",
                "warning_code": fault.code,
                "error_code": "4096",
                "warningNameEn": "Grid Waveform Abnormal",
                "warningname": f"{fault.code}_warning",
                "alarmLevel": "Total_FaultLevel_Fault",
                "status": 1 if fault.ended_at else 0,
                "devicesn": plant.devices[0],
                "happentime": start,
                "recoverytime": end or None,
                "stationId": plant.id,
            }
        )
    return {"dataList": rows, "current": 1, "total": len(rows), "size": 50}


@PLUS_ROUTER.route(SemsPlusCalls.plus_ev_charger, SemsPlusCalls.plus_last_charge)
def ev_charger(call: GoodWeCallContext) -> Any:
    """Reject the call: no emulated plant has a charger."""
    raise GoodWeFailure(*NO_ACCESS)


def _groups(groups: dict[str, list[Factor]]) -> list[dict[str, Any]]:
    rows = []
    for name, factors in groups.items():
        code, _, alias = name.partition(":")
        rows.append({"code": code, **({"alias": alias} if alias else {}), "factors": factors})
    return rows


def _factor(code: str, value: float | str | None, unit: str | None, alias: str) -> Factor:
    # Quirk: numbers are sent as text.
    data = value if value is None or isinstance(value, str) else _text(value)
    data_type = "STRING" if isinstance(value, str) else "NUMERIC"
    return {"code": code, "data": data, "dataType": data_type, "unit": unit, "alias": alias}


def _text(value: float) -> str:
    """Return a number as text without trailing zeros.

    >>> _text(6791.0), _text(0.0776), _text(-0.0)
    ('6791', '0.0776', '0')
    """
    return f"{value + 0.0:.5f}".rstrip("0").rstrip(".")
