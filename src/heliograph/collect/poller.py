"""One account: polls, heals with what budget is spare, and waits; no error ends it or reaches another account."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, timezone
from typing import TYPE_CHECKING, Any

from heliograph.collect.counters.repair import repair_counters
from heliograph.collect.freshness import DEFAULT_INTERVAL, usually_reporting
from heliograph.collect.kept import PATTERN_WINDOW, has_battery
from heliograph.collect.schedule import (
    POLL_SHARE,
    BudgetWarning,
    PollPolicy,
    PollStats,
    min_affordable_interval,
    next_poll,
)
from heliograph.errors import HeliographError, LoginFailed, StoreError, Throttled, Unreachable
from heliograph.eventlog import LogEvent
from heliograph.store.base import Batch, samples_of, series_info_of, series_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from heliograph.collect.gapfill import GapFiller
    from heliograph.keeper import Budget
    from heliograph.local_time import Clock
    from heliograph.model import Plant, Snapshot
    from heliograph.store.base import Day, Repair, Series, Store, StoredSample
    from heliograph.store.threaded import BufferedWriter


SOON, LATER, MUCH_LATER = 60.0, 300.0, 900.0
_SPEAKING = 900.0
"""A plant heard so lately is up, whatever it usually does at this hour."""

_log = logging.getLogger(__name__)


@dataclass
class PollProgress:
    """What an account's worker has done so far, for whoever wants to show it."""

    name: str
    polled_at: float | None = None
    next_at: float | None = None
    samples: int = 0
    problem: HeliographError | None = None
    plants: tuple[Plant, ...] = ()


