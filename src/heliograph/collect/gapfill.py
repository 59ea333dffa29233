"""Asks the open questions about an account's past, a few after each poll, so that healing never costs a poll."""

from __future__ import annotations

import logging
from collections import deque
from datetime import date, timedelta
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from heliograph.collect.counters.repair import CLOUD_DAY_HIGHER, finalise_day
from heliograph.collect.gaps import (
    TODAY_INTERVAL,
    DayRange,
    HistoryQuery,
    HistoryState,
    due_queries,
    last_gap_end,
    recency_key,
)
from heliograph.collect.integrate import add_integrated_energies
from heliograph.collect.schedule import POLL_SHARE
from heliograph.errors import RequestRefused, Unreadable
from heliograph.eventlog import LogEvent
from heliograph.local_time import day_at, day_start, period_range
from heliograph.model import Quality
from heliograph.store.base import Batch, Day, QueryRecord, Repair, StoredSample, series_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import tzinfo

    from heliograph.collect.poller import CounterStates
    from heliograph.local_time import Clock
    from heliograph.model import HistoryCost, PeriodEnergy, Plant, Sample
    from heliograph.store.base import QueryOutcome, Series, Store
    from heliograph.store.threaded import BufferedWriter


GAPFILL_SHARE = (1 - POLL_SHARE) / POLL_SHARE
"""Requests for healing to each request of a poll."""
SAVED = 20.0
"""The most that is saved up; a restart begins with nothing, so that one that crashes again and again is modest."""
LOOK = 3600
"""Seconds until the store is looked through for open questions again: that reads all days there are, and a day has no
question before the noon after it."""
AT_ONCE = 8
"""Questions that are found in one look; more than an hour's polls can pay for, as a rule."""

_log = logging.getLogger(__name__)


class _Open(NamedTuple):
    """What a look through the store found, newest first, and until when that is good."""

    until: int
    left: deque[HistoryQuery]


class GapFiller:
    """One account's questions about the past, from `since` on, or from its first sample."""

    def __init__(self, writer: BufferedWriter, clock: Clock, since: date | None = None) -> None:
        self._writer = writer
        self._clock = clock
        self._since = since
        self._saved = 0.0
        self._costs: dict[Series, HistoryCost] = {}
        self._open: dict[Series, _Open] = {}

    async def fill(self, client: Any, plants: Sequence[Plant], memories: CounterStates, poll: float, free: int) -> int:
        """Ask what can be afforded, the newest first over all plants, and return how many questions that were."""
        self._saved = min(self._saved + GAPFILL_SHARE * poll, SAVED)
        asked = 0
        while (found := await self._newest(plants)) is not None:
            plant, question = found
            cost = (await self._costs_of(client, question)).requests_for(question.span)
            if cost > self._saved or cost + poll > free:
                break
            self._saved -= cost
            free -= cost
            asked += 1
            kept = await self.ask(client, question, plant, memories)
            self._open[question.series].left.popleft()
            if not kept:
                break  # what comes next could not be kept either
        return asked

    async def ask(self, client: Any, question: HistoryQuery, plant: Plant, memories: CounterStates) -> bool:
        """Ask one question, and return whether the answer is kept."""
        now = int(self._clock.now())
        zone = plant.zone
        assert zone is not None  # `_next` has no questions without a clock on the wall
        known = await self._writer.run(lambda store: QueryContext.load(store, question, zone))
        memory = memories.get(question.series, {})
        batch = await run_query(client, question, now, zone, memory, known)
        if question.span == "curve":
            untold = (await self._costs_of(client, question)).unreported
            batch = await self._writer.run(
                lambda store: add_integrated_energies(store, batch, untold, memory, zone, now)
            )
        kept = await self._writer.write(batch)
        asked = batch.queries[0]
        _log.info(
            LogEvent("healed", plant=plant.id, span=asked.span, period=asked.period, outcome=asked.outcome, kept=kept)
        )
        return kept

    async def _newest(self, plants: Sequence[Plant]) -> tuple[Plant, HistoryQuery] | None:
        found = [(plant, question) for plant in plants if (question := await self._next(plant)) is not None]
        return max(found, key=lambda one: recency_key(one[1]), default=None)

    async def _next(self, plant: Plant) -> HistoryQuery | None:
        if plant.zone is None:
            return None
        now, zone, series = int(self._clock.now()), plant.zone, series_of(plant)
        known = self._open.get(series)
        if known is None or now >= known.until:
            found = await self._writer.run(lambda store: gap_queries(store, series, now, zone, self._since, AT_ONCE))
            known = self._open[series] = _Open(now + LOOK, deque(found))
        return known.left[0] if known.left else None

    async def _costs_of(self, client: Any, question: HistoryQuery) -> HistoryCost:
        if question.series not in self._costs:
            self._costs[question.series] = await client.history_cost(question.series.plant)
        return self._costs[question.series]


