"""Evaluates the alarm rules for the plants of some shards, and stores each plant's place in the order of triage."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.alarms.model import RULES
from heliograph.alarms.monitor import AlarmMonitor
from heliograph.errors import StoreError
from heliograph.eventlog import LogEvent
from heliograph.fleet.responses import RANK
from heliograph.fleet.triage import ACCOUNT_RULE, urgency_of
from heliograph.local_time import day_at
from heliograph.metrics import METRICS
from heliograph.store import schema
from heliograph.store.base import AlarmRow, PollStatus, Series, SeriesInfo, StoredMeasurements, StoredSample
from heliograph.store.measurements import measurements_from_rows
from heliograph.store.postgres import PostgresStore
from heliograph.store.rows import samples_from_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from heliograph.alarms.model import Alarm
    from heliograph.current import PlantState
    from heliograph.local_time import Clock

INTERVAL = 600.0
"""Seconds between two evaluations of a shard; the rules count at most twenty minutes between two."""
_SORTED_LENGTH = 100
_YIELD_DAYS = 3
"""Days before today of which the last known yield is shown."""

_log = logging.getLogger(__name__)


class FleetPlant(NamedTuple):
    """A plant of a tenant, as its account's worker stored it last."""

    id: int
    series: Series
    tenant: int
    account: int
    account_name: str
    customer: str
    tags: Sequence[str]
    account_problem: str | None
    """Why the account needs a person; None if it does not."""


_PLANTS = """
    SELECT series.id, series.vendor, series.plant, series.device, latest.tenant, account.id, account.name,
        account.customer, account.tags, CASE account.state WHEN 'needs_person' THEN account.reason END
    FROM account JOIN latest ON latest.account = account.id JOIN series ON series.id = latest.series
    WHERE account.shard = ? AND series.device = '' AND account.state <> 'removed' ORDER BY series.id"""
_OF_PLANTS = """(series.vendor, series.plant) IN
    (SELECT vendor, plant FROM series AS ours WHERE ours.id = ANY(?))"""
_YIELDS = """
    SELECT DISTINCT ON (series) series, CAST(day AS text), pv_energy FROM day
    JOIN unnest(?::integer[], ?::date[]) AS wanted (id, today) ON wanted.id = day.series
    WHERE day < today AND day >= today - ?::integer AND pv_energy IS NOT NULL ORDER BY series, day DESC"""
_UPSERT_PLANTS = """
    INSERT INTO plant (tenant, series, account, account_name, customer, vendor, cloud_id, name, sort_name, zone,
        peak_power, freshness, day, specific_yield)
    SELECT * FROM unnest(?::bigint[], ?::integer[], ?::bigint[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[],
        ?::text[], ?::text[], ?::double precision[], ?::text[], ?::date[], ?::double precision[])
    ON CONFLICT (tenant, series) DO UPDATE SET account = excluded.account,
        account_name = excluded.account_name, name = excluded.name,
        sort_name = excluded.sort_name, zone = excluded.zone, peak_power = excluded.peak_power,
        freshness = excluded.freshness, day = excluded.day, specific_yield = excluded.specific_yield
    WHERE (plant.account, plant.account_name, plant.name, plant.zone, plant.peak_power, plant.freshness, plant.day,
        plant.specific_yield) IS DISTINCT FROM (excluded.account, excluded.account_name, excluded.name, excluded.zone,
        excluded.peak_power, excluded.freshness, excluded.day, excluded.specific_yield)
    RETURNING tenant, series, xmax = 0"""
_ADD_TAGS = """INSERT INTO plant_tag (tenant, series, tag)
    SELECT * FROM unnest(?::bigint[], ?::integer[], ?::text[]) ON CONFLICT DO NOTHING"""
_WANTED = "unnest(?::bigint[], ?::integer[], ?::text[], ?::smallint[], ?::bigint[], ?::text[])"
_COLUMNS = "tenant, series, rule, urgency, raised_at, seen"
_DELETE_ALARMS = f"""DELETE FROM plant_alarm WHERE (tenant, series) IN (SELECT * FROM unnest(?::bigint[], ?::integer[]))
    AND (tenant, series, rule) NOT IN (SELECT tenant, series, rule FROM {_WANTED} AS wanted ({_COLUMNS}))"""  # noqa: S608
