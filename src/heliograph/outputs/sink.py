"""The loop that runs any sink: send, and on trouble wait and send again, so that nothing is lost and nobody waits."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from random import random
from typing import TYPE_CHECKING, Protocol

from heliograph.errors import HeliographError, StoreError
from heliograph.eventlog import LogEvent

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from heliograph.local_time import Clock
    from heliograph.outputs.changefeed import ChangeFeed, PriorityFeed, SampleBatch
    from heliograph.store.base import Series

IDLE_SECONDS = 5.0
"""Seconds until the store is asked again for news."""
FIRST_RETRY, LONGEST_RETRY = 5.0, 300.0
"""Seconds until a sink that is away is tried again: the first time, and at most; doubled in between."""
_DAY = 24 * 3600.0

_log = logging.getLogger(__name__)


class RetryLater(HeliographError):
    """The sink cannot take it now; `seconds` is how long it asks to be left alone, if it says so."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class SinkRejected(HeliographError):
    """The sink understood and will never take it; `lost` samples, where all the others were taken."""

    def __init__(self, why: str, rejected: int | None = None) -> None:
        super().__init__(why)
        self.rejected = rejected


class Sink(Protocol):
    """Somewhere samples go. What it is sent may come twice, after an outage or a restart."""

    name: str
    """The name of its reader in the store: the same after every restart, no secret in it."""
    size: int
    """How many samples it takes at once."""
    pause: float
    """Seconds between two sends."""
    reach: float | None
    """How many seconds back it takes samples; None is for ever."""

    def wants(self, series: Series) -> bool:
        """Tell whether these samples are for it."""

    async def send(self, news: SampleBatch) -> None:
        """Hand over all of it; raises `Later` or `Refused`."""


@dataclass(slots=True)
class SinkProgress:
    """How far a sink, or a broker, has come, for whoever shows it."""

    name: str
    sent: int = 0
    """Samples since the program began; to a broker, messages."""
    skipped: int = 0
    """Samples the sink would not take."""
    newest: int | None = None
    """The moment of the newest sample it has."""
    problem: str | None = None


class DeliveryLoop:
    """One sink, fed from the store for as long as the program runs."""

    def __init__(
        self, sink: Sink, feed: ChangeFeed | PriorityFeed, clock: Clock, jitter: Callable[[], float] = random
    ) -> None:
        self.progress = SinkProgress(sink.name)
        self.sink = sink
        self.feed = feed
        self.clock = clock
        self.caught_up = False
        self._jitter = jitter
        self._size = sink.size
        self._tries = 0
        self._refusal, self._refused_at = "", 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Send what comes until stopped."""
        while not stop.is_set():
            wait = await self.send_once()
            await self.clock.wait(self.clock.now() + wait, stop)

    async def drain(self, stop: asyncio.Event) -> None:
        """Send what there is, and end when all is sent or the sink is away."""
        while not stop.is_set():
            wait = await self.send_once()
            if self.caught_up or self._tries:
                return
            await self.clock.wait(self.clock.now() + wait, stop)

    async def send_once(self) -> float:
        """Send once, if there is something, and return the seconds until the next time."""
        self.caught_up = False
        try:
            news = await self.feed.next_batch(self._size)
            if news.samples:
                await self._hand_over(news)
        except (RetryLater, StoreError) as error:
            return self._away(error)
        self.caught_up = not news.samples
        self._back()
        return IDLE_SECONDS if self.caught_up else self.sink.pause

    async def _hand_over(self, news: SampleBatch) -> None:
        many, lost, problem = len(news.samples), 0, None
        try:
            await self.sink.send(news)
            self._size = min(self.sink.size, self._size * 2)
        except SinkRejected as error:
            if error.rejected is None and many > 1:
                # One sample may spoil all: it is found by halves.
                self._size, self.progress.problem = many // 2, str(error)
                return
            lost = many if error.rejected is None else min(error.rejected, many)
            problem = self._refused(error, lost)
        progress = self.progress
        progress.sent += many - lost
        progress.skipped += lost
        progress.newest = max(progress.newest or 0, *(one.measured_at for one in news.samples))
        progress.problem = problem
        await self.feed.commit()

    def _refused(self, error: SinkRejected, lost: int) -> str:
        """Say what is refused and why: once a day, unless it is something else."""
        now = self.clock.now()
        if str(error) != self._refusal or now - self._refused_at >= _DAY:
            self._refusal, self._refused_at = str(error), now
            _log.warning(LogEvent("output refused", output=self.sink.name, samples=lost, why=error))
        return str(error)

    def _away(self, error: RetryLater | StoreError) -> float:
        if not self._tries:
            _log.warning(LogEvent("output away", output=self.sink.name, why=error))
        self.progress.problem = str(error)
        wait = min(LONGEST_RETRY, FIRST_RETRY * (1 << min(self._tries, 10))) * (0.5 + self._jitter() / 2)
        self._tries += 1
        asked = error.seconds if isinstance(error, RetryLater) else None
        return max(wait, min(asked or 0.0, _DAY))

    def _back(self) -> None:
        if self._tries:
            _log.warning(LogEvent("output back", output=self.sink.name))
            self._tries = 0
            if self.caught_up:
                # It was the store that was away.
                self.progress.problem = None
