"""What an emulated device makes of an order its cloud has taken: at once, later, otherwise, not at all, or for a while.

The cloud's word is one thing and the device another; the faults here put time and trouble between the two.
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
    """What percentages a device takes whatever it is told."""

    low: float = 10.0
    high: float = 90.0


class _Due(NamedTuple):
    """A change a device will make; `reverts` seconds later it takes it back."""

    at: datetime
    kind: str
    change: Mapping[str, Any]
    reverts: timedelta | None


def refuses_commands(stage: RequestContext) -> bool:
    """Tell whether devices refuse what they are told."""
    return stage.fault("unwilling") is not None


def is_command_blocked(holder: EmulatedAccount, stage: RequestContext) -> bool:
    """Count an order of an account, and tell whether it comes after those that the fault `halfway` lets pass."""
    allowed = stage.fault("halfway")
    if allowed is None:
        holder.state["orders"] = 0
        return False
    holder.state["orders"] = holder.state.get("orders", 0) + 1
    return bool(holder.state["orders"] > int(allowed or 1))


def apply_command(
    site: EmulatedPlant, kind: str, change: Mapping[str, Any], stage: RequestContext, shares: Collection[str] = ()
) -> None:
    """Let a device carry out an order as well as it can; `shares` are the members that are percentages."""
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
    """Let everything happen that an account's devices had to do by now."""
    for site in holder.plants:
        _settle(site, now)


def _settle(site: EmulatedPlant, now: datetime) -> None:
    """Let everything happen that was due by now, in its order."""
    awaited: list[_Due] = site.settings.get(_AWAITED, [])
    while due := min((one for one in awaited if one.at <= now), key=lambda one: one.at, default=None):
        awaited.remove(due)
        kept = site.settings.setdefault(due.kind, {})
        before = {name: kept.get(name) for name in due.change}
        for name, value in due.change.items():
            if value is None:
                kept.pop(name, None)  # as it left the factory
            else:
                kept[name] = value
        if due.reverts is not None:
            awaited.append(_Due(due.at + due.reverts, due.kind, before, None))
    if not awaited:
        site.settings.pop(_AWAITED, None)


def parse_percent_range(text: str) -> PercentRange:
    """Return what a device takes, as "LOW/HIGH" says.

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
