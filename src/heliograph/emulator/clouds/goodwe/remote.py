"""Remote control command of the emulated SEMS Portal; it writes the same registers as SEMS+."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import parse_number
from heliograph.emulator import device_faults
from heliograph.emulator.clouds.goodwe.context import LEGACY_ROUTER, GoodWeFailure
from heliograph.emulator.clouds.goodwe.plus_remote import PERCENTAGES, value_after_command
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from heliograph.emulator.clouds.goodwe.context import GoodWeCallContext

_REJECTED = (1, "操作失败")
"""Inferred: no rejection of this call is published."""
_MEMBERS = {"InverterStatus": ("80017", (1, 2, 4)), "ActivePowerLimit": ("ActivePowerLimit", range(101))}


@LEGACY_ROUTER.route(GoodWeCalls.save_remote_control)
def save(call: GoodWeCallContext) -> dict[str, Any]:
    """Queue a command. Quirk: a member without its mark is ignored."""
    serial = call.arguments.get("invertersn", "")
    plant = next((plant for plant in call.account.plants if serial in plant.devices), None)
    if plant is None or device_faults.refuses_commands(call.context):
        raise GoodWeFailure(*_REJECTED)
    changes = {}
    for member, (address, allowed) in _MEMBERS.items():
        if call.arguments.get(f"{member}SettingMark".lower()) == "1":
            value = parse_number(call.arguments.get(member.lower()))
            if value not in allowed:
                raise GoodWeFailure(*_REJECTED)
            changes[address] = value_after_command(address, int(value or 0))
    if not changes:
        raise GoodWeFailure(*_REJECTED)
    device_faults.apply_command(plant, serial, changes, call.context, PERCENTAGES)
    return {}
