"""Live polls of an account: the fewest requests that report all powers, and counters only as often as they are due.

A single plant is polled by the call that reports its powers. An account with several plants is polled by its plant
list; the power flows of hybrids and the counters of all plants are fetched in rotation (ADR 0020). The facts about each
plant that the polls need are stored in `session.facts["live"]`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import ceil, floor, inf
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph import metrics as m
from heliograph.errors import RequestRefused, Unreadable
from heliograph.metrics import METRICS
from heliograph.model import Plant, Snapshot, Status
from heliograph.vendors.base import LivePoll, PollLoad
from heliograph.vendors.rotation import take_due

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from heliograph.core.endpoint import FlowGenerator
    from heliograph.core.session import Session
    from heliograph.errors import CloudError
    from heliograph.vendors.base import PollRhythm

    Record = dict[str, Any]

UNCHANGED_SECONDS = 20 * 60.0
"""Seconds in daylight with unchanged values before the calls that report their time are sent."""
_REPEAT_SECONDS = 3600.0
"""Seconds before these calls are repeated."""
_MAX_FORCED = 2
"""Plants per poll for which they are sent."""
_LIST_RETRY = 86400.0
"""Seconds before a list that was refused is requested again."""
_COMPARED_POWER = 100.0
"""The power in W above which the list is compared with the device."""
_MAX_DEVIATION = 0.5
_STRIKES = 2
"""Comparisons in a row that differ before the list is no longer used for a plant."""
_SAME_UPLOAD = 3600.0
_DAY_END = 1800.0
"""Age in seconds of slow counters that are read again when the day ends."""


class ListedPlant(NamedTuple):
    """The values of one plant in a plant list."""

    power: float | None
    """Solar power in W."""
    status: Status | None
    name: str | None = None
    counter: float | None = None
    """An energy in kWh that rises with the plant's counters."""
    is_daily: bool = False
    """Whether this energy begins at 0 each day."""
    peak_power: float | None = None
    """The size of the plant in kWp."""


class PlantCost(NamedTuple):
    """The requests of one plant's calls."""

    flow: int
    """For its powers."""
    slow: int
    """For the counters and the data time that these calls do not report."""


