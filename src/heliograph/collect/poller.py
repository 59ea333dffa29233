"""Account poller: polls one account, fills gaps with the spare budget, and waits; errors stay within the account."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from heliograph.collect.batch import poll_batch
from heliograph.collect.budget import poll_requests
from heliograph.collect.event_watcher import EventWatcher
from heliograph.collect.poll_warnings import PollWarnings
from heliograph.collect.pollstate import StoredState, account_polls, read_curves, read_state, time_of_day
from heliograph.collect.schedule import (
    DAY,
    POLL_SHARE,
    RETRY_SECONDS,
    UNUSABLE,
    UPLOAD_INTERVAL,
    Daylight,
    PollPolicy,
    daylight_of,
    jitter,
    night_rhythm,
    night_wait,
    poll_rhythm,
    wait_after,
)
from heliograph.collect.snapshot_queue import drain_queue
from heliograph.core.effects import run_on_thread
from heliograph.errors import AccountLocked, Blocked, HeliographError, LoginFailed, StoreError, Throttled, Unreachable
from heliograph.eventlog import LogEvent
from heliograph.store.base import Batch, PollStatus, Series, series_of
from heliograph.vendors.base import PollLoad

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import tzinfo

    from heliograph.collect.counters.repair import CounterStates
    from heliograph.collect.gapfill import GapFiller
    from heliograph.keeper import Budget
    from heliograph.local_time import Clock
    from heliograph.model import Plant, Snapshot
    from heliograph.store.threaded import BufferedWriter
    from heliograph.vendors.base import AsyncSolarClient, LivePoll, PollRhythm

BOOST_SECONDS = 600.0
"""Seconds of faster polls after a person's action."""
_REFRESH_SECONDS = 1800.0
"""Seconds until the daylight and the requests of a backfill are read again."""

