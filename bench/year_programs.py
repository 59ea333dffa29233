"""What lives through the year: our collector, and the script that writes down what growattServer or pygoodwe return."""

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
from year_world import AWAY, DAY, HOUR, ZONE

if TYPE_CHECKING:
    from pathlib import Path

    from year_world import World

CLIENTS = {"growatt": AsyncGrowatt, "goodwe": AsyncGoodWe}
LIFE = 3 * DAY + 7 * HOUR
"""How long the collector runs until it is started anew."""
CRON = 900
"""Seconds from one start of the script to the next."""


class Jumping:
    """The collector's clock: it does not wait, it jumps."""

    def __init__(self, world: World, end: float) -> None:
        self._world = world
        self._end = end

    def now(self) -> float:
        return self._world.now

    async def wait(self, until: float, stop: asyncio.Event) -> None:
        """Jump, or stop at the end."""
        if until >= self._end:
            stop.set()
        # The emulator's clock has microseconds, and a float may lie between two.
        self._world.go(min(max(ceil(until), self.now()), self._end))


class CountingGapFiller(GapFiller):
    """A gap filler that counts its queries by span."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.queries = Counter()

    async def run(self, client, query, plant, states) -> bool:
        self.queries[query.span] += 1
        return await super().run(client, query, plant, states)


def lives(world: World, folder: Path, days: float, interval: float | None = None) -> Counter[str]:
    """Collect for so many days, with restarts and the days away; return the number of history queries by span."""
    start, questions = world.now, Counter()
    end, away = start + days * DAY, [start + (day - 1) * DAY + DAY // 2 for day in AWAY]
    while world.now < end:
        if away[0] <= world.now < away[1]:
            world.go(away[1])
        until = min(end, world.now + LIFE)
        until = away[0] if world.now < away[0] < until else until
        questions += asyncio.run(_life(world, folder, until, interval))
    return questions


async def _life(world: World, folder: Path, end: float, interval: float | None) -> Counter[str]:
    clock = Jumping(world, end)
    writer = BufferedWriter(lambda: SqliteStore(folder / "heliograph.sqlite"))
    gap_filler = CountingGapFiller(writer, clock)

    def connect():
        account = world.account
        where = {"server": world.url, "keeper": Keeper(folder / "accounts"), "clock": clock.now, "zone": ZONE}
        return CLIENTS[world.vendor](account.username, account.password, **where)

    pace = PollPolicy(VENDORS[world.vendor].min_interval.total_seconds(), interval)
    worker = AccountPoller(
        world.account.username, connect, writer, clock, pace, plants=[world.site.id], gap_filler=gap_filler
    )
    await worker.run(asyncio.Event())  # not through the collector, which outlives mistakes: here they are seen
    assert await writer.finish()
    return gap_filler.queries


class Recorder:
    """A script that reads today's energy and the lifetime total every fifteen minutes and writes both down."""

    def __init__(self) -> None:
        self.most: dict[date, float] = {}
        """The greatest "today" of each day."""
        self.last: dict[date, float] = {}
        """The last total of each day."""
        self.risen: dict[date, float] = {}
        """What the total rose, where a fall is a new meter that begins at zero: Home Assistant's total_increasing."""
        self._before: float | None = None

    def note(self, now: float, today: float, total: float) -> None:
        """Write down one reading."""
        day = datetime.fromtimestamp(now, UTC).astimezone(ZONE).date()
        self.most[day] = max(today, self.most.get(day, 0.0))
        self.last[day] = total
        before = total if self._before is None else self._before
        # Its statistics take a fall of less than a tenth for a correction, and a greater one for a new meter.
        gained = total if total < 0.9 * before else total - before
        self.risen[day] = self.risen.get(day, 0.0) + gained
        self._before = total

    def recipes(self) -> dict[str, dict[date, float]]:
        """Return the energies of days as scripts make them."""
        days = sorted(self.last)
        steps = {day: self.last[day] - self.last[before] for before, day in pairwise(days)}
        return {"largest today": self.most, "difference of totals": steps, "total_increasing": self.risen}


def records(world: World, days: float) -> Recorder:
    """Record for so many days, the days away left out."""
    recorder, start = Recorder(), world.now
    away = [start + (day - 1) * DAY + DAY // 2 for day in AWAY]
    read = {"growatt": _growatt, "goodwe": _goodwe}[world.vendor](world)
    for count in range(int(days * DAY // CRON)):
        now = start + count * CRON + 60
        world.go(now)
        if not away[0] <= now < away[1]:
            recorder.note(now, *read())
    return recorder


def _growatt(world: World):
    from growattServer import GrowattApi

    api = GrowattApi()
    api.server_url = f"{world.url}/"
    api.session.trust_env = False
    api.login(world.account.username, world.account.password)
    device, plant = world.site.devices[0], world.site.id

    def inverter() -> tuple[float, float]:
        bean = api.inverter_detail(device)
        return float(bean["powerToday"]), float(bean["powerTotal"])

    def mix() -> tuple[float, float]:
        totals = api.mix_totals(device, plant)
        return float(totals["epvToday"]), float(totals["epvTotal"])

    return {"inverter": inverter, "mix": mix}[world.site.family]


def _goodwe(world: World):
    from pygoodwe import SingleInverter

    logging.disable(logging.CRITICAL)
    account, where = world.account, f"{world.url}/api/"
    one = SingleInverter(world.site.id, account.username, account.password, api_url=where, skipload=True)
    one.session.trust_env = False

    def read() -> tuple[float, float]:
        one.get_current_readings(raw=True)
        return float(one.data["kpi"]["power"]), float(one.data["kpi"]["total_power"])

    return read