def gap_queries(
    store: Store, series: Series, now: int, zone: tzinfo, since: date | None, most: int
) -> list[HistoryQuery]:
    """Return the first open questions about a plant; today is asked about when an hour of it is missing."""
    today = day_at(now, zone)
    first = since or first_day(store, series, now, zone)
    if first is None:
        return []
    days = DayRange(first, today)
    known = HistoryState.load(store, series, days)
    found = (
        [HistoryQuery(series, "curve", f"{today}")] if _today_has_a_hole(store, series, known, today, now, zone) else []
    )
    return [*found, *islice(due_queries(series, known, days, today, now, zone), most)][:most]


def _today_has_a_hole(store: Store, series: Series, known: HistoryState, today: date, now: int, zone: tzinfo) -> bool:
    start = day_start(today, zone)
    missing = last_gap_end(store.sample_times(series, start, now), start)
    asked = known.queries["curve"].get(f"{today}")
    return missing is not None and (
        asked is None or (asked.queried_at < missing and asked.queried_at + TODAY_INTERVAL <= now)
    )


def first_day(store: Store, series: Series, now: int, zone: tzinfo) -> date | None:
    """Return the day of the first sample."""
    moment = next(store.sample_times(series, 0, now), None)
    return None if moment is None else day_at(moment, zone)


QueryResult = tuple["Sample", ...] | tuple["PeriodEnergy", ...]


class QueryContext(NamedTuple):
    """What is known of the days that are asked about."""

    days: Mapping[date, Day] = MappingProxyType({})
    raised: Mapping[date, Mapping[str, float]] = MappingProxyType({})
    """By how much a day was raised to the cloud's word."""

    @classmethod
    def load(cls, store: Store, question: HistoryQuery, zone: tzinfo) -> Self:
        """Return it; a day's curve is asked for whatever is known."""
        if question.span != "days":
            return cls()
        first, last = period_range(question.period)
        raised: dict[date, dict[str, float]] = {}
        for one in store.repairs(question.series, day_start(first, zone), day_start(last, zone) + 1):
            if one.reason == CLOUD_DAY_HIGHER and one.raw is not None and one.kept is not None:
                # It stands at the day's end.
                day = day_at(one.measured_at - 1, zone)
                raised.setdefault(day, {})[one.metric.removesuffix("_today")] = one.kept - one.raw
        return cls({day.day: day for day in store.days(question.series, first, last)}, raised)


async def run_query(
    client: Any, question: HistoryQuery, now: int, zone: tzinfo, memory: Mapping[str, Any], before: QueryContext
) -> Batch:
    """Ask, and return the answer's rows with the mark that it was asked."""
    return answer_batch(question, await fetch_answer(client, question), now, zone, memory, before)


async def fetch_answer(client: Any, question: HistoryQuery) -> QueryResult | None:
    """Ask a cloud; None is an answer that says no or cannot be read. Whatever else goes wrong raises."""
    try:
        answer: QueryResult
        if question.span == "curve":
            answer = await client.day_curve(question.series.plant, question.period)
        else:
            answer = await client.period_energies(question.series.plant, question.period)
    except (RequestRefused, Unreadable):
        return None
    return answer


def answer_batch(
    question: HistoryQuery,
    answer: Any,
    now: int,
    zone: tzinfo,
    memory: Mapping[str, Any],
    before: QueryContext,
) -> Batch:
    """Return an answer's rows with the mark that it was asked for."""
    if answer is None:
        return Batch(queries=[_asked(question, "failed", now)])
    if question.span == "curve":
        return _curve(question, answer, now)
    if question.span == "days":
        return _days(question, answer, now, zone, memory, before)
    return Batch(queries=[_asked(question, "data" if answer else "nothing", now)])


def _asked(question: HistoryQuery, outcome: QueryOutcome, now: int) -> QueryRecord:
    return QueryRecord(question.series, question.span, question.period, outcome, now)


def _curve(question: HistoryQuery, samples: Iterable[Sample], now: int) -> Batch:
    rows = [
        StoredSample(question.series, int(one.moment.timestamp()), now, Quality.BACKFILLED, None, one.values)
        for one in samples
        if any(value is not None for value in one.values.values())
    ]
    return Batch(samples=rows, queries=[_asked(question, "data" if rows else "nothing", now)])


def _days(
    question: HistoryQuery,
    told: Iterable[PeriodEnergy],
    now: int,
    zone: tzinfo,
    memory: Mapping[str, Any],
    before: QueryContext,
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
        settled = finalise_day(memory, before.days.get(day, nothing), one.values, zone, now, raised)
        rows.append(settled.day)
        repairs.extend(settled.repairs)
    return Batch(days=rows, repairs=repairs, queries=[_asked(question, "data" if rows else "nothing", now)])
