"""Taking orders back: by a person's wish, or because a curtailment's time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.errors import ConfigError
from heliograph.orders.recover import back, for_good
from heliograph.orders.states import Kind, State, last_of
from heliograph.settings import same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from heliograph.orders.plan import Plan, Sight, Steps
    from heliograph.orders.road import Road
    from heliograph.orders.states import Change, Order
    from heliograph.settings import Value

FIRST_WAIT, LONGEST_WAIT = 120.0, 3600.0
"""Seconds until a curtailment that could not be ended is tried to be ended again, doubling."""

_LISTED = 5


def standing(orders: Iterable[Order]) -> list[Order]:
    """Return the orders that stand and were not taken back."""
    known = list(orders)
    taken = {one.undoes for one in known if one.state in {State.APPLIED, State.PENDING, State.UNKNOWN}}
    return [
        one
        for one in known
        if one.kind in {Kind.SET, Kind.CURTAIL} and one.id not in taken and one.released is None
        if any(change.may_stand for change in one.changes)
    ]


def newest(orders: Iterable[Order]) -> Order:
    """Return the last order that stands and was not taken back."""
    if found := standing(orders):
        return found[-1]
    raise ConfigError("there is no order to take back; heliograph settings log lists all that were given")


def undoing(road: Road, order: Order) -> Steps[Plan]:
    """Return what takes an order back; nothing is sent yet.

    Where the order cannot be taken back none before it is by itself: a person has to name it.
    """
    sight = yield from road.look(order.target())
    order = next(one for one in sight.orders if one.id == order.id)
    road.able(sight, {first.setting for first, _ in _standing(order)})
    if why := _for_good(order, sight):
        raise ConfigError(f"order {order.id} cannot be taken back: {why}{_instead(sight)}")
    wanted: dict[str, Mapping[str, Value]] = {}
    notes = [f"order {one.id} is passed over and stays: {why}" for one, why in _passed_over(order, sight)]
    for first, later in _standing(order):
        wanted[first.setting] = back(first.old, first.new)
        if same(sight.settings[first.setting], later.new, sight.present.get(first.setting)) is False:
            notes.append(f"{first.setting} has been changed again since order {order.id}")
    if not wanted:
        raise ConfigError(f"nothing of order {order.id} stands: it is {order.state}")
    return road.planned(sight, wanted, kind=Kind.UNDO, undoes=order.id, notes=tuple(notes))


def _for_good(order: Order, sight: Sight) -> str:
    """Return what of an order cannot be taken back, and why; empty where all of it can."""
    for first, _ in _standing(order):
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
    listed = ", ".join(f"{one.id} ({', '.join(first.setting for first, _ in _standing(one))})" for one in can[:_LISTED])
    return f". These can, each by its name, as in heliograph settings undo {can[0].id}: {listed}"


def _standing(order: Order) -> Iterator[tuple[Change, Change]]:
    """Yield the first and the last change of each setting that may stand, the last setting first."""
    names = dict.fromkeys(change.setting for change in reversed(order.changes) if change.may_stand)
    for name in names:
        of_it = [change for change in order.changes if change.setting == name and change.may_stand]
        yield of_it[0], of_it[-1]


def curtailed(orders: Iterable[Order]) -> tuple[Order, ...]:
    """Return the curtailments that are not over."""
    known = list(orders)
    ended = {one.undoes for one in known if one.state is State.APPLIED}
    return tuple(
        one
        for one in known
        if one.kind is Kind.CURTAIL and one.id not in ended and one.released is None and not _came_to_nothing(one)
    )


def limited(orders: Sequence[Order]) -> dict[str, Order]:
    """Return the settings that the end of a curtailment will restore, with its order; of one device's orders.

    What a later order was seen to have changed again is that order's.
    """
    last = last_of(orders, orders[0].device) if orders else {}
    found = {}
    for one in curtailed(orders):
        for first, _ in _standing(one):
            later, change = last[first.setting]
            if one.id in {later.id, later.undoes} or change.state is not State.APPLIED:
                found[first.setting] = one
    return found


def _came_to_nothing(order: Order) -> bool:
    return all(change.final and not change.may_stand for change in order.changes)


def due(orders: Iterable[Order], now: float) -> tuple[Order, ...]:
    """Return the curtailments to be ended now; one that would not end is given time."""
    known = list(orders)
    return tuple(
        one
        for one in curtailed(known)
        if one.until is not None and now >= max(one.until, _next_try([o for o in known if o.undoes == one.id]))
    )


def _next_try(tried: list[Order]) -> float:
    if not tried:
        return 0.0
    return tried[-1].at + min(FIRST_WAIT * 2.0 ** min(len(tried) - 1, 10), LONGEST_WAIT)


def restoring(road: Road, order: Order) -> Steps[Order | None]:
    """End a curtailment: what it limited gets its old value back, unless somebody else has changed it meanwhile."""
    sight = yield from road.look(order.target())
    order = next(one for one in sight.orders if one.id == order.id)
    if order not in curtailed(sight.orders):
        return None
    road.able(sight, {first.setting for first, _ in _standing(order)})
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
    for first, last in _standing(order):
        if first.setting not in kept:
            continue
        there = same(sight.settings[first.setting], last.new, sight.present.get(first.setting))
        if last.state is not State.APPLIED:
            forced.add(first.setting)
        elif there is False:
            continue
        wanted[first.setting] = back(first.old, first.new)
    return wanted, forced
