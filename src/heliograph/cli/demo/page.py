"""The demo's web page, with the simulated clock and history fetched from the emulated clouds."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.cli.serve import serve_store
from heliograph.collect.gapfill import QueryContext, answer_batch
from heliograph.collect.gaps import HistoryQuery
from heliograph.config import ServeConfig
from heliograph.errors import ConfigError, HeliographError
from heliograph.local_time import Clock, day_at
from heliograph.store.base import series_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from heliograph.cli.demo.run import DemoRun
    from heliograph.model import Snapshot
    from heliograph.store.base import HistorySpan

PORT = 8765
_DAYS = 7
"""Number of days whose curves are fetched."""


class SimulationClock(Clock):
    """The simulated clock as the clock of the web server."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def now(self) -> float:
        """Return the simulated time in epoch seconds."""
        return self._now()


@contextmanager
def serve_page(run: DemoRun) -> Iterator[str]:
    """Serve the page on the default or a free port; yields its URL, or why it cannot be served."""
    result, ready = [""], threading.Event()
    handles: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def on_listening(address: str) -> None:
        result[0] = address
        ready.set()

    async def serve() -> None:
        stop = asyncio.Event()
        handles.append((asyncio.get_running_loop(), stop))
        try:
            await _serve(run, stop, on_listening)
        except ConfigError as error:
            result[0] = str(error)
        finally:
            ready.set()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="page", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield result[0]
    finally:
        if thread.is_alive():
            loop, stop = handles[0]
            loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _serve(run: DemoRun, stop: asyncio.Event, on_listening: Callable[[str], None]) -> None:
    clock = SimulationClock(run.now)
    for port in (PORT, 0):
        try:
            await serve_store(
                ServeConfig(port=port),
                str(run.store.path),
                lambda: [account.status() for account in run.accounts],
                stop,
                ready=on_listening,
                clock=clock,
            )
        except ConfigError as error:
            if port == 0 or "listen" not in str(error):
                raise
        else:
            return


@contextmanager
def fetch_history(run: DemoRun, snapshots: Sequence[Snapshot]) -> Iterator[None]:
    """Fetch history in a background thread: curves of the last days, energies of two months."""
    stop = threading.Event()
    thread = threading.Thread(target=_fetch_history, args=(run, snapshots, stop), name="history", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _fetch_history(run: DemoRun, snapshots: Sequence[Snapshot], stop: threading.Event) -> None:
    clients = {account.vendor: account.history_client for account in run.accounts}
    world = run.emulator.world
    now = int(world.clock.now().timestamp())
    for span, period in _history_periods(day_at(now, world.zone)):
        for snapshot in snapshots:
            if stop.is_set():
                return
            query = HistoryQuery(series_of(snapshot.plant), span, period)
            client = clients[snapshot.plant.vendor]
            try:
                fetch = client.day_curve if span == "curve" else client.period_energies
                answer = fetch(snapshot.plant.id, period)
                run.store.write(answer_batch(query, answer, now, snapshot.plant.zone or world.zone, {}, QueryContext()))
            except HeliographError:
                # Missing history leaves a chart empty; live values are still shown.
                continue


def _history_periods(today: date) -> list[tuple[HistorySpan, str]]:
    last_month = today.replace(day=1) - timedelta(days=1)
    days = [(today - timedelta(days=back)).isoformat() for back in range(_DAYS)]
    return [
        ("curve", days[0]),
        ("days", f"{today:%Y-%m}"),
        *(("curve", day) for day in days[1:]),
        ("days", f"{last_month:%Y-%m}"),
    ]
