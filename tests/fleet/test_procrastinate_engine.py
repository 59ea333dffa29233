"""The engine on procrastinate: even shares, rescue of dead workers, hand-over, and what a paused worker may do."""

import asyncio
import time

import pytest

from heliograph.errors import StoreError
from heliograph.fleet.engine import WorkerExpired
from heliograph.fleet.procrastinate_engine import ProcrastinateEngine
from support.fleet_fixtures import run_sql

SHARDS = dict.fromkeys(range(8), "fra1")
TIMEOUT = 2.0


class Worker:
    """A worker that records its tenures."""

    def __init__(self, url, name, egresses=("fra1",), **options):
        self.engine = ProcrastinateEngine(url, name, egresses, timeout=TIMEOUT, **options)
        self.stop = asyncio.Event()
        self.tenures = []
        self.held = {}
        self.task = None

    async def own(self, tenure):
        self.tenures.append(tenure)
        self.held[tenure.shard] = tenure
        try:
            await tenure.over.wait()
        finally:
            if self.held.get(tenure.shard) is tenure:
                del self.held[tenure.shard]

    def start(self):
        self.task = asyncio.create_task(self.engine.run(self.own, self.stop))
        return self

    async def end(self):
        self.stop.set()
        await asyncio.wait_for(self.task, 20)

    async def die(self):
        """End without any goodbye, as a killed process does."""
        self.engine._hand_over_all = lambda: asyncio.sleep(0)
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


def fleet(test):
    """Run an async test with an engine's tables for eight shards."""

    def run(own_database):
        async def prepared():
            await ProcrastinateEngine(own_database).add_shards(SHARDS)
            await asyncio.wait_for(test(own_database), 60)

        asyncio.run(prepared())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@fleet
async def test_engine_assigns_every_shard_once_and_evenly(url):
    first = Worker(url, "a").start()
    await until(lambda: len(first.held) == 8)
    second = Worker(url, "b").start()
    await until(lambda: len(first.held) == len(second.held) == 4)
    assert first.held.keys() | second.held.keys() == set(SHARDS)
    await first.end()
    await until(lambda: len(second.held) == 8)
    await second.end()
    shards = await ProcrastinateEngine(url).shards()
    assert [one.worker for one in shards] == [""] * 8


@fleet
async def test_engine_raises_the_token_with_each_assignment(url):
    tokens = {}
    for name in "abc":
        worker = Worker(url, name).start()
        await until(lambda worker=worker: len(worker.held) == 8)
        for tenure in worker.tenures:
            assert tenure.token > tokens.get(tenure.shard, 0)
            tokens[tenure.shard] = tenure.token
        await worker.end()


@fleet
async def test_engine_rescues_the_shards_of_a_dead_worker_after_the_time_out(url):
    dead = Worker(url, "dead").start()
    await until(lambda: len(dead.held) == 8)
    alive = Worker(url, "alive").start()
    await until(lambda: len(alive.held) == 4)
    await dead.die()
    await until(lambda: len(alive.held) == 8)
    newest = {tenure.shard: tenure.token for tenure in dead.tenures}
    rescued = [tenure for tenure in alive.tenures if tenure.shard in {one.shard for one in dead.tenures}]
    assert all(tenure.token > newest[tenure.shard] for tenure in rescued)
    await alive.end()


