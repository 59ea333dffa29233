"""Taking orders back: by a person's wish, or because a curtailment's time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.errors import ConfigError
from heliograph.settings.definition import matches
from heliograph.settings.models import ChangeState, OrderKind, active_orders, first_and_last, open_curtailments
from heliograph.settings.outcome import inverse_values, irreversible_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heliograph.settings.definition import Value
    from heliograph.settings.executor import OrderExecutor
    from heliograph.settings.models import Order
    from heliograph.settings.plan import OrderFlow, Plan, SettingsSnapshot

_LISTED = 5


def plan_undo(road: OrderExecutor, order: Order) -> OrderFlow[Plan]:
    """Return what takes an order back; nothing is sent yet.

    Where the order cannot be taken back none before it is by itself: a person has to name it.
    """
    sight = yield from road.refresh(order.target())
    order = next(one for one in sight.orders if one.id == order.id)
    road.check_settable(sight, {first.setting for first, _ in first_and_last(order)})
    if why := _for_good(order, sight):
        raise ConfigError(f"order {order.id} cannot be taken back: {why}{_instead(sight)}")
    wanted: dict[str, Mapping[str, Value]] = {}
    notes = [f"order {one.id} is passed over and stays: {why}" for one, why in _passed_over(order, sight)]
    for first, later in first_and_last(order):
        wanted[first.setting] = inverse_values(first.old, first.new)
        there = matches(sight.settings[first.setting], later.new, sight.current.get(first.setting))
        if there is False and later.final:
            notes.append(f"{first.setting} has been changed again since order {order.id}")
    if not wanted:
        raise ConfigError(f"nothing of order {order.id} stands: it is {order.state}")
    return road.plan_from(sight, wanted, kind=OrderKind.UNDO, undoes=order.id, notes=tuple(notes))


def _for_good(order: Order, sight: SettingsSnapshot) -> str:
    """Return what of an order cannot be taken back, and why; empty where all of it can."""
    for first, _ in first_and_last(order):
        setting = sight.settings.get(first.setting)
        why = irreversible_reason(setting, first.old, first.new) if setting else "this account cannot set it"
        if why:
            return f"{first.setting}: {why}"
    return ""


def _passed_over(order: Order, sight: SettingsSnapshot) -> Iterator[tuple[Order, str]]:
    """Yield the later orders that stand and cannot be taken back, with why."""
    found = active_orders(sight.orders)
    for one in found[found.index(order) + 1 :] if order in found else ():
        if why := _for_good(one, sight):
            yield one, why


def _instead(sight: SettingsSnapshot) -> str:
    """Return what to do instead: the orders that can be taken back, the last one first."""
    can = [one for one in reversed(active_orders(sight.orders)) if not _for_good(one, sight)]
    if not can:
        return ". Nor can any other order to it: set what you want instead"
    listed = ", ".join(
        f"{one.id} ({', '.join(first.setting for first, _ in first_and_last(one))})" for one in can[:_LISTED]
    )
    return f". These can, each by its name, as in heliograph settings undo {can[0].id}: {listed}"


def restore_curtailment(road: OrderExecutor, order: Order) -> OrderFlow[Order | None]:
    """End a curtailment: what it limited gets its old value back, unless somebody else has changed it meanwhile."""
    sight = yield from road.refresh(order.target())
    order = next(one for one in sight.orders if one.id == order.id)
    if order not in open_curtailments(sight.orders):
        return None
    road.check_settable(sight, {first.setting for first, _ in first_and_last(order)})
    wanted, forced = _put_back(sight, order)
    plan = road.plan_from(sight, wanted, kind=OrderKind.RESTORE, undoes=order.id, forced=frozenset(forced))
    if not plan.steps:
        road.journal.record_release(order, road.now(), "the device has another value by now, which is left to it")
        return None
    return (yield from road.execute(plan))


def _put_back(sight: SettingsSnapshot, order: Order) -> tuple[dict[str, Mapping[str, Value]], set[str]]:
    """Return what is to be put back, and what of it is sent in any case: the limit may still be on its way."""
    wanted: dict[str, Mapping[str, Value]] = {}
    forced: set[str] = set()
    kept = {name for name, one in sight.curtailed.items() if one is order}
    for first, last in first_and_last(order):
        if first.setting not in kept:
            continue
        there = matches(sight.settings[first.setting], last.new, sight.current.get(first.setting))
        if last.state is not ChangeState.APPLIED:
            forced.add(first.setting)
        elif there is False:
            continue
        wanted[first.setting] = inverse_values(first.old, first.new)
    return wanted, forced
