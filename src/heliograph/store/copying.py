"""Copying a store: all its data as batches, or the part that a recovery file needs to continue it."""

from __future__ import annotations

from datetime import date
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from heliograph.errors import StoreError
from heliograph.store.base import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heliograph.store.base import HistorySpan, QueryRecord, Series, SeriesInfo, Store

_T = TypeVar("_T")

RECENT_SECONDS = 2 * 24 * 3600
"""Seconds of samples before the newest one that a recovery file begins with."""
_ROWS = 5000
"""Rows of a batch."""
_EVER = 1 << 48
_SPANS: tuple[HistorySpan, ...] = ("curve", "days", "months", "years")


def all_batches(store: Store) -> Iterator[Batch]:
    """Yield everything that a store contains, but for its readers' positions; raises `StoreError`."""
    for info in store.series():
        series = info.series
        yield _batch_of_series(store, info)
        yield Batch(queries=_queries(store, series), days=store.days(series, date.min, date.max))
        yield Batch(repairs=store.repairs(series, -_EVER, _EVER), imported=list(store.imported(series)))
        samples = store.samples(series, -_EVER, _EVER)
        while rows := list(islice(samples, _ROWS)):
            yield Batch(samples=rows)
        measured = store.measurements(series, -_EVER, _EVER)
        while some := list(islice(measured, _ROWS)):
            yield Batch(measurements=some)
    yield _polls(store)
    yield _imports(store)
    yield _events(store)


def recent_batches(store: Store) -> Iterator[Batch]:
    """Yield what the collector needs to continue a damaged store, as far as it can be read.

    That is all but old samples and rejected values: the counters, the days, and which past periods were queried, so
    that nothing is fetched twice.
    """
    parts: tuple[Callable[[Store, SeriesInfo], Batch], ...] = (
        _batch_of_series,
        lambda store, info: Batch(queries=_queries(store, info.series)),
        lambda store, info: Batch(days=store.days(info.series, date.min, date.max)),
        lambda store, info: Batch(imported=list(store.imported(info.series))),
        lambda store, info: _recent_samples(store, info.series),
    )
    for info in readable(store.series) or ():
        for part in parts:
            batch = readable(partial(part, store, info))
            if batch is not None:
                yield batch
    for rest in (_polls, _imports, _events):
        if (batch := readable(partial(rest, store))) is not None:
            yield batch


def readable(read: Callable[[], _T]) -> _T | None:
    """Return what can be read; None if this part of the file is damaged, as the next may not be."""
    try:
        return read()
    except StoreError:
        return None


def _batch_of_series(store: Store, info: SeriesInfo) -> Batch:
    state = store.counters(info.series)
    return Batch(series_info=[info], counters={info.series: state} if state else {})


def _polls(store: Store) -> Batch:
    return Batch(polls=list(store.poll_statuses().values()), alarms=store.alarms())


def _imports(store: Store) -> Batch:
    return Batch(imports=[one.batch for one in store.imports()])


def _events(store: Store) -> Batch:
    return Batch(events=store.events(-_EVER, _EVER, limit=_EVER), facts=store.facts(), oddities=store.oddities())


def _queries(store: Store, series: Series) -> list[QueryRecord]:
    return [record for span in _SPANS for record in store.queries(series, span).values()]


def _recent_samples(store: Store, series: Series) -> Batch:
    newest = store.latest(series)
    since = newest[0].measured_at - RECENT_SECONDS if newest else _EVER
    return Batch(samples=list(store.samples(series, since, _EVER)))
