"""The SEMS Portal's one form for orders, which reaches the same registers as SEMS+."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import parse_number
from heliograph.emulator import device_faults
from heliograph.emulator.clouds.goodwe.context import LEGACY_ROUTER, GoodWeFailure
from heliograph.emulator.clouds.goodwe.plus_remote import PERCENTAGES, value_after_command
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from heliograph.emulator.clouds.goodwe.context import GoodWeCallContext

_NO = (1, "操作失败")
"""Inferred: no refusal of this call was ever published."""
_MEMBERS = {"InverterStatus": ("80017", (1, 2, 4)), "ActivePowerLimit": ("ActivePowerLimit", range(101))}


@LEGACY_ROUTER.route(GoodWeCalls.save_remote_control)
def save(ask: GoodWeCallContext) -> dict[str, Any]:
    """Queue an order. Quirk: a member without its mark is not looked at."""
    serial = ask.arguments.get("invertersn", "")
    site = next((one for one in ask.account.plants if serial in one.devices), None)
    if site is None or device_faults.refuses_commands(ask.context):
        raise GoodWeFailure(*_NO)
    change = {}
    for member, (kept_as, allowed) in _MEMBERS.items():
        if ask.arguments.get(f"{member}SettingMark".lower()) == "1":
            value = parse_number(ask.arguments.get(member.lower()))
            if value not in allowed:
                raise GoodWeFailure(*_NO)
            change[kept_as] = value_after_command(kept_as, int(value or 0))
    if not change:
        raise GoodWeFailure(*_NO)
    device_faults.apply_command(site, serial, change, ask.context, PERCENTAGES)
    return {}
