"""Asks the open questions about an account's past, a few after each poll, so that healing never costs a poll."""

from __future__ import annotations

import logging
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.collect import past
from heliograph.collect.days import begins, day_at
from heliograph.collect.drawn import with_energies
from heliograph.collect.events import Event
from heliograph.collect.heal import PAUSE, Days, Known, Question, hole, newness, questions
from heliograph.collect.pace import POLLS
from heliograph.store.entries import series_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, tzinfo

    from heliograph.collect.clock import Clock
    from heliograph.collect.poll import Memories
    from heliograph.collect.writer import Writer
    from heliograph.model import HistoryCost, Plant
    from heliograph.store.contract import Series, Store

SHARE = (1 - POLLS) / POLLS
"""Requests for healing to each request of a poll."""
SAVED = 20.0
"""The most that is saved up; a restart begins with nothing, so that one that crashes again and again is modest."""
LOOK = 3600
"""Seconds until the store is looked through for open questions again: that reads all days there are, and a day has no
question before the noon after it."""
AT_ONCE = 8
"""Questions that are found in one look; more than an hour's polls can pay for, as a rule."""

_log = logging.getLogger(__name__)


class _Open(NamedTuple):
    """What a look through the store found, newest first, and until when that is good."""

    until: int
    left: deque[Question]


class Healer:
    """One account's questions about the past, from `since` on, or from its first sample."""

    def __init__(self, writer: Writer, clock: Clock, since: date | None = None) -> None:
        self._writer = writer
        self._clock = clock
        self._since = since
        self._saved = 0.0
        self._costs: dict[Series, HistoryCost] = {}
        self._open: dict[Series, _Open] = {}

    async def heal(self, client: Any, plants: Sequence[Plant], memories: Memories, poll: float, free: int) -> int:
        """Ask what can be afforded, the newest first over all plants, and return how many questions that were."""
        self._saved = min(self._saved + SHARE * poll, SAVED)
        asked = 0
        while (found := await self._newest(plants)) is not None:
            plant, question = found
            cost = (await self._costs_of(client, question)).of(question.span)
            if cost > self._saved or cost + poll > free:
                break
            self._saved -= cost
            free -= cost
            asked += 1
            kept = await self.ask(client, question, plant, memories)
            self._open[question.series].left.popleft()
            if not kept:
                break  # what comes next could not be kept either
        return asked

    async def ask(self, client: Any, question: Question, plant: Plant, memories: Memories) -> bool:
        """Ask one question, and return whether the answer is kept."""
        now = int(self._clock.now())
        zone = plant.zone
        assert zone is not None  # `_next` has no questions without a clock on the wall
        known = await self._writer.ask(lambda store: past.Before.of(store, question, zone))
        memory = memories.get(question.series, {})
        batch = await past.ask(client, question, now, zone, memory, known)
        if question.span == "curve":
            untold = (await self._costs_of(client, question)).untold
            batch = await self._writer.ask(lambda store: with_energies(store, batch, untold, memory, zone, now))
        kept = await self._writer.write(batch)
        asked = batch.asked[0]
        _log.info(
            Event("healed", plant=plant.id, span=asked.span, period=asked.period, outcome=asked.outcome, kept=kept)
        )
        return kept

    async def _newest(self, plants: Sequence[Plant]) -> tuple[Plant, Question] | None:
        found = [(plant, question) for plant in plants if (question := await self._next(plant)) is not None]
        return max(found, key=lambda one: newness(one[1]), default=None)

    async def _next(self, plant: Plant) -> Question | None:
        if plant.zone is None:
            return None
        now, zone, series = int(self._clock.now()), plant.zone, series_of(plant)
        known = self._open.get(series)
        if known is None or now >= known.until:
            found = await self._writer.ask(lambda store: open_questions(store, series, now, zone, self._since, AT_ONCE))
            known = self._open[series] = _Open(now + LOOK, deque(found))
        return known.left[0] if known.left else None

    async def _costs_of(self, client: Any, question: Question) -> HistoryCost:
        if question.series not in self._costs:
            self._costs[question.series] = await client.history_cost(question.series.plant)
        return self._costs[question.series]


def open_questions(
    store: Store, series: Series, now: int, zone: tzinfo, since: date | None, most: int
) -> list[Question]:
    """Return the first open questions about a plant; today is asked about when an hour of it is missing."""
    today = day_at(now, zone)
    first = since or first_day(store, series, now, zone)
    if first is None:
        return []
    days = Days(first, today)
    known = Known.of(store, series, days)
    found = [Question(series, "curve", f"{today}")] if _today_has_a_hole(store, series, known, today, now, zone) else []
    return [*found, *islice(questions(series, known, days, today, now, zone), most)][:most]


def _today_has_a_hole(store: Store, series: Series, known: Known, today: date, now: int, zone: tzinfo) -> bool:
    start = begins(today, zone)
    missing = hole(store.moments(series, start, now), start)
    asked = known.asked["curve"].get(f"{today}")
    return missing is not None and (asked is None or (asked.asked_at < missing and asked.asked_at + PAUSE <= now))


def first_day(store: Store, series: Series, now: int, zone: tzinfo) -> date | None:
    """Return the day of the first sample."""
    moment = next(store.moments(series, 0, now), None)
    return None if moment is None else day_at(moment, zone)