class AccountPoll:
    """One live poll of an account; each dialect of a vendor API has a subclass with its calls."""

    vendor: str
    page_size: int

    def __init__(self, session: Session, rhythm: PollRhythm, wanted: Sequence[str]) -> None:
        self.session = session
        self.rhythm = rhythm
        self.now = session.server_time
        self.facts: Record = session.facts.setdefault("live", {})
        plants = tuple(map(str, wanted or session.facts["plants"]))
        stored = self.facts.get("plants", {})
        self.records: dict[str, Record] = {plant_id: stored.get(plant_id, {}) for plant_id in plants}
        self.facts["plants"] = self.records
        self.rows: dict[str, ListedPlant] = {}

    # The calls of a dialect

    def fetch_list(self) -> FlowGenerator[dict[str, ListedPlant]]:
        """Fetch the list of all plants."""
        raise NotImplementedError

    def fetch_plant(self, plant_id: str, record: Record, *, slow: bool) -> FlowGenerator[Snapshot]:
        """Fetch the powers of a plant, with `slow` also its counters and the time of its data."""
        raise NotImplementedError

    def cost(self, record: Record) -> PlantCost:
        """Return the requests of a plant's calls."""
        raise NotImplementedError

    def zone(self, plant_id: str) -> tzinfo | None:
        """Return the time zone of a plant."""
        raise NotImplementedError

    # The plan

    @property
    def uses_list(self) -> bool:
        """Whether the account is polled by its plant list."""
        refused_at = self.facts.get("list_refused_at")
        return len(self.records) > 1 and (refused_at is None or self.now - refused_at > _LIST_RETRY)

    def is_listed(self, plant_id: str) -> bool:
        """Whether the list reports the power of a plant: after it has agreed with the device once."""
        record = self.records[plant_id]
        listed = record.get("agreed") and not record.get("strikes") and not record.get("unlisted")
        return self.uses_list and bool(listed)

    def has_battery(self, plant_id: str) -> bool:
        """Whether a plant reports at night."""
        return bool(self.records[plant_id].get("battery"))

    def _has_flows(self, plant_id: str) -> bool:
        """Whether a plant measures more powers than the list reports."""
        return self.has_battery(plant_id) or bool(self.records[plant_id].get("metered"))

    def _in_rotation(self, plant_id: str) -> bool:
        return self.uses_list and (self._has_flows(plant_id) or not self.is_listed(plant_id))

    def _slow_cost(self, plant_id: str) -> int:
        """Return the requests of a plant's slow turn: for a listed plant these are all calls of its devices."""
        flow, slow = self.cost(self.records[plant_id])
        return slow if self._has_flows(plant_id) or not self.is_listed(plant_id) else flow + slow

    def run(self) -> FlowGenerator[LivePoll]:
        """Fetch what is due."""
        if self.uses_list and (self.rhythm.daylight or not any(map(self.has_battery, self.records))):
            try:
                self.rows = yield from self.fetch_list()
            except (RequestRefused, Unreadable):
                self.facts["list_refused_at"] = self.now
        slow = self._slow_due()
        flows = self._flows_due(slow)
        found: list[Snapshot] = []
        problems: dict[str, CloudError] = {}
        for plant_id in self.records:
            if plant_id in flows or plant_id in slow:
                try:
                    found.append((yield from self._polled(plant_id, slow=plant_id in slow)))
                    continue
                except (RequestRefused, Unreadable) as error:
                    problems[plant_id] = error
                    # Its turn is over, so that it does not delay the others.
                    turn = dict.fromkeys(("flow_at", "slow_at") if plant_id in slow else ("flow_at",), self.now)
                    self.records[plant_id].update(turn)
            if (listed := self._listed(plant_id)) is not None:
                found.append(listed)
        if problems and not found:
            raise next(iter(problems.values()))
        load = self.load()
        self.session.facts["load"] = list(load)
        rotating = frozenset(plant_id for plant_id in self.records if self.uses_list and not self.is_listed(plant_id))
        polled = {snapshot.plant.id for snapshot in found}
        unconfirmed = frozenset(one for one in polled if self.records[one].get("unconfirmed"))
        return LivePoll(tuple(found), load, rotating, unconfirmed, problems)

    def _slow_due(self) -> set[str]:
        fetched_at = {plant_id: record.get("slow_at") for plant_id, record in self.records.items()}
        in_rotation = {
            plant_id: at
            for plant_id, at in fetched_at.items()
            if self._slow_cost(plant_id) and (self.rhythm.daylight or self.has_battery(plant_id))
        }
        new = {plant_id for plant_id, at in fetched_at.items() if at is None}
        if self.rhythm.slow_interval == inf:
            return new
        before = self.now - _DAY_END if self.rhythm.day_end else -inf
        ending = {plant_id for plant_id, at in in_rotation.items() if at is not None and at <= before}
        turns, interval = self.facts.setdefault("turns", {}), self.rhythm.slow_interval
        slow = new | ending | set(take_due(turns, "slow", self.now, interval, in_rotation, ending))
        return slow | set(self._forced(slow))

    def _flows_due(self, slow: set[str]) -> set[str]:
        if not self.uses_list:
            return set(self.records)
        fetched_at = {
            plant_id: record.get("flow_at")
            for plant_id, record in self.records.items()
            if self._in_rotation(plant_id) and (self.rhythm.daylight or self.has_battery(plant_id))
        }
        if self.rhythm.flow_interval <= self.rhythm.interval:
            return set(fetched_at)
        turns = self.facts["turns"]
        return set(take_due(turns, "flows", self.now, self.rhythm.flow_interval, fetched_at, slow))

    def _forced(self, already: set[str]) -> list[str]:
        """Return plants in daylight that the list does not suffice for now.

        A fault began or ended, their values have not changed for long, their counters of today are unknown, or the
        list's power was never compared with the device's.
        """
        if not self.rhythm.daylight:
            return []
        found: list[str] = []
        for plant_id, record in self.records.items():
            row, slow_at, changed_at = (
                self.rows.get(plant_id),
                record.get("slow_at"),
                record.get("changed_at", self.now),
            )
            if plant_id in already or slow_at is None:
                continue
            if row and (row.status is Status.FAULT) != record.get("faulty", False) and len(found) < _MAX_FORCED:
                # The device reports the code, and that there is none any more; the list only that there is one.
                record["faulty"] = not record.get("faulty", False)
                found.append(plant_id)
                continue
            if row and (row.power or 0.0) >= _COMPARED_POWER and not record.keys() & {"agreed", "strikes"}:
                found.append(plant_id)
                continue
            if not self._slow_cost(plant_id):
                continue
            listed = self.is_listed(plant_id) and not self.has_battery(plant_id)
            new_day = listed and row and row.power and record.get("day", "") != self._today(plant_id)
            silent = record.get("unchanged") and self.now - changed_at >= UNCHANGED_SECONDS
            if new_day or (
                silent and (slow_at < changed_at + UNCHANGED_SECONDS or self.now - slow_at >= _REPEAT_SECONDS)
            ):
                found.append(plant_id)
        return found[:_MAX_FORCED]

    def _today(self, plant_id: str) -> str:
        return datetime.fromtimestamp(self.now, self.zone(plant_id) or UTC).date().isoformat()

    def load(self) -> PollLoad:
        """Return the usual load of this account's polls."""
        slow = {plant_id: self._slow_cost(plant_id) for plant_id in self.records}
        flow = {plant_id: self.cost(record).flow for plant_id, record in self.records.items()}
        with_battery = set(filter(self.has_battery, self.records))
        night_slow = sum(slow[plant_id] for plant_id in with_battery)
        # The first counters of a day of each plant that the list reports, see `_forced`.
        listed = set(filter(self.is_listed, self.records)) - with_battery if self.uses_list else set()
        first = sum(slow[plant_id] for plant_id in listed)
        daily = 1 + ceil(len(self.records) / 7) + (len(self.records) == 1) + first
        if not self.uses_list:
            every = sum(flow.values())
            return PollLoad(every, 0, sum(slow.values()), every, 0, night_slow, daily)
        pages = ceil(len(self.session.facts["plants"]) / self.page_size)
        flows = sum(flow[plant_id] for plant_id in self.records if self._in_rotation(plant_id))
        at_night = sum(flow[plant_id] for plant_id in with_battery)
        return PollLoad(pages, flows, sum(slow.values()), 0 if with_battery else pages, at_night, night_slow, daily)

    # Snapshots

    def _polled(self, plant_id: str, *, slow: bool) -> FlowGenerator[Snapshot]:
        """Fetch one plant, and store what later polls need to know."""
        record = self.records[plant_id]
        found: Snapshot = yield from self.fetch_plant(plant_id, record, slow=slow)
        record["size"] = size = found.plant.peak_power or record.get("size")
        found = replace(found, plant=replace(found.plant, peak_power=size))
        record["battery"] = record.get("hybrid") or any(
            found.values.get(metric.name) is not None for metric in (m.BATTERY_SOC, m.BATTERY_POWER)
        )
        record["metered"] = any(found.values.get(metric.name) is not None for metric in (m.GRID_POWER, m.LOAD_POWER))
        record["flow_at"] = self.now
        if slow or not self.cost(record).slow:
            record["slow_at"] = self.now
        if (row := self.rows.get(plant_id)) is not None:
            self._compare(record, row, found)
        return self._with_time(record, found, "device")

    def _compare(self, record: Record, row: ListedPlant, found: Snapshot) -> None:
        """Compare the list with the device, and store the counters of both."""
        power = found.pv_power
        if power is not None and power >= _COMPARED_POWER:
            listed = row.power or 0.0
            if abs(listed - power) <= _MAX_DEVIATION * power:
                record["strikes"], record["agreed"] = 0, True
            else:
                record["strikes"] = record.get("strikes", 0) + 1
                if record["strikes"] >= _STRIKES:
                    record["unlisted"] = f"the plant list reports {listed:.0f} W while the device reports {power:.0f} W"
        if found.pv_energy_total is not None or found.pv_energy_today is not None:
            record["day"] = self._today(found.plant.id)
            record["counters"] = [found.pv_energy_today, found.pv_energy_total, row.counter]

    def _listed(self, plant_id: str) -> Snapshot | None:
        """Return a plant's snapshot from its row in the list, None if the list does not report it."""
        row, record = self.rows.get(plant_id), self.records[plant_id]
        if row is None or row.power is None or not self.is_listed(plant_id):
            return None
        values: dict[str, float | None] = {}
        if row.status is not Status.OFFLINE:
            values[m.PV_POWER.name] = max(row.power, 0.0)
            if not record.get("battery"):
                values |= self._listed_counters(plant_id, row)
        record["size"] = size = row.peak_power or record.get("size")
        zone = self.session.zone or self.zone(plant_id)
        found = Snapshot(
            plant=Plant(vendor=self.vendor, id=plant_id, name=row.name, zone=zone, peak_power=size),
            status=row.status,
            measured_at=None,
            fetched_at=datetime.fromtimestamp(self.session.server_time, UTC),
            values=values,
            sources=dict.fromkeys(values, "plant list"),
        )
        return self._with_time(record, found, "list")

    def _listed_counters(self, plant_id: str, row: ListedPlant) -> dict[str, float | None]:
        """Return the device's counters, advanced by what the list's counter has counted since they were fetched.

        The list's counter may be another one than the device's, such as the AC energy of all inverters ever installed.
        """
        record = self.records[plant_id]
        today, total, then = record.get("counters", (None, None, None))
        same_day = record.get("day") == self._today(plant_id)
        if then is None or row.counter is None or row.counter < then or (row.is_daily and not same_day):
            return {}
        values: dict[str, float | None] = {}
        if total is not None:
            values[m.PV_ENERGY_TOTAL.name] = _tenths(total + row.counter - then)
        if today is not None and same_day:
            values[m.PV_ENERGY_TODAY.name] = _tenths(today + row.counter - then)
        return values

    def _with_time(self, record: Record, found: Snapshot, source: str) -> Snapshot:
        """Return a snapshot with the time of its data; without one, it is when a poll first returned its values."""
        fetched_at, newest = found.fetched_at.timestamp(), record.get("newest")
        powers = {name: value for name, value in found.values.items() if METRICS[name].kind == "gauge"}
        seen = record.setdefault("seen", {})
        changed, seen[source] = seen.get(source) != powers, powers
        if all(value is None for value in found.values.values()):
            # A sleeping device reports nothing, which is no new sample.
            record["unconfirmed"] = False
            return found if newest is None else _at(found, newest)
        if found.measured_at is not None:
            measured_at, record["unchanged"] = found.measured_at.timestamp(), False
            record["time_read_at"] = fetched_at
            if newest is None or measured_at > newest:
                record["changed_at"] = fetched_at
            if 0 < record.get("timed", 0.0) - measured_at < _SAME_UPLOAD:
                # This upload is already stored, at the time at which another call without a data time returned it.
                measured_at = record["timed"]
        else:
            record["unchanged"] = not changed
            if changed or "timed" not in record:
                record["timed"] = record["changed_at"] = fetched_at
            measured_at = record["timed"]
            found = replace(found, sources={name: f"{call}, at fetch time" for name, call in found.sources.items()})
        # Once an answer with a data time has shown that there is no newer upload, unchanged values are known to be old.
        confirmed = record.get("time_read_at", 0.0) >= record["changed_at"] + UNCHANGED_SECONDS
        record["unconfirmed"] = record["unchanged"] and not confirmed
        record["newest"] = max(measured_at, newest or 0.0)
        return _at(found, measured_at)


def list_problems(session: Session) -> list[tuple[str, str]]:
    """Return label and text of each plant that is not polled by the plant list, for `heliograph doctor`."""
    records = session.facts.get("live", {}).get("plants", {})
    return [
        (f"plant {plant_id}", f"polled by itself, less often: {record['unlisted']}")
        for plant_id, record in records.items()
        if record.get("unlisted")
    ]


def _at(found: Snapshot, seconds: float) -> Snapshot:
    """Return a snapshot with this time; devices of the same upload or without a time get it too."""
    moment = datetime.fromtimestamp(seconds, UTC)
    devices = tuple(
        replace(device, measured_at=moment) if device.measured_at in (None, found.measured_at) else device
        for device in found.devices
    )
    return replace(found, measured_at=moment, devices=devices)


def _tenths(energy: float) -> float:
    """Return an energy without the digits that devices do not report, rounded down so that it is never ahead."""
    return floor(energy * 10 + 1e-6) / 10
