"""What still holds of the orders that were given: which stand, which curtail a device, and which of those end now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.errors import ConfigError
from heliograph.orders.states import Kind, State, last_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from heliograph.orders.states import Change, Order

FIRST_WAIT, LONGEST_WAIT = 120.0, 3600.0
"""Seconds until a curtailment that could not be ended is tried to be ended again, doubling."""


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


def parts(order: Order) -> Iterator[tuple[Change, Change]]:
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
        for first, _ in parts(one):
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
