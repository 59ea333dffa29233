"""Device faults: how an emulated device applies a command after its cloud has accepted it.

A device may apply a command immediately, later, with other values, not at all, or temporarily.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from heliograph.emulator.api import EmulatedAccount, EmulatedPlant, RequestContext

DELAY = 120.0
REVERSION = 600.0
_AWAITED = "awaited"


class PercentRange(NamedTuple):
    """The range a device limits percentages to."""

    low: float = 10.0
    high: float = 90.0


class _Due(NamedTuple):
    """A scheduled change of a device, undone after `reverts` if that is set."""

    at: datetime
    kind: str
    change: Mapping[str, Any]
    reverts: timedelta | None


def refuses_commands(stage: RequestContext) -> bool:
    """Return True if devices reject commands (fault `unwilling`)."""
    return stage.fault("unwilling") is not None


def is_command_blocked(holder: EmulatedAccount, stage: RequestContext) -> bool:
    """Count a command of an account; return True if the fault `halfway` blocks it."""
    allowed = stage.fault("halfway")
    if allowed is None:
        holder.state["orders"] = 0
        return False
    holder.state["orders"] = holder.state.get("orders", 0) + 1
    return bool(holder.state["orders"] > int(allowed or 1))


def apply_command(
    site: EmulatedPlant, kind: str, change: Mapping[str, Any], stage: RequestContext, shares: Collection[str] = ()
) -> None:
    """Apply a command to a device, subject to the device faults; `shares` names the values that are percentages."""
    if stage.fault("deaf") is not None:
        return
    if (text := stage.fault("clamp")) is not None:
        change = {
            name: _clamped(value, parse_percent_range(text)) if name in shares else value
            for name, value in change.items()
        }
    slow, back = stage.fault("sluggish"), stage.fault("revert")
    delay = timedelta(seconds=float(slow or DELAY) if slow is not None else 0)
    reverts = None if back is None else timedelta(seconds=float(back or REVERSION))
    now = stage.now()
    site.settings.setdefault(_AWAITED, []).append(_Due(now + delay, kind, change, reverts))
    _settle(site, now)


def apply_due_changes(holder: EmulatedAccount, now: datetime) -> None:
    """Apply all scheduled changes of an account's devices that are due."""
    for site in holder.plants:
        _settle(site, now)


def _settle(site: EmulatedPlant, now: datetime) -> None:
    """Apply all due changes of a plant in order of time."""
    awaited: list[_Due] = site.settings.get(_AWAITED, [])
    while due := min((one for one in awaited if one.at <= now), key=lambda one: one.at, default=None):
        awaited.remove(due)
        kept = site.settings.setdefault(due.kind, {})
        before = {name: kept.get(name) for name in due.change}
        for name, value in due.change.items():
            if value is None:
                kept.pop(name, None)  # back to the factory default
            else:
                kept[name] = value
        if due.reverts is not None:
            awaited.append(_Due(due.at + due.reverts, due.kind, before, None))
    if not awaited:
        site.settings.pop(_AWAITED, None)


def parse_percent_range(text: str) -> PercentRange:
    """Parse the range "LOW/HIGH" of the fault `clamp`.

    >>> parse_percent_range(""), parse_percent_range("20/100")
    (PercentRange(low=10.0, high=90.0), PercentRange(low=20.0, high=100.0))
    """
    if text in ("", "1"):
        return PercentRange()
    low, high = (float(part) for part in text.split("/"))
    if not 0 <= low <= high <= 100:
        raise ValueError(f"{text} is no range of percentages")
    return PercentRange(low, high)


def _clamped(value: Any, within: PercentRange) -> Any:
    held = min(max(float(value), within.low), within.high)
    return f"{held:g}" if isinstance(value, str) else int(held)
