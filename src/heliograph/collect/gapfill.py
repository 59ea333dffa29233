"""History queries: `run_query` fetches one past period; `GapFiller` runs the due ones within a part of the budget."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace
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
    contradicts_coarser_answer,
    due_queries,
    infer_empty_periods,
    last_gap_end,
    recency_key,
)
from heliograph.collect.integrate import add_integrated_energies
from heliograph.collect.plausibility import check_sample
from heliograph.collect.schedule import POLL_SHARE
from heliograph.errors import RequestRefused, Unreadable
from heliograph.eventlog import LogEvent
from heliograph.local_time import day_at, day_start, period_range
from heliograph.model import HistoryCost, Quality
from heliograph.store.base import (
    Batch,
    Day,
    QueryRecord,
    Repair,
    SeriesInfo,
    StoredMeasurements,
    StoredSample,
    series_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import tzinfo

    from heliograph.collect.counters.repair import CounterStates
    from heliograph.local_time import Clock
    from heliograph.model import PeriodEnergy, Plant, Sample
    from heliograph.store.base import QueryOutcome, Series, Store
    from heliograph.store.threaded import BufferedWriter, StoreThread

    QueryResult = tuple[Sample, ...] | tuple[PeriodEnergy, ...]
    from heliograph.vendors.base import AsyncSolarClient

GAPFILL_SHARE = (1 - POLL_SHARE) / POLL_SHARE
"""Requests for gap filling per request that polls may send."""
MAX_SAVED = 20.0
"""The most requests that are saved up; a restart begins with none, so that a crash loop sends few."""
REFRESH_SECONDS = 3600
"""Seconds until the store is searched for gaps again: that reads all days, and no day is due before noon after it."""
MAX_QUERIES = 8
"""Queries per search; usually more than the polls of an hour can pay for."""
ONE_REQUEST = HistoryCost(curve=1, days=1, months=1, years=1)

_log = logging.getLogger(__name__)


class QueryContext(NamedTuple):
    """The stored days that a query covers."""

    days: Mapping[date, Day] = MappingProxyType({})
    raised: Mapping[date, Mapping[str, float]] = MappingProxyType({})
    """The energy by which a day was raised to the cloud's value, in kWh."""

    @classmethod
    def load(cls, store: Store, query: HistoryQuery, zone: tzinfo) -> Self:
        """Read it from a store; empty for all spans but "days"."""
        if query.span != "days":
            return cls()
        first, last = period_range(query.period)
        raised: dict[date, dict[str, float]] = {}
        for repair in store.repairs(query.series, day_start(first, zone), day_start(last, zone) + 1):
            if repair.reason == CLOUD_DAY_HIGHER and repair.raw is not None and repair.kept is not None:
                day = day_at(repair.measured_at - 1, zone)  # the repair is stored at the day's end
                raised.setdefault(day, {})[repair.metric.removesuffix("_today")] = repair.kept - repair.raw
        return cls({day.day: day for day in store.days(query.series, first, last)}, raised)


class BackfillContext(NamedTuple):
    """The state of a backfill, which decides whether an empty answer is credible and which periods it covers."""

    history: HistoryState
    days: DayRange


async def run_query(
    client: AsyncSolarClient,
    query: HistoryQuery,
    store: StoreThread,
    zone: tzinfo,
    now: int,
    *,
    counter_state: Mapping[str, Any] = MappingProxyType({}),
    cost: HistoryCost = ONE_REQUEST,
    backfill: BackfillContext | None = None,
) -> Batch:
    """Fetch one past period and return its rows and the record of the query; the caller writes them.

    No request is sent if `cost` is 0: the cloud has no such series, which is no evidence about finer ones. With
    `backfill`, an answer without energy fails if it contradicts a coarser one, else its finer periods are marked empty.
    """
    # Read first: without a store the request would be wasted.
    context = await store.run(lambda opened: QueryContext.load(opened, query, zone))
    available = cost.requests_for(query.span) > 0
    answer = await fetch_answer(client, query) if available else ()
    batch = answer_batch(query, answer, now, zone, counter_state, context)
    if backfill and query.span != "curve":
        history, days = backfill
        if contradicts_coarser_answer(query, answer, history):  # type: ignore[arg-type]
            return Batch(queries=[batch.queries[0]._replace(outcome="failed")])
        if answer is not None and available:
            empty = infer_empty_periods(query, answer, history, days, now)  # type: ignore[arg-type]
            return replace(batch, queries=[*batch.queries, *empty])
    if query.span == "curve":
        return await store.run(
            lambda opened: add_integrated_energies(opened, batch, cost.unreported, counter_state, zone, now)
        )
    return batch


