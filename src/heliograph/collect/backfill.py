"""One account's past, asked for from the newest day to the oldest: as fast as its budget allows, and resumable.

What was asked is marked in the store together with the answer, so that whoever comes next goes on where this ended.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.collect import gapfill
from heliograph.collect.gaps import (
    DayRange,
    HistoryState,
    backfill_queries,
    contradicts_coarser_answer,
    infer_empty_periods,
    periods,
    recency_key,
    request_count,
)
from heliograph.collect.integrate import add_integrated_energies
from heliograph.errors import ConfigError, SessionExpired, StoreError, Throttled, Unreachable
from heliograph.local_time import day_at, zone_from_name
from heliograph.store.base import Batch, series_of
from heliograph.store.base import SeriesInfo as Named

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, tzinfo

    from heliograph.collect.gaps import HistoryQuery
    from heliograph.errors import CloudError
    from heliograph.local_time import Clock
    from heliograph.model import HistoryCost, Plant
    from heliograph.store.base import Series
    from heliograph.store.threaded import BufferedWriter

LEFT = 10
"""The collector keeps one part of so many of what a program may ask in a day."""
SOON = 60.0
_OPENING = 4
"""Requests it takes, about, until the plants and what their past costs are known."""

_log = logging.getLogger(__name__)


class BackfillOptions(NamedTuple):
    """What a person wants of the past: from a day on or from a plant's first, up to a day or up to yesterday."""

    since: date | None = None
    until: date | None = None
    plants: Sequence[str] = ()
    """These only, by id or name; all unless said."""
    configured: Sequence[str] = ()
    """Of these only, by id; of all unless said."""
    wait: bool = True
    """Go on when the budget is spent, as soon as there is more."""

    def selects(self, plant: Plant) -> bool:
        """Tell whether a plant is one of those."""
        named = not self.plants or plant.id in self.plants or plant.name in self.plants
        return named and (not self.configured or plant.id in self.configured)


@dataclass
class PlantBackfill:
    """One plant's part of it, and what is open."""

    plant: Plant
    series: Series
    zone: tzinfo
    days: DayRange
    cost: HistoryCost
    history: HistoryState
    counter_state: Mapping[str, Any]
    remaining: list[HistoryQuery] = field(default_factory=list)

    def refresh(self, now: int) -> None:
        """Find out what is open at this moment."""
        today = day_at(now, self.zone)
        self.remaining = list(backfill_queries(self.series, self.history, self.days, today, now, self.zone))

    @property
    def length(self) -> int:
        """How many days there are."""
        return max((self.days.last - self.days.first).days + 1, 0)

    @property
    def days_left(self) -> int:
        """How many days' curves are still to be asked for."""
        return sum(one.span == "curve" for one in self.remaining)

    def count(self, outcome: str) -> int:
        """Return of how many days the curve came to this."""
        marks = self.history.queries["curve"]
        return sum(day in marks and marks[day].outcome == outcome for day in periods("curve", self.days))


@dataclass(frozen=True)
class BackfillProgress:
    """How far an account is, for whoever wants to show it."""

    name: str
    days: int = 0
    days_left: int = 0
    period: str = ""
    """What was asked for last: "2026-06-21" or "2026-06"."""
    until: float | None = None
    """Nothing is asked before this moment."""
    reason: str = ""
    days_to_go: float = 0.0
    """How long the rest takes with this budget, at most."""
    requests_left: int = 0
    """What the rest takes, at most."""
    daily_share: int = 0
    """What of a day's requests goes to the past, at most."""
    daily_limit: int = 0
    """A day's requests."""
    done: bool = False


