"""The account poller: what becomes of the samples of one poll, with a real store and a client that returns them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from heliograph.collect.batch import poll_batch
from heliograph.collect.budget import backfill_requests, poll_requests
from heliograph.collect.counters.repair import provisional_metrics
from heliograph.collect.poller import AccountPoller
from heliograph.collect.pollstate import read_state, time_of_day
from heliograph.collect.schedule import PollPolicy, jitter, poll_rhythm
from heliograph.collect.service import watch_queues
from heliograph.errors import AccountLocked, RequestRefused, StoreError
from heliograph.eventlog import LogEvent
from heliograph.keeper.snapshot_file import SnapshotFile
from heliograph.local_time import Clock
from heliograph.model import Device, DeviceSnapshot, Plant, Quality, Snapshot, Status
from heliograph.store.base import Batch, PollStatus, Repair, Series, StoredSample
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter
from heliograph.vendors.base import LivePoll, PollLoad

BERLIN = ZoneInfo("Europe/Berlin")
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


@pytest.mark.parametrize("year", [1, 1970, 1999])
def test_poll_batch_sets_sample_from_before_2000_aside_with_a_reason(year):
    one = snapshot({"pv_power": 1733.2}, measured_at=datetime(year, 1, 2, tzinfo=UTC), device_at=NOON)
    batch = poll_batch([one], {})
    assert [sample.series for sample in batch.samples] == [BOX]
    fetched_at = int(one.fetched_at.timestamp())
    assert batch.repairs == [Repair(ROOF, fetched_at, "pv_power", 1733.2, None, "measured before 2000")]


def test_poll_batch_stores_first_counters_without_correction():
    values = {"pv_energy_today": 9.0, "pv_energy_total": 812.5}
    batch = poll_batch([snapshot(values)], {})
    assert batch.repairs == []
    assert [one.values for one in batch.samples if one.series == ROOF] == [values]
    assert [(day.series, day.values) for day in batch.days] == [(ROOF, {"pv_energy": 9.0})]
    assert provisional_metrics(batch.counters[ROOF]) == set(values)


def test_poll_batch_judges_first_counters_by_curve_and_size_of_plant():
    values = {"pv_energy_today": 90.0}
    assert poll_batch([snapshot(values)], {}, curves={ROOF: {"pv_energy": 4.0}}).repairs[0].kept == 4.0
    small = replace(snapshot(values), plant=replace(snapshot(values).plant, peak_power=3.0))
    assert poll_batch([small], {}).repairs[0].reason == "more than can be"


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

    budget = SimpleNamespace(free=100, requests_used=0, daily=250, reserve=20)
    guard = SimpleNamespace(snapshot_file=SnapshotFile(Path("/nonexistent"), "acme-1"))
    snapshot = None

    async def budget_async(self):
        return self.budget

    async def free_at_async(self, requests):
        return 0.0

    async def live(self, rhythm, plants=()):
        return LivePoll((self.snapshot,), PollLoad())


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


def test_poller_settles_daily_counter_that_stands_still_by_stored_curve(tmp_path, caplog):
    caplog.set_level(logging.INFO, "heliograph.collect")
    clock, client, path = Standing(NOON.timestamp()), Client(), tmp_path / "heliograph.sqlite"
    metric, midnight = "battery_discharge_energy_today", int(NOON.timestamp()) - 12 * 3600
    with SqliteStore(path) as store:
        curve = [
            StoredSample(ROOF, midnight + 300 * i, 1, Quality.BACKFILLED, None, {"battery_power": 1000.0 * (i < 24)})
            for i in range(144)
        ]
        store.write(Batch(samples=curve))

    async def run():
        writer = BufferedWriter(lambda: SqliteStore(path))
        poller = AccountPoller("home", lambda: client, writer, clock, PollPolicy(180.0))
        seen = []
        for minutes in (0, 10):
            clock.at = NOON.timestamp() + 60 * minutes
            at = NOON + timedelta(minutes=minutes)
            client.snapshot = replace(snapshot({metric: 2.0, "battery_power": 0.0}, at, at), devices=())
            await poller.poll_once()
            state = await writer.run(lambda store: store.counters(ROOF))
            seen.append(provisional_metrics(state))
        await writer.finish()
        return seen

    assert asyncio.run(run()) == [{metric}, set()]
    polls = [one.msg.facts for one in caplog.records if isinstance(one.msg, LogEvent)]
    assert [one["corrected"] for one in polls if one["event"] == "poll.done"] == [0, 0]
    with SqliteStore(path) as store:
        assert store.repairs(ROOF, 0, 1 << 50) == ()
        assert [one.values["battery_discharge_energy"] for one in store.days(ROOF, NOON.date(), NOON.date())] == [2.0]


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


class Cloud(Client):
    """A client whose polls succeed or raise, with a budget that may be used."""

    def __init__(self, clock, load=PollLoad(), rotating=frozenset()):  # noqa: B008 - immutable
        self.clock, self.load, self.rotating = clock, load, rotating
        self.error, self.free_from, self.rhythms, self.problems = None, 0.0, [], {}

    async def free_at_async(self, requests):
        return self.free_from

    async def live(self, rhythm, plants=()):
        self.rhythms.append(rhythm)
        if self.error is not None:
            raise self.error
        now = datetime.fromtimestamp(self.clock.at, UTC)
        found = snapshot({"pv_power": 1.0}, measured_at=now, fetched_at=now)
        if self.problems:
            found = replace(found, plant=replace(found.plant, id="12"), devices=())
        return LivePoll((found,), self.load, self.rotating, problems=self.problems)


@contextmanager
def polling(tmp_path, start=NOON, **options):
    """Yield a clock, a cloud, and a function that polls at the clock's time and returns the time of the next poll."""
    clock = Standing(start.timestamp())
    cloud = Cloud(clock, **options)
    writer = BufferedWriter(lambda: SqliteStore(tmp_path / "heliograph.sqlite"))
    poller = AccountPoller("home", lambda: cloud, writer, clock, PollPolicy(180.0, None, 660.0))
    with asyncio.Runner() as runner:
        yield clock, cloud, poller, lambda: runner.run(poller.poll_once())
        runner.run(writer.finish())


