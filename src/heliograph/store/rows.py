"""Samples and days from the rows of a query; a value that no version writes raises `UnreadableRow`.

The functions that build a row are generated for the selected names, because a dict display is three times as fast as
`dict(zip(names, values))`, and rows are built by one comprehension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, get_args

from heliograph.core.garbage import garbage_collection_paused
from heliograph.model import Quality, Status
from heliograph.store.base import Day, QueryOutcome, QueryRecord, StoredSample, UnreadableRow
from heliograph.store.recovery import ROW_ADVICE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heliograph.store.base import HistorySpan, Series

_T = TypeVar("_T")

Rows = Sequence[Sequence[Any]]
Build = Callable[[Rows], list[_T]]
"""A function that makes items of the rows of a query."""

_STATES: dict[str | None, tuple[Quality, Status | None]] = {
    f"{quality} {status or ''}": (quality, status) for quality in Quality for status in (None, *Status)
}
_STATES[None] = Quality.LIVE, Status.ONLINE

_DAY_STATES = {f"{quality}{suffix}": (quality, suffix != "") for quality in Quality for suffix in ("", " final")}
_DAY_STATES[""] = Quality.LIVE, True


class _DatedStates(dict[str, tuple[date, Quality, bool]]):
    """Date, quality and whether it is final by `schema.DAY`; a lookup is three times as fast as parsing."""

    def __missing__(self, text: Any) -> tuple[date, Quality, bool]:
        day, _, state = str(text).partition(" ")
        try:
            found = self[text] = (date.fromisoformat(day), *_DAY_STATES[state])
        except ValueError:
            raise UnreadableRow(f"the store contains a day that is none: {day!r}; {ROW_ADVICE}") from None
        return found


_DATED_STATES = _DatedStates()


def samples_from_rows(series: Series, names: Sequence[str], rows: Rows) -> list[StoredSample]:
    """Return the samples of a series from rows of time, time fetched, `schema.SAMPLE_STATE` and values."""
    return _build(_sample_builders(tuple(names)), series, rows)


def days_from_rows(series: Series, names: Sequence[str], rows: Rows) -> list[Day]:
    """Return the days of a series from rows of `schema.DAY`, time written and values."""
    return _build(_day_builders(tuple(names)), series, rows)


def queries_from_rows(
    series: Series, span: HistorySpan, rows: Sequence[tuple[str, QueryOutcome, int]]
) -> dict[str, QueryRecord]:
    """Return the history queries of a series by period, from rows of period, outcome and time."""
    found = {}
    for period, outcome, asked_at in rows:
        if outcome not in _OUTCOMES or not isinstance(asked_at, int):
            raise UnreadableRow(f"the store contains an unreadable history query: {outcome!r:.40}; {ROW_ADVICE}")
        found[period] = QueryRecord(series, span, period, outcome, asked_at)
    return found


_OUTCOMES = frozenset(get_args(QueryOutcome))


def _build(builders: Builders[_T], series: Series, rows: Rows) -> list[_T]:
    try:
        with garbage_collection_paused:
            try:
                return builders.complete(series, rows)
            except TypeError:  # there is a gap, or a value that is no number
                _check_numbers(rows, builders.first_value)
                return builders.any(series, rows)
    except KeyError as error:
        (words,) = error.args
        raise UnreadableRow(
            f"the store contains a value that this version does not know: {words!r}; {ROW_ADVICE}"
        ) from None


def _check_numbers(rows: Rows, first: int) -> None:
    """Check that the values from `first` on are numbers or gaps: SQLite accepts a text from another program."""
    for column in list(zip(*rows, strict=True))[first:]:
        try:
            sum(column, 0.0)  # a third of the time of looking at each type; counting gaps takes an eighth
        except TypeError:
            if column.count(None) == len(column) or _are_numbers(column):
                continue
            values = next(row[first:] for row in rows if not _are_numbers(row[first:]))
            raise UnreadableRow(
                f"the store contains a value that is no number: {[*values]!r:.80}; {ROW_ADVICE}"
            ) from None


def _are_numbers(values: Iterable[Any]) -> bool:
    return _NUMBERS.issuperset(map(type, values))


_NUMBERS = frozenset({float, type(None)})


class Builders(NamedTuple, Generic[_T]):
    """Two functions that build rows of a series."""

    complete: Callable[[Series, Rows], list[_T]]
    """For rows with a number for every value: adds them up, so that it raises `TypeError` for anything else."""
    any: Callable[[Series, Rows], list[_T]]
    """For rows whose values were checked."""
    first_value: int
    """The place of the first value in a row."""


@cache
def _sample_builders(names: tuple[str, ...]) -> Builders[StoredSample]:
    return _builders(
        names,
        "at, fetched_at, state",
        "new(row_type, (series, at, fetched_at, quality, status, values))",
        "quality, status",
        row_type=StoredSample,
        states=_STATES,
    )


@cache
def _day_builders(names: tuple[str, ...]) -> Builders[Day]:
    return _builders(
        names,
        "state, written_at",
        "new(row_type, (series, day, values, quality, final, written_at, nothing))",
        "day, quality, final",
        row_type=Day,
        states=_DATED_STATES,
        nothing=frozenset(),
    )


def _builders(names: tuple[str, ...], columns: str, row: str, state: str, **constants: Any) -> Builders[Any]:
    """Return the functions that build rows.

    `row` is the expression of one, with its values by name as `values`; `state` names the parts of its state.
    """
    if len(names) < _SHARED_KEYS_FROM:
        places = [f"value_{place}" for place in range(len(names))]
        values = f"{{{', '.join(f'{name!r}: {place}' for name, place in zip(names, places, strict=True))}}}"
        each = f"for {', '.join([columns, *places])} in rows"
    else:
        places = [f"holder.{name}" for name in names]
        values = "holder.__dict__"
        each = f"for one in rows for holder in [new_holder()] for {', '.join([columns, *places])} in [one]"
        constants["new_holder"] = type("Holder", (), {})
    total = " + ".join(["0.0", *places])
    head = f"lambda series, rows, new=tuple.__new__, {', '.join(f'{name}={name}' for name in constants)}: "
    build = f"{row.replace('values', values)} {each} for {state} in [states[state]]"
    complete, either = (f"{head}[{build}{check}]" for check in (f" for _ in [{total}]", ""))
    first_value = columns.count(",") + 1
    return Builders(eval(complete, constants), eval(either, constants), first_value)  # noqa: S307 - quoted names


_SHARED_KEYS_FROM = 6
"""Number of values from which the dict of an object is made faster than a dict display (on Python 3.13, about nine).

CPython stores the keys of such dicts once per class: with all metrics they take half the memory.
"""
