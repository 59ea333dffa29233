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

from heliograph.local_time import NOON, day_bounds
from heliograph.store.base import Asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, tzinfo

    from heliograph.model import HistoryCost, PeriodEnergy
    from heliograph.store.base import Day, Series, Span, Store


SILENT = NOON + 48 * 3600
"""Seconds after a day's end until its curve is read for the last time."""
AGAIN = 24 * 3600
"""Seconds until a question that failed is asked again."""
PATIENCE = 30
"""Days after which one that failed is given up."""
HOLE = 3600
"""Seconds without a sample that are worth a question about today."""
PAUSE = 3 * 3600
"""The least seconds between two questions about today."""
SPANS: tuple[Span, ...] = ("years", "months", "days", "curve")
"""What is asked for, from the coarse to the fine."""


class Question(NamedTuple):
    """One question about a plant's past."""

    series: Series
    span: Span
    period: str


def newness(question: Question) -> str:
    """Return what sorts questions by when they end; a month comes after all of its days, as it is asked before them."""
    return question.period if question.span == "curve" else f"{question.period}~"


class Days(NamedTuple):
    """The days questions are about, both included."""

    first: date
    last: date


class Known(NamedTuple):
    """What is known of a plant's past; answers are added as they come."""

    asked: Mapping[Span, dict[str, Asked]]
    days: dict[date, Day]

    @classmethod
    def of(cls, store: Store, series: Series, days: Days) -> Known:
        """Return what a store knows."""
        found = {day.day: day for day in store.days(series, days.first, days.last)}
        return cls({span: dict(store.asked(series, span)) for span in SPANS}, found)

    def add(self, asked: Sequence[Asked], days: Sequence[Day]) -> None:
        """Remember an answer."""
        for one in asked:
            self.asked[one.span][one.period] = one
        self.days.update((day.day, day) for day in days)


def questions(
    series: Series, known: Known, days: Days, today: date, now: int, zone: tzinfo, patience: int = PATIENCE
) -> Iterator[Question]:
    """Yield what is open about these days that are over, newest first; a month before its days' curves."""
    month = ""
    day = min(days.last, today - timedelta(days=1))
    while day >= days.first:
        patient = (today - day).days <= patience
        if f"{day:%Y-%m}" != month:
            month = f"{day:%Y-%m}"
            if _month_is_open(known, days.first, day, now, zone, patient=patient):
                yield Question(series, "days", month)
        if _is_open(known.asked["curve"].get(f"{day}"), day, now, zone, patient=patient, looks=(NOON, SILENT)):
            yield Question(series, "curve", f"{day}")
        day -= timedelta(days=1)


def _is_open(
    asked: Asked | None, day: date, now: int, zone: tzinfo, *, patient: bool, looks: Sequence[int] = (NOON,)
) -> bool:
    if asked is None:
        return True
    if asked.outcome == "failed":
        return patient and now >= asked.asked_at + AGAIN
    end = day_bounds(day, zone)[1]
    return any(asked.asked_at < end + look <= now for look in looks)


def _month_is_open(known: Known, first: date, last: date, now: int, zone: tzinfo, *, patient: bool) -> bool:
    """Tell whether a month, up to its last day that is over, has a day whose energies are not final yet."""
    month = f"{last:%Y-%m}"
    asked = known.asked["days"].get(month)
    if asked is not None and asked.outcome == "failed":
        return patient and now >= asked.asked_at + AGAIN
    day = last
    while day >= first and f"{day:%Y-%m}" == month:
        there = known.days.get(day)
        if (there is None or not there.final) and _is_open(asked, day, now, zone, patient=patient):
            return True
        day -= timedelta(days=1)
    return False


def hole(moments: Iterable[int], since: int) -> int | None:
    """Return when the newest stretch of an hour or more without a sample ended, or None; one that goes on has not."""
    found = [after for before, after in pairwise([since, *moments]) if after - before >= HOLE]
    return found[-1] if found else None


FOR_EVER = 1 << 20
"""Days of patience with what failed: a person who asks again wants it."""
_LETTERS = {"years": 0, "months": 4, "days": 7, "curve": 10}
"""Of a period of each span."""


def open_questions(series: Series, known: Known, days: Days, today: date, now: int, zone: tzinfo) -> Iterator[Question]:
    """Yield what is open about these days, newest first, and before it what may show that some of it is not."""
    fresh = _unasked_months(known, days)
    year = None
    for question in questions(series, known, days, today, now, zone, FOR_EVER):
        if year is None and len({month[:4] for month in fresh}) > 1 and "" not in known.asked["years"]:
            yield Question(series, "years", "")
        if question.period[:4] != year:
            year = question.period[:4]
            if sum(month.startswith(year) for month in fresh) > 1 and year not in known.asked["months"]:
                yield Question(series, "months", year)
        yield question


def _unasked_months(known: Known, days: Days) -> list[str]:
    return [month for month in periods("days", days) if month not in known.asked["days"]]


def doubted(question: Question, answer: Sequence[PeriodEnergy] | None, known: Known) -> bool:
    """Tell whether an answer without energy denies what the cloud told before: of this year, or of this month."""
    if answer is None or question.span not in ("months", "days") or _with_energy(answer):
        return False
    above = SPANS[SPANS.index(question.span) - 1]
    asked = known.asked[above].get(question.period[: _LETTERS[above]])
    return asked is not None and asked.outcome == "data"


def barren(question: Question, answer: Sequence[PeriodEnergy], known: Known, days: Days, now: int) -> list[Asked]:
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
        Asked(question.series, span, one, "nothing", now)
        for span in below
        for one in periods(span, days)
        if one[: _LETTERS[below[0]]] in empty and not _answered(known.asked[span].get(one))
    ]


def _answered(asked: Asked | None) -> bool:
    return asked is not None and asked.outcome != "failed"


def _with_energy(answer: Sequence[PeriodEnergy]) -> set[str]:
    return {one.period for one in answer if any(one.values.values())}


def periods(span: Span, days: Days) -> list[str]:
    """Return the periods that are asked for by this span, as far as these days reach."""
    every = (f"{days.first + timedelta(days=past)}" for past in range((days.last - days.first).days + 1))
    return list(dict.fromkeys(day[: _LETTERS[span]] for day in every))


def requests(left: Sequence[Question], cost: HistoryCost) -> int:
    """Return how many requests these questions take at most."""
    return sum(cost.of(question.span) for question in left)
