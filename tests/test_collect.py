"""The collector over real sockets: emulated clouds, a real store, and a clock that jumps."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from collecting import Jumping, worker_of
from heliograph.collect.collector import collect
from heliograph.collect.writer import Writer
from heliograph.emulator.main import Options, build
from heliograph.emulator.server import serve_in_thread
from heliograph.store.contract import Series
from heliograph.store.sqlite import SqliteStore
from heliograph.vendors.goodwe.emulate import EMULATION as GOODWE
from heliograph.vendors.growatt.emulate import EMULATION as GROWATT

MORNING = "2026-06-21T05:00:00+02:00"


@pytest.fixture
def world():
    """Yield an emulator of both clouds with a stopped clock, and its ready line."""
    emulator = build(Options(start=datetime.fromisoformat(MORNING), speed=0, accounts=2), [GROWATT, GOODWE])
    with serve_in_thread(emulator) as ready:
        yield emulator, ready


def collected(world, path, hours, during=None, accounts=None, **options):
    """Collect for so many simulated hours, and return the store and the workers."""
    emulator, ready = world

    async def run():
        clock = Jumping(emulator, emulator.world.clock.now().timestamp() + hours * 3600)
        stop = asyncio.Event()
        writer = Writer(lambda: SqliteStore(path / "heliograph.sqlite"))
        chosen = ready["accounts"] if accounts is None else accounts
        workers = [worker_of(one, ready, writer, clock, path / "accounts", **options) for one in chosen]
        clock.workers = len(workers) + (during is not None)
        if during is not None:
            asyncio.get_running_loop().create_task(during(clock, stop))
        await collect(workers, writer, clock, stop)
        return workers

    workers = asyncio.run(run())
    return SqliteStore(path / "heliograph.sqlite"), workers


def test_a_day_of_both_clouds_is_collected_inside_the_budget(world, tmp_path):
    for account in world[1]["accounts"]:
        plant = account["plants"][0]
        store, (worker,) = collected(world, tmp_path, 24, accounts=[account], plants=[plant])
        budget = worker.client.budget
        assert worker.progress.problem is None
        assert budget.requests_used <= budget.requests_limit - budget.reserve
        assert budget.logins_used <= 2
        assert len(list(store.moments(Series(account["vendor"], plant), 0, 1 << 40))) > 40
