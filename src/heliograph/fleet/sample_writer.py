"""Samples through the fence: batches of many accounts in one transaction, and a bound on what waits in memory."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import fields, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import psycopg

from heliograph.errors import StoreError
from heliograph.eventlog import LogEvent
from heliograph.fleet.fence import LOCK_FENCE, ShardLost, ShardToken
from heliograph.store.base import MAX_AHEAD, Batch
from heliograph.store.postgres import PostgresStore
from heliograph.store.threaded import BufferedWriter, StoreThread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heliograph.store.base import Series, SeriesInfo, Store

T = TypeVar("T")

_log = logging.getLogger(__name__)

MAX_WAITING = 2_000
"""Batches in memory from which nothing more is asked: what is not asked is not lost."""
GROUP_SECONDS = 0.3
GROUP_SIZE = 500
RETRY_SECONDS = 2.0


Owned = tuple[int, ShardToken]
"""An account, and the token of the shard in which it was polled."""


class FencedBatch(NamedTuple):
    """The rows of one account's poll, and the token under which they were fetched."""

    account: int
    held: ShardToken
    batch: Batch


class FencedStore(PostgresStore):
    """The store of a worker, which writes only for shards that it still holds."""

    check_fence = True

    def __init__(self, url: str, *, create: bool = False) -> None:
        self._infos: dict[Series, SeriesInfo] = {}
        """The stored description of each series: every poll reports names and zones, which hardly ever change."""
        super().__init__(url, create=create)

    def write(self, batch: Batch) -> None:
        """Raise `StoreError`: a worker writes through the fence."""
        raise StoreError("a worker of a fleet stores samples only with the token of a shard")

    def write_fenced(self, group: Sequence[FencedBatch]) -> Mapping[Owned, ShardLost]:
        """Store the batches whose accounts are still in shards that are held, in one transaction; return the others."""
        return self._run_locked(lambda: self._write_fenced(group))

    def _write_fenced(self, group: Sequence[FencedBatch]) -> Mapping[Owned, ShardLost]:
        tokens = sorted({one.held for one in group})
        with self._transaction():
            # Locked before anything is read or written, so that a raise waits for this transaction.
            rows = self._run(_to_question_marks(LOCK_FENCE), [list(column) for column in zip(*tokens, strict=True)])
            held = {ShardToken(*row) for row in rows} if self.check_fence else set(tokens)
            # The old owner of a moved account would set the time of the new owner's next poll.
            columns = [[one.account for one in group], [one.held.shard for one in group]]
            there = set(self._run(_SELECT_PLACES, columns))
            refused = {
                (one.account, one.held): ShardLost(one.held, f"no longer has account {one.account}")
                if one.held in held
                else ShardLost(one.held)
                for one in group
                if one.held not in held or (one.account, one.held.shard) not in there
            }
            accepted = [one for one in group if (one.account, one.held) not in refused]
            if accepted:
                batch = merged([one.batch for one in accepted])
                if not self._ids:  # connected again: the server may have been restored from a backup
                    self._infos = {}
                infos = {one.series: one for one in batch.series_info if self._infos.get(one.series) != one}
                ids, layouts = self._write_rows(replace(batch, series_info=list(infos.values())))
                self._write_latest(accepted, ids)
                self._write_due(accepted)
        if accepted:
            self._ids, self._layouts = ids, layouts  # after the commit: a rollback removes new rows
            self._infos |= infos
        return refused

    def is_connected(self) -> bool:
        """Return whether the last statement left the connection usable."""
        return self._database is not None and not self._database.closed

    def _write_latest(self, group: Sequence[FencedBatch], ids: Mapping[Series, int]) -> None:
        newest: dict[int, tuple[Any, ...]] = {}
        for one in group:
            for sample in one.batch.samples:
                row = (ids[sample.series], one.account, sample.measured_at, sample.fetched_at)
                status = sample.status and str(sample.status)
                values = [sample.values.get(name) for name in LATEST_METRICS]
                is_newest = sample.measured_at >= newest.get(row[0], (0, 0, 0))[2]
                if is_newest and sample.measured_at <= sample.fetched_at + MAX_AHEAD:
                    newest[row[0]] = (*row, status, *values)
        if newest:
            columns = zip(*(newest[series] for series in sorted(newest)), strict=True)
            self._run(_UPSERT_LATEST, [list(column) for column in columns])

    def _write_due(self, group: Sequence[FencedBatch]) -> None:
        due = {one.account: min(poll.next_at for poll in one.batch.polls) for one in group if one.batch.polls}
        if due:
            self._run(_UPDATE_DUE, (list(due), [float(at) for at in due.values()]))


