"""Live polls of a Growatt account: one request for the powers of a plant, and a few more per hour for its counters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.core import parsing
from heliograph.metrics import METRICS
from heliograph.model import Device, Plant, Status, combine
from heliograph.vendors.growatt import normalise, snapshots
from heliograph.vendors.growatt.api import PAGE_SIZE, GrowattCalls
from heliograph.vendors.growatt.auth import offset_due, timestamp_zone
from heliograph.vendors.live import AccountPoll, ListedPlant, PlantCost

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

    from heliograph.core.endpoint import FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import DeviceSnapshot, Snapshot
    from heliograph.vendors.base import LivePoll, PollRhythm
    from heliograph.vendors.growatt.payloads import plants
    from heliograph.vendors.growatt.payloads.plants import PlantInfo
    from heliograph.vendors.live import Record

_SLOW_CALLS = {"mix": 3, "storage": 1, "spa": 1, snapshots.NOAH: 1, snapshots.NEXA: 1}
"""Requests for the counters and the data time of a device, where its live call does not report both."""
_FROM_PLANT_INFO = frozenset(("spa", snapshots.NOAH, snapshots.NEXA))
"""Families whose slow call is one for all devices of the plant."""
_STATUS = {0.0: Status.ONLINE, 1.0: Status.OFFLINE}


def live(session: Session, rhythm: PollRhythm, wanted: Sequence[str]) -> FlowGenerator[LivePoll]:
    """Fetch what is due now."""
    for plant_id in wanted:
        snapshots.check_plant(session, plant_id, "live")
    return (yield from GrowattPoll(session, rhythm, wanted).run())


class GrowattPoll(AccountPoll):
    """One live poll of a Growatt account."""

    vendor = snapshots.VENDOR
    page_size = PAGE_SIZE

    def fetch_list(self) -> FlowGenerator[dict[str, ListedPlant]]:
        rows: tuple[plants.ListedGrowattPlant, ...] = yield GrowattCalls.plant_list_two.flow()
        for row in rows:
            snapshots.check_device_count(self.session, row.id or "", row.device_count)
        return {
            row.id: ListedPlant(
                row.current_power,
                _status(row.status),
                row.name,
                row.energy_total,
                peak_power=parsing.plant_size(row.nominal_power, 1000),
            )
            for row in rows
            if row.id
        }

    def zone(self, plant_id: str) -> tzinfo | None:
        return self.session.zone or timestamp_zone(self.session, plant_id)

    def cost(self, record: Record) -> PlantCost:
        families: list[str] = record.get("families", [])
        shared = set(families) & _FROM_PLANT_INFO
        slow = int(bool(shared or record.get("unknown")))
        slow += sum(_SLOW_CALLS.get(family, 0) for family in families if family not in shared)
        return PlantCost(max(len(families), 1), slow)

    def fetch_plant(self, plant_id: str, record: Record, *, slow: bool) -> FlowGenerator[Snapshot]:
        session = self.session
        if offset_due(session, plant_id):
            yield GrowattCalls.plant_settings.flow(plant_id)
        # The cloud's timestamps are in its own offset of the plant, which may differ from the plant's real zone.
        clock = timestamp_zone(session, plant_id) or UTC
        now = datetime.fromtimestamp(session.server_time, clock)
        name, zone = session.facts["plants"].get(plant_id), session.zone or clock
        rows, info = yield from snapshots.device_rows(session, plant_id)
        size = None if info is None else parsing.plant_size(info.nominal_power, 1000)
        plant = Plant(vendor=self.vendor, id=plant_id, name=name, zone=zone, peak_power=size)
        families = record["families"] = [family for _, family, _ in rows if family in _READERS]
        record["unknown"] = len(families) < len(rows)
        record["hybrid"] = any(family in _SLOW_CALLS for family in families)
        if info is None and slow and (record["unknown"] or _FROM_PLANT_INFO & set(families)):
            info = yield GrowattCalls.plant_info.flow(plant_id)
        devices: list[DeviceSnapshot] = []
        for serial, family, title in rows:
            device = Device(vendor=self.vendor, plant=plant_id, id=serial, family=family, name=title or serial)
            if family in _READERS:
                devices.append((yield _READERS[family](device, info, now, slow)))
            elif info is not None and (row := next((one for one in info.all_devices if one.id == serial), None)):
                devices.append(normalise.unknown(device, row))
        if info is not None:
            devices = normalise.with_upload_time(devices, info, now)
        plant_values = None if info is None else normalise.plant_values(info, devices)
        found = combine(plant, devices, now.astimezone(UTC), plant_values)
        if not slow and len(devices) > 1 and record["hybrid"]:
            # The sum of some devices' counters is not the plant's.
            powers = {name: value for name, value in found.values.items() if METRICS[name].unit == "W"}
            found = replace(found, values=powers)
        return found


def _status(code: float | None) -> Status | None:
    return None if code is None else _STATUS.get(code, Status.FAULT)


def _tlx(device: Device, info: PlantInfo | None, now: datetime, slow: bool) -> FlowGenerator[DeviceSnapshot]:
    return normalise.tlx(device, (yield GrowattCalls.tlx_detail.flow(device.id)), now)


def _inverter(device: Device, info: PlantInfo | None, now: datetime, slow: bool) -> FlowGenerator[DeviceSnapshot]:
    return normalise.inverter(device, (yield GrowattCalls.inverter_detail.flow(device.id)), now)


def _mix(device: Device, info: PlantInfo | None, now: datetime, slow: bool) -> FlowGenerator[DeviceSnapshot]:
    status = yield GrowattCalls.mix_system_status.flow(device.id, device.plant)
    if not slow:
        return normalise.mix(device, status, None, None, None, now)
    totals = yield GrowattCalls.mix_totals.flow(device.id, device.plant)
    detail = yield GrowattCalls.mix_detail.flow(device.id, device.plant, date=now)
    dashboard = yield GrowattCalls.dashboard_data.flow(device.plant, date=now)
    return normalise.mix(device, status, totals, detail, dashboard, now)


def _storage(device: Device, info: PlantInfo | None, now: datetime, slow: bool) -> FlowGenerator[DeviceSnapshot]:
    params = yield GrowattCalls.storage_params.flow(device.id)
    energy = (yield GrowattCalls.storage_energy_overview.flow(device.plant, device.id)) if slow else None
    return normalise.storage(device, params, energy, now)


def _spa(device: Device, info: PlantInfo | None, now: datetime, slow: bool) -> FlowGenerator[DeviceSnapshot]:
    energy = yield GrowattCalls.plant_energy_data.flow(device.plant)
    rows: Iterable[Any] = info.all_devices if info is not None else ()
    return normalise.spa(device, next((row for row in rows if row.id == device.id), None), energy)


def _noah(device: Device, info: PlantInfo | None, now: datetime, slow: bool) -> FlowGenerator[DeviceSnapshot]:
    return normalise.noah(device, (yield snapshots.status_call(device.family).flow(device.id)))


_READERS: dict[str, Any] = {
    "tlx": _tlx,
    "inverter": _inverter,
    "mix": _mix,
    "storage": _storage,
    "spa": _spa,
    snapshots.NOAH: _noah,
    snapshots.NEXA: _noah,
}