def test_poller_keeps_a_poll_that_the_store_failed_to_process(tmp_path, monkeypatch):
    with polling(tmp_path) as (_, cloud, poller, poll):
        run, live = poller.writer.run, cloud.live

        async def fails(_):
            raise StoreError("away")

        async def live_then_fail(*arguments):
            monkeypatch.setattr(poller.writer, "run", fails)
            return await live(*arguments)

        monkeypatch.setattr(cloud, "live", live_then_fail)
        poll()
        assert isinstance(poller.progress.problem, StoreError)
        monkeypatch.setattr(poller.writer, "run", run)
        poll()
        assert poller.progress.problem is None
        assert (len(cloud.rhythms), poller.progress.samples) == (1, 2)


def status_of(tmp_path):
    with SqliteStore(tmp_path / "heliograph.sqlite") as store:
        return store.poll_statuses()[ROOF]


def waits(caplog):
    events = [one.msg.facts for one in caplog.records if isinstance(one.msg, LogEvent)]
    return [(one["why"], one["next"]) for one in events if one["event"] == "poll.waiting"]


def test_poller_stores_the_stated_interval_and_the_next_poll(tmp_path):
    with polling(tmp_path) as (clock, _, _, poll):
        next_at = poll()
    assert 660 <= next_at - clock.at <= 660 + 17
    assert status_of(tmp_path) == PollStatus(ROOF, int(clock.at), 660, int(next_at), "")


class Stopping(Standing):
    """A clock whose first wait ends the collector."""

    until = None

    async def wait(self, until, stop):
        self.until = until
        stop.set()


