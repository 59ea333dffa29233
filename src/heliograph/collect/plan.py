"""In which order a long past is asked for, and what of it need not be: the coarse before the fine. Pure.

One question tells the energies of all years, one those of a year's months, one those of a month's days. What a cloud
tells no energy of there is marked as asked, down to its days' curves, so that nobody asks for it one by one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.collect.heal import SPANS, Question, questions
from heliograph.store.contract import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, tzinfo

    from heliograph.collect.heal import Days, Known
    from heliograph.model import HistoryCost, PeriodEnergy
    from heliograph.store.contract import Series, Span

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
