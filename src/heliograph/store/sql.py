"""The store operations shared by all SQL engines; an engine adds connection, transactions and bulk inserts."""

from __future__ import annotations

import logging
from abc import abstractmethod
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self, TypeVar

from heliograph.core.garbage import garbage_collection_paused
from heliograph.errors import StoreError
from heliograph.eventlog import LogEvent
from heliograph.metrics import ENERGIES, METRICS
from heliograph.store import schema
from heliograph.store.base import (
    AlarmRow,
    Bucket,
    Day,
    PollStatus,
    QueryRecord,
    Repair,
    Series,
    SeriesChange,
    SeriesInfo,
    StoredSample,
)
from heliograph.store.batch_rows import batch_rows
from heliograph.store.counter_state import parse_counter_state
from heliograph.store.events import EventStore
from heliograph.store.imports import ImportStore
from heliograph.store.measurements import measured_at
from heliograph.store.rows import days_from_rows, queries_from_rows, samples_from_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date
    from pathlib import Path

    from heliograph.store.base import Batch, HistorySpan
    from heliograph.store.rows import Build, Rows
    from heliograph.store.sql_table import SqlTable

LOCK_TIMEOUT = 5.0
"""Seconds to wait for another writer."""
CLAIM_TIMEOUT = 2.0
"""Seconds a collector waits for the claim: a command that stores one reading holds it for milliseconds."""
ALREADY_COLLECTING = "another collector is already using it; stop that one, or use another store with --store"
READER_LIFETIME = 30 * 24 * 3600
"""Seconds after which a reader that saves no position is removed, with the changes recorded for it."""
_PAGE = 4096
"""Rows or intervals per page of a stream, which bounds its memory; no cursor is open between pages."""

_MANY_SAMPLES = 500
"""Samples of a batch from which a pause of the garbage collector saves more time than it takes."""

_NAMES = tuple(METRICS)

