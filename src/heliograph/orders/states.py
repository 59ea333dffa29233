"""What an order is, and the states its changes go through."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from heliograph.model import Device

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heliograph.settings import Values


class State(StrEnum):
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


_WORST = (State.SENT, State.UNKNOWN, State.PENDING, State.REFUSED, State.UNSENT, State.PLANNED)


class Kind(StrEnum):
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
    state: State = State.PLANNED
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
    def may_stand(self) -> bool:
        """Whether the device may have the new value, or get it yet."""
        return self.sent_at is not None and self.accepted is not False and self.state is not State.UNSENT


@dataclass(slots=True, kw_only=True)
class Order:
    """One intent for one device, as it was written down before anything was sent."""

    id: str
    at: float
    kind: Kind
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
    def state(self) -> State:
        """What became of the whole: the least certain of its changes decides."""
        return worst(change.state for change in self.changes)

    @property
    def partial(self) -> bool:
        """Whether some of it may stand and some of it does not."""
        standing = [change.state in {State.APPLIED, State.PENDING, State.UNKNOWN} for change in self.changes]
        return any(standing) and not all(standing)

    @property
    def open(self) -> bool:
        """Whether looking at the device may tell more."""
        return any(not change.final for change in self.changes)

    def target(self) -> Device:
        """Return the device the order is for."""
        return Device(vendor=self.vendor, plant=self.plant, id=self.device, family=self.family)


def worst(states: Iterable[State]) -> State:
    """Return the state that has to be told first.

    >>> str(worst([State.APPLIED, State.REFUSED, State.PENDING])), str(worst([]))
    ('pending', 'applied')
    """
    found = set(states)
    said = next((state for state in _WORST if state in found), State.APPLIED)
    return State.REFUSED if said is State.UNSENT else said


def last_of(orders: Iterable[Order], device: str) -> Mapping[str, tuple[Order, Change]]:
    """Return the last change of each setting that a device may have taken."""
    found: dict[str, tuple[Order, Change]] = {}
    for order in orders:
        if order.device == device:
            found |= {one.setting: (order, one) for one in order.changes if one.may_stand}
    return found


def makes_room(order: Order, change: Change) -> bool:
    """Tell whether a change only made room for a later one of the same setting, which is the one that counts."""
    later = order.changes[change.number + 1 :]
    return bool(change.accepted) and any(one.setting == change.setting and one.may_stand for one in later)


MADE_ROOM = "it made room for the next step"
