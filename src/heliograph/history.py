"""History reader: stored data as columns for pandas, polars and other consumers of a dictionary of lists."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from math import fsum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from heliograph.collect.counters.repair import is_provisional_day
from heliograph.config import load
from heliograph.core.files import data_folder
from heliograph.errors import ConfigError
from heliograph.local_time import day_at, day_bounds, day_start, parse_day, zone_from_name
from heliograph.metrics import ENERGIES, METRICS
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from heliograph.store.base import Series, Store

Resolution = Literal["5min", "hour", "day"]

SECONDS = {"5min": 300, "hour": 3600}
"""Seconds of an interval at each resolution."""
_DAYS = 400
"""Days per read."""
_MAX_TIME = 253_370_764_800
"""The year 9999: no calendar has a day for samples after it."""


class HistoryRow(NamedTuple):
    """The values of one plant in one interval, or on one day of plant local time."""

    plant: StoredPlant
    start: date | datetime
    """A time in UTC, or a day."""
    values: Sequence[float | str | None]
    """In the order of the selected metrics; texts are device metrics."""
    final: bool = True
    """Whether no change is expected; for days only."""
    provisional: frozenset[str] = frozenset()
    """The energies of a day that no second reading has confirmed."""


class StoredPlant(NamedTuple):
    """A plant of the store, or a device of one."""

    series: Series
    name: str | None
    zone: tzinfo


class HistorySelection(NamedTuple):
    """Selected plants, metrics and days; days are in plant local time, both included."""

    plants: Sequence[StoredPlant]
    first: date
    last: date
    resolution: str
    metrics: Sequence[str]


def read_history(
    plant: str | None = None,
    *,
    since: date | str,
    until: date | str,
    resolution: Resolution = "day",
    store: str | Path | None = None,
    metrics: Sequence[str] | None = None,
    devices: bool = False,
) -> dict[str, list[Any]]:
    """Return stored data as columns of equal length, oldest first, one plant after another.

    `plant` is an id or name (default: all plants). `since` and `until` are days in plant local time, both included.
    `store` is a path or URL (default: the configured store). Columns are:

    - `day` (`datetime.date`) at the resolution "day", else `time` (`datetime.datetime` in UTC, the start of the
      interval);
    - `plant` (str), the plant's id;
    - one column of floats for each metric, None for a gap. At "day" these are energies in kWh
      (`pv_energy`, `grid_import_energy`, …). At "5min" and "hour" they are the metrics of `heliograph.metrics`:
      powers in W and states of charge in % are averages, counters in kWh their last value.

    With `devices`, the rows are those of each device instead, with a column `device` and device metrics: at "5min" and
    "hour", gauges are averages, counters and texts their last value.

    Metrics without any value are omitted, unless listed in `metrics`. Intervals without a sample and days without data
    have no row. `pandas.DataFrame` and `polars.DataFrame` accept the result.
    """
    first, last = parse_day(since), parse_day(until)
    if first > last:
        raise ConfigError(f"since {first} comes after until {last}; give the earlier day first")
    names = check_metrics(metrics, resolution, devices=devices)
    with open_store(default_store() if store is None else store, create=False) as opened:
        plants = stored_plants(opened, plant)
        if devices:
            plants = stored_devices(opened, plants)
            names = names if metrics is not None else measured_names(opened, plants)
        selection = HistorySelection(plants, first, last, resolution, names)
        found = list(rows(opened, selection))
    time_column = "day" if resolution == "day" else "time"
    table: dict[str, list[Any]] = {
        time_column: [row.start for row in found],
        "plant": [row.plant.series.plant for row in found],
        **({"device": [row.plant.series.device for row in found]} if devices else {}),
    }
    for index, name in enumerate(names):
        column = [row.values[index] for row in found]
        if metrics is not None or any(value is not None for value in column):
            table[name] = column
    return table


def default_store(config: Path | None = None) -> str:
    """Return the location of the store: from the environment, the configuration, or the default file."""
    return load(config, os.environ).store or str(data_folder(os.environ) / "heliograph.sqlite")


def check_metrics(metrics: Sequence[str] | None, resolution: str, *, devices: bool = False) -> tuple[str, ...]:
    """Return the selected metrics, or all metrics of a resolution; raise an error for an unknown one."""
    if devices and resolution == "day":
        raise ConfigError("device metrics have the resolutions 5min and hour; there are no days of them")
    if resolution != "day" and resolution not in SECONDS:
        raise ConfigError(f"a resolution is one of 5min, hour and day, not {resolution!r}")
    known = ENERGIES if resolution == "day" else tuple(DEVICE_METRICS) if devices else tuple(METRICS)
    for name in metrics or ():
        if name not in known:
            raise ConfigError(
                f"there is no metric {name!r} at the resolution {resolution}; there are {', '.join(known[:60])}"
            )
    return known if metrics is None else tuple(dict.fromkeys(metrics))


def stored_plants(store: Store, plant: str | None = None) -> list[StoredPlant]:
    """Return the plants of a store, or the one with this id or name."""
    plants = [info for info in store.series() if not info.series.device]
    if not plants:
        raise ConfigError("the store contains no plant yet; run: heliograph collect, or heliograph backfill")
    selected = [info for info in plants if plant in (None, info.series.plant)]
    selected = selected or [info for info in plants if plant == info.name]
    if not selected:
        known = ", ".join(f"{info.series.plant} ({info.name})" if info.name else info.series.plant for info in plants)
        raise ConfigError(f"there is no plant {plant!r}; the plants are: {known}")
    return [StoredPlant(info.series, info.name, zone_from_name(info.zone)) for info in selected]


def stored_devices(store: Store, plants: Sequence[StoredPlant]) -> list[StoredPlant]:
    """Return the devices of these plants."""
    zones = {plant.series: plant.zone for plant in plants}
    found = [info for info in store.series() if info.series.device and info.series._replace(device="") in zones]
    return [StoredPlant(info.series, info.name, zones[info.series._replace(device="")]) for info in found]


def measured_names(store: Store, devices: Sequence[StoredPlant]) -> tuple[str, ...]:
    """Return the device metrics that these devices report now, in the order in which they are shown."""
    reported = {name for device in devices for row in store.latest_measurements(device.series) for name in row.values}
    return tuple(name for name in DEVICE_METRICS if name in reported)


def rows(store: Store, selection: HistorySelection) -> Iterator[HistoryRow]:
    """Stream the rows of one plant after another, oldest first."""
    plant_rows = _day_rows if selection.resolution == "day" else _interval_rows
    for plant in selection.plants:
        yield from (_device_rows if plant.series.device else plant_rows)(store, plant, selection)


def _day_rows(store: Store, plant: StoredPlant, selection: HistorySelection) -> Iterator[HistoryRow]:
    first, state = selection.first, store.counters(plant.series)
    while True:
        few = (selection.last - first).days <= _DAYS
        last = selection.last if few else first + timedelta(days=_DAYS)
        for day in store.known_days(plant.series, first, last, selection.metrics):
            values = tuple(day.values[name] for name in selection.metrics)
            if any(value is not None for value in values):
                names = () if day.final else selection.metrics
                unsure = frozenset(name for name in names if is_provisional_day(state, day.day, name))
                yield HistoryRow(plant, day.day, values, day.final, unsure)
        if last == selection.last:
            return
        first = last + timedelta(days=1)


def _interval_rows(store: Store, plant: StoredPlant, selection: HistorySelection) -> Iterator[HistoryRow]:
    """Yield intervals counted from midnight, so that hours begin on the hour in plant local time.

    Counters never fall within a day, so the highest value is the last one.
    """
    counters = [METRICS[name].kind != "gauge" for name in selection.metrics]
    seconds = SECONDS[selection.resolution]
    for start, end in _runs(store, plant, selection, seconds):
        for bucket in store.buckets(plant.series, selection.metrics, start, end, seconds):
            values = [
                high if counter else mean
                for counter, mean, high in zip(counters, bucket.mean, bucket.high, strict=True)
            ]
            yield HistoryRow(plant, datetime.fromtimestamp(bucket.starts_at, UTC), values)


def _device_rows(store: Store, device: StoredPlant, selection: HistorySelection) -> Iterator[HistoryRow]:
    """Yield intervals of a device: means of its gauges, the last value of its counters and texts."""
    seconds = SECONDS[selection.resolution]
    for start, end in _runs(store, device, selection, seconds):
        measured = store.measurements(device.series, start, end)
        for number, group in groupby(measured, lambda row: (row.measured_at - start) // seconds):  # noqa: B023 - used at once
            members = list(group)
            values = [_interval_value(name, [row.values.get(name) for row in members]) for name in selection.metrics]
            if any(value is not None for value in values):
                yield HistoryRow(device, datetime.fromtimestamp(start + number * seconds, UTC), values)


def _interval_value(name: str, column: Sequence[float | str | None]) -> float | str | None:
    known = [value for value in column if value is not None]
    if not known:
        return None
    numbers = [value for value in known if isinstance(value, float)]
    return fsum(numbers) / len(numbers) if numbers and DEVICE_METRICS[name].kind == "gauge" else known[-1]


def _runs(store: Store, plant: StoredPlant, selection: HistorySelection, seconds: int) -> Iterator[tuple[int, int]]:
    """Yield the selected days with samples as runs of days whose midnights are whole intervals apart.

    Usually that is one run; on Lord Howe Island, daylight saving time shifts by half an hour.
    """
    newest = [day_at(sample.measured_at, plant.zone) for sample in store.latest(plant.series)]
    last = min(newest, default=selection.first)
    first_sample = next(store.sample_times(plant.series, day_start(selection.first, plant.zone), _MAX_TIME), None)
    if first_sample is None:
        return
    first, last = day_at(first_sample, plant.zone), min(last, selection.last)
    days_with_samples = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    for _, run in groupby(days_with_samples, lambda day: day_start(day, plant.zone) % seconds):
        days = list(run)
        yield day_bounds(days[0], plant.zone)[0], day_bounds(days[-1], plant.zone)[1]
