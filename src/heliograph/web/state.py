"""What the web knows: the store and the accounts, asked on a thread of their own and never more often than useful."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from heliograph.current import CurrentState
from heliograph.errors import StoreError, StoreMissing
from heliograph.local_time import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heliograph.current import AccountStatus, PlantState
    from heliograph.outputs.sink import SinkProgress
    from heliograph.store.base import Store
    from heliograph.store.threaded import StoreThread

T = TypeVar("T")

MAX_AGE = 2.0
"""Seconds for which what was found out is good enough for everybody; of real time, whatever the clock shows."""
_JUMP = 3600
"""Seconds a clock does not move meanwhile, unless it was set or the machine slept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemState:
    """What is true at one moment."""

    at: int
    plants: tuple[PlantState, ...]
    accounts: tuple[AccountStatus, ...]
    sinks: tuple[SinkProgress, ...] = ()


class StateCache:
    """Answers everybody who looks; `accounts` and `sinks` are called on the store's thread, so they may read files."""

    def __init__(
        self,
        aside: StoreThread,
        accounts: Callable[[], Sequence[AccountStatus]],
        sinks: Callable[[], Sequence[SinkProgress]] = tuple,
        clock: Clock | None = None,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        self.clock = clock or Clock()
        self._ticks = timer
        self._aside = aside
        self._accounts = accounts
        self._sinks = sinks
        self._overview: CurrentState | None = None
        self._turn = asyncio.Lock()
        self._looked_at = self._ticked = 0.0
        self._found: SystemState | StoreError | None = None

    async def current(self) -> SystemState:
        """Return what is true now, found out at most every two seconds for all who ask; raises `StoreError`."""
        async with self._turn:
            now, ticks = self.clock.now(), self._ticks()
            if self._found is None or ticks - self._ticked >= MAX_AGE or abs(now - self._looked_at) >= _JUMP:
                self._found = await self._look(int(now))
                self._looked_at, self._ticked = now, ticks
        if isinstance(self._found, StoreError):
            raise self._found
        return self._found

    async def query(self, question: Callable[[Store], T]) -> T:
        """Ask the store something; raises `StoreError`."""
        return await self._aside.run(question)

    async def _look(self, now: int) -> SystemState | StoreError:
        try:
            return await self._aside.run(lambda store: self._seen(store, now))
        except StoreMissing:
            return SystemState(at=now, plants=(), accounts=tuple(self._accounts()), sinks=tuple(self._sinks()))
        except StoreError as error:
            return error

    def _seen(self, store: Store, now: int) -> SystemState:
        if self._overview is None or self._overview.store is not store:
            self._overview = CurrentState(store)
        plants = self._overview.plants(now)
        return SystemState(at=now, plants=plants, accounts=tuple(self._accounts()), sinks=tuple(self._sinks()))