class Backfill:
    """One account's past; `plants` tells of each what is whole and what is left."""

    def __init__(
        self,
        name: str,
        client: Any,
        writer: BufferedWriter,
        clock: Clock,
        wish: BackfillOptions,
        tell: Callable[[BackfillProgress], None] = lambda _: None,
    ) -> None:
        self.progress = BackfillProgress(name)
        self.plants: list[PlantBackfill] = []
        self.found: tuple[Plant, ...] | None = None
        """All plants of the account; None as long as nobody was asked for them."""
        self._client = client
        self._writer = writer
        self._clock = clock
        self._wish = wish
        self._tell = tell

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until nothing is open, or the budget is spent and nobody waits; what only a person can mend raises."""
        prepared = False
        while not stop.is_set():
            try:
                if (until := self._free_at(prepared=prepared)) <= (now := self._clock.now()):
                    if not prepared:
                        await self._prepare()
                        prepared = True
                    elif not await self._ask_newest():
                        self._say(done=True)
                        return
                    continue
                why = "the budget of these 24 hours is used"
            except (Throttled, Unreachable, SessionExpired) as error:
                until, why = self._after(error), error.message
                now = self._clock.now()
            self._say(until=until, reason=why)
            if not self._wish.wait:
                return
            _log.info("account=%s waits seconds=%.0f why=%s", self.progress.name, until - now, why)
            await self._clock.wait(until, stop)
            for share in self.plants:
                share.refresh(int(self._clock.now()))

    def _after(self, error: CloudError) -> float:
        wait = max(error.retry_after, 1.0) if isinstance(error, Throttled) else SOON
        return self._clock.now() + wait

    def _free_at(self, *, prepared: bool) -> float:
        """Return when the next question can be afforded."""
        if not prepared:
            return self._afforded(_OPENING)
        newest = self._newest()
        return self._clock.now() if newest is None else self._afforded(_cost(newest))

    def _afforded(self, cost: int) -> float:
        return float(self._client.free_at(cost + ceil(self._daily() / LEFT)))

    def _daily(self) -> int:
        return int(self._client.budget.daily)

    # Preparing

    async def _prepare(self) -> None:
        self.found = found = tuple(await self._client.plants())
        chosen = [one for one in found if self._wish.selects(one)]
        stored = {one.series: one for one in await self._writer.run(lambda store: store.series())}
        self.plants = [await self._share(one, stored.get(series_of(one))) for one in chosen]
        self._say()

    async def _share(self, plant: Plant, stored: Named | None) -> PlantBackfill:
        series = series_of(plant)
        zone = plant.zone or (zone_from_name(stored.zone) if stored and stored.zone else None)
        if zone is None:
            # Only whole readings of a plant tell its clock, with some clouds.
            zone = (await self._client.snapshot(plant.id)).plant.zone
        if zone is None:
            raise ConfigError(f"nobody says which clock plant {plant.id} lives by; write timezone into its account")
        days = await self._days(plant, zone)
        cost = await self._client.history_cost(plant.id)
        await self._keep(Batch(series_info=[Named(series, plant.name, None, str(zone))]))
        known, memory = await self._writer.run(
            lambda store: (HistoryState.load(store, series, days), store.counters(series))
        )
        share = PlantBackfill(plant, series, zone, days, cost, known, memory)
        share.refresh(int(self._clock.now()))
        return share

    async def _days(self, plant: Plant, zone: tzinfo) -> DayRange:
        yesterday = day_at(int(self._clock.now()), zone) - timedelta(days=1)
        began = await self._client.first_day(plant.id)
        since = max(filter(None, (self._wish.since, began)), default=None)
        if since is None:
            raise ConfigError(f"the cloud does not say since when there is plant {plant.id}; say it with --since")
        return DayRange(since, min(self._wish.until or yesterday, yesterday))

    # Asking

    def _newest(self) -> tuple[PlantBackfill, HistoryQuery] | None:
        found = [(share, share.remaining[0]) for share in self.plants if share.remaining]
        return max(found, key=lambda one: recency_key(one[1]), default=None)

    async def _ask_newest(self) -> bool:
        newest = self._newest()
        if newest is None:
            return False
        share, question = newest
        # A cloud that keeps no such series is not asked: the answer is known, and says nothing of finer ones.
        silent = not _cost(newest)
        answer = () if silent else await gapfill.fetch_answer(self._client, question)
        now = int(self._clock.now())
        before = await self._writer.run(lambda store: gapfill.QueryContext.load(store, question, share.zone))
        batch = gapfill.answer_batch(question, answer, now, share.zone, share.counter_state, before)
        if contradicts_coarser_answer(question, answer, share.history):  # type: ignore[arg-type]
            batch = Batch(queries=[batch.queries[0]._replace(outcome="failed")])
        elif answer is not None and not silent:
            more = infer_empty_periods(question, answer, share.history, share.days, now)  # type: ignore[arg-type]
            batch = replace(batch, queries=[*batch.queries, *more])
        if question.span == "curve":
            untold, memory, zone = share.cost.unreported, share.counter_state, share.zone
            batch = await self._writer.run(
                lambda store: add_integrated_energies(store, batch, untold, memory, zone, now)
            )
        await self._keep(batch)
        share.history.add(batch.queries, batch.days)
        if question.span == "curve":
            share.remaining.pop(0)
        else:
            share.refresh(now)
        self._say(period=question.period)
        return True

    async def _keep(self, batch: Batch) -> None:
        if not await self._writer.write(batch):
            raise self._writer.store_error or StoreError("the store cannot be written")

    def _say(self, **news: Any) -> None:
        left = sum(request_count(share.remaining, share.cost) for share in self.plants)
        pace = max(self._daily() * (LEFT - 1) // LEFT, 1)
        used = self._client.budget.requests_used
        self.progress = replace(
            self.progress,
            days=sum(share.length for share in self.plants),
            days_left=sum(share.days_left for share in self.plants),
            days_to_go=max(left - max(pace - used, 0), 0) / pace,
            requests_left=left,
            daily_share=pace,
            daily_limit=self._daily(),
            **{"until": None, "reason": "", **news},
        )
        self._tell(self.progress)


def _cost(newest: tuple[PlantBackfill, HistoryQuery]) -> int:
    share, question = newest
    return share.cost.requests_for(question.span)
