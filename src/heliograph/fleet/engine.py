"""The contract of an engine: it assigns each shard of accounts to one of the workers.

An engine decides which worker should poll the accounts of a shard; it cannot guarantee that only one does, because a
paused process does not notice that its shard was assigned to another one. The fence (`fence.py`) guarantees it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from heliograph.errors import HeliographError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

ATTEMPTS_BITS = 40
"""Bits of a token below the timeline of the database."""


class WorkerExpired(HeliographError):
    """The engine has assigned this worker's shards to others, because it did not hear from it for too long."""


@dataclass(eq=False, slots=True)
class Tenure:
    """One assignment of a shard to this worker."""

    shard: int
    token: int
    """The fencing token: greater than that of every earlier assignment of the shard, also after a failover."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the worker has to stop polling the shard's accounts and hand it over."""


class WorkerReport(NamedTuple):
    """A worker as the engine knows it."""

    name: str
    egresses: tuple[str, ...]
    started_at: datetime
    seen_seconds: float
    """Seconds since its last heartbeat, by the clock of the database."""
    is_alive: bool
    is_draining: bool
    shards: tuple[int, ...]
    figures: Mapping[str, object]
    """The last report of the worker."""


class ShardReport(NamedTuple):
    """A shard as the engine knows it."""

    shard: int
    egress: str
    worker: str
    """Name of the worker that it is assigned to; empty without one."""
    tenures: int
    """How often it was handed over or taken over."""


class Engine(Protocol):
    """Assigns shards to this worker; one object per process."""

    async def run(self, own: Callable[[Tenure], Awaitable[None]], stop: asyncio.Event) -> None:
        """Call `own` for each shard that is assigned to this worker, until `stop` is set and all are handed over.

        The return of `own` is the hand-over, so it returns only after everything of the shard is written. It should
        return soon after `tenure.over` is set. Raises `WorkerExpired` if the worker's shards were assigned to others.
        """

    def proved(self) -> float:
        """Return when the last heartbeat that the engine has received was sent, in seconds of CLOCK_BOOTTIME."""

    def report(self, figures: Mapping[str, object]) -> None:
        """Set the figures about this worker that the next heartbeat carries."""


class EngineAdministration(Protocol):
    """The part of an engine that an operator's commands use."""

    async def add_shards(self, shards: Mapping[int, str]) -> None:
        """Create the engine's tables if they are missing, and a job for each shard that has none, by its egress."""

    async def workers(self) -> Sequence[WorkerReport]:
        """Return all workers of the last hour."""

    async def shards(self) -> Sequence[ShardReport]:
        """Return all shards."""

    async def drain(self, worker: str, *, drain: bool = True) -> int:
        """Have the workers of that name hand over their shards and take no others; return how many there are."""


# Not pg_control_checkpoint(): that one shows the old timeline until the first checkpoint after a promotion.
SELECT_TIMELINE = """
SELECT ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int AS timeline
"""
"""The timeline of the database; it cannot be read from a standby."""


def token_of(timeline: int, attempts: int) -> int:
    """Return the fencing token of an assignment.

    The timeline of a database rises when a standby is promoted. Tokens so never decrease, even if the promotion loses
    the last assignments.

    >>> token_of(1, 7) < token_of(1, 8) < token_of(2, 0)
    True
    """
    return (timeline << ATTEMPTS_BITS) + attempts
