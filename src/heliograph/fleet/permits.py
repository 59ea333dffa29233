"""Permits: a request is written down, through the fence, before it is sent.

The write that counts a request is the permission to send it. A permit that was not cleared shows the next owner of the
account that a request may still be under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.errors import HeliographError
from heliograph.fleet.database import boot_time
from heliograph.fleet.fence import LOCK_FENCE, ShardLost, ShardToken
from heliograph.fleet.group_commit import GroupCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from heliograph.fleet.database import Database

PERMIT_SECONDS = 5.0
"""Seconds from asking for a permit within which the request must be sent; afterwards the permit is asked for again."""
REQUEST_SECONDS = 35.0
"""Seconds after a permit within which its request may be under way: the time-out of a request, and the above."""
GROUP_SECONDS = 0.05
"""Seconds for which writes are collected: it delays a request by half of it, and saves a transaction per request."""
GROUP_SIZE = 500


class PermitUnavailable(HeliographError):
    """The database did not record a request, so it must not be sent; not a `StoreError`, which reads would survive."""


class RequestCount(NamedTuple):
    """The requests of one bucket of an account's state."""

    started_at: float
    requests: int


class StateWrite(NamedTuple):
    """The writes of one account through the fence: a permit or its end, request counts, and its state if it changed."""

    account: int
    held: ShardToken
    permit: bool
    """Whether a request follows; else none is under way any more."""
    saved_at: float
    opens: bool = False
    """Whether the request is a login."""
    counts: Sequence[RequestCount] = ()
    reset_counts: bool = False
    """Whether other counts of the account are deleted."""
    contents: str | None = None
    session: bytes | None = None
    key_number: int | None = None
    form: int = 0
    durable: bool = False


