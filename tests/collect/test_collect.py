"""The collector over real sockets: emulated clouds, a real store, and a simulated clock."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sqlite3
import sys
from datetime import UTC, datetime
from errno import EMFILE

import pytest

from heliograph.cli.logs import LineFormatter
from heliograph.collect.progress import PollProgress
from heliograph.collect.schedule import PollPolicy
from heliograph.collect.service import collect, collect_garbage_rarely, collect_once
from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import InvalidCredentials
from heliograph.eventlog import LogEvent
from heliograph.store.base import Batch, Series
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter
from support.collector_fixtures import Jumping, worker_of
from support.store_fixtures import DatabasePlace
from support.store_rows import ROOF, SAMPLE

MORNING = "2026-06-21T05:00:00+02:00"


@pytest.fixture
def world():
    """Yield an emulator of both clouds with a stopped clock, and its ready line."""
    emulator = build_emulator(
        EmulatorOptions(start=datetime.fromisoformat(MORNING), speed=0, accounts=2), [GROWATT, GOODWE]
    )
    with serve_in_thread(emulator) as ready:
        yield emulator, ready


def collected(world, path, hours, during=None, accounts=None, patience=5.0, opened=None, **options):
    """Collect for so many simulated hours, and return the store and the pollers."""
    emulator, ready = world
    opened = opened or (lambda: SqliteStore(path / "heliograph.sqlite", patience=patience))

    async def run():
        clock = Jumping(emulator, emulator.world.clock.now().timestamp() + hours * 3600)
        stop = asyncio.Event()
        writer = BufferedWriter(opened)
        chosen = ready["accounts"] if accounts is None else accounts
        pollers = [worker_of(one, ready, writer, clock, path / "accounts", **options) for one in chosen]
        clock.workers = len(pollers) + (during is not None)
        meanwhile = asyncio.create_task(during(clock, stop)) if during else None
        await collect(pollers, writer, clock, stop)
        if meanwhile:
            await meanwhile
        return pollers

    pollers = asyncio.run(run())
    return opened(), pollers


def test_collect_polls_both_clouds_for_a_day_within_budget(world, tmp_path):
    for account in world[1]["accounts"]:
        plant = account["plants"][0]
        store, (poller,) = collected(world, tmp_path, 24, accounts=[account], plants=[plant])
        budget = poller.client.budget
        assert poller.progress.problem is None
        assert budget.requests_used <= budget.requests_limit - budget.reserve
        assert budget.logins_used <= 2
        assert len(list(store.sample_times(Series(account["vendor"], plant), 0, 1 << 40))) > 40


def test_collect_isolates_failing_account(world, tmp_path):
    emulator, ready = world
    growatt, goodwe = ready["accounts"]
    wrong = growatt | {"password": "wrong"}
    store, (sick, sound) = collected(world, tmp_path, 3, accounts=[wrong, goodwe])
    assert isinstance(sick.progress.problem, InvalidCredentials)
    assert emulator.log.as_dict()["rejected_logins"] == {growatt["username"]: 1}
    assert sound.progress.problem is None
    assert len(list(store.sample_times(Series("goodwe", goodwe["plants"][0]), 0, 1 << 40))) >= 2


@pytest.mark.parametrize(("interval", "warns"), [(180.0, True), (7200.0, False), (None, False)])
def test_poller_warns_once_if_budget_extends_interval(interval, warns, world, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "heliograph.collect")  # a backfill in the same process is silent about it
    account = world[1]["accounts"][0]
    pace, plants = PollPolicy(180.0, interval), account["plants"][:1]
    _, (poller,) = collected(world, tmp_path, 4, accounts=[account], plants=plants, pace=pace)
    events = [one.msg.facts for one in caplog.records if one.levelname == "WARNING" and isinstance(one.msg, LogEvent)]
    told = [facts for facts in events if facts["event"] == "poll.interval_extended"]
    assert len(told) == warns
    for facts in told:
        assert (facts["account"], facts["interval"]) == (poller.progress.name, 180.0)
        waits = poller.progress.next_at - poller.progress.polled_at
        assert facts["seconds"] == pytest.approx(waits, abs=60)
        assert facts["seconds"] > 1.5 * 180
        assert facts["why"].endswith(f" of {poller.client.budget.daily} a day")


def test_collect_restart_needs_no_login_and_counts_no_energy_twice(world, tmp_path):
    emulator, ready = world
    account = ready["accounts"][0]
    plant = account["plants"][0]
    for _ in range(6):
        store, (poller,) = collected(world, tmp_path, 1.5, accounts=[account], plants=[plant])
    assert poller.client.budget.logins_used == 1
    series = Series("growatt", plant)
    (newest,) = store.latest(series)
    said = [entry.values["pv_energy_today"] for entry in store.samples(series, 0, 1 << 40)]
    known = [value for value in said if value is not None]
    assert known == sorted(known)
    assert newest.values["pv_energy_today"] == pytest.approx(truth(emulator, account, newest), abs=0.15)


def truth(emulator, account, entry):
    """Return the solar energy of the day until an entry's moment."""
    (holder,) = (one for one in emulator.accounts if one.username == account["username"])
    (site,) = (one for one in holder.plants if one.id == entry.series.plant)
    return sum(
        home.values(datetime.fromtimestamp(entry.measured_at, UTC))["pv_energy_today"] for home in site.households
    )


