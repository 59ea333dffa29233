"""The past out of the clouds: coarse before fine, inside the budget, and nothing lost or asked twice by stopping."""

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
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.cli.main import run
from heliograph.cli.progress import progress_lines, show_progress
from heliograph.collect.backfill import Backfill, BackfillOptions, BackfillProgress
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
from heliograph.store.base import Batch, Day, QueryRecord, Repair, Series
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter
from support.collector_fixtures import KINDS, Jumping
from support.subprocesses import python

EVENING = "2026-06-21T18:00:00+02:00"
NOW = int(datetime.fromisoformat(EVENING).timestamp())
ROOF = Series("growatt", "11")
TODAY = date(2026, 6, 21)


# The plan


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
        question = next(backfill_queries(ROOF, known, days, TODAY, NOW, UTC), None)
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


def test_the_coarse_is_asked_before_the_fine_and_what_has_no_energy_not_at_all():
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


def test_a_few_days_need_no_questions_about_years():
    days = DayRange(date(2026, 6, 19), TODAY)
    energies = {date(2026, 6, 20): 5.0, date(2026, 6, 19): 5.0}
    assert walk(nothing_known(), days, energies) == [
        ("days", "2026-06"),
        ("curve", "2026-06-20"),
        ("curve", "2026-06-19"),
    ]


def test_a_cloud_that_keeps_no_years_is_asked_for_months():
    known, days = nothing_known(), DayRange(date(2025, 11, 1), TODAY)
    known.add([QueryRecord(ROOF, "years", "", "nothing", NOW)], [])
    assert walk(known, days, {})[:2] == [("months", "2026"), ("months", "2025")]


def test_an_answer_without_energy_is_doubted_where_the_coarser_one_told_some():
    known = nothing_known()
    known.add([QueryRecord(ROOF, "months", "2026", "data", NOW)], [])
    question = next(backfill_queries(ROOF, known, DayRange(date(2026, 6, 1), TODAY), TODAY, NOW, UTC))
    assert (question.span, question.period) == ("days", "2026-06")
    assert contradicts_coarser_answer(question, (), known)
    assert not contradicts_coarser_answer(question, told({date(2026, 6, 1): 1.0}, "2026-06"), known)
    assert not contradicts_coarser_answer(question, (), nothing_known())


def test_what_was_answered_with_data_is_never_marked_as_nothing():
    known, days = nothing_known(), DayRange(date(2026, 6, 1), TODAY)
    known.add([QueryRecord(ROOF, "curve", "2026-06-03", "data", NOW)], [])
    question = next(backfill_queries(ROOF, known, days, TODAY, NOW, UTC))
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
def test_every_day_with_energy_is_asked_for_once_and_no_other_whenever_it_is_stopped(sunny, length, stops):
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


def filled(world, folder, account, wish, *, hours=1, opened=None, tell=lambda _: None, **options):
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
            paced=True,
            **options,
        )
        writer = BufferedWriter(opened or (lambda: SqliteStore(path)))
        fill = Backfill(account["username"], client, writer, clock, wish, tell)
        try:
            await fill.run(asyncio.Event())
        finally:
            await writer.finish()
        return fill

    fill = asyncio.run(act())
    return SqliteStore(path), fill


def site_of(world, plant):
    return next(site for holder in world[0].accounts for site in holder.plants if site.id == plant)


def plants_of(account, place):
    return [account["plants"][place]]


@pytest.mark.parametrize(("vendor", "place"), [(0, 0), (0, 2), (1, 1)])
def test_every_day_is_whole_and_agrees_with_the_home(vendor, place, world, tmp_path):
    account = world[1]["accounts"][vendor]
    (plant,) = plants_of(account, place)
    wish = BackfillOptions(date(2026, 6, 12), date(2026, 6, 19), [plant])
    store, fill = filled(world, tmp_path, account, wish)
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
    (share,) = fill.plants
    assert (share.count("data"), share.days_left, fill.progress.done) == (8, 0, True)
    assert next(one for one in store.series() if one.series == series).zone


