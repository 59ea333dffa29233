"""Current state of all plants and accounts, for the page, the API, MQTT, Prometheus and `heliograph status`."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.counters.repair import provisional_metrics
from heliograph.collect.freshness import (
    PATTERN_WINDOW,
    Freshness,
    arrival_delay,
    freshness,
    has_battery,
    sample_interval,
    slots_of,
    surely_reports,
    upload_interval,
    valid_seconds,
)
from heliograph.collect.integrate import ADVANCE_SECONDS, POWERS, LastReading, advance_counters
from heliograph.local_time import day_at, day_start, zone_from_name
from heliograph.metrics import METRICS
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.model import Quality
from heliograph.store.base import PollStatus
from heliograph.store.snapshot_rows import raw_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

    from heliograph.keeper import Budget
    from heliograph.model import Status
    from heliograph.store.base import Series, SeriesInfo, Store, StoredMeasurements, StoredSample

_DAY = 24 * 3600
_REFRESH_SECONDS = 1800
"""Seconds until the reporting pattern of a plant is read again."""
_SLOW = {name: metric.kind for name, metric in METRICS.items() if metric.kind != "gauge" or name == "battery_soc"}
"""The metrics that are valid longer than their sample, with their kinds: not every poll fetches them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """The state of a device by its newest sample."""

    series: Series
    name: str | None
    family: str | None
    status: Status | None
    measured_at: int | None
    freshness: Freshness
    """That of the plant, unless the plant reports and this device does not."""
    values: Mapping[str, float | None]
    measurements: Mapping[str, float | str | None] = field(default_factory=dict)
    """Voltages, currents, states that are valid now, by the names of `metrics/device.py`; only what it reports."""
    raw: Mapping[str, float] = field(default_factory=dict)
    """The numbers of an unknown family by the vendor's names, while they are fresh."""

    @property
    def title(self) -> str:
        """The name, or the id if there is none."""
        return self.name or self.series.device


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantState:
    """The state of a plant; a value that is unknown now is None.

    Powers are included if the newest sample is live or stale, daily counters of today (plant time), lifetime totals
    always. Values that the newest sample lacks are taken from earlier samples, and so is the state of charge for at
    most three poll intervals, at least an hour. A daily counter of an earlier sample is advanced to the newest one by
    the power since then.
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
    arrival_delay: float = 0.0
    """The usual seconds until a measurement can be fetched, if the data of this plant arrives late."""
    poll: PollStatus | None = None
    """When the plant was polled and will be; None if no collector of this version has polled it."""
    values: Mapping[str, float | None]
    provisional: frozenset[str] = frozenset()
    """The counters in `values` that are plausible, but not confirmed by a second reading, or advanced by the power."""
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
    password_budget: Budget | None = None
    """The budget of the password API, of an account that has a token too."""
    missing_values: Mapping[str, str] = field(default_factory=dict)
    """Why values of a plant are missing, with the remedy, by plant id."""


class _ReportingPattern(NamedTuple):
    """The usual sample interval of a plant, and the ten-minute slots of the last days in which it reported."""

    read_at: int
    interval: float
    slots: array[int]
    delay: float
    """The usual seconds between a measurement and its fetch, 0 for prompt data."""


class _SlowValues(NamedTuple):
    """The newest known slow values of a series at its newest sample, with the time each was measured."""

    newest: tuple[int, int]
    values: Mapping[str, tuple[int, float]]


class _AdvancedCounters(NamedTuple):
    """Daily counters at the newest sample that are newer than their last readings; None if the power is not known."""

    newest: tuple[int, int]
    values: Mapping[str, float | None]


@dataclass(slots=True)
class CurrentState:
    """Reads the state of all plants of a store; caches their reporting patterns, so create it once."""

    store: Store
    _patterns: dict[Series, _ReportingPattern] = field(default_factory=dict)
    _slow_values: dict[Series, _SlowValues] = field(default_factory=dict)
    _provisional: dict[Series, tuple[tuple[int, int], frozenset[str]]] = field(default_factory=dict)
    """The unconfirmed counters of each plant, at the times of its newest sample."""
    _advanced: dict[Series, _AdvancedCounters] = field(default_factory=dict)

    def plants(self, now: int) -> tuple[PlantState, ...]:
        """Return every plant with its devices, ordered by id."""
        newest = {sample.series: sample for sample in self.store.latest()}
        measured = {one.series: one for one in self.store.latest_measurements()}
        polls = self.store.poll_statuses()
        devices: dict[Series, list[SeriesInfo]] = {}
        plants = []
        for info in self.store.series():
            if info.series.device:
                devices.setdefault(info.series._replace(device=""), []).append(info)
            else:
                plants.append(info)
        return tuple(
            self._plant(info, polls.get(info.series), newest, measured, devices.get(info.series, ()), now)
            for info in plants
        )

    def _plant(
        self,
        info: SeriesInfo,
        poll: PollStatus | None,
        samples: Mapping[Series, StoredSample],
        measured: Mapping[Series, StoredMeasurements],
        devices: Iterable[SeriesInfo],
        now: int,
    ) -> PlantState:
        zone, newest = zone_from_name(info.zone), samples.get(info.series)
        pattern = self._pattern(info.series, now)
        upload = upload_interval(pattern.interval, poll and poll.interval)
        reports_at: Callable[[int], bool] = partial(surely_reports, pattern.slots, zone=zone)
        if newest is not None and (has_battery(newest.values) or "battery_soc" in self._slow(newest)):
            reports_at = _reports_always
        fresh = _freshness(newest, poll, now, upload, reports_at)
        valid = valid_seconds(poll, upload)

        def device_state(device: SeriesInfo) -> DeviceState:
            own = samples.get(device.series)
            of_device = fresh
            if fresh in _REPORTING and own is not None:
                # Not every poll fetches every device: the device was polled when its own sample was fetched.
                polled = poll and poll._replace(polled_at=own.fetched_at)
                of_device = _freshness(own, polled, now, upload, reports_at)
            return DeviceState(
                series=device.series,
                name=device.name,
                family=device.family,
                status=own and own.status,
                measured_at=own and own.measured_at,
                freshness=of_device,
                values={} if own is None else self._current_values(own, zone, now, of_device, valid),
                measurements=_current_measurements(measured.get(device.series), zone, now, of_device, valid),
                raw=_current_raw(measured.get(device.series), now, of_device, valid),
            )

        values, provisional = {}, frozenset[str]()
        if newest is not None:
            values = self._current_values(newest, zone, now, fresh, valid)
            provisional = self._provisional_of(newest, values) | self._advance(newest, values, zone, now)
        return PlantState(
            series=info.series,
            name=info.name,
            zone=zone,
            account=info.account,
            peak_power=info.peak_power,
            status=newest and newest.status,
            quality=newest and newest.quality,
            measured_at=newest and newest.measured_at,
            fetched_at=newest and newest.fetched_at,
            freshness=fresh,
            sample_interval=pattern.interval,
            arrival_delay=pattern.delay,
            poll=poll,
            values=values,
            provisional=provisional,
            devices=tuple(device_state(device) for device in devices),
        )

    def _current_values(
        self, newest: StoredSample, zone: tzinfo, now: int, fresh: Freshness, valid: float
    ) -> dict[str, float | None]:
        """Return the values that are still valid: no power of hours ago, no daily energy of yesterday."""
        reporting, today = fresh in _REPORTING, day_at(now, zone)
        values = {name: value if reporting and name not in _SLOW else None for name, value in newest.values.items()}
        for name, (at, value) in self._slow(newest).items():
            if (
                _SLOW[name] == "total"
                or (_SLOW[name] == "today" and day_at(at, zone) == today)
                or (_SLOW[name] == "gauge" and reporting and now - at <= valid)
            ):
                values[name] = value
        return values

    def _advance(self, newest: StoredSample, values: dict[str, float | None], zone: tzinfo, now: int) -> frozenset[str]:
        """Advance the daily counters of earlier samples in `values` by the power since then, and return their names."""
        today = day_at(now, zone)
        if day_at(newest.measured_at, zone) != today:
            return frozenset()
        key, slow = (newest.measured_at, newest.fetched_at), self._slow(newest)
        cached = self._advanced.get(newest.series)
        if cached is None or cached.newest != key:
            readings = {
                name.removesuffix("_today"): LastReading(*slow[name])
                for name, kind in _SLOW.items()
                if kind == "today" and name in slow and slow[name][0] < newest.measured_at
            }
            midnight = day_start(today, zone)
            since = min((max(one.at, midnight) for one in readings.values()), default=0) - ADVANCE_SECONDS
            samples = list(self.store.samples(newest.series, since, newest.measured_at + 1, POWERS)) if readings else []
            advanced = advance_counters(samples, readings, midnight)
            cached = _AdvancedCounters(key, {f"{kind}_today": kwh for kind, kwh in advanced.items()})
            self._advanced[newest.series] = cached
        before = dict(values)
        values.update({name: kwh for name, kwh in cached.values.items() if kwh is not None})
        # An old reading that the power does not show to be current is as uncertain.
        return frozenset(
            name
            for name, kwh in cached.values.items()
            if values.get(name) is not None and (kwh is None or kwh != before.get(name))
        )

    def _provisional_of(self, newest: StoredSample, values: Mapping[str, float | None]) -> frozenset[str]:
        """Return the known values that the counter state of this sample marks as provisional."""
        key = (newest.measured_at, newest.fetched_at)
        cached = self._provisional.get(newest.series)
        if cached is None or cached[0] != key:
            cached = self._provisional[newest.series] = key, provisional_metrics(self.store.counters(newest.series))
        return frozenset(name for name in cached[1] if values.get(name) is not None)

    def _slow(self, newest: StoredSample) -> Mapping[str, tuple[int, float]]:
        """Return the newest slow values of the day before a sample; not every poll fetches every counter."""
        series, key = newest.series, (newest.measured_at, newest.fetched_at)
        cached = self._slow_values.get(series)
        if cached is None or cached.newest > key:
            cached = _SlowValues((newest.measured_at - _DAY, 0), {})
        if cached.newest != key:
            values = dict(cached.values)
            for sample in self.store.samples(series, cached.newest[0], newest.measured_at + 1, tuple(_SLOW)):
                at = sample.measured_at
                values.update({name: (at, value) for name, value in sample.values.items() if value is not None})
            cached = self._slow_values[series] = _SlowValues(key, values)
        return cached.values

    def _pattern(self, series: Series, now: int) -> _ReportingPattern:
        pattern = self._patterns.get(series)
        if pattern is None or not 0 <= now - pattern.read_at < _REFRESH_SECONDS:
            times = array("q", self.store.sample_times(series, now - PATTERN_WINDOW - _DAY // 2, now + 1))
            interval = sample_interval(times[bisect_left(times, now - _DAY) :])
            delay = arrival_delay(
                one.fetched_at - one.measured_at
                for one in self.store.samples(series, now - _DAY, now + 1, ())
                if one.quality is not Quality.BACKFILLED
            )
            pattern = self._patterns[series] = _ReportingPattern(now, interval, array("q", slots_of(times)), delay)
        return pattern


_REPORTING = {Freshness.LIVE, Freshness.STALE}


def _current_measurements(
    newest: StoredMeasurements | None, zone: tzinfo, now: int, fresh: Freshness, valid: float
) -> dict[str, float | str | None]:
    """Return the measurements that are still valid: counters of today and totals, the others while they are fresh."""
    if newest is None:
        return {}
    is_fresh = fresh in _REPORTING and now - newest.measured_at <= valid
    is_today = day_at(newest.measured_at, zone) == day_at(now, zone)
    valid_kinds = {"total", *(("gauge", "text") if is_fresh else ()), *(("today",) if is_today else ())}
    return {
        name: value if DEVICE_METRICS[name].kind in valid_kinds else None
        for name, value in newest.values.items()
        if name in DEVICE_METRICS
    }


def _current_raw(newest: StoredMeasurements | None, now: int, fresh: Freshness, valid: float) -> dict[str, float]:
    if newest is None or fresh not in _REPORTING or now - newest.measured_at > valid:
        return {}
    return raw_of(newest)


def _reports_always(_: int) -> bool:
    return True


def _freshness(
    newest: StoredSample | None,
    poll: PollStatus | None,
    now: int,
    upload: float,
    reports_at: Callable[[int], bool],
) -> Freshness:
    """Judge a series by its newest sample; without a poll status, it was last polled when that sample was fetched."""
    if newest is not None:
        # A history query returns samples of any age, which says nothing about what is newest.
        polled_at = newest.measured_at if newest.quality is Quality.BACKFILLED else newest.fetched_at
        if poll is None:
            poll = PollStatus(newest.series, polled_at, round(upload), polled_at + round(upload))
        elif polled_at > poll.polled_at:
            poll = poll._replace(polled_at=polled_at)
    return freshness(newest and newest.measured_at, poll, now, upload, reports_at)
