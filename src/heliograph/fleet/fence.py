"""The fence: which worker may write, and so send, for a shard of accounts.

Each grant of a shard comes with a token that is larger than those before. The new owner raises the shard's row in the
table `fence` to its token. Every statement that writes for a shard first locks that row `FOR SHARE` where the token is
its own, and writes only if that row was found. The lock makes a raise wait for writes under way; a mere comparison
would let one stale write through.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import HeliographError, StoreError
from heliograph.eventlog import LogEvent

if TYPE_CHECKING:
    from heliograph.fleet.database import Database


class ShardToken(NamedTuple):
    """A shard, and the token with which it was granted."""

    shard: int
    token: int


class ShardLost(HeliographError):
    """The shard was granted to another worker, or the account was moved to another shard; nothing was written."""

    def __init__(self, held: ShardToken, message: str = "was granted to another worker") -> None:
        self.held = held
        super().__init__(f"shard {held.shard} {message}; nothing was sent or stored")


PAUSED_SECONDS = 1.0
"""Seconds of silence in the middle of a transaction after which its connection is closed if a raise waits for it."""

LOCK_FENCE = """SELECT fence.shard, fence.token FROM fence
    JOIN unnest(%s::int[], %s::bigint[]) AS held(shard, token) ON fence.shard = held.shard AND fence.token = held.token
    ORDER BY fence.shard FOR SHARE OF fence"""
"""Locks the rows of the shards that are still held with these tokens, and returns them.

It must be a statement of its own: the one that writes then sees what was committed while this one waited.
"""


# The wait for the client is what the server knows: time-outs of idle transactions do not apply within a pipeline or a
# COPY. Another raise may wait for the same transaction, and this one for that raise.
_CLOSE_PAUSED = """WITH RECURSIVE blocker(pid) AS (
        SELECT unnest(pg_blocking_pids(%(pid)s))
        UNION SELECT unnest(pg_blocking_pids(pid)) FROM blocker
    )
    SELECT application_name, pg_terminate_backend(pid) FROM blocker JOIN pg_stat_activity USING (pid)
    WHERE wait_event = 'ClientRead' AND state_change < clock_timestamp() - make_interval(secs => %(seconds)s)"""

_log = logging.getLogger(__name__)


async def take_shard(database: Database, other: Database, held: ShardToken, owner: str) -> bool:
    """Raise the token of a shard as `raise_token` does, and let no paused worker prevent it.

    A worker that is suspended in the middle of a transaction keeps its locks for as long. While the raise waits,
    `other`, a second connection, closes the connections it waits for and whose client says nothing more: their
    transactions are rolled back, and their owners lose nothing but a shard that is not theirs any more.
    """
    raising = asyncio.ensure_future(raise_token(database, held, owner))
    try:
        while not (await asyncio.wait((raising,), timeout=PAUSED_SECONDS))[0]:
            try:
                closed = await other.run(_CLOSE_PAUSED, {"pid": database.backend_pid, "seconds": PAUSED_SECONDS})
            except StoreError as error:
                _log.warning(LogEvent("fleet.paused_worker_not_closed", shard=held.shard, why=error))
            else:
                for application, _ in closed:
                    _log.warning(LogEvent("fleet.paused_worker_closed", shard=held.shard, connection=application))
        return await raising
    finally:
        raising.cancel()


async def raise_token(database: Database, held: ShardToken, owner: str) -> bool:
    """Make `owner` the only writer of a shard, after writes under way; False if a newer token is there already.

    False means that a newer owner was faster: the shard must not be worked on. `StoreError` leaves that unknown; the
    call may be repeated.
    """
    rows = await database.run(
        """UPDATE fence SET token = %(token)s, owner = %(owner)s, taken_at = clock_timestamp()
        WHERE shard = %(shard)s AND (token < %(token)s OR (token = %(token)s AND owner = %(owner)s))
        RETURNING shard""",
        {"token": held.token, "shard": held.shard, "owner": owner},
    )
    return bool(rows)
