"""Orders and their changes: the recorded setting changes, their states, and which of them are still in effect."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from heliograph.errors import ConfigError
from heliograph.model import Device

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from heliograph.settings.definition import Values

RETRY_DELAY, MAX_RETRY_DELAY = 120.0, 3600.0
"""Seconds until a failed restore of a curtailment is retried, doubled after each failure."""
SUPERSEDED_TEMPORARY = "temporary value, replaced by a later write of the same change"


class ChangeState(StrEnum):
    """The result of one change, or of a whole order."""

    PLANNED = "planned"
    """Recorded, but not yet sent."""
    SENT = "sent"
    """In progress, or left in progress by a program that died."""
    APPLIED = "applied"
    """Confirmed by reading the device."""
    PENDING = "pending"
    """Accepted by the cloud; the device does not show it yet."""
    REFUSED = "refused"
    """Rejected by the cloud, or never applied by the device."""
    UNKNOWN = "unknown"
    """Undecidable: no response, not readable, or a value that is neither the old nor the new one."""
    UNSENT = "unsent"
    """Never sent, because an earlier change of the order failed or the program ended first."""


_LEAST_CERTAIN_FIRST = (
    ChangeState.SENT,
    ChangeState.UNKNOWN,
    ChangeState.PENDING,
    ChangeState.REFUSED,
    ChangeState.UNSENT,
    ChangeState.PLANNED,
)


class OrderKind(StrEnum):
    """The purpose of an order."""

    SET = "set"
    UNDO = "undo"
    CURTAIL = "curtail"
    RESTORE = "restore"


@dataclass(slots=True, kw_only=True)
class Change:
    """One setting of an order: old values, new values and result."""

    number: int
    """Index in the order; a setting can occur twice, first with a temporary value."""
    setting: str
    old: Values | None
    """The device's values before; None if unknown."""
    new: Values
    state: ChangeState = ChangeState.PLANNED
    why: str = ""
    sent_at: float | None = None
    accepted: bool | None = None
    """The cloud's response; None if there is none yet."""
    ended_at: float | None = None
    final: bool = False
    """Whether further reads cannot change the state."""
    read: Values | None = None
    """The device's values at the last read."""

    @property
    def may_be_applied(self) -> bool:
        """Whether the device may have the new values now or later."""
        return self.sent_at is not None and self.accepted is not False and self.state is not ChangeState.UNSENT


@dataclass(slots=True, kw_only=True)
class Order:
    """The setting changes requested together for one device, recorded before anything is sent."""

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
    """End of a curtailment."""
    undoes: str | None = None
    released: str | None = None
    """Why a curtailment ended without an order that restores the old values."""

    @property
    def state(self) -> ChangeState:
        """The state of the least certain change."""
        return overall_state(change.state for change in self.changes)

    @property
    def partial(self) -> bool:
        """Whether some changes may be applied and others are not."""
        possible = {ChangeState.APPLIED, ChangeState.PENDING, ChangeState.UNKNOWN}
        return len({change.state in possible for change in self.changes}) == 2

    @property
    def open(self) -> bool:
        """Whether reading the device can still change the result."""
        return any(not change.final for change in self.changes)

    def target(self) -> Device:
        """Return the device of the order."""
        return Device(vendor=self.vendor, plant=self.plant, id=self.device, family=self.family)


def overall_state(states: Iterable[ChangeState]) -> ChangeState:
    """Return the least certain state.

    >>> states = [ChangeState.APPLIED, ChangeState.REFUSED, ChangeState.PENDING]
    >>> str(overall_state(states)), str(overall_state([]))
    ('pending', 'applied')
    """
    present = set(states)
    least = next((state for state in _LEAST_CERTAIN_FIRST if state in present), ChangeState.APPLIED)
    return ChangeState.REFUSED if least is ChangeState.UNSENT else least


def latest_changes(orders: Iterable[Order], device: str) -> Mapping[str, tuple[Order, Change]]:
    """Return the latest change of each setting that the device may have applied, with its order."""
    latest: dict[str, tuple[Order, Change]] = {}
    for order in orders:
        if order.device == device:
            latest |= {change.setting: (order, change) for change in order.changes if change.may_be_applied}
    return latest


def is_temporary(order: Order, change: Change) -> bool:
    """Return True if a later change of the order writes the same setting again."""
    later = order.changes[change.number + 1 :]
    return bool(change.accepted) and any(one.setting == change.setting and one.may_be_applied for one in later)


def first_and_last(order: Order) -> Iterator[tuple[Change, Change]]:
    """Yield the first and last possibly applied change of each setting, the last setting first."""
    by_setting: dict[str, list[Change]] = {}
    for change in reversed(order.changes):
        if change.may_be_applied:
            by_setting.setdefault(change.setting, []).append(change)
    for changes in by_setting.values():
        yield changes[-1], changes[0]


def active_orders(orders: Iterable[Order]) -> list[Order]:
    """Return the orders that may be in effect and can be undone: not undone, not released."""
    orders = list(orders)
    possible = {ChangeState.APPLIED, ChangeState.PENDING, ChangeState.UNKNOWN}
    undone = {order.undoes for order in orders if order.state in possible}
    return [
        order
        for order in orders
        if order.kind in {OrderKind.SET, OrderKind.CURTAIL} and order.id not in undone and order.released is None
        if any(change.may_be_applied for change in order.changes)
    ]


def latest_active(orders: Iterable[Order]) -> Order:
    """Return the latest order that may be in effect and can be undone."""
    if active := active_orders(orders):
        return active[-1]
    raise ConfigError("there is no change to undo; heliograph settings log lists all changes")


def open_curtailments(orders: Iterable[Order]) -> tuple[Order, ...]:
    """Return the curtailments that have not ended."""
    orders = list(orders)
    ended = {order.undoes for order in orders if order.state is ChangeState.APPLIED}
    return tuple(
        order
        for order in orders
        if order.kind is OrderKind.CURTAIL and order.id not in ended and order.released is None
        if any(not change.final or change.may_be_applied for change in order.changes)
    )


def curtailed_settings(orders: Sequence[Order]) -> dict[str, Order]:
    """Return the settings that the end of a curtailment will restore, with its order; for orders of one device.

    A setting that a later order is confirmed to have changed belongs to that order and is not restored.
    """
    latest = latest_changes(orders, orders[0].device) if orders else {}
    found = {}
    for order in open_curtailments(orders):
        for first, _ in first_and_last(order):
            later, change = latest[first.setting]
            if order.id in {later.id, later.undoes} or change.state is not ChangeState.APPLIED:
                found[first.setting] = order
    return found


def due_curtailments(orders: Iterable[Order], now: float) -> tuple[Order, ...]:
    """Return the curtailments to end now; failed attempts are retried with increasing delay."""
    orders = list(orders)
    due = []
    for order in open_curtailments(orders):
        attempts = [one.at for one in orders if one.undoes == order.id]
        delay = min(RETRY_DELAY * 2.0 ** min(len(attempts) - 1, 10), MAX_RETRY_DELAY)
        retry_at = attempts[-1] + delay if attempts else 0.0
        if order.until is not None and now >= max(order.until, retry_at):
            due.append(order)
    return tuple(due)