def started(tmp_path, at, plants=()):
    """Start a collector, and return when it waits for its first poll; None if it polls at once."""
    clock = Stopping(at)
    cloud = Cloud(clock)

    async def run():
        writer = BufferedWriter(lambda: SqliteStore(tmp_path / "heliograph.sqlite"))
        await AccountPoller("home", lambda: cloud, writer, clock, PollPolicy(180.0), plants=plants).run(asyncio.Event())
        await writer.finish()

    asyncio.run(run())
    return None if cloud.rhythms else clock.until


def test_poller_that_starts_again_waits_until_the_next_stored_poll_is_due(tmp_path):
    assert started(tmp_path, NOON.timestamp()) is None
    due = status_of(tmp_path).next_at
    for minutes in range(1, 10):
        assert started(tmp_path, NOON.timestamp() + 60 * minutes) == due
    assert started(tmp_path, NOON.timestamp() - 60) is None, "the clock was set back"


@pytest.mark.parametrize(("seconds", "plants"), [(700, ()), (60, ("11", "12"))])
def test_poller_that_starts_again_polls_at_once_if_a_poll_is_due_or_a_plant_is_new(tmp_path, seconds, plants):
    started(tmp_path, NOON.timestamp())
    assert started(tmp_path, NOON.timestamp() + seconds, plants) is None


def test_poller_that_starts_again_after_an_error_tries_at_once(tmp_path):
    with polling(tmp_path) as (clock, cloud, _, poll):
        poll()
        cloud.error = AccountLocked("the account is locked")
        clock.at += 60
        poll()
    assert started(tmp_path, clock.at + 60) is None


def test_poller_that_ended_while_it_filled_gaps_knows_of_its_poll(tmp_path):
    class Ending:
        async def fill(self, *_):
            raise KeyboardInterrupt

    with polling(tmp_path) as (clock, _, poller, poll):
        poller._gap_filler = Ending()
        with suppress(KeyboardInterrupt):
            poll()
    assert started(tmp_path, clock.at + 60) == int(clock.at + 660 + jitter(poller.progress.name, 660))


def test_poller_stores_the_other_plants_of_an_account_and_reports_the_one_that_failed(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "heliograph.collect")
    with polling(tmp_path) as (clock, cloud, poller, poll):
        poll()
        cloud.problems = {"11": RequestRefused("no right", vendor="acme")}
        for minutes in (12, 24):
            clock.at = NOON.timestamp() + 60 * minutes
            poll()
        found = status_of(tmp_path)
        assert (found.polled_at, found.reason) == (int(NOON.timestamp()), "the cloud's response cannot be used")
        assert (poller.progress.problem, poller.progress.samples) == (None, 4)
        cloud.problems = {}
        poll()
    assert status_of(tmp_path).reason == ""
    events = [one.msg.facts for one in caplog.records if isinstance(one.msg, LogEvent)]
    assert [(one["event"], one["plant"]) for one in events] == [("poll.plant_failed", "11")]


def test_poller_states_the_interval_of_a_plant_in_rotation(tmp_path):
    load = PollLoad(every_poll=1, flows=20, slow=40)
    with polling(tmp_path, load=load, rotating=frozenset(("11",))) as (clock, _, _, poll):
        next_at = poll()
    found = status_of(tmp_path)
    assert found.interval > next_at - clock.at
    assert found.next_at == found.polled_at + found.interval


def test_poller_polls_hourly_at_night_and_again_at_dawn(tmp_path):
    midnight = datetime(2026, 6, 20, 22, 30, tzinfo=UTC)
    with polling(tmp_path, start=midnight) as (clock, cloud, _, poll):
        poll()
        clock.at += 600
        night = poll() - clock.at
        clock.at = datetime(2026, 6, 21, 2, 50, tzinfo=UTC).timestamp()
        dawn = poll() - clock.at
    assert 3600 <= night <= 3700
    assert 600 <= dawn <= 1000
    assert not cloud.rhythms[-1].daylight