class AccountPoller:
    """The loop of one account. `connect` makes its client anew, with the password as it is by then."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], Any],
        writer: BufferedWriter,
        clock: Clock,
        pace: PollPolicy,
        *,
        plants: Sequence[str] = (),
        gap_filler: GapFiller | None = None,
    ) -> None:
        self.progress = PollProgress(name)
        self.writer = writer
        self.clock = clock
        self.client: Any = None
        self._connect = connect
        self._pace = pace
        self._plants = plants
        self._healer = gap_filler
        self._memories: CounterStates = {}
        self._moments: dict[Series, list[int]] = {}
        self._shortfall = BudgetWarning()
        self._cost = 1.0
        self._enduring = False

    async def run(self, stop: asyncio.Event) -> None:
        """Poll and wait until stopped."""
        while not stop.is_set():
            self.progress.next_at = await self.poll_once()
            await self.clock.wait(self.progress.next_at, stop)

    async def poll_once(self) -> float:
        """Do what is due, and return when something is again."""
        now = self.clock.now()
        try:
            if self.client is None:
                self.client = self._connect()
            if not self._memories:
                # Without a store to go on from, a poll would be asked for in vain.
                await self.writer.run(lambda _: None)
            budget = self.client.budget
            if budget.free < self._cost:
                # Half a poll would be requests for nothing.
                _log.info(LogEvent("waits", account=self.progress.name, why="the budget is used", seconds=MUCH_LATER))
                return now + MUCH_LATER
            budget = await self._poll(budget)
        except HeliographError as error:
            return self.clock.now() + self._after(error)
        self.progress.problem = None
        seen = self._seen(now, budget)
        self._mention_interval(seen)
        until = next_poll(now, self._pace, seen, self.progress.name)
        await self._heal(budget.free)
        return max(until, self.clock.now())

    async def _poll(self, before: Budget) -> Budget:
        """Ask once, and return the budget as it is afterwards."""
        snapshots = await self._snapshots()
        budget: Budget = self.client.budget
        self._cost = max(1.0, float(budget.requests_used - before.requests_used))
        if self.progress.polled_at is None:
            self._mention_clocks(snapshots)
        self.progress.polled_at = self.clock.now()
        self.progress.plants = tuple(one.plant for one in snapshots)
        await self._remember(snapshots)
        batch = poll_batch(snapshots, self._memories)
        self._memories.update(batch.counters)
        self._note_moments(snapshots)
        self.progress.samples += len(batch.samples)
        kept = await self.writer.write(batch)
        told = {"plants": len(snapshots), "samples": len(batch.samples), "repairs": len(batch.repairs)}
        _log.info(LogEvent("polled", account=self.progress.name, **told, requests=self._cost, kept=kept))
        return budget

    def _mention_clocks(self, snapshots: Sequence[Snapshot]) -> None:
        """Say once whose past will be read by one offset from UTC in summer and winter."""
        plants = [one.plant.id for one in snapshots if isinstance(one.plant.zone, timezone)]
        if plants:
            advice = 'the cloud tells no zone; write timezone = "Europe/…" into the configuration'
            _log.warning(LogEvent("no-zone", account=self.progress.name, plants=",".join(plants), advice=advice))

    def _mention_interval(self, seen: PollStats) -> None:
        """Say once that the budget does not pay the interval that is configured, and what it comes to."""
        interval = self._pace.interval
        if self._shortfall.due(interval, seen):
            why = f"a poll takes {seen.cost:g} requests, and polls have {seen.daily * POLL_SHARE:.0f} of {seen.daily} a day"
            comes = float(round(min_affordable_interval(seen)))
            _log.warning(LogEvent("slower", account=self.progress.name, interval=interval, seconds=comes, why=why))

    async def _snapshots(self) -> Sequence[Snapshot]:
        if not self._plants:
            found: Sequence[Snapshot] = await self.client.snapshots()
            return found
        return [await self.client.snapshot(plant) for plant in self._plants]

    async def _remember(self, snapshots: Sequence[Snapshot]) -> None:
        """Fetch what the counters and the rhythm of a series were, the first time it is seen."""
        found = {series_of(whole.plant) for whole in snapshots}
        found.update(series_of(box.device) for whole in snapshots for box in whole.devices)
        fresh = found - self._memories.keys()
        if fresh:
            now = int(self.clock.now())
            stored, moments = await self.writer.run(lambda store: _before(store, fresh, now))
            self._memories.update(stored)
            self._moments.update(moments)

    def _note_moments(self, snapshots: Sequence[Snapshot]) -> None:
        self._enduring = any(has_battery(one.values) for one in snapshots)
        for snapshot in snapshots:
            moments = self._moments.setdefault(series_of(snapshot.plant), [])
            if snapshot.measured_at and (at := int(snapshot.measured_at.timestamp())) not in moments[-1:]:
                moments.append(at)
                del moments[: -PATTERN_WINDOW // 300]

    def _seen(self, now: float, budget: Budget) -> PollStats:
        newest = max((moments[-1] for moments in self._moments.values() if moments), default=None)
        return PollStats(
            newest=newest,
            # Not learnt from our own samples: they tell how often we asked.
            sample_interval=DEFAULT_INTERVAL,
            reporting=newest is None or now - newest < _SPEAKING or any(self._usually_awake(now)),
            has_battery=self._enduring,
            cost=self._cost,
            daily=budget.daily,
        )

    def _usually_awake(self, now: float) -> Iterator[bool]:
        for plant in self.progress.plants:
            yield plant.zone is None or usually_reporting(self._moments[series_of(plant)], int(now), plant.zone)

    async def _heal(self, free: int) -> None:
        """Ask of the past with what the polls to come will not need."""
        if self._healer is None:
            return
        try:
            await self._healer.fill(self.client, self.progress.plants, self._memories, self._cost, free)
        except HeliographError as error:
            # The polls will meet it too, if it concerns them.
            _log.info(LogEvent("put off", account=self.progress.name, why=error))

    def _after(self, error: HeliographError) -> float:
        """Return the seconds to wait after an error."""
        if str(error) != str(self.progress.problem or ""):
            _log.warning(LogEvent("failed", account=self.progress.name, error=type(error).__name__, why=error))
        self.progress.problem = error
        if isinstance(error, Throttled):
            return max(error.retry_after, 1.0)
        if isinstance(error, LoginFailed):
            # A person may have mended it meanwhile; the keeper asks the cloud only when that can have changed things.
            self.client = None
            return LATER
        if isinstance(error, Unreachable | StoreError):
            return SOON
        self.client = None
        return MUCH_LATER


def _before(store: Store, fresh: set[Series], now: int) -> tuple[CounterStates, dict[Series, list[int]]]:
    """Return the counters' memory of these series, and when their plants were heard lately."""
    memories: CounterStates = {one: store.counters(one) for one in fresh}
    plants = (one for one in fresh if not one.device)
    return memories, {one: list(store.sample_times(one, now - PATTERN_WINDOW, now + 1)) for one in plants}


CounterStates = dict["Series", "Mapping[str, Any]"]
"""What the counters remember, by series."""


def poll_batch(snapshots: Sequence[Snapshot], memories: CounterStates) -> Batch:
    """Return everything one poll has to say; `memories` are not touched, the batch brings their successors."""
    samples: list[StoredSample] = []
    days: list[Day] = []
    repairs: list[Repair] = []
    counters: CounterStates = {}
    for snapshot in snapshots:
        zone = snapshot.plant.zone or UTC
        for entry in samples_of(snapshot):
            counted = repair_counters(memories.get(entry.series, {}), entry, zone)
            samples.append(counted.sample)
            days.extend(counted.days)
            repairs.extend(counted.repairs)
            counters[entry.series] = counted.state
    return Batch(
        samples=samples,
        days=days,
        repairs=repairs,
        counters=counters,
        series_info=[one for snapshot in snapshots for one in series_info_of(snapshot)],
    )
