"""The rows of a batch by table, as tuples in the order of the table's columns."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from heliograph.errors import StoreError
from heliograph.metrics import ENERGIES, METRICS
from heliograph.model import Quality, Status
from heliograph.store import event_schema, schema
from heliograph.store.counter_state import counter_state_text
from heliograph.store.events import clean, event_row, oddity_rows
from heliograph.store.measurements import measurement_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heliograph.store.base import Batch, Series, StoredSample
    from heliograph.store.sql_table import SqlTable

Rows = list[tuple[Any, ...]]


def batch_rows(
    batch: Batch, ids: Mapping[Series, int], layouts: Mapping[str, int]
) -> tuple[Rows, list[tuple[SqlTable, Rows]]]:
    """Return the values of an `UPDATE_SERIES` for each known name, and by table the rows to insert or merge.

    Raises `KeyError` for a series without id, or a layout without number.
    """
    series = []
    if batch.series_info:
        infos = sorted(batch.series_info, key=itemgetter(0))
        series = [(*map(_clean, one[1:-1]), one.peak_power, ids[one.series]) for one in infos]
    tables = [(table, rows_of(rows, ids)) for name, table, rows_of in _TABLES if (rows := getattr(batch, name))]
    if batch.measurements:
        tables.append((schema.MEASUREMENT_TABLE, measurement_rows(batch.measurements, ids, layouts)))
    return series, tables


def _sample_rows(samples: Sequence[StoredSample], ids: Mapping[Series, int]) -> Rows:
    try:
        return [
            (ids[series], measured_at, fetched_at, _TEXTS[quality], status and _TEXTS[status])
            # Twice as fast as merging, for a sample that has every metric.
            + (_every_metric(values) if len(values) == _METRIC_COUNT else _in_order(_NO_METRICS, values))
            for series, measured_at, fetched_at, quality, status, values in samples
        ]
    except KeyError:
        for one in samples:
            _in_order(_NO_METRICS, one.values)  # raises for the name that is no column
        raise


def _in_order(gaps: Mapping[str, None], values: Mapping[str, float | None]) -> tuple[float | None, ...]:
    """Return all values in the order of `gaps`, None for a gap; raises `StoreError` for a name that is not in it."""
    merged = {**gaps, **values}
    if len(merged) > len(gaps):
        raise StoreError(f"there is no column for {', '.join(sorted(merged.keys() - gaps.keys()))}")
    return tuple(merged.values())


def _clean(text: str | None) -> str | None:
    return text and clean(text)


_TEXTS = {one: str(one) for one in chain(Quality, Status)}  # plain texts: a database driver converts no subclass
_NO_METRICS, _NO_ENERGIES = dict.fromkeys(METRICS), dict.fromkeys(ENERGIES)
_METRIC_COUNT = len(METRICS)
_every_metric: Callable[[Mapping[str, float | None]], tuple[float | None, ...]] = itemgetter(*METRICS)
_TABLES: tuple[tuple[str, SqlTable, Callable[[Any, Mapping[Series, int]], Rows]], ...] = (
    ("samples", schema.SAMPLE_TABLE, _sample_rows),
    (
        "days",
        schema.DAY_TABLE,
        lambda days, ids: [
            (
                ids[one.series],
                one.day.isoformat(),
                one.written_at,
                str(one.quality),
                int(one.final),
                *_in_order(_NO_ENERGIES, one.values),
            )
            for one in days
        ],
    ),
    ("repairs", schema.REPAIR_TABLE, lambda repairs, ids: [(ids[one.series], *one[1:]) for one in repairs]),
    (
        "counters",
        schema.COUNTER_TABLE,
        lambda counters, ids: [(ids[series], counter_state_text(state)) for series, state in counters.items()],
    ),
    ("queries", schema.QUERY_TABLE, lambda queries, ids: [(ids[one.series], *one[1:]) for one in queries]),
    (
        "polls",
        schema.POLL_TABLE,
        lambda polls, ids: [(ids[one.series], *one[1:4], clean(one.reason), int(one.unconfirmed)) for one in polls],
    ),
    (
        "imports",
        schema.IMPORT_TABLE,
        lambda imports, ids: [
            (ids[one.series], one.id, one.imported_at, clean(one.source), one.undone_at) for one in imports
        ],
    ),
    (
        "imported",
        schema.IMPORTED_TABLE,
        lambda imported, ids: [(ids[one.series], one.day.isoformat(), *one[2:]) for one in imported],
    ),
    (
        "alarms",
        schema.ALARM_TABLE,
        lambda alarms, _: [(clean(key), at, *(text and clean(text) for text in texts)) for key, at, *texts in alarms],
    ),
    ("events", event_schema.EVENT_TABLE, lambda events, ids: [event_row(one, ids[one.series]) for one in events]),
    (
        "facts",
        event_schema.FACT_TABLE,
        lambda facts, ids: [(ids[one.series], one.name, clean(one.value), one.since) for one in facts],
    ),
    ("oddities", event_schema.ODDITY_TABLE, oddity_rows),
)