# An account has no time at which it began to need a person: the first evaluation that saw it counts.
_UPSERT_ALARMS = f"""
    INSERT INTO plant_alarm ({_COLUMNS}) SELECT * FROM {_WANTED}
    ON CONFLICT (tenant, series, rule) DO UPDATE SET urgency = excluded.urgency, seen = excluded.seen,
        raised_at = CASE excluded.rule WHEN '{ACCOUNT_RULE}' THEN plant_alarm.raised_at ELSE excluded.raised_at END
    WHERE (plant_alarm.urgency, plant_alarm.seen, plant_alarm.raised_at)
        IS DISTINCT FROM (excluded.urgency, excluded.seen, excluded.raised_at)"""  # noqa: S608 - constants


class ShardStore(PostgresStore):
    """The fleet's store, reduced to the plants of one shard at a time: the rest of a fleet does not fit into memory."""

    def __init__(self, url: str) -> None:
        self._plants: Sequence[FleetPlant] = ()
        super().__init__(url)

    def shards(self) -> list[int]:
        """Return the shards of the fleet."""
        return [number for (number,) in self._read("SELECT shard FROM fence ORDER BY shard")]

    def select(self, shard: int) -> Sequence[FleetPlant]:
        """Reduce the store to the plants of a shard, and return them."""
        found = self._read(_PLANTS, (shard,))
        self._plants = [FleetPlant(row[0], Series(*row[1:4]), *row[4:]) for row in found]
        return self._plants

    @property
    def _ids_of_plants(self) -> list[int]:
        return [one.id for one in self._plants]

    def series(self) -> tuple[SeriesInfo, ...]:
        found = self._read(f"{schema.SELECT_SERIES} WHERE {_OF_PLANTS}", (self._ids_of_plants,))
        return tuple(sorted((SeriesInfo(Series(*row[:3]), *row[3:]) for row in found), key=lambda one: one.series))

    def latest(self, series: Series | None = None) -> tuple[StoredSample, ...]:
        if series is not None:
            return super().latest(series)
        found = self._read(f"{schema.SELECT_LATEST_OF_ALL} AND {_OF_PLANTS}", (self._ids_of_plants,))
        return tuple(one for row in found for one in samples_from_rows(Series(*row[:3]), tuple(METRICS), [row[3:]]))

    def latest_measurements(self, series: Series | None = None) -> tuple[StoredMeasurements, ...]:
        if series is not None:
            return super().latest_measurements(series)
        found = self._read(f"{schema.SELECT_LATEST_MEASUREMENTS_OF_ALL} AND {_OF_PLANTS}", (self._ids_of_plants,))
        return tuple(one for row in found for one in measurements_from_rows(Series(*row[:3]), [row[3:]]))

    def poll_statuses(self, plants: Collection[Series] | None = None) -> Mapping[Series, PollStatus]:
        found = self._read(f"{schema.SELECT_POLLS} WHERE {_OF_PLANTS}", (self._ids_of_plants,))
        polls = (PollStatus(Series(*row[:3]), row[3], row[4], row[5], row[6], row[7] == 1) for row in found)
        return {one.series: one for one in polls}

    def alarms(self) -> tuple[AlarmRow, ...]:
        keys = [
            json.dumps([rule, one.series.vendor, one.series.plant, ""], ensure_ascii=False)
            for one in self._plants
            for rule in RULES
        ]
        columns = ", ".join(schema.ALARM_TABLE.columns)
        found = self._read(f"SELECT {columns} FROM alarm WHERE name = ANY(?::text[]) ORDER BY name", (keys,))  # noqa: S608
        return tuple(AlarmRow(*row) for row in found)

    def yields(self, states: Mapping[Series, PlantState], now: int) -> dict[int, tuple[str, float]]:
        """Return the last known day before today and its solar energy in kWh, by the number of the plant."""
        todays = [day_at(now, states[one.series].zone).isoformat() for one in self._plants if one.series in states]
        known = [one.id for one in self._plants if one.series in states]
        return {row[0]: (row[1], row[2]) for row in self._read(_YIELDS, (known, todays, _YIELD_DAYS))}

    def save(self, states: Mapping[Series, PlantState], alarms: Iterable[Alarm], now: int) -> int:
        """Store the state and the place of each plant; return how many plants there are."""
        plants = [one for one in self._plants if one.series in states]
        yields, open_alarms = self.yields(states, now), _alarms_by_series(alarms)
        rows = [_plant_row(one, states[one.series], yields.get(one.id)) for one in plants]
        raised = [alarm for one in plants for alarm in _alarm_rows(one, open_alarms.get(one.series, ()), now)]
        keys = ([one.tenant for one in plants], [one.id for one in plants])

        def write() -> None:
            with self._transaction():
                written = self._run(_UPSERT_PLANTS, _columns(rows, 14))
                new = {(tenant, number) for tenant, number, is_new in written if is_new}
                tags = [(one.tenant, one.id, tag) for one in plants for tag in one.tags if (one.tenant, one.id) in new]
                self._run(_ADD_TAGS, _columns(tags, 3))
                self._run(_DELETE_ALARMS, (*keys, *_columns(raised, 6)))
                self._run(_UPSERT_ALARMS, _columns(raised, 6))
                self._live.execute(RANK, {"tenants": sorted(set(keys[0])), "series": keys[1], "now": now})

        self._run_locked(write)
        return len(plants)


