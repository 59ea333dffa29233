"""The fence: which worker may write, and so send, for a shard of accounts.

Each grant of a shard comes with a token that is larger than those before. The new owner raises the shard's row in the
table `fence` to its token. Every statement that writes for a shard first locks that row `FOR SHARE` where the token is
its own, and writes only if that row was found. The lock makes a raise wait for writes under way; a mere comparison
would let one stale write through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import HeliographError

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


IDLE_SECONDS = 10.0
"""Seconds after which the server ends a transaction in which a worker says nothing more.

The machine of the worker may be suspended, and the next owner of its shards waits for the locks.
"""

LOCK_FENCE = """SELECT fence.shard, fence.token FROM fence
    JOIN unnest(%s::int[], %s::bigint[]) AS held(shard, token) ON fence.shard = held.shard AND fence.token = held.token
    ORDER BY fence.shard FOR SHARE OF fence"""
"""Locks the rows of the shards that are still held with these tokens, and returns them.

It must be a statement of its own: the one that writes then sees what was committed while this one waited.
"""


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