def test_what_was_counted_on_the_wrong_side_of_a_midnight_is_put_right(world, tmp_path):
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
    store, _ = filled(world, tmp_path, account, BackfillOptions(day, date(2026, 6, 19), [plant]))
    (put_right,) = store.days(series, day, day)
    assert put_right.values["pv_energy"] == pytest.approx(truth, abs=0.06)


def test_a_second_run_asks_nothing_but_what_a_plant_is(world, tmp_path):
    emulator, ready = world
    account = ready["accounts"][0]
    wish = BackfillOptions(date(2026, 6, 15), date(2026, 6, 19), plants_of(account, 0))
    filled(world, tmp_path, account, wish)
    before = emulator.log.tally(account["username"]).requests
    _, fill = filled(world, tmp_path, account, wish)
    assert emulator.log.tally(account["username"]).requests - before <= 4
    assert fill.progress.done


def test_the_first_day_of_a_plant_bounds_what_is_asked_for(world, tmp_path):
    account = world[1]["accounts"][0]
    wish = BackfillOptions(date(2020, 1, 1), date(2024, 3, 3), plants_of(account, 0))
    _, fill = filled(world, tmp_path, account, wish)
    assert fill.plants[0].days == DayRange(date(2024, 3, 1), date(2024, 3, 3))


def test_it_waits_for_the_budget_and_leaves_a_tenth_of_it_to_the_collector(world, tmp_path):
    account = world[1]["accounts"][0]
    news: list[BackfillProgress] = []
    used = []
    limits = KINDS["growatt"].default_limits._replace(requests=30, reserve=10)
    onlooker = KINDS["growatt"](
        account["username"],
        account["password"],
        server=world[1]["url"],
        keeper=Keeper(tmp_path / "accounts"),
        clock=lambda: world[0].world.clock.now().timestamp(),
        limits=limits,
    )

    def tell(one):
        news.append(one)
        used.append(onlooker.budget.requests_used)

    wish = BackfillOptions(date(2026, 5, 1), date(2026, 6, 10), plants_of(account, 0))
    _, fill = filled(world, tmp_path, account, wish, hours=24 * 9, tell=tell, limits=limits)
    assert fill.progress.done
    assert max(used) == 18
    waits = [one for one in news if one.until]
    estimate = news[0].days_to_go
    assert waits[0].reason == "the budget of these 24 hours is used"
    assert len(waits) - 1 <= estimate <= len(waits) + 1
    assert [one.days_left for one in news] == sorted((one.days_left for one in news), reverse=True)


def test_without_waiting_it_ends_and_tells_when_it_can_go_on(world, tmp_path):
    account = world[1]["accounts"][0]
    limits = KINDS["growatt"].default_limits._replace(requests=30, reserve=10)
    wish = BackfillOptions(date(2026, 5, 1), date(2026, 6, 10), plants_of(account, 0), wait=False)
    _, fill = filled(world, tmp_path, account, wish, limits=limits)
    assert not fill.progress.done
    assert fill.progress.days_left > 20
    assert fill.progress.until == pytest.approx(NOW + 24 * 3600, abs=600)


def test_a_cloud_that_is_away_is_waited_for(world, tmp_path):
    emulator, ready = world
    account = ready["accounts"][0]
    emulator.faults.set({"outage": "*4"})
    wish = BackfillOptions(date(2026, 6, 18), date(2026, 6, 19), plants_of(account, 0))
    news = []
    _, fill = filled(world, tmp_path, account, wish, hours=3, tell=news.append)
    assert fill.progress.done
    assert any(one.until for one in news)
    assert fill.plants[0].count("data") == 2


