"""The monitor: reads plants, accounts and the last weeks from the store, applies the rules, and stores the alarms."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from heliograph.alarms.engine import next_alarm
from heliograph.alarms.history import KEPT_DAYS, MEAN_METRICS, SLOT, SLOTS_PER_DAY, HalfHour, SlotHistory
from heliograph.alarms.model import RULES, Alarm, AlarmSubject, alarm_from_row
from heliograph.alarms.rules import EVENT_DAYS, judge_account, judge_plant
from heliograph.alarms.views import AccountView, DeviceView, LoggedFaultView, PlantView
from heliograph.collect.events import POLL
from heliograph.current import CurrentState
from heliograph.errors import StoreError
from heliograph.eventlog import LogEvent
from heliograph.model import EventKind
from heliograph.store.base import MAX_AHEAD, Batch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from heliograph.alarms.model import Judgement
    from heliograph.current import AccountStatus, PlantState
    from heliograph.local_time import Clock
    from heliograph.store.base import Series, Store
    from heliograph.store.threaded import StoreThread

INTERVAL = 60.0
"""Seconds between two evaluations."""
_MAX_NEIGHBOURS = 40
"""Plants that one plant is compared with at most: every pair takes time."""
_MAX_EVENTS = 10_000
"""Events of all plants that are read: the newest."""
_AHEAD_WINDOW = 3 * 24 * 3600

_log = logging.getLogger(__name__)


def stored_alarms(store: Store) -> tuple[Alarm, ...]:
    """Return every alarm that was ever raised, in the order of the rules; unknown and damaged ones are left out."""
    found = (alarm for row in store.alarms() if (alarm := alarm_from_row(row)) is not None)
    order = list(RULES)
    return tuple(
        sorted(
            (alarm for alarm in found if alarm.raised_at is not None),
            key=lambda one: (not one.is_active, order.index(one.rule), one.subject),
        )
    )


@dataclass(slots=True)
class AlarmMonitor:
    """Evaluates all rules; remembers the half hours of each plant, so create it once."""

    ignored: frozenset[str] = frozenset()
    """Names of the rules that are switched off."""
    plants: tuple[PlantState, ...] = ()
    """The states that were judged last."""
    _current: CurrentState | None = None
    _histories: dict[Series, SlotHistory] = field(default_factory=dict)

    def evaluate(self, store: Store, accounts: Iterable[AccountStatus], now: int) -> tuple[Alarm, ...]:
        """Judge all plants and accounts, store what changed, and return the alarms that were ever raised."""
        if self._current is None or self._current.store is not store:
            self._current = CurrentState(store)
        stored = {row.key: alarm for row in store.alarms() if (alarm := alarm_from_row(row)) is not None}
        changed: dict[str, Alarm] = {}
        self.plants = self._current.plants(now)
        for judgement, subject, title in self._judgements(store, accounts, self.plants, now):
            if judgement.rule in self.ignored:
                continue
            key = Alarm(rule=judgement.rule, subject=subject, title=title, judged_at=now).key
            before = stored.get(key)
            after = next_alarm(before, judgement, subject, title, now)
            if after is None and before is not None:
                # A pending alarm ended; a row without progress is the same as none.
                after = Alarm(rule=judgement.rule, subject=subject, title=title, judged_at=now)
            if after is not None and after != before and not _is_same(before, after):
                changed[key] = after
        for alarm in changed.values():
            if now in {alarm.raised_at, alarm.cleared_at}:
                event = "alarm.raised" if alarm.is_active else "alarm.cleared"
                _log.warning(LogEvent(event, rule=alarm.rule, of=alarm.title, seen=alarm.seen))
        if changed:
            store.write(Batch(alarms=[alarm.row() for alarm in changed.values()]))
        return stored_alarms(store)

    def _judgements(
        self, store: Store, accounts: Iterable[AccountStatus], plants: Sequence[PlantState], now: int
    ) -> Iterator[tuple[Judgement, AlarmSubject, str]]:
        for plant in plants:
            self._update_history(store, plant, now)
        zones: dict[str, list[PlantState]] = {}
        for plant in plants:
            zones.setdefault(str(plant.zone), []).append(plant)
        faults = _logged_faults(store, now)
        for plant in plants:
            subject = AlarmSubject(plant.series.vendor, plant.series.plant)
            others = self._neighbours(plant, zones[str(plant.zone)])
            view = _view(store, plant, self._histories[plant.series], others, now)
            for judgement in judge_plant(replace(view, faults=faults.get(plant.series, ()))):
                yield judgement, subject, plant.title
        for account in accounts:
            for judgement in judge_account(AccountView(budget=account.budget)):
                yield judgement, AlarmSubject(account.vendor, "", account.name), account.name

    def _neighbours(self, plant: PlantState, same_zone: Sequence[PlantState]) -> list[SlotHistory]:
        """Return other plants of the same time zone, those of the same account first."""
        others = [one for one in same_zone if one is not plant]
        others.sort(key=lambda one: one.account != plant.account)
        return [self._histories[one.series] for one in others[:_MAX_NEIGHBOURS]]

    def _update_history(self, store: Store, plant: PlantState, now: int) -> None:
        """Add the half hours that are over; those of the last poll may still change."""
        history = self._histories.get(plant.series)
        if history is None:
            offset = datetime.fromtimestamp(now, UTC).astimezone(plant.zone).utcoffset() or timedelta()
            history = self._histories[plant.series] = SlotHistory(round(offset / timedelta(seconds=SLOT)))
        end = now // SLOT - 1
        start = history.next_slot if history.next_slot is not None else end - KEPT_DAYS * SLOTS_PER_DAY
        if start >= end:
            return
        for bucket in store.buckets(plant.series, MEAN_METRICS, start * SLOT, end * SLOT, SLOT):
            history.add(bucket.starts_at // SLOT, HalfHour.from_bucket(bucket))


def _is_same(before: Alarm | None, after: Alarm) -> bool:
    """Return whether nothing changed but the time of the judgement, which a row needs only while time is counted."""
    if before is None or before.progress or after.progress:
        return False
    return (before.raised_at, before.cleared_at, before.title) == (after.raised_at, after.cleared_at, after.title)


def _logged_faults(store: Store, now: int) -> Mapping[Series, Sequence[LoggedFaultView]]:
    """Return the faults of the vendors' logs by plant; what polls show, the state of the devices shows as well."""
    found: dict[Series, list[LoggedFaultView]] = {}
    for one in store.events(now - EVENT_DAYS * 24 * 3600, now + 1, limit=_MAX_EVENTS):
        if one.kind is EventKind.FAULT and one.source != POLL:
            fault = LoggedFaultView(one.series.device, one.code, one.text, one.started_at, one.ended_at)
            found.setdefault(one.series._replace(device=""), []).append(fault)
    return found


