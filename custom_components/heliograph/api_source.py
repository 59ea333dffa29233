"""The door to a Heliograph that runs elsewhere: its state once a minute, its changes as live events."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.local_time import day_start, zone_from_name

from .model import SystemNow, UnexpectedData, parse_account, parse_alarm, parse_plant
from .source import AuthError, Buckets, DayEnergies, SourceError, parse_buckets, parse_days

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from heliograph.store.base import Series

    from .api import HeliographApi
    from .model import AccountNow, AlarmNow, PlantNow

_LOGGER = logging.getLogger(__name__)

PAGE = 1000
"""Plants per request, the most that the API allows."""
_PARALLEL = 4
_FIRST_PAUSE, _MAX_PAUSE = 2.0, 60.0


class ApiSource:
    """Reads one Heliograph by its API; requests go to that program only, never to a cloud."""

    control = None

    def __init__(self, api: HeliographApi) -> None:
        self._api = api
        self._rows: dict[str, Mapping[str, Any]] = {}
        """The newest object of each plant, with its devices, by node."""
        self._plants: dict[str, PlantNow] = {}
        self._accounts: tuple[AccountNow, ...] = ()
        self._alarms: dict[Series, tuple[AlarmNow, ...]] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, on_change: Callable[[SystemNow], None], on_failure: Callable[[], None]) -> None:
        """Listen to live events on a task."""
        self._task = asyncio.create_task(self._listen(on_change, on_failure), name="heliograph live events")

    async def stop(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def read(self) -> SystemNow:
        """Return the state: lists of all plants, accounts and alarms, and each plant that has changed."""
        try:
            summaries = await self._summaries()
            changed = [node for node, row in summaries.items() if _summary(self._rows.get(node)) != row]
            limit = asyncio.Semaphore(_PARALLEL)

            async def fetch(node: str) -> None:
                async with limit:
                    found = await self._api.get("plants", summaries[node]["vendor"], summaries[node]["plant"])
                if found is None:
                    del summaries[node]  # it disappeared between the two requests
                else:
                    self._keep(found)

            await asyncio.gather(*(fetch(node) for node in changed))
            accounts = await self._api.get("accounts")
            alarms = await self._api.get("alarms")
            self._accounts = tuple(parse_account(one) for one in accounts["accounts"])
            self._alarms = _by_plant(alarms["alarms"])
        except UnexpectedData as error:
            raise SourceError("unexpected_answer", key=str(error)) from None
        except (TypeError, LookupError, AttributeError):
            raise SourceError("unexpected_answer", key="api") from None
        for node in self._plants.keys() - summaries.keys():
            del self._plants[node], self._rows[node]
        return self._system()

    async def days(self, plant: PlantNow, first: date, last: date) -> list[DayEnergies]:
        """Return the known days of a plant."""
        path = ("plants", plant.series.vendor, plant.series.plant, "days")
        found = await self._api.get(*path, **{"from": first.isoformat(), "to": last.isoformat()})
        try:
            return parse_days(found["days"]) if found is not None else []
        except (UnexpectedData, TypeError, LookupError):
            raise SourceError("unexpected_answer", key="days") from None

    async def buckets(
        self, plant: PlantNow, metrics: Sequence[str], first: date, last: date, seconds: int = 3600
    ) -> Buckets:
        """Return samples in buckets of `seconds`."""
        zone = zone_from_name(plant.zone)
        length = day_start(last + timedelta(days=1), zone) - day_start(first, zone)
        query: dict[str, str | int] = {"from": first.isoformat(), "to": last.isoformat()}
        query |= {"metrics": ",".join(metrics), "points": -(-length // seconds)}
        found = await self._api.get("plants", plant.series.vendor, plant.series.plant, "samples", **query)
        try:
            return parse_buckets(found) if found is not None else Buckets(seconds=seconds, starts=())
        except UnexpectedData as error:
            raise SourceError("unexpected_answer", key=str(error)) from None

    async def _summaries(self) -> dict[str, Mapping[str, Any]]:
        """Return every plant without its devices, by node."""
        found: dict[str, Mapping[str, Any]] = {}
        offset, total = 0, 1
        while offset < total:
            page = await self._api.get("plants", limit=PAGE, offset=offset)
            total = int(page["total"])
            found |= {parse_plant(row).node: row for row in page["plants"]}
            offset += PAGE
        return found

    def _keep(self, row: Any) -> None:
        plant = parse_plant(row)
        self._plants[plant.node], self._rows[plant.node] = plant, row

    def _system(self) -> SystemNow:
        alarms = self._alarms
        plants = self._plants
        if alarms is not None:
            plants = {node: replace(one, alarms=alarms.get(one.series, ())) for node, one in plants.items()}
        return SystemNow(plants=dict(plants), accounts=self._accounts)

    async def _listen(self, on_change: Callable[[SystemNow], None], on_failure: Callable[[], None]) -> None:
        """Follow the live events, and connect again when they end; the state of each minute goes on without them."""
        pause = _FIRST_PAUSE
        while True:
            try:
                async for name, data in self._api.events():
                    pause = _FIRST_PAUSE
                    if self._apply(name, data):
                        on_change(self._system())
            except AuthError:
                on_failure()
                pause = _MAX_PAUSE
            except (SourceError, UnexpectedData, TypeError, LookupError, AttributeError) as error:
                _LOGGER.debug("Live events ended: %s", type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE)

    def _apply(self, name: str, data: Any) -> bool:
        """Use an event; return whether it changed something that is shown."""
        if name == "now":
            # A plant that was never listed is left to the next read, which knows whether it still exists.
            rows = [row for row in data["plants"] if parse_plant(row).node in self._plants]
            for row in rows:
                self._keep(row)
            return bool(rows)
        if name == "accounts":
            self._accounts = tuple(parse_account(one) for one in data["accounts"])
            return True
        return False


def _summary(row: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return None if row is None else {key: value for key, value in row.items() if key != "devices"}


def _by_plant(rows: Sequence[Any]) -> dict[Series, tuple[AlarmNow, ...]]:
    found: dict[Series, tuple[AlarmNow, ...]] = {}
    for row in rows:
        if (parsed := parse_alarm(row)) is not None:
            series, alarm = parsed
            found[series] = (*found.get(series, ()), alarm)
    return found
