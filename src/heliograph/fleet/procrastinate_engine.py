"""The engine on procrastinate: one job per shard, which is never finished; each hand-over is a retry of the job.

The only module that imports procrastinate. Its tables are in the database schema `procrastinate`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from heliograph.errors import StoreError
from heliograph.eventlog import LogEvent
from heliograph.fleet.database import boot_time
from heliograph.fleet.engine import SELECT_TIMELINE, ShardReport, Tenure, WorkerExpired, WorkerReport, token_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

TASK = "heliograph.shard"
SCHEMA = "procrastinate"
_POOL_SIZE = 2
_FORGOTTEN_SECONDS = 3600
"""Seconds after its last heartbeat at which a worker is no longer listed."""
_EVENTS_KEPT = "7 days"

_INSTALL_LOCK = 0x466C656574
"""Advisory lock for creating the tables."""

_WORKER_TABLE = """
CREATE TABLE IF NOT EXISTS heliograph_worker (
  id bigint PRIMARY KEY REFERENCES procrastinate_workers (id) ON DELETE CASCADE,
  name text NOT NULL,
  egresses text[] NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  draining boolean NOT NULL DEFAULT false,
  figures jsonb NOT NULL DEFAULT '{}'
)
"""
_ADD_SHARD = """
INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args)
SELECT egress, %(task)s::text, %(task)s::text || ' ' || shard, jsonb_build_object('shard', shard)
FROM unnest(%(shards)s::int[], %(egresses)s::text[]) AS wanted (shard, egress)
WHERE NOT EXISTS (SELECT FROM procrastinate_jobs WHERE task_name = %(task)s::text AND (args ->> 'shard')::int = shard)
"""
_REGISTER = "INSERT INTO heliograph_worker (id, name, egresses) VALUES (%(id)s, %(name)s, %(egresses)s::text[])"
_HEARTBEAT = """
WITH beat AS (UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(id)s RETURNING id),
ours AS (UPDATE heliograph_worker SET figures = %(figures)s::jsonb WHERE id IN (SELECT id FROM beat) RETURNING draining)
SELECT
  draining,
  (SELECT count(*) FROM procrastinate_jobs
    WHERE task_name = %(task)s::text AND queue_name = ANY(%(egresses)s::text[])) AS shards,
  (SELECT count(*) FROM heliograph_worker AS other JOIN procrastinate_workers AS engine USING (id)
    WHERE other.egresses && %(egresses)s::text[] AND NOT other.draining
      AND (id = %(id)s OR last_heartbeat > now() - make_interval(secs => %(timeout)s))) AS workers,
  now() - pg_postmaster_start_time() > make_interval(secs => %(timeout)s) AS settled
FROM ours
"""
# The set of live workers is an array, so that a job which another worker took between the snapshot of this statement
# and the lock on its row is compared again, with its new worker.
_RESCUE = """
WITH stalled AS (
  SELECT id FROM procrastinate_jobs
  WHERE status = 'doing' AND task_name = %(task)s::text
    AND (worker_id = ANY(ARRAY(
      SELECT id FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %(timeout)s)
    ))) IS NOT TRUE
  FOR UPDATE SKIP LOCKED
)
SELECT id, procrastinate_retry_job_v2(id, NULL, NULL, NULL, NULL)::text FROM stalled
"""
# Comparing `attempts` makes a late hand-over harmless: the job may be another worker's by now.
_HAND_OVER = """
WITH ours AS (
  SELECT id FROM procrastinate_jobs
  WHERE id = %(job)s AND status = 'doing' AND attempts = %(attempts)s AND worker_id = %(id)s
  FOR UPDATE
)
SELECT id, procrastinate_retry_job_v2(id, NULL, NULL, NULL, NULL)::text FROM ours
"""
# A grant or a hand-over whose reply was lost leaves a job that is ours and that we do not know, or no longer.
_RELEASE_UNKNOWN = """
WITH unknown AS (
  SELECT id FROM procrastinate_jobs
  WHERE status = 'doing' AND worker_id = %(id)s AND NOT id = ANY(%(held)s::bigint[])
  FOR UPDATE SKIP LOCKED
)
SELECT id, procrastinate_retry_job_v2(id, NULL, NULL, NULL, NULL)::text FROM unknown
"""
_FORGET_EVENTS = f"DELETE FROM procrastinate_events WHERE at < now() - interval '{_EVENTS_KEPT}'"  # noqa: S608
_WORKERS = """
SELECT name, egresses, started_at, draining, figures,
  extract(epoch FROM now() - last_heartbeat)::float8 AS seen,
  ARRAY(SELECT (args ->> 'shard')::int FROM procrastinate_jobs
    WHERE worker_id = id_ AND status = 'doing' AND task_name = %(task)s::text ORDER BY 1) AS shards
