"""A store on a thread of its own, so that whoever asks it waits for no disk and no other."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.store.contract import Store

T = TypeVar("T")


class Aside:
    """Opens its store when it is first asked something; questions are answered one by one, in their order."""

    def __init__(self, opened: Callable[[], Store]) -> None:
        self._open = opened
        self._store: Store | None = None
        self._thread = ThreadPoolExecutor(1, "store")

    async def ask(self, question: Callable[[Store], T]) -> T:
        """Ask the store something; raises `StoreError`, also when it cannot be opened, and opens it anew next time."""
        return await self._on_thread(lambda: question(self._opened()))

    async def close(self) -> None:
        """Answer what was asked, and let go of store and thread."""
        await self._on_thread(self._let_go)
        self._thread.shutdown(wait=False)

    async def _on_thread(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open()
        return self._store

    def _let_go(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
