"""The demo's inside: an emulator, a client of each of its accounts, and a store of what they tell."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import create_client
from heliograph.cli.concurrency import run_parallel
from heliograph.cli.now import fetch_snapshots
from heliograph.cli.terminal import print_json
from heliograph.config import Account
from heliograph.core.files import HOME_VARIABLE
from heliograph.core.redact import Secret
from heliograph.store.base import Batch, samples_of, series_info_of
from heliograph.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, RenderableType

    from heliograph.emulator.app import Emulator
    from heliograph.model import Snapshot

START = datetime.fromisoformat("2026-06-21T12:00:00+02:00")
"""High noon of a midsummer's day: there is always something to see."""
ACCOUNTS = 2
REFRESH_SECONDS = 5.0


@contextmanager
def open_demo(speed: float, seed: int) -> Iterator[DemoRun]:
    """Start both clouds on a free port and open the store."""
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
        """Where its page is, or why there is none."""
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
        # Nobody's account, and gone in a minute: nothing of it is worth remembering.
        self.clients = [create_client(one, keeper=None) for one in self.accounts]

    def fetch(self) -> list[Snapshot]:
        """Read every plant of both clouds and keep what they say."""
        results = run_parallel(
            [partial(fetch_snapshots, *pair) for pair in zip(self.accounts, self.clients, strict=True)]
        )
        snapshots: list[Snapshot] = []
        for result in results:
            if isinstance(result, Exception):
                raise result
            snapshots.extend(result)
        samples = [sample for one in snapshots for sample in samples_of(one)]
        self.store.write(
            Batch(samples=samples, series_info=[name for one in snapshots for name in series_info_of(one)])
        )
        self.stored += len(samples)
        return snapshots

    def summary(self, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
        """Return what a program wants to know of this run so far."""
        log = self.emulator.log.as_dict()
        return {
            "emulator": self.url,
            "page": self.page or None,
            "plants": [one.as_dict() for one in snapshots],
            "stored": self.stored,
            "store": str(self.store.path),
            "logins": log["logins"],
            "requests": len(log["requests"]),
            "seconds": round(time.monotonic() - self.started, 3),
        }

    def print_once(self, *, as_json: bool) -> None:
        """Read once and print it."""
        snapshots = self.fetch()
        if as_json:
            print_json(self.summary(snapshots))
        else:
            console = _console()
            console.print(self._picture(snapshots, console.width))
        sys.stdout.flush()

    def show_live(self, *, as_json: bool) -> None:
        """Read and show until stopped: in place on a terminal, one below the other in a pipe; and as a page."""
        from heliograph.cli.demo.page import fetch_history, serve_page  # noqa: PLC0415 - a single look needs neither

        # Whoever runs this in the background ends it with SIGTERM: it shall end as well as by Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with serve_page(self) as self.page, fetch_history(self, self.fetch()):
            self._show_again_and_again(as_json=as_json)

    def _show_again_and_again(self, *, as_json: bool) -> None:
        console = _console()
        if as_json or not console.is_terminal:
            while True:
                self.print_once(as_json=as_json)
                time.sleep(REFRESH_SECONDS)
        from rich.live import Live  # noqa: PLC0415

        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(self._picture(self.fetch(), console.width, console.height), refresh=True)
                time.sleep(REFRESH_SECONDS)

    def _picture(self, snapshots: Sequence[Snapshot], width: int, height: int | None = None) -> RenderableType:
        from rich.console import Group  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        from heliograph.cli.table import snapshot_table  # noqa: PLC0415

        world = self.emulator.world
        clock = world.clock.now().astimezone(world.zone)
        said = (
            f"Both clouds, emulated at {self.url}, read over HTTP.{' Ctrl-C stops.' if height else ''}",
            f"It is {clock:%H:%M} on {clock:%d %B %Y} there; time runs {world.clock.speed:g} times as fast as here.",
            f"{self.stored} samples kept in {self.store.path}",
        )
        lines = [Text(line, "dim") for line in said]
        if self.page:
            there = self.page.startswith("http")
            lines.append(Text.assemble("The page: ", (self.page, "bold")) if there else Text(self.page))
        return Group(*lines[:1], snapshot_table(snapshots, width, height and height - len(lines)), *lines[1:])


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415 - slow to import, and JSON needs none

    return Console(highlight=False)


def _store_path() -> Path:
    """Return where the demo keeps its samples: apart from real ones, and told to the person."""
    if os.environ.get(HOME_VARIABLE):
        return Path(os.environ[HOME_VARIABLE]) / "demo.sqlite"
    from tempfile import mkdtemp  # noqa: PLC0415

    return Path(mkdtemp(prefix="heliograph-demo-")) / "demo.sqlite"
