"""The account poller: what becomes of the samples of one poll, with a real store and a client that returns them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from heliograph.collect.poller import AccountPoller, poll_batch
from heliograph.collect.schedule import PollPolicy
from heliograph.eventlog import LogEvent
from heliograph.keeper.snapshot_file import SnapshotFile
from heliograph.local_time import Clock
from heliograph.model import Device, DeviceSnapshot, Plant, Quality, Snapshot, Status
from heliograph.store.base import Repair, Series
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter

NOON = datetime(2026, 6, 21, 10, tzinfo=UTC)
ROOF, BOX = Series("acme", "11"), Series("acme", "11", "INV")
FUTURE = "measured in the future"


def snapshot(values, measured_at=NOON, fetched_at=None, device_at=None):
    plant = Plant(vendor="acme", id="11", zone=ZoneInfo("Europe/Berlin"))
    device = Device(vendor="acme", plant="11", id="INV", family="tlx")
    state = DeviceSnapshot(
        device=device, status=Status.ONLINE, measured_at=device_at or measured_at, values={"ac_power": 900.0}
    )
    return Snapshot(
        plant=plant,
        status=Status.ONLINE,
        measured_at=measured_at,
        fetched_at=fetched_at or NOON + timedelta(seconds=60),
        values=values,
        devices=(state,),
    )


def test_poll_batch_sets_sample_from_the_future_aside_with_a_reason():
    values = {"pv_power": 1733.2, "pv_energy_total": 812.5, "load_power": None}
    ahead = snapshot(values, measured_at=datetime(2098, 12, 31, tzinfo=UTC), device_at=NOON)
    batch = poll_batch([ahead], {})
    assert [one.series for one in batch.samples] == [BOX]
    fetched_at = int(ahead.fetched_at.timestamp())
    assert batch.repairs == [
        Repair(ROOF, fetched_at, "pv_power", 1733.2, None, FUTURE),
        Repair(ROOF, fetched_at, "pv_energy_total", 812.5, None, FUTURE),
    ]
    assert batch.counters.keys() == {BOX}


@pytest.mark.parametrize(("ahead", "kept"), [(-300, True), (600, True), (601, False)])
def test_poll_batch_accepts_clock_errors_of_ten_minutes(ahead, kept):
    one = snapshot({"pv_power": 1.0}, fetched_at=NOON, measured_at=NOON + timedelta(seconds=ahead))
    assert len(poll_batch([one], {}).samples) == 2 * kept


class Standing(Clock):
    """A clock that is set."""

    def __init__(self, at):
        self.at = at

    def now(self):
        return self.at


class Client:
    """A client that returns one snapshot."""

    budget = SimpleNamespace(free=100, requests_used=0, daily=250)
    guard = SimpleNamespace(snapshot_file=SnapshotFile(Path("/nonexistent"), "acme-1"))
    snapshot = None

    async def snapshots(self):
        return (self.snapshot,)


def test_poller_polls_on_after_sample_from_the_future_and_warns_once(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "heliograph.collect")
    clock, client = Standing(NOON.timestamp()), Client()
    first = snapshot({"pv_power": 1.0}, fetched_at=NOON, measured_at=NOON + timedelta(days=20000))
    path = tmp_path / "heliograph.sqlite"

    async def run():
        writer = BufferedWriter(lambda: SqliteStore(path))
        poller = AccountPoller("home", lambda: client, writer, clock, PollPolicy(180.0))
        for minutes in (0, 5, 10):
            clock.at = NOON.timestamp() + 60 * minutes
            fetched_at = NOON + timedelta(minutes=minutes)
            client.snapshot = replace(first, fetched_at=fetched_at)
            next_at = await poller.poll_once()
            assert clock.at < next_at <= clock.at + 3700
        client.snapshot = replace(first, measured_at=fetched_at, devices=(), fetched_at=fetched_at)
        await poller.poll_once()
        await writer.finish()

    asyncio.run(run())
    events = [one.msg.facts for one in caplog.records if isinstance(one.msg, LogEvent)]
    assert [(one["event"], one["account"], one["series"]) for one in events] == [
        ("sample.rejected", "home", "11,11/INV")
    ]
    with SqliteStore(path) as store:
        assert [one.measured_at for one in store.samples(ROOF, 0, 1 << 50)] == [int(NOON.timestamp()) + 600]


def test_poll_batch_replaces_implausible_powers_by_gaps():
    values = {
        "pv_power": -1.0,
        "grid_power": -1e63,
        "battery_power": 10_000_001.0,
        "load_power": -1000.0,
        "ac_power": 3000.0,
        "battery_soc": 1e30,
    }
    batch = poll_batch([snapshot(values)], {})
    sample = batch.samples[0]
    known = {name: value for name, value in sample.values.items() if value is not None}
    assert (known, sample.quality) == ({"ac_power": 3000.0}, Quality.REPAIRED)
    assert sample.values.keys() == values.keys()
    at = int(NOON.timestamp())
    assert batch.repairs == [
        Repair(ROOF, at, name, value, None, "outside the plausible range")
        for name, value in values.items()
        if name != "ac_power"
    ]
    assert batch.counters[ROOF]["power"]["last"] == 3000.0
