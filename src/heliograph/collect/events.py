"""Events of one account: what polls show to have changed, the vendor's fault log, and what could not be used. Pure.

A fact is a text that is known of a plant or device: its firmware, its datalogger, the code of its present fault. A poll
that shows another one is an event.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from heliograph.metrics.codes import present_code
from heliograph.model import EventKind, Status
from heliograph.store.base import Batch, KnownFact, Oddity, Series, StoredEvent, series_of
from heliograph.vendors import VENDORS
from heliograph.vendors.base import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from heliograph.model import Device, DeviceSnapshot, Snapshot, VendorEvent

    Facts = dict[Series, dict[str, KnownFact]]

SETTLING_SECONDS = 2 * 86400
"""Seconds after the first poll of a plant in which further devices are not new: not every poll reads all of them."""
MAX_TEXT = 300
MAX_CODE = 60
_MAX_LOGGED = 300
"""Entries of one answer of a fault log that are stored."""
_FIRST_TIME = 946_684_800
"""The year 2000: an earlier time is that of a device whose clock was never set."""
_MAX_AHEAD = 86400
"""Seconds by which an entry may be ahead: the clock or the time zone of a device may be wrong."""
_CHANGES = {
    "firmware": EventKind.FIRMWARE,
    "datalogger": EventKind.DATALOGGER,
    "model": EventKind.EQUIPMENT,
}
_CODES = {
    EventKind.FAULT: ("fault_code", "fault_text"),
    EventKind.WARNING: ("warning_code", "warning_text"),
}
DEVICE, PLANT = "device", "plant"
"""Facts of a device and of a plant that has devices: since when they are known."""
WITHOUT_CODE = "status"
"""The code of a fault that a cloud shows by the status only."""
POLL = "poll"
"""The source of an event that a poll has shown."""
UNDATED = "entry of the fault log without a usable time"


class NoticedEvents(NamedTuple):
    """The rows that a poll or a fault log adds to a batch."""

    events: Sequence[StoredEvent] = ()
    facts: Sequence[KnownFact] = ()
    oddities: Sequence[Oddity] = ()

    def added_to(self, batch: Batch) -> Batch:
        """Return a batch with these rows."""
        return replace(batch, events=self.events, facts=self.facts, oddities=self.oddities)


def notice(snapshots: Iterable[Snapshot], facts: Facts) -> NoticedEvents:
    """Return what these snapshots show to have changed; `facts` is updated."""
    events: list[StoredEvent] = []
    learned: list[KnownFact] = []
    oddities: list[Oddity] = []
    for snapshot in snapshots:
        plant, now = series_of(snapshot.plant), int(snapshot.fetched_at.timestamp())
        if snapshot.devices and PLANT not in facts.setdefault(plant, {}):
            learned.append(_learn(facts, KnownFact(plant, PLANT, "", now)))
        for device in snapshot.devices:
            series = series_of(device.device)
            at = int((device.measured_at or snapshot.fetched_at).timestamp())
            for fact, event in _changes(device, series, facts, at):
                learned.append(_learn(facts, fact))
                events.extend(event)
            oddities += [Oddity(series, what, example, 1, now) for what, example in device.oddities.items()]
    return NoticedEvents(events, learned, oddities)


def _learn(facts: Facts, fact: KnownFact) -> KnownFact:
    facts.setdefault(fact.series, {})[fact.name] = fact
    return fact


def _changes(
    device: DeviceSnapshot, series: Series, facts: Facts, at: int
) -> Iterator[tuple[KnownFact, Sequence[StoredEvent]]]:
    """Yield each new fact of a device, with the events that it means."""
    known = dict(facts.get(series, {}))
    if DEVICE not in known:
        since = facts[series._replace(device="")][PLANT].since
        yield KnownFact(series, DEVICE, device.device.family, at), _new_device(device.device, series, since, at)
    for name, kind in _CHANGES.items():
        value = device.measurements.get(name)
        before = known.get(name)
        if not present_code(value) or (before is not None and (before.value == str(value) or at <= before.since)):
            continue
        text = "" if before is None else f"{name} changed from {before.value} to {value}"
        changed = StoredEvent(series, at, kind, name, at, at, text[:MAX_TEXT], source=POLL)
        yield KnownFact(series, name, str(value), at), () if before is None else (changed,)
    for kind, (name, text_name) in _CODES.items():
        code = _present(device, kind, name)
        before = known.get(name)
        if code is None or (before.value if before else "") == code or (before is not None and at < before.since):
            continue
        found = []
        if before is not None and before.value:
            found.append(StoredEvent(series, before.since, kind, before.value, at, at, source=POLL))
        if code:
            text = str(device.measurements.get(text_name) or "") or text_of_code(device.device, kind, code)
            found.append(StoredEvent(series, at, kind, code[:MAX_CODE], at, None, text[:MAX_TEXT], source=POLL))
        yield KnownFact(series, name, code[:MAX_CODE], at), found


def _new_device(device: Device, series: Series, plant_since: int, at: int) -> Sequence[StoredEvent]:
    if at - plant_since <= SETTLING_SECONDS:
        return ()
    text = f"new device {device.name or device.id} ({device.family})"
    return (StoredEvent(series, at, EventKind.EQUIPMENT, "added", at, at, text[:MAX_TEXT], source=POLL),)


def _present(device: DeviceSnapshot, kind: EventKind, name: str) -> str | None:
    """Return the present code of a device, empty for none; None if this poll does not show it."""
    code = present_code(device.measurements.get(name))
    if kind is EventKind.FAULT and not code and device.status is Status.FAULT:
        return WITHOUT_CODE
    shown = device.measurements.get(name) is not None or (kind is EventKind.FAULT and device.status is Status.ONLINE)
    return code if shown or code else None


def text_of_code(device: Device, kind: EventKind, code: str) -> str:
    """Return the published text of a code of a device's family; empty for an unknown one."""
    if code == WITHOUT_CODE:
        return "the cloud shows the device as faulty"
    module = VENDORS[device.vendor].fault_codes if device.vendor in VENDORS else ""
    return str(load(module).text_of_code(kind, device.family, code)) if module else ""


def logged(entries: Iterable[VendorEvent], plant: Series, facts: Mapping[Series, object], now: int) -> NoticedEvents:
    """Return the events of a plant's fault log; entries without a usable time are counted only."""
    events: list[StoredEvent] = []
    undated: list[VendorEvent] = []
    for entry in list(entries)[:_MAX_LOGGED]:
        at = None if entry.started_at is None else int(entry.started_at.astimezone(UTC).timestamp())
        if at is None or not _FIRST_TIME <= at <= now + _MAX_AHEAD:
            undated.append(entry)
            continue
        series, text = plant._replace(device=entry.device), entry.text
        if entry.device and series not in facts:
            # Such as a battery that no other call reports: it is no device of the plant.
            text = f"{entry.device}: {text}"
        if series not in facts:
            series = plant
        end = None if entry.ended_at is None else max(at, int(entry.ended_at.timestamp()))
        texts = (text[:MAX_TEXT], entry.advice[:MAX_TEXT], entry.source)
        events.append(StoredEvent(series, at, entry.kind, entry.code[:MAX_CODE], now, end, *texts))
    if not undated:
        return NoticedEvents(events)
    example = f"{undated[0].kind} {undated[0].code} {undated[0].text}".strip()
    return NoticedEvents(events, (), (Oddity(plant, UNDATED, example[:MAX_CODE], len(undated), now),))
