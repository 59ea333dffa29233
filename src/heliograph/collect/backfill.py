"""Backfill of one account's history as fast as its request budget allows: energies of days first, then their curves.

Both from the newest day to the oldest. A request returns the energies of a month, but the curve of one day only.

Each query is recorded in the store together with its result, so that a later run continues where this one ended.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.collect.budget import MARGIN, backfill_requests
from heliograph.collect.gapfill import BackfillContext, run_query
from heliograph.collect.gaps import DayRange, HistoryState, backfill_queries, periods, recency_key, request_count
from heliograph.collect.schedule import DAY, LIVE_INTERVAL, Daylight
from heliograph.errors import ConfigError, SessionExpired, StoreError, Throttled, Unreachable
from heliograph.eventlog import LogEvent
from heliograph.keeper.state import BUCKET_SECONDS
from heliograph.local_time import day_at, stored_zone
from heliograph.store.base import Batch, SeriesInfo, series_of
from heliograph.vendors.base import PollLoad

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, tzinfo

    from heliograph.collect.gaps import HistoryQuery
    from heliograph.errors import CloudError
    from heliograph.keeper import Budget
    from heliograph.local_time import Clock
    from heliograph.model import HistoryCost, Plant
    from heliograph.store.base import Series
    from heliograph.store.threaded import BufferedWriter
    from heliograph.vendors.base import AsyncSolarClient

RETRY_SECONDS = 60.0
_PREPARE_REQUESTS = 4
"""Approximate requests until the plants and the costs of their history are known."""

_COUNTED_SECONDS = DAY + BUCKET_SECONDS
"""How long the account's state counts a request at most."""

_log = logging.getLogger(__name__)


class BackfillOptions(NamedTuple):
    """The days and plants to backfill: from `since` or a plant's first day, to `until` or yesterday."""

    since: date | None = None
    until: date | None = None
    plants: Sequence[str] = ()
    """Ids or names of the selected plants; empty selects all."""
    configured: Sequence[str] = ()
    """Ids of the plants that the account's configuration is limited to; empty is no limit."""
    wait: bool = True
    """Wait for more budget when it is used up."""

    def selects(self, plant: Plant) -> bool:
        """Return True if a plant is selected."""
        named = not self.plants or plant.id in self.plants or plant.name in self.plants
        return named and (not self.configured or plant.id in self.configured)


@dataclass
class PlantBackfill:
    """The backfill of one plant, with its remaining queries."""

    plant: Plant
    series: Series
    zone: tzinfo
    days: DayRange
    cost: HistoryCost
    history: HistoryState
    counter_state: Mapping[str, Any]
    remaining: list[HistoryQuery] = field(default_factory=list)

    def refresh(self, now: int) -> None:
        """Determine the remaining queries, those of curves last."""
        today = day_at(now, self.zone)
        queries = backfill_queries(self.series, self.history, self.days, today, now, self.zone)
        self.remaining = sorted(queries, key=lambda query: query.span == "curve")

    @property
    def length(self) -> int:
        """The number of days."""
        return max((self.days.last - self.days.first).days + 1, 0)

    @property
    def days_left(self) -> int:
        """The number of days whose curve has not been requested."""
        return sum(query.span == "curve" for query in self.remaining)

    def count(self, outcome: str) -> int:
        """Return the number of days whose curve query had this outcome."""
        records = self.history.queries["curve"]
        return sum(day in records and records[day].outcome == outcome for day in periods("curve", self.days))


@dataclass(frozen=True)
class BackfillProgress:
    """The progress of an account's backfill, for display."""

    name: str
    days: int = 0
    days_left: int = 0
    period: str = ""
    """The period requested last: "2026-06-21" or "2026-06"."""
    until: float | None = None
    """The time before which no request is sent."""
    reason: str = ""
    days_to_go: float = 0.0
    """Maximum days until it is done with this budget."""
    days_to_energies: float = 0.0
    """Maximum days until the energies of all days are stored; their curves follow."""
    requests_left: int = 0
    """Maximum requests until it is done."""
    daily_share: int = 0
    """Maximum requests per day for the backfill."""
    daily_limit: int = 0
    """Requests per day."""
    done: bool = False


