"""Two owners of one shard, step by step: what a worker may write whose shard was granted to another one."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest

from heliograph.errors import StoreError
from heliograph.fleet import fence
from heliograph.fleet.database import Database
from heliograph.fleet.fence import LOCK_FENCE, ShardLost, ShardToken, raise_token
from heliograph.fleet.figures import WorkerFigures
from heliograph.fleet.permits import REQUEST_SECONDS, RequestCount, StateWrite
from heliograph.fleet.registry import move_account
from heliograph.fleet.sample_writer import FencedStore
from heliograph.fleet.worker_database import WorkerDatabase
from support.fleet_database import Owner, until_waiting


def permit(account, owner, **members):
    return StateWrite(account, owner.held, permit=True, saved_at=0.0, **members)


def permits(fleet):
    return fleet.run("SELECT account, token, asked_at IS NOT NULL FROM permit")


def test_raise_token_accepts_only_a_newer_token(fleet):
    async def raises():
        async with Owner(fleet, "a", 5) as one:
            grants = [(4, "b"), (5, "a"), (5, "b"), (6, "b"), (5, "a"), (6, "b")]
            return [
                await raise_token(one.database, ShardToken(1, token), owner) for token, owner in [(5, "a"), *grants]
            ]

    assert asyncio.run(raises()) == [True, False, True, False, True, False, True]
    assert fleet.run("SELECT shard, token, owner FROM fence WHERE token > 0") == [(1, 6, "b")]


def test_raise_token_of_an_unknown_shard_is_refused(fleet):
    async def raises():
        async with Owner(fleet, "a", 5, shard=99) as one:
            return await one.take()

    assert asyncio.run(raises()) is False


async def while_paused(fleet, pause):
    """Return how long a new owner waits for the shard of one that is paused in `pause`, a transaction it has begun."""
    async with Owner(fleet, "a", 1) as old:
        await old.take()
        workers = [WorkerDatabase(fleet.url, fleet.box, name, None, WorkerFigures()) for name in ("a", "b")]
        with suppress(StoreError, psycopg.Error):
            async with pause(fleet, workers[0]):
                began = time.monotonic()
                assert await asyncio.wait_for(workers[1].take(ShardToken(1, 3)), 30) is not None
                seconds = time.monotonic() - began
        for one in workers:
            await one.close()
        return seconds


@asynccontextmanager
async def between_two_statements(fleet, worker):
    async with worker.permit_database.transaction() as run:
        assert await run(LOCK_FENCE, [[1], [1]]) == [(1, 1)]
        yield


@asynccontextmanager
async def within_a_pipeline(fleet, worker):
    async with worker.permit_database.pipeline() as connection:
        await connection.execute(LOCK_FENCE, [[1], [1]])
        assert await (await connection.execute("SELECT 1")).fetchall() == [(1,)]  # what was sent is executed
        yield


@asynccontextmanager
async def writing_samples(fleet, worker):
    with FencedStore(fleet.url) as store, store._transaction():
        assert store._run(LOCK_FENCE.replace("%s", "?"), [[1], [1]]) == [(1, 1)]
        yield


@asynccontextmanager
async def copying_samples(fleet, worker):
    with psycopg.connect(fleet.url) as connection:
        connection.execute("SET search_path TO heliograph")
        assert connection.execute(LOCK_FENCE, [[1], [1]]).fetchall() == [(1, 1)]
        with connection.cursor().copy("COPY tenant (name) FROM STDIN") as copy:
            copy.write("one\n")
            yield


@asynccontextmanager
async def before_another_owner(fleet, worker):
    """Another new owner waits already for the paused one."""
    async with Owner(fleet, "c", 2) as other, between_two_statements(fleet, worker):
        waiting = asyncio.ensure_future(other.take())
        await until_waiting(fleet)
        yield
        await waiting


PAUSES = [between_two_statements, within_a_pipeline, writing_samples, copying_samples, before_another_owner]


@pytest.mark.parametrize("pause", PAUSES)
def test_take_does_not_wait_for_a_worker_that_is_paused_in_a_transaction(fleet, pause):
    assert asyncio.run(while_paused(fleet, pause)) < 10


def test_take_waits_for_a_transaction_that_the_server_is_busy_with(fleet, monkeypatch):
    monkeypatch.setattr(fence, "PAUSED_SECONDS", 0.1)
    account = fleet.add_account()
    lock = "SELECT FROM heliograph.fence WHERE shard = 1 FOR SHARE"
    write = f"{lock}; SELECT pg_sleep(1); INSERT INTO heliograph.permit VALUES ({account}, 1, 1, 7)"

    @asynccontextmanager
    async def busy(fleet, worker):
        async with await psycopg.AsyncConnection.connect(fleet.url, autocommit=True) as connection:
            writing = asyncio.ensure_future(connection.execute(write))
            while not fleet.run("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):  # noqa: ASYNC110 - the state of another process
                await asyncio.sleep(0.01)
            yield
            await writing

    assert asyncio.run(while_paused(fleet, busy)) > 0.5
    assert permits(fleet) == [(account, 1, True)]


def test_write_with_a_stale_token_writes_nothing(fleet):
    account = fleet.add_account()

    async def two_owners():
        async with Owner(fleet, "a", 1) as old, Owner(fleet, "b", 2) as new:
            await old.take()
            await old.permits.write(permit(account, old))
            await new.take()
            for item in (
                permit(account, old, counts=[RequestCount(300.0, 9)], contents="{}", form=1, durable=True),
                permit(account, old, counts=[RequestCount(300.0, 9)], reset_counts=True),
                permit(account, old)._replace(permit=False),
            ):
                with pytest.raises(ShardLost, match="shard 1 was granted to another worker; nothing was sent"):
                    await old.permits.write(item)
            assert old.permits.refused == 3
            await new.permits.write(permit(account, new))

    asyncio.run(two_owners())
    assert permits(fleet) == [(account, 2, True)]
    assert fleet.run("SELECT * FROM requests_spent") == fleet.run("SELECT * FROM account_state") == []


def test_stale_reset_of_counts_deletes_nothing(fleet):
    account = fleet.add_account()

    async def two_owners():
        async with Owner(fleet, "a", 1) as old, Owner(fleet, "b", 2) as new:
            await new.take()
            await new.permits.write(permit(account, new, counts=[RequestCount(300.0, 9)]))
            with pytest.raises(ShardLost):
                await old.permits.write(permit(account, old, reset_counts=True))

    asyncio.run(two_owners())
    assert fleet.run("SELECT requests FROM requests_spent") == [(9,)]


def test_without_the_fence_a_stale_token_writes(fleet):
    """The control: the tests above can fail."""
    account = fleet.add_account()

    async def two_owners():
        async with Owner(fleet, "a", 1, check_fence=False) as old, Owner(fleet, "b", 2) as new:
            await new.take()
            await new.permits.write(permit(account, new))
            await old.permits.write(permit(account, old))

    asyncio.run(two_owners())
    assert permits(fleet) == [(account, 1, True)]


def test_raise_waits_for_a_write_under_way(fleet):
    account = fleet.add_account()

    async def two_owners():
        async with Owner(fleet, "a", 1) as old, Owner(fleet, "b", 2) as new:
            await old.take()
            async with await psycopg.AsyncConnection.connect(fleet.url) as writing:
                await writing.execute("SET search_path TO heliograph")
                assert await (await writing.execute(LOCK_FENCE, ([1], [1]))).fetchall() == [(1, 1)]
                raising = asyncio.create_task(new.take())
                await until_waiting(fleet)
                assert not raising.done()
                await writing.execute("INSERT INTO permit VALUES (%s, 1, 1, 7)", (account,))
                await writing.commit()
                assert await raising
            store = new.store(account)
            await store.load(0.0)
            assert store.may_ask_at == 7 + REQUEST_SECONDS

    asyncio.run(two_owners())


@pytest.mark.parametrize("check_fence", [True, False])
def test_write_that_waits_for_a_raise_is_refused(fleet, check_fence):
    account = fleet.add_account()

    async def two_owners():
        async with Owner(fleet, "a", 1, check_fence=check_fence) as old:
            await old.take()
            async with await psycopg.AsyncConnection.connect(fleet.url) as raising:
                await raising.execute("UPDATE heliograph.fence SET token = 2, owner = 'b' WHERE shard = 1")
                write = asyncio.create_task(old.permits.write(permit(account, old)))
                await until_waiting(fleet)
                await raising.commit()
            return (await asyncio.gather(write, return_exceptions=True))[0]

    refusal = asyncio.run(two_owners())
    assert isinstance(refusal, ShardLost) is check_fence
    assert permits(fleet) == ([] if check_fence else [(account, 1, True)])


def test_write_for_a_moved_account_is_refused_even_if_it_waited_for_the_move(fleet):
    account = fleet.add_account()

    async def moved():
        async with Owner(fleet, "a", 1) as old:
            await old.take()
            async with await psycopg.AsyncConnection.connect(fleet.url) as moving:
                await moving.execute("SET search_path TO heliograph")
                await moving.execute("SELECT 1 FROM fence WHERE shard = 1 FOR UPDATE")
                write = asyncio.create_task(old.permits.write(permit(account, old)))
                await until_waiting(fleet)
                await moving.execute("UPDATE account SET shard = 2 WHERE id = %s", (account,))
                await moving.commit()
            with pytest.raises(ShardLost, match=f"no longer has account {account}"):
                await write

    asyncio.run(moved())
    assert permits(fleet) == []


def test_move_waits_for_a_write_under_way_and_the_new_owner_for_its_request(fleet):
    account = fleet.add_account()

    async def moved():
        async with Owner(fleet, "a", 1) as old, Owner(fleet, "b", 8, shard=2) as new:
            await old.take()
            await new.take()
            async with await psycopg.AsyncConnection.connect(fleet.url) as writing:
                await writing.execute("SET search_path TO heliograph")
                await writing.execute(LOCK_FENCE, ([1], [1]))
                moving = asyncio.create_task(move_account(new.database, account, 2))
                await until_waiting(fleet)
                await writing.execute(
                    "INSERT INTO permit VALUES (%s, 1, 1, extract(epoch FROM clock_timestamp()))", (account,)
                )
                await writing.commit()
            await moving
            store = new.store(account)
            assert await store.hold() is None
            fleet.run("UPDATE permit SET asked_at = asked_at - %s", (REQUEST_SECONDS,))
            assert await new.store(account).hold() is not None

    asyncio.run(moved())


def test_move_to_an_unknown_shard_or_another_egress_is_refused(fleet):
    account = fleet.add_account()
    fleet.run("UPDATE fence SET egress = 'other' WHERE shard = 3")

    async def move(number, shard):
        database = Database(fleet.url)
        try:
            await move_account(database, number, shard)
        finally:
            await database.close()

    try:
        for number, shard, why in (
            (account, 99, "no shard 99"),
            (account, 3, "stays with default"),
            (0, 2, "no account 0"),
        ):
            with pytest.raises(StoreError, match=why):
                asyncio.run(move(number, shard))
    finally:
        fleet.run("UPDATE fence SET egress = 'default'")


def test_prove_returns_the_shards_that_are_lost(fleet):
    async def two_owners():
        async with Owner(fleet, "a", 1) as old, Owner(fleet, "b", 2) as new:
            await old.take()
            other = ShardToken(2, 7)
            await raise_token(old.database, other, "a")
            before = old.permits.proved_at
            assert await old.permits.prove([old.held, other]) == []
            assert old.permits.proved_at > before
            await new.take()
            return await old.permits.prove([old.held, other])

    assert asyncio.run(two_owners()) == [ShardToken(1, 1)]


def test_group_refuses_only_the_accounts_of_the_lost_shard(fleet):
    accounts = [fleet.add_account(f"a{number}", shard=number % 2 + 1) for number in range(6)]

    async def write_all():
        async with Owner(fleet, "a", 1) as one, Owner(fleet, "b", 2) as new:
            await one.take()
            second = ShardToken(2, 7)
            await raise_token(one.database, second, "a")
            await new.take()
            items = [
                StateWrite(account, second if place % 2 else one.held, permit=True, saved_at=0.0)
                for place, account in enumerate(accounts)
            ]
            results = await asyncio.gather(*map(one.permits.write, items), return_exceptions=True)
            assert one.permits.groups == 1
            return [isinstance(result, ShardLost) for result in results]

    assert asyncio.run(write_all()) == [True, False] * 3
    assert sorted(account for account, _, _ in permits(fleet)) == accounts[1::2]


def test_permit_is_asked_for_again_if_it_came_too_late(fleet):
    account = fleet.add_account()
    times = iter([0.0, 0.0, 0.0, 0.0, 6.0, 6.0, 6.0, 6.0, 6.5])

    async def write():
        async with Owner(fleet, "a", 1, boot=lambda: next(times)) as one:
            await one.take()
            await one.permits.write(permit(account, one))
            return one.permits.groups

    assert asyncio.run(write()) == 2
