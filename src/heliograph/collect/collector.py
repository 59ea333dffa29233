"""All accounts at once, on one event loop, until told to stop; then everything that was fetched is written."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.collect.clock import Clock
    from heliograph.collect.worker import Worker
    from heliograph.collect.writer import Writer

_log = logging.getLogger(__name__)


async def collect(workers: Sequence[Worker], writer: Writer, clock: Clock, stop: asyncio.Event) -> bool:
    """Run every account's loop until stopped; return whether everything that was fetched is kept."""
    tasks = [asyncio.create_task(_apart(worker, clock, stop), name=worker.progress.name) for worker in workers]
    await stop.wait()
    # A request under way is worth waiting for, but not a stop that takes minutes.
    _, late = await asyncio.wait(tasks, timeout=10.0)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    kept = await writer.close()
    if not kept:
        _log.error("%d batches could not be written and are lost: %s", writer.held, writer.failing)
    return kept


async def _apart(worker: Worker, clock: Clock, stop: asyncio.Event) -> None:
    """Run one account; a mistake of ours ends its turn, not its loop and never another's."""
    while not stop.is_set():
        try:
            await worker.run(stop)
        except Exception:  # noqa: BLE001 - the edge of an account: the others go on
            _log.exception("account=%s met a mistake in this program", worker.progress.name)
            await clock.wait(clock.now() + 900.0, stop)
