"""The SEMS Portal's one form for orders, which reaches the same registers as SEMS+."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import number
from heliograph.emulator import device_faults
from heliograph.emulator.clouds.goodwe.context import ANSWERS, Failed
from heliograph.emulator.clouds.goodwe.plus_remote import SHARES, settled
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from heliograph.emulator.clouds.goodwe.context import Ask

_NO = (1, "操作失败")
"""Inferred: no refusal of this call was ever published."""
_MEMBERS = {"InverterStatus": ("80017", (1, 2, 4)), "ActivePowerLimit": ("ActivePowerLimit", range(101))}


@ANSWERS.to(GoodWeCalls.save_remote_control)
def save(ask: Ask) -> dict[str, Any]:
    """Queue an order. Quirk: a member without its mark is not looked at."""
    serial = ask.arguments.get("invertersn", "")
    site = next((one for one in ask.holder.sites if serial in one.devices), None)
    if site is None or device_faults.unwilling(ask.stage):
        raise Failed(*_NO)
    change = {}
    for member, (kept_as, allowed) in _MEMBERS.items():
        if ask.arguments.get(f"{member}SettingMark".lower()) == "1":
            value = number(ask.arguments.get(member.lower()))
            if value not in allowed:
                raise Failed(*_NO)
            change[kept_as] = settled(kept_as, int(value or 0))
    if not change:
        raise Failed(*_NO)
    device_faults.take(site, serial, change, ask.stage, SHARES)
    return {}
