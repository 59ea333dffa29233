"""A store on a worker thread, so that no event loop waits for disk or database, and a writer that buffers batches."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from heliograph.errors import StoreError
from heliograph.eventlog import LogEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.store.base import Batch, Store

T = TypeVar("T")

MAX_PENDING = 20_000
"""Batches in memory while the store is unavailable: about two days of a hundred accounts."""
RETRY_SECONDS = 60.0
"""Seconds between retries while the store is unavailable; in real time, independent of the collector's clock."""

_log = logging.getLogger(__name__)


class StoreThread:
    """Opens the store on first use and runs functions on its thread, one at a time and in order."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open = open_store
        self._store: Store | None = None
        self._thread = ThreadPoolExecutor(1, "store")

    async def run(self, function: Callable[[Store], T]) -> T:
        """Call a function with the store and return its result.

        Raises `StoreError`, also if the store cannot be opened; the next call opens it again.
        """
        return await self._run_on_thread(lambda: function(self._get_store()))

    async def close(self) -> None:
        """Wait for pending calls, then close the store and end the thread."""
        await self._run_on_thread(self._close_store)
        self._thread.shutdown(wait=False)

    async def _run_on_thread(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def _get_store(self) -> Store:
        if self._store is None:
            self._store = self._open()
        return self._store

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


class BufferedWriter(StoreThread):
    """Writes batches in order; while the store fails, keeps them in memory and retries every minute."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        super().__init__(open_store)
        self._pending: deque[Batch] = deque(maxlen=MAX_PENDING)
        self._retry: asyncio.Task[None] | None = None
        self.store_error: StoreError | None = None
        """Why the store is unavailable; None while it works."""

    @property
    def pending(self) -> int:
        """The number of batches that are not written yet."""
        return len(self._pending)

    async def write(self, batch: Batch) -> bool:
        """Write a batch after all pending ones; return whether everything is stored now."""
        if len(self._pending) == MAX_PENDING:
            _log.error(LogEvent("data.lost", batches=1, why="the store has been unavailable for too long"))
        self._pending.append(batch)
        saved = await self.flush()
        if not saved and self._retry is None:
            self._retry = asyncio.create_task(self._retry_until_saved())
        return saved

    async def flush(self) -> bool:
        """Write the pending batches; return whether all are stored."""
        return await self._run_on_thread(self._write_pending)

    async def finish(self) -> bool:
        """Write the pending batches, close the store, and return whether everything is stored."""
        if self._retry is not None:
            self._retry.cancel()
        saved = await self.flush() if self._pending else True
        await self.close()
        return saved

    async def _retry_until_saved(self) -> None:
        while self._pending:
            await asyncio.sleep(RETRY_SECONDS)
            await self.flush()
        self._retry = None

    def _write_pending(self) -> bool:
        try:
            store = self._get_store()
            while self._pending:
                store.write(self._pending[0])
                self._pending.popleft()
        except StoreError as error:
            if self.store_error is None:
                _log.warning(LogEvent("store.unavailable", batches=len(self._pending), why=error))
            self.store_error = error
            return False
        if self.store_error is not None:
            _log.warning(LogEvent("store.recovered"))
            self.store_error = None
        return True
