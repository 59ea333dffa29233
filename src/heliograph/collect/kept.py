"""What a store knows of each plant by now: how fresh its newest sample is, and how many are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.freshness import Freshness, freshness, sample_interval, usually_reporting
from heliograph.local_time import zone_from_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.store.base import SeriesInfo, Store

_ENDURING = ("battery_soc", "battery_power")
PATTERN_WINDOW = 14 * 24 * 3600
"""Seconds of the past that tell when a plant is usually heard."""
_FOR_EVER = 1 << 40


def has_battery(values: Mapping[str, float | None]) -> bool:
    """Tell whether this is what only a plant with a battery tells, which has something to tell at night."""
    return any(values.get(name) is not None for name in _ENDURING)


class PlantSummary(NamedTuple):
    """One plant, as far as the store knows it."""

    plant: SeriesInfo
    samples: int
    measured_at: int | None
    freshness: Freshness


def plant_summaries(store: Store, now: int) -> list[PlantSummary]:
    """Return every plant of a store."""
    return [_kept(store, one, now) for one in store.series() if not one.series.device]


def _kept(store: Store, plant: SeriesInfo, now: int) -> PlantSummary:
    (newest,) = store.latest(plant.series) or (None,)
    at = None if newest is None else newest.measured_at
    moments = list(store.sample_times(plant.series, now - PATTERN_WINDOW, now + 1))
    battery = newest is not None and has_battery(newest.values)
    up = usually_reporting(moments, now, zone_from_name(plant.zone))
    every = store.buckets(plant.series, (), 0, _FOR_EVER, _FOR_EVER)
    return PlantSummary(
        plant,
        sum(one.size for one in every),
        at,
        freshness(at, now, sample_interval(moments), up, has_battery=battery),
    )
