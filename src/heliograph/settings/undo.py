"""Taking orders back: by a person's wish, or because a curtailment's time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.errors import ConfigError
from heliograph.settings.definition import same
from heliograph.settings.models import Kind, State, curtailed, parts, standing
from heliograph.settings.outcome import back, for_good

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heliograph.settings.definition import Value
    from heliograph.settings.executor import Road
    from heliograph.settings.models import Order
    from heliograph.settings.plan import Plan, Sight, Steps

_LISTED = 5


def undoing(road: Road, order: Order) -> Steps[Plan]:
    """Return what takes an order back; nothing is sent yet.

    Where the order cannot be taken back none before it is by itself: a person has to name it.
    """
    sight = yield from road.look(order.target())
    order = next(one for one in sight.orders if one.id == order.id)
    road.able(sight, {first.setting for first, _ in parts(order)})
    if why := _for_good(order, sight):
        raise ConfigError(f"order {order.id} cannot be taken back: {why}{_instead(sight)}")
    wanted: dict[str, Mapping[str, Value]] = {}
    notes = [f"order {one.id} is passed over and stays: {why}" for one, why in _passed_over(order, sight)]
    for first, later in parts(order):
        wanted[first.setting] = back(first.old, first.new)
        there = same(sight.settings[first.setting], later.new, sight.present.get(first.setting))
        if there is False and later.final:
            notes.append(f"{first.setting} has been changed again since order {order.id}")
    if not wanted:
        raise ConfigError(f"nothing of order {order.id} stands: it is {order.state}")
    return road.planned(sight, wanted, kind=Kind.UNDO, undoes=order.id, notes=tuple(notes))


def _for_good(order: Order, sight: Sight) -> str:
    """Return what of an order cannot be taken back, and why; empty where all of it can."""
    for first, _ in parts(order):
        setting = sight.settings.get(first.setting)
        why = for_good(setting, first.old, first.new) if setting else "this account cannot set it"
        if why:
            return f"{first.setting}: {why}"
    return ""


def _passed_over(order: Order, sight: Sight) -> Iterator[tuple[Order, str]]:
    """Yield the later orders that stand and cannot be taken back, with why."""
    found = standing(sight.orders)
    for one in found[found.index(order) + 1 :] if order in found else ():
        if why := _for_good(one, sight):
            yield one, why


def _instead(sight: Sight) -> str:
    """Return what to do instead: the orders that can be taken back, the last one first."""
    can = [one for one in reversed(standing(sight.orders)) if not _for_good(one, sight)]
    if not can:
        return ". Nor can any other order to it: set what you want instead"
    listed = ", ".join(f"{one.id} ({', '.join(first.setting for first, _ in parts(one))})" for one in can[:_LISTED])
    return f". These can, each by its name, as in heliograph settings undo {can[0].id}: {listed}"


def restoring(road: Road, order: Order) -> Steps[Order | None]:
    """End a curtailment: what it limited gets its old value back, unless somebody else has changed it meanwhile."""
    sight = yield from road.look(order.target())
    order = next(one for one in sight.orders if one.id == order.id)
    if order not in curtailed(sight.orders):
        return None
    road.able(sight, {first.setting for first, _ in parts(order)})
    wanted, forced = _put_back(sight, order)
    plan = road.planned(sight, wanted, kind=Kind.RESTORE, undoes=order.id, forced=frozenset(forced))
    if not plan.steps:
        road.journal.released(order, road.now(), "the device has another value by now, which is left to it")
        return None
    return (yield from road.carry(plan))


def _put_back(sight: Sight, order: Order) -> tuple[dict[str, Mapping[str, Value]], set[str]]:
    """Return what is to be put back, and what of it is sent in any case: the limit may still be on its way."""
    wanted: dict[str, Mapping[str, Value]] = {}
    forced: set[str] = set()
    kept = {name for name, one in sight.limited.items() if one is order}
    for first, last in parts(order):
        if first.setting not in kept:
            continue
        there = same(sight.settings[first.setting], last.new, sight.present.get(first.setting))
        if last.state is not State.APPLIED:
            forced.add(first.setting)
        elif there is False:
            continue
        wanted[first.setting] = back(first.old, first.new)
    return wanted, forced
