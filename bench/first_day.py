"""First day of a new store: how many readings of counters the collector stores, and how right they are.

usage: first_day.py [--only PLANT]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from heliograph.collect.gapfill import GapFiller
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.keeper import Keeper
from heliograph.store.base import Batch, Series
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter
from heliograph.vendors import VENDORS
from year import TOLERANCE
from year_programs import CLIENTS, CollectorClock
from year_world import DATA_FAULTS, HOUR, PLANTS, ZONE, World

STARTS = (0.5, 3, 8, 12, 16, 20)
"""Hours of the day at which a collector is started with an empty store."""
FAULTS = {"no fault": {}, "yesterday's energy until sunrise": {"replay": True}}
_END = 23.9
"""The hour at which it is stopped."""


class Readings(NamedTuple):
    """Numbers of readings of today's and lifetime counters."""

    all: int = 0
    missing: int = 0
    """Without a stored value."""
    rejected: int = 0
    wrong: int = 0
    """Stored as confirmed, but wrong."""
    provisional: int = 0
    provisional_wrong: int = 0
    first: int = 0
    """In first polls."""
    first_missing: int = 0

    def plus(self, other: Readings) -> Readings:
        return Readings(*(mine + more for mine, more in zip(self, other, strict=True)))


class RecordingWriter(BufferedWriter):
    """A writer that records the batches of polls."""

    def __init__(self, path: Path) -> None:
        super().__init__(lambda: SqliteStore(path))
        self.polls: list[Batch] = []

    async def write(self, batch: Batch) -> bool:
        if batch.counters:
            self.polls.append(batch)
        return await super().write(batch)


def run_first_day(plant: str, hour: float, faults: dict[str, object]) -> Readings:
    """Collect from an hour to the end of the day, and return the readings of its polls."""
    with World(*PLANTS[plant], faulty=False) as world, tempfile.TemporaryDirectory() as folder:
        world.emulator.faults.set({**dict.fromkeys(DATA_FAULTS), **faults})
        world.advance_to(world.start.timestamp() + hour * HOUR)
        polls = asyncio.run(_collect(world, Path(folder), world.start.timestamp() + _END * HOUR))
        series, whole = Series(world.vendor, world.plant.id), Readings()
        samples = [sample for batch in polls for sample in batch.samples if sample.series == series]
        reported = {name for one in samples for name, value in one.values.items() if value is not None}
        reported |= {repair.metric for batch in polls for repair in batch.repairs if repair.series == series}
        for number, batch in enumerate(polls):
            readings = _readings_of(world, batch, series, reported)
            first = Readings(first=readings.all, first_missing=readings.missing) if number == 0 else Readings()
            whole = whole.plus(readings).plus(first)
        return whole


async def _collect(world: World, folder: Path, end: float) -> list[Batch]:
    clock, writer = CollectorClock(world, end), RecordingWriter(folder / "heliograph.sqlite")

    def connect():
        account = world.account
        options = {"server": world.url, "keeper": Keeper(folder / "accounts"), "clock": clock.now, "zone": ZONE}
        return CLIENTS[world.vendor](account.username, account.password, **options)

    policy = PollPolicy(VENDORS[world.vendor].min_interval.total_seconds(), None)
    filler, plants = GapFiller(writer, clock), [world.plant.id]
    poller = AccountPoller("home", connect, writer, clock, policy, plants=plants, gap_filler=filler)
    await poller.run(asyncio.Event())
    assert await writer.finish()
    return writer.polls


def _readings_of(world: World, batch: Batch, series: Series, reported: set[str]) -> Readings:
    """Return the readings of one poll."""
    found = Readings()
    provisional = batch.counters.get(series, {}).get("provisional", ())
    rejected = {repair.metric for repair in batch.repairs if repair.series == series}
    for sample in batch.samples:
        if sample.series != series:
            continue
        moment = datetime.fromtimestamp(sample.measured_at, UTC)
        households = [household.values(moment) for household in world.plant.truth]
        for name, value in sample.values.items():
            if name not in reported or not name.endswith(("_today", "_total")):
                continue
            wrong = value is not None and abs(value - sum(one[name] for one in households)) > TOLERANCE
            unsure = name in provisional
            counts = wrong and not unsure, unsure, wrong and unsure
            found = found.plus(Readings(1, value is None, name in rejected, *counts))
    return found


def tables(plants: list[str]) -> list[str]:
    """Return the lines of the table of docs/benchmarks.md."""
    titles = "first day | readings | not stored | in first polls | rejected | provisional | wrong | confirmed but wrong"
    lines = [f"| {titles} |", "|---" * 8 + "|"]
    for plant in plants:
        for title, faults in FAULTS.items():
            readings = Readings()
            for hour in STARTS:
                readings = readings.plus(run_first_day(plant, hour, faults))
            first = f"{readings.first_missing} of {readings.first}"
            cells = [f"{plant}, {title}", readings.all, readings.missing, first, readings.rejected]
            cells += [readings.provisional, readings.provisional_wrong, readings.wrong]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PLANTS)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print("\n".join(tables([options.only] if options.only else list(PLANTS))))


if __name__ == "__main__":
    main()
