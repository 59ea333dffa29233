"""Backfill: coarse queries before fine ones, within the budget, and restartable without loss or repeated queries."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.cli.main import run
from heliograph.cli.progress import progress_lines, show_progress
from heliograph.collect.backfill import Backfill, BackfillOptions, BackfillProgress, PlantBackfill
from heliograph.collect.budget import MARGIN
from heliograph.collect.counters.repair import CLOUD_DAY_HIGHER
from heliograph.collect.gaps import (
    DayRange,
    HistoryState,
    backfill_queries,
    contradicts_coarser_answer,
    infer_empty_periods,
)
from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError, InvalidCredentials, StoreError
from heliograph.keeper import Keeper
from heliograph.local_time import day_bounds
from heliograph.model import HistoryCost, PeriodEnergy, Plant, Quality, Sample, Snapshot
from heliograph.store.base import Batch, Day, QueryRecord, Repair, Series, SeriesInfo
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter
from support.collector_fixtures import KINDS, Jumping
from support.subprocesses import python

EVENING = "2026-06-21T18:00:00+02:00"
NOW = int(datetime.fromisoformat(EVENING).timestamp())
PLANT = Series("growatt", "11")
TODAY = date(2026, 6, 21)


# Queries


def told(energies, period):
    """Answer as a cloud that knows of these days does; what has no energy is absent."""
    letters = {0: 4, 4: 7, 7: 10}[len(period)]
    sums = {}
    for day, energy in energies.items():
        if f"{day}".startswith(period) and energy:
            sums[f"{day}"[:letters]] = sums.get(f"{day}"[:letters], 0) + energy
    return [PeriodEnergy(period=one, values={"pv_energy": total}) for one, total in sorted(sums.items())]


def walk(known, days, energies, most=10**6):
    """Ask until nothing is open or so many questions were, as the backfill does, and return what was asked."""
    asked = []
    while len(asked) < most:
        question = next(backfill_queries(PLANT, known, days, TODAY, NOW, UTC), None)
        if question is None:
            break
        asked.append((question.span, question.period))
        answer = () if question.span == "curve" else told(energies, question.period)
        outcome = "data" if answer or question.span == "curve" else "nothing"
        marks = [QueryRecord(*question, outcome, NOW), *infer_empty_periods(question, answer, known, days, NOW)]
        known.add(marks, [])
    return asked


def nothing_known():
    return HistoryState({span: {} for span in ("years", "months", "days", "curve")}, {})


def test_backfill_queries_are_coarse_first_and_skip_empty_periods():
    days = DayRange(date(2024, 11, 29), TODAY)
    energies = {date(2026, 6, 20): 5.0, date(2026, 6, 18): 5.0, date(2024, 12, 1): 1.0}
    assert walk(nothing_known(), days, energies) == [
        ("years", ""),
        ("months", "2026"),
        ("days", "2026-06"),
        ("curve", "2026-06-20"),
        ("curve", "2026-06-18"),
        ("months", "2024"),
        ("days", "2024-12"),
        ("curve", "2024-12-01"),
    ]


def test_backfill_queries_of_a_few_days_omit_years():
    days = DayRange(date(2026, 6, 19), TODAY)
    energies = {date(2026, 6, 20): 5.0, date(2026, 6, 19): 5.0}
    assert walk(nothing_known(), days, energies) == [
        ("days", "2026-06"),
        ("curve", "2026-06-20"),
        ("curve", "2026-06-19"),
    ]


def test_backfill_queries_months_if_no_year_has_energy():
    known, days = nothing_known(), DayRange(date(2025, 11, 1), TODAY)
    known.add([QueryRecord(PLANT, "years", "", "nothing", NOW)], [])
    assert walk(known, days, {})[:2] == [("months", "2026"), ("months", "2025")]


def test_empty_answer_contradicts_coarser_answer_with_energy():
    known = nothing_known()
    known.add([QueryRecord(PLANT, "months", "2026", "data", NOW)], [])
    question = next(backfill_queries(PLANT, known, DayRange(date(2026, 6, 1), TODAY), TODAY, NOW, UTC))
    assert (question.span, question.period) == ("days", "2026-06")
    assert contradicts_coarser_answer(question, (), known)
    assert not contradicts_coarser_answer(question, told({date(2026, 6, 1): 1.0}, "2026-06"), known)
    assert not contradicts_coarser_answer(question, (), nothing_known())


def test_infer_empty_periods_keeps_records_with_data():
    known, days = nothing_known(), DayRange(date(2026, 6, 1), TODAY)
    known.add([QueryRecord(PLANT, "curve", "2026-06-03", "data", NOW)], [])
    question = next(backfill_queries(PLANT, known, days, TODAY, NOW, UTC))
    marked = {
        one.period for one in infer_empty_periods(question, told({date(2026, 6, 2): 1.0}, "2026-06"), known, days, NOW)
    }
    assert "2026-06-03" not in marked
    assert "2026-06-02" not in marked
    assert "2026-06-04" in marked


@settings(max_examples=25)
@given(
    sunny=st.sets(st.integers(2, 500), max_size=60),
    length=st.integers(1, 500),
    stops=st.lists(st.integers(1, 40), max_size=6),
)
def test_backfill_queries_each_day_with_energy_once_across_restarts(sunny, length, stops):
    days = DayRange(TODAY - timedelta(days=length), TODAY - timedelta(days=2))
    energies = {TODAY - timedelta(days=n): 1.0 for n in sunny}
    known, asked = nothing_known(), []
    for most in [*stops, 10**6]:
        asked += walk(known, days, energies, most)
        known = HistoryState({span: dict(marks) for span, marks in known.queries.items()}, {})
    assert len(set(asked)) == len(asked)
    wanted = {f"{day}" for day in energies if days.first <= day <= days.last}
    curves = [period for span, period in asked if span == "curve"]
    # Where there is one month or one year, or a cloud tells of none at all, its days may still be asked for.
    assert wanted <= set(curves)
    if any(energies):
        assert curves == sorted(curves, reverse=True)
    every = {f"{days.first + timedelta(days=n)}" for n in range((days.last - days.first).days + 1)}
    assert every <= known.queries["curve"].keys()
    assert {one for one in every if known.queries["curve"][one].outcome == "data"} == wanted


# Over real sockets


@pytest.fixture(scope="module")
def serving():
    emulator = build_emulator(
        EmulatorOptions(start=datetime.fromisoformat(EVENING), speed=0, accounts=2), [GROWATT, GOODWE]
    )
    with serve_in_thread(emulator) as ready:
        yield emulator, ready


@pytest.fixture
def world(serving):
    yield serving
    emulator, _ = serving
    emulator.faults.set(dict.fromkeys(emulator.faults.as_dict()))
    emulator.world.clock.set(datetime.fromisoformat(EVENING))


def run_backfill(world, folder, account, selection, *, hours=1, opened=None, on_progress=lambda _: None, **options):
    """Fill an account from a clock that jumps, and return the store and the backfill."""
    emulator, ready = world
    path = folder / "heliograph.sqlite"

    async def act():
        clock = Jumping(emulator, emulator.world.clock.now().timestamp() + hours * 3600)
        client = KINDS[account["vendor"]](
            account["username"],
            account["password"],
            server=ready["url"],
            keeper=Keeper(folder / "accounts"),
            clock=clock.now,
            self_throttled=True,
            **options,
        )
        writer = BufferedWriter(opened or (lambda: SqliteStore(path)))
        job = Backfill(account["username"], client, writer, clock, selection, on_progress)
        try:
            await job.run(asyncio.Event())
        finally:
            await writer.finish()
        return job

    job = asyncio.run(act())
    return SqliteStore(path), job


def site_of(world, plant):
    return next(site for holder in world[0].accounts for site in holder.plants if site.id == plant)


def plants_of(account, place):
    return [account["plants"][place]]


@pytest.mark.parametrize(("vendor", "place"), [(0, 0), (0, 2), (1, 1)])
def test_backfill_stores_complete_days_that_match_the_simulation(vendor, place, world, tmp_path):
    account = world[1]["accounts"][vendor]
    (plant,) = plants_of(account, place)
    selection = BackfillOptions(date(2026, 6, 12), date(2026, 6, 19), [plant])
    store, job = run_backfill(world, tmp_path, account, selection)
    series = Series(account["vendor"], plant)
    days = store.days(series, date.min, date.max)
    # A month is told as a whole, so there are more days than were asked for.
    assert [one.day.day for one in days] == list(range(1, 21))
    for one in days:
        (truth, *rest) = (home.energies(f"{one.day}") for home in site_of(world, plant).households)
        for name, value in one.values.items():
            if value is not None:
                assert value == pytest.approx(truth[name] + sum(more[name] for more in rest), abs=0.2)
        assert one.values["pv_energy"] is not None
    marks = store.queries(series, "curve")
    assert {period: mark.outcome for period, mark in marks.items()} == {f"2026-06-{n}": "data" for n in range(12, 20)}
    assert len({datetime.fromtimestamp(at, UTC).date() for at in store.sample_times(series, 0, 1 << 40)}) >= 8
    (plant_job,) = job.plants
    assert (plant_job.count("data"), plant_job.days_left, job.progress.done) == (8, 0, True)
    assert next(one for one in store.series() if one.series == series).zone


def test_backfill_corrects_energy_counted_on_the_wrong_day(world, tmp_path):
    account = world[1]["accounts"][0]
    (plant,) = plants_of(account, 0)
    series, before, day = Series(account["vendor"], plant), date(2026, 6, 17), date(2026, 6, 18)
    truth, *_ = (home.energies(f"{day}")["pv_energy"] for home in site_of(world, plant).households)
    spilled = Day(series, day, {"pv_energy": truth + 0.4}, Quality.LIVE, final=False, written_at=1)
    raised = Repair(
        series, day_bounds(before, ZoneInfo("Europe/Berlin"))[1], "pv_energy_today", 2.0, 2.4, CLOUD_DAY_HIGHER
    )
    with SqliteStore(tmp_path / "heliograph.sqlite") as store:
        store.write(Batch(days=[spilled], repairs=[raised]))
    store, _ = run_backfill(world, tmp_path, account, BackfillOptions(day, date(2026, 6, 19), [plant]))
    (put_right,) = store.days(series, day, day)
    assert put_right.values["pv_energy"] == pytest.approx(truth, abs=0.06)


def test_backfill_second_run_only_requests_plants(world, tmp_path):
    emulator, ready = world
    account = ready["accounts"][0]
    selection = BackfillOptions(date(2026, 6, 15), date(2026, 6, 19), plants_of(account, 0))
    run_backfill(world, tmp_path, account, selection)
    before = emulator.log.account_counters(account["username"]).requests
    _, job = run_backfill(world, tmp_path, account, selection)
    assert emulator.log.account_counters(account["username"]).requests - before <= 4
    assert job.progress.done


def test_backfill_starts_at_first_day_of_plant(world, tmp_path):
    account = world[1]["accounts"][0]
    selection = BackfillOptions(date(2020, 1, 1), date(2024, 3, 3), plants_of(account, 0))
    _, job = run_backfill(world, tmp_path, account, selection)
    assert job.plants[0].days == DayRange(date(2024, 3, 1), date(2024, 3, 3))


def test_backfill_waits_for_budget_and_leaves_a_poll_per_15_minutes_to_the_collector(world, tmp_path):
    account = world[1]["accounts"][0]
    news: list[BackfillProgress] = []
    used = []
    limits = KINDS["growatt"].default_limits._replace(requests=110, reserve=10)
    onlooker = KINDS["growatt"](
        account["username"],
        account["password"],
        server=world[1]["url"],
        keeper=Keeper(tmp_path / "accounts"),
        clock=lambda: world[0].world.clock.now().timestamp(),
        limits=limits,
    )

    def on_progress(one):
        news.append(one)
        used.append(onlooker.budget.requests_used)

    selection = BackfillOptions(date(2026, 5, 1), date(2026, 6, 10), plants_of(account, 0))
    _, job = run_backfill(world, tmp_path, account, selection, hours=24 * 9, on_progress=on_progress, limits=limits)
    assert job.progress.done
    # A poll of one request per 15 minutes of daylight, hourly polls at night, and a margin are left.
    left = 64 + 8 + 2 + MARGIN
    assert max(used) <= 100 - left + 7  # the login, the plants and their devices
    waits = [one for one in news if one.until]
    estimate = news[0].days_to_go
    assert waits[0].reason == "today's requests for history are used"
    assert len(waits) - 1 <= estimate <= len(waits) + 1
    assert [one.days_left for one in news] == sorted((one.days_left for one in news), reverse=True)


def test_backfill_without_wait_ends_with_resume_time(world, tmp_path):
    account = world[1]["accounts"][0]
    limits = KINDS["growatt"].default_limits._replace(requests=30, reserve=10)
    selection = BackfillOptions(date(2026, 5, 1), date(2026, 6, 10), plants_of(account, 0), wait=False)
    _, job = run_backfill(world, tmp_path, account, selection, limits=limits)
    assert not job.progress.done
    assert job.progress.days_left > 20
    assert job.progress.until == pytest.approx(NOW + 24 * 3600, abs=600)


def test_backfill_waits_for_unreachable_cloud(world, tmp_path):
    emulator, ready = world
    account = ready["accounts"][0]
    emulator.faults.set({"outage": "*4"})
    selection = BackfillOptions(date(2026, 6, 18), date(2026, 6, 19), plants_of(account, 0))
    news = []
    _, job = run_backfill(world, tmp_path, account, selection, hours=12, on_progress=news.append)
    assert job.progress.done
    assert any(one.until for one in news)
    assert job.plants[0].count("data") == 2


def test_backfill_rejects_empty_month_that_contradicts_year(world, tmp_path):
    emulator, ready = world
    account = ready["accounts"][0]
    (plant,) = plants_of(account, 0)
    selection = BackfillOptions(date(2026, 5, 30), date(2026, 6, 2), [plant])

    def lie(news):
        if news.period == "2026":
            emulator.faults.set({"empty": "*1"})

    store, job = run_backfill(world, tmp_path, account, selection, on_progress=lie)
    marks = store.queries(Series("growatt", plant), "days")
    assert {period: one.outcome for period, one in marks.items()} == {"2026-06": "failed", "2026-05": "data"}
    assert job.plants[0].count("data") == 4


def test_backfill_marks_contradicting_month_failed_and_still_requests_curves(world, tmp_path):
    class Contradicting:
        """A cloud whose years and months disagree."""

        session = SimpleNamespace(facts={})

        async def plants(self):
            return (Plant(vendor="growatt", id="11", zone=UTC),)

        async def first_day(self, plant):
            return date(2026, 4, 1)

        async def history_cost(self, plant):
            return HistoryCost(curve=1, days=1, months=1, years=1)

        async def period_energies(self, plant, period):
            return [PeriodEnergy(period="2026-05", values={"pv_energy": 9.0})] if period == "2026" else []

        async def day_curve(self, plant, day):
            return [Sample(moment=datetime.fromisoformat(f"{day}T12:00+00:00"), values={"pv_power": 1.0})]

        async def free_at_async(self, requests):
            return 0.0

        async def budget_async(self):
            return KINDS["growatt"]("me", "secret", keeper=Keeper(tmp_path)).budget

    async def act():
        writer = BufferedWriter(lambda: SqliteStore(tmp_path / "s.sqlite"))
        await Backfill("home", Contradicting(), writer, Jumping(world[0], NOW), BackfillOptions()).run(asyncio.Event())
        await writer.finish()

    asyncio.run(act())
    with SqliteStore(tmp_path / "s.sqlite") as store:
        outcomes = {period: one.outcome for period, one in store.queries(PLANT, "days").items()}
        assert outcomes == {"2026-04": "nothing", "2026-05": "failed", "2026-06": "nothing"}
        curves = store.queries(PLANT, "curve")
        assert {period for period, one in curves.items() if one.outcome == "data"} == {
            f"2026-05-{n:02}" for n in range(1, 32)
        }
        assert len(curves) == 30 + 31 + 20


def test_backfill_ends_on_store_error_and_repeats_the_query(world, tmp_path):
    account = world[1]["accounts"][0]
    selection = BackfillOptions(date(2026, 6, 18), date(2026, 6, 19), plants_of(account, 0))

    class Full(SqliteStore):
        def write(self, batch):
            if batch.samples:
                raise StoreError("the disk is full")
            super().write(batch)

    with pytest.raises(StoreError, match="the disk is full"):
        run_backfill(world, tmp_path, account, selection, opened=lambda: Full(tmp_path / "heliograph.sqlite"))
    _, job = run_backfill(world, tmp_path, account, selection)
    assert job.plants[0].count("data") == 2


def test_backfill_ends_on_wrong_password(world, tmp_path):
    account = world[1]["accounts"][0] | {"password": "wrong"}
    with pytest.raises(InvalidCredentials):
        run_backfill(world, tmp_path, account, BackfillOptions(date(2026, 6, 18)))


# Kills

ONE_RUN = """
import asyncio, sys
from datetime import date
from pathlib import Path
from heliograph import AsyncGrowatt
from heliograph.collect.backfill import Backfill, BackfillOptions
from heliograph.local_time import Clock
from heliograph.store.threaded import BufferedWriter
from heliograph.keeper import Keeper
from heliograph.store import open_store

