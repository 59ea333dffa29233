"""Which past periods to request, newest first. Pure: the history state is passed in.

Every finished day is requested again after noon of the following day, because dataloggers upload late: its curve by
itself, its energies with those of its month. Its curve is requested a last time two days later: when a datalogger that
was offline for long reports again, counters catch up, but its samples arrive later. A period that is empty by then is
not requested again; a failed request is repeated the next day.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from heliograph.local_time import FINAL_AFTER, day_bounds
from heliograph.store.base import QueryRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from heliograph.model import HistoryCost, PeriodEnergy
    from heliograph.store.base import Day, HistorySpan, Series, Store

LAST_READ_AFTER = FINAL_AFTER + 48 * 3600
"""Seconds after a day's end until its curve is read for the last time."""
RETRY_AFTER = 24 * 3600
"""Seconds until a failed query is repeated."""
MAX_RETRY_DAYS = 30
"""Age in days at which a failed query is given up."""
MIN_GAP = 3600
"""Seconds without a sample that make a gap of today worth a request."""
TODAY_INTERVAL = 3 * 3600
"""Minimum seconds between two queries about today."""
SPANS: tuple[HistorySpan, ...] = ("years", "months", "days", "curve")
"""The spans of history queries, from coarse to fine."""
_UNLIMITED = 1 << 20
_PERIOD_LENGTH = {"years": 0, "months": 4, "days": 7, "curve": 10}
"""Characters in the period of a query of each span: "", "2026", "2026-06", "2026-06-21"."""


class HistoryQuery(NamedTuple):
    """One request for a plant's past."""

    series: Series
    span: HistorySpan
    period: str


def recency_key(query: HistoryQuery) -> str:
    """Return a sort key by the end of the period; a month sorts after its days, because it is requested before them."""
    return query.period if query.span == "curve" else f"{query.period}~"


class DayRange(NamedTuple):
    """The days to request, both included."""

    first: date
    last: date


class HistoryState(NamedTuple):
    """The queries and days of a plant that are already stored; results are added as they arrive."""

    queries: Mapping[HistorySpan, dict[str, QueryRecord]]
    days: dict[date, Day]

    @classmethod
    def load(cls, store: Store, series: Series, days: DayRange) -> HistoryState:
        """Read the state from a store."""
        stored = {day.day: day for day in store.days(series, days.first, days.last)}
        return cls({span: dict(store.queries(series, span)) for span in SPANS}, stored)

    def add(self, queries: Sequence[QueryRecord], days: Sequence[Day]) -> None:
        """Add the result of a query."""
        for record in queries:
            self.queries[record.span][record.period] = record
        self.days.update((day.day, day) for day in days)


def due_queries(
    series: Series,
    history: HistoryState,
    days: DayRange,
    today: date,
    now: int,
    zone: tzinfo,
    max_retry_days: int = MAX_RETRY_DAYS,
) -> Iterator[HistoryQuery]:
    """Yield the queries that are due for finished days of the range, newest first; a month before its days' curves."""
    month = ""
    day = min(days.last, today - timedelta(days=1))
    while day >= days.first:
        retry = (today - day).days <= max_retry_days
        if f"{day:%Y-%m}" != month:
            month = f"{day:%Y-%m}"
            if _is_month_due(history, days.first, day, now, zone, retry=retry):
                yield HistoryQuery(series, "days", month)
        curve = history.queries["curve"].get(f"{day}")
        if _is_due(curve, day, now, zone, retry=retry, read_after=(FINAL_AFTER, LAST_READ_AFTER)):
            yield HistoryQuery(series, "curve", f"{day}")
        day -= timedelta(days=1)


def _is_due(
    record: QueryRecord | None,
    day: date,
    now: int,
    zone: tzinfo,
    *,
    retry: bool,
    read_after: Sequence[int] = (FINAL_AFTER,),
) -> bool:
    if record is None:
        return True
    if record.outcome == "failed":
        return retry and now >= record.queried_at + RETRY_AFTER
    end = day_bounds(day, zone)[1]
    return any(record.queried_at < end + delay <= now for delay in read_after)


