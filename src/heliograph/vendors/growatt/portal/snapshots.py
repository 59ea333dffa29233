"""Fetch snapshots through the web portal: the device list of a plant, and the powers of devices with a battery."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.errors import RequestRefused
from heliograph.metrics import METRICS
from heliograph.model import Device, Plant, combine
from heliograph.vendors.growatt.normalise import sum_known
from heliograph.vendors.growatt.portal import normalise
from heliograph.vendors.growatt.portal import payloads as pay
from heliograph.vendors.growatt.portal.api import PortalCalls
from heliograph.vendors.live import AccountPoll, ListedPlant, PlantCost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heliograph.core.endpoint import FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import DeviceSnapshot, Snapshot
    from heliograph.vendors.base import LivePoll, PollRhythm
    from heliograph.vendors.live import Record

VENDOR = "growatt"
_LIST_MAX_AGE = 86400.0
"""Seconds before the plant list, with names and UTC offsets, is fetched again."""
_FAMILIES = {
    "inv": "inverter",
    "tlx": "tlx",
    "tlxh": "tlx",
    "max": "max",
    "mix": "mix",
    "spa": "spa",
    "storage": "storage",
}
"""The family of each `deviceTypeName` that is read; HPS, Noah and meters are not, as no response has been published."""
_WITH_BATTERY: dict[str, tuple[Any, Any, Callable[..., DeviceSnapshot]]] = {
    "mix": (PortalCalls.portal_mix_status, PortalCalls.portal_mix_totals, normalise.hybrid),
    "spa": (PortalCalls.portal_spa_status, PortalCalls.portal_spa_totals, normalise.hybrid),
    "storage": (PortalCalls.portal_storage_status, PortalCalls.portal_storage_totals, normalise.storage),
}
"""The calls for powers and energies of a family, and what maps them."""
_TLXH = ("tlxh",)
"""TLX devices with a battery, whose energies are not known."""


def plants(session: Session) -> FlowGenerator[dict[str, str | None]]:
    """Return the names of the account's plants by id, cached for a day."""
    fetched_at = session.facts.get("plants_at")
    if fetched_at is None or session.server_time - fetched_at > _LIST_MAX_AGE:
        rows: tuple[pay.PortalPlant, ...] = yield PortalCalls.portal_plants.flow()
        session.facts["plants"] = {row.id: row.name for row in rows if row.id}
        session.facts["offsets"] = {row.id: row.utc_offset for row in rows if row.id}
        session.facts["plants_at"] = session.server_time
    found: dict[str, str | None] = session.facts["plants"]
    return found


def zone(session: Session, plant_id: str) -> tzinfo | None:
    """Return the time zone of a plant: the configured one, or the offset that the portal reports."""
    return session.zone or parsing.offset_zone(session.facts.get("offsets", {}).get(plant_id))


def snapshot(session: Session, plant_id: str) -> FlowGenerator[Snapshot]:
    """Fetch the snapshot of one plant: 1 request, and 2 for each device with a battery."""
    yield from _check_plant(session, plant_id)
    return (yield from _read(session, plant_id, slow=True))


def live(session: Session, rhythm: PollRhythm, wanted: Sequence[str]) -> FlowGenerator[LivePoll]:
    """Fetch what is due now."""
    yield from plants(session)
    for plant_id in wanted:
        yield from _check_plant(session, plant_id)
    return (yield from PortalPoll(session, rhythm, wanted).run())


class PortalPoll(AccountPoll):
    """One live poll of an account at the portal."""

    vendor = VENDOR
    page_size = 1
    uses_list = False  # the portal's plant list has no powers

    def fetch_list(self) -> FlowGenerator[dict[str, ListedPlant]]:
        raise NotImplementedError("the portal's plant list has no powers")

    def zone(self, plant_id: str) -> tzinfo | None:
        return zone(self.session, plant_id)

    def cost(self, record: Record) -> PlantCost:
        batteries, tlxh, others = record.get("listed", (0, 0, 1))
        listing = 1 if others else 0
        return PlantCost(listing + batteries + tlxh, batteries + 1 - listing)

    def fetch_plant(self, plant_id: str, record: Record, *, slow: bool) -> FlowGenerator[Snapshot]:
        found: Snapshot = yield from _read(self.session, plant_id, slow=slow, record=record)
        return found


