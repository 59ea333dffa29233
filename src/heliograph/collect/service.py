"""All accounts at once, on one event loop, until told to stop; then everything that was fetched is written."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from heliograph.errors import HeliographError
from heliograph.eventlog import LogEvent

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from heliograph.collect.poller import AccountPoller
    from heliograph.local_time import Clock
    from heliograph.store.threaded import BufferedWriter

GRACE = 6.0
"""Seconds a request under way is worth waiting for; containers are killed ten seconds after they were told to stop."""

_log = logging.getLogger(__name__)


async def collect(workers: Sequence[AccountPoller], writer: BufferedWriter, clock: Clock, stop: asyncio.Event) -> bool:
    """Run every account's loop until stopped; return whether everything that was fetched is kept."""
    return await _kept([_apart(worker, clock, stop) for worker in workers], writer, stop)


async def collect_once(workers: Sequence[AccountPoller], writer: BufferedWriter, stop: asyncio.Event) -> bool:
    """Give every account one turn; return whether each was asked without trouble and everything is kept."""
    kept = await _kept([_turn(worker) for worker in workers], writer, stop)
    return kept and all(one.progress.polled_at is not None and one.progress.problem is None for one in workers)


async def _kept(turns: Sequence[Coroutine[None, None, None]], writer: BufferedWriter, stop: asyncio.Event) -> bool:
    tasks = [asyncio.create_task(turn) for turn in turns]
    stopped = asyncio.create_task(stop.wait())
    over = asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait((over, stopped), return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait((over,), timeout=GRACE)
    for task in (*tasks, stopped):
        task.cancel()
    await asyncio.wait((over,))
    kept = await writer.finish()
    if not kept:
        _log.error(LogEvent("lost", batches=writer.pending, why=writer.store_error))
    return kept


async def _apart(worker: AccountPoller, clock: Clock, stop: asyncio.Event) -> None:
    """Run one account; a mistake of ours ends its turn, not its loop and never another's."""
    while not stop.is_set():
        try:
            await worker.run(stop)
        except Exception:  # noqa: BLE001 - the edge of an account: the others go on
            _mistaken(worker)
            await clock.wait(clock.now() + 900.0, stop)


async def _turn(worker: AccountPoller) -> None:
    try:
        await worker.poll_once()
    except Exception:  # noqa: BLE001 - likewise
        _mistaken(worker)


def _mistaken(worker: AccountPoller) -> None:
    worker.progress.problem = HeliographError("a mistake of this program; please report it")
    _log.exception(LogEvent("mistake", account=worker.progress.name))