def _is_month_due(history: HistoryState, first: date, last: date, now: int, zone: tzinfo, *, retry: bool) -> bool:
    """Return True if a finished day of the month, up to `last`, has energies that are not final."""
    month = f"{last:%Y-%m}"
    record = history.queries["days"].get(month)
    if record is not None and record.outcome == "failed":
        return retry and now >= record.queried_at + RETRY_AFTER
    day = last
    while day >= first and f"{day:%Y-%m}" == month:
        stored = history.days.get(day)
        if (stored is None or not stored.final) and _is_due(record, day, now, zone, retry=retry):
            return True
        day -= timedelta(days=1)
    return False


def last_gap_end(sample_times: Iterable[int], since: int) -> int | None:
    """Return the end of the newest gap of an hour or more, or None; a gap that has not ended does not count."""
    ends = [after for before, after in pairwise([since, *sample_times]) if after - before >= MIN_GAP]
    return ends[-1] if ends else None


def backfill_queries(
    series: Series, history: HistoryState, days: DayRange, today: date, now: int, zone: tzinfo
) -> Iterator[HistoryQuery]:
    """Yield the queries of a long past: as `due_queries`, but years and months first, as they may show empty periods.

    One query returns the energies of all years, one those of a year's months, one those of a month's days. Failed
    queries are repeated regardless of age, because the user asked for them.
    """
    new_months = [month for month in periods("days", days) if month not in history.queries["days"]]
    year = None
    for query in due_queries(series, history, days, today, now, zone, _UNLIMITED):
        if year is None and len({month[:4] for month in new_months}) > 1 and "" not in history.queries["years"]:
            yield HistoryQuery(series, "years", "")
        if query.period[:4] != year:
            year = query.period[:4]
            if sum(month.startswith(year) for month in new_months) > 1 and year not in history.queries["months"]:
                yield HistoryQuery(series, "months", year)
        yield query


def contradicts_coarser_answer(
    query: HistoryQuery, answer: Sequence[PeriodEnergy] | None, history: HistoryState
) -> bool:
    """Return True if an answer without energy contradicts the energy reported for its month or year."""
    if answer is None or query.span not in ("months", "days") or _with_energy(answer):
        return False
    coarser = SPANS[SPANS.index(query.span) - 1]
    record = history.queries[coarser].get(query.period[: _PERIOD_LENGTH[coarser]])
    return record is not None and record.outcome == "data"


def infer_empty_periods(
    query: HistoryQuery, answer: Sequence[PeriodEnergy], history: HistoryState, days: DayRange, now: int
) -> list[QueryRecord]:
    """Return records for all periods of the range, down to curves, that are empty according to a coarser answer.

    A cloud that reports no energy for any year may not have yearly data, so its months are requested all the same.
    """
    if query.span == "curve":
        return []
    with_energy = _with_energy(answer)
    if query.span == "years" and not with_energy:
        return []
    finer = SPANS[SPANS.index(query.span) + 1 :]
    empty = {period for period in periods(finer[0], days) if period.startswith(query.period)} - with_energy
    return [
        QueryRecord(query.series, span, period, "nothing", now)
        for span in finer
        for period in periods(span, days)
        if period[: _PERIOD_LENGTH[finer[0]]] in empty and not _is_answered(history.queries[span].get(period))
    ]


def _is_answered(record: QueryRecord | None) -> bool:
    return record is not None and record.outcome != "failed"


def _with_energy(answer: Sequence[PeriodEnergy]) -> set[str]:
    return {energy.period for energy in answer if any(energy.values.values())}


def periods(span: HistorySpan, days: DayRange) -> list[str]:
    """Return the periods of a span that overlap the range."""
    all_days = (f"{days.first + timedelta(days=offset)}" for offset in range((days.last - days.first).days + 1))
    return list(dict.fromkeys(day[: _PERIOD_LENGTH[span]] for day in all_days))


def request_count(queries: Sequence[HistoryQuery], cost: HistoryCost) -> int:
    """Return the maximum number of requests that these queries take."""
    return sum(cost.requests_for(query.span) for query in queries)
