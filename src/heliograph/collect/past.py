"""Asking a cloud one question about the past, and making rows of its answer."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from heliograph.collect.counters import settle
from heliograph.collect.days import day_of
from heliograph.errors import Refused, Unreadable
from heliograph.model import Quality
from heliograph.store.contract import Asked, Batch, Day, Entry, Repair

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

    from heliograph.collect.heal import Question
    from heliograph.model import PeriodEnergy, Sample
    from heliograph.store.contract import Outcome


Told = tuple["Sample", ...] | tuple["PeriodEnergy", ...]


async def ask(
    client: Any, question: Question, now: int, zone: tzinfo, memory: Mapping[str, Any], days: Mapping[date, Day]
) -> Batch:
    """Ask, and return the answer's rows with the mark that it was asked; `days` are those already known."""
    return batch_of(question, await told(client, question), now, zone, memory, days)


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
    days: Mapping[date, Day],
) -> Batch:
    """Return an answer's rows with the mark that it was asked for."""
    if answer is None:
        return Batch(asked=[_asked(question, "failed", now)])
    if question.span == "curve":
        return _curve(question, answer, now)
    if question.span == "days":
        return _days(question, answer, now, zone, memory, days)
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
    known: Mapping[date, Day],
) -> Batch:
    rows: list[Day] = []
    repairs: list[Repair] = []
    today = day_of(now, zone)
    for one in told:
        day = date.fromisoformat(one.period)
        if day >= today:
            continue
        nothing = Day(question.series, day, {}, Quality.BACKFILLED, final=False, written_at=now)
        settled = settle(memory, known.get(day, nothing), one.values, zone, now)
        rows.append(settled.day)
        repairs.extend(settled.repairs)
    return Batch(days=rows, repairs=repairs, asked=[_asked(question, "data" if rows else "nothing", now)])
