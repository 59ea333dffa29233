"""The state that a poller reads from the store: counters, daylight, poll statuses, requests of a backfill, curves."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.budget import history_requests
from heliograph.collect.counters.repair import needs_curve
from heliograph.collect.integrate import energies_since_midnight
from heliograph.errors import StoreError
from heliograph.local_time import day_at, day_bounds, day_start
from heliograph.store.base import series_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import tzinfo

    from heliograph.collect.counters.repair import CounterStates
    from heliograph.model import Snapshot
    from heliograph.store.base import PollStatus, Series, Store
    from heliograph.store.threaded import StoreThread

    Curves = Mapping[Series, Mapping[str, float]]

_PATTERN_WINDOW = 14 * 24 * 3600
"""Seconds of history that decide when it is daylight."""
_HALF_HOUR = 1800
_ENOUGH_DAYS = 3
_SUNNY = 20.0
"""The solar power in W above which a half-hour is in daylight."""


class StoredState(NamedTuple):
    """The state of an account that a poller reads from the store."""

    counters: CounterStates
    sunny: tuple[float, ...] = ()
    """The times of day, in seconds, of half-hours with sun in the last days."""
    history_requests: int = 0
    """The requests for history of the last 24 hours."""
    statuses: tuple[PollStatus, ...] = ()


def time_of_day(now: float, zone: tzinfo) -> tuple[float, float]:
    """Return the seconds since the last and until the next local midnight."""
    start, end = day_bounds(day_at(int(now), zone), zone)
    return now - start, end - now


def read_state(store: Store, new: set[Series], plants: dict[Series, tzinfo | None], now: int) -> StoredState:
    """Return the counter states of new series, and daylight, requests and statuses of the plants."""
    counters: CounterStates = {series: store.counters(series) for series in new}
    sunny: list[float] = []
    for series, zone in plants.items():
        # Today is not over: its last sun is not the dusk.
        midnight = day_start(day_at(now, zone or UTC), zone or UTC)
        buckets = store.buckets(series, ("pv_power",), midnight - _PATTERN_WINDOW, midnight, _HALF_HOUR)
        times = [one.starts_at + _HALF_HOUR // 2 for one in buckets if (one.mean[0] or 0.0) > _SUNNY]
        if len({day_at(at, zone or UTC) for at in times}) >= _ENOUGH_DAYS:
            sunny += [time_of_day(at, zone or UTC)[0] for at in times]
    statuses = store.poll_statuses(plants)
    return StoredState(
        counters,
        tuple(sunny),
        sum(history_requests(store, series, now) for series in plants),
        tuple(statuses[series] for series in plants if series in statuses),
    )


def account_polls(store: Store, account: str, plants: Collection[str]) -> tuple[PollStatus, ...]:
    """Return how the plants of a configured account were last polled; none if one of `plants` has not been polled."""
    known = {info.series for info in store.series() if info.account == account and not info.series.device}
    polls = {series.plant: poll for series, poll in store.poll_statuses().items() if series in known}
    wanted = [polls.get(plant) for plant in plants or polls]
    return tuple(poll for poll in wanted if poll is not None) if None not in wanted else ()


async def read_curves(store: StoreThread, snapshots: Sequence[Snapshot], states: CounterStates) -> Curves:
    """Return the energies since midnight of the plants whose daily counters are not known to be today's."""
    unsettled = []
    for plant, at, fetched_at in ((one.plant, one.measured_at, one.fetched_at) for one in snapshots):
        series = series_of(plant)
        if plant.zone and at and at <= fetched_at and needs_curve(states.get(series, {})):
            unsettled.append((series, plant.zone, int(at.timestamp())))
    if not unsettled:
        return {}
    try:
        return await store.run(
            lambda opened: {series: energies_since_midnight(opened, series, zone, at) for series, zone, at in unsettled}
        )
    except StoreError:
        return {}  # the writer reports it and buffers this poll, whose counters stay provisional
