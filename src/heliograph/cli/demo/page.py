"""The demo's page: served beside it on the clock of its world, and filled with what the clouds know of the past."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from heliograph.cli.clients import create_client
from heliograph.collect.gapfill import run_query
from heliograph.collect.gaps import HistoryQuery
from heliograph.errors import ConfigError, HeliographError
from heliograph.local_time import Clock, day_at
from heliograph.store.base import series_of
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from heliograph.cli.demo.run import DemoRun
    from heliograph.current import AccountStatus
    from heliograph.model import Snapshot
    from heliograph.store.base import HistorySpan

PORT = 8765
_DAYS = 7
"""Days whose curves are asked for; of more than a month, the energies."""


class SimulationClock(Clock):
    """The time in the emulated world."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def now(self) -> float:
        """Return the moment there, in epoch seconds."""
        return self._now()


@contextmanager
def serve_page(box: DemoRun) -> Iterator[str]:
    """Serve the page where it usually is, or on a free port; gives its address, or why there is none."""
    told, ready = [""], threading.Event()
    handles: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def listening(address: str) -> None:
        told[0] = address
        ready.set()

    async def run() -> None:
        stop = asyncio.Event()
        handles.append((asyncio.get_running_loop(), stop))
        try:
            await _served(box, stop, listening)
        except ConfigError as error:
            told[0] = str(error)
        finally:
            ready.set()

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="page", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield told[0]
    finally:
        if thread.is_alive():
            loop, stop = handles[0]
            loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _served(box: DemoRun, stop: asyncio.Event, listening: Callable[[str], None]) -> None:
    from heliograph.cli.serve import serve_store  # noqa: PLC0415 - help needs no page
    from heliograph.config import ServeConfig  # noqa: PLC0415 - likewise

    clock = SimulationClock(lambda: box.emulator.world.clock.now().timestamp())
    accounts = _accounts(box)
    for port in (PORT, 0):
        try:
            await serve_store(
                ServeConfig(port=port), str(box.store.path), lambda: accounts, stop, ready=listening, clock=clock
            )
        except ConfigError as error:
            if port == 0 or "listen" not in str(error):
                raise
        else:
            return


def _accounts(box: DemoRun) -> tuple[AccountStatus, ...]:
    from heliograph.current import AccountStatus  # noqa: PLC0415 - help needs no plants

    return tuple(AccountStatus(name=one.name, vendor=one.vendor) for one in box.accounts)


@contextmanager
def fetch_history(box: DemoRun, snapshots: Sequence[Snapshot]) -> Iterator[None]:
    """Ask for the past beside the caller's own work: today and the last days as curves, two months as energies."""
    stop = threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(_fetch_history(box, snapshots, stop)), name="history", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def _fetch_history(run: DemoRun, snapshots: Sequence[Snapshot], stop: threading.Event) -> None:
    clients = {one.vendor: create_client(one, asynchronous=True, keeper=None) for one in run.accounts}
    writer = BufferedWriter(partial(SqliteStore, run.store.path))
    world = run.emulator.world
    now = int(world.clock.now().timestamp())
    try:
        for span, period in _wanted(day_at(now, world.zone)):
            for snapshot in snapshots:
                if stop.is_set():
                    return
                plant = snapshot.plant
                query = HistoryQuery(series_of(plant), span, period)
                try:
                    batch = await run_query(clients[plant.vendor], query, writer, plant.zone or world.zone, now)
                except HeliographError:
                    # Missing history leaves a chart empty; live values are still shown.
                    continue
                await writer.write(batch)
    finally:
        await writer.finish()


def _wanted(today: date) -> list[tuple[HistorySpan, str]]:
    last = today.replace(day=1) - timedelta(days=1)
    days = [(today - timedelta(days=past)).isoformat() for past in range(_DAYS)]
    return [
        ("curve", days[0]),
        ("days", f"{today:%Y-%m}"),
        *(("curve", day) for day in days[1:]),
        ("days", f"{last:%Y-%m}"),
    ]
