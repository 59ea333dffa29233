"""One run of the demo: an emulator, a client for each account, a store, and the display."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import client_class
from heliograph.cli.concurrency import run_parallel
from heliograph.cli.drawing import Console, Group, Text
from heliograph.cli.table import snapshot_table
from heliograph.cli.terminal import print_json
from heliograph.core.files import HOME_VARIABLE
from heliograph.core.redact import Secret
from heliograph.current import AccountStatus
from heliograph.errors import Throttled
from heliograph.keeper import Keeper
from heliograph.store.base import Batch, PollStatus, series_of
from heliograph.store.recovery import remove_database
from heliograph.store.snapshot_rows import measurements_of, samples_of, series_info_of
from heliograph.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from heliograph.emulator.app import Emulator
    from heliograph.model import Snapshot

START = datetime.fromisoformat("2026-06-21T12:00:00+02:00")
"""Noon of a summer day, with solar production."""
ACCOUNTS = 2
REFRESH_SECONDS = 5.0
REQUESTS_PER_DAY = 2000
"""The quota of an emulated account: larger than that of a real one, because a simulated day takes minutes."""
PACED = "daily quota is spread"


@contextmanager
def open_demo(speed: float, seed: int) -> Iterator[DemoRun]:
    """Start both emulated clouds on a free port and open the store."""
    from heliograph.emulator.main import (  # noqa: PLC0415 - an extra that may not be installed
        EmulatorOptions,
        build_emulator,
        check_packages,
    )

    check_packages()
    from heliograph.emulator.server import serve_in_thread  # noqa: PLC0415

    emulator = build_emulator(EmulatorOptions(start=START, speed=speed, seed=seed, accounts=ACCOUNTS))
    path = _store_path()
    remove_database(path)  # each demo begins at noon, and beside later samples of an earlier one all plants are offline
    # The state of emulated accounts is worthless after the run, and must not be among that of real ones.
    with (
        serve_in_thread(emulator) as ready,
        SqliteStore(path) as store,
        TemporaryDirectory(prefix="heliograph-demo-accounts-") as folder,
    ):
        yield DemoRun(emulator, ready, store, Keeper(Path(folder)))


class DemoAccount:
    """An emulated account: a client that is paced like a collector's, and one for history that may use the reserve.

    Both use the simulated clock and share the account's session and quota.
    """

    def __init__(self, row: Mapping[str, str], url: str, keeper: Keeper, clock: Callable[[], float]) -> None:
        self.name = self.vendor = row["vendor"]
        self.clock = clock
        client_type: Any = client_class(self.vendor)
        limits = client_type.default_limits._replace(requests=REQUESTS_PER_DAY)
        self.client, self.history_client = (
            client_type(
                row["username"],
                Secret(row["password"]),
                server=url,
                keeper=keeper,
                limits=limits,
                interactive=interactive,
                clock=clock,
            )
            for interactive in (False, True)
        )
        self.snapshots: tuple[Snapshot, ...] = ()
        self.polled_at = 0.0
        self.next_at = 0.0

    def fetch(self, interval: float) -> Batch:
        """Fetch every plant, or wait as long as the quota demands; returns what is to be stored."""
        now = self.clock()
        reason = ""
        try:
            self.snapshots = self.client.snapshots()
        except Throttled as error:
            if not self.snapshots:
                raise
            self.next_at, reason = now + (error.retry_after or interval), PACED
            new: tuple[Snapshot, ...] = ()
        else:
            self.polled_at = min(one.fetched_at.timestamp() for one in self.snapshots)
            self.next_at, new = now + interval, self.snapshots
        return Batch(
            samples=[sample for snapshot in new for sample in samples_of(snapshot)],
            measurements=[one for snapshot in new for one in measurements_of(snapshot)],
            series_info=[info for snapshot in new for info in series_info_of(snapshot, self.name)],
            polls=[
                PollStatus(series_of(snapshot.plant), int(self.polled_at), int(interval), int(self.next_at), reason)
                for snapshot in self.snapshots
            ],
        )

    def status(self) -> AccountStatus:
        """Return the account with its quota."""
        return AccountStatus(name=self.name, vendor=self.vendor, budget=self.client.budget)


class DemoRun:
    """One run of the demo."""

    def __init__(self, emulator: Emulator, ready: dict[str, Any], store: SqliteStore, keeper: Keeper) -> None:
        self.emulator = emulator
        self.url: str = ready["url"]
        self.store = store
        self.stored = 0
        self.page = ""
        """URL of the web page, or why it is missing."""
        self.started = time.monotonic()
        self.accounts = [DemoAccount(row, self.url, keeper, self.now) for row in ready["accounts"]]

    def now(self) -> float:
        """Return the simulated time in epoch seconds."""
        return self.emulator.world.clock.now().timestamp()

    def fetch(self) -> list[Snapshot]:
        """Fetch every plant of both clouds, as far as the quotas allow, and store the samples."""
        interval = REFRESH_SECONDS * self.emulator.world.clock.speed
        results = run_parallel([partial(account.fetch, interval) for account in self.accounts])
        for result in results:
            if isinstance(result, Exception):
                raise result
            self.store.write(result)
            self.stored += len(result.samples)
        return [snapshot for account in self.accounts for snapshot in account.snapshots]

    def summary(self, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
        """Return a summary of this run as JSON-ready data."""
        log = self.emulator.log.as_dict()
        return {
            "emulator": self.url,
            "page": self.page or None,
            "plants": [snapshot.as_dict() for snapshot in snapshots],
            "stored": self.stored,
            "store": str(self.store.path),
            "logins": log["logins"],
            "requests": len(log["requests"]),
            "seconds": round(time.monotonic() - self.started, 3),
        }

    def print_once(self, *, as_json: bool) -> None:
        """Fetch once and print the result."""
        snapshots = self.fetch()
        if as_json:
            print_json(self.summary(snapshots))
        else:
            console = _console()
            console.print(self._render(snapshots, console.width))
        sys.stdout.flush()

    def show_live(self, *, as_json: bool) -> None:
        """Fetch and show until interrupted: in place on a terminal, repeated in a pipe."""
        console = _console()
        if as_json or not console.is_terminal:
            while True:
                self.print_once(as_json=as_json)
                time.sleep(REFRESH_SECONDS)

        from rich.live import Live  # noqa: PLC0415 - an extra

        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(self._render(self.fetch(), console.width, console.height), refresh=True)
                time.sleep(REFRESH_SECONDS)

    def _render(self, snapshots: Sequence[Snapshot], width: int, height: int | None = None) -> RenderableType:

        world = self.emulator.world
        clock = world.clock.now().astimezone(world.zone)
        texts = (
            f"Both clouds, emulated at {self.url}, read over HTTP.{' Press Ctrl-C to stop.' if height else ''}",
            f"Simulated time: {clock:%H:%M}, {clock:%d %B %Y}, at {world.clock.speed:g} times real time.",
            f"{self.stored} samples stored in {self.store.path}",
            f"Requests of the last 24 hours: {', '.join(map(self._quota, self.accounts))}",
        )
        lines = [Text(line, "dim") for line in texts]
        if self.page:
            is_url = self.page.startswith("http")
            lines.append(Text.assemble("Web page: ", (self.page, "bold")) if is_url else Text(self.page))
        return Group(*lines[:1], snapshot_table(snapshots, width, height and height - len(lines)), *lines[1:])

    def _quota(self, account: DemoAccount) -> str:
        budget = account.client.budget
        text = f"{account.name} {budget.requests_used:,} of {budget.requests_limit:,}"
        if budget.next_free is None:
            return text
        return f"{text} (next at {budget.next_free.astimezone(self.emulator.world.zone):%H:%M}: {PACED})"


def _console() -> Console:
    return Console(highlight=False)


def _store_path() -> Path:
    """Return the demo's own store, separate from real data."""
    if os.environ.get(HOME_VARIABLE):
        return Path(os.environ[HOME_VARIABLE]) / "demo.sqlite"
    return Path(mkdtemp(prefix="heliograph-demo-")) / "demo.sqlite"
