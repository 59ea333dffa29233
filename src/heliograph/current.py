"""Current state of all plants and accounts, for the page, the API, MQTT, Prometheus and `heliograph status`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.freshness import (
    DEFAULT_INTERVAL,
    PATTERN_WINDOW,
    Freshness,
    freshness,
    has_battery,
    sample_interval,
    usually_reporting,
)
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
_REFRESH_SECONDS = 600
"""Seconds until the reporting pattern of a plant is read again."""
_HALF_HOUR = 1800

TOTALS = tuple(name for name, metric in METRICS.items() if metric.kind == "total")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """The state of a device by its newest sample."""

    series: Series
    name: str | None
    family: str | None
    status: Status | None
    measured_at: int | None
    values: Mapping[str, float | None]

    @property
    def title(self) -> str:
        """The name, or the id if there is none."""
        return self.name or self.series.device


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantState:
    """The state of a plant; a value that is unknown now is None.

    Powers are included if the newest sample is live or stale, daily counters if it is from today (plant time), lifetime
    totals always.
    """

    series: Series
    name: str | None
    zone: tzinfo
    account: str | None = None
    """The configured name of the account that polls it."""
    peak_power: float | None = None
    """Its size in kWp."""
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
        """The name, or the id if there is none."""
        return self.name or self.series.plant


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """The budget of an account, or the reason why it is unknown."""

    name: str
    vendor: str
    budget: Budget | None = None
    problem: str | None = None
    """The error of the last poll or of the state file, for display; None if there is none."""


class _ReportingPattern(NamedTuple):
    """The usual sample interval of a plant, and whether it usually reports at this hour."""

    read_at: int
    interval: float
    reporting: bool


@dataclass(slots=True)
class CurrentState:
    """Reads the state of all plants of a store; caches their reporting patterns, so create it once."""

    store: Store
    _patterns: dict[Series, _ReportingPattern] = field(default_factory=dict)

    def plants(self, now: int) -> tuple[PlantState, ...]:
        """Return every plant with its devices, ordered by id."""
        newest = {sample.series: sample for sample in self.store.latest()}
        devices: dict[Series, list[DeviceState]] = {}
        plants = []
        for info in self.store.series():
            if info.series.device:
                plant = info.series._replace(device="")
                devices.setdefault(plant, []).append(self._device(info, newest.get(info.series), now))
            else:
                plants.append(info)
        return tuple(
            self._plant(info, newest.get(info.series), tuple(devices.get(info.series, ())), now) for info in plants
        )

    def _plant(
        self, info: SeriesInfo, newest: StoredSample | None, devices: tuple[DeviceState, ...], now: int
    ) -> PlantState:
        zone, at = zone_from_name(info.zone), None if newest is None else newest.measured_at
        battery = newest is not None and has_battery(newest.values)
        pattern = self._pattern(info.series, zone, now)
        fresh = freshness(at, now, pattern.interval, pattern.reporting, has_battery=battery)
        return PlantState(
            series=info.series,
            name=info.name,
            zone=zone,
            account=info.account,
            peak_power=info.peak_power,
            status=newest and newest.status,
            quality=newest and newest.quality,
            measured_at=at,
            fetched_at=newest and newest.fetched_at,
            freshness=fresh,
            sample_interval=pattern.interval,
            values={} if newest is None else self._current_values(newest, zone, now, fresh),
            devices=devices,
        )

    def _device(self, info: SeriesInfo, newest: StoredSample | None, now: int) -> DeviceState:
        at = newest and newest.measured_at
        fresh = freshness(at, now, DEFAULT_INTERVAL, None, has_battery=True)
        return DeviceState(
            series=info.series,
            name=info.name,
            family=info.family,
            status=newest and newest.status,
            measured_at=at,
            values={} if newest is None else self._current_values(newest, zone_from_name(info.zone), now, fresh),
        )

    def _current_values(
        self, newest: StoredSample, zone: tzinfo, now: int, fresh: Freshness
    ) -> dict[str, float | None]:
        """Return the values that are still valid: no power of hours ago, no daily energy of yesterday."""
        valid = {
            "gauge": fresh in {Freshness.LIVE, Freshness.STALE},
            "today": day_at(newest.measured_at, zone) == day_at(now, zone),
            "total": True,
        }
        values = self._with_totals(newest)
        return {name: value if valid[METRICS[name].kind] else None for name, value in values.items()}

    def _with_totals(self, newest: StoredSample) -> Mapping[str, float | None]:
        """Return a sample's values; a backfilled sample has no totals, so those of earlier samples are added."""
        if newest.quality is not Quality.BACKFILLED:
            return newest.values
        totals: dict[str, float] = {}
        for sample in self.store.samples(newest.series, newest.measured_at - _DAY, newest.measured_at + 1):
            totals.update({name: value for name in TOTALS if (value := sample.values.get(name)) is not None})
        return {**newest.values, **totals}

    def _pattern(self, series: Series, zone: tzinfo, now: int) -> _ReportingPattern:
        pattern = self._patterns.get(series)
        if pattern is None or not 0 <= now - pattern.read_at < _REFRESH_SECONDS:
            half_hours = self.store.buckets(series, (), now - PATTERN_WINDOW, now + 1, _HALF_HOUR)
            reporting = usually_reporting([one.starts_at + _HALF_HOUR // 2 for one in half_hours], now, zone)
            interval = sample_interval(self.store.sample_times(series, now - _DAY, now + 1))
            pattern = self._patterns[series] = _ReportingPattern(now, interval, reporting)
        return pattern
