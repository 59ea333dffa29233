"""Fetch the snapshot of a plant: the calls for its devices, in as few requests as possible."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.core import parsing
from heliograph.core.session import ENSURE_SESSION
from heliograph.errors import RequestRefused
from heliograph.model import Device, Plant, Snapshot, combine
from heliograph.vendors.growatt import normalise
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.auth import offset_due, timestamp_zone

if TYPE_CHECKING:
    from heliograph.core.endpoint import Endpoint, FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import DeviceSnapshot
    from heliograph.vendors.growatt.payloads import noah
    from heliograph.vendors.growatt.payloads.plants import DeviceRow, PlantInfo

VENDOR = "growatt"
NOAH, NEXA = "noah", "nexa"
BALCONY = frozenset((NOAH, NEXA))
"""The families of balcony batteries, which no device list contains."""
_DEVICES_MAX_AGE = 86400.0
"""Seconds before the device list of a plant is fetched again for its history."""


def plants(session: Session) -> FlowGenerator[tuple[Plant, ...]]:
    """Return all plants of the account, as listed in the login response."""
    yield ENSURE_SESSION
    return tuple(Plant(vendor=VENDOR, id=id_, name=name) for id_, name in session.facts["plants"].items())


def snapshots(session: Session, wanted: tuple[str, ...] = ()) -> FlowGenerator[tuple[Snapshot, ...]]:
    """Fetch the snapshots of these plants, or of all."""
    found: list[Snapshot] = []
    for plant_id in wanted or tuple(session.facts["plants"]):
        found.append((yield from snapshot(session, plant_id)))  # noqa: PERF401 - a generator step
    return tuple(found)


def snapshot(session: Session, plant_id: str) -> FlowGenerator[Snapshot]:
    """Fetch the snapshot of one plant: 2 to 7 requests, depending on its devices."""
    check_plant(session, plant_id, "snapshot")
    info: PlantInfo = yield GrowattCalls.plant_info.flow(plant_id)
    if offset_due(session, plant_id):
        yield GrowattCalls.plant_settings.flow(plant_id)
    # The cloud's timestamps are in its own offset of the plant, which may differ from the plant's real zone.
    clock = timestamp_zone(session, plant_id) or UTC
    zone = session.zone or clock
    plant = Plant(
        vendor=VENDOR,
        id=str(plant_id),
        name=session.facts["plants"].get(str(plant_id)),
        zone=zone,
        peak_power=parsing.plant_size(info.nominal_power, 1000),
    )
    now = datetime.fromtimestamp(session.server_time, clock)
    rows = yield from _list_devices(plant_id, info)
    devices: list[DeviceSnapshot] = []
    for row in rows:
        reader: Any = _FAMILIES.get(row.family or "")
        if reader is not None and row.id:
            devices.append((yield reader(plant, _device(plant, row), row, now)))
        elif row.id:
            devices.append(normalise.unknown(_device(plant, row), row))
    if not rows and (battery := (yield from _balcony_battery(plant.id))):
        serial, family = battery
        status = yield status_call(family).flow(serial)
        device = Device(vendor=VENDOR, plant=plant.id, id=serial, family=family, name=status.name)
        devices.append(normalise.noah(device, status))
    devices = normalise.with_upload_time(devices, info, now)
    return combine(plant, devices, now.astimezone(UTC), normalise.plant_values(info, devices))


def check_plant(session: Session, plant_id: str, call: str) -> None:
    """Raise `RequestRefused` if the account does not have the plant.

    Quirk: for such a plant the cloud reports zeros instead of an error (docs/clouds/growatt.md).
    """
    if str(plant_id) not in session.facts["plants"]:
        raise RequestRefused(
            f"this account has no plant {plant_id!r}",
            vendor=VENDOR,
            call=call,
            advice=f"It has: {', '.join(session.facts['plants']) or 'none'}",
        )


def devices(session: Session, plant_id: str) -> FlowGenerator[tuple[tuple[str, str], ...]]:
    """Return serial number and family of each device of a plant, cached for a day."""
    rows, _ = yield from device_rows(session, plant_id)
    return tuple((serial, family) for serial, family, _ in rows)


def device_rows(session: Session, plant_id: str) -> FlowGenerator[tuple[list[list[str]], PlantInfo | None]]:
    """Return serial number, family and name of each device of a plant, and the response that listed them if it is new.

    They are cached for a day; for a week if the plant list still reports as many devices.
    """
    cached: dict[str, list[Any]] = session.facts.setdefault("devices", {})
    fetched_at, found, *counts = cached.get(str(plant_id), (None, [], None, None))
    then, now = counts if len(counts) == 2 else (None, None)
    max_age = _DEVICES_MAX_AGE * (7 if now is not None and then == now else 1)
    # Rows of two members were stored by an older version.
    if fetched_at is not None and session.server_time - fetched_at <= max_age and all(len(row) == 3 for row in found):
        return found, None
    info: PlantInfo = yield GrowattCalls.plant_info.flow(plant_id)
    rows = yield from _list_devices(plant_id, info)
    found = [[row.id or "", row.family or "", row.name or ""] for row in rows]
    if not rows and (battery := (yield from _balcony_battery(plant_id))):
        found = [[*battery, ""]]
    session.facts["devices"][str(plant_id)] = [session.server_time, found, now, now]
    return found, info


def check_device_count(session: Session, plant_id: str, count: float | None) -> None:
    """Store the number of devices that the plant list reports; another number makes the stored devices outdated."""
    cached = session.facts.setdefault("devices", {}).get(plant_id)
    if cached is not None and len(cached) == 4:
        cached[2], cached[3] = count if cached[2] is None else cached[2], count


def _list_devices(plant_id: str, info: PlantInfo) -> FlowGenerator[tuple[DeviceRow, ...]]:
    """Return all devices of a plant; the older list is fetched if the newer is empty."""
    rows: tuple[DeviceRow, ...] = info.all_devices
    if not rows:
        rows = (yield GrowattCalls.all_devices.flow(plant_id)).all_devices
    return rows


def _device(plant: Plant, row: DeviceRow) -> Device:
    return Device(vendor=VENDOR, plant=plant.id, id=row.id or "", family=row.family or "", name=row.name or row.id)


def _tlx(plant: Plant, device: Device, row: DeviceRow, now: datetime) -> FlowGenerator[DeviceSnapshot]:
    detail = yield GrowattCalls.tlx_detail.flow(device.id)
    return normalise.tlx(device, detail, now)


def _inverter(plant: Plant, device: Device, row: DeviceRow, now: datetime) -> FlowGenerator[DeviceSnapshot]:
    detail = yield GrowattCalls.inverter_detail.flow(device.id)
    return normalise.inverter(device, detail, now)


def _mix(plant: Plant, device: Device, row: DeviceRow, now: datetime) -> FlowGenerator[DeviceSnapshot]:
    status = yield GrowattCalls.mix_system_status.flow(device.id, plant.id)
    totals = yield GrowattCalls.mix_totals.flow(device.id, plant.id)
    detail = yield GrowattCalls.mix_detail.flow(device.id, plant.id, date=now)
    dashboard = yield GrowattCalls.dashboard_data.flow(plant.id, date=now)
    return normalise.mix(device, status, totals, detail, dashboard, now)


def _storage(plant: Plant, device: Device, row: DeviceRow, now: datetime) -> FlowGenerator[DeviceSnapshot]:
    params = yield GrowattCalls.storage_params.flow(device.id)
    energy = yield GrowattCalls.storage_energy_overview.flow(plant.id, device.id)
    return normalise.storage(device, params, energy, now)


def _spa(plant: Plant, device: Device, row: DeviceRow, now: datetime) -> FlowGenerator[DeviceSnapshot]:
    energy = yield GrowattCalls.plant_energy_data.flow(plant.id)
    return normalise.spa(device, row, energy)


def _balcony_battery(plant_id: str) -> FlowGenerator[tuple[str, str] | None]:
    """Return serial number and family of a plant's balcony battery, None if it has none."""
    found: noah.NoahPlant = yield GrowattCalls.is_plant_noah_system.flow(plant_id)
    if found.device_id is None:
        return None
    if found.has_nexa:
        return found.device_id, NEXA
    return (found.device_id, NOAH) if found.is_noah or found.has_noah else None


def status_call(family: str) -> Endpoint[[str], noah.NoahStatus] | Endpoint[[str], noah.NexaStatus]:
    """Return the call for the live values of a balcony battery."""
    return GrowattCalls.nexa_system_status if family == NEXA else GrowattCalls.noah_system_status


_FAMILIES = {"tlx": _tlx, "inverter": _inverter, "mix": _mix, "storage": _storage, "spa": _spa}
