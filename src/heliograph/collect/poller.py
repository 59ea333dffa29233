"""Account poller: polls one account, fills gaps with the spare budget, and waits; errors stay within the account."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, timezone
from typing import TYPE_CHECKING

from heliograph.collect.counters.repair import repair_counters
from heliograph.collect.freshness import DEFAULT_INTERVAL, PATTERN_WINDOW, has_battery, usually_reporting
from heliograph.collect.plausibility import check_sample
from heliograph.collect.schedule import (
    POLL_SHARE,
    BudgetWarning,
    PollPolicy,
    PollStats,
    min_affordable_interval,
    next_poll,
)
from heliograph.collect.snapshot_queue import drain_queue
from heliograph.errors import HeliographError, LoginFailed, StoreError, Throttled, Unreachable
from heliograph.eventlog import LogEvent
from heliograph.store.base import MAX_AHEAD, Batch, samples_of, series_info_of, series_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from heliograph.collect.counters.repair import CounterStates
    from heliograph.collect.gapfill import GapFiller
    from heliograph.keeper import Budget
    from heliograph.local_time import Clock
    from heliograph.model import Plant, Snapshot
    from heliograph.store.base import Day, Repair, Series, Store, StoredSample
    from heliograph.store.threaded import BufferedWriter
    from heliograph.vendors.base import AsyncSolarClient

RETRY_SECONDS, LOGIN_RETRY_SECONDS, LONG_RETRY_SECONDS = 60.0, 300.0, 900.0
_RECENT_SECONDS = 900.0
"""A plant with a sample this recent is awake, whatever is usual at this hour."""

_log = logging.getLogger(__name__)


@dataclass
class PollProgress:
    """The progress of an account's poller, for display."""

    name: str
    polled_at: float | None = None
    next_at: float | None = None
    samples: int = 0
    problem: HeliographError | None = None
    plants: tuple[Plant, ...] = ()


