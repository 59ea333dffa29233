"""How settings and orders are told to people and to programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.cli.terminal import printable
from heliograph.cli.timefmt import format_local_time
from heliograph.settings import ChangeState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heliograph.settings import Order, Plan, PlannedChange, SettingsSnapshot
    from heliograph.settings.definition import Setting, Value, Values
    from heliograph.settings.models import Change

GAP = "·"
OPEN_ORDER = "it is not known yet what became of order {}; to look again: heliograph settings recover"
EXIT_CODES = {
    ChangeState.APPLIED: 0,
    ChangeState.REFUSED: 1,
    ChangeState.PENDING: 3,
    ChangeState.UNKNOWN: 4,
    ChangeState.SENT: 4,
}


def format_value(setting: Setting | None, name: str, there: Value) -> str:
    """Return one value with its unit."""
    if there is None:
        return GAP
    unit = next((one.unit for one in setting.parameters if one.name == name), None) if setting else None
    said = (
        ("on" if there else "off") if isinstance(there, bool) else f"{there:g}" if isinstance(there, float) else there
    )
    return printable(f"{said} {unit}" if unit else str(said))


def format_values(setting: Setting | None, there: Values | None) -> str:
    """Return all values of a setting."""
    if there is None:
        return GAP
    if len(there) == 1:
        ((name, only),) = there.items()
        return format_value(setting, name, only)
    return " ".join(f"{printable(name)}={format_value(setting, name, one)}" for name, one in there.items())


def format_plan(plan: Plan) -> Iterator[str]:
    """Yield what would change, one parameter a line, and what the person should know."""
    for one in plan.snapshot.external_changes:
        setting = plan.snapshot.settings.get(one.setting)
        was, found = format_values(setting, one.expected), format_values(setting, one.found)
        yield f"note: somebody else has changed {one.setting} since order {one.order}: it was {was} and is {found}"
    for order in plan.snapshot.open_orders:
        yield f"note: it is not known yet what became of order {order.id}"
    yield from (f"note: {note}" for note in plan.notes)
    if not plan.steps:
        yield f"{printable(plan.device.id)} has that already; there is nothing to send"
    for step in plan.steps:
        for name, old, new in step.changed_parameters() or _again(step):
            label = step.setting.name if len(step.new) == 1 else f"{step.setting.name}.{name}"
            yield f"  {label}: {format_value(step.setting, name, old)} -> {format_value(step.setting, name, new)}"
    if plan.steps and plan.until is not None:
        ends = format_time(plan.until, datetime.fromtimestamp(plan.snapshot.at, UTC))
        yield f"until {ends}; then it gets back what it has now"


def _again(step: PlannedChange) -> tuple[tuple[str, Value, Value], ...]:
    return tuple((name, there, there) for name, there in step.new.items())


def format_outcome(order: Order, settings: Mapping[str, Setting], now: datetime) -> Iterator[str]:
    """Yield what became of an order, one line a change."""
    for change in order.changes:
        setting = settings.get(change.setting)
        there = (
            f"; it has {format_values(setting, change.read)}"
            if change.read and change.state is ChangeState.UNKNOWN
            else ""
        )
        why = f" ({change.why}{there})" if change.why else ""
        yield printable(f"{change.state}: {change.setting} {format_values(setting, change.new)}{why}")
    if order.partial:
        yield f"order {order.id} was carried out in part; give it again to send the rest, or undo it"
    if order.open:
        yield OPEN_ORDER.format(order.id)
    if order.until and order.state is not ChangeState.REFUSED:
        yield f"order {order.id} ends {format_time(order.until, now)}"


def format_time(at: float | None, now: datetime) -> str:
    """Return a moment on this machine's clock."""
    return GAP if at is None else format_local_time(datetime.fromtimestamp(at, UTC), now)


def format_log_entry(order: Order, now: datetime) -> Iterator[str]:
    """Yield an order as the audit log tells it."""
    at = format_time(order.at, now)
    about = f" of {order.undoes}" if order.undoes else ""
    until = f" until {format_time(order.until, now)}" if order.until else ""
    whose = f"{order.device}, by {order.who} ({order.program})"
    yield printable(f"{order.id}  {at}  {order.state}: {order.kind}{about}{until}, {whose}")
    for change in order.changes:
        why = f" ({change.why})" if change.why else ""
        old, new = format_values(None, change.old), format_values(None, change.new)
        yield printable(f"    {change.setting}: {old} -> {new}, {change.state}{why}")


def order_as_dict(order: Order) -> dict[str, Any]:
    """Return an order as JSON-ready data."""
    told = ("id", "kind", "who", "program", "account", "vendor", "plant", "device", "family", "undoes", "released")
    return {
        **{name: getattr(order, name) for name in told},
        "at": _iso(order.at),
        "until": _iso(order.until),
        "state": order.state,
        "partial": order.partial,
        "changes": [_change(one) for one in order.changes],
    }


def _change(change: Change) -> dict[str, Any]:
    told = ("setting", "old", "new", "state", "why", "read")
    moments = {"sent_at": _iso(change.sent_at), "ended_at": _iso(change.ended_at)}
    return {name: getattr(change, name) for name in told} | moments


def plan_as_dict(plan: Plan) -> dict[str, Any]:
    """Return a difference as JSON-ready data."""
    return {
        "device": plan.device.id,
        "difference": [{"setting": one.setting.name, "old": one.old, "new": one.new} for one in plan.steps],
        "until": _iso(plan.until),
        "foreign": external_changes_as_dict(plan.snapshot),
        "notes": list(plan.notes),
    }


def external_changes_as_dict(sight: SettingsSnapshot) -> list[dict[str, Any]]:
    """Return what somebody else has changed as JSON-ready data."""
    return [
        {"setting": one.setting, "order": one.order, "told": one.expected, "found": one.found}
        for one in sight.external_changes
    ]


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
