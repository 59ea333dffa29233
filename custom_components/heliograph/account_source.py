"""The door to an account: Heliograph's own collector inside Home Assistant, with a store, and what it stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from homeassistant.const import CONF_USERNAME

from heliograph.alarms import monitor
from heliograph.alarms.model import alarm_data
from heliograph.collect import service
from heliograph.collect.gapfill import GapFiller
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.current import AccountStatus, CurrentState
from heliograph.errors import HeliographError, InvalidCredentials, StoreError
from heliograph.local_time import Clock, day_start, zone_from_name
from heliograph.store import open_store
from heliograph.store.threaded import BufferedWriter, StoreThread
from heliograph.vendors import VENDORS
from heliograph.vendors.base import ReportsMissingValues
from heliograph.web import schemas, series

from . import account
from .const import CONF_INTERVAL, CONF_VENDOR
from .control import DeviceControl
from .model import SystemNow, parse_account, parse_alarm, parse_plant
from .problems import problem_key, problem_text, repair_key
from .source import AuthError, Buckets, DayEnergies, SourceError, parse_buckets, parse_days

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from homeassistant.core import HomeAssistant

    from heliograph.keeper import Budget
    from heliograph.store.base import Store
    from heliograph.transports import AsyncTransport

    from .coordinator import HeliographConfigEntry
    from .model import PlantNow

FIRST_POLL_SECONDS = 90.0
"""The longest wait of a new entry for its first values."""


class AccountSource:
    """Polls one account by the collector's rules, and reads what its store has."""

    def __init__(self, hass: HomeAssistant, entry: HeliographConfigEntry) -> None:
        self._hass = hass
        self._entry = entry
        self._data: Mapping[str, Any] = entry.data
        self._clock = Clock()
        self._stop = asyncio.Event()
        self._polled = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self._poller: _Poller | None = None
        self._reader: StoreThread | None = None
        self._current: CurrentState | None = None
        self._failed = ""
        """The login that failed and was reported, so that it is reported once."""
        self.control: DeviceControl | None = None

    @property
    def name(self) -> str:
        """The name of the account in the store and in repairs."""
        return str(self._data.get(CONF_USERNAME) or self._data[CONF_VENDOR])

    async def start(self, on_change: Callable[[SystemNow], None], on_failure: Callable[[], None]) -> None:
        """Open the store and begin to poll; a poll is due by what an earlier run stored of its last one."""
        transport = account.transport_of(self._hass)
        path = account.entry_folder(self._hass, self._entry.entry_id) / "heliograph.db"
        open_it = partial(_open, path)
        writer, self._reader = BufferedWriter(open_it), StoreThread(open_it)
        try:
            key = await self._hass.async_add_executor_job(account.account_key, self._data)
            await writer.run(lambda store: store.claim([key]))
            self.control = await self._hass.async_add_executor_job(
                DeviceControl, self._hass, self._entry, transport, self.name, self._clock
            )
        except HeliographError as error:
            await writer.close()
            await self._reader.close()
            raise SourceError(problem_key(error), problem=problem_text(error)) from None
        self._poller = self._create_poller(transport, writer, on_failure)
        for name, job in (
            ("collector", service.collect([self._poller], writer, self._clock, self._stop)),
            ("curtailments", self.control.restore_until_stopped(self._stop)),
            ("alarms", self._watch_alarms(open_it)),
        ):
            # No background tasks of Home Assistant: it cancels those before it lets anything be saved.
            self._tasks.append(asyncio.create_task(job, name=f"heliograph {name}"))

    async def stop(self) -> None:
        """Let a request in progress end, save what was fetched, and close the store."""
        self._stop.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=service.SHUTDOWN_SECONDS + 4)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._reader is not None:
            await self._reader.close()
            self._reader = None

    async def read(self) -> SystemNow:
        """Return the state by the store; a new entry waits for its first poll.

        Raises `AuthError` once the cloud has refused the password.
        """
        poller = self._poller
        if poller is None:
            raise SourceError("store_error", problem="")
        system = await self._state(poller)
        if not system.plants and poller.progress.problem is None and poller.progress.polled_at is None:
            self._polled.clear()
            try:
                async with asyncio.timeout(FIRST_POLL_SECONDS):
                    await self._polled.wait()
            except TimeoutError:
                raise SourceError("first_poll") from None
            system = await self._state(poller)
        problem = poller.progress.problem
        if isinstance(problem, InvalidCredentials):
            raise AuthError("invalid_auth", problem=problem_text(problem))
        if not system.plants and problem is not None:
            raise SourceError(problem_key(problem), problem=problem_text(problem))
        return system

    async def days(self, plant: PlantNow, first: date, last: date) -> list[DayEnergies]:
        """Return the stored days of a plant."""
        found = await self._query(lambda store: store.known_days(plant.series, first, last))
        return parse_days([schemas.day_data(row) for row in found])

    async def buckets(
        self, plant: PlantNow, metrics: Sequence[str], first: date, last: date, seconds: int = 3600
    ) -> Buckets:
        """Return stored samples in buckets of `seconds`."""
        zone = zone_from_name(plant.zone)
        since, until = day_start(first, zone), day_start(last + timedelta(days=1), zone)
        points = -(-(until - since) // seconds)
        columns = await self._query(
            lambda store: series.columns(store, plant.series, zone, tuple(metrics), since, until, points)
        )
        return parse_buckets(columns)

    def _create_poller(
        self, transport: AsyncTransport, writer: BufferedWriter, on_failure: Callable[[], None]
    ) -> _Poller:
        minimum, usual = VENDORS[self._data[CONF_VENDOR]].intervals(by_token=account.reads_by_token(self._data))
        minutes = self._entry.options.get(CONF_INTERVAL)
        interval = None if minutes is None else float(minutes) * 60
        policy = PollPolicy(minimum.total_seconds(), interval, usual.total_seconds())

        def polled() -> None:
            self._polled.set()
            on_failure()

        connect = partial(account.create_client, self._hass, self._data, transport)
        gap_filler = GapFiller(writer, self._clock)
        return _Poller(polled, self.name, connect, writer, self._clock, policy, gap_filler=gap_filler)

    async def _watch_alarms(self, open_it: Callable[[], Store]) -> None:
        store = StoreThread(open_it)
        watching = monitor.AlarmMonitor(frozenset())
        try:
            await monitor.run(watching, store, self._status_in_thread, _announce, self._clock, self._stop)
        finally:
            await store.close()

    async def _state(self, poller: _Poller) -> SystemNow:
        client = poller.client
        known = set(await client.known_plants_async()) if client is not None else set()
        budget = None if client is None else await client.budget_async()
        status = self._status(budget, await self._hass.async_add_executor_job(_missing_values, client))

        def read(store: Store) -> tuple[list[Any], list[Any], list[Any]]:
            now = int(self._clock.now())
            if self._current is None or self._current.store is not store:
                self._current = CurrentState(store)
            plants = [schemas.plant_data(one) for one in self._current.plants(now)]
            alarms = [alarm_data(one, now) for one in monitor.stored_alarms(store) if one.is_active]
            return plants, alarms, [schemas.account_data(status)]

        rows, alarms, accounts = await self._query(read)
        plants = [parse_plant(row) for row in rows]
        by_plant: dict[Any, tuple[Any, ...]] = {one.series: () for one in plants}
        for row in alarms:
            if (parsed := parse_alarm(row)) is not None and parsed[0] in by_plant:
                by_plant[parsed[0]] += (parsed[1],)
        return SystemNow(
            plants={
                one.node: replace(one, alarms=by_plant[one.series])
                for one in plants
                # The store keeps what the account no longer has.
                if not known or one.series.plant in known
            },
            accounts=tuple(
                replace(parse_account(row), problem_kind=repair_key(poller.progress.problem)) for row in accounts
            ),
        )

    def _status(self, budget: Budget | None, missing: Mapping[str, str]) -> AccountStatus:
        problem = None if self._poller is None else self._poller.progress.problem
        return AccountStatus(
            name=self.name,
            vendor=self._data[CONF_VENDOR],
            budget=budget,
            problem=None if problem is None else problem_text(problem),
            missing_values=missing,
        )

    def _status_in_thread(self) -> tuple[AccountStatus, ...]:
        client = None if self._poller is None else self._poller.client
        return (self._status(None if client is None else client.budget, {}),)

    async def _query(self, job: Callable[[Store], Any]) -> Any:
        if self._reader is None:
            raise SourceError("store_error", problem="")
        try:
            return await self._reader.run(job)
        except StoreError as error:
            raise SourceError("store_error", problem=problem_text(error)) from None


class _Poller(AccountPoller):
    """The collector's poller, which says when a poll has ended, well or not."""

    def __init__(self, polled: Callable[[], None], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_polled = polled

    async def poll_once(self) -> float:
        try:
            return await super().poll_once()
        finally:
            self._on_polled()


def _open(path: Path) -> Store:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return open_store(path)


def _missing_values(client: object) -> Mapping[str, str]:
    return client.missing_values() if isinstance(client, ReportsMissingValues) else {}


async def _announce(*_: object) -> None:
    """Send no message: an alarm is an entity, and automations do the rest."""
