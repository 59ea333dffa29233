"""The vendor's intervals between two equal calls of the token API, and how requests respect them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.errors import Throttled

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call
    from heliograph.core.session import Session

MARGIN = 5.0
"""Seconds added to each interval, because the vendor's clock decides."""
SHORT_MARGIN = 1.0
"""Seconds added to intervals that a call waits for."""
_LONGEST_WAIT = 60.0
"""The shortest interval for which a call does not wait, but is rejected."""
INTERVAL = 300.0
"""Seconds between two equal calls, unless the table below has another value."""
GAP = 1.0
"""Seconds between any two calls."""
HISTORY_GAPS = 3
"""Gaps between any call and one for history, which is never urgent."""
COMMAND_GAP = 5.0
"""Seconds between two commands."""

INTERVALS = {
    "v4_device_list": 5.0,
    "v4_read_power": 5.0,
    "v4_signal": 5.0,
    "v4_read_vpp": 5.0,
    "v1_vpp_state_of_charge": 10.0,
    "v1_read_parameter": 5.0,
}
"""Seconds between two equal calls that the vendor allows more often (docs/clouds/growatt.md)."""
_DEVICE_HISTORY = frozenset(("v1_history", "v1_inverter_history", "v4_history", "v4_histories"))
_HISTORY = _DEVICE_HISTORY | {"v1_plant_power", "v1_plant_energy"}
_DATES = frozenset(("start_date", "end_date", "date", "page"))
_FAST_FAMILIES = {
    "v1_last_data": {"mix", "spa", "hps", "storage"},
    "v1_history": {"tlx", "spa", "hps", "storage", "boost"},
    "v1_alarms": {"mix", "spa", "hps", "storage"},
    "v1_batch_data": {"mix", "spa"},
    "v1_device_info": {"pbd", "spa", "hps", "storage"},
}
"""Families whose call the vendor allows every 10 seconds; all others every 5 minutes."""
_NOAH_INTERVAL = 60.0


def interval_of(call: Call[Any]) -> float:
    """Return the seconds between two equal calls, without the margin; commands may follow each other in 5 seconds."""
    name = call.endpoint.name
    if call.endpoint.route.command:
        return COMMAND_GAP
    if call.fields.get("family") in _FAST_FAMILIES.get(name, ()):
        return 10.0
    if name == "v4_last_data" and call.fields.get("deviceType") == "noah":
        return _NOAH_INTERVAL
    return INTERVALS.get(name, INTERVAL)


def family_interval(family: str) -> float:
    """Return the seconds between two calls for the newest measurements of one device, without the margin."""
    if family == "noah":
        return _NOAH_INTERVAL
    return 10.0 if family in _FAST_FAMILIES["v1_last_data"] else INTERVAL


def call_key(call: Call[Any]) -> str:
    """Return what is counted: the call with its arguments; for the history of a device, without dates and pages."""
    ignored = _DATES if call.endpoint.name in _DEVICE_HISTORY else ()
    fields = (f"{key}={value}" for key, value in sorted(call.fields.items()) if key not in ignored)
    return " ".join((call.endpoint.name, *fields))


def seconds_until_due(session: Session, call: Call[Any]) -> float:
    """Return the seconds until the vendor allows a call again; 0 if it may be sent now."""
    at, now = session.facts.get("sent", {}).get(call_key(call)), session.now
    # A time in the future is from a clock that was set back since; it must not block the call for years.
    interval = interval_of(call)
    margin = MARGIN if interval >= _LONGEST_WAIT else SHORT_MARGIN
    return 0.0 if at is None or at > now else max(0.0, at + interval + margin - now)


def pause_before(session: Session, call: Call[Any]) -> float:
    """Return the seconds to wait before a call, and record when it is sent then.

    Raises `Throttled` if the same call was sent too recently to wait for.
    """
    now, key, interval = session.now, call_key(call), interval_of(call)
    sent: dict[str, float] = session.facts.setdefault("sent", {})
    if (seconds := seconds_until_due(session, call)) and interval >= _LONGEST_WAIT:
        raise too_often(
            f"this call was sent {now - sent[key]:.0f} s ago, and the vendor allows it every {interval / 60:g} min",
            seconds,
        )
    recent = {other: at for other, at in sent.items() if now - 2 * INTERVAL <= at <= now}
    gap = GAP * (HISTORY_GAPS if call.endpoint.name in _HISTORY else 1)
    pause = max((seconds, *(at + gap - now for at in recent.values())))
    if call.endpoint.route.command:
        commanded = session.facts.get("commanded", -COMMAND_GAP)
        pause = max(pause, commanded + COMMAND_GAP - now if commanded <= now else 0.0)
        session.facts["commanded"] = now + pause
    session.facts["sent"] = recent | {key: now + pause}
    return pause


def too_often(message: str, seconds: float) -> Throttled:
    """Return the error of a call that must wait; other calls of the account are not affected."""
    error = Throttled(message, advice=f"Call it again in {seconds:.0f} s, or use the values fetched before")
    error.retry_after = seconds
    error.account_wide = False
    return error
