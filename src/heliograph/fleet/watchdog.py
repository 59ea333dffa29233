"""The watchdog: ends a worker that has lost its shards without noticing.

A worker that was stopped, or whose event loop or database connection hangs, has been replaced by others meanwhile. The
fence refuses what it still writes; ending it gives back its memory and lets the service manager start a new one.
"""

from __future__ import annotations

import os
import sys
from threading import Event, Thread
from typing import TYPE_CHECKING, NoReturn

from heliograph.fleet.database import boot_time

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_CODE = 75
"""The exit code of a worker that ended itself (EX_TEMPFAIL): it is to be started again."""
LOOK_SECONDS = 0.2


class Watchdog:
    """A thread that ends the process if the last proof of life is too old, or if the process was stopped for too long.

    `proved_at` returns when the last fenced write that went through was sent, by `boot_time`. After `timeout` seconds
    without one others take over the worker's shards. The process ends without any goodbye: the engine does not check
    who says it, and a late one would release the shard under its new owner.
    """

    def __init__(
        self,
        proved_at: Callable[[], float],
        timeout: float,
        *,
        boot: Callable[[], float] = boot_time,
        end: Callable[[str], None] | None = None,
    ) -> None:
        self._proved_at = proved_at
        self._timeout = timeout
        self._boot = boot
        self._end = end or end_process
        self._looked_at = boot()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start looking, five times a second."""
        self._looked_at = self._boot()
        self._thread.start()

    def stop(self) -> None:
        """Stop looking: everything was handed over."""
        self._stop.set()

    def look(self) -> None:
        """End the process if it must not go on."""
        now = self._boot()
        stopped, unproved, self._looked_at = now - self._looked_at, now - self._proved_at(), now
        if stopped > self._timeout / 2:
            self._end(f"this worker was stopped for {stopped:.1f} s; other workers have its shards")
        elif unproved > self._timeout * 0.9:
            self._end(f"this worker has written nothing to the database for {unproved:.1f} s; others take its shards")

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.look()


def end_process(why: str) -> NoReturn:
    """End the process at once, with one line on stderr."""
    # Not the logger: its lock may be held by the thread that hangs.
    os.write(sys.stderr.fileno() if sys.stderr else 2, f"heliograph: {why}; ending\n".encode())
    os._exit(EXIT_CODE)
