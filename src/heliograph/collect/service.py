"""Collector service: runs all account pollers on one event loop until stopped, then writes what is pending."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING

from heliograph.core.limits import limit_reached
from heliograph.errors import HeliographError
from heliograph.eventlog import LogEvent

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from heliograph.collect.poller import AccountPoller
    from heliograph.local_time import Clock
    from heliograph.store.threaded import BufferedWriter

SHUTDOWN_SECONDS = 6.0
"""Seconds that a request in progress gets on shutdown; containers are killed ten seconds after the stop signal."""
_RESTART_SECONDS = 900.0
_WATCH_SECONDS = 5.0
"""Seconds between two looks at the files of the queues."""
_YOUNG_OBJECTS = 20_000
"""New objects after which Python searches them for cycles; its default is 700 to 2,000."""

_log = logging.getLogger(__name__)


def collect_garbage_rarely() -> None:
    """Let Python look for cycles of objects less often; for a process that does nothing but collect.

    By default it spends a quarter of the time of a thousand accounts on that: the objects of all polls that wait for a
    response are examined again and again.
    """
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])


async def collect(pollers: Sequence[AccountPoller], writer: BufferedWriter, clock: Clock, stop: asyncio.Event) -> bool:
    """Run every account's loop until stopped; return True if all samples are saved."""
    return await _run_until_stopped([_run_isolated(poller, clock, stop) for poller in pollers], writer, stop)


async def collect_once(pollers: Sequence[AccountPoller], writer: BufferedWriter, stop: asyncio.Event) -> bool:
    """Poll every account once; return True if all polls succeeded and all samples are saved."""
    saved = await _run_until_stopped([_poll_isolated(poller) for poller in pollers], writer, stop)
    return saved and all(one.progress.polled_at is not None and one.progress.problem is None for one in pollers)


async def watch_queues(pollers: Sequence[AccountPoller], clock: Clock, stop: asyncio.Event) -> None:
    """Wake each poller to whose queue another program has added snapshots, until stopped."""
    seen: dict[AccountPoller, int] = {}
    while not stop.is_set():
        for poller in pollers:
            if poller.client is None:
                continue
            changed_at = poller.client.guard.snapshot_file.changed_at()
            if changed_at != seen.get(poller, 0):
                seen[poller] = changed_at
                poller.wake()
        await clock.wait(clock.now() + _WATCH_SECONDS, stop)


async def _run_until_stopped(
    loops: Sequence[Coroutine[None, None, None]], writer: BufferedWriter, stop: asyncio.Event
) -> bool:
    tasks = [asyncio.create_task(loop) for loop in loops]
    stopped = asyncio.create_task(stop.wait())
    finished = asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait((finished, stopped), return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait((finished,), timeout=SHUTDOWN_SECONDS)
    for task in (*tasks, stopped):
        task.cancel()
    await asyncio.wait((finished,))
    saved = await writer.finish()
    if not saved:
        _log.error(LogEvent("data.lost", batches=writer.pending, why=writer.store_error))
    return saved


async def _run_isolated(poller: AccountPoller, clock: Clock, stop: asyncio.Event) -> None:
    """Run one account; an internal error restarts it later and affects no other account."""
    while not stop.is_set():
        try:
            await poller.run(stop)
        except Exception as error:  # noqa: BLE001 - the boundary between accounts
            _report_internal_error(poller, error)
            await clock.wait(clock.now() + _RESTART_SECONDS, stop)


async def _poll_isolated(poller: AccountPoller) -> None:
    try:
        await poller.poll_once()
    except Exception as error:  # noqa: BLE001 - the boundary between accounts
        _report_internal_error(poller, error)


def _report_internal_error(poller: AccountPoller, error: Exception) -> None:
    name = poller.progress.name
    if why := limit_reached(error):
        poller.progress.problem = HeliographError(why)
        _log.error(LogEvent("poll.failed", account=name, error=type(error).__name__, why=poller.progress.problem))
        return
    poller.progress.problem = HeliographError("internal error; please report it")
    _log.exception(LogEvent("internal.error", account=name))
