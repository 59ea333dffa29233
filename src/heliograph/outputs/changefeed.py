"""The change feed of a sink: unsent samples read from the store, at least once each, recent samples before history."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.eventlog import LogEvent
from heliograph.outputs.money import money_of
from heliograph.outputs.sink import SampleBatch, SendsDeviceMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heliograph.local_time import Clock
    from heliograph.outputs.sink import Sink
    from heliograph.store.base import Series, SeriesChange, SeriesInfo, Store, StoredSample
    from heliograph.store.threaded import StoreThread
    from heliograph.tariffs.reader import MoneyReader

    _Pending = list[tuple[StoredSample, "_Offset"]]
    """Samples, each with the offset behind it."""

_DAY = 24 * 3600
_SERIES_INFO_SECONDS = 3600
"""Seconds until names and zones of known series are read again."""
_CHANGES_PER_READ = 1000
_SAMPLES_PER_READ = 4096
"""The page size of the store."""
_RECENT_SECONDS = 6 * 3600
"""A sample fetched at most this many seconds after its measurement is recent, any other is history."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _SharedState:
    """State shared by the readers of one sink."""

    last_sent: dict[Series, StoredSample] = field(default_factory=dict)
    series_info: dict[Series, SeriesInfo] = field(default_factory=dict)
    series_info_at: float = 0.0
    skip_logged_at: float = 0.0


class _Offset(NamedTuple):
    """Position in the feed: all changes up to `number` are done, and of the next one all samples before `moment`."""

    number: int
    moment: int | None = None


class ChangeFeed:
    """One reader of the store's changes, in the order of writing.

    `next_batch` returns the same samples again until `commit`, so after a crash samples are sent twice rather than
    never. A new reader starts with whatever is written from then on.
    """

    def __init__(
        self,
        store: StoreThread,
        name: str,
        clock: Clock,
        *,
        wants: Callable[[Series], bool] = lambda _: True,
        max_age: float | None = None,
        accepts: Callable[[StoredSample], bool] = lambda _: True,
        device_metrics: bool = False,
        shared: _SharedState | None = None,
        start_at: str | None = None,
        money: MoneyReader | None = None,
    ) -> None:
        """Read as `name`; `wants` filters series, `accepts` filters samples, `max_age` limits their age in seconds.

        With `money`, batches have that of their days; with `device_metrics`, what the devices measured with their
        samples. A new reader starts at the offset of the reader `start_at`, if that exists.
        """
        self.name = name
        self._store = store
        self._clock = clock
        self._wants = wants
        self._max_age = max_age
        self._accepts = accepts
        self._device_metrics = device_metrics
        self._start_at = start_at
        self._money = money
        self._shared = shared or _SharedState()
        self._offset: _Offset | None = None
        self._read_offset = _Offset(0)
        """The offset behind everything in `_pending`."""
        self._pending: _Pending = []
        self._batch_length = 0
        self._saved_number = 0
        self._saved_at = 0.0

    async def start(self) -> None:
        """Load the offset, or create one: changes are recorded for a new reader from then on."""
        if self._offset is not None:
            return
        now = int(self._clock.now())

        def load_number(store: Store) -> int:
            number = store.reader_position(self.name)
            if number is None:
                other = None if self._start_at is None else store.reader_position(self._start_at)
                number = store.newest_change() if other is None else other
                store.save_reader_position(self.name, number, now)
            return number

        self._saved_number = await self._store.run(load_number)
        self._offset = self._read_offset = _Offset(self._saved_number)

    async def next_batch(self, size: int) -> SampleBatch:
        """Return the next samples, `size` at most; none if everything was sent."""
        await self.save_offset()
        more = True
        while more and not self._pending:
            self._pending, self._read_offset, more = await self._store.run(self._read)
            if not self._pending:
                await self._move(self._read_offset)
        samples = tuple(sample for sample, _ in self._pending[:size])
        self._batch_length = len(samples)
        batch = SampleBatch(samples, self._shared.series_info)
        if samples and self._device_metrics and any(sample.series.device for sample in samples):
            batch = batch._replace(measurements=await self._store.run(lambda store: _measured_with(store, samples)))
        if samples and (reader := self._money) is not None:
            info, now = batch.series_info, int(self._clock.now())
            batch = batch._replace(
                money=await self._store.run(lambda store: money_of(reader, store, samples, info, now))
            )
        return batch

    async def commit(self) -> None:
        """Move the offset behind the last batch."""
        done, self._pending = self._pending[: self._batch_length], self._pending[self._batch_length :]
        for sample, _ in done:
            last = self._shared.last_sent.get(sample.series)
            if last is None or last.measured_at <= sample.measured_at:
                self._shared.last_sent[sample.series] = sample
        if done:
            await self._move(done[-1][1] if self._pending else self._read_offset)

    async def _move(self, offset: _Offset) -> None:
        self._offset = offset
        await self.save_offset()

    async def save_offset(self) -> None:
        """Save the offset if it moved, and once a day to keep the reader registered."""
        await self.start()
        assert self._offset is not None
        number, now = self._offset.number, self._clock.now()
        if number != self._saved_number or now - self._saved_at >= _DAY:
            await self._store.run(lambda store: store.save_reader_position(self.name, number, int(now)))
            self._saved_number, self._saved_at = number, now

    def _read(self, store: Store) -> tuple[_Pending, _Offset, bool]:
        """Return the next samples, the offset behind them, and whether there may be more."""
        number, moment = self._read_offset
        found: _Pending = []
        changes = store.changes(number, _CHANGES_PER_READ)
        for change in changes:
            rows = self._samples(store, change, moment, _SAMPLES_PER_READ - len(found))
            found += ((row, _Offset(number, row.measured_at + 1)) for row in rows)
            if len(found) == _SAMPLES_PER_READ:
                return self._unsent(store, found), found[-1][1], True
            number, moment = change.number, None
        return self._unsent(store, found), _Offset(number), len(changes) == _CHANGES_PER_READ

    def _samples(self, store: Store, change: SeriesChange, moment: int | None, limit: int) -> list[StoredSample]:
        if not self._wants(change.series):
            return []
        since = change.since if moment is None else moment
        if self._max_age is not None and since < (oldest := int(self._clock.now() - self._max_age)):
            self._log_skip(self._max_age)
            since = oldest
        return list(islice(store.samples(change.series, since, change.until + 1), limit))

    def _unsent(self, store: Store, found: _Pending) -> _Pending:
        """Drop samples equal to the last one sent: consecutive polls may return the same sample."""
        now, shared = self._clock.now(), self._shared
        found = [(sample, offset) for sample, offset in found if self._accepts(sample)]
        outdated = now - shared.series_info_at > _SERIES_INFO_SECONDS
        if outdated or any(sample.series not in shared.series_info for sample, _ in found):
            shared.series_info, shared.series_info_at = {info.series: info for info in store.series()}, now
        last: dict[Series, StoredSample] = {}
        unsent = []
        for sample, offset in found:
            before = last.get(sample.series) or shared.last_sent.get(sample.series)
            if before is None or before._replace(fetched_at=sample.fetched_at) != sample:
                unsent.append((sample, offset))
                last[sample.series] = sample
        return unsent

    def _log_skip(self, max_age: float) -> None:
        now = self._clock.now()
        if now - self._shared.skip_logged_at >= _DAY:
            self._shared.skip_logged_at = now
            why = f"samples older than {max_age / _DAY:g} days are not accepted"
            _log.warning(LogEvent("output.skipped", output=self.name, why=why))


