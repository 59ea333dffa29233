"""The fault log of a GoodWe account, in the dialect that serves it: one request per plant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core import parsing
from heliograph.core.effects import import_flow
from heliograph.core.endpoint import FlowGenerator, composite
from heliograph.core.session import ENSURE_SESSION
from heliograph.vendors.goodwe import dialect as dialects
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus import snapshots as plus_snapshots
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from datetime import date, datetime, tzinfo

    from heliograph.core.session import Session
    from heliograph.model import VendorEvent
    from heliograph.vendors.goodwe.legacy import charts_payloads
    from heliograph.vendors.goodwe.plus import payloads

_FORMATS = ("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m.%d.%Y %H:%M:%S")
_PLACEHOLDERS = ("_warning", "_WARNING")


class GoodWeEvents:
    """The fault log of the GoodWe clients."""

    @composite
    def events(self, plant_id: str, day: date | str | None = None) -> FlowGenerator[tuple[VendorEvent, ...]]:
        """The newest entries of a plant's fault log; at the SEMS Portal the warnings; `day` is ignored."""
        yield from import_flow("heliograph.vendors.goodwe.fault_codes")
        session: Session = yield ENSURE_SESSION
        # No fallback: a log that fails is no reason to log in to the other dialect.
        if dialects.current_or_default(session) == dialects.PLUS:
            return (yield from _plus(plant_id))
        return (yield from _legacy(session, plant_id))


def _plus(plant_id: str) -> FlowGenerator[tuple[VendorEvent, ...]]:
    call = SemsPlusCalls.plus_alarm_page.flow(plant_id)
    page: payloads.PlusAlarmPage | None = yield from plus_snapshots.none_if_forbidden(call)
    return tuple(map(_plus_event, page.alarms)) if page is not None else ()


def _plus_event(row: payloads.PlusAlarm) -> VendorEvent:
    from heliograph.model import EventKind, VendorEvent  # noqa: PLC0415 - loads dataclasses

    start, end = (parsing.parse_time(time, None) for time in (row.started, row.ended))
    # Quirk: 0 lasts, 1 is over; levels are "Total_FaultLevel_Prompt", "…_alarm" and "…_Fault".
    is_over = row.status != 0
    return VendorEvent(
        device=row.serial or "",
        kind=EventKind.FAULT if (row.level or "").endswith("Fault") else EventKind.WARNING,
        code=row.code or "",
        started_at=start,
        ended_at=(end or start) if is_over else None,
        text=row.name or row.key or "",
        source="fault log",
    )


def _legacy(session: Session, plant_id: str) -> FlowGenerator[tuple[VendorEvent, ...]]:
    from heliograph.model import EventKind, VendorEvent  # noqa: PLC0415 - loads dataclasses
    from heliograph.vendors.goodwe.fault_codes import text_of_code  # noqa: PLC0415 - with the model

    found: charts_payloads.PlantWarnings = yield GoodWeCalls.warnings.flow(plant_id)
    zone = _zone(session, plant_id)
    events = []
    for inverter in found.inverters:
        rows = inverter.warnings if isinstance(inverter.warnings, list) else []
        for row in rows:
            if not isinstance(row, dict):
                continue
            code = parsing.parse_text(row.get("warning_code") or row.get("error_code")) or ""
            for ending in _PLACEHOLDERS:
                code = code.removesuffix(ending)
            started_at = _time(row.get("happen_time") or row.get("happentime"), zone)
            # Quirk: the list has no ends, and whether it drops what is over is not published: each is a moment.
            events.append(
                VendorEvent(
                    device=inverter.serial or "",
                    kind=EventKind.FAULT,
                    code=code.upper(),
                    started_at=started_at,
                    ended_at=started_at,
                    text=text_of_code(EventKind.FAULT, "", code),
                    source="fault log",
                )
            )
    return tuple(events)


def _time(value: Any, zone: tzinfo | None) -> datetime | None:
    """Return the time of a warning; its format is not published, so those of the portal's other times are tried."""
    number = parsing.parse_number(value)
    return parsing.parse_time(number if number is not None else value, zone, _FORMATS)


def _zone(session: Session, plant_id: str) -> tzinfo | None:
    hours = session.facts.get("live", {}).get("plants", {}).get(plant_id, {}).get("hours_behind")
    return session.zone or (None if hours is None else parsing.offset_zone(-hours))
