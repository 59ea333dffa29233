"""What an order is, and the states its changes go through."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from heliograph.errors import ConfigError
from heliograph.model import Device

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from heliograph.settings.definition import Values


class ChangeState(StrEnum):
    """What became of one change, or of a whole order."""

    PLANNED = "planned"
    """Written down; nothing was sent yet."""
    SENT = "sent"
    """Under way; a program that died left it so."""
    APPLIED = "applied"
    """Read back from the device."""
    PENDING = "pending"
    """The cloud took it; the device does not show it yet."""
    REFUSED = "refused"
    """The cloud said no, or the device never took it."""
    UNKNOWN = "unknown"
    """Nobody can tell: no answer, no way to read it back, or a value that is neither the old nor the new one."""
    UNSENT = "unsent"
    """Never sent: an earlier change of the order failed, or the program ended before."""


_WORST = (
    ChangeState.SENT,
    ChangeState.UNKNOWN,
    ChangeState.PENDING,
    ChangeState.REFUSED,
    ChangeState.UNSENT,
    ChangeState.PLANNED,
)


class OrderKind(StrEnum):
    """Why an order was given."""

    SET = "set"
    UNDO = "undo"
    CURTAIL = "curtail"
    RESTORE = "restore"


@dataclass(slots=True, kw_only=True)
class Change:
    """One setting of an order: what it was, what it shall be, and what became of it."""

    number: int
    """Its place in the order; a setting may be changed twice, to make room and to take it."""
    setting: str
    old: Values | None
    """What the device had before; None where that could not be known."""
    new: Values
    state: ChangeState = ChangeState.PLANNED
    why: str = ""
    sent_at: float | None = None
    accepted: bool | None = None
    """What the cloud answered; None while it has not."""
    ended_at: float | None = None
    final: bool = False
    """Whether looking again can tell no more."""
    read: Values | None = None
    """What the device was last seen to have."""

    @property
    def may_be_applied(self) -> bool:
        """Whether the device may have the new value, or get it yet."""
        return self.sent_at is not None and self.accepted is not False and self.state is not ChangeState.UNSENT


@dataclass(slots=True, kw_only=True)
class Order:
    """One intent for one device, as it was written down before anything was sent."""

    id: str
    at: float
    kind: OrderKind
    who: str
    program: str
    account: str
    vendor: str
    plant: str
    device: str
    family: str
    changes: list[Change] = field(default_factory=list)
    until: float | None = None
    """When a curtailment ends."""
    undoes: str | None = None
    released: str | None = None
    """Why a curtailment is over, where no order ended it."""

    @property
    def state(self) -> ChangeState:
        """What became of the whole: the least certain of its changes decides."""
        return overall_state(change.state for change in self.changes)

    @property
    def partial(self) -> bool:
        """Whether some of it may stand and some of it does not."""
        standing = [
            change.state in {ChangeState.APPLIED, ChangeState.PENDING, ChangeState.UNKNOWN} for change in self.changes
        ]
        return any(standing) and not all(standing)

    @property
    def open(self) -> bool:
        """Whether looking at the device may tell more."""
        return any(not change.final for change in self.changes)

    def target(self) -> Device:
        """Return the device the order is for."""
        return Device(vendor=self.vendor, plant=self.plant, id=self.device, family=self.family)


def overall_state(states: Iterable[ChangeState]) -> ChangeState:
    """Return the state that has to be told first.

    >>> str(worst([State.APPLIED, State.REFUSED, State.PENDING])), str(worst([]))
    ('pending', 'applied')
    """
    found = set(states)
    said = next((state for state in _WORST if state in found), ChangeState.APPLIED)
    return ChangeState.REFUSED if said is ChangeState.UNSENT else said


def latest_changes(orders: Iterable[Order], device: str) -> Mapping[str, tuple[Order, Change]]:
    """Return the last change of each setting that a device may have taken."""
    found: dict[str, tuple[Order, Change]] = {}
    for order in orders:
        if order.device == device:
            found |= {one.setting: (order, one) for one in order.changes if one.may_be_applied}
    return found


def is_temporary(order: Order, change: Change) -> bool:
    """Tell whether a change only made room for a later one of the same setting, which is the one that counts."""
    later = order.changes[change.number + 1 :]
    return bool(change.accepted) and any(one.setting == change.setting and one.may_be_applied for one in later)


SUPERSEDED_TEMPORARY = "it made room for the next step"


FIRST_WAIT, LONGEST_WAIT = 120.0, 3600.0
"""Seconds until a curtailment that could not be ended is tried to be ended again, doubling."""


def active_orders(orders: Iterable[Order]) -> list[Order]:
    """Return the orders that stand and were not taken back."""
    known = list(orders)
    taken = {
        one.undoes for one in known if one.state in {ChangeState.APPLIED, ChangeState.PENDING, ChangeState.UNKNOWN}
    }
    return [
        one
        for one in known
        if one.kind in {OrderKind.SET, OrderKind.CURTAIL} and one.id not in taken and one.released is None
        if any(change.may_be_applied for change in one.changes)
    ]


def latest_active(orders: Iterable[Order]) -> Order:
    """Return the last order that stands and was not taken back."""
    if found := active_orders(orders):
        return found[-1]
    raise ConfigError("there is no order to take back; heliograph settings log lists all that were given")


def first_and_last(order: Order) -> Iterator[tuple[Change, Change]]:
    """Yield the first and the last change of each setting that may stand, the last setting first."""
    names = dict.fromkeys(change.setting for change in reversed(order.changes) if change.may_be_applied)
    for name in names:
        of_it = [change for change in order.changes if change.setting == name and change.may_be_applied]
        yield of_it[0], of_it[-1]


def open_curtailments(orders: Iterable[Order]) -> tuple[Order, ...]:
    """Return the curtailments that are not over."""
    known = list(orders)
    ended = {one.undoes for one in known if one.state is ChangeState.APPLIED}
    return tuple(
        one
        for one in known
        if one.kind is OrderKind.CURTAIL and one.id not in ended and one.released is None and not _came_to_nothing(one)
    )


def curtailed_settings(orders: Sequence[Order]) -> dict[str, Order]:
    """Return the settings that the end of a curtailment will restore, with its order; of one device's orders.

    What a later order was seen to have changed again is that order's.
    """
    last = latest_changes(orders, orders[0].device) if orders else {}
    found = {}
    for one in open_curtailments(orders):
        for first, _ in first_and_last(one):
            later, change = last[first.setting]
            if one.id in {later.id, later.undoes} or change.state is not ChangeState.APPLIED:
                found[first.setting] = one
    return found


def _came_to_nothing(order: Order) -> bool:
    return all(change.final and not change.may_be_applied for change in order.changes)


def due_curtailments(orders: Iterable[Order], now: float) -> tuple[Order, ...]:
    """Return the curtailments to be ended now; one that would not end is given time."""
    known = list(orders)
    return tuple(
        one
        for one in open_curtailments(known)
        if one.until is not None and now >= max(one.until, _next_try([o for o in known if o.undoes == one.id]))
    )


def _next_try(tried: list[Order]) -> float:
    if not tried:
        return 0.0
    return tried[-1].at + min(FIRST_WAIT * 2.0 ** min(len(tried) - 1, 10), LONGEST_WAIT)
