"""What became of a change, judged by what the device has now. Pure, and the same while waiting and after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import InvalidValue
from heliograph.settings.definition import matches, validate
from heliograph.settings.models import SUPERSEDED_TEMPORARY, ChangeState, is_temporary, latest_changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.settings.definition import Setting, Value, Values
    from heliograph.settings.journal import Journal
    from heliograph.settings.models import Change, Order


SETTLED = 1800.0
"""Seconds after which a device that does not show a change has not taken it.

Portals show a change up to a quarter of an hour late (docs/orders.md).
"""


class ChangeOutcome(NamedTuple):
    """What is known of a change; a final one will not be judged again."""

    state: ChangeState
    why: str
    final: bool


def outcome_of(change: Change, setting: Setting, read: Values | None, waited: float) -> ChangeOutcome:
    """Judge one change that was sent, so many seconds ago."""
    settled = waited >= SETTLED
    if change.accepted is False:
        return _after_a_no(change, setting, read)
    there = matches(setting, change.new, read)
    if there:
        return ChangeOutcome(ChangeState.APPLIED, "", final=True)
    if there is None:
        return _untold(change, setting, settled=settled)
    if change.old is not None and matches(setting, change.old, read) is False:
        why = "the device has neither what it had before nor what it was told"
        return ChangeOutcome(ChangeState.UNKNOWN, why, final=settled)
    return _not_there(change, settled=settled)


def mark_unrecorded(order: Order) -> None:
    """Say of each change what is known although the journal cannot be written any more."""
    for change in order.changes:
        if change.state is ChangeState.PLANNED:
            change.state, change.why, change.final = (
                ChangeState.UNSENT,
                "the journal could not be written any more",
                True,
            )
        elif change.state is ChangeState.SENT:
            change.state, change.why = (
                ChangeState.UNKNOWN,
                "it was sent, but what became of it could not be written down",
            )


def _not_there(change: Change, *, settled: bool) -> ChangeOutcome:
    if settled:
        return ChangeOutcome(ChangeState.REFUSED, "the device never took it, though nobody said no", final=True)
    if change.accepted:
        return ChangeOutcome(ChangeState.PENDING, "the cloud took it, but the device does not show it yet", final=False)
    return ChangeOutcome(
        ChangeState.UNKNOWN, f"it is not known whether the cloud heard it{_because(change)}", final=False
    )


def _because(change: Change) -> str:
    return f" ({change.why})" if change.why else ""


def _after_a_no(change: Change, setting: Setting, read: Values | None) -> ChangeOutcome:
    changed = change.old is None or matches(setting, change.old, change.new) is not True
    if changed and matches(setting, change.new, read):
        return ChangeOutcome(
            ChangeState.APPLIED, f"the cloud said no ({change.why}), but the device has it", final=True
        )
    return ChangeOutcome(ChangeState.REFUSED, change.why, final=True)


def _untold(change: Change, setting: Setting, *, settled: bool) -> ChangeOutcome:
    said = "the cloud took it" if change.accepted else f"it is not known whether the cloud heard it{_because(change)}"
    if not setting.readable:
        return ChangeOutcome(ChangeState.UNKNOWN, f"{said}; this setting cannot be read back", final=True)
    if change.accepted and not settled:
        return ChangeOutcome(ChangeState.PENDING, f"{said}, but it could not be read back yet", final=False)
    return ChangeOutcome(ChangeState.UNKNOWN, f"{said}; the device does not tell what it has", final=settled)


class ExternalChange(NamedTuple):
    """A setting that was applied by an order here and has another value now: the app, the installer or the device."""

    setting: str
    order: str
    at: float
    expected: Values
    found: Values


def reconcile(
    journal: Journal,
    orders: Sequence[Order],
    settings: Mapping[str, Setting],
    read: Mapping[str, Values | None],
    now: float,
) -> None:
    """Write down what became of what was open; whoever calls this holds the device's turn."""
    last = {id(change) for _, change in latest_changes(orders, orders[0].device).values()} if orders else set()
    for order in orders:
        for change in order.changes:
            if change.state is ChangeState.PLANNED:
                why = "the program that ordered it ended before"
                journal.record_outcome(order, change, now, ChangeState.UNSENT, why, final=True)
            elif id(change) in last or (change.accepted is False and not change.final):
                _judged(journal, order, change, settings, read, now)
            elif is_temporary(order, change) and not change.final:
                journal.record_outcome(order, change, now, ChangeState.APPLIED, SUPERSEDED_TEMPORARY, final=True)
            elif not change.final:
                why = "it was overtaken by a later order before it was seen"
                journal.record_outcome(order, change, now, ChangeState.UNKNOWN, why, read=change.read, final=True)


