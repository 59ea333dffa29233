"""What the store holds of the past as columns, ready for pandas, polars or whoever takes a dictionary of lists."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from heliograph.errors import ConfigError
from heliograph.metrics import ENERGIES, METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from heliograph.store.base import Series, SeriesInfo, Store

Resolution = Literal["5min", "hour", "day"]

SECONDS = {"5min": 300, "hour": 3600}
"""How long a stretch of the samples is."""
_DAYS = 400
"""Days read at once."""
_FOR_EVER = 1 << 40


class HistoryRow(NamedTuple):
    """What one plant did in one stretch of time, or on one day of its own calendar."""

    plant: StoredPlant
    start: date | datetime
    """A moment in UTC, or a day."""
    values: Sequence[float | None]
    """In the order of the metrics that were asked for."""
    final: bool = True
    """Whether nothing is expected to change it; of days only."""


class StoredPlant(NamedTuple):
    """One plant of the store."""

    series: Series
    name: str | None
    zone: tzinfo


class HistorySelection(NamedTuple):
    """Which part of the past: days of each plant's own calendar, both included."""

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
) -> dict[str, list[Any]]:
    """Return the stored past as equally long columns, oldest first, one plant after another.

    `plant` is the id or the name of one; all unless said. `since` and `until` are days of the plant's own calendar,
    both included. `store` is a path or a URL; the usual one unless said. Columns are:

    - `day` (`datetime.date`) at the resolution "day", else `time` (`datetime.datetime` in UTC, when the stretch
      begins);
    - `plant` (str), the plant's id;
    - one column of floats for each metric, None where nothing is known. At "day" these are energies in kWh
      (`pv_energy`, `grid_import_energy`, …). At "5min" and "hour" they are the metrics of `heliograph.metrics`:
      powers in W and states of charge in % are means, counters in kWh are what they last stood at.

    Metrics of which nothing at all is known are left out, unless `metrics` names them. Stretches without a sample, and
    days of which nothing is known, have no row. `pandas.DataFrame` and `polars.DataFrame` take the answer as it is.
    """
    from heliograph.local_time import parse_day  # noqa: PLC0415 - readings now need no calendar
    from heliograph.store import open_store  # noqa: PLC0415 - nor a store

    first, last = parse_day(since), parse_day(until)
    if first > last:
        raise ConfigError(f"since {first} comes after until {last}; give the earlier day first")
    names = check_metrics(metrics, resolution)
    where = default_store() if store is None else store
    with open_store(where, create=False) as opened:
        wanted = HistorySelection(stored_plants(opened, plant), first, last, resolution, names)
        found = list(rows(opened, wanted))
    starts = "day" if resolution == "day" else "time"
    table: dict[str, list[Any]] = {
        starts: [row.start for row in found],
        "plant": [row.plant.series.plant for row in found],
    }
    for place, name in enumerate(names):
        column = [row.values[place] for row in found]
        if metrics is not None or any(value is not None for value in column):
            table[name] = column
    return table


def default_store(config: Path | None = None) -> str:
    """Return where samples are kept, as the environment or the configuration says, or the usual file."""
    from heliograph.config import load  # noqa: PLC0415 - whoever names a store needs no configuration
    from heliograph.core.files import data_folder  # noqa: PLC0415

    return load(config, os.environ).store or str(data_folder(os.environ) / "heliograph.sqlite")


def names_at(resolution: str) -> tuple[str, ...]:
    """Return the metrics there are at a resolution."""
    if resolution != "day" and resolution not in SECONDS:
        raise ConfigError(f"a resolution is one of 5min, hour and day, not {resolution!r}")
    return ENERGIES if resolution == "day" else tuple(METRICS)


def check_metrics(metrics: Sequence[str] | None, resolution: str) -> tuple[str, ...]:
    """Return the metrics that are asked for, or all there are at a resolution."""
    there = names_at(resolution)
    for name in metrics or ():
        if name not in there:
            raise ConfigError(
                f"there is no metric {name!r} at the resolution {resolution}; there are {', '.join(there)}"
            )
    return there if metrics is None else tuple(dict.fromkeys(metrics))


def stored_plants(store: Store, plant: str | None = None) -> list[StoredPlant]:
    """Return the plants of a store, or the one of this id or name."""
    found = [one for one in store.series() if not one.series.device]
    if not found:
        raise ConfigError("the store holds no plant yet; run: heliograph collect, or heliograph backfill")
    chosen = [one for one in found if plant in (None, one.series.plant)] or [one for one in found if plant == one.name]
    if not chosen:
        there = ", ".join(f"{one.series.plant} ({one.name})" if one.name else one.series.plant for one in found)
        raise ConfigError(f"there is no plant {plant!r}; the plants are: {there}")
    return [_roof(one) for one in chosen]


def _roof(known: SeriesInfo) -> StoredPlant:
    from heliograph.local_time import zone_from_name  # noqa: PLC0415 - readings now need no collector

    return StoredPlant(known.series, known.name, zone_from_name(known.zone))


def rows(store: Store, wanted: HistorySelection) -> Iterator[HistoryRow]:
    """Yield the rows of one plant after another, oldest first, as a stream."""
    for roof in wanted.plants:
        yield from _days(store, roof, wanted) if wanted.resolution == "day" else _stretches(store, roof, wanted)


def _days(store: Store, roof: StoredPlant, wanted: HistorySelection) -> Iterator[HistoryRow]:
    first = wanted.first
    while True:
        last = min(wanted.last, first + timedelta(days=_DAYS)) if (wanted.last - first).days > _DAYS else wanted.last
        for day in store.days(roof.series, first, last, wanted.metrics):
            values = tuple(day.values[name] for name in wanted.metrics)
            if any(value is not None for value in values):
                yield HistoryRow(roof, day.day, values, day.final)
        if last == wanted.last:
            return
        first = last + timedelta(days=1)


def _stretches(store: Store, roof: StoredPlant, wanted: HistorySelection) -> Iterator[HistoryRow]:
    """Yield stretches counted from midnight, so that hours begin on the hour of the plant's wall.

    Counters never fall within a day, so that the highest is the last.
    """
    highest = [METRICS[name].kind != "gauge" for name in wanted.metrics]
    seconds = SECONDS[wanted.resolution]
    for start, end in _runs(store, roof, wanted, seconds):
        for one in store.buckets(roof.series, wanted.metrics, start, end, seconds):
            values = [high if top else mean for top, mean, high in zip(highest, one.mean, one.high, strict=True)]
            yield HistoryRow(roof, datetime.fromtimestamp(one.starts_at, UTC), values)


def _runs(store: Store, roof: StoredPlant, wanted: HistorySelection, seconds: int) -> Iterator[tuple[int, int]]:
    """Yield the wanted days that have samples as runs of days whose midnights are whole stretches apart.

    As a rule that is one; on Lord Howe Island, summer time begins half an hour early.
    """
    from heliograph.local_time import day_at, day_bounds, day_start  # noqa: PLC0415 - readings now need no collector

    last = min((day_at(one.measured_at, roof.zone) for one in store.latest(roof.series)), default=wanted.first)
    moment = next(store.sample_times(roof.series, day_start(wanted.first, roof.zone), _FOR_EVER), None)
    if moment is None:
        return
    first, last = day_at(moment, roof.zone), min(last, wanted.last)
    every = (first + timedelta(days=past) for past in range((last - first).days + 1))
    for _, run in groupby(every, lambda day: day_start(day, roof.zone) % seconds):
        days = list(run)
        yield day_bounds(days[0], roof.zone)[0], day_bounds(days[-1], roof.zone)[1]