def test_poller_reads_the_counters_of_a_hybrid_at_the_end_of_the_day(tmp_path):
    load = PollLoad(every_poll=1, slow=3, night_slow=3)
    evening = datetime(2026, 6, 21, 21, 15, tzinfo=UTC)
    with polling(tmp_path, start=evening, load=load) as (clock, cloud, poller, poll):
        clock.at = poll()
        assert 23 * 3600 + 3000 <= time_of_day(clock.at, BERLIN)[0] <= 23 * 3600 + 3045
        after = poll() - clock.at
    assert [rhythm.day_end for rhythm in cloud.rhythms] == [False, True]
    assert 3600 <= after <= 3700
    assert not poller._boosted


def test_poller_stores_and_logs_once_why_it_waits(tmp_path, caplog):
    caplog.set_level(logging.INFO, "heliograph.collect")
    with polling(tmp_path) as (clock, cloud, _, poll):
        poll()
        cloud.error = AccountLocked("the account is locked")
        cloud.error.retry_after = 7200.0
        for _ in range(2):
            clock.at += 660
            next_at = poll()
        found = status_of(tmp_path)
        until = datetime.fromtimestamp(next_at, ZoneInfo("Europe/Berlin"))
        assert (found.next_at, found.reason) == (int(next_at), f"locked until {until:%H:%M}")
        assert found.polled_at == int(NOON.timestamp())
        cloud.error = None
        clock.at = next_at
        poll()
    assert status_of(tmp_path).reason == ""
    assert [why for why, _ in waits(caplog)] == ["locked until 14:11", "locked until 14:22"]


def test_poller_waits_until_the_budget_allows_a_poll(tmp_path, caplog):
    caplog.set_level(logging.INFO, "heliograph.collect")
    with polling(tmp_path) as (clock, cloud, _, poll):
        poll()
        clock.at += 660
        cloud.free_from = clock.at + 5400
        cloud.budget = SimpleNamespace(free=0, requests_used=250, daily=250, reserve=20)
        assert poll() == cloud.free_from
        clock.at += 3000
        assert poll() == cloud.free_from
    assert len(cloud.rhythms) == 1
    assert status_of(tmp_path).reason == "the daily request quota is used"
    assert len(waits(caplog)) == 1


def test_poller_within_its_budget_does_not_load_the_state_to_learn_when_it_may_poll(tmp_path):
    with polling(tmp_path) as (clock, cloud, _, poll):
        cloud.free_from = clock.at + 5400
        assert poll() < cloud.free_from


def test_boost_polls_at_each_upload_for_ten_minutes_within_half_the_reserve(tmp_path):
    with polling(tmp_path) as (clock, cloud, poller, poll):
        poller.progress.next_at = poll()
        poller.boost()
        intervals = []
        for _ in range(4):
            clock.at += 300
            intervals.append(poll() - clock.at)
        assert intervals[0] == 300
        assert intervals[-1] >= 660
        cloud.budget = SimpleNamespace(free=100, requests_used=0, daily=250, reserve=0)
        poller.boost()
        clock.at += 300
        assert poll() - clock.at >= 660


class Announcing(Clock):
    """The machine's clock, which announces that its user begins to wait."""

    def __init__(self):
        self.waits = asyncio.Queue()

    async def wait(self, until, stop):
        self.waits.put_nowait(until)
        await super().wait(until, stop)


def test_boost_wakes_a_waiting_poller(tmp_path):
    async def run():
        clock, stop = Announcing(), asyncio.Event()
        cloud = Cloud(Standing(clock.now()))
        writer = BufferedWriter(lambda: SqliteStore(tmp_path / "heliograph.sqlite"))
        poller = AccountPoller("home", lambda: cloud, writer, clock, PollPolicy(180.0, None, 660.0))
        task = asyncio.create_task(poller.run(stop))
        await clock.waits.get()
        poller.progress.polled_at -= 400
        poller.boost()
        await clock.waits.get()
        assert len(cloud.rhythms) == 2
        stop.set()
        await task
        await writer.finish()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_boost_polls_five_minutes_after_the_program_of_a_person_has_fetched(tmp_path):
    with polling(tmp_path) as (clock, _, poller, poll):
        poller.progress.next_at = poll()
        clock.at += 60
        poller.boost(clock.at - 30)
        assert poller.progress.next_at == NOON.timestamp() + 330
        clock.at += 400
        poller.boost()
        assert poller.progress.next_at == NOON.timestamp() + 330
        poller.progress.next_at = poll()
        poller.progress.reason = "locked until 14:05"
        poller.boost()
        assert poller.progress.next_at == clock.at + 300, "still boosted, but not moved by the wait after an error"