class PermitWriter:
    """Writes permits and states of all accounts of a worker in groups.

    `proved_at` is when the last fenced write that went through was sent, by `boot_time`: the worker's proof of life.
    With `check_fence=False` every token is accepted; only for the control of a test.
    """

    def __init__(
        self,
        database: Database,
        *,
        seconds: float = GROUP_SECONDS,
        boot: Callable[[], float] = boot_time,
        check_fence: bool = True,
    ) -> None:
        self._database = database
        self._boot = boot
        self._lock_fence = LOCK_FENCE if check_fence else LOCK_FENCE.replace("fence.token = held.token", "true")
        self._holds = "fence.token = item.token" if check_fence else "true"
        self._groups = GroupCommit(self._write, seconds=seconds, most=GROUP_SIZE)
        self.proved_at = boot()
        self.refused = 0
        """Writes that were refused because the shard was lost."""
        self.groups = 0
        self.writes = 0

    @property
    def open(self) -> int:
        """The number of writes that are not committed yet."""
        return self._groups.waiting

    async def write(self, item: StateWrite) -> None:
        """Write through the fence; returns when it is committed.

        A permit is asked for again if its commit took longer than a request may be late. Raises `ShardLost` if nothing
        was written, and `StoreError` if the outcome is unknown.
        """
        while True:
            asked_at = self._boot()
            await self._groups.submit(item)
            if not item.permit or self._boot() - asked_at <= PERMIT_SECONDS:
                return

    async def prove(self, held: Collection[ShardToken]) -> list[ShardToken]:
        """Write nothing through the fence, and return the shards that are lost; raises `StoreError`."""
        sent_at = self._boot()
        wanted = list(held)
        rows = await self._database.run(self._lock_fence, _columns(wanted, 2))
        self.proved_at = max(self.proved_at, sent_at)
        there = {shard for shard, _ in rows}
        return [one for one in wanted if one.shard not in there]

    async def finish(self) -> None:
        """Wait until all writes are committed or have failed."""
        await self._groups.finish()

    async def _write(self, items: Sequence[StateWrite]) -> Sequence[Exception | None]:
        sent_at = self._boot()
        held = sorted({item.held for item in items})
        counts = [(item.account, *count) for item in items for count in item.counts]
        reset = [item.account for item in items if item.reset_counts]
        values = [
            *_columns([_row(item) for item in items], 10),
            *_columns([(account, int(at // 300) % 300, at, number) for account, at, number in counts], 4),
        ]
        async with self._database.pipeline() as connection:
            if not any(item.durable for item in items):
                # A crash of the server may lose the last of these; a login and its outcome are flushed.
                await connection.execute("SET LOCAL synchronous_commit TO off")
            locked = await connection.execute(self._lock_fence, _columns(held, 2), binary=True)
            if reset:
                await connection.execute(self._sql(_RESET), [reset, *_columns(held, 2)])
            written = await connection.execute(self._sql(_WRITE), values, binary=True)
        rows = await written.fetchall()
        shards = {shard for shard, _ in await locked.fetchall()}
        received_at = self._boot()
        if rows:
            self._database.clock.observe(rows[0][1], sent_at, received_at)
            self.proved_at = max(self.proved_at, sent_at)
        accepted = {row[0] for row in rows}
        self.groups += 1
        self.writes += len(accepted)
        self.refused += len(items) - len(accepted)
        return [None if item.account in accepted else _refusal(item, shards) for item in items]

    def _sql(self, statement: str) -> str:
        return statement.replace("{holds}", self._holds)


def _row(item: StateWrite) -> tuple[Any, ...]:
    state = (item.contents, item.session, item.key_number, item.form)
    return (item.account, *item.held, item.permit, item.opens, item.saved_at, *state)


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Return rows as the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _refusal(item: StateWrite, shards: Collection[int]) -> ShardLost:
    if item.held.shard in shards:
        return ShardLost(item.held, f"no longer has account {item.account}")
    return ShardLost(item.held)


_RESET = """DELETE FROM requests_spent WHERE account = ANY(%s::bigint[]) AND EXISTS (
    SELECT FROM account JOIN fence ON fence.shard = account.shard
    JOIN unnest(%s::int[], %s::bigint[]) AS item(shard, token) ON item.shard = fence.shard AND {holds}
    WHERE account.id = requests_spent.account)"""

# One statement for hundreds of accounts of many shards. The rows of the fence are locked already, see `LOCK_FENCE`.
# States and sessions are sent in binary (%b): as text, psycopg escapes each quotation mark of the JSON.
_WRITE = """
WITH item AS (
    SELECT * FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::bool[], %s::bool[], %s::float8[], %b::text[],
        %b::bytea[], %s::int[], %s::int[])
        AS item(account, shard, token, permit, opens, saved_at, contents, session, key_number, form)
), count AS (
    SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::float8[], %s::int[])
        AS count(account, slot, started_at, requests)
), accepted AS (
    SELECT item.* FROM item
    JOIN fence ON fence.shard = item.shard AND {holds}
    JOIN account ON account.id = item.account AND account.shard = item.shard
    FOR SHARE OF fence
), permits AS (
    INSERT INTO permit (account, shard, token, asked_at, opens, saved_at)
    SELECT account, shard, token, CASE WHEN permit THEN extract(epoch FROM clock_timestamp()) END, opens, saved_at
    FROM accepted
    ON CONFLICT (account) DO UPDATE SET shard = excluded.shard, token = excluded.token, asked_at = excluded.asked_at,
        opens = excluded.opens, saved_at = excluded.saved_at
), counts AS (
    INSERT INTO requests_spent (account, slot, started_at, requests)
    SELECT count.* FROM count JOIN accepted ON accepted.account = count.account
    ON CONFLICT (account, slot) DO UPDATE SET started_at = excluded.started_at, requests = excluded.requests
), states AS (
    INSERT INTO account_state (account, form, contents, session, key_number)
    SELECT account, form, contents, session, key_number FROM accepted WHERE contents IS NOT NULL
    ON CONFLICT (account) DO UPDATE SET form = excluded.form, contents = excluded.contents,
        session = excluded.session, key_number = excluded.key_number
)
SELECT account, extract(epoch FROM clock_timestamp())::float8 FROM accepted
"""