_USUAL_EXTRA = 6
"""Requests in rotation that one poll takes at most, usually."""

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
    reason: str = ""
    """Why the account is not polled at its stated interval; empty while it is."""


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
        self._warnings = PollWarnings(name)
        self._watcher = EventWatcher(name, writer, clock)
        self._load: PollLoad | None = None
        self._fetched: LivePoll | None = None
        self._cost = 1.0
        self._filled_at: float | None = None
        self._daylight = Daylight()
        self._history_requests = 0
        self._read_at: float | None = None
        self._statuses: dict[Series, PollStatus] = {}
        self._failed: Collection[str] = ()
        """Ids of the plants that the last poll failed to fetch."""
        self._logged_reason = ""
        self._boost_until = 0.0
        self._reserve = 0
        self._boosted: deque[tuple[float, float]] = deque()
        """Time and requests of the polls of the last 24 hours that a person's action caused."""
        self._wake = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Poll and wait until stopped; the first poll is due by what an earlier run stored of its last one."""
        self.progress.next_at = await self._first_due()
        while not stop.is_set():
            while await self._woken(stop):
                await self._drain()
            if not stop.is_set():
                self.progress.next_at = await self.poll_once()

    async def _first_due(self) -> float:
        """Return when the stated interval since the last stored poll is over; now without one, or after an error."""
        now = self.clock.now()
        try:
            polls = await self.writer.run(partial(account_polls, account=self.progress.name, plants=self._plants))
        except StoreError:
            return now  # the first poll reports it
        if any(one.polled_at > now for one in polls):
            return now  # the clock was set back
        due = float(min((one.next_at for one in polls if not one.reason), default=0))
        if due > now:
            _log.info(LogEvent("poll.resumed", account=self.progress.name, seconds=float(round(due - now))))
        return max(due, now)

    async def _woken(self, stop: asyncio.Event) -> bool:
        """Wait until the next poll is due; return True if `wake` or `boost` was called before."""
        next_at = self.progress.next_at
        if stop.is_set() or next_at is None or next_at <= self.clock.now():
            return False
        wait = asyncio.ensure_future(self.clock.wait(next_at, stop))
        wake = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((wait, wake), return_when=asyncio.FIRST_COMPLETED)
            return self._wake.is_set()
        finally:
            self._wake.clear()
            for one in (wait, wake):
                one.cancel()
            await asyncio.gather(wait, wake, return_exceptions=True)

    def wake(self) -> None:
        """Store what other programs have queued, now instead of with the next poll."""
        self._wake.set()

    def boost(self, fetched_at: float | None = None) -> None:
        """Poll at each upload for ten minutes, because a person has just asked for current values.

        `fetched_at` is when the person's program fetched them itself. The polls use up to half the reserve for people,
        and never the time of a wait after an error.
        """
        now = self.clock.now()
        self._boost_until = max(
            self._boost_until, (now if fetched_at is None else min(fetched_at, now)) + BOOST_SECONDS
        )
        polled_at, next_at = self.progress.polled_at, self.progress.next_at
        if self.progress.reason or polled_at is None or next_at is None or not self._may_boost(now):
            return
        due = max(now, max(polled_at, fetched_at or 0.0) + self._boost_interval)
        if due < next_at:
            self.progress.next_at = due
            self._wake.set()

    async def _drain(self) -> None:
        """Store what other programs of the account have queued; poll sooner if a person waited for it."""
        if self.client is None:
            return
        queue = self.client.guard.snapshot_file
        if not queue.changed_at():
            return
        fetched_at = await drain_queue(queue, self.progress.name, self.writer, self._states)
        if fetched_at is not None:
            self.boost(fetched_at)

    @property
    def _boost_interval(self) -> float:
        return max(self._policy.min_interval, UPLOAD_INTERVAL)

    def _may_boost(self, now: float) -> bool:
        while self._boosted and self._boosted[0][0] <= now - DAY:
            self._boosted.popleft()
        return now < self._boost_until and sum(count for _, count in self._boosted) < self._reserve / 2

    async def poll_once(self) -> float:
        """Poll and fill gaps, and return the time of the next poll."""
        now = self.clock.now()
        try:
            if self.client is None:
                self.client = await run_on_thread(self._connect)
            client = self.client
            await self._refresh(now)
            budget = await client.budget_async()
            self._reserve = budget.reserve
            if budget.free < self._expected:
                # The requests of an incomplete poll would be wasted.
                free_at = await client.free_at_async(self._expected)
                return await self._wait_until(max(free_at, now + RETRY_SECONDS), "the daily request quota is used")
            budget, next_at = await self._poll(client, budget)
        except HeliographError as error:
            delay, reason = self._handle_error(error)
            return await self._wait_until(self.clock.now() + delay, reason)
        self.progress.problem = None
        if self._gap_filler is not None:
            try:
                # What the next polls need is not spent.
                free = budget.free - self._expected - _USUAL_EXTRA
                elapsed = min(now - self._filled_at, DAY) if self._filled_at is not None else 0.0
                allowance = max(self._cost, budget.daily * POLL_SHARE * elapsed / DAY)
                self._filled_at = now
                await self._gap_filler.fill(client, self.progress.plants, self._states, allowance, free)
            except HeliographError as error:
                # The next poll reports the error if it is affected too.
                _log.info(LogEvent("gapfill.deferred", account=self.progress.name, why=error))
        spare = budget.free - self._expected - _USUAL_EXTRA
        await self._watcher.fetch_log(client, self.progress.plants, spare, budget.daily)
        return max(next_at, self.clock.now())

    @property
    def _expected(self) -> int:
        """The requests that the next poll probably takes."""
        return self._load.every_poll + min(self._load.flows, 2) if self._load else 1

    async def _poll(self, client: AsyncSolarClient, before: Budget) -> tuple[Budget, float]:
        """Fetch and save what is due of all plants; return the budget afterwards and the time of the next poll."""
        now = self.clock.now()
        rhythm = self._rhythm(now, before)
        if self._load and before.free < self._expected + min(self._load.flows + self._load.slow, _USUAL_EXTRA):
            rhythm = rhythm._replace(slow_interval=inf)
        # A poll that could not be processed because the store failed is not fetched again: it is no longer due.
        poll = self._fetched = self._fetched or await client.live(rhythm, self._plants)
        self._load = poll.load
        budget = await client.budget_async()
        self._cost = cost = max(1.0, float(budget.requests_used - before.requests_used))
        early = self.progress.polled_at is not None and now < self.progress.polled_at + rhythm.interval - RETRY_SECONDS
        if early and not rhythm.day_end:
            self._boosted.append((now, cost))
        snapshots = poll.snapshots
        if self.progress.polled_at is None:
            self._warnings.warn_about_fixed_offsets(snapshots)
        self.progress.polled_at = self.clock.now()
        known = {plant.id: plant for plant in self.progress.plants} | {one.plant.id: one.plant for one in snapshots}
        self.progress.plants = tuple(known.values())
        await self._load_state(snapshots)
        await self._drain()
        curves = await read_curves(self.writer, snapshots, self._states)
        batch = poll_batch(snapshots, self._states, self.progress.name, curves)
        batch = self._watcher.notice(snapshots).added_to(batch)
        self._fetched = None
        self._states.update(batch.counters)
        self._warnings.warn_about_rejected_samples(snapshots, batch)
        self._warnings.warn_about_failed_plants(poll.problems, snapshots)
        self._note_polled(poll, self._rhythm(now, budget))
        next_at, reason = await self._next(client, now, budget)
        self._note_next(next_at, reason)
        self.progress.samples += len(batch.samples)
        # With the samples, because the next start must know of this poll even if the program ends before the wait.
        saved = await self.writer.write(replace(batch, polls=tuple(self._statuses.values())))
        await self._share(client, snapshots)
        counts = {"plants": len(snapshots), "samples": len(batch.samples), "corrected": len(batch.repairs)}
        _log.info(LogEvent("poll.done", account=self.progress.name, **counts, requests=cost, saved=saved))
        return budget, next_at

    async def _share(self, client: AsyncSolarClient, snapshots: Sequence[Snapshot]) -> None:
        """Save the polled snapshots for other programs of the account, so that they need no request."""
        file = client.guard.snapshot_file
        if not file.changed_at():
            return
        try:
            await asyncio.to_thread(file.share, snapshots, self.clock.now(), client.session.zone)
        except StoreError as error:
            _log.warning(LogEvent("snapshots.not_saved", why=error))

    def _rhythm(self, now: float, budget: Budget) -> PollRhythm:
        """Return the intervals that apply now."""
        load = self._load or PollLoad()
        zone = self._zone
        light = DAY if zone is None else self._daylight.length
        requests = poll_requests(budget.daily, load, light, self._policy.wanted, self._history_requests)
        day = poll_rhythm(load, requests, light, self._policy.wanted)
        second, until_midnight = (0.0, DAY) if zone is None else time_of_day(now, zone)
        return day if zone is None or self._daylight.includes(second) else night_rhythm(day, until_midnight)

    @property
    def _zone(self) -> tzinfo | None:
        return next((plant.zone for plant in self.progress.plants if plant.zone is not None), None)

    async def _next(self, client: AsyncSolarClient, now: float, budget: Budget) -> tuple[float, str]:
        """Return when the next poll is due, and why it is later than stated."""
        rhythm, zone = self._rhythm(now, budget), self._zone
        self._warnings.warn_about_interval(self._policy.interval, rhythm, self._load, budget)
        wait = rhythm.interval
        if zone is not None and not rhythm.daylight:
            wait = night_wait(self._load or PollLoad(), rhythm, self._daylight, *time_of_day(now, zone))
        due = now + wait + jitter(self.progress.name, rhythm.interval)
        if self._may_boost(now):
            due = min(due, now + self._boost_interval)
        if budget.free < self._expected and (
            (free_at := await client.free_at_async(self._expected)) > due + RETRY_SECONDS
        ):
            return free_at, "the daily request quota is used"
        return max(due, self.clock.now()), ""

    def _note_polled(self, poll: LivePoll, rhythm: PollRhythm) -> None:
        """Note the plants that the vendor API has just answered for."""
        for snapshot in poll.snapshots:
            series, at = series_of(snapshot.plant), int(snapshot.fetched_at.timestamp())
            rotates = snapshot.plant.id in poll.rotating
            interval = int(max(rhythm.flow_interval, rhythm.interval) if rotates else rhythm.interval)
            self._statuses[series] = PollStatus(
                series, at, interval, at + interval, unconfirmed=snapshot.plant.id in poll.unconfirmed
            )
        self._failed = poll.problems.keys()

    def _note_next(self, next_at: float, reason: str) -> None:
        """Note when each plant will be polled, and log why it is later than stated."""
        self.progress.reason = reason
        now = self.clock.now()
        intervals = [status.interval for status in self._statuses.values()]
        if reason and reason != self._logged_reason and next_at - now > 2 * min(intervals, default=0):
            until = datetime.fromtimestamp(next_at, UTC).astimezone(self._zone).isoformat(timespec="minutes")
            seconds = float(round(next_at - now))
            _log.info(LogEvent("poll.waiting", account=self.progress.name, why=reason, next=until, seconds=seconds))
        self._logged_reason = reason
        for series, status in self._statuses.items():
            # A plant that is polled in rotation has its own time.
            due = max(next_at, status.polled_at + status.interval) if not reason else next_at
            why = reason or (UNUSABLE if series.plant in self._failed else "")
            self._statuses[series] = status._replace(next_at=int(due), reason=why)

    async def _wait_until(self, next_at: float, reason: str) -> float:
        """Store and log why the account is not polled before, and return that time."""
        if not isinstance(self.progress.problem, StoreError):
            self._note_next(next_at, reason)
            if self._statuses:
                await self.writer.write(Batch(polls=tuple(self._statuses.values())))
        return next_at

    async def _refresh(self, now: float) -> None:
        """Read what may have changed in the store: the daylight, and the requests of a backfill."""
        if self._read_at is not None and 0 <= now - self._read_at < _REFRESH_SECONDS:
            return
        plants = {series_of(plant): plant.zone for plant in self.progress.plants}
        try:
            found = await self.writer.run(lambda store: read_state(store, set(), plants, int(now)))
        except StoreError:
            if not self._states:
                # Without the counters in the store, the requests of a poll would be wasted.
                raise
            return  # samples are buffered until the store is available, and the last state is used
        self._use(found)
        self._read_at = now

    async def _load_state(self, snapshots: Sequence[Snapshot]) -> None:
        """Read the counter states of series that are polled for the first time, and the daylight of their plants."""
        await self._watcher.load(snapshot.plant for snapshot in snapshots)
        series = {series_of(snapshot.plant) for snapshot in snapshots}
        series.update(series_of(device.device) for snapshot in snapshots for device in snapshot.devices)
        new = series - self._states.keys()
        if new:
            now = int(self.clock.now())
            plants = {series_of(plant): plant.zone for plant in self.progress.plants}
            self._use(await self.writer.run(lambda store: read_state(store, new, plants, now)))

    def _use(self, found: StoredState) -> None:
        self._states.update(found.counters)
        self._daylight = daylight_of(found.sunny)
        self._history_requests = found.history_requests
        for status in found.statuses:
            self._statuses.setdefault(status.series, status)

    def _handle_error(self, error: HeliographError) -> tuple[float, str]:
        """Log an error unless it is the same as before, and return the seconds to wait and the reason for it."""
        if str(error) != str(self.progress.problem or ""):
            _log.warning(LogEvent("poll.failed", account=self.progress.name, error=type(error).__name__, why=error))
        self.progress.problem = error
        if isinstance(error, LoginFailed) or not isinstance(error, Throttled | Unreachable | StoreError):
            # The user may have fixed the credentials; the keeper sends a login only if they have changed.
            self.client = None
        delay, reason = wait_after(error)
        until = datetime.fromtimestamp(self.clock.now() + delay, UTC).astimezone(self._zone)
        return delay, f"{reason} until {until:%H:%M}" if isinstance(error, AccountLocked | Blocked) else reason
