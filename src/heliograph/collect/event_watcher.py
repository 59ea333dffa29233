"""Fetches the fault logs of one account's plants: seldom, one plant at a time, with a small part of the budget."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from heliograph.collect.events import NoticedEvents, logged, notice
from heliograph.errors import CloudError
from heliograph.eventlog import LogEvent
from heliograph.local_time import day_at
from heliograph.store.base import Batch, KnownFact, Series, series_of
from heliograph.vendors.base import ReportsEvents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heliograph.collect.events import Facts
    from heliograph.local_time import Clock
    from heliograph.model import Plant, Snapshot
    from heliograph.store.threaded import BufferedWriter
    from heliograph.vendors.base import AsyncSolarClient

FIRST_DELAY = 6 * 3600
"""Seconds after the first poll of a plant before its log is fetched: a first day has much to fetch."""
INTERVAL = 6 * 3600
"""Seconds between two readings of the log of a plant, if the budget allows it: SEMS+ reports faults nowhere else."""
BUDGET_SHARE = 0.02
"""The part of an account's daily requests that fault logs may use."""
_LEFT = 5
"""Requests that must be left beside those of the next poll."""
_DAY = 86400
FETCHED = "fault_log"
"""The fact of a plant that its log was fetched: the outcome, and when."""

_log = logging.getLogger(__name__)


class EventWatcher:
    """Notices the events of one account: in each poll, and in the vendor's fault logs."""

    def __init__(self, account: str, writer: BufferedWriter, clock: Clock) -> None:
        self._account = account
        self._writer = writer
        self._clock = clock
        self._facts: Facts = {}
        self._loaded: set[Series] = set()
        self._free_at = 0.0

    async def load(self, plants: Iterable[Plant]) -> None:
        """Read the facts of plants that are polled for the first time; raises `StoreError`."""
        new = [series for plant in plants if (series := series_of(plant)) not in self._loaded]
        if not new:
            return
        for fact in await self._writer.run(lambda store: [row for one in new for row in store.facts(one)]):
            self._facts.setdefault(fact.series, {})[fact.name] = fact
        self._loaded.update(new)

    def notice(self, snapshots: Sequence[Snapshot]) -> NoticedEvents:
        """Return what these snapshots show to have changed."""
        found = notice(snapshots, self._facts)
        for event in found.events:
            state = "over" if event.ended_at is not None else "begins"
            _log.info(LogEvent("event", account=self._account, kind=event.kind, code=event.code, state=state))
        return found

    async def fetch_log(self, client: AsyncSolarClient, plants: Sequence[Plant], free: int, daily: int) -> None:
        """Fetch the fault log that is due longest, if any is and the budget allows it; errors are logged."""
        now = int(self._clock.now())
        if now < self._free_at or free < _LEFT:
            return
        due = {plant.id: at for plant in plants if (at := self._due_at(series_of(plant), now)) <= now}
        plant = min((one for one in plants if one.id in due), key=lambda one: due[one.id], default=None)
        if plant is None or not isinstance(client, ReportsEvents):  # the slower check last
            return
        series = series_of(plant)
        before = (await client.budget_async()).requests_used
        fetched = self._facts.get(series, {}).get(FETCHED)
        # A log by day is read once more after the end of the day.
        since = now - _DAY if fetched is None else fetched.since
        day = None if plant.zone is None else day_at(since, plant.zone)
        found, outcome = NoticedEvents(), "data"
        try:
            found = logged(await client.events(plant.id, day), series, self._facts, now)
        except CloudError as error:
            # It is due again in hours: a log is never worth a second request. The next poll reports what concerns it.
            outcome = "failed"
            _log.info(LogEvent("fault_log.failed", account=self._account, plant=plant.id, why=error))
        fact = self._facts.setdefault(series, {})[FETCHED] = KnownFact(series, FETCHED, outcome, now)
        cost = (await client.budget_async()).requests_used - before
        self._free_at = now + _DAY * max(cost, 0) / max(daily * BUDGET_SHARE, 1.0)
        await self._writer.write(found._replace(facts=(fact,)).added_to(Batch()))
        if cost:
            counts = {"entries": len(found.events), "undated": sum(one.times for one in found.oddities)}
            _log.info(LogEvent("fault_log.done", account=self._account, plant=plant.id, requests=float(cost), **counts))

    def _due_at(self, plant: Series, now: int) -> int:
        """Return when the log of a plant is due."""
        facts = self._facts.get(plant, {})
        if (fetched := facts.get(FETCHED)) is not None and fetched.since <= now:
            return fetched.since + INTERVAL
        known = facts.get("plant")
        return now + 1 if known is None else known.since + FIRST_DELAY