FROM (SELECT id AS id_, * FROM heliograph_worker JOIN procrastinate_workers USING (id)) AS workers
ORDER BY name, started_at
"""
_SHARDS = """
SELECT (args ->> 'shard')::int AS shard, queue_name AS egress, attempts,
  CASE WHEN status = 'doing' THEN (SELECT name FROM heliograph_worker WHERE id = worker_id) END AS worker
FROM procrastinate_jobs WHERE task_name = %(task)s::text ORDER BY 1
"""
_DRAIN = "UPDATE heliograph_worker SET draining = %(drain)s WHERE name = %(name)s RETURNING id"

_log = logging.getLogger(__name__)
logging.getLogger("procrastinate").setLevel(logging.WARNING)
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # each failed attempt to connect; ours are logged here


class _HeldShard(NamedTuple):
    tenure: Tenure
    attempts: int
    task: asyncio.Task[None]


class ProcrastinateEngine:
    """Assigns shards by the jobs of procrastinate, evenly over the live workers of the same egresses.

    `timeout` is in seconds: the shards of a worker that has sent no heartbeat for so long are assigned to others.
    `share` is the largest number of shards of this worker; None for its even share.
    """

    def __init__(
        self, url: str, name: str = "", egresses: Sequence[str] = (), *, timeout: float = 30.0, share: int | None = None
    ) -> None:
        options = f"{conninfo_to_dict(url).get('options', '')} -c search_path={SCHEMA}".strip()
        conninfo = make_conninfo(url, options=options, application_name="heliograph fleet engine")
        self._connector = PsycopgConnector(
            conninfo=conninfo,
            kwargs={"autocommit": True},  # a worker that is suspended between a statement and COMMIT keeps its locks
            min_size=1,
            max_size=_POOL_SIZE,
            timeout=timeout / 2,
        )
        self._app = App(connector=self._connector)
        self._url = url
        self._name = name
        self._egresses = list(egresses)
        self._timeout = timeout
        self._share = share
        self._interval = min(1.0, timeout / 8)
        self._worker_id = 0
        self._held: dict[int, _HeldShard] = {}
        self._proved = boot_time()
        self._connected_at = 0.0
        """When the heartbeats of the other workers began to be usable, in seconds of CLOCK_BOOTTIME."""
        self._figures: Mapping[str, object] = {}

    async def run(self, own: Callable[[Tenure], Awaitable[None]], stop: asyncio.Event) -> None:
        async with self._app.open_async():
            try:
                self._worker_id = await self._app.job_manager.register_worker()
            except ConnectorException as error:
                raise _unusable(error) from None
            try:
                await self._query(_REGISTER, id=self._worker_id, name=self._name, egresses=self._egresses)
                self._proved = self._connected_at = boot_time()
                while not stop.is_set():
                    await self._step(own, stop)
                    await _wait(stop, self._interval)
            finally:
                await self._hand_over_all()
            await self._app.job_manager.unregister_worker(self._worker_id)

    def proved(self) -> float:
        return self._proved

    def report(self, figures: Mapping[str, object]) -> None:
        self._figures = dict(figures)

    async def _step(self, own: Callable[[Tenure], Awaitable[None]], stop: asyncio.Event) -> None:
        """Send a heartbeat, rescue the shards of dead workers, and take or hand over shards up to the even share."""
        try:
            target = await self._beat()
            now = boot_time()
            if now - self._connected_at > self._timeout:
                await self._rescue()
            held = list(self._held)
            if await self._query(_RELEASE_UNKNOWN, id=self._worker_id, held=held):
                _log.warning(LogEvent("fleet.unknown_shard_released", worker=self._name))
            for one in list(self._held.values())[target:]:
                one.tenure.over.set()
            while len(self._held) < target and not stop.is_set() and await self._take(own):
                pass
        except (ConnectorException, psycopg.Error) as error:
            # No heartbeat arrived meanwhile, so the other workers have one time-out to send the next one.
            self._connected_at = boot_time()
            _log.warning(LogEvent("fleet.database_unavailable", worker=self._name, why=_reason(error)))

    async def _beat(self) -> int:
        """Send a heartbeat; return how many shards this worker should have."""
        sent_at = boot_time()
        rows = await self._query(
            _HEARTBEAT,
            id=self._worker_id,
            figures=json.dumps(self._figures),
            egresses=self._egresses,
            timeout=self._timeout,
        )
        if not rows:
            raise WorkerExpired("the other workers have taken over, because this one sent no heartbeat for too long")
        self._proved = sent_at
        (row,) = rows
        if not row["settled"]:
            self._connected_at = sent_at
        even = 0 if row["draining"] else -(-row["shards"] // max(row["workers"], 1))
        return even if self._share is None else min(even, self._share)

    async def _rescue(self) -> None:
        """Make the shards of dead workers available again, in one statement; any number of workers may do so."""
        rescued = await self._query(_RESCUE, timeout=self._timeout)
        if rescued:
            _log.warning(LogEvent("fleet.shards_rescued", worker=self._name, shards=len(rescued)))
            await self._app.job_manager.prune_stalled_workers(_FORGOTTEN_SECONDS)
            await self._query(_FORGET_EVENTS)

    async def _take(self, own: Callable[[Tenure], Awaitable[None]]) -> bool:
        """Take one shard that no worker has; return False if there is none."""
        # Before the job: a promotion in between makes the token too low, never one that another worker has too.
        ((timeline,),) = [tuple(row.values()) for row in await self._query(SELECT_TIMELINE)]
        job = await self._app.job_manager.fetch_job(queues=self._egresses, worker_id=self._worker_id)
        if job is None or job.id is None:
            return False
        tenure = Tenure(int(str(job.task_kwargs["shard"])), token_of(timeline, job.attempts))
        task = asyncio.create_task(self._hold(own, tenure, job.id, job.attempts))
        self._held[job.id] = _HeldShard(tenure, job.attempts, task)
        return True

    async def _hold(self, own: Callable[[Tenure], Awaitable[None]], tenure: Tenure, job: int, attempts: int) -> None:
        """Run one tenure, then hand the shard over."""
        try:
            await own(tenure)
        except Exception:  # noqa: BLE001 - the boundary between shards
            _log.exception(LogEvent("internal.error", shard=tenure.shard))
        try:
            await self._query(_HAND_OVER, job=job, attempts=attempts, id=self._worker_id)
        except (ConnectorException, psycopg.Error) as error:
            _log.warning(LogEvent("fleet.hand_over_failed", shard=tenure.shard, why=_reason(error)))
        finally:
            del self._held[job]  # if the hand-over has failed, the next step releases the job

    async def _hand_over_all(self) -> None:
        held = list(self._held.values())
        for one in held:
            one.tenure.over.set()
        running = [one.task for one in held]
        while running:
            _, pending = await asyncio.wait(running, timeout=self._interval)
            running = list(pending)
            try:
                await self._beat()  # a long hand-over is no death
            except (ConnectorException, psycopg.Error, WorkerExpired) as error:
                _log.warning(LogEvent("fleet.database_unavailable", worker=self._name, why=_reason(error)))

    async def add_shards(self, shards: Mapping[int, str]) -> None:
        """Create the tables if they are missing, and a job for each shard that has none."""
        try:
            async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as database:
                await database.execute("SELECT pg_advisory_lock(%s)", (_INSTALL_LOCK,))
                await database.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                async with self._app.open_async():
                    if not await self._app.check_connection_async():
                        await self._app.schema_manager.apply_schema_async()
                    await self._query(_WORKER_TABLE)
                    await self._query(_ADD_SHARD, shards=list(shards), egresses=list(shards.values()))
        except (ConnectorException, psycopg.Error) as error:
            raise StoreError(f"the tables of the engine cannot be created: {_reason(error)}") from None

    async def workers(self) -> Sequence[WorkerReport]:
        """Return all workers of the last hour."""
        return [
            WorkerReport(
                row["name"],
                tuple(row["egresses"]),
                row["started_at"],
                row["seen"],
                row["seen"] <= self._timeout,
                row["draining"],
                tuple(row["shards"]),
                row["figures"],
            )
            for row in await self._administer(_WORKERS)
        ]

    async def shards(self) -> Sequence[ShardReport]:
        """Return all shards."""
        return [
            ShardReport(row["shard"], row["egress"], row["worker"] or "", row["attempts"])
            for row in await self._administer(_SHARDS)
        ]

    async def drain(self, worker: str, *, drain: bool = True) -> int:
        """Have the workers of that name hand over their shards and take no others; return how many there are."""
        return len(await self._administer(_DRAIN, name=worker, drain=drain))

    async def _administer(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        try:
            async with self._app.open_async():
                return await self._query(statement, **values)
        except (ConnectorException, psycopg.Error) as error:
            raise _unusable(error) from None

    async def _query(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        connector: Any = self._connector
        if statement.lstrip().startswith(("SELECT", "WITH")) or "RETURNING" in statement:
            rows: list[dict[str, Any]] = await connector.execute_query_all_async(statement, task=TASK, **values)
            return rows
        await connector.execute_query_async(statement, task=TASK, **values)
        return []


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _unusable(error: BaseException) -> StoreError:
    if isinstance(error.__cause__, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedFunction):
        return StoreError(
            "the tables of the engine are missing; heliograph fleet init with the same --shards adds them"
        )
    return StoreError(f"the engine's tables cannot be used: {_reason(error)}")


def _reason(error: BaseException) -> str:
    """Return the first line of the cause: procrastinate's own errors have no text of the database."""
    cause = error.__cause__ or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
