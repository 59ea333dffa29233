"""Freshness of healthy and of silent plants over simulated days: the real collector, emulator, store and rule.

Four accounts with 13 plants are polled over real sockets with the default budgets; every five minutes from sunrise to
sunset the state of every plant is read as the page reads it. One clock is injected everywhere, so that the result does
not depend on the machine. `--late` delays every upload by a quarter of an hour. `--silent` stops the dataloggers of
three plants at an hour of the last day.

    python bench/freshness.py --days 10
    python bench/freshness.py --days 10 --late
    python bench/freshness.py --days 2 --silent 12 --seed 7
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from heliograph import AsyncGoodWe, AsyncGrowatt
from heliograph.collect.freshness import Freshness
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.current import CurrentState
from heliograph.emulator.datalogger import Outage
from heliograph.emulator.main import EmulatorOptions, build_emulator, load_emulations
from heliograph.emulator.server import serve_in_thread
from heliograph.keeper import Keeper
from heliograph.store.base import Series
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heliograph.current import PlantState
    from heliograph.emulator.world import SimulatedPlant

MINUTE, HOUR, DAY = 60, 3600, 86400
ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2026, 6, 10, tzinfo=ZONE)
LOOK = 5 * MINUTE
LATE = 15 * MINUTE
SINGLE = {1: "mix", 2: "hybrid"}
"""The accounts, by number, of which only the plant of this family is polled."""
SILENT = (Series("growatt", "mix"), Series("goodwe", "hybrid"), Series("goodwe", "single"))
CLIENTS = {"growatt": AsyncGrowatt, "goodwe": AsyncGoodWe}


@dataclass
class Looks:
    """The looks at one plant in daylight."""

    intervals: list[int] = field(default_factory=list)
    """The stated interval at each look, in seconds."""
    states: Counter[Freshness] = field(default_factory=Counter)
    recent: int = 0
    """Looks at which the newest sample was no older than the stated interval and ten minutes.

    The stated interval is the one between two polls, and how late the data of the plant usually arrives.
    """
    false_asleep: int = 0
    found_after: float | None = None
    """Seconds from the first missing upload until the plant was found offline."""

    @property
    def total(self) -> int:
        return self.states.total()

    @property
    def interval(self) -> str:
        return f"{median(self.intervals) / MINUTE:.0f} min" if self.intervals else ""


class SimulatedClock:
    """The collector's clock: the emulator's time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now

    async def wait(self, until: float, stop: asyncio.Event) -> None:
        """Do nothing: the simulation calls `poll_once` when it is due."""


