"""Router, envelope and device lookup of the emulated SEMS+."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator.api import Router
from heliograph.emulator.clouds.goodwe.context import GoodWeFailure
from heliograph.emulator.clouds.goodwe.inverter_model import inverters_of
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.emulator.api import EmulatedPlant
    from heliograph.emulator.clouds.goodwe.context import GoodWeCallContext
    from heliograph.emulator.clouds.goodwe.inverter_model import EmulatedInverter

PLUS_ROUTER = Router(SemsPlusCalls)

NO_ACCESS = ("100025", "no_access")

# Serial number prefixes of the devices attached to an inverter.
_METER, _RACK, _BATTERY, _DONGLE, _CABINET = "9METERGM", "9BATRACK", "9BATSYS1", "9DONGLEW", "9CABINET"
UNKNOWN_TYPE = "ENERGY_STORAGE_INTEGRATED_CABINET"
"""A type of which only the name is public."""


class EmulatedPlusDevice(NamedTuple):
    """One device of a plant in SEMS+, with the inverter it belongs to."""

    type: str
    serial: str
    inverter: EmulatedInverter
    status: int
    subtype: str = ""


def plus_envelope(code: int | str, message: str, data: Any = None) -> dict[str, Any]:
    """Return the response envelope of SEMS+; errors have no data."""
    code = "00000" if code == 0 else str(code)
    envelope = {"code": code, "description": message, "traceId": secrets.token_hex(16)}
    return envelope if data is None else envelope | {"data": data}


def plant_of(call: GoodWeCallContext, name: str = "stationid") -> EmulatedPlant:
    """Return the plant that a call names; raise `GoodWeFailure` if there is none."""
    plant_id = call.arguments.get(name, "")
    plant = next((plant for plant in call.account.plants if plant.id == plant_id), None)
    if plant is None:
        raise GoodWeFailure(*NO_ACCESS)
    return plant


def devices_of(plant: EmulatedPlant, call: GoodWeCallContext) -> Iterator[EmulatedPlusDevice]:
    """Yield the devices of a plant in the order of the inventory."""
    inverters = inverters_of(plant, call.account, call.context)
    for inverter in inverters:
        # Quirk: the status of a running hybrid is 5, of other running inverters 1; waiting and offline are both 0.
        status = (5 if inverter.has_battery else 1) if inverter.status > 0 else 0
        subtype = "store" if inverter.has_battery else "grid"
        yield EmulatedPlusDevice("INVERTER", inverter.serial, inverter, status, subtype)
    first = inverters[0]
    if first.has_battery:
        # Quirk: a rack has status 0 and measures nothing; the battery attached to the inverter does.
        yield EmulatedPlusDevice("BATTERY_RACK", _serial(_RACK, first), first, 0)
        yield EmulatedPlusDevice("DONGLE", _serial(_DONGLE, first), first, 1)
    elif first.home.has_meter:
        yield EmulatedPlusDevice("SMART_METER", _serial(_METER, first), first, 1, "goodwe")
    if call.context.fault("new_family") is not None:
        yield EmulatedPlusDevice(UNKNOWN_TYPE, _serial(_CABINET, first), first, 7)


def battery_of(inverter: EmulatedInverter) -> EmulatedPlusDevice:
    """Return the battery of a hybrid, listed by `relatedDevices` only."""
    return EmulatedPlusDevice("BAT_SYS", _serial(_BATTERY, inverter), inverter, 7)


def device_of(call: GoodWeCallContext) -> EmulatedPlusDevice:
    """Return the device that a call names; raise `GoodWeFailure` if there is none."""
    serial = call.arguments.get("sn", "")
    plant_id = call.arguments.get("pwid") or call.arguments.get("plantid")
    for plant in call.account.plants:
        if plant_id and plant.id != plant_id:
            continue
        for device in devices_of(plant, call):
            if serial == device.serial:
                return device
            if device.subtype == "store" and serial == (battery := battery_of(device.inverter)).serial:
                return battery
    raise GoodWeFailure(*NO_ACCESS)


def to_kilowatts(watt: float, digits: int = 5) -> float:
    """Return a power in kW, the unit of SEMS+.

    >>> to_kilowatts(3736.6), to_kilowatts(-0.0)
    (3.7366, 0.0)
    """
    return round(watt / 1000, digits) + 0.0


def _serial(prefix: str, inverter: EmulatedInverter) -> str:
    return prefix + inverter.serial[-8:]
