"""Samples through the fence: groups, refusals, an unavailable database, and the bound on what waits."""

from __future__ import annotations

import asyncio
import threading

import pytest

from heliograph.errors import StoreError
from heliograph.fleet.fence import ShardLost, ShardToken
from heliograph.fleet.sample_writer import FencedStore, SampleWriter
from heliograph.model import Quality, Status
from heliograph.store.base import Batch, KnownFact, PollStatus, Series, SeriesInfo, StoredEvent, StoredSample
from support.fleet_database import Owner, until_waiting

AT = 1_780_000_000


def series(number):
    return Series("growatt", str(number))


def batch(number, at=AT, power=5.0, **members):
    sample = StoredSample(series(number), at, at + 5, Quality.LIVE, Status.ONLINE, {"pv_power": power})
    polls = [PollStatus(series(number), at, 300, at + 300)]
    return Batch(samples=[sample], polls=polls, counters={series(number): {"at": at}}, **members)


class Worker:
    """A writer, and a shard that its fence holds with token 1."""

    def __init__(self, fleet, **options):
        self.fleet = fleet
        self.held = ShardToken(1, 1)
        fleet.run("UPDATE fence SET token = 1 WHERE shard = 1")
        self.writer = SampleWriter(
            lambda: FencedStore(fleet.url), **({"seconds": 0.0, "retry_seconds": 0.01} | options)
        )

    def lose(self):
        self.fleet.run("UPDATE fence SET token = 2 WHERE shard = 1")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.writer.finish()


def stored(fleet):
    return fleet.run("SELECT plant, measured_at, pv_power FROM sample JOIN series ON id = series ORDER BY 1, 2")


def test_batches_of_many_accounts_are_one_transaction(fleet):
    accounts = [fleet.add_account(f"a{number}") for number in range(30)]

    async def write():
        async with Worker(fleet, seconds=0.05) as worker:
            writers = [worker.writer.of(account, worker.held) for account in accounts]
            assert await asyncio.gather(*(one.write(batch(place)) for place, one in enumerate(writers))) == [True] * 30
            assert worker.writer.groups == 1
            assert await writers[3].run(lambda store: store.counters(series(3))) == {"at": AT}

    asyncio.run(write())
    assert len(stored(fleet)) == 30
    assert len(fleet.run("SELECT DISTINCT xmin::text FROM sample")) == 1


def test_events_and_facts_of_many_accounts_are_stored(fleet):
    accounts = [fleet.add_account(f"a{number}") for number in range(2)]
    events = [StoredEvent(series(number), AT, "fault", f"E{number}", AT + 9) for number in range(2)]
    facts = [KnownFact(series(number), "firmware", "1.2", AT) for number in range(2)]

    async def write():
        async with Worker(fleet, seconds=0.05) as worker:
            writers = [worker.writer.of(account, worker.held) for account in accounts]
            batches = [batch(place, events=[events[place]], facts=[facts[place]]) for place in range(2)]
            await asyncio.gather(*(one.write(batches[place]) for place, one in enumerate(writers)))

    asyncio.run(write())
    assert fleet.run("SELECT code FROM event ORDER BY 1") == [("E0",), ("E1",)]
    assert fleet.run("SELECT contents FROM fact") == [("1.2",), ("1.2",)]


def test_unchanged_names_of_series_are_written_once(fleet):
    account = fleet.add_account()
    infos = [SeriesInfo(series(1), name) for name in ("Roof", "Roof", "Barn")]

    async def write():
        versions = []
        async with Worker(fleet) as worker:
            writer = worker.writer.of(account, worker.held)
            for place, info in enumerate(infos):
                await writer.write(batch(1, at=AT + place, series_info=[info]))
                versions += fleet.run("SELECT name, xmin::text FROM series WHERE plant = '1'")
        return versions

    first, second, third = asyncio.run(write())
    assert first == second
    assert third[0] == "Barn"


def test_latest_sample_and_due_time_are_stored_with_the_samples(fleet):
    account = fleet.add_account()
    select = """SELECT latest.account, tenant.name, measured_at, status, pv_power, load_power, due_at, state
        FROM latest JOIN account ON account.id = latest.account JOIN tenant ON tenant.id = latest.tenant"""

    async def write():
        async with Worker(fleet) as worker:
            writer = worker.writer.of(account, worker.held)
            await writer.write(batch(1))
            await writer.write(batch(1, at=AT - 600, power=1.0))
            future = StoredSample(series(1), AT + 9999, AT, Quality.LIVE, None, {"pv_power": 9.0})
            await writer.write(Batch(samples=[future]))

    asyncio.run(write())
    assert fleet.run(select) == [(account, "acme", AT, "online", 5.0, None, AT - 300.0, "active")]


