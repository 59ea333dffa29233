"""Plants and snapshots of a SEMS+ account.

A snapshot takes two requests, power flow and inventory, two more per inverter and per meter for their counters and
measurements, and one for the daily energies if the grid is measured: 4 for PV only, 5 for a hybrid, 7 with a meter.
The list of plants, the only source of their time zones, is fetched once per session.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from heliograph.errors import RequestRefused
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.core.endpoint import Call, FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import Plant, Snapshot
    from heliograph.vendors.goodwe.plus import payloads

T = TypeVar("T")

COUNTED_TYPES = ("INVERTER", "SMART_METER")
"""Device types whose counters are fetched."""


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
    devices = [device for device in inventory.devices if device.type in COUNTED_TYPES] if inventory else []
    counters, telemetry = yield from device_values(devices, plant_id)
    fetched_at = datetime.fromtimestamp(session.server_time, UTC)
    today: payloads.PlusStatistics | None = None
    if normalise.has_meter(flow, devices) and plant.zone is not None:
        day = fetched_at.astimezone(plant.zone).date()
        today = yield from none_if_forbidden(SemsPlusCalls.plus_statistics.flow(plant_id, day))
    return normalise.snapshot(plant, flow, devices, counters, today, fetched_at, telemetry)


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