class Simulation:
    """The emulated accounts, their collectors, and the looks at their plants."""

    def __init__(self, folder: Path, *, late: bool = False, start: datetime = START, seed: int = 7) -> None:
        options = EmulatorOptions(start=start, speed=0, accounts=4, zone=ZONE, seed=seed)
        self.emulator = build_emulator(options, load_emulations())
        self.looks: dict[Series, Looks] = defaultdict(Looks)
        self.plants = {Series(vendor, plant.id): plant for vendor, plant in self._polled()}
        self.silent_since: dict[Series, float] = {}
        self._folder, self._late = folder, late
        for series, plant in self.plants.items():
            for household in plant.households:
                household._pending_outage = self._make_outage(series)  # noqa: SLF001 - a fault of one plant

    def _polled(self) -> Iterator[tuple[str, SimulatedPlant]]:
        for number, account in enumerate(self.emulator.accounts, 1):
            for plant in account.plants:
                if SINGLE.get(number, plant.family) == plant.family:
                    yield account.vendor, plant

    @property
    def now(self) -> float:
        return self.emulator.world.clock.now().timestamp()

    def silence(self, families: tuple[Series, ...]) -> None:
        """Stop the dataloggers of the first plant of each of these vendors and families."""
        for wanted in families:
            plants = ((one, plant) for one, plant in self.plants.items() if one not in self.silent_since)
            series = next(one for one, plant in plants if (one.vendor, plant.family) == wanted[:2])
            self.silent_since[series] = self.now

    def _make_outage(self, series: Series) -> Callable[[datetime], Outage | None]:
        def pending(at: datetime) -> Outage | None:
            start = at.timestamp()
            if start > self.silent_since.get(series, start):
                return Outage(int(start), int(start), start)
            return Outage(int(start), int(start), start) if self._late and start + LATE > self.now else None

        return pending

    async def run(self, days: float, silent_at: float | None = None) -> None:
        """Simulate some days; at `silent_at`, in seconds from the start, three dataloggers stop."""
        with serve_in_thread(self.emulator) as ready, SqliteStore(self._folder / "s.sqlite") as store:
            writer = BufferedWriter(lambda: SqliteStore(self._folder / "s.sqlite"))
            current, start = CurrentState(store), self.now
            due: list[tuple[float, int, AccountPoller | None]] = [(ceil(start / LOOK) * LOOK + 7, -1, None)]
            for number, account in enumerate(self.emulator.accounts, 1):
                due.append((start + number, number, self._poller(number, account, ready["url"], writer)))
            heapq.heapify(due)
            while due[0][0] < start + days * DAY:
                at, number, poller = heapq.heappop(due)
                if silent_at is not None and at >= start + silent_at and not self.silent_since:
                    self._go_to(start + silent_at)
                    self.silence(SILENT)
                self._go_to(at)
                if poller is not None:
                    heapq.heappush(due, (max(await poller.poll_once(), at + 1), number, poller))
                    continue
                if self._sun(at) > 0:
                    for plant in current.plants(int(at)):
                        self._look(plant, int(at))
                heapq.heappush(due, (at + LOOK, number, None))
            assert await writer.finish()

    def _go_to(self, at: float) -> None:
        # Whole seconds: the emulator's clock rounds to microseconds.
        self.emulator.world.clock.set(datetime.fromtimestamp(max(ceil(at), self.now), UTC))

    def _sun(self, at: float) -> float:
        return self.emulator.world.weather.elevation(int(at // 300))

    def _poller(self, number, account, url: str, writer: BufferedWriter) -> AccountPoller:
        clock, vendor = SimulatedClock(lambda: self.now), VENDORS[account.vendor]

        def connect():
            keeper = Keeper(self._folder / f"account{number}")
            options = {"server": url, "keeper": keeper, "clock": clock.now, "zone": ZONE, "self_throttled": True}
            return CLIENTS[account.vendor](account.username, account.password, **options)

        single = [plant.id for plant in account.plants if plant.family == SINGLE.get(number)]
        policy = PollPolicy(vendor.min_interval.total_seconds(), usual_interval=vendor.usual_interval.total_seconds())
        return AccountPoller(account.username, connect, writer, clock, policy, plants=single)

    def _look(self, plant: PlantState, now: int) -> None:
        looks, emulated = self.looks[plant.series], self.plants[plant.series]
        interval = plant.poll.interval if plant.poll else HOUR
        silent_since = self.silent_since.get(plant.series)
        if silent_since is not None:
            if looks.found_after is None and plant.freshness is Freshness.OFFLINE_UNEXPECTED:
                looks.found_after = now - (silent_since + LOOK)
            return
        # Only what the cloud had reported for a whole interval can have been polled.
        allowed = interval + 10 * MINUTE + (LATE if self._late else 0)
        looks.intervals.append(interval)
        looks.states[plant.freshness] += 1
        stated = interval + plant.arrival_delay
        looks.recent += plant.measured_at is not None and now - plant.measured_at <= stated + 10 * MINUTE
        if plant.freshness is Freshness.OFFLINE_EXPECTED:
            since = datetime.fromtimestamp(now - allowed, UTC)
            looks.false_asleep += all(
                household.values(since + timedelta(minutes=step))["pv_power"] > 0
                for household in emulated.truth
                for step in range(0, allowed // MINUTE, 5)
            )


def report(simulation: Simulation) -> Iterator[str]:
    """Yield a table of all plants."""
    yield (
        "| plant | polled every | looks | live | stale | not polled | asleep | false asleep | false offline "
        "| age ≤ interval + 10 min |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    total = Looks()
    for series, looks in sorted(simulation.looks.items()):
        yield _row(f"{series.vendor} {simulation.plants[series].family}", looks)
        total.states += looks.states
        total.recent += looks.recent
        total.false_asleep += looks.false_asleep
    yield _row("all", total)
    for series, looks in sorted(simulation.looks.items()):
        if series in simulation.silent_since:
            name = f"{series.vendor} {simulation.plants[series].family}"
            found = "not found" if looks.found_after is None else f"{looks.found_after / MINUTE:.0f} min"
            yield f"silent datalogger of {name}: found after {found}, polled every {looks.interval}"


def _row(name: str, looks: Looks) -> str:
    def share(count: int) -> str:
        return f"{100 * count / looks.total:.1f} %" if looks.total else "–"

    states = looks.states
    cells = (
        name,
        looks.interval,
        f"{looks.total}",
        share(states[Freshness.LIVE]),
        f"{states[Freshness.STALE]}",
        f"{states[Freshness.NOT_POLLED]}",
        f"{states[Freshness.OFFLINE_EXPECTED]}",
        f"{looks.false_asleep}",
        f"{states[Freshness.OFFLINE_UNEXPECTED]}",
        share(looks.recent),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run the simulation and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=10)
    parser.add_argument("--late", action="store_true", help="every upload is a quarter of an hour late")
    parser.add_argument("--silent", type=float, metavar="HOUR", help="three dataloggers stop then on the last day")
    parser.add_argument("--seed", type=int, default=7, help="of the emulated plants and their weather")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(Path(folder), late=options.late, seed=options.seed)
        silent_at = None if options.silent is None else (ceil(options.days) - 1) * DAY + options.silent * HOUR
        asyncio.run(simulation.run(options.days, silent_at))
    for line in report(simulation):
        print(line)


if __name__ == "__main__":
    main()