LATEST_METRICS = (
    "pv_power",
    "grid_power",
    "battery_power",
    "load_power",
    "battery_soc",
    "pv_energy_today",
    "pv_energy_total",
)
"""The metrics in the table `latest`."""
_LATEST = ("measured_at", "fetched_at", "status", *LATEST_METRICS)
_UPSERT_LATEST = f"""INSERT INTO latest (series, account, tenant, {", ".join(_LATEST)})
    SELECT item.series, item.account, account.tenant, {", ".join(f"item.{name}" for name in _LATEST)}
    FROM unnest(?::int[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[]{", ?::float8[]" * len(LATEST_METRICS)})
        AS item(series, account, {", ".join(_LATEST)})
    JOIN account ON account.id = item.account ORDER BY item.series
    ON CONFLICT (series) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _LATEST)}
    WHERE excluded.measured_at >= latest.measured_at"""  # noqa: S608 - constants
_SELECT_PLACES = """SELECT account.id, account.shard FROM account
    JOIN unnest(?::bigint[], ?::int[]) AS item(id, shard) ON account.id = item.id AND account.shard = item.shard"""
_UPDATE_DUE = """UPDATE account SET due_at = item.due_at, state = 'active'
    FROM unnest(?::bigint[], ?::float8[]) AS item(account, due_at)
    WHERE account.id = item.account AND account.state IN ('new', 'active')"""


def merged(batches: Sequence[Batch]) -> Batch:
    """Return one batch with the rows of all, in their order."""
    counters: dict[Series, Mapping[str, object]] = {}
    for one in batches:
        counters.update(one.counters)
    rows = {name: list(chain.from_iterable(getattr(one, name) for one in batches)) for name in _ROWS}
    return Batch(counters=counters, **rows)


_ROWS = tuple(one.name for one in fields(Batch) if one.name != "counters")


def _to_question_marks(statement: str) -> str:
    return statement.replace("%s", "?")


_Waiting = tuple[FencedBatch, "asyncio.Future[bool]"]
_REJECTED = (psycopg.DataError, psycopg.IntegrityError, OverflowError, ValueError, StoreError)
"""Errors of a batch that no retry can store; other errors are the database's."""


