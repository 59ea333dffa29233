"""A worker of a fleet: polls the accounts of the shards that the engine assigns to it, under the fence."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.gapfill import GapFiller
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.collect.service import SHUTDOWN_SECONDS
from heliograph.core.redact import Secret
from heliograph.errors import InvalidCredentials, StoreError, TermsNotAccepted, WrongRegion
from heliograph.eventlog import LogEvent
from heliograph.fleet.fence import ShardLost, ShardToken
from heliograph.fleet.permits import PermitUnavailable
from heliograph.fleet.tracing import span
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heliograph.fleet.engine import Engine, Tenure
    from heliograph.fleet.registry import FleetAccount
    from heliograph.fleet.worker_database import ShardDatabase, WorkerDatabase
    from heliograph.local_time import Clock

REFRESH_SECONDS = 30.0
"""Seconds until the accounts of a shard are read again."""
RETRY_SECONDS = 5.0
"""Seconds until an account is polled again whose request was not permitted because the database did not answer."""
NEWCOMER_SECONDS = 60.0
"""Seconds over which the first polls of new accounts are spread."""
PROOF_SECONDS = 1.0
"""Seconds between two checks of the fence."""
_RESTART_SECONDS = 900.0
_NO_SECRET = Secret("")
_NEEDS_PERSON = (InvalidCredentials, TermsNotAccepted, WrongRegion)

_log = logging.getLogger(__name__)


class WorkerSettings(NamedTuple):
    """How a worker polls."""

    fill_gaps: bool = True
    refresh: float = REFRESH_SECONDS
    policy: Callable[[FleetAccount], PollPolicy] | None = None
    """The intervals of an account; None for its own and its vendor's."""


@dataclass(slots=True)
class RunningAccount:
    """An account that is polled now."""

    account: FleetAccount
    poller: AccountPoller
    stop: asyncio.Event
    task: asyncio.Task[None]


