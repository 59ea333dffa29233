"""A worker's connections to the fleet's database: the fence, permits, accounts, samples and egress limits."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.errors import ConfigError, StoreError
from heliograph.eventlog import LogEvent
from heliograph.fleet.database import Database, boot_time
from heliograph.fleet.egress import EgressLimit, PacedStateStore
from heliograph.fleet.fence import ShardToken, take_shard
from heliograph.fleet.permits import PermitWriter
from heliograph.fleet.registry import AccountRegistry
from heliograph.fleet.sample_writer import MAX_WAITING, FencedStore, SampleWriter
from heliograph.fleet.schema import check_schema
from heliograph.fleet.secrets import check_keys
from heliograph.fleet.state_store import AccountStateStore
from heliograph.keeper import Keeper
from heliograph.local_time import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heliograph.config import Account
    from heliograph.fleet.database import DatabaseClock
    from heliograph.fleet.figures import WorkerFigures
    from heliograph.fleet.registry import FleetAccount
    from heliograph.fleet.sample_writer import AccountWriter
    from heliograph.fleet.secrets import SecretBox
    from heliograph.vendors.base import AsyncSolarClient

    CreateClient = Callable[[Account, Keeper, Callable[[], float]], AsyncSolarClient]

SETTLE_SECONDS = 10.0
"""Seconds for which a hand-over waits for the last rows to be stored."""
_NO_FOLDER = Path("/nonexistent/heliograph-fleet")
"""A worker has no files; snapshots of other programs do not exist."""

_log = logging.getLogger(__name__)


class FleetClock(Clock):
    """The database's clock, so that a worker whose own clock is wrong polls on time and counts limits correctly."""

    def __init__(self, clock: DatabaseClock) -> None:
        self._clock = clock

    def now(self) -> float:
        """Return the database's time, in epoch seconds."""
        return self._clock.now()


class WorkerDatabase:
    """The connections of one worker; `create_client` returns the client of an account with a keeper and a clock.

    `owner` identifies this process in the fence. With `check_fence=False` every token is accepted; only for the control
    of a test.
    """

    def __init__(
        self,
        url: str,
        box: SecretBox,
        owner: str,
        create_client: CreateClient,
        figures: WorkerFigures,
        *,
        check_fence: bool = True,
    ) -> None:
        self.figures = figures
        self.box = box
        self.permit_database = Database(url, application="heliograph fleet permits")
        self.fence_database = Database(url, application="heliograph fleet fence")
        self.database = Database(url, application="heliograph fleet accounts")
        self.database.clock = self.permit_database.clock
        self.clock = FleetClock(self.permit_database.clock)
        self.permits = PermitWriter(self.permit_database, check_fence=check_fence)
        self.samples = SampleWriter(partial(_open_store, url, check_fence=check_fence))
        self.registry = AccountRegistry(self.database, box)
        self._create_client = create_client
        self._owner = owner
        self._taking = asyncio.Lock()
        self._limits: dict[tuple[str, str], EgressLimit] = {}

    async def open(self, egresses: Sequence[str]) -> None:
        """Check tables, keys and egresses, and read the database's clock; raises `StoreError` and `ConfigError`."""
        await check_schema(self.database)
        await check_keys(self.database, self.box)
        known = [name for (name,) in await self.database.run("SELECT DISTINCT egress FROM fence ORDER BY egress")]
        for name in egresses:
            if name not in known:
                advice = f"heliograph fleet init --egress {name} adds it"
                raise ConfigError(f"there is no egress {name}; known are {', '.join(known)}; {advice}")
        await self.permit_database.observe_clock()
        self.permits.proved_at = boot_time()

    async def close(self) -> None:
        """Write what is pending, and close the connections."""
        await self.permits.finish()
        if not await self.samples.finish():
            _log.error(LogEvent("data.lost", batches=self.samples.waiting, why=self.samples.store_error))
        for database in (self.permit_database, self.fence_database, self.database):
            await database.close()

    async def take(self, held: ShardToken) -> ShardDatabase | None:
        """Raise the fence of a shard, after writes under way of its last owner; None if a newer owner was faster."""
        try:
            async with self._taking:  # one at a time, so that only the one that is waited for looks for paused workers
                taken = await take_shard(self.fence_database, self.database, held, self._owner)
        except StoreError as error:
            _log.warning(LogEvent("fleet.shard_not_taken", shard=held.shard, why=error))
            return None
        return ShardDatabase(self, held) if taken else None

    async def prove(self, held: Sequence[ShardToken]) -> list[ShardToken]:
        """Write nothing through the fence, and return the shards that are lost; raises `StoreError`."""
        return await self.permits.prove(held)

    def limit(self, account: FleetAccount) -> EgressLimit:
        """Return the limit that the requests of an account share with others."""
        key = account.egress, account.account.vendor
        if key not in self._limits:
            self._limits[key] = EgressLimit(self.database, *key)
        return self._limits[key]

    def create_client(self, account: FleetAccount, held: ShardToken) -> AsyncSolarClient:
        """Return a client of an account whose requests are paced and permitted; nothing is read or sent yet."""

        def state_store(name: str) -> Any:  # the contract has both kinds of stores, and no type for async ones
            store = AccountStateStore(name, account.id, held, self.database, self.permits, self.box)
            return PacedStateStore(store, self.limit(account), account.id, self.figures)

        configured = account.account
        if configured.token is not None and configured.has_password:
            configured = configured.token_account()  # the states of two APIs would be of one account
        return self._create_client(configured, Keeper(_NO_FOLDER, store=state_store), self.clock.now)

    def measure(self) -> None:
        """Update the figures of writes, permits and egresses."""
        counters, gauges = self.figures.counters, self.figures.gauges
        counters["refused"] = self.permits.refused + self.samples.refused
        counters["permits"] = self.permits.writes
        gauges["open_permits"], gauges["held_batches"] = self.permits.open, self.samples.waiting
        gauges["paused_egresses"] = sum(limit.paused for limit in self._limits.values())
        gauges["proof_seconds"] = boot_time() - self.permits.proved_at


