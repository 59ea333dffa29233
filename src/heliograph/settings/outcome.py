"""Outcomes of changes, judged by what the device reports: while waiting, and later for orders left open.

Orders left open, for example by a crash, are reconciled by reading the device and never by sending again.
"""

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

SETTLE_TIME = 1800.0
"""Seconds after which a device that does not show a change has not applied it.

Portals show a change up to a quarter of an hour late (docs/orders.md).
"""


class ChangeOutcome(NamedTuple):
    """The result of a change; a final one is not judged again."""

    state: ChangeState
    why: str
    final: bool


class ExternalChange(NamedTuple):
    """A setting with another value than its order applied: changed by the app, the installer or the device."""

    setting: str
    order: str
    at: float
    expected: Values
    found: Values


def outcome_of(change: Change, setting: Setting, read: Values | None, waited: float) -> ChangeOutcome:
    """Judge a change that was sent `waited` seconds ago by the values read from the device."""
    settled = waited >= SETTLE_TIME
    matched = matches(setting, change.new, read)
    state, final = ChangeState.UNKNOWN, settled
    because = f" ({change.why})" if change.why else ""
    why = "accepted by the cloud" if change.accepted else f"it is unknown whether the cloud received it{because}"
    if change.accepted is False:
        state, why, final = ChangeState.REFUSED, change.why, True
        if matched and (change.old is None or matches(setting, change.old, change.new) is not True):
            state, why = ChangeState.APPLIED, f"rejected by the cloud ({change.why}), but the device has it"
    elif matched:
        state, why, final = ChangeState.APPLIED, "", True
    elif matched is None:
        if not setting.readable:
            why, final = f"{why}; this setting cannot be read back", True
        elif change.accepted and not settled:
            state, why = ChangeState.PENDING, f"{why}, but it could not be read back yet"
        else:
            why = f"{why}; the device does not report it"
    elif change.old is not None and matches(setting, change.old, read) is False:
        why = "the device has neither the old nor the new value"
    elif settled:
        state, why = ChangeState.REFUSED, "the device never applied it, although it was not rejected"
    elif change.accepted:
        state, why = ChangeState.PENDING, f"{why}, but the device does not show it yet"
    return ChangeOutcome(state, why, final)


def mark_unrecorded(order: Order) -> None:
    """Set the states of an order whose journal cannot be written any more."""
    for change in order.changes:
        if change.state is ChangeState.PLANNED:
            change.state, change.why, change.final = ChangeState.UNSENT, "the journal could not be written", True
        elif change.state is ChangeState.SENT:
            change.state, change.why = ChangeState.UNKNOWN, "sent, but the result could not be recorded"


def reconcile(
    journal: Journal,
    orders: Sequence[Order],
    settings: Mapping[str, Setting],
    read: Mapping[str, Values | None],
    now: float,
) -> None:
    """Record the outcome of the open changes of one device; the caller holds the device's lock."""
    latest = {id(change) for _, change in latest_changes(orders, orders[0].device).values()} if orders else set()
    for order in orders:
        for change in order.changes:
            if change.state is ChangeState.PLANNED:
                why = "the program ended before it was sent"
                journal.record_outcome(order, change, now, ChangeState.UNSENT, why, final=True)
            elif id(change) in latest or (change.accepted is False and not change.final):
                _reconcile_latest(journal, order, change, settings, read, now)
            elif is_temporary(order, change) and not change.final:
                journal.record_outcome(order, change, now, ChangeState.APPLIED, SUPERSEDED_TEMPORARY, final=True)
            elif not change.final:
                why = "superseded by a later change before it could be read back"
                journal.record_outcome(order, change, now, ChangeState.UNKNOWN, why, read=change.read, final=True)


def _reconcile_latest(
    journal: Journal,
    order: Order,
    change: Change,
    settings: Mapping[str, Setting],
    read: Mapping[str, Values | None],
    now: float,
) -> None:
    """Record the outcome of the latest change of a setting; a final failure can still turn into `APPLIED`."""
    setting = settings.get(change.setting)
    if change.state in {ChangeState.APPLIED, ChangeState.UNSENT}:
        return
    if setting is None:
        if not change.final:
            why = "this setting does not exist any more"
            journal.record_outcome(order, change, now, ChangeState.UNKNOWN, why, final=True)
        return
    found = read.get(change.setting)
    outcome = outcome_of(change, setting, found, now - (change.sent_at or now))
    differs = (outcome.state, outcome.final) != (change.state, change.final)
    if differs and (not change.final or outcome.state is ChangeState.APPLIED):
        journal.record_outcome(order, change, now, outcome.state, outcome.why, read=found, final=outcome.final)


def known_values(
    orders: Sequence[Order], device: str, settings: Mapping[str, Setting], read: Mapping[str, Values | None]
) -> dict[str, Values | None]:
    """Return the values of a device as far as known: as read, or as last written where they cannot be read."""
    latest = latest_changes(orders, device)
    known: dict[str, Values | None] = {}
    for name, setting in settings.items():
        found = read.get(name)
        written = latest[name][1].new if name in latest else None
        if written is None:
            known[name] = found
        elif not setting.readable:
            known[name] = written
        elif found is not None:
            unread = {one.name: written.get(one.name) for one in setting.parameters if not one.readable}
            known[name] = {**found, **unread}
        else:
            known[name] = None
    return known


def external_changes(
    orders: Sequence[Order], device: str, settings: Mapping[str, Setting], read: Mapping[str, Values | None]
) -> tuple[ExternalChange, ...]:
    """Return the settings that have other values than the order that last changed them."""
    changes = []
    for name, (order, change) in latest_changes(orders, device).items():
        found, setting = read.get(name), settings.get(name)
        if setting is None or found is None or change.state is not ChangeState.APPLIED or is_clock(setting):
            continue
        if matches(setting, change.new, found) is False:
            changes.append(ExternalChange(name, order.id, change.ended_at or order.at, change.new, found))
    return tuple(changes)


def is_clock(setting: Setting) -> bool:
    """Return True if a setting changes by itself, as a clock does."""
    return any(parameter.kind == "moment" for parameter in setting.parameters)


def irreversible_reason(setting: Setting, old: Values | None, new: Values) -> str:
    """Return why a change cannot be undone; empty if it can. A device may report values that it does not accept.

    >>> from heliograph.settings.definition import Parameter, Setting
    >>> once = Parameter(name="value", kind="choice", choices=("now",))
    >>> restart = Setting(name="restart", title="Restart", parameters=(once,))
    >>> irreversible_reason(restart, {"value": "now"}, {"value": "now"})
    'it is a one-time action'
    """
    if all(len(parameter.choices) == 1 for parameter in setting.parameters):
        return "it is a one-time action"
    if old is None:
        return "the previous value is unknown, because it cannot be read"
    if is_clock(setting):
        return "it is a clock, and its previous time is out of date"
    try:
        validate(setting, inverse_values(old, new))
    except InvalidValue as error:
        return str(error)
    return ""


def inverse_values(old: Values | None, new: Values) -> dict[str, Value]:
    """Return the values that undo a change; a value that was not readable before keeps the new one."""
    return {**new, **{name: value for name, value in (old or {}).items() if value is not None}}
