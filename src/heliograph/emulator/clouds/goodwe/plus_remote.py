"""The settings of an emulated inverter as SEMS+ keeps them: what there is to set, and what was written is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.core.parsing import number
from heliograph.emulator import device_faults
from heliograph.emulator.clouds.goodwe.context import Failed
from heliograph.emulator.clouds.goodwe.plus_context import PLUS, machine_of
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import Site
    from heliograph.emulator.clouds.goodwe.context import Ask

_FAILED = ("R0305", "remote_control_fail")
_UNREADABLE = ("read_fail", "read_fail")

_MENU = "1"
_STATUS, _RESTART, _RUNS = "80017", 1, 4


class Register(NamedTuple):
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
    _STATUS: Register("2043643517552594945", "status_setting", 0, 4, 4, hybrid_only=False),
    "47545": Register("2013217017330515970", "immediate_charge", 0, 1, 0),
    "47546": Register("1991791639537946635", "end_charge_soc", 0, 100, 100, share=True),
    "47603": Register("1991791639537946636", "bat_immediate_charge_power", 0, 100, 50, share=True),
}
SHARES = frozenset((*(address for address, row in REGISTERS.items() if row.share), "ActivePowerLimit"))
"""What is a percentage, in both dialects."""


@PLUS.to(SemsPlusCalls.plus_capabilities)
def capabilities(ask: Ask) -> list[dict[str, Any]]:
    """Return the menus of a device; nobody has published a whole tree."""
    machine_of(ask)
    return [{"menuId": _MENU, "menuCode": 1, "module": "GENERAL_FUNCTIONS", "children": []}]


@PLUS.to(SemsPlusCalls.plus_function_menus)
def function_menus(ask: Ask) -> dict[str, Any]:
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


@PLUS.to(SemsPlusCalls.plus_cached_parameters)
def cached_parameters(ask: Ask) -> dict[str, str]:
    """Return settings as they were written last."""
    known, written = _registers(ask), _written(ask)
    if ask.stage.fault("unread") is not None:
        raise Failed(*_UNREADABLE)
    addresses = _json(ask, "addresses", list)
    if not addresses or not all(isinstance(one, str) and one in known for one in addresses):
        # Quirk: what a device does not have cannot be read, rather than not be known (Home Assistant, issue 211).
        raise Failed(*_UNREADABLE)
    return {address: str(written.get(address, known[address].first)) for address in addresses}


@PLUS.to(SemsPlusCalls.set_device_parameters)
def set_parameters(ask: Ask) -> None:
    """Write settings, all of them or none."""
    known = _registers(ask)
    wanted, functions = _json(ask, "addressMap", dict), _json(ask, "addrFuncMap", dict)
    values = {address: number(value) for address, value in wanted.items()}
    for address, value in values.items():
        row = known.get(address)
        if row is None or functions.get(address) != row.function or value is None or not row.least <= value <= row.most:
            raise Failed(*_FAILED)
    if not values or device_faults.unwilling(ask.stage):
        raise Failed(*_FAILED)
    change = {address: settled(address, int(value)) for address, value in values.items() if value is not None}
    serial = machine_of(ask).serial
    device_faults.take(_site(ask, serial), serial, change, ask.stage, SHARES)


def settled(address: str, value: int) -> int:
    """Return what a register says after an order: an inverter that was told to restart runs again."""
    return _RUNS if address == _STATUS and value == _RESTART else value


def _registers(ask: Ask) -> dict[str, Register]:
    one = machine_of(ask)
    if one.type != "INVERTER":
        raise Failed(*_UNREADABLE)
    return {address: row for address, row in REGISTERS.items() if one.unit.has_battery or not row.hybrid_only}


def _written(ask: Ask) -> dict[str, int]:
    """Return what was written to a device and taken by it."""
    serial = machine_of(ask).serial
    found: dict[str, int] = _site(ask, serial).settings.get(serial, {})
    return found


def _site(ask: Ask, serial: str) -> Site:
    return next(one for one in ask.holder.sites if serial in one.devices)


def _json(ask: Ask, name: str, kind: type) -> Any:
    """Return an argument that was no plain value; anything else is an empty one."""
    try:
        found = json.loads(ask.arguments.get(name.lower(), ""))
    except (ValueError, RecursionError):
        return kind()
    return found if isinstance(found, kind) else kind()
