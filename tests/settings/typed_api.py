"""Checked by mypy in `test_type_checker_knows_both_forms_of_each_call`; comments name the expected errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from heliograph.settings import AsyncOrders, Order, Orders, Plan, Schedule, SettingsSnapshot

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.model import Device


def blocking(orders: Orders, device: Device, until: datetime) -> None:
    assert_type(orders.look(device), SettingsSnapshot)
    assert_type(orders.plan(device, {"charge_stop_soc": 90}), Plan)
    assert_type(orders.schedule(device), Schedule)
    assert_type(orders.set(device, "charge_stop_soc", 90), Order | None)
    assert_type(orders.undo(device), Order | None)
    assert_type(orders.undo(order="3f9a1c"), Order | None)
    assert_type(orders.curtail(device, {"active_power_rate": {"value": 50}}, until), Order | None)
    orders.set(device, 90)  # call-arg, arg-type
    orders.undo(device, "3f9a1c")  # call-arg
    orders.set_everything(device)  # attr-defined


async def awaited(orders: AsyncOrders, device: Device) -> None:
    assert_type(await orders.look(device), SettingsSnapshot)
    assert_type(await orders.set(device, "charge_stop_soc", 90), Order | None)
    assert_type(await orders.carry(await orders.plan_undo(device)), Order | None)
    orders.set(device, "charge_stop_soc", 90)  # unused-coroutine
