"""What an answer of SEMS+ is given to work with: the account, one of its plants, one of its devices."""

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

# What hangs on an inverter, by the way its serial number begins.
_METER, _RACK, _BATTERY, _DONGLE = "9METERGM", "9BATRACK", "9BATSYS1", "9DONGLEW"


class EmulatedPlusDevice(NamedTuple):
    """One device of a plant, and the inverter it belongs to."""

    type: str
    serial: str
    inverter: EmulatedInverter
    status: int
    subtype: str = ""


def plus_envelope(code: int | str, words: str, data: Any = None) -> dict[str, Any]:
    """Return SEMS+'s envelope; a refusal has no data."""
    code = "00000" if code == 0 else str(code)
    answer = {"code": code, "description": words, "traceId": secrets.token_hex(16)}
    return answer if data is None else answer | {"data": data}


def plant_of(ask: GoodWeCallContext, name: str = "stationid") -> EmulatedPlant:
    """Return the plant a call names."""
    plant = ask.arguments.get(name, "")
    site = next((one for one in ask.account.plants if one.id == plant), None)
    if site is None:
        raise GoodWeFailure(*NO_ACCESS)
    return site


def devices_of(site: EmulatedPlant, ask: GoodWeCallContext) -> Iterator[EmulatedPlusDevice]:
    """Yield the devices of a plant as the inventory lists them."""
    found = inverters_of(site, ask.account, ask.context)
    for unit in found:
        # Quirk: 5 is how a hybrid says that it runs, 1 how others do; waiting and offline are both 0.
        status = (5 if unit.has_battery else 1) if unit.status > 0 else 0
        yield EmulatedPlusDevice("INVERTER", unit.serial, unit, status, "store" if unit.has_battery else "grid")
    first = found[0]
    if first.has_battery:
        # Quirk: a rack stands at 0 and measures nothing; the battery behind the inverter does.
        yield EmulatedPlusDevice("BATTERY_RACK", _serial(_RACK, first), first, 0)
        yield EmulatedPlusDevice("DONGLE", _serial(_DONGLE, first), first, 1)
    elif first.home.has_meter:
        yield EmulatedPlusDevice("SMART_METER", _serial(_METER, first), first, 1, "goodwe")


def battery_of(unit: EmulatedInverter) -> EmulatedPlusDevice:
    """Return the battery of a hybrid, which only `relatedDevices` knows."""
    return EmulatedPlusDevice("BAT_SYS", _serial(_BATTERY, unit), unit, 7)


def device_of(ask: GoodWeCallContext) -> EmulatedPlusDevice:
    """Return the device a call names."""
    serial = ask.arguments.get("sn", "")
    plant = ask.arguments.get("pwid") or ask.arguments.get("plantid")
    for site in ask.account.plants:
        if plant and site.id != plant:
            continue
        for one in devices_of(site, ask):
            behind = battery_of(one.inverter) if one.subtype == "store" else one
            if serial in (one.serial, behind.serial):
                return one if serial == one.serial else behind
    raise GoodWeFailure(*NO_ACCESS)


def to_kilowatts(watt: float, digits: int = 5) -> float:
    """Return a power as SEMS+ counts it.

    >>> kilowatt(3736.6), kilowatt(-0.0)
    (3.7366, 0.0)
    """
    return round(watt / 1000, digits) + 0.0


def _serial(prefix: str, unit: EmulatedInverter) -> str:
    return prefix + unit.serial[-8:]
