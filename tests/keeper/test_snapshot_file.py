"""The snapshot file of an account: cached snapshots, the queue for the store, and damaged or unwritable files."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from threading import Thread
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from heliograph import AsyncGrowatt, GoodWe, Growatt, Keeper, Limits
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import StoreError, Throttled
from heliograph.keeper import snapshot_file
from heliograph.keeper.snapshot_file import SnapshotFile
from heliograph.model import Device, DeviceSnapshot, Plant, Snapshot, Status
from heliograph.vendors.base import PollRhythm

NOON = datetime(2026, 6, 21, 10, 2, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def make_snapshot(plant="1", minute=0, power=4210.0, zone=BERLIN):
    at = NOON + timedelta(minutes=minute)
    values = {"pv_power": power, "battery_soc": None}
    device = Device(vendor="growatt", plant=plant, id="ABC", family="tlx", name="Inverter")
    part = DeviceSnapshot(
        device=device, status=Status.STANDBY, measured_at=at, values=values, sources={"pv_power": "x"}
    )
    return Snapshot(
        plant=Plant(vendor="growatt", id=plant, name="Rööf", zone=zone),
        status=Status.ONLINE,
        measured_at=at,
        fetched_at=at + timedelta(seconds=90.5),
        values=values,
        sources={"pv_power": "tlx_detail.ppv"},
        devices=(part,),
    )


@pytest.fixture
def file(tmp_path):
    return SnapshotFile(tmp_path / "accounts", "growatt-0123")


@pytest.mark.parametrize("zone", [BERLIN, None, UTC, timezone(timedelta(hours=-3, minutes=-30))], ids=str)
def test_saved_snapshot_equals_the_fetched_one(file, zone):
    snapshot = make_snapshot(zone=zone)
    file.add([snapshot], 100.0, None, is_all=False)
    assert file.find("1", None) == (100.0, (snapshot,), False)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_saved_snapshot_remembers_whether_a_person_waited(file):
    file.add([make_snapshot("1")], 100.0, None, is_all=False, interactive=True)
    file.add([make_snapshot("2")], 100.0, None, is_all=False)
    assert [one.interactive for one in file.queued()] == [True, False]
    stored = json.loads(file.path.read_text())
    stored["saved"] = [row[:5] for row in stored["saved"]]
    file.path.write_text(json.dumps(stored))
    assert [one.interactive for one in file.queued()] == [False, False], "saved by an older version"


def test_changed_at_differs_after_each_change(file):
    seen = [file.changed_at()]
    for at in (100.0, 200.0):
        file.add([make_snapshot()], at, None, is_all=False)
        os.utime(file.path, ns=(int(at), int(at)))
        seen.append(file.changed_at())
    assert seen == [0, 100, 200]


def test_find_without_plant_returns_all_plants_only_if_all_were_fetched(file):
    first, second = make_snapshot("1"), make_snapshot("2")
    file.add([first], 100.0, None, is_all=False)
    assert file.find(None, None) is None
    file.add([first, second], 200.0, None, is_all=True)
    newer = make_snapshot("1", minute=5)
    file.add([newer], 500.0, None, is_all=False)
    assert file.find(None, None)[:2] == (200.0, (newer, second))
    assert file.find("3", None) is None


def test_find_remembers_an_account_without_plants(file):
    file.add([], 100.0, None, is_all=True)
    assert file.find(None, None)[:2] == (100.0, ())


def test_find_returns_no_snapshot_of_a_client_with_another_time_zone(file):
    file.add([make_snapshot()], 100.0, BERLIN, is_all=False)
    assert file.find("1", None) is None
    assert file.find("1", BERLIN) is not None


def test_queue_returns_each_measurement_once_and_drops_what_was_stored(file):
    for at, minute in ((0, 0), (100, 0), (200, 5), (300, 10)):
        file.add([make_snapshot(minute=minute)], at, None, is_all=True)
    queued = file.queued()
    assert [one.at for one in queued] == [100, 200, 300]
    assert queued[0].snapshot() == make_snapshot()
    file.mark_stored(queued[:2])
    assert [one.at for one in file.queued()] == [300]
    file.mark_stored(queued)
    assert file.queued() == ()
    assert file.find("1", None) is not None, "the newest one stays in the cache"
    assert len(json.loads(file.path.read_text())["saved"]) == 1


def test_queue_is_bounded_and_keeps_the_newest(file, monkeypatch):
    monkeypatch.setattr(snapshot_file, "MAX_QUEUED", 3)
    for minute in range(10):
        file.add([make_snapshot("1", minute), make_snapshot("2", minute)], minute, None, is_all=True)
    assert [(one.at, one.plant) for one in file.queued()] == [(7, "2"), (8, "1"), (8, "2"), (9, "1"), (9, "2")]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format":2}', '{"format":1,"saved":[[1]],"plants":[]}'])
def test_damaged_file_is_empty_with_a_warning_and_is_replaced(file, caplog, text):
    file.folder.mkdir()
    file.path.write_text(text)
    with caplog.at_level(logging.WARNING):
        assert file.find("1", None) is None
    assert "snapshots.unreadable" in caplog.text
    file.add([make_snapshot()], 100.0, None, is_all=False)
    assert len(file.queued()) == 1


def test_file_with_unknown_members_of_a_newer_version_is_read(file):
    file.add([make_snapshot()], 100.0, None, is_all=False)
    file.path.write_text(file.path.read_text().replace('"@":"Plant"', '"@":"Plant","colour":"red"'))
    assert file.find("1", None)[:2] == (100.0, (make_snapshot(),))


def test_symlink_is_not_followed(file, tmp_path):
    file.folder.mkdir()
    (tmp_path / "other").write_text("mine")
    file.path.symlink_to(tmp_path / "other")
    assert file.queued() == ()
    file.add([make_snapshot()], 100.0, None, is_all=False)
    assert (tmp_path / "other").read_text() == "mine"


def test_two_programs_lose_no_snapshot_of_each_other(file):
    def add(plant):
        for minute in range(20):
            file.add([make_snapshot(plant, minute)], minute, None, is_all=False)

    threads = [Thread(target=add, args=(plant,)) for plant in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.queued()) == 40


def test_folder_that_cannot_be_written_is_an_error_with_advice(file):
    file.folder.write_text("a file")
    with pytest.raises(StoreError, match="free disk space"):
        file.add([make_snapshot()], 100.0, None, is_all=False)


# Clients


@pytest.fixture
def cloud(tmp_path):
    """Both emulated clouds, a clock, and functions that create clients of a protected account."""
    emulator = build_emulator(EmulatorOptions(start=NOON.astimezone(), speed=0, accounts=2))
    with serve_in_thread(emulator) as ready:
        clock = SimpleNamespace(now=NOON.timestamp())

        def client(kind=Growatt, folder=tmp_path / "accounts", **options):
            account = ready["accounts"][kind is GoodWe]
            options = {"keeper": Keeper(folder), "clock": lambda: clock.now, **options}
            return kind(account["username"], account["password"], server=ready["url"], **options)

        yield SimpleNamespace(client=client, clock=clock, emulator=emulator)


@pytest.fixture
def sent(cloud):
    """Return a function that returns the number of requests since its last call."""
    total = 0

    def count():
        nonlocal total
        counters = [cloud.emulator.log.cloud_counters(vendor) for vendor in ("growatt", "goodwe")]
        before, total = total, sum(one.requests for one in counters)
        return total - before

    return count


@pytest.mark.parametrize("kind", [Growatt, GoodWe])
def test_fifty_programs_in_a_row_send_one_set_of_requests(cloud, sent, kind):
    first = cloud.client(kind).snapshots()
    assert sent() > len(first)
    for _ in range(49):
        cloud.clock.now += 1
        assert cloud.client(kind).snapshots() == first
    assert cloud.client(kind).snapshot(first[0].plant.id) == first[0]
    assert sent() == 0


def test_snapshot_is_fetched_again_after_the_interval_of_uploads(cloud, sent):
    client = cloud.client()
    plant = client.plants()[0].id
    client.snapshot(plant)
    sent()
    cloud.clock.now += 299
    client.snapshot(plant)
    assert sent() == 0
    cloud.clock.now += 1
    client.snapshot(plant)
    assert sent() > 0
    cloud.clock.now -= 3600
    client.snapshot(plant)
    assert sent() > 0, "a snapshot of the future is not young"


def test_max_age_zero_fetches_and_a_greater_one_accepts_older_snapshots(cloud, sent):
    client = cloud.client()
    client.snapshots()
    sent()
    client.snapshots(max_age=0)
    assert sent() > 0
    cloud.clock.now += 3600
    client.snapshots(max_age=7200)
    assert sent() == 0


@pytest.mark.parametrize("options", [{"keeper": None}, {"self_throttled": True}], ids=["no keeper", "self-throttled"])
def test_client_with_its_own_rhythm_or_without_keeper_fetches_and_saves_nothing(cloud, sent, options):
    client = cloud.client(**options)
    plant = client.plants()[0].id
    client.snapshot(plant)
    sent()
    client.snapshot(plant)
    assert sent() > 0
    if options.get("self_throttled"):
        assert not client.guard.snapshot_file.path.exists()


def test_raw_call_is_always_sent(cloud, sent):
    client = cloud.client()
    plant = client.snapshots()[0].plant.id
    sent()
    client.plant_info(plant)
    client.plant_info(plant)
    assert sent() == 2


def test_async_client_shares_the_snapshots_of_a_blocking_one(cloud, sent):
    found = cloud.client().snapshots()
    sent()
    assert asyncio.run(cloud.client(AsyncGrowatt).snapshots()) == found
    assert sent() == 0


def test_simultaneous_programs_fetch_once(cloud, sent):
    clients = [cloud.client() for _ in range(4)]
    plant = clients[0].plants()[0].id
    clients[0].snapshot(plant, max_age=0)  # with what is fetched once a day
    sent()
    clients[0].snapshot(plant, max_age=0)
    cost = sent()
    cloud.clock.now += 600
    threads = [Thread(target=client.snapshot, args=(plant,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent() == cost


def test_program_that_must_wait_is_offered_the_saved_snapshot_and_interactive_use(cloud):
    limits = Limits(requests=40, logins=8, reserve=4)
    client = cloud.client(limits=limits)
    plant = client.plants()[0].id
    while client.budget.next_free is None:
        client.snapshot(plant)
        cloud.clock.now += 301
    with pytest.raises(Throttled) as refused:
        client.snapshot(plant)
    assert refused.value.retry_after > 0
    assert "Nothing was sent; next attempt at" in str(refused.value)
    assert "interactive=True" in str(refused.value)
    assert "max_age=361 returns the saved snapshot of 5 min ago" in str(refused.value)
    with pytest.raises(Throttled, match="max_age=361"):
        client.snapshot(plant, max_age=0)
    with pytest.raises(Throttled, match="interactive=True"):
        client.plant_info(plant)
    assert client.snapshot(plant, max_age=361)
    assert cloud.client(interactive=True, limits=limits).snapshot(plant)


def test_program_without_budget_gets_what_the_collector_has_polled_since(cloud, sent):
    limits = Limits(requests=40, logins=8, reserve=4)
    script, collector = cloud.client(limits=limits), cloud.client(limits=limits, self_throttled=True)
    plant = script.plants()[0].id
    first = script.snapshot(plant)
    file = script.guard.snapshot_file
    file.mark_stored(file.queued())
    while script.budget.next_free is None:
        cloud.clock.now += 301
        cloud.emulator.world.clock.set(datetime.fromtimestamp(cloud.clock.now, UTC))
        polled = collector.live(PollRhythm(720.0, 720.0, 1e9), [plant]).snapshots
        file.share(polled, cloud.clock.now, None)
    cloud.clock.now += 600
    sent()
    found = script.snapshot(plant)
    assert sent() == 0
    assert found.measured_at == polled[0].measured_at > first.measured_at
    assert found.values["pv_energy_total"] is not None
    with pytest.raises(Throttled):
        script.snapshot(plant, max_age=0)
    cloud.clock.now += 1800
    if script.budget.next_free is not None:
        with pytest.raises(Throttled):
            script.snapshot(plant)


def test_shared_snapshot_has_the_counters_of_the_same_day_that_were_not_polled(file):
    assert file.share((make_snapshot(),), 1.0, None) is None
    assert file.find("1", None) is None, "no program has used the account"
    whole = replace(make_snapshot(), values={"pv_power": 1.0, "pv_energy_today": 2.0, "pv_energy_total": 3.0})
    file.add((whole,), 1.0, None, is_all=True)
    file.mark_stored(file.queued())
    for hours, expected in ((1, {"pv_energy_today": 2.0, "pv_energy_total": 3.0}), (30, {"pv_energy_total": 3.0})):
        polled = replace(whole, measured_at=whole.measured_at + timedelta(hours=hours), values={"pv_power": 5.0})
        file.share((polled,), 2.0, None)
        (found,) = file.find(None, None).snapshots
        assert found.values == {"pv_power": 5.0, **expected}
    assert file.find("1", None).at == 2.0
    assert file.queued() == ()


def test_snapshot_is_returned_with_a_warning_if_it_cannot_be_saved(cloud, caplog):
    client = cloud.client()
    plant = client.plants()[0].id
    client.guard.snapshot_file.path.mkdir()
    with caplog.at_level(logging.WARNING):
        assert client.snapshot(plant).values
    assert "snapshots.not_saved" in caplog.text


def test_known_plants_are_those_of_the_stored_session(cloud, sent):
    assert cloud.client().known_plants() == ()
    plants = tuple(plant.id for plant in cloud.client().plants())
    sent()
    assert cloud.client().known_plants() == plants
    assert sent() == 0
