"""The programs of the simulated year: the collector, and a script that uses growattServer or pygoodwe."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import UTC, date, datetime
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

from heliograph import AsyncGoodWe, AsyncGrowatt
from heliograph.collect.gapfill import GapFiller
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.keeper import Keeper
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter
from heliograph.vendors import VENDORS
from year_world import DAY, HOUR, OFF_DAYS, ZONE

if TYPE_CHECKING:
    from pathlib import Path

    from year_world import World

CLIENTS = {"growatt": AsyncGrowatt, "goodwe": AsyncGoodWe}
RESTART_INTERVAL = 3 * DAY + 7 * HOUR
"""Seconds from one start of the collector to the next."""
SCRIPT_INTERVAL = 900
"""Seconds from one start of the script to the next."""


class CollectorClock:
    """The collector's clock: the simulated time, which `wait` advances at once."""

    def __init__(self, world: World, end: float) -> None:
        self._world = world
        self._end = end

    def now(self) -> float:
        return self._world.now

    async def wait(self, until: float, stop: asyncio.Event) -> None:
        """Advance the time to `until`, and stop the collector at the end."""
        if until >= self._end:
            stop.set()
        # Whole seconds, because the emulator's clock rounds to microseconds and a float may lie between two.
        self._world.advance_to(min(max(ceil(until), self.now()), self._end))


class CountingGapFiller(GapFiller):
    """A gap filler that counts its history queries by span."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.query_counts = Counter()

    async def run(self, client, query, plant, states) -> bool:
        self.query_counts[query.span] += 1
        return await super().run(client, query, plant, states)


def run_collector(world: World, folder: Path, days: float, interval: float | None = None) -> Counter[str]:
    """Collect for some days, with restarts and the days off, and return the number of history queries by span."""
    start, query_counts = world.now, Counter()
    end, off = start + days * DAY, [start + (day - 1) * DAY + DAY // 2 for day in OFF_DAYS]
    while world.now < end:
        if off[0] <= world.now < off[1]:
            world.advance_to(off[1])
        until = min(end, world.now + RESTART_INTERVAL)
        until = off[0] if world.now < off[0] < until else until
        query_counts += asyncio.run(_run_until_restart(world, folder, until, interval))
    return query_counts


async def _run_until_restart(world: World, folder: Path, end: float, interval: float | None) -> Counter[str]:
    clock = CollectorClock(world, end)
    writer = BufferedWriter(lambda: SqliteStore(folder / "heliograph.sqlite"))
    gap_filler = CountingGapFiller(writer, clock)

    def connect():
        account = world.account
        options = {"server": world.url, "keeper": Keeper(folder / "accounts"), "clock": clock.now, "zone": ZONE}
        # As the collector's client (cli/clients.py), which spreads its requests by itself.
        return CLIENTS[world.vendor](account.username, account.password, self_throttled=True, **options)

    policy = PollPolicy(VENDORS[world.vendor].min_interval.total_seconds(), interval)
    poller = AccountPoller(
        world.account.username, connect, writer, clock, policy, plants=[world.plant.id], gap_filler=gap_filler
    )
    await poller.run(asyncio.Event())  # not with `collect`, which would continue after an internal error
    assert await writer.finish()
    return gap_filler.query_counts


class Recorder:
    """The records of a script: today's energy and the lifetime total, every fifteen minutes."""

    def __init__(self) -> None:
        self.largest_today: dict[date, float] = {}
        """The largest "today" of each day."""
        self.last_total: dict[date, float] = {}
        """The last total of each day."""
        self.total_increasing: dict[date, float] = {}
        """The increase of the total, a decrease being a new meter from zero: Home Assistant's `total_increasing`."""
        self._previous: float | None = None

    def record(self, now: float, today: float, total: float) -> None:
        """Record one reading, in kWh."""
        day = datetime.fromtimestamp(now, UTC).astimezone(ZONE).date()
        self.largest_today[day] = max(today, self.largest_today.get(day, 0.0))
        self.last_total[day] = total
        previous = total if self._previous is None else self._previous
        # A decrease of less than a tenth counts as a correction, a larger one as a new meter.
        increase = total if total < 0.9 * previous else total - previous
        self.total_increasing[day] = self.total_increasing.get(day, 0.0) + increase
        self._previous = total

    def daily_energies(self) -> dict[str, dict[date, float]]:
        """Return the energy of each day, in kWh, by method."""
        days, total = sorted(self.last_total), self.last_total
        steps = {day: total[day] - total[previous] for previous, day in pairwise(days)}
        increases = {"difference of totals": steps, "total_increasing": self.total_increasing}
        return {"largest today": self.largest_today} | increases


def run_script(world: World, days: float) -> Recorder:
    """Record readings for some days, except the days off."""
    recorder, start = Recorder(), world.now
    off = [start + (day - 1) * DAY + DAY // 2 for day in OFF_DAYS]
    read = {"growatt": _growatt_reader, "goodwe": _goodwe_reader}[world.vendor](world)
    for number in range(int(days * DAY // SCRIPT_INTERVAL)):
        now = start + number * SCRIPT_INTERVAL + 60
        world.advance_to(now)
        if not off[0] <= now < off[1]:
            recorder.record(now, *read())
    return recorder


def _growatt_reader(world: World):
    from growattServer import GrowattApi

    api = GrowattApi()
    api.server_url = f"{world.url}/"
    api.session.trust_env = False
    api.login(world.account.username, world.account.password)
    device, plant = world.plant.devices[0], world.plant.id

    def read_inverter() -> tuple[float, float]:
        detail = api.inverter_detail(device)
        return float(detail["powerToday"]), float(detail["powerTotal"])

    def read_mix() -> tuple[float, float]:
        totals = api.mix_totals(device, plant)
        return float(totals["epvToday"]), float(totals["epvTotal"])

    return {"inverter": read_inverter, "mix": read_mix}[world.plant.family]


def _goodwe_reader(world: World):
    from pygoodwe import SingleInverter

    logging.disable(logging.CRITICAL)
    account, url = world.account, f"{world.url}/api/"
    inverter = SingleInverter(world.plant.id, account.username, account.password, api_url=url, skipload=True)
    inverter.session.trust_env = False

    def read() -> tuple[float, float]:
        inverter.get_current_readings(raw=True)
        return float(inverter.data["kpi"]["power"]), float(inverter.data["kpi"]["total_power"])

    return read