class AccountPoller:
    """The polling loop of one account; `connect` creates its client, again after a login error or a long back-off."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], AsyncSolarClient],
        writer: BufferedWriter,
        clock: Clock,
        policy: PollPolicy,
        *,
        plants: Sequence[str] = (),
        gap_filler: GapFiller | None = None,
    ) -> None:
        self.progress = PollProgress(name)
        self.writer = writer
        self.clock = clock
        self.client: AsyncSolarClient | None = None
        self._connect = connect
        self._policy = policy
        self._plants = plants
        self._gap_filler = gap_filler
        self._states: CounterStates = {}
        self._sample_times: dict[Series, list[int]] = {}
        self._rejected: set[Series] = set()
        self._budget_warning = BudgetWarning()
        self._cost = 1.0
        self._has_battery = False

    async def run(self, stop: asyncio.Event) -> None:
        """Poll and wait until stopped."""
        while not stop.is_set():
            self.progress.next_at = await self.poll_once()
            await self.clock.wait(self.progress.next_at, stop)

    async def poll_once(self) -> float:
        """Poll and fill gaps, and return the time of the next poll."""
        now = self.clock.now()
        try:
            client = self.client = self.client or self._connect()
            if not self._states:
                # Without a store to read the counters from, the requests of a poll would be wasted.
                await self.writer.run(lambda _: None)
            budget = client.budget
            if budget.free < self._cost:
                # The requests of an incomplete poll would be wasted.
                event = LogEvent(
                    "poll.waiting", account=self.progress.name, why="the budget is used", seconds=LONG_RETRY_SECONDS
                )
                _log.info(event)
                return now + LONG_RETRY_SECONDS
            budget = await self._poll(client, budget)
        except HeliographError as error:
            return self.clock.now() + self._handle_error(error)
        self.progress.problem = None
        stats = self._stats(now, budget)
        self._warn_about_interval(stats)
        next_at = next_poll(now, self._policy, stats, self.progress.name)
        if self._gap_filler is not None:
            try:
                plants = self.progress.plants
                await self._gap_filler.fill(client, plants, self._states, self._cost, budget.free)
            except HeliographError as error:
                # The next poll reports the error if it is affected too.
                _log.info(LogEvent("gapfill.deferred", account=self.progress.name, why=error))
        return max(next_at, self.clock.now())

    async def _poll(self, client: AsyncSolarClient, before: Budget) -> Budget:
        """Fetch and save one snapshot of each plant, and return the budget afterwards."""
        if self._plants:
            snapshots = tuple([await client.snapshot(plant) for plant in self._plants])
        else:
            snapshots = await client.snapshots()
        budget = client.budget
        self._cost = max(1.0, float(budget.requests_used - before.requests_used))
        if self.progress.polled_at is None:
            self._warn_about_fixed_offsets(snapshots)
        self.progress.polled_at = self.clock.now()
        self.progress.plants = tuple(snapshot.plant for snapshot in snapshots)
        await self._load_state(snapshots)
        await drain_queue(client.guard.snapshot_file, poll_batch, self.writer, self._states)
        batch = poll_batch(snapshots, self._states)
        self._states.update(batch.counters)
        self._add_sample_times(snapshots)
        self._warn_about_rejected_samples(snapshots, batch)
        self.progress.samples += len(batch.samples)
        saved = await self.writer.write(batch)
        counts = {"plants": len(snapshots), "samples": len(batch.samples), "corrected": len(batch.repairs)}
        _log.info(LogEvent("poll.done", account=self.progress.name, **counts, requests=self._cost, saved=saved))
        return budget

    def _warn_about_fixed_offsets(self, snapshots: Sequence[Snapshot]) -> None:
        """Warn once about plants whose time zone is a fixed UTC offset: their history across DST will be shifted."""
        plants = [snapshot.plant.id for snapshot in snapshots if isinstance(snapshot.plant.zone, timezone)]
        if plants:
            advice = 'the cloud reports no time zone; set timezone = "Europe/…" in the configuration'
            _log.warning(
                LogEvent("timezone.missing", account=self.progress.name, plants=",".join(plants), advice=advice)
            )

    def _warn_about_rejected_samples(self, snapshots: Sequence[Snapshot], batch: Batch) -> None:
        """Warn about samples that were set aside, once until another series is affected or none."""
        stored = {sample.series for sample in batch.samples}
        rejected = {sample.series for snapshot in snapshots for sample in samples_of(snapshot)} - stored
        if rejected - self._rejected:
            names = ",".join(sorted("/".join(filter(None, series[1:])) for series in rejected))
            why = "measured in the future: check the clock of the datalogger and of this computer"
            _log.warning(LogEvent("sample.rejected", account=self.progress.name, series=names, why=why))
        self._rejected = rejected

    def _warn_about_interval(self, stats: PollStats) -> None:
        """Warn once if the budget does not allow the configured interval."""
        interval = self._policy.interval
        if self._budget_warning.due(interval, stats):
            share = f"polls may use {stats.daily * POLL_SHARE:.0f} of {stats.daily} a day"
            why = f"a poll takes {stats.cost:g} requests, and {share}"
            seconds = float(round(min_affordable_interval(stats)))
            event = LogEvent(
                "poll.interval_extended", account=self.progress.name, interval=interval, seconds=seconds, why=why
            )
            _log.warning(event)

    async def _load_state(self, snapshots: Sequence[Snapshot]) -> None:
        """Read the counter states and sample times of series that are polled for the first time."""
        series = {series_of(snapshot.plant) for snapshot in snapshots}
        series.update(series_of(device.device) for snapshot in snapshots for device in snapshot.devices)
        new = series - self._states.keys()
        if new:
            now = int(self.clock.now())
            states, sample_times = await self.writer.run(lambda store: _read_state(store, new, now))
            self._states.update(states)
            self._sample_times.update(sample_times)

    def _add_sample_times(self, snapshots: Sequence[Snapshot]) -> None:
        self._has_battery = any(has_battery(snapshot.values) for snapshot in snapshots)
        for snapshot in snapshots:
            times = self._sample_times.setdefault(series_of(snapshot.plant), [])
            if snapshot.measured_at is None:
                continue
            at = int(snapshot.measured_at.timestamp())
            if at <= snapshot.fetched_at.timestamp() + MAX_AHEAD and at not in times[-1:]:
                times.append(at)
                del times[: -PATTERN_WINDOW // 300]

    def _stats(self, now: float, budget: Budget) -> PollStats:
        newest = max((times[-1] for times in self._sample_times.values() if times), default=None)
        return PollStats(
            newest=newest,
            # Not learnt from our own samples: their distance is the poll interval.
            sample_interval=DEFAULT_INTERVAL,
            reporting=newest is None
            or now - newest < _RECENT_SECONDS
            or any(
                plant.zone is None or usually_reporting(self._sample_times[series_of(plant)], int(now), plant.zone)
                for plant in self.progress.plants
            ),
            has_battery=self._has_battery,
            cost=self._cost,
            daily=budget.daily,
        )

    def _handle_error(self, error: HeliographError) -> float:
        """Log an error unless it is the same as before, and return the seconds to wait."""
        if str(error) != str(self.progress.problem or ""):
            _log.warning(LogEvent("poll.failed", account=self.progress.name, error=type(error).__name__, why=error))
        self.progress.problem = error
        if isinstance(error, Throttled):
            return max(error.retry_after, 1.0)
        if isinstance(error, LoginFailed):
            # The user may have fixed the credentials; the keeper sends a login only if they have changed.
            self.client = None
            return LOGIN_RETRY_SECONDS
        if isinstance(error, Unreachable | StoreError):
            return RETRY_SECONDS
        self.client = None
        return LONG_RETRY_SECONDS


def _read_state(store: Store, new: set[Series], now: int) -> tuple[CounterStates, dict[Series, list[int]]]:
    """Return the counter states of these series, and the recent sample times of their plants."""
    states: CounterStates = {series: store.counters(series) for series in new}
    plants = (series for series in new if not series.device)
    return states, {plant: list(store.sample_times(plant, now - PATTERN_WINDOW, now + 1)) for plant in plants}


def poll_batch(snapshots: Sequence[Snapshot], states: CounterStates) -> Batch:
    """Return all rows of one poll; `states` is not modified, the batch contains the new counter states."""
    samples: list[StoredSample] = []
    days: list[Day] = []
    repairs: list[Repair] = []
    counters: CounterStates = {}
    for snapshot in snapshots:
        zone = snapshot.plant.zone or UTC
        for sample in samples_of(snapshot):
            checked = check_sample(sample)
            repairs.extend(checked.repairs)
            if checked.sample is None:
                continue
            result = repair_counters(states.get(sample.series, {}), checked.sample, zone)
            samples.append(result.sample)
            days.extend(result.days)
            repairs.extend(result.repairs)
            counters[sample.series] = result.state
    return Batch(
        samples=samples,
        days=days,
        repairs=repairs,
        counters=counters,
        series_info=[info for snapshot in snapshots for info in series_info_of(snapshot)],
    )
