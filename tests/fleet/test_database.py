"""The connection to the fleet's database: its clock, lost connections, and errors without secrets."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.errors import ConfigError, StoreError
from heliograph.fleet.database import Database, DatabaseClock

SECONDS = st.floats(0.001, 2.0)


async def pipelined(database, *statements):
    async with database.pipeline() as connection:
        cursors = [await connection.execute(one) for one in statements]
    return await cursors[-1].fetchall()


async def in_transaction(database, *statements):
    async with database.transaction() as run:
        for one in statements:
            await run(one)


@given(st.lists(st.tuples(SECONDS, SECONDS, st.sampled_from([0.0, 0.0, 0.0, -7200.0, 120.0])), min_size=1))
def test_clock_differs_from_the_database_by_less_than_the_last_round_trip(observations):
    """Also after either clock was set."""
    boot, offset = 1000.0, 1_780_000_000.0
    clock = DatabaseClock(lambda: boot)
    for there, back, step in observations:
        offset += step
        sent_at = boot
        database_time = boot + there + offset
        boot += there + back
        clock.observe(database_time, sent_at, boot)
        assert abs(clock.now() - (boot + offset)) <= there + back + 1e-6
        boot += 60.0


def test_clock_of_a_wrong_machine_is_the_database_s(fleet):
    async def observed():
        database = Database(fleet.url)
        database.clock = DatabaseClock(lambda: 7.0)
        before = await database.observe_clock()
        await database.close()
        return before - database.clock.now()

    assert abs(asyncio.run(observed())) < 1e9


def test_lost_connection_is_opened_again(fleet):
    async def lose():
        database = Database(fleet.url)
        ((first,),) = await database.run("SELECT pg_backend_pid()")
        fleet.run("SELECT pg_terminate_backend(%s)", (first,))
        ((second,),) = await database.run("SELECT pg_backend_pid()")
        fleet.run("SELECT pg_terminate_backend(%s)", (second,))
        with pytest.raises(StoreError):
            await pipelined(database, "SELECT 1")
        assert await pipelined(database, "SELECT 2") == [(2,)]
        await database.close()

    asyncio.run(lose())


def test_failed_pipeline_leaves_a_usable_connection(fleet):
    async def fail():
        database = Database(fleet.url)
        with pytest.raises(StoreError, match="division by zero"):
            await pipelined(database, "INSERT INTO tenant (name) VALUES ('x')", "SELECT 1 / 0")
        assert await database.run("SELECT count(*) FROM tenant") == [(0,)]
        with pytest.raises(StoreError, match="division by zero"):
            await in_transaction(database, "INSERT INTO tenant (name) VALUES ('x')", "SELECT 1 / 0")
        assert await database.run("SELECT count(*) FROM tenant") == [(0,)]
        await database.close()

    asyncio.run(fail())


def test_errors_contain_no_password():
    with pytest.raises(ConfigError, match="the URL of the database is invalid"):
        Database("mysql://hunter2")
    database = Database("postgresql://u:hunter2@127.0.0.1:1/x")
    with pytest.raises(StoreError) as error:
        asyncio.run(database.run("SELECT 1"))
    assert "hunter2" not in str(error.value)
    assert str(error.value).startswith("PostgreSQL x at 127.0.0.1: ")