def _view(
    store: Store, plant: PlantState, history: SlotHistory, neighbours: Sequence[SlotHistory], now: int
) -> PlantView:
    ahead = max(store.sample_times(plant.series, now + MAX_AHEAD + 1, now + _AHEAD_WINDOW), default=None)
    return PlantView(
        now=now,
        freshness=plant.freshness,
        history=history,
        measured_at=plant.measured_at,
        arrival_delay=plant.arrival_delay,
        ahead=None if ahead is None else ahead - now,
        values=plant.values,
        status=plant.status,
        devices=[
            DeviceView(
                title=device.title,
                status=device.status,
                fault_code=_text(device.measurements, "fault_code"),
                fault_text=_text(device.measurements, "fault_text"),
            )
            for device in plant.devices
        ],
        neighbours=neighbours,
    )


def _text(measurements: Mapping[str, float | str | None], name: str) -> str | None:
    value = measurements.get(name)
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)


async def run(
    monitor: AlarmMonitor,
    store: StoreThread,
    accounts: Callable[[], Iterable[AccountStatus]],
    announce: Callable[[Sequence[Alarm], StoreThread, int], Awaitable[object]],
    clock: Clock,
    stop: asyncio.Event,
) -> None:
    """Evaluate every minute until stopped; `announce` sends notifications about the alarms."""
    problem = ""
    while not stop.is_set():
        now = int(clock.now())
        try:
            statuses = await asyncio.to_thread(accounts)
            alarms = await store.run(partial(monitor.evaluate, accounts=statuses, now=now))
            await announce(alarms, store, now)
            problem = ""
        except StoreError as error:
            if str(error) != problem:
                problem = str(error)
                _log.warning(LogEvent("alarms.not_evaluated", why=error))
        await clock.wait(now + INTERVAL, stop)
