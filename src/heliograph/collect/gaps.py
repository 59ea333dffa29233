"""Which questions about the past are open, newest first. Pure: what is known is passed in.

Every finished day is asked for once more after the noon that follows it, because loggers upload late: its curve by
itself, its energies with its month. Its curve is asked for a last time two days later: counters catch up when a logger
that was silent for long speaks again, its samples arrive in their own time. What the cloud had nothing of then is not
asked again; what failed is, next day.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from heliograph.local_time import FINAL_AFTER, day_bounds
from heliograph.store.base import QueryRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, tzinfo

    from heliograph.model import HistoryCost, PeriodEnergy
    from heliograph.store.base import Day, HistorySpan, Series, Store


LAST_READ_AFTER = FINAL_AFTER + 48 * 3600
"""Seconds after a day's end until its curve is read for the last time."""
RETRY_AFTER = 24 * 3600
"""Seconds until a question that failed is asked again."""
MAX_RETRY_DAYS = 30
"""Days after which one that failed is given up."""
MIN_GAP = 3600
"""Seconds without a sample that are worth a question about today."""
TODAY_INTERVAL = 3 * 3600
"""The least seconds between two questions about today."""
SPANS: tuple[HistorySpan, ...] = ("years", "months", "days", "curve")
"""What is asked for, from the coarse to the fine."""


class HistoryQuery(NamedTuple):
    """One question about a plant's past."""

    series: Series
    span: HistorySpan
    period: str


def recency_key(question: HistoryQuery) -> str:
    """Return what sorts questions by when they end; a month comes after all of its days, as it is asked before them."""
    return question.period if question.span == "curve" else f"{question.period}~"


class DayRange(NamedTuple):
    """The days questions are about, both included."""

    first: date
    last: date


class HistoryState(NamedTuple):
    """What is known of a plant's past; answers are added as they come."""

    queries: Mapping[HistorySpan, dict[str, QueryRecord]]
    days: dict[date, Day]

    @classmethod
    def load(cls, store: Store, series: Series, days: DayRange) -> HistoryState:
        """Return what a store knows."""
        found = {day.day: day for day in store.days(series, days.first, days.last)}
        return cls({span: dict(store.queries(series, span)) for span in SPANS}, found)

    def add(self, asked: Sequence[QueryRecord], days: Sequence[Day]) -> None:
        """Remember an answer."""
        for one in asked:
            self.queries[one.span][one.period] = one
        self.days.update((day.day, day) for day in days)


def due_queries(
    series: Series,
    known: HistoryState,
    days: DayRange,
    today: date,
    now: int,
    zone: tzinfo,
    patience: int = MAX_RETRY_DAYS,
) -> Iterator[HistoryQuery]:
    """Yield what is open about these days that are over, newest first; a month before its days' curves."""
    month = ""
    day = min(days.last, today - timedelta(days=1))
    while day >= days.first:
        patient = (today - day).days <= patience
        if f"{day:%Y-%m}" != month:
            month = f"{day:%Y-%m}"
            if _month_is_open(known, days.first, day, now, zone, patient=patient):
                yield HistoryQuery(series, "days", month)
        if _is_open(
            known.queries["curve"].get(f"{day}"), day, now, zone, patient=patient, looks=(FINAL_AFTER, LAST_READ_AFTER)
        ):
            yield HistoryQuery(series, "curve", f"{day}")
        day -= timedelta(days=1)


def _is_open(
    asked: QueryRecord | None,
    day: date,
    now: int,
    zone: tzinfo,
    *,
    patient: bool,
    looks: Sequence[int] = (FINAL_AFTER,),
) -> bool:
    if asked is None:
        return True
    if asked.outcome == "failed":
        return patient and now >= asked.queried_at + RETRY_AFTER
    end = day_bounds(day, zone)[1]
    return any(asked.queried_at < end + look <= now for look in looks)