def _check_plant(session: Session, plant_id: str) -> FlowGenerator[None]:
    names = yield from plants(session)
    if str(plant_id) not in names:
        raise RequestRefused(
            f"this account has no plant {plant_id!r}",
            vendor=VENDOR,
            call="snapshot",
            advice=f"It has: {', '.join(names) or 'none'}",
        )


def _read(session: Session, plant_id: str, *, slow: bool, record: Record | None = None) -> FlowGenerator[Snapshot]:
    names = yield from plants(session)
    rows: tuple[pay.PortalDevice, ...] = yield from _rows(session, plant_id, slow=slow)
    devices: list[DeviceSnapshot] = []
    for row in rows:
        devices.append((yield from _device(plant_id, row, slow=slow)))  # noqa: PERF401 - a generator step
    if record is not None:
        batteries, tlxh = (sum(row.family in group for row in rows) for group in (_WITH_BATTERY, _TLXH))
        record["listed"] = (batteries, tlxh, len(rows) - batteries - tlxh)
        record["hybrid"] = bool(batteries or tlxh)
    plant = Plant(vendor=VENDOR, id=plant_id, name=names[plant_id], zone=zone(session, plant_id))
    snapshot = combine(plant, devices, datetime.fromtimestamp(session.server_time, UTC), _solar_of_spa(devices))
    # The sum of some devices' counters is not the plant's.
    return snapshot if slow or len(devices) == 1 else without_counters(snapshot)


def _rows(session: Session, plant_id: str, *, slow: bool) -> FlowGenerator[tuple[pay.PortalDevice, ...]]:
    """Return the devices of a plant that are read.

    The list reports their time, and all values of those without a battery. If all have one, a poll that is not `slow`
    uses the devices of a list that is less than a day old.
    """
    fetched_at, known = session.facts.setdefault("devices", {}).get(plant_id, (None, []))
    is_new = fetched_at is not None and session.server_time - fetched_at <= _LIST_MAX_AGE
    if not slow and is_new and known and all(listed in (*_WITH_BATTERY, *_TLXH) for _, listed, _ in known):
        members = (dict(zip(("sn", "deviceTypeName", "alias"), row, strict=True)) for row in known)
        return tuple(map(pay.PortalDevice, members))
    found: tuple[pay.PortalDevice, ...] = yield PortalCalls.portal_devices.flow(plant_id)
    rows = tuple(row for row in found if row.family in _FAMILIES and row.id)
    session.facts["devices"][plant_id] = [session.server_time, [[row.id, row.family, row.name] for row in rows]]
    return rows


def without_counters(snapshot: Snapshot) -> Snapshot:
    """Return the powers and the state of charge of a snapshot."""
    return replace(
        snapshot, values={name: value for name, value in snapshot.values.items() if METRICS[name].kind == "gauge"}
    )


def _solar_of_spa(devices: list[DeviceSnapshot]) -> dict[str, tuple[float | None, str]]:
    """Return the plant's solar values if it has an SPA beside other devices.

    Quirk: an SPA reports the solar inverter that it is coupled with; the sum would count one that is listed twice
    (inferred: `epvInverterToday` and `eToday` of the SPA in a public client's notes are equal).
    """
    measured = [device for device in devices if device.device.family == "spa"]
    if not measured or len(measured) == len(devices):
        return {}
    names = (metric.name for metric in (m.PV_POWER, m.PV_ENERGY_TODAY, m.PV_ENERGY_TOTAL))
    columns = {name: [device.values[name] for device in measured if name in device.values] for name in names}
    return {
        name: (None if None in column else sum_known(*column), "portal_spa_status")
        for name, column in columns.items()
        if column
    }


def _device(plant_id: str, row: pay.PortalDevice, *, slow: bool) -> FlowGenerator[DeviceSnapshot]:
    serial, listed = row.id or "", row.family or ""
    device = Device(vendor=VENDOR, plant=plant_id, id=serial, family=_FAMILIES[listed], name=row.name or serial)
    if listed in _WITH_BATTERY:
        status_call, totals_call, mapped = _WITH_BATTERY[listed]
        status = yield status_call.flow(plant_id, serial)
        totals = (yield totals_call.flow(plant_id, serial)) if slow else None
        return mapped(device, row, status, totals)
    if listed in _TLXH:
        return normalise.tlx_with_battery(device, row, (yield PortalCalls.portal_tlx_status.flow(plant_id, serial)))
    return normalise.inverter(device, row)
