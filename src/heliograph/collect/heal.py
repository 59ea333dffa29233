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

from heliograph.collect.days import NOON, day_bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from heliograph.store.contract import Asked, Day, Series, Span, Store

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
