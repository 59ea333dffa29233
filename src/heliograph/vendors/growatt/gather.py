"""From Growatt's answers to snapshots: which calls describe a plant, asked in the fewest requests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.errors import Refused
from heliograph.model import Device, Plant, Snapshot, combine
from heliograph.vendors.growatt import normalise
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.login import learned_zone

if TYPE_CHECKING:
    from heliograph.endpoint import Steps
    from heliograph.model import DeviceSnapshot
    from heliograph.session import Session
    from heliograph.vendors.growatt.payloads import DeviceRow, PlantInfo

VENDOR = "growatt"


def plants(session: Session) -> tuple[Plant, ...]:
    """Return all plants of the account, as the login named them."""
    return tuple(Plant(vendor=VENDOR, id=id_, name=name) for id_, name in session.facts["plants"].items())


def snapshot(session: Session, plant_id: str) -> Steps[Snapshot]:
    """Read one plant: 2 to 7 requests, by its devices."""
    if str(plant_id) not in session.facts["plants"]:
        # Quirk: of a plant that is not the account's the cloud tells zeros, no error (docs/clouds/growatt.md).
        raise Refused(
            f"this account has no plant {plant_id!r}",
            vendor=VENDOR,
            call="snapshot",
            advice=f"It has: {', '.join(session.facts['plants']) or 'none'}",
        )
    info: PlantInfo = yield GrowattCalls.plant_info.plan(plant_id)
    if learned_zone(session, plant_id) is None:
        yield GrowattCalls.plant_settings.plan(plant_id)
    # The cloud writes its times by the clock it believes in, whatever zone the plant really lives in.
    clock = learned_zone(session, plant_id) or session.zone or UTC
    zone = session.zone or clock
    plant = Plant(vendor=VENDOR, id=str(plant_id), name=session.facts["plants"].get(str(plant_id)), zone=zone)
    now = datetime.fromtimestamp(session.cloud_now, clock)
    rows: tuple[DeviceRow, ...] = info.all_devices
    if not rows:
        rows = (yield GrowattCalls.all_devices.plan(plant_id)).all_devices
    devices: list[DeviceSnapshot] = []
    for row in rows:
        reader: Any = _FAMILIES.get(row.family or "")
        if reader is not None and row.id:
            devices.append((yield reader(plant, _device(plant, row), row, now)))
    if not rows:
        devices.extend((yield _noah(plant, now)))
    devices = normalise.dated(devices, info, now)
    return combine(plant, devices, now.astimezone(UTC), normalise.plant_values(info, devices))


def _device(plant: Plant, row: DeviceRow) -> Device:
    return Device(vendor=VENDOR, plant=plant.id, id=row.id or "", family=row.family or "", name=row.name or row.id)


def _tlx(plant: Plant, device: Device, row: DeviceRow, now: datetime) -> Steps[DeviceSnapshot]:
    detail = yield GrowattCalls.tlx_detail.plan(device.id)
    return normalise.tlx(device, detail, now.tzinfo)


def _inverter(plant: Plant, device: Device, row: DeviceRow, now: datetime) -> Steps[DeviceSnapshot]:
    detail = yield GrowattCalls.inverter_detail.plan(device.id)
    return normalise.inverter(device, detail, now.tzinfo)


def _mix(plant: Plant, device: Device, row: DeviceRow, now: datetime) -> Steps[DeviceSnapshot]:
    status = yield GrowattCalls.mix_system_status.plan(device.id, plant.id)
    totals = yield GrowattCalls.mix_totals.plan(device.id, plant.id)
    detail = yield GrowattCalls.mix_detail.plan(device.id, plant.id, date=now)
    dashboard = yield GrowattCalls.dashboard_data.plan(plant.id, date=now)
    return normalise.mix(device, status, totals, detail, dashboard, now)


def _storage(plant: Plant, device: Device, row: DeviceRow, now: datetime) -> Steps[DeviceSnapshot]:
    params = yield GrowattCalls.storage_params.plan(device.id)
    energy = yield GrowattCalls.storage_energy_overview.plan(plant.id, device.id)
    return normalise.storage(device, params, energy, now.tzinfo)


def _spa(plant: Plant, device: Device, row: DeviceRow, now: datetime) -> Steps[DeviceSnapshot]:
    energy = yield GrowattCalls.plant_energy_data.plan(plant.id)
    return normalise.spa(device, row, energy)


def _noah(plant: Plant, now: datetime) -> Steps[list[DeviceSnapshot]]:
    found = yield GrowattCalls.is_plant_noah_system.plan(plant.id)
    if not found.device_id or not (found.is_noah or found.has_noah):
        return []
    status = yield GrowattCalls.noah_system_status.plan(found.device_id)
    device = Device(vendor=VENDOR, plant=plant.id, id=found.device_id, family="noah", name=status.name)
    return [normalise.noah(device, status)]


_FAMILIES = {"tlx": _tlx, "inverter": _inverter, "mix": _mix, "storage": _storage, "spa": _spa}
