"""Hours of samples in PostgreSQL: what charts and exports of whole hours need of days whose samples were archived."""

# ruff: noqa: S608 - every name in a statement is a constant of this module or of `metrics`
from __future__ import annotations

from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING

from heliograph.metrics import METRICS
from heliograph.store.schema import SELECT_SERIES_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from heliograph.store.base import Bucket

HOUR = 3600
_GAUGES = tuple(name for name, metric in METRICS.items() if metric.kind == "gauge")
# Counters never fall within a day: their highest value is the last one, and a mean says nothing.
_COLUMNS = {
    **{f"{name}_{kind}": "real" for name in _GAUGES for kind in ("mean", "low", "high")},
    **{f"{name}_high": "double precision" for name in METRICS if name not in _GAUGES},
}
_ADD_COLUMNS = ", ".join(f"ADD COLUMN IF NOT EXISTS {name} {kind}" for name, kind in _COLUMNS.items())
CREATE_HOURS = (
    """CREATE TABLE IF NOT EXISTS sample_hour (
        series integer NOT NULL, measured_at bigint NOT NULL, samples integer NOT NULL,
        PRIMARY KEY (series, measured_at)
    )""",
    f"ALTER TABLE sample_hour {_ADD_COLUMNS}",
)
"""Statements that create the table, or add the columns of metrics that are newer than it."""
HOURS_EXIST = "SELECT to_regclass('heliograph.sample_hour') IS NOT NULL"
_FUNCTIONS = {"mean": "avg", "low": "min", "high": "max"}
_AGGREGATES = ", ".join(
    f"{_FUNCTIONS[kind]}({name})" for name, _, kind in (column.rpartition("_") for column in _COLUMNS)
)
_OF_SERIES = f"WHERE series = ({SELECT_SERIES_ID}) AND measured_at >= ? AND measured_at < ?"
SELECT_HOUR_BOUNDS = f"SELECT min(measured_at), max(measured_at) FROM sample_hour {_OF_SERIES}"


def roll_up(table: str) -> str:
    """Return the statement that stores the hours of a table of samples, again if they are stored already.

    Its values are series whose hours do not begin with those of UTC, and by how many seconds theirs begin earlier. An
    hour that two days share is stored as two parts, because each day is rolled up by itself.
    """
    return f"""INSERT INTO sample_hour (series, measured_at, samples, {", ".join(_COLUMNS)})
        SELECT series, greatest(measured_at - mod(measured_at + coalesce(shift, 0), {HOUR}),
            measured_at - mod(measured_at, 86400)), count(*), {_AGGREGATES}
        FROM {table} LEFT JOIN unnest(%s::int[], %s::int[]) AS zone (of_series, shift) ON of_series = series
        GROUP BY 1, 2
        ON CONFLICT (series, measured_at) DO UPDATE SET samples = excluded.samples,
            {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)}"""


def select_hours(metrics: Sequence[str]) -> str:
    """Return a query like `schema.select_buckets`, of stored hours; counters have only their maximum."""
    columns = ", ".join(", ".join(_of_metric(name)) for name in metrics)
    return f"""SELECT (measured_at - ?) / ?, sum(samples)::bigint, {columns} FROM sample_hour {_OF_SERIES}
        GROUP BY 1 ORDER BY 1"""


def _of_metric(name: str) -> tuple[str, str, str]:
    if name not in _GAUGES:
        return "NULL", "NULL", f"max({name}_high)"
    mean = f"{name}_mean"
    weighted = f"sum({mean}::float8 * samples) / sum(samples) FILTER (WHERE {mean} IS NOT NULL)"
    return weighted, f"min({name}_low)::float8", f"max({name}_high)::float8"


def fuller_buckets(samples: Iterable[Bucket], hours: Iterable[Bucket]) -> Iterator[Bucket]:
    """Merge aggregates of samples and of stored hours, both in order of time: of the same interval, the fuller one.

    Both exist while a day is archived, for samples that came later, and where hours of a series begin at half past:
    of the one hour of which a part is archived, the mean is that of the part with more samples.
    """
    found = merge(samples, hours, key=lambda one: one.starts_at)
    for _, same in groupby(found, key=lambda one: one.starts_at):
        yield max(same, key=lambda one: one.size)
