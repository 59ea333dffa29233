"""Faults of the emulated devices, and the log in which their cloud keeps them (faults `faulty` and `undated`)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.emulator.api import RequestContext

DEFAULT_CODE = "302"
_UPLOADS = timedelta(minutes=5)


class LoggedFault(NamedTuple):
    """A fault of the main device of a plant; `started_at` is None for an entry without a time."""

    code: str
    started_at: datetime | None
    ended_at: datetime | None = None


def present_fault(stage: RequestContext) -> str | None:
    """Return the code of the fault that devices report now; None without one."""
    value = stage.fault("faulty")
    return None if value is None else _code(value)


def fault_members(stage: RequestContext) -> dict[str, Any]:
    """Return the members by which a Growatt device reports its fault; none without one."""
    code = present_fault(stage)
    return {} if code is None else {"status": 3, "statusText": "Fault", "faultType": int(code) if code.isdigit() else 1}


def logged_faults(stage: RequestContext) -> list[LoggedFault]:
    """Return the fault log of any plant, the newest entries first; faults begin and end at uploads."""
    log = [
        LoggedFault(_code(value), _upload_before(start), end and _upload_before(end))
        for value, start, end in stage.fault_periods("faulty")
    ]
    undated = stage.fault("undated") is not None
    return [*log, *([LoggedFault(DEFAULT_CODE, None)] if undated else [])]


def _code(value: str) -> str:
    return DEFAULT_CODE if value in ("", "1") else value


def _upload_before(at: datetime) -> datetime:
    return at - timedelta(seconds=at.timestamp() % _UPLOADS.total_seconds())
