"""Faults of the emulated devices, and the log in which their cloud keeps them (faults `faulty` and `undated`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.emulator.api import EmulatedPlant, RequestContext

DEFAULT_CODE = "302"
_LOG = "fault log"


class LoggedFault(NamedTuple):
    """A fault of the main device of a plant; `started_at` is None for an entry without a time."""

    code: str
    started_at: datetime | None
    ended_at: datetime | None = None


def present_fault(stage: RequestContext) -> str | None:
    """Return the code of the fault that devices report now; None without one."""
    code = stage.fault("faulty")
    return None if code is None else DEFAULT_CODE if code in ("", "1") else code


def fault_members(stage: RequestContext) -> dict[str, Any]:
    """Return the members by which a Growatt device reports its fault; none without one."""
    code = present_fault(stage)
    return {} if code is None else {"status": 3, "statusText": "Fault", "faultType": int(code) if code.isdigit() else 1}


def logged_faults(site: EmulatedPlant, stage: RequestContext) -> list[LoggedFault]:
    """Return the fault log of a plant, the newest entries first; a fault begins and ends when the log is read."""
    log: list[LoggedFault] = site.settings.setdefault(_LOG, [])
    code, now = present_fault(stage), stage.uploaded_at()
    is_open = bool(log) and log[0].ended_at is None
    if code is not None and not is_open:
        log.insert(0, LoggedFault(code, now))
    elif code is None and is_open:
        log[0] = log[0]._replace(ended_at=now)
    undated = stage.fault("undated") is not None
    return [*log, *([LoggedFault(DEFAULT_CODE, None)] if undated else [])]
