"""What an answer of SEMS+ is given to work with: the account, one of its plants, one of its devices."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator.api import Answers
from heliograph.emulator.clouds.goodwe.context import Failed
from heliograph.emulator.clouds.goodwe.inverter_model import units
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.emulator.api import Site
    from heliograph.emulator.clouds.goodwe.context import Ask
    from heliograph.emulator.clouds.goodwe.inverter_model import Unit

PLUS = Answers(SemsPlusCalls)

NO_ACCESS = ("100025", "no_access")

# What hangs on an inverter, by the way its serial number begins.
_METER, _RACK, _BATTERY, _DONGLE = "9METERGM", "9BATRACK", "9BATSYS1", "9DONGLEW"


class Machine(NamedTuple):
    """One device of a plant, and the inverter it belongs to."""

    type: str
    serial: str
    unit: Unit
    status: int
    subtype: str = ""


def envelope(code: int | str, words: str, data: Any = None) -> dict[str, Any]:
    """Return SEMS+'s envelope; a refusal has no data."""
    code = "00000" if code == 0 else str(code)
    answer = {"code": code, "description": words, "traceId": secrets.token_hex(16)}
    return answer if data is None else answer | {"data": data}


def site_of(ask: Ask, name: str = "stationid") -> Site:
    """Return the plant a call names."""
    plant = ask.arguments.get(name, "")
    site = next((one for one in ask.holder.sites if one.id == plant), None)
    if site is None:
        raise Failed(*NO_ACCESS)
    return site


def machines(site: Site, ask: Ask) -> Iterator[Machine]:
    """Yield the devices of a plant as the inventory lists them."""
    found = units(site, ask.holder, ask.stage)
    for unit in found:
        # Quirk: 5 is how a hybrid says that it runs, 1 how others do; waiting and offline are both 0.
        status = (5 if unit.has_battery else 1) if unit.status > 0 else 0
        yield Machine("INVERTER", unit.serial, unit, status, "store" if unit.has_battery else "grid")
    first = found[0]
    if first.has_battery:
        # Quirk: a rack stands at 0 and measures nothing; the battery behind the inverter does.
        yield Machine("BATTERY_RACK", _serial(_RACK, first), first, 0)
        yield Machine("DONGLE", _serial(_DONGLE, first), first, 1)
    elif first.home.has_meter:
        yield Machine("SMART_METER", _serial(_METER, first), first, 1, "goodwe")


def battery(unit: Unit) -> Machine:
    """Return the battery of a hybrid, which only `relatedDevices` knows."""
    return Machine("BAT_SYS", _serial(_BATTERY, unit), unit, 7)


def machine_of(ask: Ask) -> Machine:
    """Return the device a call names."""
    serial = ask.arguments.get("sn", "")
    plant = ask.arguments.get("pwid") or ask.arguments.get("plantid")
    for site in ask.holder.sites:
        if plant and site.id != plant:
            continue
        for one in machines(site, ask):
            behind = battery(one.unit) if one.subtype == "store" else one
            if serial in (one.serial, behind.serial):
                return one if serial == one.serial else behind
    raise Failed(*NO_ACCESS)


def kilowatt(watt: float, digits: int = 5) -> float:
    """Return a power as SEMS+ counts it.

    >>> kilowatt(3736.6), kilowatt(-0.0)
    (3.7366, 0.0)
    """
    return round(watt / 1000, digits) + 0.0


def _serial(prefix: str, unit: Unit) -> str:
    return prefix + unit.serial[-8:]