class Backfill:
    """The backfill of one account; `plants` lists its selected plants with their state."""

    def __init__(
        self,
        name: str,
        client: AsyncSolarClient,
        writer: BufferedWriter,
        clock: Clock,
        options: BackfillOptions,
        on_progress: Callable[[BackfillProgress], None] = lambda _: None,
    ) -> None:
        self.progress = BackfillProgress(name)
        self.plants: list[PlantBackfill] = []
        self.found: tuple[Plant, ...] | None = None
        """All plants of the account; None until they are fetched."""
        self._client = client
        self._writer = writer
        self._clock = clock
        self._options = options
        self._on_progress = on_progress

    async def run(self, stop: asyncio.Event) -> None:
        """Run until no query remains, or the budget is used and `wait` is False; raise errors the user has to fix."""
        prepared = False
        while not stop.is_set():
            try:
                if (until := await self._free_at(prepared=prepared)) <= (now := self._clock.now()):
                    if not prepared:
                        await self._prepare()
                        prepared = True
                    elif not await self._run_newest():
                        await self._report(done=True)
                        return
                    continue
                reason = "today's requests for history are used"
            except (Throttled, Unreachable, SessionExpired) as error:
                until, reason = self._retry_at(error), error.message
                now = self._clock.now()
            await self._report(until=until, reason=reason)
            if not self._options.wait:
                return
            seconds = float(round(until - now))
            _log.info(LogEvent("backfill.waiting", account=self.progress.name, seconds=seconds, why=reason))
            await self._clock.wait(until, stop)
            for plant in self.plants:
                plant.refresh(int(self._clock.now()))

    def _retry_at(self, error: CloudError) -> float:
        delay = max(error.retry_after, 1.0) if isinstance(error, Throttled) else RETRY_SECONDS
        return self._clock.now() + delay

    async def _free_at(self, *, prepared: bool) -> float:
        """Return the time at which the budget allows the next query."""
        if not prepared:
            cost = _PREPARE_REQUESTS
        elif (newest := self._newest()) is None:
            return self._clock.now()
        else:
            plant, query = newest
            cost = plant.cost.requests_for(query.span)
        budget_at = float(await self._client.free_at_async(cost + MARGIN))
        return max(budget_at, self._share_free_at(cost, self._share_of(await self._budget())))

    async def _budget(self) -> Budget:
        budget: Budget = await self._client.budget_async()
        return budget

    def _share_of(self, budget: Budget) -> int:
        """The requests per day that this backfill may send; the others are left for live values."""
        stored = self._client.session.facts.get("load")
        load = PollLoad(*stored) if stored else PollLoad()
        return backfill_requests(budget.daily, load, Daylight().length, LIVE_INTERVAL)

    def _share_free_at(self, cost: int, share: int) -> float:
        """Return when this backfill's share of 24 hours allows so many requests; earlier runs count too."""
        now = self._clock.now()
        sent = self._sent_since(now - _COUNTED_SECONDS)
        surplus = len(sent) + cost - max(share, cost)
        return sent[surplus - 1] + _COUNTED_SECONDS if surplus > 0 else now

    def _sent_since(self, since: float) -> list[float]:
        """Return the times of the requests for history since a time; empty periods are mostly inferred without one."""
        return sorted(
            float(record.queried_at)
            for plant in self.plants
            for span, records in plant.history.queries.items()
            for record in records.values()
            if record.queried_at > since and record.outcome != "nothing"
            for _ in range(plant.cost.requests_for(span))
        )

    async def _prepare(self) -> None:
        self.found = tuple(await self._client.plants())
        stored = {info.series: info for info in await self._writer.run(lambda store: store.series())}
        self.plants = [
            await self._prepare_plant(plant, stored.get(series_of(plant)))
            for plant in self.found
            if self._options.selects(plant)
        ]
        await self._report()

    async def _prepare_plant(self, plant: Plant, stored: SeriesInfo | None) -> PlantBackfill:
        series = series_of(plant)
        zone = plant.zone or (stored_zone(stored.zone) if stored else None)
        if zone is None:
            # Some clouds report the zone of a plant only with its full readings.
            zone = (await self._client.snapshot(plant.id)).plant.zone
        if zone is None:
            raise ConfigError(f"the time zone of plant {plant.id} is unknown; set timezone in its [[account]] table")
        yesterday = day_at(int(self._clock.now()), zone) - timedelta(days=1)
        first_day = await self._client.first_day(plant.id)
        since = max(filter(None, (self._options.since, first_day)), default=None)
        if since is None:
            raise ConfigError(f"the cloud does not report the first day of plant {plant.id}; use --since DAY")
        days = DayRange(since, min(self._options.until or yesterday, yesterday))
        cost = await self._client.history_cost(plant.id)
        await self._save(Batch(series_info=[SeriesInfo(series, plant.name, None, str(zone))]))
        history, state = await self._writer.run(
            lambda store: (HistoryState.load(store, series, days), store.counters(series))
        )
        prepared = PlantBackfill(plant, series, zone, days, cost, history, state)
        prepared.refresh(int(self._clock.now()))
        return prepared

    def _newest(self) -> tuple[PlantBackfill, HistoryQuery] | None:
        due = [(plant, plant.remaining[0]) for plant in self.plants if plant.remaining]
        return max(due, key=lambda pair: (pair[1].span != "curve", recency_key(pair[1])), default=None)

    async def _run_newest(self) -> bool:
        newest = self._newest()
        if newest is None:
            return False
        plant, query = newest
        now = int(self._clock.now())
        batch = await run_query(
            self._client,
            query,
            self._writer,
            plant.zone,
            now,
            counter_state=plant.counter_state,
            cost=plant.cost,
            backfill=BackfillContext(plant.history, plant.days),
        )
        await self._save(batch)
        plant.history.add(batch.queries, batch.days)
        if query.span == "curve":
            plant.remaining.pop(0)
        else:
            plant.refresh(now)
        await self._report(period=query.period)
        return True

    async def _save(self, batch: Batch) -> None:
        if not await self._writer.write(batch):
            raise self._writer.store_error or StoreError("the store cannot be written")

    async def _report(self, **changes: Any) -> None:
        budget = await self._budget()
        requests_left = sum(request_count(plant.remaining, plant.cost) for plant in self.plants)
        curves = sum(plant.days_left * plant.cost.requests_for("curve") for plant in self.plants)
        daily_share = self._share_of(budget)
        left_today = min(
            daily_share - len(self._sent_since(self._clock.now() - _COUNTED_SECONDS)), budget.free - MARGIN
        )
        free = max(left_today, 0)
        self.progress = replace(
            self.progress,
            days=sum(plant.length for plant in self.plants),
            days_left=sum(plant.days_left for plant in self.plants),
            days_to_go=max(requests_left - free, 0) / daily_share,
            days_to_energies=max(requests_left - curves - free, 0) / daily_share,
            requests_left=requests_left,
            daily_share=daily_share,
            daily_limit=budget.daily,
            **{"until": None, "reason": "", **changes},
        )
        self._on_progress(self.progress)
