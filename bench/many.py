"""Many accounts of one plant each, collected by one process on one core.

usage: many.py prepare ANSWERS.json | many.py URL ACCOUNTS

The cloud is the stub, with what an emulator answered in rounds five minutes apart; all accounts are polled in each
round at once, as after an outage. The store holds sixty days of each plant already, which the healer looks through
after each poll. The clock is simulated, sockets, files and the keeper are not.
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
from pathlib import Path
from urllib.parse import urlsplit

START = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
ROUNDS, SECONDS = 6, 300
PAST = 60
NEXT = "/next-round"
MARKS = ("newTwoLoginAPI", "getAllDeviceListTwo", "op=getPlant&", "getTlxDetailData")
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def prepare(file: Path) -> None:
    """Write down what an emulated cloud says to one account, round by round."""
    from heliograph import Growatt, client
    from heliograph.emulator.clouds.growatt import EMULATION
    from heliograph.emulator.main import EmulatorOptions, build_emulator
    from heliograph.emulator.server import serve_in_thread

    said: dict[str, list[str]] = {mark: [] for mark in MARKS}
    real = client.send

    def noted(request, *rest):
        reply = real(request, *rest)
        (mark,) = (mark for mark in MARKS if mark in request.url)
        said[mark].append(reply.body.decode())
        return reply

    emulator = build_emulator(EmulatorOptions(start=START, speed=0, accounts=1), [EMULATION])
    client.send = noted
    with serve_in_thread(emulator) as ready:
        (account,) = ready["accounts"]
        api = Growatt(account["username"], account["password"], server=ready["url"], keeper=None)
        for number in range(ROUNDS):
            emulator.world.clock.set(START + timedelta(seconds=number * SECONDS))
            api.snapshot(account["plants"][0])
    client.send = real
    plant = account["plants"][0]
    own = {
        mark: [body.replace(plant, "@NUMBER@") for body in said[mark]] for mark in MARKS if mark != "getTlxDetailData"
    }
    file.write_text(json.dumps(said | own), encoding="utf-8")


class Rounds:
    """A clock on which everybody polls at the same moment, round after round."""

    def __init__(self, url: str, accounts: int) -> None:
        self.at = START.timestamp()
        self.url, self.accounts = urlsplit(url).netloc, accounts
        self.waiting: list[asyncio.Future] = []
        self.marks = [mark()]

    def now(self) -> float:
        return self.at

    async def wait(self, until: float, stop: asyncio.Event) -> None:
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        if len(self.waiting) == self.accounts:
            self.turn(stop)
        await turn

    def turn(self, stop: asyncio.Event) -> None:
        self.marks.append(mark())
        if len(self.marks) > ROUNDS:
            stop.set()
        else:
            self.at += SECONDS
            connection = HTTPConnection(self.url)
            connection.request("GET", NEXT)
            connection.getresponse().read()
            connection.close()
        woken, self.waiting = self.waiting, []
        for one in woken:
            one.set_result(None)


def mark() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def memory() -> float:
    """Return the most memory this process had, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def remember(store, plants) -> None:
    """Let every plant have a past that is known."""
    from heliograph.model import Quality
    from heliograph.store.base import Batch, Day, QueryRecord, Series, StoredSample

    now = int(START.timestamp())
    for plant in plants:
        series = Series("growatt", plant)
        dates = [START.date() - timedelta(days=back) for back in range(1, PAST)]
        moments = [now - 86400 * back for back in range(1, PAST)]
        store.write(
            Batch(
                samples=[StoredSample(series, at, at, Quality.LIVE, None, {"pv_energy_today": 0.1}) for at in moments],
                days=[Day(series, day, {"pv_energy": 5.0}, Quality.LIVE, final=True, written_at=now) for day in dates],
                queries=[
                    *(QueryRecord(series, "curve", f"{day}", "data", now) for day in (START.date(), *dates)),
                    *(QueryRecord(series, "days", month, "data", now) for month in {f"{day:%Y-%m}" for day in dates}),
                ],
            )
        )


async def collected(url: str, folder: Path, accounts: int) -> dict[str, float]:
    from heliograph import AsyncGrowatt
    from heliograph.collect.gapfill import GapFiller
    from heliograph.collect.poller import AccountPoller
    from heliograph.collect.schedule import PollPolicy
    from heliograph.collect.service import collect
    from heliograph.keeper import Keeper
    from heliograph.store.base import Series
    from heliograph.store.sqlite import SqliteStore
    from heliograph.store.threaded import BufferedWriter

    plants = [str(10_000_000 + number) for number in range(accounts)]
    path, keeper, stop = folder / "samples.sqlite", Keeper(folder / "accounts"), asyncio.Event()
    with SqliteStore(path) as store:
        remember(store, plants)
    before = memory()
    clock, writer = Rounds(url, accounts), BufferedWriter(partial(SqliteStore, path))

    def worker(plant: str) -> AccountPoller:
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

    workers = [worker(plant) for plant in plants]
    assert await collect(workers, writer, clock, stop)
    for one in workers:
        assert one.progress.problem is None, one.progress.problem
    with SqliteStore(path) as store:
        for plant in plants:
            assert (
                len(list(store.sample_times(Series("growatt", plant), int(START.timestamp()) - 3600, 1 << 40)))
                == ROUNDS
            )
    # The first round logs in and learns what there is.
    rounds = [(then[0] - now[0], then[1] - now[1]) for now, then in zip(clock.marks[1:], clock.marks[2:], strict=False)]
    return {
        "wall": statistics.median(wall for wall, _ in rounds),
        "cpu": statistics.median(cpu for _, cpu in rounds) / accounts,
        "first": (clock.marks[1][1] - clock.marks[0][1]) / accounts,
        "memory": (memory() - before) / accounts,
    }


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory(dir=MEMORY) as name:
            print(json.dumps(asyncio.run(collected(sys.argv[1], Path(name), int(sys.argv[2])))))