def test_batch_of_a_lost_shard_is_refused_and_others_are_stored(fleet):
    accounts = [fleet.add_account(f"a{number}", shard=1 + number) for number in range(2)]

    async def write():
        async with Worker(fleet, seconds=0.05) as worker:
            fleet.run("UPDATE fence SET token = 4 WHERE shard = 2")
            worker.lose()
            tokens = [worker.held, ShardToken(2, 4)]
            writes = [worker.writer.of(*one).write(batch(one[0])) for one in zip(accounts, tokens, strict=True)]
            results = await asyncio.gather(*writes, return_exceptions=True)
            assert worker.writer.refused == 1
            return results

    refused, is_stored = asyncio.run(write())
    assert isinstance(refused, ShardLost)
    assert is_stored is True
    assert [plant for plant, _, _ in stored(fleet)] == [str(accounts[1])]


def test_batch_of_an_account_that_was_moved_is_refused_and_its_due_time_is_left_alone(fleet):
    """The old owner still has its shard, and reports that it waits; that is not the new owner's next poll."""
    moved, stays = fleet.add_account("moved"), fleet.add_account("stays")
    fleet.run("UPDATE account SET shard = 2, due_at = 7 WHERE id = %s", (moved,))

    async def write():
        async with Worker(fleet, seconds=0.05) as worker:
            writes = (worker.writer.of(one, worker.held).write(batch(one)) for one in (moved, stays))
            refused, written = await asyncio.gather(*writes, return_exceptions=True)
            assert isinstance(refused, ShardLost)
            assert f"no longer has account {moved}" in str(refused)
            assert (written, worker.writer.refused) == (True, 1)

    asyncio.run(write())
    assert [plant for plant, *_ in stored(fleet)] == [f"{stays}"]
    assert fleet.run("SELECT due_at FROM account ORDER BY id") == [(7.0,), (AT + 300.0,)]


def test_raise_waits_for_a_group_under_way(fleet, monkeypatch):
    account = fleet.add_account()
    locked, proceed = threading.Event(), threading.Event()
    upsert = FencedStore._upsert_rows

    def paused(self, table, rows):
        locked.set()
        assert proceed.wait(30)
        upsert(self, table, rows)

    monkeypatch.setattr(FencedStore, "_upsert_rows", paused)

    async def write():
        async with Worker(fleet) as worker, Owner(fleet, "b", 2) as new:
            writing = asyncio.create_task(worker.writer.of(account, worker.held).write(batch(1)))
            await asyncio.to_thread(locked.wait, 30)
            raising = asyncio.create_task(new.take())
            await until_waiting(fleet)
            assert not raising.done()
            proceed.set()
            assert await writing
            assert await raising
            with pytest.raises(ShardLost):
                await worker.writer.of(account, worker.held).write(batch(1, at=AT + 300))

    asyncio.run(write())
    assert len(stored(fleet)) == 1


def test_batch_that_cannot_be_stored_is_rejected_alone(fleet, caplog):
    accounts = [fleet.add_account(f"a{number}") for number in range(3)]

    async def write():
        async with Worker(fleet, seconds=0.05) as worker:
            batches = [batch(0), batch(1, at=2**70), batch(2)]
            writes = [
                worker.writer.of(account, worker.held).write(one)
                for account, one in zip(accounts, batches, strict=True)
            ]
            return await asyncio.gather(*writes, return_exceptions=True)

    first, rejected, last = asyncio.run(write())
    assert first is last is True
    assert isinstance(rejected, StoreError)
    assert "data.rejected" in caplog.text
    assert [plant for plant, _, _ in stored(fleet)] == ["0", "2"]


def test_batches_wait_while_the_database_is_unavailable_and_nothing_more_is_asked(fleet):
    account = fleet.add_account()
    is_down = True

    def open_store():
        if is_down:
            raise StoreError("no database")
        return FencedStore(fleet.url)

    async def write():
        nonlocal is_down
        writer = SampleWriter(open_store, seconds=0.0, retry_seconds=0.01, limit=3)
        fleet.run("UPDATE fence SET token = 1 WHERE shard = 1")
        one = writer.of(account, ShardToken(1, 1))
        await writer.room()
        for number in range(3):
            assert await one.write(batch(number)) is False
        assert (writer.waiting, one.pending, str(one.store_error)) == (3, 3, "no database")
        room = asyncio.create_task(writer.room())
        await asyncio.sleep(0)
        assert not room.done()
        is_down = False
        await room
        await one.flush()
        assert (writer.waiting, one.pending, one.store_error) == (0, 0, None)
        assert await writer.finish()

    asyncio.run(write())
    assert [plant for plant, _, _ in stored(fleet)] == ["0", "1", "2"]


def test_finish_writes_what_waits(fleet):
    account = fleet.add_account()

    async def write():
        worker = Worker(fleet, seconds=3600.0)
        writing = asyncio.create_task(worker.writer.of(account, worker.held).write(batch(1)))
        await asyncio.sleep(0)
        assert await worker.writer.finish()
        assert await writing

    asyncio.run(write())
    assert len(stored(fleet)) == 1


def test_store_of_a_worker_writes_through_the_fence_only(fleet):
    with FencedStore(fleet.url) as store, pytest.raises(StoreError, match="only with the token of a shard"):
        store.write(batch(1))
