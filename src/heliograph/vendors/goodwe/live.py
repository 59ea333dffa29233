"""Live polls of a GoodWe account in both dialects.

The SEMS Portal reports all of a plant in one response. SEMS+ reports its powers in one and its counters in others.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any

from heliograph.core import parsing
from heliograph.vendors.goodwe.legacy import normalise as legacy_normalise
from heliograph.vendors.goodwe.legacy.api import PAGE_SIZE, GoodWeCalls
from heliograph.vendors.goodwe.plus import normalise as plus_normalise
from heliograph.vendors.goodwe.plus import payloads as plus
from heliograph.vendors.goodwe.plus import snapshots as plus_snapshots
from heliograph.vendors.goodwe.plus.api import PLUS_PAGE_SIZE, SemsPlusCalls
from heliograph.vendors.live import AccountPoll, ListedPlant, PlantCost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from heliograph.core.endpoint import FlowGenerator
    from heliograph.model import Snapshot
    from heliograph.vendors.base import PollLoad
    from heliograph.vendors.goodwe.legacy import payloads as legacy
    from heliograph.vendors.live import Record

_INVENTORY_SECONDS = 86400.0
"""Seconds before the devices of a plant are fetched again."""
_MEASUREMENT_SECONDS = 3300.0
"""Seconds before the measurements of an account's only plant are fetched again, with its next counters."""


class SemsPoll(AccountPoll):
    """One live poll of a SEMS Portal account."""

    vendor = legacy_normalise.VENDOR
    page_size = PAGE_SIZE

    def fetch_list(self) -> FlowGenerator[dict[str, ListedPlant]]:
        rows: tuple[legacy.SemsPlantRow, ...] = yield GoodWeCalls.plant_list.flow()
        return {
            row.id: ListedPlant(
                row.power,
                legacy_normalise.plant_status(row.status),
                row.name,
                row.energy_total,
                peak_power=parsing.plant_size(row.capacity),
            )
            for row in rows
            if row.id
        }

    def fetch_plant(self, plant_id: str, record: Record, *, slow: bool) -> FlowGenerator[Snapshot]:
        detail: legacy.MonitorDetail = yield GoodWeCalls.monitor_detail.flow(plant_id)
        record["hybrid"] = legacy_normalise.has_battery(detail)
        fetched_at = datetime.fromtimestamp(self.session.server_time, UTC)
        found = legacy_normalise.snapshot(detail, plant_id, fetched_at, self.session.zone)
        record["hours_behind"] = detail.info.hours_behind
        return found

    def cost(self, record: Record) -> PlantCost:
        return PlantCost(1, 0)

    def zone(self, plant_id: str) -> tzinfo | None:
        hours_behind: float | None = self.records[plant_id].get("hours_behind")
        return self.session.zone or (None if hours_behind is None else parsing.offset_zone(-hours_behind))


