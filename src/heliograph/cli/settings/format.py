"""Settings and changes as text for users, and as JSON for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.cli.terminal import printable
from heliograph.cli.timefmt import format_local_time
from heliograph.settings.models import ChangeState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heliograph.settings.definition import Setting, Value, Values
    from heliograph.settings.models import Change, Order
    from heliograph.settings.plan import Plan, SettingsSnapshot

MISSING_VALUE = "·"
OPEN_ORDER = "the outcome of change {} is not known yet; to check it: heliograph settings check"
EXIT_CODES = {
    ChangeState.APPLIED: 0,
    ChangeState.REFUSED: 1,
    ChangeState.PENDING: 3,
    ChangeState.UNKNOWN: 4,
    ChangeState.SENT: 4,
}


def format_value(setting: Setting | None, name: str, value: Value) -> str:
    """Return one value with its unit."""
    if value is None:
        return MISSING_VALUE
    unit = next((one.unit for one in setting.parameters if one.name == name), None) if setting else None
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, bool):
        text = "on" if value else "off"
    return printable(f"{text} {unit}" if unit else text)


def format_values(setting: Setting | None, values: Values | None) -> str:
    """Return all values of a setting."""
    if values is None:
        return MISSING_VALUE
    if len(values) == 1:
        ((name, only),) = values.items()
        return format_value(setting, name, only)
    return " ".join(f"{printable(name)}={format_value(setting, name, one)}" for name, one in values.items())


def format_plan(plan: Plan) -> Iterator[str]:
    """Yield the notes and one line for each parameter that changes."""
    for one in plan.snapshot.external_changes:
        setting = plan.snapshot.settings.get(one.setting)
        expected, found = format_values(setting, one.expected), format_values(setting, one.found)
        yield f"note: {one.setting} was changed by another program since change {one.order}: from {expected} to {found}"
    for order in plan.snapshot.open_orders:
        yield f"note: the outcome of change {order.id} is not known yet"
    yield from (f"note: {note}" for note in plan.notes)
    if not plan.steps:
        yield f"{printable(plan.device.id)} already has these values; nothing to send"
    for step in plan.steps:
        unchanged = ((name, value, value) for name, value in step.new.items())
        for name, old, new in step.changed_parameters() or unchanged:
            label = step.setting.name if len(step.new) == 1 else f"{step.setting.name}.{name}"
            yield f"  {label}: {format_value(step.setting, name, old)} -> {format_value(step.setting, name, new)}"
    if plan.steps and plan.until is not None:
        ends = format_time(plan.until, datetime.fromtimestamp(plan.snapshot.at, UTC))
        yield f"until {ends}, then restored to the current value"


def format_outcome(order: Order, settings: Mapping[str, Setting], now: datetime) -> Iterator[str]:
    """Yield one line for each change of an order, and what to do next."""
    for change in order.changes:
        setting = settings.get(change.setting)
        has = ""
        if change.read and change.state is ChangeState.UNKNOWN:
            has = f"; it has {format_values(setting, change.read)}"
        why = f" ({change.why}{has})" if change.why else ""
        yield printable(f"{change.state}: {change.setting} {format_values(setting, change.new)}{why}")
    if order.partial:
        yield f"change {order.id} was applied in part; run it again to send the rest, or undo it"
    if order.open:
        yield OPEN_ORDER.format(order.id)
    if order.until and order.state is not ChangeState.REFUSED:
        yield f"change {order.id} ends {format_time(order.until, now)}"


def format_time(at: float | None, now: datetime) -> str:
    """Return a moment in this machine's local time."""
    return MISSING_VALUE if at is None else format_local_time(datetime.fromtimestamp(at, UTC), now)


def format_log_entry(order: Order, now: datetime, settings: Mapping[str, Setting]) -> Iterator[str]:
    """Yield an order as lines of the log, with the units of the device's settings as far as they are known."""
    undoes = f" of {order.undoes}" if order.undoes else ""
    until = f" until {format_time(order.until, now)}" if order.until else ""
    source = f"{order.device}, by {order.who} ({order.program})"
    yield printable(f"{order.id}  {format_time(order.at, now)}  {order.state}: {order.kind}{undoes}{until}, {source}")
    for change in order.changes:
        why = f" ({change.why})" if change.why else ""
        setting = settings.get(change.setting)
        old, new = format_values(setting, change.old), format_values(setting, change.new)
        yield printable(f"    {change.setting}: {old} -> {new}, {change.state}{why}")


def order_as_dict(order: Order) -> dict[str, Any]:
    """Return an order as JSON-ready data."""
    names = ("id", "kind", "who", "program", "account", "vendor", "plant", "device", "family", "undoes", "released")
    return {
        **{name: getattr(order, name) for name in names},
        "at": _iso(order.at),
        "until": _iso(order.until),
        "state": order.state,
        "partial": order.partial,
        "changes": [_change_as_dict(change) for change in order.changes],
    }


def _change_as_dict(change: Change) -> dict[str, Any]:
    names = ("setting", "old", "new", "state", "why", "read")
    moments = {"sent_at": _iso(change.sent_at), "ended_at": _iso(change.ended_at)}
    return {name: getattr(change, name) for name in names} | moments


def plan_as_dict(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON-ready data."""
    return {
        "device": plan.device.id,
        "difference": [{"setting": one.setting.name, "old": one.old, "new": one.new} for one in plan.steps],
        "until": _iso(plan.until),
        "foreign": external_changes_as_dict(plan.snapshot),
        "notes": list(plan.notes),
    }


def external_changes_as_dict(snapshot: SettingsSnapshot) -> list[dict[str, Any]]:
    """Return the changes made by other programs as JSON-ready data."""
    return [
        {"setting": one.setting, "order": one.order, "told": one.expected, "found": one.found}
        for one in snapshot.external_changes
    ]


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
