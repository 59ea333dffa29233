"""The fault log of the token API: one request per device and day."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.core.parsing import parse_time
from heliograph.core.session import ENSURE_SESSION
from heliograph.vendors.growatt.events import log_entry
from heliograph.vendors.growatt.openapi import snapshots
from heliograph.vendors.growatt.openapi.api import OpenApiCalls

if TYPE_CHECKING:
    from datetime import date

    from heliograph.core.endpoint import FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import VendorEvent
    from heliograph.vendors.growatt.openapi import payloads as pay

WITHOUT_LOG = frozenset(("boost", *snapshots.ONLY_V4))
"""Families without a call for alarms."""


def events(plant_id: str, day: date | None) -> FlowGenerator[tuple[VendorEvent, ...]]:
    """Fetch the alarms of the devices of a plant on a day, default: today."""
    session: Session = yield ENSURE_SESSION
    zone = yield from snapshots.zone(session, plant_id)
    asked = day or datetime.fromtimestamp(session.server_time, zone).date()
    found: list[VendorEvent] = []
    for device in (yield from snapshots.devices(session, plant_id)):
        if device.family in WITHOUT_LOG:
            continue
        page: pay.AlarmPage
        if device.family == "inverter":
            page = yield OpenApiCalls.v1_inverter_alarms.flow(device.id, asked)
        else:
            page = yield OpenApiCalls.v1_alarms.flow(device.family, device.id, asked)  # type: ignore[arg-type]
        for row in page.alarms:
            # The times have no zone; all others of a device are in the plant's (docs/clouds/growatt-token.md).
            start, end = (parse_time(row.body.get(name), zone) for name in ("startTime", "endTime"))
            found.append(log_entry(row.body, device.id, device.family, start, end))
    return tuple(found)
