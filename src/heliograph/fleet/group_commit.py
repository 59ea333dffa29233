"""Group commit: what many accounts want to write is collected and written in one transaction."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")


class GroupCommit(Generic[T, R]):
    """Collects items for `seconds`, then writes up to `most` of them at once; one group is written at a time.

    `write` returns one result or one error for each item. An error that it raises is raised for all of them.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        seconds: float,
        most: int,
    ) -> None:
        self._write = write
        self._seconds = seconds
        self._most = most
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._writing = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """The number of items that are not written yet."""
        return len(self._waiting) + self._writing

    async def submit(self, item: T) -> R:
        """Write an item with its group and return its result; a cancelled caller's item is written nevertheless."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_groups())
        return await future

    async def finish(self) -> None:
        """Wait until everything is written, or has failed."""
        while self._task is not None and not self._task.done():
            await asyncio.wait((self._task,))

    async def _write_groups(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._seconds)
            group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            self._writing = len(group)
            try:
                results = await self._write([item for item, _ in group])
            except Exception as error:  # noqa: BLE001 - raised by `submit`
                results = [error] * len(group)
            self._writing = 0
            for (_, future), result in zip(group, results, strict=True):
                if future.cancelled():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
