"""One run of the demo: an emulator, a client for each account, a store, and the display."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from heliograph.cli.clients import create_client
from heliograph.cli.concurrency import run_parallel
from heliograph.cli.now import fetch_snapshots
from heliograph.cli.table import snapshot_table
from heliograph.cli.terminal import print_json
from heliograph.config import Account
from heliograph.core.files import HOME_VARIABLE
from heliograph.core.redact import Secret
from heliograph.store.base import Batch, samples_of, series_info_of
from heliograph.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from heliograph.emulator.app import Emulator
    from heliograph.model import Snapshot
    from heliograph.store.base import SeriesInfo

START = datetime.fromisoformat("2026-06-21T12:00:00+02:00")
"""Noon of a summer day, with solar production."""
ACCOUNTS = 2
REFRESH_SECONDS = 5.0


@contextmanager
def open_demo(speed: float, seed: int) -> Iterator[DemoRun]:
    """Start both emulated clouds on a free port and open the store."""
    from heliograph.emulator.main import EmulatorOptions, build_emulator  # noqa: PLC0415 - an extra that may not be installed
    from heliograph.emulator.server import serve_in_thread  # noqa: PLC0415

    emulator = build_emulator(EmulatorOptions(start=START, speed=speed, seed=seed, accounts=ACCOUNTS))
    with serve_in_thread(emulator) as ready, SqliteStore(_store_path()) as store:
        yield DemoRun(emulator, ready, store)


class DemoRun:
    """One run of the demo."""

    def __init__(self, emulator: Emulator, ready: dict[str, Any], store: SqliteStore) -> None:
        self.emulator = emulator
        self.url: str = ready["url"]
        self.store = store
        self.stored = 0
        self.page = ""
        """URL of the web page, or why it is missing."""
        self.started = time.monotonic()
        self.accounts = [
            Account(
                name=row["vendor"],
                vendor=row["vendor"],
                username=row["username"],
                password=Secret(row["password"]),
                server=self.url,
            )
            for row in ready["accounts"]
        ]
        # Emulated accounts need no stored session and no budget.
        self.clients = [create_client(account, keeper=None) for account in self.accounts]

    def fetch(self) -> list[Snapshot]:
        """Fetch every plant of both clouds and store the samples."""
        results = run_parallel(
            [partial(fetch_snapshots, *pair) for pair in zip(self.accounts, self.clients, strict=True)]
        )
        snapshots: list[Snapshot] = []
        series: list[SeriesInfo] = []
        for account, result in zip(self.accounts, results, strict=True):
            if isinstance(result, Exception):
                raise result
            snapshots.extend(result)
            series.extend(info for snapshot in result for info in series_info_of(snapshot, account.name))
        samples = [sample for snapshot in snapshots for sample in samples_of(snapshot)]
        self.store.write(Batch(samples=samples, series_info=series))
        self.stored += len(samples)
        return snapshots

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
        )
        lines = [Text(line, "dim") for line in texts]
        if self.page:
            is_url = self.page.startswith("http")
            lines.append(Text.assemble("Web page: ", (self.page, "bold")) if is_url else Text(self.page))
        return Group(*lines[:1], snapshot_table(snapshots, width, height and height - len(lines)), *lines[1:])


def _console() -> Console:
    return Console(highlight=False)


def _store_path() -> Path:
    """Return the demo's own store, separate from real data."""
    if os.environ.get(HOME_VARIABLE):
        return Path(os.environ[HOME_VARIABLE]) / "demo.sqlite"
    return Path(mkdtemp(prefix="heliograph-demo-")) / "demo.sqlite"