class SemsPlusPoll(AccountPoll):
    """One live poll of a SEMS+ account."""

    vendor = legacy_normalise.VENDOR
    page_size = PLUS_PAGE_SIZE

    def fetch_list(self) -> FlowGenerator[dict[str, ListedPlant]]:
        rows: tuple[plus.Station, ...] = yield SemsPlusCalls.plus_stations.flow()
        return {
            row.id: ListedPlant(
                None if row.power is None else row.power * 1000,
                plus_normalise.plant_status(row.status),
                row.name,
                row.energy_today,
                is_daily=True,
                peak_power=parsing.plant_size(row.capacity),
            )
            for row in rows
            if row.id
        }

    def fetch_plant(self, plant_id: str, record: Record, *, slow: bool) -> FlowGenerator[Snapshot]:
        if plant_id not in self.session.facts.get("zones", {}):
            yield from plus_snapshots.plants(self.session)
        plant = plus_normalise.plant(plant_id, self.session)
        flow: plus.PlusFlow = yield SemsPlusCalls.plus_flow.flow(plant_id)
        devices = yield from self._devices(plant_id, record)
        counters: dict[str, plus.Telecounting | None] | None = None
        telemetry: dict[str, plus.Telemetry | None] = {}
        further: tuple[plus.FurtherDevice, ...] = ()
        today: plus.PlusStatistics | None = None
        metered = plus_normalise.has_meter(flow, devices)
        measures = self._measures(record)
        record["hybrid"] = any(device.is_hybrid for device in devices)
        if slow:
            counters, telemetry = yield from plus_snapshots.device_values(devices, plant_id, measures=measures)
            if measures:
                record["measured_at"] = self.now
                further = yield from self._further(plant_id, record, devices)
            if metered and plant.zone is not None:
                day = datetime.fromtimestamp(self.session.server_time, UTC).astimezone(plant.zone).date()
                call_today = SemsPlusCalls.plus_statistics.flow(plant_id, day)
                today = yield from plus_snapshots.none_if_forbidden(call_today)
        record["calls"] = len(devices) + ceil(len(devices) / len(self.records)) + (metered and plant.zone is not None)
        if len(self.records) == 1:
            record["calls"] += len(record.get("further", ()))
        fetched_at = datetime.fromtimestamp(self.session.server_time, UTC)
        return plus_normalise.snapshot(plant, flow, devices, counters, today, fetched_at, telemetry, further)

    def _measures(self, record: Record) -> bool:
        """Return whether to fetch the measurements of a plant: hourly, less often the more plants share the budget.

        The first poll of several plants takes many requests, and leaves the measurements to a later one.
        """
        fetched_at = record.setdefault("measured_at", None if len(self.records) == 1 else self.now)
        return fetched_at is None or not 0 <= self.now - fetched_at < _MEASUREMENT_SECONDS * len(self.records)

    def _further(
        self, plant_id: str, record: Record, devices: list[plus.Equipment]
    ) -> FlowGenerator[tuple[plus.FurtherDevice, ...]]:
        """Fetch the measurements of batteries and of unknown devices: those of several plants once a day only.

        The batteries of a plant are listed once a day, too.
        """
        unlisted: list[plus.FurtherDevice] = []
        listed_at = record.get("further_at")
        if listed_at is None or not 0 <= self.now - listed_at < _INVENTORY_SECONDS:
            batteries, unlisted = yield from plus_snapshots.batteries_of(devices, plant_id)
            unknown = [plus.Equipment(row) for row in record.get("unknown", ())]
            record["further"] = [_kept(device.raw) for device in (*batteries, *unknown)]
            record["further_at"] = self.now
        elif len(self.records) > 1:
            return ()
        further = [plus.Equipment(row) for row in record["further"]]
        return (*unlisted, *(yield from plus_snapshots.further_measurements(further, plant_id)))

    def _devices(self, plant_id: str, record: Record) -> FlowGenerator[list[plus.Equipment]]:
        """Return the devices that count energy, fetched once a day."""
        fetched_at = record.get("devices_at")
        if fetched_at is None or not 0 <= self.now - fetched_at < _INVENTORY_SECONDS:
            call = SemsPlusCalls.plus_devices.flow(plant_id)
            inventory: plus.Inventory | None = yield from plus_snapshots.none_if_forbidden(call)
            listed = inventory.devices if inventory is not None else ()
            record["devices"] = [_kept(one.raw) for one in listed if one.type in plus_snapshots.COUNTED_TYPES]
            record["unknown"] = [_kept(one.raw) for one in plus_snapshots.unknown_devices(listed)]
            record["devices_at"] = self.now
        stored: list[dict[str, Any]] = record["devices"]
        return [plus.Equipment(row) for row in stored]

    def cost(self, record: Record) -> PlantCost:
        return PlantCost(1, record.get("calls", 2))

    def load(self) -> PollLoad:
        """Return the usual load, with the requests for batteries and unknown devices that are sent once a day."""
        load = super().load()
        records = self.records.values()
        listed = sum(device.get("subtype") == "store" for record in records for device in record.get("devices", ()))
        measured = 0 if len(self.records) == 1 else sum(len(record.get("further", ())) for record in records)
        return load._replace(daily=load.daily + listed + measured)

    def zone(self, plant_id: str) -> tzinfo | None:
        return plus_normalise.plant(plant_id, self.session).zone


def _kept(row: Mapping[str, Any]) -> Record:
    """Return what is stored of a row of the inventory."""
    return {key: row.get(key) for key in ("sn", "name", "deviceType", "subtype", "status")}
