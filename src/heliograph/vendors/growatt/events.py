"""Entries of Growatt's fault logs in the common model.

The token API and the web portal have a log each, the password API has none whose request is documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.parsing import parse_text
from heliograph.metrics.codes import present_code
from heliograph.model import EventKind, VendorEvent
from heliograph.vendors.growatt.fault_codes import text_of_code

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from heliograph.core.endpoint import FlowGenerator


def events(plant_id: str, day: date | None) -> FlowGenerator[tuple[VendorEvent, ...]]:
    """Return no entries."""
    yield from ()
    return ()


def log_entry(
    row: Mapping[str, Any], serial: str, family: str, started_at: datetime | None, ended_at: datetime | None
) -> VendorEvent:
    """Return an entry of either log, whose members differ in name only.

    Quirk: neither log says whether an entry is over: the token API's only published row ends when it starts, the
    portal's rows have no end. So an entry without a later end is a moment.
    """
    code = present_code(parse_text(row.get("alarmCode") or row.get("eventId") or row.get("eventCode")))
    named = parse_text(row.get("alarmMessage") or row.get("eventName") or row.get("description")) or ""
    is_warning = "warn" in f"{code} {named}".lower()
    number = code.upper().removeprefix("ERROR_").removeprefix("WARNING_")
    kind = EventKind.WARNING if is_warning else EventKind.FAULT
    is_over = started_at is None or ended_at is None or ended_at < started_at
    return VendorEvent(
        device=serial,
        kind=kind,
        code=number,
        started_at=started_at,
        ended_at=started_at if is_over else ended_at,
        text=named or text_of_code(kind, family, number),
        advice=parse_text(row.get("solution") or row.get("eventSolution")) or "",
        source="fault log",
    )