async def fetch_answer(client: AsyncSolarClient, query: HistoryQuery) -> QueryResult | None:
    """Send a query; return None for a refused or unreadable response. All other errors are raised."""
    try:
        answer: QueryResult
        if query.span == "curve":
            answer = await client.day_curve(query.series.plant, query.period)
        else:
            answer = await client.period_energies(query.series.plant, query.period)
    except (RequestRefused, Unreadable):
        return None
    return answer


def answer_batch(
    query: HistoryQuery,
    answer: Any,
    now: int,
    zone: tzinfo,
    counter_state: Mapping[str, Any],
    context: QueryContext,
) -> Batch:
    """Return the rows of an answer and the record of the query."""
    if answer is None:
        return Batch(queries=[_record(query, "failed", now)])
    if query.span == "curve":
        return _curve_batch(query, answer, now)
    if query.span == "days":
        return _days_batch(query, answer, now, zone, counter_state, context)
    return Batch(queries=[_record(query, "data" if answer else "nothing", now)])


def _record(query: HistoryQuery, outcome: QueryOutcome, now: int) -> QueryRecord:
    return QueryRecord(query.series, query.span, query.period, outcome, now)


def _curve_batch(query: HistoryQuery, samples: Iterable[Sample], now: int) -> Batch:
    rows: list[StoredSample] = []
    repairs: list[Repair] = []
    measurements: list[StoredMeasurements] = []
    devices: dict[Series, SeriesInfo] = {}
    for sample in samples:
        at = int(sample.moment.timestamp())
        found = StoredSample(query.series, at, now, Quality.BACKFILLED, None, sample.values)
        row, rejected = check_sample(found)
        repairs.extend(rejected)
        if row is not None and any(value is not None for value in row.values.values()):
            rows.append(row)
            for one in sample.devices:
                if one.measured_at is not None and one.measurements:
                    series, when = series_of(one.device), int(one.measured_at.timestamp())
                    measurements.append(StoredMeasurements(series, when, now, one.measurements))
                    devices[series] = SeriesInfo(series, None, one.device.family)
    record = _record(query, "data" if rows else "nothing", now)
    infos = list(devices.values())
    return Batch(samples=rows, measurements=measurements, repairs=repairs, queries=[record], series_info=infos)


def _days_batch(
    query: HistoryQuery,
    energies: Iterable[PeriodEnergy],
    now: int,
    zone: tzinfo,
    counter_state: Mapping[str, Any],
    context: QueryContext,
) -> Batch:
    rows: list[Day] = []
    repairs: list[Repair] = []
    today = day_at(now, zone)
    for energy in energies:
        day = date.fromisoformat(energy.period)
        if day >= today:
            continue
        empty = Day(query.series, day, {}, Quality.BACKFILLED, final=False, written_at=now)
        raised = context.raised.get(day - timedelta(days=1))
        final = finalise_day(counter_state, context.days.get(day, empty), energy.values, zone, now, raised)
        rows.append(final.day)
        repairs.extend(final.repairs)
    return Batch(days=rows, repairs=repairs, queries=[_record(query, "data" if rows else "nothing", now)])


class _QueryQueue(NamedTuple):
    """The due queries of a plant, newest first, and the time until which they are valid."""

    until: int
    queries: deque[HistoryQuery]


