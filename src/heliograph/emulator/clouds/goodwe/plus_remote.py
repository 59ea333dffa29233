"""Settings of an emulated inverter in SEMS+: list, read and write registers."""

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
_STATUS, _RESTART, _RUNNING = "80017", 1, 4


class EmulatedRegister(NamedTuple):
    """One register: function id, name in the change log, allowed range and initial value."""

    function: str
    name: str
    minimum: int
    maximum: int
    initial: int
    hybrid_only: bool = True
    is_percentage: bool = False
    """Whether the value is a percentage."""


REGISTERS = {
    _STATUS: EmulatedRegister("2043643517552594945", "status_setting", 0, 4, 4, hybrid_only=False),
    "47545": EmulatedRegister("2013217017330515970", "immediate_charge", 0, 1, 0),
    "47546": EmulatedRegister("1991791639537946635", "end_charge_soc", 0, 100, 100, is_percentage=True),
    "47603": EmulatedRegister("1991791639537946636", "bat_immediate_charge_power", 0, 100, 50, is_percentage=True),
}
PERCENTAGES = frozenset(
    (*(address for address, register in REGISTERS.items() if register.is_percentage), "ActivePowerLimit")
)
"""Addresses of percentage settings, in both dialects."""


@PLUS_ROUTER.route(SemsPlusCalls.plus_capabilities)
def capabilities(call: GoodWeCallContext) -> list[dict[str, Any]]:
    """Return the menus of a device; the full tree is unpublished."""
    device_of(call)
    return [{"menuId": _MENU, "menuCode": 1, "module": "GENERAL_FUNCTIONS", "children": []}]


@PLUS_ROUTER.route(SemsPlusCalls.plus_function_menus)
def function_menus(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the settings of a device with their addresses and ranges."""
    return {
        "functionMenus": [
            {
                "id": register.function,
                "functionId": register.function,
                "address": address,
                "translateKey": register.name,
                "range": f"[{register.minimum},{register.maximum}]",
                "readWrite": "RW",
                "type": "U16",
                "size": 1,
                "gain": 1,
            }
            for address, register in _registers(call).items()
        ]
    }


@PLUS_ROUTER.route(SemsPlusCalls.plus_cached_parameters)
def cached_parameters(call: GoodWeCallContext) -> dict[str, str]:
    """Return settings as last written."""
    registers, written = _registers(call), _written(call)
    if call.context.fault("unread") is not None:
        raise GoodWeFailure(*_UNREADABLE)
    addresses = _json(call, "addresses", list)
    if not addresses or not all(isinstance(address, str) and address in registers for address in addresses):
        # Quirk: a register the device lacks is reported as unreadable, not as unknown (Home Assistant, issue 211).
        raise GoodWeFailure(*_UNREADABLE)
    return {address: str(written.get(address, registers[address].initial)) for address in addresses}


@PLUS_ROUTER.route(SemsPlusCalls.set_device_parameters)
def set_parameters(call: GoodWeCallContext) -> None:
    """Write settings, all or none."""
    registers = _registers(call)
    requested, functions = _json(call, "addressMap", dict), _json(call, "addrFuncMap", dict)
    values = {address: parse_number(value) for address, value in requested.items()}
    for address, value in values.items():
        register = registers.get(address)
        if (
            register is None
            or functions.get(address) != register.function
            or value is None
            or not register.minimum <= value <= register.maximum
        ):
            raise GoodWeFailure(*_FAILED)
    if not values or device_faults.refuses_commands(call.context):
        raise GoodWeFailure(*_FAILED)
    changes = {
        address: value_after_command(address, int(value)) for address, value in values.items() if value is not None
    }
    serial = device_of(call).serial
    device_faults.apply_command(_plant(call, serial), serial, changes, call.context, PERCENTAGES)


def value_after_command(address: str, value: int) -> int:
    """Return a register's value after a command: an inverter runs again after a restart."""
    return _RUNNING if address == _STATUS and value == _RESTART else value


def _registers(call: GoodWeCallContext) -> dict[str, EmulatedRegister]:
    device = device_of(call)
    if device.type != "INVERTER":
        raise GoodWeFailure(*_UNREADABLE)
    return {
        address: register
        for address, register in REGISTERS.items()
        if device.inverter.has_battery or not register.hybrid_only
    }


def _written(call: GoodWeCallContext) -> dict[str, int]:
    """Return the values that a device has applied."""
    serial = device_of(call).serial
    written: dict[str, int] = _plant(call, serial).settings.get(serial, {})
    return written


def _plant(call: GoodWeCallContext, serial: str) -> EmulatedPlant:
    return next(plant for plant in call.account.plants if serial in plant.devices)


def _json(call: GoodWeCallContext, name: str, json_type: type) -> Any:
    """Return a JSON argument of the given type; an empty one if it is missing or invalid."""
    try:
        data = json.loads(call.arguments.get(name.lower(), ""))
    except (ValueError, RecursionError):
        return json_type()
    return data if isinstance(data, json_type) else json_type()
