"""From SEMS+'s answers to snapshots, in few requests.

A plant takes two requests, the flow and the inventory, one more per inverter and per meter for their counters, and
one for the day's energies where the grid is measured: 3 for sun only, 4 for a hybrid, 5 with a meter. The list of
plants, which alone knows their zones, is asked for once per session.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from heliograph.errors import RequestRefused
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call, FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import Plant, Snapshot
    from heliograph.vendors.goodwe.plus import payloads as said

T = TypeVar("T")

COUNTED_TYPES = ("INVERTER", "SMART_METER")
"""The types of devices that have counters worth a request."""


def plants(session: Session) -> FlowGenerator[tuple[Plant, ...]]:
    """Return all plants of the account with the zones SEMS+ knows for them."""
    from heliograph.vendors.goodwe.plus import normalise as plus_normalise  # noqa: PLC0415 - single calls never wait for the model

    rows: tuple[said.Station, ...] = yield SemsPlusCalls.plus_stations.flow()
    session.facts["plants"] = {row.id: row.name for row in rows if row.id}
    session.facts["zones"] = {row.id: row.time_zone for row in rows if row.id}
    session.facts["created"] = {row.id: row.created for row in rows if row.id}
    return tuple(plus_normalise.plant(plant_id, session) for plant_id in session.facts["plants"])


def snapshot(session: Session, plant_id: str) -> FlowGenerator[Snapshot]:
    """Return one plant now."""
    from heliograph.vendors.goodwe.plus import normalise as plus_normalise  # noqa: PLC0415 - single calls never wait for the model

    if plant_id not in session.facts.get("zones", {}):
        yield from plants(session)
    plant = plus_normalise.plant(plant_id, session)
    flow: said.PlusFlow = yield SemsPlusCalls.plus_flow.flow(plant_id)
    inventory: said.Inventory | None = yield from none_if_forbidden(SemsPlusCalls.plus_devices.flow(plant_id))
    devices = [one for one in inventory.devices if one.type in COUNTED_TYPES] if inventory else []
    counted: dict[str, said.Telecounting | None] = {}
    for one in devices:
        call = SemsPlusCalls.plus_telecounting.flow(one.serial or "", plant_id, one.type or "")
        counted[one.serial or ""] = yield from none_if_forbidden(call)
    fetched_at = datetime.fromtimestamp(session.server_time, UTC)
    today: said.PlusStatistics | None = None
    if plus_normalise.has_meter(flow, devices) and plant.zone is not None:
        day = fetched_at.astimezone(plant.zone).date()
        today = yield from none_if_forbidden(SemsPlusCalls.plus_statistics.flow(plant_id, day))
    return plus_normalise.snapshot(plant, flow, devices, counted, today, fetched_at)


def none_if_forbidden(call: Call[T]) -> FlowGenerator[T | None]:
    """Return a call's answer, or None where this account has no right to it."""
    try:
        found: T = yield call
    except RequestRefused as error:
        # Quirk: visitors are refused single calls while the flow works for them (Home Assistant integration).
        if error.code != "100025":
            raise
        return None
    return found
