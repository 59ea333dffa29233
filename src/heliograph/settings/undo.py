"""Undo of orders, on request or at the end of a curtailment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.errors import ConfigError
from heliograph.settings.definition import matches
from heliograph.settings.models import ChangeState, OrderKind, active_orders, first_and_last, open_curtailments
from heliograph.settings.outcome import inverse_values, irreversible_reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.settings.definition import Value
    from heliograph.settings.executor import OrderExecutor
    from heliograph.settings.models import Order
    from heliograph.settings.plan import OrderFlow, Plan, SettingsSnapshot

_MAX_LISTED = 5


def plan_undo(executor: OrderExecutor, order: Order) -> OrderFlow[Plan]:
    """Return the plan that undoes an order; nothing is sent.

    If the order is irreversible, no earlier one is undone in its place: the user has to name it.
    """
    snapshot = yield from executor.refresh(order.target())
    order = next(one for one in snapshot.orders if one.id == order.id)
    executor.check_settable(snapshot, {first.setting for first, _ in first_and_last(order)})
    active = active_orders(snapshot.orders)
    if reason := _irreversible_reason(order, snapshot):
        reversible = [one for one in reversed(active) if not _irreversible_reason(one, snapshot)]
        listed = ", ".join(
            f"{one.id} ({', '.join(first.setting for first, _ in first_and_last(one))})"
            for one in reversible[:_MAX_LISTED]
        )
        advice = (
            f"These changes can, by id, as in heliograph settings undo {reversible[0].id}: {listed}"
            if reversible
            else "No other change of this device can be undone either: set the values you want"
        )
        raise ConfigError(f"change {order.id} cannot be undone: {reason}. {advice}")
    wanted: dict[str, Mapping[str, Value]] = {}
    notes = [
        f"change {one.id} is skipped and stays: {reason}"
        for one in (active[active.index(order) + 1 :] if order in active else ())
        if (reason := _irreversible_reason(one, snapshot))
    ]
    for first, last in first_and_last(order):
        wanted[first.setting] = inverse_values(first.old, first.new)
        matched = matches(snapshot.settings[first.setting], last.new, snapshot.current.get(first.setting))
        if matched is False and last.final:
            notes.append(f"{first.setting} has been changed again since change {order.id}")
    if not wanted:
        raise ConfigError(f"change {order.id} has nothing to undo: it is {order.state}")
    return executor.plan_from(snapshot, wanted, kind=OrderKind.UNDO, undoes=order.id, notes=tuple(notes))


def _irreversible_reason(order: Order, snapshot: SettingsSnapshot) -> str:
    """Return the setting of an order that cannot be undone, and why; empty if all can."""
    for first, _ in first_and_last(order):
        setting = snapshot.settings.get(first.setting)
        reason = irreversible_reason(setting, first.old, first.new) if setting else "this account cannot set it"
        if reason:
            return f"{first.setting}: {reason}"
    return ""


def restore_curtailment(executor: OrderExecutor, order: Order) -> OrderFlow[Order | None]:
    """End a curtailment: restore the old values, except of settings that were changed again in the meantime."""
    snapshot = yield from executor.refresh(order.target())
    order = next(one for one in snapshot.orders if one.id == order.id)
    if order not in open_curtailments(snapshot.orders):
        return None
    executor.check_settable(snapshot, {first.setting for first, _ in first_and_last(order)})
    wanted: dict[str, Mapping[str, Value]] = {}
    forced: set[str] = set()
    curtailed = {name for name, one in snapshot.curtailed.items() if one is order}
    for first, last in first_and_last(order):
        if first.setting not in curtailed:
            continue
        matched = matches(snapshot.settings[first.setting], last.new, snapshot.current.get(first.setting))
        if last.state is not ChangeState.APPLIED:
            forced.add(first.setting)  # The curtailment may still reach the device.
        elif matched is False:
            continue
        wanted[first.setting] = inverse_values(first.old, first.new)
    plan = executor.plan_from(snapshot, wanted, kind=OrderKind.RESTORE, undoes=order.id, forced=frozenset(forced))
    if not plan.steps:
        why = "the device has another value by now, which is left unchanged"
        executor.journal.record_release(order, executor.now(), why)
        return None
    return (yield from executor.execute(plan))
