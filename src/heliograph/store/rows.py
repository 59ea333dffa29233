"""Samples and days from the rows of a query; a value that no version writes raises `UnreadableRow`.

The functions that build a row are generated for the selected names, because a dict display is three times as fast as
`dict(zip(names, values))`, and rows are built by one comprehension.
"""

from __future__ import annotations

import gc
from datetime import date
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from heliograph.model import Quality, Status
from heliograph.store.base import Day, QueryOutcome, QueryRecord, StoredSample, UnreadableRow
from heliograph.store.recovery import ROW_ADVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heliograph.store.base import HistorySpan, Series

    Rows = Sequence[Sequence[Any]]

_T = TypeVar("_T")

_STATES: dict[str | None, tuple[Quality, Status | None]] = {
    f"{quality} {status or ''}": (quality, status) for quality in Quality for status in (None, *Status)
}
_STATES[None] = Quality.LIVE, Status.ONLINE
_QUALITIES = {state: quality for state, (quality, _) in _STATES.items()}
_STATUSES = {state: status for state, (_, status) in _STATES.items()}

_DAY_STATES: dict[str | None, tuple[Quality, bool]] = {
    f"{quality}{suffix}": (quality, suffix != "") for quality in Quality for suffix in ("", " final")
}
_DAY_STATES[None] = Quality.LIVE, True
_DAY_QUALITIES = {state: quality for state, (quality, _) in _DAY_STATES.items()}
_FINAL = {state: final for state, (_, final) in _DAY_STATES.items()}


class _Dates(dict[str, date]):
    """Dates by their stored text; a lookup is three times as fast as parsing."""

    def __missing__(self, text: Any) -> date:
        try:
            found = self[text] = date.fromisoformat(text)
        except (ValueError, TypeError):
            raise UnreadableRow(f"the store contains a day that is none: {text!r}; {ROW_ADVICE}") from None
        return found


_DATES = _Dates()


def samples_from_rows(series: Series, names: Sequence[str], rows: Rows) -> list[StoredSample]:
    """Return the samples of a series from rows of time, time fetched, `schema.SAMPLE_STATE` and values."""
    return _build(_sample_builder(tuple(names)), series, rows)


def days_from_rows(series: Series, names: Sequence[str], rows: Rows) -> list[Day]:
    """Return the days of a series from rows of day, time written, `schema.DAY_STATE` and values."""
    return _build(_day_builder(tuple(names)), series, rows)


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


def _build(builder: Callable[[Series, Rows], list[_T]], series: Series, rows: Rows) -> list[_T]:
    _check_numbers(rows)
    collects = gc.isenabled()
    # None of the new rows is garbage, and the collector would traverse them about ten times.
    gc.disable()
    try:
        return builder(series, rows)
    except KeyError as error:
        (words,) = error.args
        raise UnreadableRow(
            f"the store contains a value that this version does not know: {words!r}; {ROW_ADVICE}"
        ) from None
    finally:
        if collects:
            gc.enable()


def _check_numbers(rows: Rows) -> None:
    """Check that the values of rows are numbers or gaps: SQLite accepts a text from another program."""
    width = len(rows[0]) if rows else 0
    for column in map(itemgetter, range(_FIRST_VALUE, width)):
        try:
            # Adding up is the fastest check of a column of floats; a gap or a text ends it.
            sum(map(column, rows), 0.0)
        except TypeError:
            for row in rows:
                if type(column(row)) not in _NUMBERS:
                    values = list(row[_FIRST_VALUE:])
                    raise UnreadableRow(
                        f"the store contains a value that is no number: {values!r:.80}; {ROW_ADVICE}"
                    ) from None


_FIRST_VALUE = 3
_NUMBERS = (float, type(None))


@cache
def _sample_builder(names: tuple[str, ...]) -> Callable[[Series, Rows], list[StoredSample]]:
    builder: Callable[[Series, Rows], list[StoredSample]] = _builder(
        names,
        "at, fetched_at, state",
        "new(row_type, (series, at, fetched_at, qualities[state], statuses[state], values))",
        row_type=StoredSample,
        qualities=_QUALITIES,
        statuses=_STATUSES,
    )
    return builder


@cache
def _day_builder(names: tuple[str, ...]) -> Callable[[Series, Rows], list[Day]]:
    builder: Callable[[Series, Rows], list[Day]] = _builder(
        names,
        "day, written_at, state",
        "new(row_type, (series, dates[day], values, qualities[state], final[state], written_at))",
        row_type=Day,
        dates=_DATES,
        qualities=_DAY_QUALITIES,
        final=_FINAL,
    )
    return builder


def _builder(names: tuple[str, ...], columns: str, row: str, **constants: Any) -> Any:
    """Return a function that builds rows of a series; `row` is the expression of one, `values` its values by name."""
    places = [f"value_{place}" for place in range(len(names))]
    values = ", ".join(f"{name!r}: {place}" for name, place in zip(names, places, strict=True))
    source = (
        f"lambda series, rows, new=tuple.__new__, {', '.join(f'{name}={name}' for name in constants)}: "
        f"[{row.replace('values', f'{{{values}}}')} for {', '.join([columns, *places])} in rows]"
    )
    return eval(source, constants)  # noqa: S307 - the names of metrics, quoted