_of = attrgetter("series")

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class SqlStore(ImportStore, EventStore):
    """An SQL store; see `Store` for the contract of its methods."""

    def __init__(self) -> None:
        super().__init__()
        self._ids: dict[Series, int] = {}

    @property
    def damaged_file(self) -> Path | None:
        """The damaged file whose recovery file is in use; a database server has none."""
        return None

    # Provided by an engine.

    @abstractmethod
    def _run_locked(self, work: Callable[[], _T]) -> _T:
        """Run a function while holding the thread lock; database errors become `StoreError`."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[None]:
        """Commit everything that is done inside, or nothing."""

    @abstractmethod
    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""

    @abstractmethod
    def _upsert_rows(self, table: SqlTable, rows: list[tuple[Any, ...]]) -> None:
        """Insert these rows, or merge each with the row of the same key."""

    @abstractmethod
    def _lock_change_numbers(self) -> None:
        """Prevent other writers from numbering changes until this transaction ends."""

    @abstractmethod
    def _schema_version(self) -> int:
        """Return the schema version, 0 for an empty database."""

    @abstractmethod
    def _set_schema_version(self, number: int) -> None:
        """Save the schema version."""

    @abstractmethod
    def _column_names(self, table: str) -> list[str]:
        """Return the column names of a table."""

    @abstractmethod
    def size_bytes(self) -> int:
        """Return the size of the store."""

    @abstractmethod
    def claim(self, accounts: Sequence[str]) -> None:
        """Lock these accounts for this collector until the store is closed."""

    @abstractmethod
    def close(self) -> None:
        """Close the file or connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Schema.

    def _migrate(self, **words: str) -> None:
        """Update the schema; a current one needs no lock."""
        if self._schema_version() == len(schema.MIGRATIONS) and not self._missing():
            return
        with self._transaction():
            version = self._schema_version()
            if version > len(schema.MIGRATIONS):
                versions = f"schema {version}, and this one supports {len(schema.MIGRATIONS)}"
                raise StoreError(f"a newer heliograph wrote it ({versions}): update heliograph")
            for step in schema.MIGRATIONS[version:]:
                for statement in step:
                    self._run(statement.format(**words))
            self._set_schema_version(len(schema.MIGRATIONS))
            for statement in self._missing():
                self._run(statement)

    def _missing(self) -> list[str]:
        tables = (schema.SAMPLE_TABLE, schema.DAY_TABLE)
        return [one for table in tables for one in schema.add_missing_columns(table, self._column_names(table.name))]

    # Writing.

    def write(self, batch: Batch) -> None:
        """Store a batch in one transaction."""
        self._run_locked(lambda: self._write(batch))

    def _write(self, batch: Batch) -> None:
        with self._transaction():
            if len(batch.samples) < _MANY_SAMPLES:
                ids, layouts = self._write_rows(batch)
            else:
                with garbage_collection_paused:
                    ids, layouts = self._write_rows(batch)
        self._ids, self._layouts = ids, layouts  # after the commit: a rollback removes new rows

    def _write_rows(self, batch: Batch) -> tuple[dict[Series, int], dict[str, int]]:
        """Write a batch inside a transaction; return the ids of the series, and the numbers of the layouts."""
        ids, layouts = self._ids, self._layouts
        try:
            infos, tables = batch_rows(batch, ids, layouts)
        except KeyError:  # a series or layout that this program has not written yet
            ids, layouts = ids | self._new_ids(batch), layouts | self._new_layouts(batch.measurements)
            infos, tables = batch_rows(batch, ids, layouts)
        for values in infos:
            self._run(schema.UPDATE_SERIES, values)
        for table, rows in tables:
            self._upsert_rows(table, rows)
        self._record_changes(batch, ids)
        return ids, layouts

    def _record_changes(self, batch: Batch, ids: Mapping[Series, int]) -> None:
        """Record the changes if there is a reader; last, because other writers may wait for the lock."""
        if not batch.samples or not self._run(schema.SELECT_ANY_READER):
            return
        spans: dict[Series, tuple[int, int]] = {}
        for one in batch.samples:
            since, until = spans.get(one.series, (one.measured_at, one.measured_at))
            spans[one.series] = min(since, one.measured_at), max(until, one.measured_at)
        self._add_changes([(ids[series], *span) for series, span in sorted(spans.items())])

    def _add_changes(self, rows: Sequence[tuple[int, int, int]]) -> None:
        """Record the series and time range of each change, inside a transaction."""
        self._lock_change_numbers()
        for row in rows:
            self._run(schema.INSERT_CHANGE, row)

    def _new_ids(self, batch: Batch) -> dict[Series, int]:
        of_all = (batch.samples, batch.measurements, batch.days, batch.repairs, batch.queries)
        more = (batch.series_info, batch.polls, batch.imports, batch.imported)
        noticed = (batch.events, batch.facts, batch.oddities)
        new = set(map(_of, chain.from_iterable(of_all + more + noticed))).union(batch.counters) - self._ids.keys()
        found = {}
        for series in sorted(new):
            self._run(schema.INSERT_SERIES, series)
            found[series] = self._run(schema.SELECT_SERIES_ID, series)[0][0]
        return found

    # Reading.

    def _read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._run_locked(lambda: self._run(statement, values))

    def _read_as(self, build: Build[_T], statement: str, values: Sequence[Any]) -> list[_T]:
        """Return what `build` makes of the rows of a query."""
        return build(self._read(statement, values))

    def _stream(self, build: Build[_T], time_of: Callable[[_T], int], statement: str, *period: Any) -> Iterator[_T]:
        """Stream what `build` makes of the rows of a series in a period; `time_of` returns the time of an item."""
        return chain.from_iterable(self._pages(build, time_of, statement, *period))

    def _pages(
        self, build: Build[_T], time_of: Callable[[_T], int], statement: str, series: Series, since: int, until: int
    ) -> Iterator[list[_T]]:
        while True:
            page = self._read_as(build, statement, (*series, since, until, _PAGE))
            yield page
            if len(page) < _PAGE:
                return
            since = time_of(page[-1]) + 1

    def series(self) -> tuple[SeriesInfo, ...]:
        """Return all series."""
        return tuple(
            sorted((SeriesInfo(Series(*row[:3]), *row[3:]) for row in self._read(schema.SELECT_SERIES)), key=_of)
        )

    def latest(self, series: Series | None = None) -> tuple[StoredSample, ...]:
        """Return the newest sample of this series, or of each."""
        if series is not None:
            return tuple(samples_from_rows(series, _NAMES, self._read(schema.SELECT_LATEST, series)))
        rows = self._read(schema.SELECT_LATEST_OF_ALL)
        found = (one for row in rows for one in samples_from_rows(Series(*row[:3]), _NAMES, [row[3:]]))
        return tuple(sorted(found, key=_of))

    def samples(
        self, series: Series, since: int, until: int, metrics: Sequence[str] | None = None
    ) -> Iterator[StoredSample]:
        """Stream the samples, oldest first, with these metrics, default: all."""
        names = _NAMES if metrics is None else tuple(metrics)
        build = partial(samples_from_rows, series, names)
        return self._stream(build, measured_at, schema.select_samples(names), series, since, until)

    def sample_times(self, series: Series, since: int, until: int) -> Iterator[int]:
        """Stream the times of the samples, oldest first."""
        return self._stream(_first_column, int, schema.SELECT_SAMPLE_TIMES, series, since, until)

    def count(self, series: Series) -> int:
        """Return the number of samples of a series."""
        return int(self._read(schema.COUNT_SAMPLES, series)[0][0])

    def buckets(self, series: Series, metrics: Sequence[str], since: int, until: int, seconds: int) -> Iterator[Bucket]:
        """Stream aggregates of intervals of `seconds`, counted from `since`; empty intervals are omitted."""
        return self._buckets(schema.SELECT_BOUNDS, schema.select_buckets(metrics), series, since, until, seconds)

    def _buckets(self, bounds: str, rows: str, *of: Any) -> Iterator[Bucket]:
        series, since, until, seconds = of
        ((first, last),) = self._read(bounds, (*series, since, until))
        if first is None:
            return
        for start in range(first - (first - since) % seconds, last + 1, _PAGE * seconds):
            end = min(start + _PAGE * seconds, until)
            for number, size, *values in self._read(rows, (start, seconds, *series, start, end)):
                mean, low, high = (tuple(values[place::3]) for place in range(3))
                yield Bucket(start + number * seconds, size, mean, low, high)

    def days(self, series: Series, first: date, last: date, energies: Sequence[str] | None = None) -> tuple[Day, ...]:
        """Return the days from `first` to `last`, both included, with these energies, default: all."""
        names = ENERGIES if energies is None else tuple(energies)
        period = (*series, first.isoformat(), last.isoformat())
        return tuple(self._read_as(partial(days_from_rows, series, names), schema.select_days(names), period))

    def repairs(self, series: Series, since: int, until: int) -> tuple[Repair, ...]:
        """Return the rejected values, oldest first."""
        return tuple(Repair(series, *row) for row in self._read(schema.SELECT_REPAIRS, (*series, since, until)))

    def counters(self, series: Series) -> Mapping[str, Any]:
        """Return the state of the energy counters; empty before the first sample, and if it is damaged."""
        for (text,) in self._read(schema.SELECT_COUNTER_STATE, series):
            state = parse_counter_state(text)
            if state is not None:
                return state
            _log.warning(LogEvent("counters.reset", series="/".join(filter(None, series)), why="the state is damaged"))
        return {}

    def poll_statuses(self, plants: Collection[Series] | None = None) -> Mapping[Series, PollStatus]:
        """Return when these or all plants were polled and will be."""
        if plants is None:
            rows = self._read(schema.SELECT_POLLS)
        else:
            rows = list(chain.from_iterable(self._read(schema.SELECT_POLL, one) for one in plants))
        polls = (PollStatus(Series(*row[:3]), row[3], row[4], row[5], row[6], row[7] == 1) for row in rows)
        return {one.series: one for one in polls}

    def alarms(self) -> tuple[AlarmRow, ...]:
        """Return all alarms."""
        return tuple(AlarmRow(*row) for row in self._read(schema.SELECT_ALARMS))

    def changes(self, after: int, limit: int = 1000) -> tuple[SeriesChange, ...]:
        """Return the changes with a number above `after`, oldest first."""
        rows = self._read(schema.SELECT_CHANGES, (after, limit))
        return tuple(SeriesChange(row[0], Series(*row[1:4]), *row[4:]) for row in rows)

    def newest_change(self) -> int:
        """Return the number of the newest change."""
        return int(self._read(schema.SELECT_NEWEST_CHANGE)[0][0])

    def reader_position(self, name: str) -> int | None:
        """Return the number of the last change a reader has processed."""
        for (number,) in self._read(schema.SELECT_READER, (name,)):
            return int(number)
        return None

    def save_reader_position(self, name: str, number: int, now: int) -> None:
        """Save a reader's position, and delete the changes that every reader has processed."""

        def save() -> None:
            with self._transaction():
                self._run(schema.DELETE_STALE_READERS, (now - READER_LIFETIME,))
                self._run(schema.UPSERT_READER, (name, number, now))
                self._run(schema.DELETE_CONSUMED_CHANGES)

        self._run_locked(save)

    def queries(self, series: Series, span: HistorySpan) -> Mapping[str, QueryRecord]:
        """Return the history queries by period."""
        return queries_from_rows(series, span, self._read(schema.SELECT_QUERIES, (*series, span)))


def _first_column(rows: Rows) -> list[Any]:
    return [row[0] for row in rows]
