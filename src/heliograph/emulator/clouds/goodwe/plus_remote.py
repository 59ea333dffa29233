"""The settings of an emulated inverter as SEMS+ keeps them: what there is to set, and what was written is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.core.parsing import parse_number
from heliograph.emulator import device_faults
from heliograph.emulator.clouds.goodwe.context import GoodWeFailure
from heliograph.emulator.clouds.goodwe.plus_context import PLUS_ROUTER, device_of
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedPlant
    from heliograph.emulator.clouds.goodwe.context import GoodWeCallContext

_FAILED = ("R0305", "remote_control_fail")
_UNREADABLE = ("read_fail", "read_fail")

_MENU = "1"
_STATUS, _RESTART, _RUNS = "80017", 1, 4


class EmulatedRegister(NamedTuple):
    """One setting: its id as a function, its name in the log of changes, what it may be, and what it is at first."""

    function: str
    name: str
    least: int
    most: int
    first: int
    hybrid_only: bool = True
    share: bool = False
    """Whether it is a percentage."""


REGISTERS = {
    _STATUS: EmulatedRegister("2043643517552594945", "status_setting", 0, 4, 4, hybrid_only=False),
    "47545": EmulatedRegister("2013217017330515970", "immediate_charge", 0, 1, 0),
    "47546": EmulatedRegister("1991791639537946635", "end_charge_soc", 0, 100, 100, share=True),
    "47603": EmulatedRegister("1991791639537946636", "bat_immediate_charge_power", 0, 100, 50, share=True),
}
PERCENTAGES = frozenset((*(address for address, row in REGISTERS.items() if row.share), "ActivePowerLimit"))
"""What is a percentage, in both dialects."""


@PLUS_ROUTER.route(SemsPlusCalls.plus_capabilities)
def capabilities(ask: GoodWeCallContext) -> list[dict[str, Any]]:
    """Return the menus of a device; nobody has published a whole tree."""
    device_of(ask)
    return [{"menuId": _MENU, "menuCode": 1, "module": "GENERAL_FUNCTIONS", "children": []}]


@PLUS_ROUTER.route(SemsPlusCalls.plus_function_menus)
def function_menus(ask: GoodWeCallContext) -> dict[str, Any]:
    """Return the settings of a device with their addresses and ranges."""
    return {
        "functionMenus": [
            {
                "id": row.function,
                "functionId": row.function,
                "address": address,
                "translateKey": row.name,
                "range": f"[{row.least},{row.most}]",
                "readWrite": "RW",
                "type": "U16",
                "size": 1,
                "gain": 1,
            }
            for address, row in _registers(ask).items()
        ]
    }


@PLUS_ROUTER.route(SemsPlusCalls.plus_cached_parameters)
def cached_parameters(ask: GoodWeCallContext) -> dict[str, str]:
    """Return settings as they were written last."""
    known, written = _registers(ask), _written(ask)
    if ask.context.fault("unread") is not None:
        raise GoodWeFailure(*_UNREADABLE)
    addresses = _json(ask, "addresses", list)
    if not addresses or not all(isinstance(one, str) and one in known for one in addresses):
        # Quirk: what a device does not have cannot be read, rather than not be known (Home Assistant, issue 211).
        raise GoodWeFailure(*_UNREADABLE)
    return {address: str(written.get(address, known[address].first)) for address in addresses}


@PLUS_ROUTER.route(SemsPlusCalls.set_device_parameters)
def set_parameters(ask: GoodWeCallContext) -> None:
    """Write settings, all of them or none."""
    known = _registers(ask)
    wanted, functions = _json(ask, "addressMap", dict), _json(ask, "addrFuncMap", dict)
    values = {address: parse_number(value) for address, value in wanted.items()}
    for address, value in values.items():
        row = known.get(address)
        if row is None or functions.get(address) != row.function or value is None or not row.least <= value <= row.most:
            raise GoodWeFailure(*_FAILED)
    if not values or device_faults.refuses_commands(ask.context):
        raise GoodWeFailure(*_FAILED)
    change = {
        address: value_after_command(address, int(value)) for address, value in values.items() if value is not None
    }
    serial = device_of(ask).serial
    device_faults.apply_command(_site(ask, serial), serial, change, ask.context, PERCENTAGES)


def value_after_command(address: str, value: int) -> int:
    """Return what a register says after an order: an inverter that was told to restart runs again."""
    return _RUNS if address == _STATUS and value == _RESTART else value


def _registers(ask: GoodWeCallContext) -> dict[str, EmulatedRegister]:
    one = device_of(ask)
    if one.type != "INVERTER":
        raise GoodWeFailure(*_UNREADABLE)
    return {address: row for address, row in REGISTERS.items() if one.inverter.has_battery or not row.hybrid_only}


def _written(ask: GoodWeCallContext) -> dict[str, int]:
    """Return what was written to a device and taken by it."""
    serial = device_of(ask).serial
    found: dict[str, int] = _site(ask, serial).settings.get(serial, {})
    return found


def _site(ask: GoodWeCallContext, serial: str) -> EmulatedPlant:
    return next(one for one in ask.account.plants if serial in one.devices)


def _json(ask: GoodWeCallContext, name: str, kind: type) -> Any:
    """Return an argument that was no plain value; anything else is an empty one."""
    try:
        found = json.loads(ask.arguments.get(name.lower(), ""))
    except (ValueError, RecursionError):
        return kind()
    return found if isinstance(found, kind) else kind()
