"""Storing queued snapshots: counters in time order, late ones, an unavailable store, and a kill before the removal."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from heliograph.collect.batch import poll_batch
from heliograph.collect.snapshot_queue import drain_queue, store_queued
from heliograph.errors import StoreError
from heliograph.keeper.snapshot_file import SnapshotFile
from heliograph.model import Plant, Snapshot, Status
from heliograph.store.base import Series
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter

NOON = datetime(2026, 6, 21, 10, tzinfo=UTC)
ROOF = Series("acme", "11")


def snapshot(minute, total):
    at = NOON + timedelta(minutes=minute)
    return Snapshot(
        plant=Plant(vendor="acme", id="11", zone=ZoneInfo("Europe/Berlin")),
        status=Status.ONLINE,
        measured_at=at,
        fetched_at=at,
        values={"pv_power": 1000.0, "pv_energy_total": total},
    )


@pytest.fixture
def queue(tmp_path):
    return SnapshotFile(tmp_path, "acme-1")


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "heliograph.sqlite") as store:
        yield store


def add(queue, *snapshots):
    for one in snapshots:
        queue.add([one], one.fetched_at.timestamp(), None, is_all=True)


def totals(store):
    return [one.values["pv_energy_total"] for one in store.samples(ROOF, 0, 1 << 40)]


def test_store_queued_repairs_counters_in_time_order_with_the_state_of_the_store(queue, store):
    add(queue, snapshot(0, 800.0), snapshot(5, 800.1), snapshot(10, 0.0))
    states = store_queued(queue, "home", store)
    assert len(totals(store)) == 3
    assert 0.0 not in totals(store), "a total never falls"
    assert states == {ROOF: store.counters(ROOF)}
    assert queue.queued() == ()
    assert store_queued(queue, "home", store) == {}


def test_store_queued_omits_snapshots_before_the_newest_stored_sample(queue, store):
    store.write(poll_batch([snapshot(5, 800.1)], {}))
    add(queue, snapshot(0, 800.0), snapshot(5, 800.1), snapshot(10, 800.2))
    store_queued(queue, "home", store)
    assert len(totals(store)) == 2
    assert [one for one in store.repairs(ROOF, 0, 1 << 40) if "late" in one.reason] == []
    assert queue.queued() == ()


def test_store_queued_twice_changes_nothing(queue, store, monkeypatch):
    add(queue, snapshot(0, 800.0), snapshot(5, 800.1))
    killed = StoreError("killed")
    with monkeypatch.context() as patch:
        patch.setattr(SnapshotFile, "mark_stored", lambda *_: (_ for _ in ()).throw(killed))
        with pytest.raises(StoreError, match="killed"):
            store_queued(queue, "home", store)
    before, state = list(store.samples(ROOF, 0, 1 << 40)), store.counters(ROOF)
    store_queued(queue, "home", store)
    assert list(store.samples(ROOF, 0, 1 << 40)) == before
    assert store.counters(ROOF) == state


def test_drain_queue_updates_the_states_of_the_poller(queue, store):
    add(queue, snapshot(0, 800.0))
    states = {}
    writer = BufferedWriter(lambda: SqliteStore(store.path))

    async def drain():
        await drain_queue(queue, "home", writer, states)
        await writer.finish()

    asyncio.run(drain())
    assert states == {ROOF: store.counters(ROOF)}
    assert totals(store)


def test_drain_queue_returns_when_the_newest_snapshot_was_fetched_that_a_person_waited_for(queue, store):
    times = []
    writer = BufferedWriter(lambda: SqliteStore(store.path))

    async def drain(minute, *, interactive):
        one = snapshot(minute, 800.0)
        queue.add([one], one.fetched_at.timestamp(), None, is_all=True, interactive=interactive)
        times.append(await drain_queue(queue, "home", writer, {}))

    async def run():
        await drain(0, interactive=False)
        await drain(5, interactive=True)
        times.append(await drain_queue(queue, "home", writer, {}))
        await writer.finish()

    asyncio.run(run())
    assert times == [None, NOON.timestamp() + 300, None]


def test_drain_queue_leaves_everything_queued_while_the_store_is_unavailable(queue, tmp_path):
    add(queue, snapshot(0, 800.0))
    folder = tmp_path / "not a store"
    folder.mkdir()
    states = {}
    writer = BufferedWriter(lambda: SqliteStore(folder))

    async def drain():
        await drain_queue(queue, "home", writer, states)
        await writer.close()

    asyncio.run(drain())
    assert states == {}
    assert len(queue.queued()) == 1
