"""The simulated month counts rightly: time, light, logins, locks, and what is lost on the way."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from heliograph import Growatt
from heliograph.errors import AccountLocked, Unreachable
from support.paths import ROOT

sys.path.append(str(ROOT / "bench"))

import month
import month_programs
import month_world

HOUR, DAY = month_world.HOUR, month_world.DAY


def unkept(world):
    return Growatt(
        world.account.username, world.account.password, server=world.url, keeper=None, clock=lambda: world.time.now
    )


class LogsInEachTime:
    def __init__(self, world, folder):
        self._world = world

    def ask(self):
        try:
            unkept(self._world).log_in()
        except AccountLocked:
            return False
        return True


class AnswersAtNoon:
    def __init__(self, world, folder):
        self._world = world

    def ask(self):
        return 12 * HOUR <= (self._world.time.now - month_world.START.timestamp()) % DAY < 13 * HOUR


@pytest.fixture
def world():
    with month_world.World("growatt", {"lock": 24, "lenient_lock": True}) as one:
        yield one


def test_logins_beyond_the_allowed_lock_the_account_and_all_is_counted():
    found = month.live("growatt", LogsInEachTime, 0.25, 1, plain=True, lock=24, quota=None, rival=None)
    assert found["logins"] == found["requests"] == found["most_logins"] == 6 * 12
    assert found["while_locked"] == 6 * 12 - 24 - 1, "the login that locks is not yet one of a locked account"
    # The 25th login is sent after two hours and ten seconds.
    assert found["hours_locked"] == pytest.approx(4, abs=0.01)
    assert found["hours_locked_by_cloud"] == 0


def test_the_most_logins_are_those_of_any_24_hours():
    found = month.live("growatt", LogsInEachTime, 1.25, 1, plain=True, lock=None, quota=None, rival=None)
    assert found["logins"] == 1.25 * 288
    assert found["most_logins"] == 288
    assert found["hours_locked"] == 0


def test_hours_without_data_are_counted_by_day_only():
    found = month.live("growatt", AnswersAtNoon, 1, 3, plain=True)
    assert 15 < found["daylight"] < 17, "June at 50° north"
    assert found["empty"] == pytest.approx(found["daylight"] - 1)
    assert found["stale"] == pytest.approx(found["daylight"] - 1.5 + 5 / 60)
    assert found["requests"] == found["logins"] == 0


def test_our_programs_are_not_locked_and_a_day_of_them_takes_a_login_or_two():
    name = "heliograph Growatt, paced"
    found = month.live(*month_programs.PROGRAMS[name], 1, 1, plain=True)
    assert found["hours_locked"] == found["while_locked"] == 0
    assert 1 <= found["logins"] <= 2
    assert found["rivals"] == 2
    assert found["stale"] == 0


def test_a_cut_network_refuses_and_a_mended_one_knows_the_session(world):
    client = unkept(world)
    client.log_in()
    world.cut()
    with pytest.raises(Unreachable, match="no connection"):
        client.plant_list_two()
    assert world.emulator.log.cloud_counters("growatt").requests == 1
    world.mend()
    assert client.plant_list_two()
    assert world.tally.logins == 1


def test_the_clouds_own_refusals_are_counted_apart_and_end(world):
    weather, client = month_world.Weather(world), unkept(world)
    events = {event.__name__: event for _, event in weather.events()}
    client.log_in()
    events["_refusals_begin"]()
    with pytest.raises(AccountLocked):
        client.plant_list_two()
    world.time.run(world.time.now + 4 * HOUR, after_each=None)
    events["_refusals_end"]()
    assert weather.hours_locked_by_cloud == pytest.approx(4)
    client.log_in()
    assert month_world.Counts(world).result(weather)["hours_locked"] == pytest.approx(0)


def test_an_account_that_was_locked_already_stays_so_at_its_own_cost(world):
    weather = month_world.Weather(world)
    events = {event.__name__: event for _, event in weather.events()}
    world.emulator.faults.set({"lock": 1})
    for _ in range(3):
        LogsInEachTime(world, None).ask()
    events["_refusals_begin"]()
    world.time.run(world.time.now + 4 * HOUR, after_each=None)
    events["_refusals_end"]()
    assert weather.hours_locked_by_cloud == 0
    assert world.hours_locked() == pytest.approx(4)
    assert LogsInEachTime(world, None).ask() is False


def test_sleepers_wake_in_the_order_of_time_and_end_with_it():
    time = month_world.Time(0.0, lambda now: None)
    woken, turns = [], []

    def life(name, pause):
        while True:
            time.sleep(pause)
            woken.append((name, time.now))

    time.begin(lambda: life("slow", 3), 0)
    time.begin(lambda: life("quick", 2), 0)
    time.run(6.5, turns.append)
    assert woken == [("quick", 2), ("slow", 3), ("quick", 4), ("slow", 6), ("quick", 6)]
    assert turns == [0, 0, 2, 3, 4, 6, 6]
    assert time.now == 6.5


def test_a_program_that_breaks_breaks_the_month():
    time = month_world.Time(0.0, lambda now: None)
    time.begin(lambda: 1 / 0, 0)
    with pytest.raises(ZeroDivisionError):
        time.run(1, after_each=lambda now: None)


def test_a_first_reading_that_fails_is_tried_again_with_growing_waits(world):
    program = month_programs.HomeAssistant(world, None)
    program._plant = lambda api, user: None
    slept = []
    program._world = SimpleNamespace(
        time=SimpleNamespace(now=0.0, sleep=slept.append), account=world.account, url=world.url, site=world.site
    )
    program._world.time.sleep = lambda seconds: (
        slept.append(seconds),
        setattr(program._world.time, "now", program._world.time.now + seconds),
    )
    assert program.ask() is False
    assert slept == [5, 10, 20, 40, 80, 80]