class ShardPollers:
    """The pollers of one shard's accounts during one tenure; accounts come and go while it lasts."""

    def __init__(self, database: ShardDatabase, over: asyncio.Event, clock: Clock, settings: WorkerSettings) -> None:
        self.held = database.held
        self.running: dict[int, RunningAccount] = {}
        self.is_lost = False
        """Whether another worker has taken the shard."""
        self._database = database
        self._over = over
        self._clock = clock
        self._settings = settings
        self._figures = database.figures

    async def run(self) -> None:
        """Poll until the tenure is over; then stop asking, write what is pending, and return."""
        try:
            while not self._over.is_set():
                await self._refresh()
                await _wait(self._over, self._settings.refresh)
        finally:
            await self._stop(list(self.running.values()))
            if not self.is_lost and not await self._database.settle():
                _log.error(LogEvent("data.lost", shard=self.held.shard, why="the database is unavailable"))

    def lose(self) -> None:
        """Stop at once: another worker has the shard, and nothing can be sent or written any more."""
        if not self.is_lost:
            self.is_lost = True
            self._figures.counters["lost_shards"] += 1
            _log.warning(LogEvent("fleet.shard_lost", shard=self.held.shard))
            self._over.set()

    async def _refresh(self) -> None:
        """Start the pollers of new and changed accounts, and stop those of accounts that left the shard."""
        try:
            wanted = {one.id: one for one in await self._database.accounts()}
        except StoreError as error:
            _log.warning(LogEvent("fleet.accounts_unavailable", shard=self.held.shard, why=error))
            return
        await self._stop(
            [
                one
                for number, one in self.running.items()
                if number not in wanted or one.task.done() or _has_changed(one.account, wanted[number])
            ]
        )
        for number, account in wanted.items():
            if (one := self.running.get(number)) is None:
                self._start(account)
            else:
                one.account = account

    def _start(self, account: FleetAccount) -> None:
        configured = account.account
        policy = (self._settings.policy or poll_policy)(account)
        writer = self._database.writer(account)
        poller = AccountPoller(
            configured.name,
            lambda: self._database.create_client(account),
            writer,
            self._clock,
            policy,
            plants=configured.plants,
            gap_filler=GapFiller(writer, self._clock) if self._settings.fill_gaps else None,
        )
        # New accounts are spread over a minute; the egress limits their logins further.
        due_at = account.due_at or self._clock.now() + _fraction(account) * min(policy.wanted, NEWCOMER_SECONDS)
        stop = asyncio.Event()
        task = asyncio.create_task(self._poll_until_stopped(account, poller, due_at, stop))
        self.running[account.id] = RunningAccount(account, poller, stop, task)

    async def _stop(self, stopped: Sequence[RunningAccount]) -> None:
        """Stop pollers; a poll under way may end within the time of a shutdown, unless the shard is lost."""
        for one in stopped:
            one.stop.set()
            self.running.pop(one.account.id, None)
        tasks = [one.task for one in stopped]
        if tasks and not self.is_lost:
            await asyncio.wait(tasks, timeout=SHUTDOWN_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll_until_stopped(
        self, account: FleetAccount, poller: AccountPoller, due_at: float, stop: asyncio.Event
    ) -> None:
        while not stop.is_set():
            await self._clock.wait(due_at, stop)
            await self._database.room(stop)
            if stop.is_set() or self.is_lost:
                return
            self._figures.measure("lag", max(self._clock.now() - due_at, 0.0))
            with span("poll", account.id, shard=self.held.shard):
                next_at = await self._poll(account, poller)
            if next_at is None:
                return
            due_at = next_at

    async def _poll(self, account: FleetAccount, poller: AccountPoller) -> float | None:
        """Poll once; return when the next poll is due, None if there is none. Errors stay within the account."""
        counters = self._figures.counters
        try:
            due_at = await poller.poll_once()
            problem: Exception | None = poller.progress.problem
        except ShardLost as error:
            due_at, problem = 0.0, error
        except Exception:  # noqa: BLE001 - the boundary between accounts
            _log.exception(LogEvent("internal.error", account=poller.progress.name))
            return self._clock.now() + _RESTART_SECONDS
        counters["polls"] += 1
        counters["failed_polls"] += problem is not None
        retry_at = self._clock.now() + RETRY_SECONDS * (1 + _fraction(account))
        try:
            if isinstance(problem, ShardLost):
                if await self._database.is_lost():
                    self.lose()
                return None  # else only the account was moved to another shard
            if isinstance(problem, _NEEDS_PERSON):
                await self._database.needs_person(account, str(problem))
                return None
        except StoreError:
            return retry_at
        return retry_at if isinstance(problem, PermitUnavailable | StoreError) else due_at


class FleetWorker:
    """Polls the accounts of the shards that the engine assigns to this process."""

    def __init__(self, engine: Engine, database: WorkerDatabase, settings: WorkerSettings) -> None:
        self.shards: dict[int, ShardPollers] = {}
        self._engine = engine
        self._database = database
        self._settings = settings

    def proved_at(self) -> float:
        """Return since when this worker may be taken for dead, by `boot_time`: of engine and fence the older proof."""
        return min(self._engine.proved(), self._database.permits.proved_at)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until stopped, then hand over all shards; raises `WorkerExpired` if others have taken over."""
        proving = asyncio.create_task(self._prove())
        try:
            await self._engine.run(self._own, stop)
        finally:
            proving.cancel()
            await asyncio.gather(proving, return_exceptions=True)

    async def _own(self, tenure: Tenure) -> None:
        database = await self._database.take(ShardToken(tenure.shard, tenure.token))
        if database is None:
            return
        self._database.figures.counters["takeovers"] += 1
        shard = ShardPollers(database, tenure.over, self._database.clock, self._settings)
        self.shards[tenure.shard] = shard
        try:
            await shard.run()
        finally:
            if self.shards.get(tenure.shard) is shard:
                del self.shards[tenure.shard]

    async def _prove(self) -> None:
        """Check the fence regularly, also while no request is due, and report the figures."""
        while True:
            await asyncio.sleep(PROOF_SECONDS)
            shards = {one.held: one for one in self.shards.values()}
            try:
                for held in await self._database.prove(list(shards)):
                    shards[held].lose()
            except StoreError as error:
                _log.warning(LogEvent("fleet.fence_unavailable", why=error))
            running = [one for shard in self.shards.values() for one in shard.running.values()]
            figures = self._database.figures
            figures.gauges["shards"], figures.gauges["accounts"] = len(self.shards), len(running)
            figures.gauges["failing_accounts"] = sum(one.poller.progress.problem is not None for one in running)
            self._database.measure()
            self._engine.report(figures.as_dict())


def poll_policy(account: FleetAccount) -> PollPolicy:
    """Return the intervals of an account's vendor, and its own."""
    configured = account.account
    minimum, usual = VENDORS[configured.vendor].intervals(by_token=configured.token is not None)
    interval = configured.interval.total_seconds() if configured.interval else None
    return PollPolicy(minimum.total_seconds(), interval, usual.total_seconds())


def _has_changed(before: FleetAccount, now: FleetAccount) -> bool:
    try:
        return now.account is not before.account and _configured(now) != _configured(before)
    except StoreError:  # a secret does not open: only that account's login fails
        return True


def _configured(account: FleetAccount) -> object:
    """Return the members on which a poller depends; secrets as texts, because each rotation seals them again."""
    given = account.account
    texts = [one and one.reveal() for one in (given.password, given.token)]
    return replace(given, password=_NO_SECRET, token=None), texts, account.egress


def _fraction(account: FleetAccount) -> float:
    """Return a number from 0 to 1 that is evenly distributed over accounts."""
    return account.id * 0.618034 % 1


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
