"""A store on a thread of its own, so that whoever asks it waits for no disk and no other."""

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


class StoreThread:
    """Opens its store when it is first asked something; questions are answered one by one, in their order."""

    def __init__(self, opened: Callable[[], Store]) -> None:
        self._open = opened
        self._store: Store | None = None
        self._thread = ThreadPoolExecutor(1, "store")

    async def run(self, question: Callable[[Store], T]) -> T:
        """Ask the store something; raises `StoreError`, also when it cannot be opened, and opens it anew next time."""
        return await self._run_on_thread(lambda: question(self._get_store()))

    async def close(self) -> None:
        """Answer what was asked, and let go of store and thread."""
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


MAX_PENDING = 20_000
"""Batches in memory while the store is away: about two days of a hundred accounts."""
RETRY_SECONDS = 60.0
"""Seconds until a store that is away is tried again by itself; in real time, whatever clock polls go by."""

_log = logging.getLogger(__name__)


class BufferedWriter(StoreThread):
    """Writes batches in their order; a store that fails is tried again before each newer batch, and every minute."""

    def __init__(self, opened: Callable[[], Store]) -> None:
        super().__init__(opened)
        self._held: deque[Batch] = deque(maxlen=MAX_PENDING)
        self._retry: asyncio.Task[None] | None = None
        self.store_error: StoreError | None = None
        """Why the store is away, while it is."""

    @property
    def pending(self) -> int:
        """How many batches wait for the store."""
        return len(self._held)

    async def write(self, batch: Batch) -> bool:
        """Write a batch and all that were held back; return whether everything is kept now."""
        if len(self._held) == MAX_PENDING:
            _log.error(LogEvent("lost", batches=1, why="the store has been away for too long"))
        self._held.append(batch)
        kept = await self.flush()
        if not kept and self._retry is None:
            self._retry = asyncio.create_task(self._try_again())
        return kept

    async def flush(self) -> bool:
        """Try again to write what is held back."""
        return await self._run_on_thread(self._write_held)

    async def finish(self) -> bool:
        """Write what is held back, let go of the store, and return whether everything is kept."""
        if self._retry is not None:
            self._retry.cancel()
        kept = await self.flush() if self._held else True
        await self.close()
        return kept

    async def _try_again(self) -> None:
        while self._held:
            await asyncio.sleep(RETRY_SECONDS)
            await self.flush()
        self._retry = None

    def _write_held(self) -> bool:
        try:
            store = self._get_store()
            while self._held:
                store.write(self._held[0])
                self._held.popleft()
        except StoreError as error:
            if self.store_error is None:
                _log.warning(LogEvent("store away", batches=len(self._held), why=error))
            self.store_error = error
            return False
        if self.store_error is not None:
            _log.warning(LogEvent("store back"))
            self.store_error = None
        return True
