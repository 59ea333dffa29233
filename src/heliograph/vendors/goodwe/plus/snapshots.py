"""Plants and snapshots of a SEMS+ account.

A snapshot takes two requests, power flow and inventory, two more per inverter and per meter for their counters and
measurements, one for the daily energies if the grid is measured, and for each hybrid one for the list of its batteries
and one per battery: 4 for PV only, 7 for a hybrid, 7 with a meter. A device of an unknown type takes one. The list of
plants, the only source of their time zones, is fetched once per session.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from heliograph.errors import RequestRefused, Unreadable
from heliograph.vendors.goodwe.plus import payloads
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.core.endpoint import Call, FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import Plant, Snapshot

T = TypeVar("T")

COUNTED_TYPES = ("INVERTER", "SMART_METER")
"""Device types whose counters are fetched."""
_SILENT_TYPES = ("BATTERY_RACK", "DONGLE")
"""Quirk: telemetry and counters of these types are empty (recordings of the Home Assistant integration)."""
_MAX_FURTHER = 8
"""Batteries, and devices of unknown types, of a plant that are measured."""


def plants(session: Session) -> FlowGenerator[tuple[Plant, ...]]:
    """Return all plants of the account with their time zones."""
    from heliograph.vendors.goodwe.plus import normalise  # noqa: PLC0415 - loads the model and dataclasses

    rows: tuple[payloads.Station, ...] = yield SemsPlusCalls.plus_stations.flow()
    session.facts["plants"] = {row.id: row.name for row in rows if row.id}
    session.facts["zones"] = {row.id: row.time_zone for row in rows if row.id}
    session.facts["sizes"] = {row.id: row.capacity for row in rows if row.id}
    session.facts["created"] = {row.id: row.created for row in rows if row.id}
    return tuple(normalise.plant(plant_id, session) for plant_id in session.facts["plants"])


def snapshot(session: Session, plant_id: str) -> FlowGenerator[Snapshot]:
    """Return the current snapshot of one plant."""
    from heliograph.vendors.goodwe.plus import normalise  # noqa: PLC0415 - loads the model and dataclasses

    if plant_id not in session.facts.get("zones", {}):
        yield from plants(session)
    plant = normalise.plant(plant_id, session)
    flow: payloads.PlusFlow = yield SemsPlusCalls.plus_flow.flow(plant_id)
    inventory: payloads.Inventory | None = yield from none_if_forbidden(SemsPlusCalls.plus_devices.flow(plant_id))
    listed = inventory.devices if inventory else ()
    devices = [device for device in listed if device.type in COUNTED_TYPES]
    counters, telemetry = yield from device_values(devices, plant_id)
    batteries, unlisted = yield from batteries_of(devices, plant_id)
    measured = yield from further_measurements([*batteries, *unknown_devices(listed)], plant_id)
    further = (*unlisted, *measured)
    fetched_at = datetime.fromtimestamp(session.server_time, UTC)
    today: payloads.PlusStatistics | None = None
    if normalise.has_meter(flow, devices) and plant.zone is not None:
        day = fetched_at.astimezone(plant.zone).date()
        today = yield from none_if_forbidden(SemsPlusCalls.plus_statistics.flow(plant_id, day))
    return normalise.snapshot(plant, flow, devices, counters, today, fetched_at, telemetry, further)


def unknown_devices(listed: Sequence[payloads.Equipment]) -> list[payloads.Equipment]:
    """Return the devices of an inventory that no table has and that may measure something."""
    return [device for device in listed if device.type and device.type not in (*COUNTED_TYPES, *_SILENT_TYPES)]


def batteries_of(
    devices: Sequence[payloads.Equipment], plant_id: str
) -> FlowGenerator[tuple[list[payloads.Equipment], list[payloads.FurtherDevice]]]:
    """Return the batteries behind the hybrids among the devices, one request per hybrid, and hybrids without a list.

    The inventory does not list batteries. A refused list is no error of the plant, whose powers do not depend on it.
    """
    found: list[payloads.Equipment] = []
    unlisted: list[payloads.FurtherDevice] = []
    for device in (device for device in devices if device.is_hybrid):
        try:
            rows: tuple[payloads.RelatedDevice, ...] = yield SemsPlusCalls.plus_related_devices.flow(
                device.serial or "", plant_id
            )
            found += [row.equipment for row in rows if row.serial and row.type == "BAT_SYS"]
        except (RequestRefused, Unreadable) as error:
            unlisted.append(payloads.FurtherDevice(device, None, type(error).__name__))
    return found, unlisted


def further_measurements(
    devices: Sequence[payloads.Equipment], plant_id: str
) -> FlowGenerator[tuple[payloads.FurtherDevice, ...]]:
    """Fetch the measurements of batteries and of devices of unknown types, one request each."""
    found: list[payloads.FurtherDevice] = []
    for device in devices[:_MAX_FURTHER]:
        call = SemsPlusCalls.plus_telemetry.flow(device.serial or "", plant_id, device.type or "")
        try:
            found.append(payloads.FurtherDevice(device, (yield from none_if_forbidden(call))))
        except (RequestRefused, Unreadable) as error:
            found.append(payloads.FurtherDevice(device, None, type(error).__name__))
    return tuple(found)


def device_values(
    devices: Sequence[payloads.Equipment], plant_id: str, *, measures: bool = True
) -> FlowGenerator[tuple[dict[str, payloads.Telecounting | None], dict[str, payloads.Telemetry | None]]]:
    """Fetch counters and, if wanted, measurements of each device, one request each, by serial number."""
    counters: dict[str, payloads.Telecounting | None] = {}
    telemetry: dict[str, payloads.Telemetry | None] = {}
    for device in devices:
        serial, kind = device.serial or "", device.type or ""
        counters[serial] = yield from none_if_forbidden(SemsPlusCalls.plus_telecounting.flow(serial, plant_id, kind))
        if measures:
            telemetry[serial] = yield from none_if_forbidden(SemsPlusCalls.plus_telemetry.flow(serial, plant_id, kind))
    return counters, telemetry


def none_if_forbidden(call: Call[T]) -> FlowGenerator[T | None]:
    """Return the result of a call, or None if the account lacks the permission for it."""
    try:
        result: T = yield call
    except RequestRefused as error:
        # Quirk: visitors are denied some calls while the power flow works for them (Home Assistant integration).
        if error.code != "100025":
            raise
        return None
    return result
