"""The loop that runs any sink: send, and on trouble wait and send again, so that nothing is lost and nobody waits."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from random import random
from typing import TYPE_CHECKING, Protocol

from heliograph.errors import HeliographError, StoreError
from heliograph.eventlog import Event

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from heliograph.local_time import Clock
    from heliograph.outputs.changefeed import Feed, FreshFirst, News
    from heliograph.store.base import Series

IDLE = 5.0
"""Seconds until the store is asked again for news."""
FIRST, LONGEST = 5.0, 300.0
"""Seconds until a sink that is away is tried again: the first time, and at most; doubled in between."""
_DAY = 24 * 3600.0

_log = logging.getLogger(__name__)


class Later(HeliographError):
    """The sink cannot take it now; `seconds` is how long it asks to be left alone, if it says so."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Refused(HeliographError):
    """The sink understood and will never take it; `lost` samples, where all the others were taken."""

    def __init__(self, why: str, lost: int | None = None) -> None:
        super().__init__(why)
        self.lost = lost


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

    async def send(self, news: News) -> None:
        """Hand over all of it; raises `Later` or `Refused`."""


@dataclass(slots=True)
class Progress:
    """How far a sink, or a broker, has come, for whoever shows it."""

    name: str
    sent: int = 0
    """Samples since the program began; to a broker, messages."""
    skipped: int = 0
    """Samples the sink would not take."""
    newest: int | None = None
    """The moment of the newest sample it has."""
    problem: str | None = None


class Delivery:
    """One sink, fed from the store for as long as the program runs."""

    def __init__(self, sink: Sink, feed: Feed | FreshFirst, clock: Clock, jitter: Callable[[], float] = random) -> None:
        self.progress = Progress(sink.name)
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
            wait = await self.turn()
            await self.clock.wait(self.clock.now() + wait, stop)

    async def drain(self, stop: asyncio.Event) -> None:
        """Send what there is, and end when all is sent or the sink is away."""
        while not stop.is_set():
            wait = await self.turn()
            if self.caught_up or self._tries:
                return
            await self.clock.wait(self.clock.now() + wait, stop)

    async def turn(self) -> float:
        """Send once, if there is something, and return the seconds until the next time."""
        self.caught_up = False
        try:
            news = await self.feed.take(self._size)
            if news.entries:
                await self._hand_over(news)
        except (Later, StoreError) as error:
            return self._away(error)
        self.caught_up = not news.entries
        self._back()
        return IDLE if self.caught_up else self.sink.pause

    async def _hand_over(self, news: News) -> None:
        many, lost, problem = len(news.entries), 0, None
        try:
            await self.sink.send(news)
            self._size = min(self.sink.size, self._size * 2)
        except Refused as error:
            if error.lost is None and many > 1:
                # One sample may spoil all: it is found by halves.
                self._size, self.progress.problem = many // 2, str(error)
                return
            lost = many if error.lost is None else min(error.lost, many)
            problem = self._refused(error, lost)
        progress = self.progress
        progress.sent += many - lost
        progress.skipped += lost
        progress.newest = max(progress.newest or 0, *(one.measured_at for one in news.entries))
        progress.problem = problem
        await self.feed.done()

    def _refused(self, error: Refused, lost: int) -> str:
        """Say what is refused and why: once a day, unless it is something else."""
        now = self.clock.now()
        if str(error) != self._refusal or now - self._refused_at >= _DAY:
            self._refusal, self._refused_at = str(error), now
            _log.warning(Event("output refused", output=self.sink.name, samples=lost, why=error))
        return str(error)

    def _away(self, error: Later | StoreError) -> float:
        if not self._tries:
            _log.warning(Event("output away", output=self.sink.name, why=error))
        self.progress.problem = str(error)
        wait = min(LONGEST, FIRST * (1 << min(self._tries, 10))) * (0.5 + self._jitter() / 2)
        self._tries += 1
        asked = error.seconds if isinstance(error, Later) else None
        return max(wait, min(asked or 0.0, _DAY))

    def _back(self) -> None:
        if self._tries:
            _log.warning(Event("output back", output=self.sink.name))
            self._tries = 0
            if self.caught_up:
                # It was the store that was away.
                self.progress.problem = None
