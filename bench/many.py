"""Benchmark of one process on one core that collects many accounts of one plant each.

usage: many.py prepare RESPONSES.json | many.py URL ACCOUNTS

The cloud is stub.py with recorded responses of the emulator, in rounds five minutes apart. All accounts are polled at
once in each round, as after an outage. The store already holds sixty days of each plant, which gap filling searches
after each poll. The clock is simulated; sockets, files and account protection are real.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

START = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
ROUNDS, SECONDS = 6, 300
STORED_DAYS = 60
NEXT = "/next-round"
URL_PARTS = ("newTwoLoginAPI", "getAllDeviceListTwo", "op=getPlant&", "getTlxDetailData")
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def prepare(file: Path) -> None:
    """Record the responses of an emulated cloud to one account, by round."""
    from heliograph import Growatt
    from heliograph.emulator.clouds.growatt import EMULATION
    from heliograph.emulator.main import EmulatorOptions, build_emulator
    from heliograph.emulator.server import serve_in_thread
    from heliograph.transports import send

    bodies: dict[str, list[str]] = {part: [] for part in URL_PARTS}

    class RecordingTransport:
        def send(self, request, *rest):
            response = send(request, *rest)
            (part,) = (part for part in URL_PARTS if part in request.url)
            bodies[part].append(response.body.decode())
            return response

    emulator = build_emulator(EmulatorOptions(start=START, speed=0, accounts=1), [EMULATION])
    with serve_in_thread(emulator) as ready:
        (account,) = ready["accounts"]
        api = Growatt(
            account["username"], account["password"], server=ready["url"], keeper=None, transport=RecordingTransport()
        )
        for number in range(ROUNDS):
            emulator.world.clock.set(START + timedelta(seconds=number * SECONDS))
            api.snapshot(account["plants"][0])
    plant = account["plants"][0]
    templates = {
        part: [body.replace(plant, "@NUMBER@") for body in bodies[part]]
        for part in URL_PARTS
        if part != "getTlxDetailData"
    }
    file.write_text(json.dumps(bodies | templates), encoding="utf-8")


class RoundClock:
    """A simulated clock on which all accounts poll at the same time, round by round."""

    def __init__(self, url: str, accounts: int) -> None:
        self.time = START.timestamp()
        self.host, self.accounts = urlsplit(url).netloc, accounts
        self.waiting: list[asyncio.Future] = []
        self.usage = [usage()]

    def now(self) -> float:
        return self.time

    async def wait(self, until: float, stop: asyncio.Event) -> None:
        next_round = asyncio.get_running_loop().create_future()
        self.waiting.append(next_round)
        if len(self.waiting) == self.accounts:
            self.end_round(stop)
        await next_round

    def end_round(self, stop: asyncio.Event) -> None:
        self.usage.append(usage())
        if len(self.usage) > ROUNDS:
            stop.set()
        else:
            self.time += SECONDS
            connection = HTTPConnection(self.host)
            connection.request("GET", NEXT)
            connection.getresponse().read()
            connection.close()
        waiting, self.waiting = self.waiting, []
        for next_round in waiting:
            next_round.set_result(None)


def usage() -> tuple[float, float]:
    """Return the wall time and the CPU time of this process, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def peak_memory() -> float:
    """Return the peak memory of this process, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fill_store(store, plants) -> None:
    """Write the past days of all plants, without gaps."""
    from heliograph.model import Quality
    from heliograph.store.base import Batch, Day, QueryRecord, Series, StoredSample

    now = int(START.timestamp())
    for plant in plants:
        series = Series("growatt", plant)
        dates = [START.date() - timedelta(days=back) for back in range(1, STORED_DAYS)]
        times = [now - 86400 * back for back in range(1, STORED_DAYS)]
        store.write(
            Batch(
                samples=[StoredSample(series, at, at, Quality.LIVE, None, {"pv_energy_today": 0.1}) for at in times],
                days=[Day(series, day, {"pv_energy": 5.0}, Quality.LIVE, final=True, written_at=now) for day in dates],
                queries=[
                    *(QueryRecord(series, "curve", f"{day}", "data", now) for day in (START.date(), *dates)),
                    *(QueryRecord(series, "days", month, "data", now) for month in {f"{day:%Y-%m}" for day in dates}),
                ],
            )
        )


async def collect_rounds(url: str, folder: Path, accounts: int) -> dict[str, float]:
    from heliograph import AsyncGrowatt
    from heliograph.collect.gapfill import GapFiller
    from heliograph.collect.poller import AccountPoller
    from heliograph.collect.schedule import PollPolicy
    from heliograph.collect.service import collect, collect_garbage_rarely
    from heliograph.keeper import Keeper
    from heliograph.store.base import Series
    from heliograph.store.sqlite import SqliteStore
    from heliograph.store.threaded import BufferedWriter

    plants = [str(10_000_000 + number) for number in range(accounts)]
    path, keeper, stop = folder / "samples.sqlite", Keeper(folder / "accounts"), asyncio.Event()
    with SqliteStore(path) as store:
        fill_store(store, plants)
    before = peak_memory()
    clock, writer = RoundClock(url, accounts), BufferedWriter(partial(SqliteStore, path))

    def build_poller(plant: str) -> AccountPoller:
        connect = partial(AsyncGrowatt, f"owner{plant}", "secret", server=url, keeper=keeper, clock=clock.now)
        return AccountPoller(
            f"home{plant}",
            connect,
            writer,
            clock,
            PollPolicy(180.0),
            plants=[plant],
            gap_filler=GapFiller(writer, clock),
        )

    collect_garbage_rarely()
    pollers = [build_poller(plant) for plant in plants]
    assert await collect(pollers, writer, clock, stop)
    for poller in pollers:
        assert poller.progress.problem is None, poller.progress.problem
    with SqliteStore(path) as store:
        for plant in plants:
            times = store.sample_times(Series("growatt", plant), int(START.timestamp()) - 3600, 1 << 40)
            assert len(list(times)) == ROUNDS
    # The first round, which logs in and lists plants and devices, is reported separately.
    rounds = [(end[0] - start[0], end[1] - start[1]) for start, end in pairwise(clock.usage[1:])]
    return {
        "wall": statistics.median(wall for wall, _ in rounds),
        "cpu": statistics.median(cpu for _, cpu in rounds) / accounts,
        "first": (clock.usage[1][1] - clock.usage[0][1]) / accounts,
        "memory": (peak_memory() - before) / accounts,
    }


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory(dir=MEMORY) as name:
            print(json.dumps(asyncio.run(collect_rounds(sys.argv[1], Path(name), int(sys.argv[2])))))