def _judged(
    journal: Journal,
    order: Order,
    change: Change,
    settings: Mapping[str, Setting],
    read: Mapping[str, Values | None],
    now: float,
) -> None:
    """Judge the last change of a setting; what was given up for lost may have come late."""
    setting = settings.get(change.setting)
    if change.state in {ChangeState.APPLIED, ChangeState.UNSENT}:
        return
    if setting is None:
        if not change.final:
            journal.record_outcome(
                order, change, now, ChangeState.UNKNOWN, "this setting is not known here any more", final=True
            )
        return
    found = read.get(change.setting)
    said = outcome_of(change, setting, found, now - (change.sent_at or now))
    if (said.state, said.final) != (change.state, change.final) and (
        not change.final or said.state is ChangeState.APPLIED
    ):
        journal.record_outcome(order, change, now, said.state, said.why, read=found, final=said.final)


def known_values(
    orders: Sequence[Order], device: str, settings: Mapping[str, Setting], read: Mapping[str, Values | None]
) -> dict[str, Values | None]:
    """Return what a device has, as far as it can be known: what was read, and what it was told where that cannot be."""
    last = latest_changes(orders, device)
    found: dict[str, Values | None] = {}
    for name, setting in settings.items():
        there = read.get(name)
        _, change = last.get(name, (None, None))
        known = change.new if change is not None and change.may_be_applied else None
        if known is None:
            found[name] = there
        elif not setting.readable:
            found[name] = known
        elif there is not None:
            unread = {one.name: known.get(one.name) for one in setting.parameters if not one.readable}
            found[name] = {**there, **unread}
        else:
            found[name] = None
    return found


def external_changes(
    orders: Sequence[Order], device: str, settings: Mapping[str, Setting], read: Mapping[str, Values | None]
) -> tuple[ExternalChange, ...]:
    """Return what somebody else has changed since an order here was applied."""
    found = []
    for name, (order, change) in latest_changes(orders, device).items():
        there, setting = read.get(name), settings.get(name)
        if setting is None or there is None or change.state is not ChangeState.APPLIED or is_clock(setting):
            continue
        if matches(setting, change.new, there) is False:
            found.append(ExternalChange(name, order.id, change.ended_at or order.at, change.new, there))
    return tuple(found)


def is_clock(setting: Setting) -> bool:
    """Tell whether a setting changes by itself, as a clock does."""
    return any(one.kind == "moment" for one in setting.parameters)


def irreversible_reason(setting: Setting, old: Values | None, new: Values) -> str:
    """Return why a change cannot be taken back; empty where it can. What a device has need not be what it can be told.

    >>> from heliograph.settings.definition import Parameter, Setting
    >>> once = Parameter(name="value", kind="choice", choices=("now",))
    >>> restart = Setting(name="restart", title="Restart", parameters=(once,))
    >>> for_good(restart, {"value": "now"}, {"value": "now"})
    'it is done once, and there is nothing to go back to'
    """
    if all(len(one.choices) == 1 for one in setting.parameters):
        return "it is done once, and there is nothing to go back to"
    if old is None:
        return "what it was before is not known, because it cannot be read"
    if is_clock(setting):
        return "it goes on, and what it was before is wrong by then"
    try:
        validate(setting, inverse_values(old, new))
    except InvalidValue as error:
        return str(error)
    return ""


def inverse_values(old: Values | None, new: Values) -> dict[str, Value]:
    """Return the values that take a change back; what could not be read before stays as it was told."""
    return {**new, **{name: value for name, value in (old or {}).items() if value is not None}}
