"""What a journal and a device say together: orders left open are judged by reading, never by sending again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import Invalid
from heliograph.orders.states import MADE_ROOM, State, last_of, makes_room
from heliograph.orders.verdict import verdict
from heliograph.settings import check, same

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.orders.journal import Journal
    from heliograph.orders.states import Change, Order
    from heliograph.settings import Setting, Value, Values


class Foreign(NamedTuple):
    """A setting that was applied by an order here and has another value now: the app, the installer or the device."""

    setting: str
    order: str
    at: float
    told: Values
    found: Values


def settled(
    journal: Journal,
    orders: Sequence[Order],
    settings: Mapping[str, Setting],
    read: Mapping[str, Values | None],
    now: float,
) -> None:
    """Write down what became of what was open; whoever calls this holds the device's turn."""
    last = {id(change) for _, change in last_of(orders, orders[0].device).values()} if orders else set()
    for order in orders:
        for change in order.changes:
            if change.state is State.PLANNED:
                why = "the program that ordered it ended before"
                journal.ended(order, change, now, State.UNSENT, why, final=True)
            elif id(change) in last or (change.accepted is False and not change.final):
                _judged(journal, order, change, settings, read, now)
            elif makes_room(order, change) and not change.final:
                journal.ended(order, change, now, State.APPLIED, MADE_ROOM, final=True)
            elif not change.final:
                why = "it was overtaken by a later order before it was seen"
                journal.ended(order, change, now, State.UNKNOWN, why, read=change.read, final=True)


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
    if change.state in {State.APPLIED, State.UNSENT}:
        return
    if setting is None:
        if not change.final:
            journal.ended(order, change, now, State.UNKNOWN, "this setting is not known here any more", final=True)
        return
    found = read.get(change.setting)
    said = verdict(change, setting, found, now - (change.sent_at or now))
    if (said.state, said.final) != (change.state, change.final) and (not change.final or said.state is State.APPLIED):
        journal.ended(order, change, now, said.state, said.why, read=found, final=said.final)


def told(
    orders: Sequence[Order], device: str, settings: Mapping[str, Setting], read: Mapping[str, Values | None]
) -> dict[str, Values | None]:
    """Return what a device has, as far as it can be known: what was read, and what it was told where that cannot be."""
    last = last_of(orders, device)
    found: dict[str, Values | None] = {}
    for name, setting in settings.items():
        there = read.get(name)
        _, change = last.get(name, (None, None))
        known = change.new if change is not None and change.may_stand else None
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


def foreign(
    orders: Sequence[Order], device: str, settings: Mapping[str, Setting], read: Mapping[str, Values | None]
) -> tuple[Foreign, ...]:
    """Return what somebody else has changed since an order here was applied."""
    found = []
    for name, (order, change) in last_of(orders, device).items():
        there, setting = read.get(name), settings.get(name)
        if setting is None or there is None or change.state is not State.APPLIED or goes_on(setting):
            continue
        if same(setting, change.new, there) is False:
            found.append(Foreign(name, order.id, change.ended_at or order.at, change.new, there))
    return tuple(found)


def goes_on(setting: Setting) -> bool:
    """Tell whether a setting changes by itself, as a clock does."""
    return any(one.kind == "moment" for one in setting.parameters)


def for_good(setting: Setting, old: Values | None, new: Values) -> str:
    """Return why a change cannot be taken back; empty where it can. What a device has need not be what it can be told.

    >>> from heliograph.settings import Parameter, Setting
    >>> once = Parameter(name="value", kind="choice", choices=("now",))
    >>> restart = Setting(name="restart", title="Restart", parameters=(once,))
    >>> for_good(restart, {"value": "now"}, {"value": "now"})
    'it is done once, and there is nothing to go back to'
    """
    if all(len(one.choices) == 1 for one in setting.parameters):
        return "it is done once, and there is nothing to go back to"
    if old is None:
        return "what it was before is not known, because it cannot be read"
    if goes_on(setting):
        return "it goes on, and what it was before is wrong by then"
    try:
        check(setting, back(old, new))
    except Invalid as error:
        return str(error)
    return ""


def back(old: Values | None, new: Values) -> dict[str, Value]:
    """Return the values that take a change back; what could not be read before stays as it was told."""
    return {**new, **{name: value for name, value in (old or {}).items() if value is not None}}