def _month_is_open(known: HistoryState, first: date, last: date, now: int, zone: tzinfo, *, patient: bool) -> bool:
    """Tell whether a month, up to its last day that is over, has a day whose energies are not final yet."""
    month = f"{last:%Y-%m}"
    asked = known.queries["days"].get(month)
    if asked is not None and asked.outcome == "failed":
        return patient and now >= asked.queried_at + RETRY_AFTER
    day = last
    while day >= first and f"{day:%Y-%m}" == month:
        there = known.days.get(day)
        if (there is None or not there.final) and _is_open(asked, day, now, zone, patient=patient):
            return True
        day -= timedelta(days=1)
    return False


def last_gap_end(moments: Iterable[int], since: int) -> int | None:
    """Return when the newest stretch of an hour or more without a sample ended, or None; one that goes on has not."""
    found = [after for before, after in pairwise([since, *moments]) if after - before >= MIN_GAP]
    return found[-1] if found else None


FOR_EVER = 1 << 20
"""Days of patience with what failed: a person who asks again wants it."""
_LETTERS = {"years": 0, "months": 4, "days": 7, "curve": 10}
"""Of a period of each span."""


def backfill_queries(
    series: Series, known: HistoryState, days: DayRange, today: date, now: int, zone: tzinfo
) -> Iterator[HistoryQuery]:
    """Yield what is open about these days, newest first, and before it what may show that some of it is not."""
    fresh = _unasked_months(known, days)
    year = None
    for question in due_queries(series, known, days, today, now, zone, FOR_EVER):
        if year is None and len({month[:4] for month in fresh}) > 1 and "" not in known.queries["years"]:
            yield HistoryQuery(series, "years", "")
        if question.period[:4] != year:
            year = question.period[:4]
            if sum(month.startswith(year) for month in fresh) > 1 and year not in known.queries["months"]:
                yield HistoryQuery(series, "months", year)
        yield question


def _unasked_months(known: HistoryState, days: DayRange) -> list[str]:
    return [month for month in periods("days", days) if month not in known.queries["days"]]


def contradicts_coarser_answer(
    question: HistoryQuery, answer: Sequence[PeriodEnergy] | None, known: HistoryState
) -> bool:
    """Tell whether an answer without energy denies what the cloud told before: of this year, or of this month."""
    if answer is None or question.span not in ("months", "days") or _with_energy(answer):
        return False
    above = SPANS[SPANS.index(question.span) - 1]
    asked = known.queries[above].get(question.period[: _LETTERS[above]])
    return asked is not None and asked.outcome == "data"


def infer_empty_periods(
    question: HistoryQuery, answer: Sequence[PeriodEnergy], known: HistoryState, days: DayRange, now: int
) -> list[QueryRecord]:
    """Return the marks of everything within the question, among these days, that a cloud tells no energy of.

    One that tells nothing of any year may keep none, so that its months are asked for all the same.
    """
    if question.span == "curve":
        return []
    told = _with_energy(answer)
    if question.span == "years" and not told:
        return []
    below = SPANS[SPANS.index(question.span) + 1 :]
    empty = {one for one in periods(below[0], days) if one.startswith(question.period)} - told
    return [
        QueryRecord(question.series, span, one, "nothing", now)
        for span in below
        for one in periods(span, days)
        if one[: _LETTERS[below[0]]] in empty and not _answered(known.queries[span].get(one))
    ]


def _answered(asked: QueryRecord | None) -> bool:
    return asked is not None and asked.outcome != "failed"


def _with_energy(answer: Sequence[PeriodEnergy]) -> set[str]:
    return {one.period for one in answer if any(one.values.values())}


def periods(span: HistorySpan, days: DayRange) -> list[str]:
    """Return the periods that are asked for by this span, as far as these days reach."""
    every = (f"{days.first + timedelta(days=past)}" for past in range((days.last - days.first).days + 1))
    return list(dict.fromkeys(day[: _LETTERS[span]] for day in every))


def request_count(left: Sequence[HistoryQuery], cost: HistoryCost) -> int:
    """Return how many requests these questions take at most."""
    return sum(cost.requests_for(question.span) for question in left)
