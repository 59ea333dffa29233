"""Asking a cloud one question about the past, and making rows of its answer."""

from __future__ import annotations

from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from heliograph.collect.counters import MORE, settle
from heliograph.collect.days import begins, day_at
from heliograph.errors import Refused, Unreadable
from heliograph.model import Quality
from heliograph.periods import period_range
from heliograph.store.contract import Asked, Batch, Day, Entry, Repair

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

    from heliograph.collect.heal import Question
    from heliograph.model import PeriodEnergy, Sample
    from heliograph.store.contract import Outcome, Store


Told = tuple["Sample", ...] | tuple["PeriodEnergy", ...]


class Before(NamedTuple):
    """What is known of the days that are asked about."""

    days: Mapping[date, Day] = MappingProxyType({})
    raised: Mapping[date, Mapping[str, float]] = MappingProxyType({})
    """By how much a day was raised to the cloud's word."""

    @classmethod
    def of(cls, store: Store, question: Question, zone: tzinfo) -> Self:
        """Return it; a day's curve is asked for whatever is known."""
        if question.span != "days":
            return cls()
        first, last = period_range(question.period)
        raised: dict[date, dict[str, float]] = {}
        for one in store.repairs(question.series, begins(first, zone), begins(last, zone) + 1):
            if one.reason == MORE and one.raw is not None and one.kept is not None:
                # It stands at the day's end.
                day = day_at(one.measured_at - 1, zone)
                raised.setdefault(day, {})[one.metric.removesuffix("_today")] = one.kept - one.raw
        return cls({day.day: day for day in store.days(question.series, first, last)}, raised)


async def ask(
    client: Any, question: Question, now: int, zone: tzinfo, memory: Mapping[str, Any], before: Before
) -> Batch:
    """Ask, and return the answer's rows with the mark that it was asked."""
    return batch_of(question, await told(client, question), now, zone, memory, before)


async def told(client: Any, question: Question) -> Told | None:
    """Ask a cloud; None is an answer that says no or cannot be read. Whatever else goes wrong raises."""
    try:
        answer: Told
        if question.span == "curve":
            answer = await client.day_curve(question.series.plant, question.period)
        else:
            answer = await client.period_energies(question.series.plant, question.period)
    except (Refused, Unreadable):
        return None
    return answer


def batch_of(
    question: Question,
    answer: Any,
    now: int,
    zone: tzinfo,
    memory: Mapping[str, Any],
    before: Before,
) -> Batch:
    """Return an answer's rows with the mark that it was asked for."""
    if answer is None:
        return Batch(asked=[_asked(question, "failed", now)])
    if question.span == "curve":
        return _curve(question, answer, now)
    if question.span == "days":
        return _days(question, answer, now, zone, memory, before)
    return Batch(asked=[_asked(question, "data" if answer else "nothing", now)])


def _asked(question: Question, outcome: Outcome, now: int) -> Asked:
    return Asked(question.series, question.span, question.period, outcome, now)


def _curve(question: Question, samples: Iterable[Sample], now: int) -> Batch:
    rows = [
        Entry(question.series, int(one.moment.timestamp()), now, Quality.BACKFILLED, None, one.values)
        for one in samples
        if any(value is not None for value in one.values.values())
    ]
    return Batch(samples=rows, asked=[_asked(question, "data" if rows else "nothing", now)])


def _days(
    question: Question,
    told: Iterable[PeriodEnergy],
    now: int,
    zone: tzinfo,
    memory: Mapping[str, Any],
    before: Before,
) -> Batch:
    rows: list[Day] = []
    repairs: list[Repair] = []
    today = day_at(now, zone)
    for one in told:
        day = date.fromisoformat(one.period)
        if day >= today:
            continue
        nothing = Day(question.series, day, {}, Quality.BACKFILLED, final=False, written_at=now)
        raised = before.raised.get(day - timedelta(days=1))
        settled = settle(memory, before.days.get(day, nothing), one.values, zone, now, raised)
        rows.append(settled.day)
        repairs.extend(settled.repairs)
    return Batch(days=rows, repairs=repairs, asked=[_asked(question, "data" if rows else "nothing", now)])