def test_an_empty_success_is_not_believed_to_be_an_empty_past(world, tmp_path):
    emulator, ready = world
    account = ready["accounts"][0]
    (plant,) = plants_of(account, 0)
    wish = BackfillOptions(date(2026, 5, 30), date(2026, 6, 2), [plant])

    def lie(news):
        if news.at == "2026":
            emulator.faults.set({"empty": "*1"})

    store, fill = filled(world, tmp_path, account, wish, tell=lie)
    marks = store.queries(Series("growatt", plant), "days")
    assert {period: one.outcome for period, one in marks.items()} == {"2026-06": "failed", "2026-05": "data"}
    assert fill.plants[0].count("data") == 4


def test_a_month_without_days_that_the_year_tells_energy_of_has_failed_and_hides_no_curve(world, tmp_path):
    class Torn:
        """A cloud whose years and months disagree."""

        budget = KINDS["growatt"]("me", "secret", keeper=Keeper(tmp_path)).budget

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

        def free_at(self, requests):
            return 0.0

    async def act():
        writer = BufferedWriter(lambda: SqliteStore(tmp_path / "s.sqlite"))
        await Backfill("home", Torn(), writer, Jumping(world[0], NOW), BackfillOptions()).run(asyncio.Event())
        await writer.finish()

    asyncio.run(act())
    with SqliteStore(tmp_path / "s.sqlite") as store:
        outcomes = {period: one.outcome for period, one in store.queries(ROOF, "days").items()}
        assert outcomes == {"2026-04": "nothing", "2026-05": "failed", "2026-06": "nothing"}
        curves = store.queries(ROOF, "curve")
        assert {period for period, one in curves.items() if one.outcome == "data"} == {
            f"2026-05-{n:02}" for n in range(1, 32)
        }
        assert len(curves) == 30 + 31 + 20


def test_an_answer_that_is_not_kept_ends_it_and_is_asked_for_again(world, tmp_path):
    account = world[1]["accounts"][0]
    wish = BackfillOptions(date(2026, 6, 18), date(2026, 6, 19), plants_of(account, 0))

    class Full(SqliteStore):
        def write(self, batch):
            if batch.samples:
                raise StoreError("the disk is full")
            super().write(batch)

    with pytest.raises(StoreError, match="the disk is full"):
        filled(world, tmp_path, account, wish, opened=lambda: Full(tmp_path / "heliograph.sqlite"))
    _, fill = filled(world, tmp_path, account, wish)
    assert fill.plants[0].count("data") == 2


def test_a_wrong_password_ends_it_at_once(world, tmp_path):
    account = world[1]["accounts"][0] | {"password": "wrong"}
    with pytest.raises(InvalidCredentials):
        filled(world, tmp_path, account, BackfillOptions(date(2026, 6, 18)))


# Killed

ONE_RUN = """
import asyncio, sys
from datetime import date
from pathlib import Path
from heliograph import AsyncGrowatt
from heliograph.collect.backfill import Backfill, Wish
from heliograph.local_time import Clock
from heliograph.store.threaded import Writer
from heliograph.keeper import Keeper
from heliograph.store import open_store

url, username, password, plant, folder, now = sys.argv[1:]
folder = Path(folder)

class Still(Clock):
    def now(self):
        return float(now)

class Noted(AsyncGrowatt):
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
keeping = {"keeper": Keeper(folder / "accounts"), "clock": Still().now, "limits": limits, "paced": True}
client = Noted(username, password, server=url, **keeping)
writer = Writer(lambda: open_store(folder / "heliograph.sqlite"))
wish = Wish(date(2026, 5, 5), date(2026, 6, 10), [plant])
asyncio.run(Backfill("home", client, writer, Still(), wish).run(asyncio.Event()))
"""


def test_killed_again_and_again_it_ends_with_every_day_whole_and_asks_nothing_twice(world, tmp_path):
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
    assert len(kept) >= 5
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
        (["--since", "2024-13-01"], "--since: a day is written like 2026-06-21"),
        (["--since", "2024-01-01T00:00"], "--since: a day is written like 2026-06-21"),
        (["--since", "2024-02-01", "--until", "2024-01-01"], "--since 2024-02-01 comes after --until 2024-01-01"),
        (["--account", "roof"], "there is no account 'roof'; the accounts are: home"),
    ],
)
def test_a_wrong_word_is_one_helpful_line(words, says, home, capsys):
    assert run(["backfill", *words]) == 2
    assert says in capsys.readouterr().err


