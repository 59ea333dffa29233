"""The fault log of the web portal: one request for the newest entries of a month."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from heliograph.core.parsing import parse_text, parse_time
from heliograph.core.session import ENSURE_SESSION
from heliograph.vendors.growatt.events import log_entry
from heliograph.vendors.growatt.portal import snapshots
from heliograph.vendors.growatt.portal.api import PortalCalls

if TYPE_CHECKING:
    from datetime import date

    from heliograph.core.endpoint import FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import VendorEvent
    from heliograph.vendors.growatt.portal import payloads as pay


def events(plant_id: str, day: date | None) -> FlowGenerator[tuple[VendorEvent, ...]]:
    """Fetch the newest entries of the month of a day, default: of today."""
    session: Session = yield ENSURE_SESSION
    yield from snapshots.plants(session)
    zone = snapshots.zone(session, plant_id)
    asked = day or datetime.fromtimestamp(session.server_time, zone or UTC).date()
    page: pay.PortalPage = yield PortalCalls.portal_alarms.flow(plant_id, f"{asked:%Y-%m}")
    rows = page.rows if isinstance(page.rows, list) else []
    found = []
    for row in rows:
        if isinstance(row, dict):
            serial = parse_text(row.get("deviceSn") or row.get("sn")) or ""
            found.append(log_entry(row, serial, "tlx", parse_time(row.get("time"), zone), None))
    return tuple(found)