class SampleWriter(StoreThread):
    """Writes the batches of all accounts of a worker in groups, in order; while the database fails, they wait.

    A worker asks for nothing more while `room` waits, so that memory is bounded and no batch is dropped.
    """

    def __init__(
        self,
        open_store: Callable[[], FencedStore],
        *,
        seconds: float = GROUP_SECONDS,
        most: int = GROUP_SIZE,
        limit: int = MAX_WAITING,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        super().__init__(open_store)
        self._seconds = seconds
        self._most = most
        self._limit = limit
        self._retry_seconds = retry_seconds
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self.store_error: StoreError | None = None
        """Why the database is unavailable; None while it works."""
        self.refused = 0
        """Batches that were refused because their shard was lost."""
        self.groups = 0

    @property
    def waiting(self) -> int:
        """The number of batches that are not written yet."""
        return len(self._waiting)

    def of(self, account: int, held: ShardToken) -> AccountWriter:
        """Return the writer of one account, for its poller."""
        return AccountWriter(self, account, held)

    async def room(self) -> None:
        """Wait until another batch may be asked for."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._waiting) < self._limit)

    async def submit(self, item: FencedBatch) -> bool:
        """Write a batch with its group; False if it waits for the database, `ShardLost` if it was refused."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_groups())
        return await future

    async def flush(self, held: ShardToken | None = None) -> None:
        """Wait until all batches, or those of one shard, are written or refused."""
        async with self._changed:
            await self._changed.wait_for(lambda: not any(held in (None, item.held) for item, _ in self._waiting))

    async def finish(self) -> bool:
        """Write what waits, once, then close the store; return whether everything is stored."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        while self._waiting and await self._write_group():
            pass
        await self.close()
        return not self._waiting

    async def _write_groups(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._seconds)
            if not await self._write_group():
                await asyncio.sleep(self._retry_seconds)

    async def _write_group(self) -> bool:
        """Write the oldest batches; return False if the database is unavailable."""
        group = list(islice(self._waiting, self._most))
        try:
            await self._store_group(group)
        except StoreError as error:
            if self.store_error is None:
                _log.warning(LogEvent("store.unavailable", batches=len(self._waiting), why=error))
            self.store_error = error
            for _, future in self._waiting:
                if not future.done():
                    future.set_result(False)
            return False
        if self.store_error is not None:
            _log.warning(LogEvent("store.recovered"))
            self.store_error = None
        return True

    async def _store_group(self, group: Sequence[_Waiting]) -> None:
        items = [item for item, _ in group]
        # Shielded, because the thread goes on writing when the task is cancelled.
        writing = asyncio.ensure_future(self.run(lambda store: _fenced(store).write_fenced(items)))
        try:
            lost = await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait((writing,))
            lost = writing.result()
            await self._resolve(group, lost)
            raise
        except StoreError as error:
            if not isinstance(error.__context__, _REJECTED):
                raise
            if len(group) > 1:
                for one in group:
                    await self._store_group([one])
                return
            _log.error(LogEvent("data.rejected", account=items[0].account, why=error))
            await self._resolve(group, error)
            return
        await self._resolve(group, lost)

    async def _resolve(self, group: Sequence[_Waiting], lost: Mapping[Owned, ShardLost] | StoreError) -> None:
        self.groups += 1
        async with self._changed:
            for item, future in group:
                self._waiting.popleft()
                refusal = lost if isinstance(lost, StoreError) else lost.get((item.account, item.held))
                self.refused += isinstance(refusal, ShardLost)
                if future.done():
                    continue
                if refusal is None:
                    future.set_result(True)
                else:
                    future.set_exception(refusal)
            self._changed.notify_all()


class AccountWriter(BufferedWriter):
    """The writer of one account's poller: a view of the worker's `SampleWriter`, which has thread and store."""

    def __init__(self, writer: SampleWriter, account: int, held: ShardToken) -> None:
        self._writer = writer
        self._account = account
        self._held = held

    @property
    def pending(self) -> int:
        """The number of batches of the worker that wait for the database; 0 while it works."""
        return self._writer.waiting if self._writer.store_error is not None else 0

    @property
    def store_error(self) -> StoreError | None:  # type: ignore[override]
        """Why the database is unavailable; None while it works."""
        return self._writer.store_error

    async def run(self, function: Callable[[Store], T]) -> T:
        """Call a function with the store, for reading, and return its result."""
        return await self._writer.run(function)

    async def write(self, batch: Batch) -> bool:
        """Write a batch through the fence; return whether it is stored now. Raises `ShardLost`."""
        return await self._writer.submit(FencedBatch(self._account, self._held, batch))

    async def flush(self) -> bool:
        """Wait until all batches of the shard are written or refused."""
        await self._writer.flush(self._held)
        return True

    async def finish(self) -> bool:
        """Wait as `flush` does; the store stays open for other accounts."""
        return await self.flush()

    async def close(self) -> None:
        """Do nothing: the store belongs to the worker."""


def _fenced(store: Store) -> FencedStore:
    assert isinstance(store, FencedStore)
    return store