url, username, password, plant, folder, now = sys.argv[1:]
folder = Path(folder)

class FixedClock(Clock):
    def now(self):
        return float(now)

class Recording(AsyncGrowatt):
    def note(self, question):
        with (folder / "questions").open("a") as file:
            file.write(question + "\\n")

    async def day_curve(self, plant, day):
        self.note(f"curve {day}")
        return await super().day_curve(plant, day)

    async def period_energies(self, plant, period):
        self.note(f"energies {period}")
        return await super().period_energies(plant, period)

limits = AsyncGrowatt.default_limits._replace(requests=100_000)
keeping = {"keeper": Keeper(folder / "accounts"), "clock": FixedClock().now, "limits": limits, "self_throttled": True}
client = Recording(username, password, server=url, **keeping)
writer = BufferedWriter(lambda: open_store(folder / "heliograph.sqlite"))
selection = BackfillOptions(date(2026, 5, 5), date(2026, 6, 10), [plant])
asyncio.run(Backfill("home", client, writer, FixedClock(), selection).run(asyncio.Event()))
"""


def test_backfill_survives_kills_with_complete_days_and_no_repeated_queries(world, tmp_path):
    _, ready = world
    account = ready["accounts"][0]
    plant, dice = account["plants"][0], random.Random(4)
    series, notes, kept = Series("growatt", plant), tmp_path / "questions", []
    while True:
        process = python(
            ONE_RUN, ready["url"], account["username"], account["password"], plant, str(tmp_path), str(NOW)
        )
        start, wanted = _lines(notes), dice.randint(2, 8)
        while process.poll() is None and _lines(notes) - start < wanted:
            time.sleep(0.002)
        time.sleep(dice.random() * 0.03)
        process.kill()
        _, said = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, said.decode()
        with SqliteStore(tmp_path / "heliograph.sqlite") as store:
            answered = [f"curve {one}" for one in store.queries(series, "curve")]
            answered += [f"energies {one}" for span in ("months", "days") for one in store.queries(series, span)]
        lines = notes.read_text().splitlines()
        assert not any(stored & set(lines[since:]) for since, stored in kept)
        kept.append((len(lines), set(answered)))
    lines = notes.read_text().splitlines()
    assert not any(stored & set(lines[since:]) for since, stored in kept)
    assert len(lines) - len(set(lines)) <= len(kept)  # what was under way when it was killed
    assert len(kept) >= 3  # a busy machine answers more queries before a kill
    with SqliteStore(tmp_path / "heliograph.sqlite") as store:
        marks = store.queries(series, "curve")
        assert len(marks) == 37
        for day, mark in marks.items():
            start = int(datetime.fromisoformat(f"{day}T00:00+02:00").timestamp())
            assert mark.outcome == "data"
            assert len(list(store.sample_times(series, start, start + 86400))) > 100
        assert all(one.final for one in store.days(series, date(2026, 5, 5), date(2026, 6, 10)))


def _lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


# The command


@pytest.fixture(scope="module")
def present():
    """An emulated cloud at the time of this machine, which the command goes by."""
    with serve_in_thread(
        build_emulator(EmulatorOptions(start=datetime.now(UTC), speed=1, accounts=1), [GROWATT])
    ) as ready:
        yield ready


@pytest.fixture
def home(present, tmp_path, monkeypatch):
    """A configuration with one account."""
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    ready = present
    account = ready["accounts"][0]
    (tmp_path / "config.toml").write_text(
        f'[[account]]\nname = "home"\nvendor = "growatt"\nusername = "{account["username"]}"\n'
        f'password = "{account["password"]}"\nserver = "{ready["url"]}"\nrequests_per_day = 20\nreserve = 8\n'
    )
    (tmp_path / "config.toml").chmod(0o600)
    return tmp_path, account


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--since", "2024-13-01"], "--since: a day must be written like 2026-06-21"),
        (["--since", "2024-01-01T00:00"], "--since: a day must be written like 2026-06-21"),
        (["--since", "2024-02-01", "--until", "2024-01-01"], "--since 2024-02-01 is after --until 2024-01-01"),
        (["--account", "roof"], "there is no account 'roof'; the accounts are: home"),
    ],
)
def test_backfill_command_rejects_wrong_options_in_one_line(words, says, home, capsys):
    assert run(["backfill", *words]) == 2
    assert says in capsys.readouterr().err


def test_backfill_command_lists_plants_for_unknown_plant(home, capsys):
    _, account = home
    assert run(["backfill", "--since", "2026-06-01", "--plant", "77", "--no-wait"]) == 2
    said = capsys.readouterr().err
    assert "there is no plant '77'; the plants are: " in said
    assert all(plant in said for plant in account["plants"])


@pytest.mark.parametrize(
    ("plants", "among", "meant"),
    [
        ((), (), ["11", "12"]),
        (("12",), (), ["12"]),
        (("Barn",), (), ["12"]),
        ((), ("11",), ["11"]),
        (("Barn",), ("11",), []),
        (("Home", "12"), (), ["11", "12"]),
    ],
)
def test_backfill_options_select_plants_by_id_or_name_within_configuration(plants, among, meant):
    there = [Plant(vendor="acme", id="11", name="Home"), Plant(vendor="acme", id="12", name="Barn")]
    assert [one.id for one in there if BackfillOptions(plants=plants, configured=among).selects(one)] == meant


def test_backfill_command_reports_remaining_days_when_budget_is_used(home, capsys):
    _, account = home
    since = datetime.now(UTC).date() - timedelta(days=40)
    words = ["backfill", "--since", f"{since}", "--plant", account["plants"][0], "--no-wait"]
    assert run([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    (found,) = json.loads(out)
    assert found["plant"] == account["plants"][0]
    assert found["data"] + found["nothing"] + found["left"] == found["days"]
    assert found["days"] == (date.fromisoformat(found["until"]) - since).days + 1  # midnight may pass meanwhile
    assert found["left"] > 0
    assert not found["over"]
    assert datetime.fromisoformat(found["resumes_at"]) > datetime.now(UTC)
    assert "heliograph: home: 0 of 40 days, " in err
    warning = "requests a day; the others are left for live values"
    assert err.count(warning) == 1
    assert err.index(warning) < err.index(f"heliograph: home: 0 of {found['days']} days, ")
    assert run(words) == 0
    assert "home: nothing was requested, today's requests for history are used; rerun after" in (
        capsys.readouterr().out
    )


def test_backfill_command_shows_progress_bar_on_terminal(monkeypatch):
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with show_progress() as on_progress:
        on_progress(BackfillProgress("home", until=NOW, reason="the daily request budget is used"))
        on_progress(
            BackfillProgress(
                "home",
                days=40,
                days_left=10,
                period="2026-06-01",
                days_to_go=2.1,
                requests_left=9,
                daily_share=4,
                daily_limit=5,
            )
        )
    shown_text = screen.getvalue()
    assert "home: the daily request budget is used" in shown_text
    assert "home: history takes about 3 nights, with up to 4 of 5 requests a day" in shown_text
    assert "30/40 days" in shown_text
    assert "2026-06-01, about 3 days to go" in shown_text


@pytest.mark.parametrize(("nights", "says"), [(0.0, False), (0.2, True)])
def test_backfill_says_once_how_many_nights_it_takes(nights, says, capsys):
    on_progress = progress_lines()
    on_progress(BackfillProgress("home", until=NOW, reason="the cloud is away"))
    for left in (46, 45):
        share = {"requests_left": left, "daily_share": 70, "daily_limit": 160, "days_to_go": nights}
        on_progress(BackfillProgress("home", days=60, days_left=left, **share))
    err = capsys.readouterr().err
    assert err.count("home: history takes about 1 night, with up to 70 of 160 requests a day") == says


def test_backfill_of_many_nights_says_when_the_energies_are_complete(capsys):
    share = {"requests_left": 2667, "daily_share": 12, "daily_limit": 160, "days_to_go": 221.3}
    progress_lines()(BackfillProgress("home", days=2555, days_left=2555, days_to_energies=8.3, **share))
    err = capsys.readouterr().err
    assert "home: history takes about 222 nights, with up to 12 of 160 requests a day" in err
    assert "; the energies of all days come first, in about 9 nights\n" in err


def test_backfill_asks_for_energies_of_all_months_before_the_first_curve():
    days = DayRange(date(2026, 4, 20), date(2026, 6, 20))
    plant = PlantBackfill(
        None,
        PLANT,
        ZoneInfo("Europe/Berlin"),
        days,
        HistoryCost(curve=1, days=1, months=1, years=1),
        nothing_known(),
        {},
    )
    plant.refresh(NOW)
    spans = [query.span for query in plant.remaining]
    assert spans == [*spans[: spans.index("curve")], *["curve"] * 62]
    months = [query.period for query in plant.remaining if query.span == "days"]
    assert months == ["2026-06", "2026-05", "2026-04"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_backfill_command_reports_remaining_days_on_ctrl_c(home):
    _, account = home
    words = [
        sys.executable,
        "-m",
        "heliograph",
        "backfill",
        "--since",
        f"{datetime.now(UTC).date() - timedelta(days=40)}",
    ]
    process = subprocess.Popen(
        [*words, "--plant", account["plants"][0]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if "resumes" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "days remaining" in out
    assert "Traceback" not in err


def test_backfill_asks_for_timezone_if_unknown(world, tmp_path):
    class WithoutZone:
        session = SimpleNamespace(facts={})

        async def plants(self):
            return (Plant(vendor="growatt", id="11"),)

        async def snapshot(self, plant):
            return Snapshot(
                plant=Plant(vendor="growatt", id=plant), status=None, measured_at=None, fetched_at=None, values={}
            )

        async def free_at_async(self, requests):
            return 0.0

        async def budget_async(self):
            return KINDS["growatt"]("me", "secret", keeper=Keeper(tmp_path)).budget

    async def act():
        writer = BufferedWriter(lambda: SqliteStore(tmp_path / "s.sqlite"))
        try:
            await Backfill("home", WithoutZone(), writer, Jumping(world[0], NOW), BackfillOptions()).run(
                asyncio.Event()
            )
        finally:
            await writer.finish()

    for stored in (None, "UTC+03:19:58.800000"):
        with SqliteStore(tmp_path / "s.sqlite") as store:
            store.write(Batch(series_info=[SeriesInfo(Series("growatt", "11"), "Home", None, stored)]))
        with pytest.raises(ConfigError, match="the time zone of plant 11 is unknown; set timezone"):
            asyncio.run(act())