class GapFiller:
    """Fills one account's gaps after each poll, from `since` or the first sample on, with requests the polls spare."""

    def __init__(self, writer: BufferedWriter, clock: Clock, since: date | None = None) -> None:
        self._writer = writer
        self._clock = clock
        self._since = since
        self._saved = 0.0
        self._costs: dict[Series, HistoryCost] = {}
        self._queues: dict[Series, _QueryQueue] = {}

    async def fill(
        self, client: AsyncSolarClient, plants: Sequence[Plant], states: CounterStates, allowance: float, free: int
    ) -> int:
        """Run the queries that the budget allows, the newest of all plants first, and return their number.

        `allowance` is the number of requests that polls might have sent since the last call, `free` that of requests
        that are not needed by the next polls.
        """
        self._saved = min(self._saved + GAPFILL_SHARE * allowance, MAX_SAVED)
        count = 0
        while (newest := await self._newest(plants)) is not None:
            plant, query = newest
            cost = (await self._costs_of(client, query)).requests_for(query.span)
            if cost > self._saved or cost > free:
                break
            self._saved -= cost
            free -= cost
            count += 1
            saved = await self.run(client, query, plant, states)
            self._queues[query.series].queries.popleft()
            if not saved:
                break  # further results could not be saved either
        return count

    async def run(self, client: AsyncSolarClient, query: HistoryQuery, plant: Plant, states: CounterStates) -> bool:
        """Run one query, and return True if its result is saved."""
        assert plant.zone is not None  # `_next_query` returns none for a plant without a zone
        cost, state = await self._costs_of(client, query), states.get(query.series, {})
        now = int(self._clock.now())
        batch = await run_query(client, query, self._writer, plant.zone, now, counter_state=state, cost=cost)
        saved = await self._writer.write(batch)
        outcome = batch.queries[0].outcome
        result = "empty" if outcome == "nothing" else outcome
        event = LogEvent(
            "gapfill.done", plant=plant.id, span=query.span, period=query.period, result=result, saved=saved
        )
        _log.info(event)
        return saved

    async def _newest(self, plants: Sequence[Plant]) -> tuple[Plant, HistoryQuery] | None:
        due = [(plant, query) for plant in plants if (query := await self._next_query(plant)) is not None]
        return max(due, key=lambda pair: recency_key(pair[1]), default=None)

    async def _next_query(self, plant: Plant) -> HistoryQuery | None:
        if plant.zone is None:
            return None
        now, zone, series = int(self._clock.now()), plant.zone, series_of(plant)
        queue = self._queues.get(series)
        if queue is None or now >= queue.until:
            due = await self._writer.run(lambda store: gap_queries(store, series, now, zone, self._since, MAX_QUERIES))
            queue = self._queues[series] = _QueryQueue(now + REFRESH_SECONDS, deque(due))
        return queue.queries[0] if queue.queries else None

    async def _costs_of(self, client: AsyncSolarClient, query: HistoryQuery) -> HistoryCost:
        if query.series not in self._costs:
            self._costs[query.series] = await client.history_cost(query.series.plant)
        return self._costs[query.series]


def gap_queries(
    store: Store, series: Series, now: int, zone: tzinfo, since: date | None, limit: int
) -> list[HistoryQuery]:
    """Return the first `limit` due queries of a plant, from `since` or its first sample on.

    Today's curve is included if an hour of it is missing.
    """
    today, start = day_at(now, zone), day_start(day_at(now, zone), zone)
    if since is None:
        first_sample = next(store.sample_times(series, 0, now), None)
        if first_sample is None:
            return []
        since = day_at(first_sample, zone)
    days = DayRange(since, today)
    history = HistoryState.load(store, series, days)
    queries = list(islice(due_queries(series, history, days, today, now, zone), limit))
    gap_end = last_gap_end(store.sample_times(series, start, now), start)
    record = history.queries["curve"].get(f"{today}")
    if gap_end is not None and (
        record is None or (record.queried_at < gap_end and record.queried_at + TODAY_INTERVAL <= now)
    ):
        queries.insert(0, HistoryQuery(series, "curve", f"{today}"))
    return queries[:limit]