@fleet
async def test_engine_ignores_the_hand_over_of_a_worker_whose_shard_was_taken(url):
    paused = Worker(url, "paused").start()
    await until(lambda: len(paused.held) == 8)
    run_sql(url, "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    paused.engine._beat = lambda: asyncio.sleep(0, 8)  # it does not notice
    alive = Worker(url, "alive").start()
    await until(lambda: len(alive.held) == 8)
    before = {shard: tenure.token for shard, tenure in alive.held.items()}
    await paused.end()
    await asyncio.sleep(1)
    assert {shard: tenure.token for shard, tenure in alive.held.items()} == before
    await alive.end()


@fleet
async def test_engine_run_raises_if_the_worker_was_forgotten(url):
    worker = Worker(url, "a").start()
    await until(lambda: len(worker.held) == 8)
    run_sql(url, "DELETE FROM procrastinate_workers")
    with pytest.raises(WorkerExpired):
        await asyncio.wait_for(worker.task, 20)
    assert not worker.held


@fleet
async def test_engine_releases_a_shard_whose_assignment_was_lost_on_the_way(url):
    worker = Worker(url, "a", share=3).start()
    await until(lambda: len(worker.held) == 3)
    # Granted to this worker, but the reply never arrived.
    ((worker_id,),) = run_sql(url, "SELECT id FROM procrastinate_workers")
    run_sql(url, "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE status = 'todo'", (worker_id,))
    await until(lambda: run_sql(url, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'") == [(5,)])
    assert len(worker.held) == 3
    await worker.end()


@fleet
async def test_engine_gives_shards_only_to_workers_of_their_egress(url):
    await ProcrastinateEngine(url).add_shards({8: "lon1", 9: "lon1"})
    frankfurt, london = Worker(url, "f").start(), Worker(url, "l", ("lon1",)).start()
    await until(lambda: len(frankfurt.held) == 8 and len(london.held) == 2)
    assert london.held.keys() == {8, 9}
    await frankfurt.end()
    await asyncio.sleep(0.6)
    assert london.held.keys() == {8, 9}
    await london.end()


@fleet
async def test_drained_worker_hands_over_and_takes_shards_again_when_undone(url):
    engine = ProcrastinateEngine(url)
    first, second = Worker(url, "a").start(), Worker(url, "b").start()
    await until(lambda: len(first.held) == len(second.held) == 4)
    assert await engine.drain("a") == 1
    await until(lambda: not first.held and len(second.held) == 8)
    (report,) = [one for one in await engine.workers() if one.name == "a"]
    assert (report.is_alive, report.is_draining, report.shards) == (True, True, ())
    assert await engine.drain("a", drain=False) == 1
    await until(lambda: len(first.held) == len(second.held) == 4)
    assert await engine.drain("nobody") == 0
    await first.end()
    await second.end()


@fleet
async def test_engine_hands_over_a_shard_whose_tenure_failed(url):
    worker = Worker(url, "a", share=1)

    async def fail(tenure):
        worker.tenures.append(tenure)
        raise ValueError("of the test")

    worker.own = fail
    worker.start()
    await until(lambda: len(worker.tenures) > 3)
    await worker.end()
    assert run_sql(url, "SELECT DISTINCT status::text FROM procrastinate_jobs") == [("todo",)]


@fleet
async def test_many_rescuers_at_once_hand_over_each_shard_once(url):
    dead = Worker(url, "dead").start()
    await until(lambda: len(dead.held) == 8)
    await dead.die()
    before = dict(run_sql(url, "SELECT id, attempts FROM procrastinate_jobs"))
    run_sql(url, "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    engines = [ProcrastinateEngine(url, f"{n}", ["fra1"], timeout=TIMEOUT) for n in range(6)]
    for engine in engines:
        await engine._app.open_async()
    await asyncio.gather(*(engine._rescue() for engine in engines for _ in range(3)))
    for engine in engines:
        await engine._app.close_async()
    after = dict(run_sql(url, "SELECT id, attempts FROM procrastinate_jobs"))
    assert after == {job: attempts + 1 for job, attempts in before.items()}


def test_add_shards_again_adds_only_what_is_missing(own_database):
    async def add():
        engine = ProcrastinateEngine(own_database)
        await engine.add_shards(SHARDS)
        await engine.add_shards({**SHARDS, 8: "lon1"})
        return await engine.shards()

    assert [(one.shard, one.egress) for one in asyncio.run(add())] == [*SHARDS.items(), (8, "lon1")]


def test_administration_of_a_database_without_engine_says_what_to_run(own_database):
    with pytest.raises(StoreError, match="heliograph fleet init"):
        asyncio.run(ProcrastinateEngine(own_database).workers())
