"""Daily partitions of the samples: the store writes and reads them as one table."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

import pytest

from heliograph.fleet.database import Database
from heliograph.fleet.partitions import add_partitions, partitions
from heliograph.model import Quality
from heliograph.store.base import Batch, Series, StoredSample
from heliograph.store.postgres import PostgresStore
from support.fleet_database import Fleet, with_database

TODAY = date(2026, 6, 21)
NOON = int(datetime(2026, 6, 21, 12, tzinfo=UTC).timestamp())
DAY = 86_400
ROOF = Series("growatt", "1")
NAMES = [f"sample_202606{day}" for day in (22, 23, 24)]
MEASURED = [name.replace("sample", "measurement") for name in ("sample_older", *NAMES)]


@pytest.fixture
def store(own_database):
    with PostgresStore(own_database) as opened:
        yield opened


def write(store, *days, power=5.0):
    times = [NOON + day * DAY for day in days]
    samples = [StoredSample(ROOF, at, at + 5, Quality.LIVE, None, {"pv_power": power}) for at in times]
    store.write(Batch(samples=samples))


def add(url, today=TODAY, days=3):
    return with_database(url, lambda database: add_partitions(database, today, days))


def places(url):
    return Fleet(url).run("SELECT tableoid::regclass::text, (measured_at - %s) / 86400 FROM sample ORDER BY 2", (NOON,))


def test_store_reads_and_writes_partitions_as_one_table(store, own_database):
    write(store, -400, -1, 0)
    before = list(store.samples(ROOF, 0, 2**40))
    assert add(own_database) == ("sample_older", *NAMES, *MEASURED)
    assert list(store.samples(ROOF, 0, 2**40)) == before
    write(store, *range(-30, 6), power=7.0)
    write(store, 1, -1, power=8.0)
    assert len(list(store.samples(ROOF, 0, 2**40))) == 37
    assert [one.values["pv_power"] for one in store.samples(ROOF, NOON - DAY, NOON + 2 * DAY)] == [8.0, 7.0, 8.0]
    assert [place for place, day in places(own_database) if day > 0] == [*NAMES, "sample_other", "sample_other"]
    with PostgresStore(own_database) as another:
        assert another.latest(ROOF)[0].measured_at == NOON + 5 * DAY


def test_partitions_are_added_once_and_ahead(store, own_database):
    add(own_database)
    assert add(own_database) == ()
    assert add(own_database, date(2026, 6, 22)) == ("sample_20260625", "measurement_20260625")
    found = with_database(own_database, lambda database: partitions(database, "sample"))
    assert [one.name for one in found] == [*NAMES, "sample_20260625", "sample_older", "sample_other"]
    assert found[0].end == NOON + DAY + DAY // 2
    assert found[-1].end is None


def test_samples_ahead_of_their_time_stay_readable(store, own_database):
    write(store, 0, 2)
    add(own_database)
    assert add(own_database, date(2026, 6, 18), days=4) == ()
    assert places(own_database) == [("sample_older", 0), ("sample_other", 2)]
    assert add(own_database, days=4) == ("sample_20260625", "measurement_20260625")


def test_two_programs_at_once_make_the_same_partitions(store, own_database):
    async def both():
        databases = [Database(own_database) for _ in range(2)]
        added = await asyncio.gather(*(add_partitions(database, TODAY, 3) for database in databases))
        for database in databases:
            await database.close()
        return added

    assert sorted(asyncio.run(both())) == [(), ("sample_older", *NAMES, *MEASURED)]