@dataclass(slots=True)
class TriageUpdater:
    """Evaluates the alarm rules of shards; holds the half hours of their plants' last weeks, so create it once."""

    store: ShardStore
    _monitors: dict[int, AlarmMonitor] = field(default_factory=dict)

    def update(self, shard: int, now: int) -> int:
        """Judge the plants of a shard and store their places; return how many plants it has."""
        self.store.select(shard)
        monitor = self._monitors.setdefault(shard, AlarmMonitor())
        alarms = monitor.evaluate(self.store, (), now)
        return self.store.save({one.series: one for one in monitor.plants}, alarms, now)


async def run(
    updater: TriageUpdater, shards: Sequence[int], clock: Clock, stop: asyncio.Event, interval: float = INTERVAL
) -> None:
    """Update the shards in turn, each once per interval, until stopped."""
    while not stop.is_set():
        start = clock.now()
        for place, shard in enumerate(shards):
            try:
                await asyncio.to_thread(updater.update, shard, int(clock.now()))
            except StoreError as error:
                _log.warning(LogEvent("triage.not_updated", shard=shard, why=error))
            # Spread over the interval, so that the database is loaded evenly.
            await clock.wait(start + interval * (place + 1) / len(shards), stop)
            if stop.is_set():
                return


def _alarms_by_series(alarms: Iterable[Alarm]) -> dict[Series, list[Alarm]]:
    found: dict[Series, list[Alarm]] = {}
    for alarm in alarms:
        if alarm.is_active:
            found.setdefault(Series(alarm.subject.vendor, alarm.subject.plant), []).append(alarm)
    return found


def _plant_row(plant: FleetPlant, state: PlantState, known: tuple[str, float] | None) -> tuple[Any, ...]:
    day, energy = known or (None, None)
    specific = None if energy is None or not state.peak_power else round(energy / state.peak_power, 3)
    vendor, cloud_id, _ = plant.series
    of_account = (plant.tenant, plant.id, plant.account, plant.account_name, plant.customer, vendor, cloud_id)
    return (
        *of_account,
        state.title,
        state.title.casefold()[:_SORTED_LENGTH],
        str(state.zone),
        state.peak_power,
        state.freshness.value,
        None if specific is None else day,
        specific,
    )


def _alarm_rows(plant: FleetPlant, alarms: Iterable[Alarm], now: int) -> Iterable[tuple[Any, ...]]:
    for alarm in alarms:
        yield plant.tenant, plant.id, alarm.rule, urgency_of(alarm.rule), alarm.raised_at, alarm.seen
    if plant.account_problem is not None:
        yield plant.tenant, plant.id, ACCOUNT_RULE, urgency_of(ACCOUNT_RULE), now, plant.account_problem


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> tuple[list[Any], ...]:
    """Return the columns of rows, as parameters of `unnest`."""
    return tuple([row[place] for row in rows] for place in range(width))