def test_an_unknown_plant_is_told_with_those_there_are(home, capsys):
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
def test_plants_are_wished_for_by_id_or_name_among_those_of_the_configuration(plants, among, meant):
    there = [Plant(vendor="acme", id="11", name="Home"), Plant(vendor="acme", id="12", name="Barn")]
    assert [one.id for one in there if BackfillOptions(plants=plants, configured=among).selects(one)] == meant


def test_a_budget_that_is_used_is_no_failure_and_the_summary_says_what_is_left(home, capsys):
    _, account = home
    since = f"{datetime.now(UTC).date() - timedelta(days=40)}"
    words = ["backfill", "--since", since, "--plant", account["plants"][0], "--no-wait"]
    assert run([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    (found,) = json.loads(out)
    assert found["plant"] == account["plants"][0]
    assert found["data"] + found["nothing"] + found["left"] == found["days"] == 40
    assert found["left"] > 0
    assert not found["over"]
    assert datetime.fromisoformat(found["resumes_at"]) > datetime.now(UTC)
    assert "heliograph: home: 0 of 40 days, " in err
    warning = "heliograph: home: using up to 10 of 12 daily requests for history; live updates are less frequent "
    assert err.count(warning) == 1
    assert err.index(warning) < err.index("heliograph: home: 0 of 40 days, ")
    assert run(words) == 0
    assert "home: nothing was asked, the budget of these 24 hours is used: run the same again after" in (
        capsys.readouterr().out
    )


def test_a_person_sees_a_bar_from_the_first_moment_on(monkeypatch):
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with show_progress() as tell:
        tell(BackfillProgress("home", until=NOW, reason="the budget of these 24 hours is used"))
        tell(
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
    assert "home: the budget of these 24 hours is used" in shown_text
    assert "home: using up to 4 of 5 daily requests for history" in shown_text
    assert "30/40 days" in shown_text
    assert "2026-06-01, about 3 days to go" in shown_text


@pytest.mark.parametrize(("requests", "warns"), [(45, False), (46, True)])
def test_who_asks_for_little_is_not_warned_and_who_asks_for_much_is_once(requests, warns, capsys):
    tell = progress_lines()
    tell(BackfillProgress("home", until=NOW, reason="the cloud is away"))
    for left in (requests, requests - 1):
        tell(BackfillProgress("home", days=60, days_left=left, requests_left=left, daily_share=162, daily_limit=180))
    err = capsys.readouterr().err
    assert err.count("live readings") == warns
    assert (f"home: using up to {requests} of 180 daily requests for history" in err) == warns


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_it_in_order_and_says_what_is_left(home):
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
    assert "are left" in out
    assert "Traceback" not in err


def test_a_clock_that_nobody_tells_is_asked_for_by_name(world, tmp_path):
    class Dumb:
        async def plants(self):
            return (Plant(vendor="growatt", id="11"),)

        async def snapshot(self, plant):
            return Snapshot(
                plant=Plant(vendor="growatt", id=plant), status=None, measured_at=None, fetched_at=None, values={}
            )

        def free_at(self, requests):
            return 0.0

        budget = KINDS["growatt"]("me", "secret", keeper=Keeper(tmp_path)).budget

    async def act():
        writer = BufferedWriter(lambda: SqliteStore(tmp_path / "s.sqlite"))
        try:
            await Backfill("home", Dumb(), writer, Jumping(world[0], NOW), BackfillOptions()).run(asyncio.Event())
        finally:
            await writer.finish()

    with pytest.raises(ConfigError, match="which clock plant 11 lives by; write timezone"):
        asyncio.run(act())
