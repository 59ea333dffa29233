"""Reads the rows of a damaged SQLite store; each is recognised by its shape, checked, and otherwise left out."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from datetime import date
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any, get_args

from heliograph.metrics import ENERGIES, METRICS
from heliograph.model import EventKind, Quality, Status
from heliograph.store.base import (
    Batch,
    Day,
    HistorySpan,
    ImportBatch,
    ImportedEnergy,
    KnownFact,
    Oddity,
    QueryOutcome,
    QueryRecord,
    Repair,
    Series,
    SeriesInfo,
    StoredEvent,
    StoredMeasurements,
    StoredSample,
    UnreadableRow,
)
from heliograph.store.counter_state import parse_counter_state
from heliograph.store.measurements import measurements_from_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from heliograph.store.sqlite_pages import PageReader, Record, Value

_QUALITIES = {str(one): one for one in Quality}
_STATUSES: dict[Any, Status | None] = {None: None, **{str(one): one for one in Status}}
_SPANS, _OUTCOMES = get_args(HistorySpan), get_args(QueryOutcome)
_KINDS = frozenset(map(str, EventKind))
_LAST_TIME = 253_402_300_799
"""The end of the year 9999."""
_FEWEST_METRICS = 18
"""Metrics of a sample of the first version; later ones have more."""
_ROWS = 5000
"""Rows of a batch."""


class Salvage:
    """The rows of a damaged store; `unknown` counts those whose series is not readable any more."""

    def __init__(self, pages: PageReader) -> None:
        """Read the names of the series and of the columns."""
        self._pages = pages
        self.unknown = 0
        self._series: dict[int, Series] = {}
        self._infos: dict[Series, SeriesInfo] = {}
        self._layouts: dict[int, str] = {}
        self._metrics: Sequence[str] = tuple(METRICS)
        self._energies: Sequence[str] = tuple(ENERGIES)
        for record in pages.records():
            self._read_names(record)
        pages.unreadable = 0  # they are read again, and counted then

    @property
    def is_store(self) -> bool:
        """Whether the file was a store: at least one series is readable."""
        return bool(self._series)

    def batches(self) -> Iterator[Batch]:
        """Yield everything that is readable."""
        yield Batch(series_info=list(self._infos.values()))
        rows = (row for record in self._pages.records() if (row := self._row(record)) is not None)
        while some := list(islice(rows, _ROWS)):
            yield _batch(some)

    def _read_names(self, record: Record) -> None:
        match record.values:
            case (None, str(vendor), str(plant), str(device), *rest) if record.rowid is not None:
                series = Series(vendor, plant, device)
                self._series[record.rowid] = series
                known = (one if isinstance(one, str | float) else None for one in rest[: len(SeriesInfo._fields) - 1])
                self._infos[series] = SeriesInfo(series, *known)  # type: ignore[arg-type]
            case (str(vendor), str(plant), str(device), int(number)) if record.rowid is None:
                # The index of the series contains the same.
                self._series.setdefault(number, Series(vendor, plant, device))
            case (None, str(names)) if record.rowid is not None:
                self._layouts[record.rowid] = names
            case ("table", "sample", "sample", _, str(statement)):
                self._metrics = _names_in(statement, METRICS)
            case ("table", "day", "day", _, str(statement)):
                self._energies = _names_in(statement, ENERGIES)

    def _row(self, record: Record) -> Any:
        """Return the row of a record, or a series with the state of its counters; None if it is no plausible row."""
        number, *rest = record.values or (None,)
        if record.rowid is not None or not isinstance(number, int) or not rest:
            return None
        series = self._series.get(number)
        row = self._measurements(series, rest)
        if row is None:
            row = _parse(series or Series("", ""), rest, self._metrics, self._energies)
        if row is not None and series is None:
            self.unknown += 1
            return None
        return row

    def _measurements(self, series: Series | None, values: list[Value]) -> StoredMeasurements | None:
        match values:
            case (int(at), int(fetched_at), int(layout), str(contents)) if _is_time(at, fetched_at):
                rows = [(at, fetched_at, self._layouts.get(layout, ""), contents)]
                with suppress(UnreadableRow):
                    return measurements_from_rows(series or Series("", ""), rows)[0]
        return None


def _parse(series: Series, values: list[Value], metrics: Sequence[str], energies: Sequence[str]) -> Any:  # noqa: C901, PLR0911
    match values:
        case (int(at), int(fetched_at), str(quality), (str() | None) as status, *numbers) if (
            len(numbers) >= _FEWEST_METRICS and _is_time(at, fetched_at) and _are_numbers(numbers)
        ):
            # The values of a sample with a damaged quality are shown as past ones, never as live.
            found = {name: _plausible(name, value) for name, value in zip(metrics, numbers, strict=False)}
            return StoredSample(
                series, at, fetched_at, _QUALITIES.get(quality, Quality.BACKFILLED), _STATUSES.get(status), found
            )
        case (str(day), int(written_at), str(quality), 0 | 1 as final, *numbers) if (
            quality in _QUALITIES and _is_day(day) and _are_numbers(numbers)
        ):
            found = {name: _plausible(f"{name}_total", value) for name, value in zip(energies, numbers, strict=False)}
            return Day(series, date.fromisoformat(day), found, _QUALITIES[quality], bool(final), written_at)
        case (int(at), str(metric), raw, kept, str(reason)) if (
            metric in METRICS and _is_time(at) and _are_numbers([raw, kept])
        ):
            return Repair(series, at, metric, _float(raw), _float(kept), reason)
        case (str(day), str(energy), int() | float() as kwh, str(batch)) if (
            energy in ENERGIES and _is_day(day) and (found_kwh := _plausible(f"{energy}_total", kwh)) is not None
        ):
            return ImportedEnergy(series, date.fromisoformat(day), energy, found_kwh, batch)
        case (str(batch), int(imported_at), str(source), (int() | None) as undone_at) if _is_time(imported_at):
            return ImportBatch(series, batch, imported_at, source, undone_at)
        case (int(at), str(kind), str(code), int(seen_at), (int() | None) as ended_at, *texts) if (
            len(texts) == 3
            and all(isinstance(one, str | None) for one in texts)
            and kind in _KINDS
            and _is_time(at, seen_at, ended_at or 0)
        ):
            return StoredEvent(series, at, EventKind(kind), code, seen_at, ended_at, *(str(one or "") for one in texts))
        case (str(name), str(contents), int(since)) if _is_time(since):
            return KnownFact(series, name, contents, since)
        case (str(what), str(example), int(times), int(seen_at)) if _is_time(times, seen_at):
            return Oddity(series, what, example, times, seen_at)
        case (str(span), str(period), str(outcome), int(queried_at)) if (
            span in _SPANS and outcome in _OUTCOMES and _is_time(queried_at)
        ):
            return QueryRecord(series, span, period, outcome, queried_at)  # type: ignore[arg-type]
        case (str(text),):
            state = parse_counter_state(text)
            return None if state is None else (series, state)
    return None


def _batch(rows: Iterable[Any]) -> Batch:
    kinds: dict[type, list[Any]] = defaultdict(list)
    for row in rows:
        kinds[type(row)].append(row)
    return Batch(
        samples=kinds[StoredSample],
        measurements=kinds[StoredMeasurements],
        days=kinds[Day],
        repairs=kinds[Repair],
        queries=kinds[QueryRecord],
        counters=dict(kinds[tuple]),
        imports=kinds[ImportBatch],
        imported=kinds[ImportedEnergy],
        events=kinds[StoredEvent],
        facts=kinds[KnownFact],
        oddities=kinds[Oddity],
    )


def _names_in(statement: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the columns of a CREATE TABLE statement that are known, in their order.

    All known columns, in the order of their declaration, if one is missing: its name is damaged, not its place.
    """
    names = tuple(known)
    found = tuple(word for word in re.findall(r"\w+", statement, re.ASCII) if word in names)
    return found if len(found) == len(names) else names


def _is_time(*moments: int) -> bool:
    return all(0 <= moment <= _LAST_TIME for moment in moments)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _are_numbers(values: Iterable[Value]) -> bool:
    return all(value is None or isinstance(value, int | float) for value in values)


def _float(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def _plausible(metric: str, value: Value) -> float | None:
    """Return a value within the range of its metric; another one is a gap."""
    number, limits = _float(value), METRICS.get(metric)
    if number is None or (limits is not None and not limits.minimum <= number <= limits.maximum):
        return None
    return number
