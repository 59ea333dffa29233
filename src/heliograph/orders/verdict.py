"""What became of a change, judged by what the device has now. Pure, and the same while waiting and after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.orders.states import State
from heliograph.settings import same

if TYPE_CHECKING:
    from heliograph.orders.states import Change, Order
    from heliograph.settings import Setting, Values

SETTLED = 1800.0
"""Seconds after which a device that does not show a change has not taken it.

Portals show a change up to a quarter of an hour late (docs/orders.md).
"""


class Verdict(NamedTuple):
    """What is known of a change; a final one will not be judged again."""

    state: State
    why: str
    final: bool


def verdict(change: Change, setting: Setting, read: Values | None, waited: float) -> Verdict:
    """Judge one change that was sent, so many seconds ago."""
    settled = waited >= SETTLED
    if change.accepted is False:
        return _after_a_no(change, setting, read)
    there = same(setting, change.new, read)
    if there:
        return Verdict(State.APPLIED, "", final=True)
    if there is None:
        return _untold(change, setting, settled=settled)
    if change.old is not None and same(setting, change.old, read) is False:
        why = "the device has neither what it had before nor what it was told"
        return Verdict(State.UNKNOWN, why, final=settled)
    return _not_there(change, settled=settled)


def unwritten(order: Order) -> None:
    """Say of each change what is known although the journal cannot be written any more."""
    for change in order.changes:
        if change.state is State.PLANNED:
            change.state, change.why, change.final = State.UNSENT, "the journal could not be written any more", True
        elif change.state is State.SENT:
            change.state, change.why = State.UNKNOWN, "it was sent, but what became of it could not be written down"


def _not_there(change: Change, *, settled: bool) -> Verdict:
    if settled:
        return Verdict(State.REFUSED, "the device never took it, though nobody said no", final=True)
    if change.accepted:
        return Verdict(State.PENDING, "the cloud took it, but the device does not show it yet", final=False)
    return Verdict(State.UNKNOWN, f"it is not known whether the cloud heard it{_because(change)}", final=False)


def _because(change: Change) -> str:
    return f" ({change.why})" if change.why else ""


def _after_a_no(change: Change, setting: Setting, read: Values | None) -> Verdict:
    changed = change.old is None or same(setting, change.old, change.new) is not True
    if changed and same(setting, change.new, read):
        return Verdict(State.APPLIED, f"the cloud said no ({change.why}), but the device has it", final=True)
    return Verdict(State.REFUSED, change.why, final=True)


def _untold(change: Change, setting: Setting, *, settled: bool) -> Verdict:
    said = "the cloud took it" if change.accepted else f"it is not known whether the cloud heard it{_because(change)}"
    if not setting.readable:
        return Verdict(State.UNKNOWN, f"{said}; this setting cannot be read back", final=True)
    if change.accepted and not settled:
        return Verdict(State.PENDING, f"{said}, but it could not be read back yet", final=False)
    return Verdict(State.UNKNOWN, f"{said}; the device does not tell what it has", final=settled)