def test_collect_loses_no_sample_while_store_is_locked(world, tmp_path):
    account = world[1]["accounts"][0]
    plant = account["plants"][0]
    path = tmp_path / "heliograph.sqlite"

    async def lock_it(clock, stop):
        """Hold the file's write lock for two of the four hours."""
        await clock.wait(clock.now() + 3600, stop)
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        await clock.wait(clock.now() + 7200, stop)
        other.close()
        await clock.wait(clock.end, stop)

    start = world[0].world.clock.now().timestamp()
    store, (poller,) = collected(world, tmp_path, 4, lock_it, accounts=[account], plants=[plant], patience=0.01)
    moments = list(store.sample_times(Series("growatt", plant), 0, 1 << 40))
    assert poller.progress.problem is None
    assert sum(start + 3600 < moment < start + 3 * 3600 for moment in moments) >= 6


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_collect_polls_while_disk_is_full_and_writes_pending_batches_later(world, tmp_path):
    import resource

    account = world[1]["accounts"][0]
    plant = account["plants"][0]
    path, series, known = tmp_path / "heliograph.sqlite", Series("growatt", plant), []
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def fill_it(clock, stop):
        """Leave no room for two of the four hours."""
        await clock.wait(clock.now() + 3600, stop)
        grown = path.with_name(f"{path.name}-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (grown + 1, usual[1]))
        before = requests(world)
        known.append(moments_of(path, series))
        await clock.wait(clock.now() + 7200, stop)
        known.append(moments_of(path, series))
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert requests(world) > before + 10
        await clock.wait(clock.end, stop)

    start = world[0].world.clock.now().timestamp()
    try:
        store, (poller,) = collected(world, tmp_path, 4, fill_it, accounts=[account], plants=[plant])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    moments = list(store.sample_times(series, 0, 1 << 40))
    assert poller.progress.problem is None
    assert known[0] == known[1]
    assert sum(start + 3600 < moment < start + 3 * 3600 for moment in moments) >= 6


def moments_of(path, series):
    with SqliteStore(path) as store:
        return list(store.sample_times(series, 0, 1 << 40))


def requests(world):
    return sum(one["requests"] for one in world[0].log.as_dict(0)["clouds"].values())


def test_collect_loses_no_sample_while_database_server_is_down(world, tmp_path, server):
    account = world[1]["accounts"][0]
    plant = account["plants"][0]
    place = DatabasePlace(server.url)

    async def stop_it(clock, stop):
        await clock.wait(clock.now() + 3600, stop)
        server.stop(signal.SIGQUIT)
        await clock.wait(clock.now() + 7200, stop)
        server.start()
        await clock.wait(clock.end, stop)

    start = world[0].world.clock.now().timestamp()
    store, (poller,) = collected(world, tmp_path, 4, stop_it, accounts=[account], plants=[plant], opened=place.open)
    moments = list(store.sample_times(Series("growatt", plant), 0, 1 << 40))
    store.close()
    place.empty()
    assert poller.progress.problem is None
    assert sum(start + 3600 < moment < start + 3 * 3600 for moment in moments) >= 6


def test_buffered_writer_retries_without_another_poll(tmp_path, monkeypatch):
    monkeypatch.setattr("heliograph.store.threaded.RETRY_SECONDS", 0.01)
    path = tmp_path / "heliograph.sqlite"

    async def run():
        writer = BufferedWriter(lambda: SqliteStore(path, patience=0.01))
        await writer.run(lambda _: None)
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        assert not await writer.write(Batch(samples=[SAMPLE]))
        other.close()
        await writer._retry
        assert not writer.pending
        assert await writer.finish()

    asyncio.run(asyncio.wait_for(run(), 30))
    with SqliteStore(path) as store:
        assert [one.measured_at for one in store.samples(ROOF, 0, 1 << 40)] == [SAMPLE.measured_at]


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (ZeroDivisionError("s3cret"), "event=internal.error account=home error=ZeroDivisionError where="),
        (
            OSError(EMFILE, "Too many open files", "s3cret"),
            'event=poll.failed account=home error=OSError why="Too many',
        ),
    ],
)
def test_collect_logs_foreign_error_in_one_line_without_its_text(error, event, capsys, tmp_path):
    class Broken:
        progress = PollProgress("home")

        async def poll_once(self):
            raise error

    async def run():
        return await collect_once(
            [Broken()], BufferedWriter(lambda: SqliteStore(tmp_path / "x.sqlite")), asyncio.Event()
        )

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(as_json=False))
    log = logging.getLogger("heliograph.collect")
    log.addHandler(handler)
    try:
        assert not asyncio.run(run())
    finally:
        log.removeHandler(handler)
    (line,) = capsys.readouterr().err.splitlines()
    assert f" error {event}" in line
    assert "s3cret" not in line
    assert ("ulimit -n" in line) == isinstance(error, OSError)


def test_collect_garbage_rarely_raises_the_threshold_of_young_objects_only():
    before = gc.get_threshold()
    try:
        collect_garbage_rarely()
        young, *others = gc.get_threshold()
        assert gc.isenabled()
        assert (young, others) == (20_000, list(before[1:]))
    finally:
        gc.set_threshold(*before)
