"""The events of a plant: what its devices and the vendor's fault log reported, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import htpy as h

from heliograph.model import EventKind
from heliograph.web.page.format import Badge, clock_time
from heliograph.web.page.layout import badge, document, events_url_for, plant_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.current import PlantState
    from heliograph.store.base import StoredEvent
    from heliograph.web.state import SystemState

MAX_SHOWN = 300
_KINDS = {
    EventKind.FAULT: Badge("Fault", "A device reported a fault", "bad"),
    EventKind.WARNING: Badge("Warning", "A device reported a warning", "warn"),
    EventKind.FIRMWARE: Badge("Firmware", "The firmware changed", "quiet"),
    EventKind.DATALOGGER: Badge("Datalogger", "The datalogger changed", "quiet"),
    EventKind.EQUIPMENT: Badge("Equipment", "The devices changed", "quiet"),
}


def events_path(plant: PlantState) -> str:
    """Return the address of the page with a plant's events."""
    return f"{plant_path(plant.series)}/events"


def events_page(plant: PlantState, system: SystemState, events: Sequence[StoredEvent]) -> str:
    """Return the page with the newest events of a plant."""
    return document(
        f"Events of {plant.title}",
        [
            h.div(".head")[
                h.p(".back")[h.a(href=plant_path(plant.series))[plant.title]],
                h.h1["Events"],
                h.p(".under")[h.span["faults, warnings and changes of the devices, newest first"]],
            ],
            h.section(".card", aria_label="Events")[
                h.ul(".alarms")[[_item(one, plant, system.at) for one in events[:MAX_SHOWN]]]
                if events
                else h.p(".hint")["No events. The vendor's fault log is read a few times a day."],
                len(events) > MAX_SHOWN and h.p(".hint")[f"Only the newest {MAX_SHOWN} are shown."],
            ],
        ],
        events_url=events_url_for(system.at, plant.series),
    )


def _item(event: StoredEvent, plant: PlantState, now: int) -> h.Element:
    names = {device.series: device.title for device in plant.devices}
    of = names.get(event.series, event.series.device or plant.title)
    title = event.text or event.kind.value
    code = event.code if event.kind in {EventKind.FAULT, EventKind.WARNING} and event.code else ""
    return h.li[
        h.h3[h.span[title[:1].upper() + title[1:]], badge(_KINDS[event.kind])],
        h.p[of, code and f", code {code}", ", ", _period(event, plant, now), "."],
        bool(event.advice) and h.p(".hint")[event.advice],
    ]


def _period(event: StoredEvent, plant: PlantState, now: int) -> str:
    start = clock_time(event.started_at, plant.zone, now)
    if event.ended_at is None:
        return f"since {start}"
    return start if event.ended_at <= event.started_at else f"{start} to {clock_time(event.ended_at, plant.zone, now)}"
