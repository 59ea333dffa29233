"""What is true of every plant and account at this moment, for whoever shows it or passes it on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.freshness import Freshness, freshness, sample_interval, usually_reporting
from heliograph.collect.kept import PATTERN_WINDOW, has_battery
from heliograph.local_time import day_at, zone_from_name
from heliograph.metrics import METRICS
from heliograph.model import Quality

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from heliograph.keeper import Budget
    from heliograph.model import Status
    from heliograph.store.base import Series, SeriesInfo, Store, StoredSample

_DAY = 24 * 3600
_HABITS_LAST = 600
"""Seconds until it is looked up again how often a plant speaks, and whether it does at this hour."""
_HALF_HOUR = 1800

TOTALS = tuple(name for name, metric in METRICS.items() if metric.kind == "total")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """One box of a plant, as it is by its newest sample."""

    series: Series
    name: str | None
    family: str | None
    status: Status | None
    measured_at: int | None
    values: Mapping[str, float | None]

    @property
    def title(self) -> str:
        """What to call it."""
        return self.name or self.series.device


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantState:
    """One plant; `values` hold what is true now, and what cannot be known now is None.

    Gauges are there while the newest sample is live or late, counters of today while it is of the plant's present
    day, lifetime totals always.
    """

    series: Series
    name: str | None
    zone: tzinfo
    status: Status | None
    quality: Quality | None
    measured_at: int | None
    fetched_at: int | None
    freshness: Freshness
    sample_interval: float
    """The usual seconds between samples."""
    values: Mapping[str, float | None]
    devices: tuple[DeviceState, ...] = ()

    @property
    def title(self) -> str:
        """What to call it."""
        return self.name or self.series.plant


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """One account: what is used of its budget, or why that cannot be told."""

    name: str
    vendor: str
    budget: Budget | None = None
    problem: str | None = None
    """What its last poll or its memory failed with, in words for a person; None while all is well."""


class _Habits(NamedTuple):
    """How a plant usually speaks, as of a moment."""

    known_at: int
    rhythm: float
    awake: bool


@dataclass(slots=True)
class CurrentState:
    """All plants of a store; made once and asked often."""

    store: Store
    _habits: dict[Series, _Habits] = field(default_factory=dict)

    def plants(self, now: int) -> tuple[PlantState, ...]:
        """Return every plant with its devices, in the order of their ids."""
        newest = {one.series: one for one in self.store.latest()}
        devices: dict[Series, list[DeviceState]] = {}
        plants = []
        for known in self.store.series():
            if known.series.device:
                plant = known.series._replace(device="")
                devices.setdefault(plant, []).append(self._device(known, newest.get(known.series), now))
            else:
                plants.append(known)
        return tuple(
            self._plant(one, newest.get(one.series), tuple(devices.get(one.series, ())), now) for one in plants
        )

    def _plant(
        self, known: SeriesInfo, newest: StoredSample | None, devices: tuple[DeviceState, ...], now: int
    ) -> PlantState:
        zone, at = zone_from_name(known.zone), None if newest is None else newest.measured_at
        battery = newest is not None and has_battery(newest.values)
        habits = self._habits_of(known.series, zone, now)
        fresh = freshness(at, now, habits.rhythm, habits.awake, has_battery=battery)
        return PlantState(
            series=known.series,
            name=known.name,
            zone=zone,
            status=newest and newest.status,
            quality=newest and newest.quality,
            measured_at=at,
            fetched_at=newest and newest.fetched_at,
            freshness=fresh,
            sample_interval=habits.rhythm,
            values={} if newest is None else self._true_now(newest, zone, now, fresh),
            devices=devices,
        )

    def _device(self, known: SeriesInfo, newest: StoredSample | None, now: int) -> DeviceState:
        zone = zone_from_name(known.zone)
        fresh = freshness(None if newest is None else newest.measured_at, now, 300.0, None, has_battery=True)
        return DeviceState(
            series=known.series,
            name=known.name,
            family=known.family,
            status=newest and newest.status,
            measured_at=newest and newest.measured_at,
            values={} if newest is None else self._true_now(newest, zone, now, fresh),
        )

    def _true_now(self, newest: StoredSample, zone: tzinfo, now: int, fresh: Freshness) -> dict[str, float | None]:
        """Return the values that still hold: none of a power measured hours ago, no energy of yesterday as today's."""
        values = self._with_totals(newest)
        present = {
            "gauge": fresh in {Freshness.LIVE, Freshness.STALE},
            "today": day_at(newest.measured_at, zone) == day_at(now, zone),
            "total": True,
        }
        return {name: value if present[METRICS[name].kind] else None for name, value in values.items()}

    def _with_totals(self, newest: StoredSample) -> Mapping[str, float | None]:
        """Return an entry's values; a day's curve tells no totals, so that those of the sample before still stand."""
        if newest.quality is not Quality.BACKFILLED:
            return newest.values
        totals: dict[str, float] = {}
        for entry in self.store.samples(newest.series, newest.measured_at - _DAY, newest.measured_at + 1):
            totals.update({name: value for name in TOTALS if (value := entry.values.get(name)) is not None})
        return {**newest.values, **totals}

    def _habits_of(self, series: Series, zone: tzinfo, now: int) -> _Habits:
        habits = self._habits.get(series)
        if habits is None or not 0 <= now - habits.known_at < _HABITS_LAST:
            heard = self.store.buckets(series, (), now - PATTERN_WINDOW, now + 1, _HALF_HOUR)
            halves = [one.starts_at + _HALF_HOUR // 2 for one in heard]
            lately = self.store.sample_times(series, now - _DAY, now + 1)
            habits = self._habits[series] = _Habits(now, sample_interval(lately), usually_reporting(halves, now, zone))
        return habits
