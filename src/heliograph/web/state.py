"""The current state of plants, accounts and outputs, cached for all web clients."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from heliograph.alarms.monitor import stored_alarms
from heliograph.current import CurrentState
from heliograph.errors import StoreError, StoreMissing
from heliograph.local_time import Clock
from heliograph.tariffs.reader import MoneyReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from heliograph.alarms.model import Alarm, AlarmState
    from heliograph.current import AccountStatus, PlantState
    from heliograph.outputs.sink import SinkProgress
    from heliograph.store.base import Series, Store
    from heliograph.store.threaded import StoreThread
    from heliograph.tariffs.reader import MoneyToday

T = TypeVar("T")

MAX_AGE = 2.0
"""Seconds of real time, independent of the clock, for which the cached state is valid."""
_CLOCK_JUMP = 3600
"""A change of the clock by this many seconds invalidates the cache: it was set, or the machine was suspended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemState:
    """The state of all plants, accounts and outputs at one time."""

    at: int
    plants: tuple[PlantState, ...]
    accounts: tuple[AccountStatus, ...]
    sinks: tuple[SinkProgress, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    """All alarms that were ever raised, the active ones first."""
    damaged_store: Path | None = None
    """The damaged file of the store, while a recovery file is in use."""

    @property
    def active_alarms(self) -> dict[Alarm, AlarmState]:
        """The alarms that are not over, with their states."""
        states = ((one, one.state(self.at)) for one in self.alarms if one.is_active)
        return {one: state for one, state in states if state is not None}


class StateCache:
    """Caches the system state; `accounts` and `sinks` are called on the store's thread, so they may read files.

    Queries run on `query_store` if there is one, so that long ones do not delay the state and the health check. `money`
    is used by queries only.
    """

    def __init__(
        self,
        store: StoreThread,
        accounts: Callable[[], Sequence[AccountStatus]],
        sinks: Callable[[], Sequence[SinkProgress]] = tuple,
        clock: Clock | None = None,
        timer: Callable[[], float] = monotonic,
        query_store: StoreThread | None = None,
        money: MoneyReader | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.money = money or MoneyReader()
        self._timer = timer
        self._store = store
        self._query_store = query_store or store
        self._accounts = accounts
        self._sinks = sinks
        self._current_state: CurrentState | None = None
        self._lock = asyncio.Lock()
        self._read_at = self._read_timer = 0.0
        self._cached: SystemState | StoreError | None = None

    async def current(self) -> SystemState:
        """Return the system state, read at most every two seconds; raises `StoreError`."""
        async with self._lock:
            now, elapsed = self.clock.now(), self._timer()
            if self._cached is None or elapsed - self._read_timer >= MAX_AGE or abs(now - self._read_at) >= _CLOCK_JUMP:
                self._cached = await self._read(int(now))
                self._read_at, self._read_timer = now, elapsed
        if isinstance(self._cached, StoreError):
            raise self._cached
        return self._cached

    def invalidate(self) -> None:
        """Read the state again at the next call, after something was changed."""
        self._cached = None

    async def query(self, job: Callable[[Store], T]) -> T:
        """Run a query on the queries' thread; raises `StoreError`."""
        return await self._query_store.run(job)

    async def money_today(self, state: SystemState) -> dict[Series, MoneyToday]:
        """Return the money of today of the plants with a tariff; raises `StoreError`."""
        plants = [one for one in state.plants if self.money.currency(one.series, one.zone)]

        def read(store: Store) -> dict[Series, MoneyToday]:
            values = (
                (one.series, self.money.today(store, one.series, one.zone, one.values, one.measured_at, state.at))
                for one in plants
            )
            return {series: today for series, today in values if today is not None}

        return await self.query(read) if plants else {}

    async def _read(self, now: int) -> SystemState | StoreError:
        try:
            return await self._store.run(lambda store: self._state(store, now))
        except StoreMissing:
            return SystemState(at=now, plants=(), accounts=tuple(self._accounts()), sinks=tuple(self._sinks()))
        except StoreError as error:
            return error

    def _state(self, store: Store, now: int) -> SystemState:
        if self._current_state is None or self._current_state.store is not store:
            self._current_state = CurrentState(store)
        plants = self._current_state.plants(now)
        return SystemState(
            at=now,
            plants=plants,
            accounts=tuple(self._accounts()),
            sinks=tuple(self._sinks()),
            alarms=stored_alarms(store),
            damaged_store=store.damaged_file,
        )