def test_queued_snapshot_is_stored_within_seconds_and_boosts_if_a_person_waited_for_it(tmp_path):
    async def run(*, interactive):
        clock, stop = Announcing(), asyncio.Event()
        queue = SnapshotFile(tmp_path / f"{interactive}", "acme-1")
        cloud = Cloud(Standing(clock.now() - 900))
        cloud.guard = SimpleNamespace(snapshot_file=queue)
        writer = BufferedWriter(lambda: SqliteStore(tmp_path / f"{interactive}.sqlite"))
        poller = AccountPoller("home", lambda: cloud, writer, clock, PollPolicy(180.0, None, 660.0))
        polling = asyncio.create_task(poller.run(stop))
        usual = await clock.waits.get()
        fetched_at = datetime.now(UTC)
        one = snapshot({"pv_power": 7.0}, measured_at=fetched_at, fetched_at=fetched_at)
        queue.add([one], fetched_at.timestamp(), None, is_all=True, interactive=interactive)
        watching = asyncio.create_task(watch_queues([poller], clock, stop))
        times = [await clock.waits.get()]
        while len(times) < 3 and queue.queued():
            times.append(await clock.waits.get())
        stop.set()
        await asyncio.gather(polling, watching)
        stored = await writer.run(lambda store: [one.values.get("pv_power") for one in store.samples(ROOF, 0, 1 << 50)])
        await writer.finish()
        assert stored == [1.0, 7.0]
        return usual, poller.progress.next_at, fetched_at.timestamp()

    usual, next_at, _ = asyncio.run(asyncio.wait_for(run(interactive=False), 60))
    assert next_at == usual
    usual, next_at, fetched_at = asyncio.run(asyncio.wait_for(run(interactive=True), 60))
    assert next_at == fetched_at + 300 < usual


def test_daylight_is_learned_from_three_finished_days(tmp_path):
    zone, noon = ZoneInfo("Europe/Berlin"), int(NOON.timestamp())
    hours = [noon + 3600 * hour for day in (-3, -2, -1, 0) for hour in range(24 * day - 4, 24 * day + 5)]
    values = {"pv_power": 900.0}
    rows = [StoredSample(ROOF, at, at, Quality.LIVE, None, values) for at in hours if at <= noon]
    with SqliteStore(tmp_path / "s.sqlite") as store:
        store.write(Batch(samples=rows[9:]))
        assert read_state(store, set(), {ROOF: zone}, noon).sunny == ()
        store.write(Batch(samples=rows))
        sunny = read_state(store, set(), {ROOF: zone}, noon).sunny
    assert (min(sunny), max(sunny)) == (8 * 3600 + 900, 16 * 3600 + 900)


def test_budget_of_polls_makes_room_for_a_backfill():
    load = PollLoad(every_poll=1, slow=3, night_slow=3)
    assert poll_requests(160, load, 57600.0, 660.0, 3) == 144
    live = poll_requests(160, load, 57600.0, 660.0, 60)
    assert live + backfill_requests(160, load, 57600.0, 660.0) <= 160
    assert poll_rhythm(load, live, 57600.0, 660.0).interval <= 900


@pytest.mark.parametrize(("total", "today"), [(1e30, 1e6), (-1e30, -0.5)])
def test_poll_batch_replaces_impossible_energies_by_gaps_however_often_they_are_repeated(total, today):
    states = {}
    for minutes in (0, 5, 10):
        at = NOON + timedelta(minutes=minutes)
        one = snapshot({"pv_energy_total": total, "pv_energy_today": today}, measured_at=at, fetched_at=at)
        batch = poll_batch([one], states)
        states.update(batch.counters)
        assert not any(batch.samples[0].values.values())
