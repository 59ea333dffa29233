"""One thread that talks to the store, so that nothing else waits for a disk; what it cannot write yet, it holds."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from heliograph.collect.events import Event
from heliograph.errors import StoreError
from heliograph.store.aside import Aside

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.store.contract import Batch, Store

HELD = 20_000
"""Batches in memory while the store is away: about two days of a hundred accounts."""
AGAIN = 60.0
"""Seconds until a store that is away is tried again by itself; in real time, whatever clock polls go by."""

_log = logging.getLogger(__name__)


class Writer(Aside):
    """Writes batches in their order; a store that fails is tried again before each newer batch, and every minute."""

    def __init__(self, opened: Callable[[], Store]) -> None:
        super().__init__(opened)
        self._held: deque[Batch] = deque(maxlen=HELD)
        self._retry: asyncio.Task[None] | None = None
        self.failing: StoreError | None = None
        """Why the store is away, while it is."""

    @property
    def held(self) -> int:
        """How many batches wait for the store."""
        return len(self._held)

    async def write(self, batch: Batch) -> bool:
        """Write a batch and all that were held back; return whether everything is kept now."""
        if len(self._held) == HELD:
            _log.error(Event("lost", batches=1, why="the store has been away for too long"))
        self._held.append(batch)
        kept = await self.flush()
        if not kept and self._retry is None:
            self._retry = asyncio.create_task(self._try_again())
        return kept

    async def flush(self) -> bool:
        """Try again to write what is held back."""
        return await self._on_thread(self._write_held)

    async def finish(self) -> bool:
        """Write what is held back, let go of the store, and return whether everything is kept."""
        if self._retry is not None:
            self._retry.cancel()
        kept = await self.flush() if self._held else True
        await self.close()
        return kept

    async def _try_again(self) -> None:
        while self._held:
            await asyncio.sleep(AGAIN)
            await self.flush()
        self._retry = None

    def _write_held(self) -> bool:
        try:
            store = self._opened()
            while self._held:
                store.write(self._held[0])
                self._held.popleft()
        except StoreError as error:
            if self.failing is None:
                _log.warning(Event("store away", batches=len(self._held), why=error))
            self.failing = error
            return False
        if self.failing is not None:
            _log.warning(Event("store back"))
            self.failing = None
        return True