class PriorityFeed:
    """Two change feeds of one sink: recent samples first, history while no recent samples are waiting.

    Each sample is classified by its own timestamps, so exactly one reader receives it. `fetched_at` of a stored sample
    only increases, so a sample can become history but never recent again: the sink never receives an older state of a
    sample after a newer one.
    """

    def __init__(self, store: StoreThread, sink: Sink, clock: Clock, money: MoneyReader | None = None) -> None:
        """Read the series the sink wants, up to the age it accepts."""
        feed = partial(
            ChangeFeed,
            store,
            clock=clock,
            wants=sink.wants,
            max_age=sink.max_age,
            device_metrics=isinstance(sink, SendsDeviceMetrics) and sink.device_metrics,
            shared=_SharedState(),
            money=money,
        )
        self._recent = feed(name=sink.name, accepts=_is_recent)
        self._history = feed(
            name=f"{sink.name} past", accepts=lambda sample: not _is_recent(sample), start_at=sink.name
        )
        self._active = self._recent

    async def start(self) -> None:
        """Start both readers, history first, so that no sample written in between is missed by both."""
        await self._history.start()
        await self._recent.start()

    async def next_batch(self, size: int) -> SampleBatch:
        """Return the next recent samples, or samples of the history if there are none; `size` at most."""
        await self.start()
        await self._history.save_offset()  # the store would drop a reader that has no turn for a month
        self._active = self._recent
        batch = await self._recent.next_batch(size)
        if not batch.samples:
            self._active = self._history
            batch = await self._history.next_batch(size)
        return batch

    async def commit(self) -> None:
        """Move the offset behind the last batch."""
        await self._active.commit()


def _measured_with(store: Store, samples: Sequence[StoredSample]) -> dict[tuple[Series, int], Mapping[str, Any]]:
    """Return the device metrics that were measured with these samples, by series and time."""
    times: dict[Series, set[int]] = {}
    for sample in samples:
        if sample.series.device:
            times.setdefault(sample.series, set()).add(sample.measured_at)
    return {
        (series, row.measured_at): row.values
        for series, wanted in times.items()
        for row in store.measurements(series, min(wanted), max(wanted) + 1)
        if row.measured_at in wanted
    }


def _is_recent(sample: StoredSample) -> bool:
    return sample.fetched_at - sample.measured_at <= _RECENT_SECONDS
