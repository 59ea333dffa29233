"""What a sink was not sent yet, read from the store: at least once, through outages and restarts, the fresh first."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from heliograph.eventlog import LogEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heliograph.local_time import Clock
    from heliograph.outputs.sink import Sink
    from heliograph.store.base import Series, SeriesChange, SeriesInfo, Store, StoredSample
    from heliograph.store.threaded import StoreThread

_DAY = 24 * 3600
_NAMES_LAST = 3600
"""Seconds until names and zones of known series are looked up again."""
_PAGE = 1000
_AT_ONCE = 4096
"""Samples read at once, which is as many as the store reads."""
_FRESH = 6 * 3600
"""Seconds from measured to fetched after which a sample tells of the past."""

_log = logging.getLogger(__name__)


class SampleBatch(NamedTuple):
    """Samples that changed, and what their series are called."""

    samples: Sequence[StoredSample]
    series_info: Mapping[Series, SeriesInfo]


@dataclass(slots=True)
class _Memory:
    """What readers for the same sink know together."""

    sent: dict[Series, StoredSample] = field(default_factory=dict)
    known: dict[Series, SeriesInfo] = field(default_factory=dict)
    known_at: float = 0.0
    mentioned_at: float = 0.0


class _Place(NamedTuple):
    """Every change up to a number is past, and of the next one all samples before a moment."""

    number: int
    moment: int | None = None


class ChangeFeed:
    """One reader of the store's changes, which come in the order in which they were written.

    What `take` returned is returned again until `done`: whoever is killed in between sends it twice, never not at all.
    A reader that is seen for the first time begins with what is written from then on.
    """

    def __init__(
        self,
        aside: StoreThread,
        name: str,
        clock: Clock,
        *,
        wants: Callable[[Series], bool] = lambda _: True,
        reach: float | None = None,
        only: Callable[[StoredSample], bool] = lambda _: True,
        memory: _Memory | None = None,
        beside: str | None = None,
    ) -> None:
        """Read as `name`; `wants` chooses series, `only` samples, `reach` is how many seconds back they are of use.

        `beside` is the reader that knows where to begin, if there is one.
        """
        self.name = name
        self._aside = aside
        self._clock = clock
        self._wants = wants
        self._reach = reach
        self._only = only
        self._beside = beside
        self._memory = memory or _Memory()
        self._place: _Place | None = None
        self._behind = _Place(0)
        self._queue: list[tuple[StoredSample, _Place]] = []
        """What was read and is not done, each with the place behind it; `_behind` is the place behind all."""
        self._taken = 0
        self._kept = 0
        self._heard_at = 0.0

    async def start(self) -> None:
        """Find the place, or take one: only what is written after this is recorded for a new reader."""
        if self._place is not None:
            return
        now = int(self._clock.now())

        def place(store: Store) -> int:
            number = store.reader_position(self.name)
            if number is None:
                began = None if self._beside is None else store.reader_position(self._beside)
                number = store.newest_change() if began is None else began
                store.save_reader_position(self.name, number, now)
            return number

        self._kept = await self._aside.run(place)
        self._place = self._behind = _Place(self._kept)

    async def next_batch(self, size: int) -> SampleBatch:
        """Return at most so many samples that come next; none when everything was sent."""
        await self.save_offset()
        more = True
        while more and not self._queue:
            self._queue, self._behind, more = await self._aside.run(self._read)
            if not self._queue:
                await self._move(self._behind)
        taken = tuple(entry for entry, _ in self._queue[:size])
        self._taken = len(taken)
        return SampleBatch(taken, self._memory.known)

    async def commit(self) -> None:
        """Go on behind what was taken."""
        taken, self._queue = self._queue[: self._taken], self._queue[self._taken :]
        for entry, _ in taken:
            last = self._memory.sent.get(entry.series)
            if last is None or last.measured_at <= entry.measured_at:
                self._memory.sent[entry.series] = entry
        if taken:
            await self._move(taken[-1][1] if self._queue else self._behind)

    async def _move(self, place: _Place) -> None:
        self._place = place
        await self.save_offset()

    async def save_offset(self) -> None:
        """Write down the place, and once a day that there still is a reader."""
        await self.start()
        assert self._place is not None
        number, now = self._place.number, self._clock.now()
        if number != self._kept or now - self._heard_at >= _DAY:
            await self._aside.run(lambda store: store.save_reader_position(self.name, number, int(now)))
            self._kept, self._heard_at = number, now

    def _read(self, store: Store) -> tuple[list[tuple[StoredSample, _Place]], _Place, bool]:
        """Return what comes next, the place behind it, and whether there may be more beyond."""
        number, moment = self._behind
        found: list[tuple[StoredSample, _Place]] = []
        changes = store.changes(number, _PAGE)
        for change in changes:
            rows = self._samples(store, change, moment, _AT_ONCE - len(found))
            found += ((row, _Place(number, row.measured_at + 1)) for row in rows)
            if len(found) == _AT_ONCE:
                return self._new(store, found), found[-1][1], True
            number, moment = change.number, None
        return self._new(store, found), _Place(number), len(changes) == _PAGE

    def _samples(self, store: Store, change: SeriesChange, moment: int | None, most: int) -> list[StoredSample]:
        if not self._wants(change.series):
            return []
        since = change.since if moment is None else moment
        if self._reach is not None and since < (oldest := int(self._clock.now() - self._reach)):
            self._mention_old()
            since = oldest
        return list(islice(store.samples(change.series, since, change.until + 1), most))

    def _new(self, store: Store, found: list[tuple[StoredSample, _Place]]) -> list[tuple[StoredSample, _Place]]:
        """Leave out what is what was sent last: a poll may bring the same sample again."""
        now, memory = self._clock.now(), self._memory
        found = [(entry, place) for entry, place in found if self._only(entry)]
        if any(entry.series not in memory.known for entry, _ in found) or now - memory.known_at > _NAMES_LAST:
            memory.known, memory.known_at = {one.series: one for one in store.series()}, now
        last: dict[Series, StoredSample] = {}
        new = []
        for entry, place in found:
            before = last.get(entry.series) or memory.sent.get(entry.series)
            if before is None or before._replace(fetched_at=entry.fetched_at) != entry:
                new.append((entry, place))
                last[entry.series] = entry
        return new

    def _mention_old(self) -> None:
        now = self._clock.now()
        if now - self._memory.mentioned_at >= _DAY:
            self._memory.mentioned_at = now
            days = (self._reach or 0) / _DAY
            _log.warning(LogEvent("output skips", output=self.name, why=f"it takes nothing older than {days:g} days"))


class PriorityFeed:
    """Two readers for one sink: what was fetched soon after it was measured goes before all that tells of the past.

    Every sample is for one of them by what it says itself, so that none is left to neither. What is kept of a moment is
    only ever fetched later, so a sample may leave the fresh for the past and never comes back: of one that changed the
    sink is never sent the old after the new.
    """

    def __init__(self, aside: StoreThread, sink: Sink, clock: Clock) -> None:
        """Read for a sink: what it wants, and as far back as it reaches."""
        read = partial(ChangeFeed, aside, clock=clock, wants=sink.wants, reach=sink.reach, memory=_Memory())
        self._fresh = read(name=sink.name, only=_fresh)
        self._past = read(name=f"{sink.name} past", only=lambda one: not _fresh(one), beside=sink.name)
        self._taken = self._fresh

    async def start(self) -> None:
        """Find both places; the past's first: what is written meanwhile is for one of them."""
        await self._past.start()
        await self._fresh.start()

    async def next_batch(self, size: int) -> SampleBatch:
        """Return at most so many fresh samples that come next, or of the past while nothing fresh waits."""
        await self.start()
        await self._past.save_offset()  # else it would be forgotten where it has no turn for a month
        self._taken = self._fresh
        news = await self._fresh.next_batch(size)
        if not news.samples:
            self._taken = self._past
            news = await self._past.next_batch(size)
        return news

    async def commit(self) -> None:
        """Go on behind what was taken."""
        await self._taken.commit()


def _fresh(entry: StoredSample) -> bool:
    return entry.fetched_at - entry.measured_at <= _FRESH
