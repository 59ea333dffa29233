"""The delivery loop of a sink: sends changed samples, retries with backoff, and skips samples the sink rejects."""

from __future__ import annotations

import logging
from random import random
from typing import TYPE_CHECKING

from heliograph.errors import StoreError
from heliograph.eventlog import LogEvent
from heliograph.outputs.sink import RetryLater, SinkProgress, SinkRejected

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from heliograph.local_time import Clock
    from heliograph.outputs.changefeed import ChangeFeed, PriorityFeed
    from heliograph.outputs.sink import SampleBatch, Sink

IDLE_SECONDS = 5.0
"""Seconds between two queries of the store while nothing is pending."""
FIRST_RETRY, LONGEST_RETRY = 5.0, 300.0
"""Seconds until an unavailable sink is retried: at first, and at most; doubled in between."""
_DAY = 24 * 3600.0

_log = logging.getLogger(__name__)


class DeliveryLoop:
    """Sends the samples of a feed to one sink for as long as the program runs."""

    def __init__(
        self, sink: Sink, feed: ChangeFeed | PriorityFeed, clock: Clock, jitter: Callable[[], float] = random
    ) -> None:
        self.progress = SinkProgress(sink.name)
        self.sink = sink
        self.feed = feed
        self.clock = clock
        self.caught_up = False
        self._jitter = jitter
        self._batch_size = sink.batch_size
        self._failures = 0
        self._rejection, self._rejection_logged_at = "", 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Send samples until stopped."""
        while not stop.is_set():
            wait = await self.send_once()
            await self.clock.wait(self.clock.now() + wait, stop)

    async def drain(self, stop: asyncio.Event) -> None:
        """Send everything pending; return when it is sent or the sink is unavailable."""
        while not stop.is_set():
            wait = await self.send_once()
            if self.caught_up or self._failures:
                return
            await self.clock.wait(self.clock.now() + wait, stop)

    async def send_once(self) -> float:
        """Send the next batch, if there is one, and return the seconds until the next call."""
        self.caught_up = False
        try:
            batch = await self.feed.next_batch(self._batch_size)
            if batch.samples:
                await self._send(batch)
        except (RetryLater, StoreError) as error:
            return self._on_failure(error)
        self.caught_up = not batch.samples
        self._on_success()
        return IDLE_SECONDS if self.caught_up else self.sink.pause

    async def _send(self, batch: SampleBatch) -> None:
        count, rejected, problem = len(batch.samples), 0, None
        try:
            await self.sink.send(batch)
            self._batch_size = min(self.sink.batch_size, self._batch_size * 2)
        except SinkRejected as error:
            if error.rejected is None and count > 1:
                # One bad sample can make the sink reject the whole batch: bisect.
                self._batch_size, self.progress.problem = count // 2, str(error)
                return
            rejected = count if error.rejected is None else min(error.rejected, count)
            problem = str(error)
            self._log_rejection(problem, rejected)
        progress = self.progress
        progress.sent += count - rejected
        progress.skipped += rejected
        progress.newest = max(progress.newest or 0, *(sample.measured_at for sample in batch.samples))
        progress.problem = problem
        await self.feed.commit()

    def _log_rejection(self, why: str, rejected: int) -> None:
        """Log a rejection, the same reason only once a day."""
        now = self.clock.now()
        if why != self._rejection or now - self._rejection_logged_at >= _DAY:
            self._rejection, self._rejection_logged_at = why, now
            _log.warning(LogEvent("output.rejected", output=self.sink.name, samples=rejected, why=why))

    def _on_failure(self, error: RetryLater | StoreError) -> float:
        if not self._failures:
            _log.warning(LogEvent("output.disconnected", output=self.sink.name, why=error))
        self.progress.problem = str(error)
        wait = min(LONGEST_RETRY, FIRST_RETRY * (1 << min(self._failures, 10))) * (0.5 + self._jitter() / 2)
        self._failures += 1
        requested = error.seconds if isinstance(error, RetryLater) else None
        return max(wait, min(requested or 0.0, _DAY))

    def _on_success(self) -> None:
        if self._failures:
            _log.warning(LogEvent("output.recovered", output=self.sink.name))
            self._failures = 0
            if self.caught_up:
                # Nothing was sent, so the store had failed and not the sink.
                self.progress.problem = None