class ShardDatabase:
    """The database as one tenure of a shard uses it: every write has the tenure's token."""

    def __init__(self, worker: WorkerDatabase, held: ShardToken) -> None:
        self.held = held
        self.figures = worker.figures
        self._worker = worker
        self._accounts: tuple[FleetAccount, ...] = ()

    async def accounts(self) -> tuple[FleetAccount, ...]:
        """Return the accounts of the shard that are to be polled; unchanged ones keep their `Account`."""
        self._accounts = await self._worker.registry.accounts_of(self.held.shard, self._accounts)
        return self._accounts

    def writer(self, account: FleetAccount) -> AccountWriter:
        """Return the writer of an account's samples."""
        return self._worker.samples.of(account.id, self.held)

    def create_client(self, account: FleetAccount) -> AsyncSolarClient:
        """Return a new client of an account."""
        return self._worker.create_client(account, self.held)

    async def needs_person(self, account: FleetAccount, reason: str) -> None:
        """Store that an account is not polled until a person has done something."""
        await self._worker.registry.needs_person(account.row, reason)

    async def room(self, stop: asyncio.Event) -> None:
        """Wait while too much waits to be stored, because what is not asked for is not lost; or until stopped."""
        if self._worker.samples.waiting < MAX_WAITING:
            return
        tasks = [asyncio.ensure_future(self._worker.samples.room()), asyncio.ensure_future(stop.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def is_lost(self) -> bool:
        """Return whether another worker has the shard; raises `StoreError`."""
        return bool(await self._worker.prove([self.held]))

    async def settle(self) -> bool:
        """Wait until everything of the shard is stored, and return whether it is."""
        try:
            await asyncio.wait_for(self._worker.samples.flush(self.held), SETTLE_SECONDS)
        except TimeoutError:
            return False
        return True


def _open_store(url: str, *, check_fence: bool) -> FencedStore:
    store = FencedStore(url, create=False)
    store.check_fence = check_fence
    return store
