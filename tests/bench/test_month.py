"""Tests of the simulated month: its clock, daylight, logins, locks, incidents and programs."""

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


def unprotected_client(world):
    return Growatt(
        world.account.username, world.account.password, server=world.url, keeper=None, clock=lambda: world.clock.now
    )


class LoginProgram:
    def __init__(self, world, folder):
        self._world = world

    def poll(self):
        try:
            unprotected_client(self._world).log_in()
        except AccountLocked:
            return False
        return True


class NoonProgram:
    def __init__(self, world, folder):
        self._world = world

    def poll(self):
        return 12 * HOUR <= (self._world.clock.now - month_world.START.timestamp()) % DAY < 13 * HOUR


@pytest.fixture
def world():
    with month_world.World("growatt", {"lock": 24, "lenient_lock": True}) as world:
        yield world


def test_simulate_counts_logins_requests_and_hours_of_an_account_locked_by_logins():
    result = month.simulate("growatt", LoginProgram, 0.25, 1, plain=True, lock=24, quota=None, rival=None)
    assert result["logins"] == result["requests"] == result["most_logins"] == 6 * 12
    assert result["while_locked"] == 6 * 12 - 24 - 1, "the login that locks the account is not counted"
    # The 25th login is sent after two hours and ten seconds.
    assert result["hours_locked"] == pytest.approx(4, abs=0.01)
    assert result["hours_locked_by_cloud"] == 0


def test_simulate_reports_most_logins_of_any_24_hours():
    result = month.simulate("growatt", LoginProgram, 1.25, 1, plain=True, lock=None, quota=None, rival=None)
    assert result["logins"] == 1.25 * 288
    assert result["most_logins"] == 288
    assert result["hours_locked"] == 0


def test_simulate_counts_hours_without_data_in_daylight_only():
    result = month.simulate("growatt", NoonProgram, 1, 3, plain=True)
    assert 15 < result["daylight"] < 17, "June at 50° north"
    assert result["without_data"] == pytest.approx(result["daylight"] - 1)
    assert result["stale"] == pytest.approx(result["daylight"] - 1.5 + 5 / 60)
    assert result["requests"] == result["logins"] == 0


def test_simulate_paced_program_logs_in_once_or_twice_a_day_and_is_not_locked():
    name = "heliograph Growatt, paced"
    result = month.simulate(*month_programs.PROGRAMS[name], 1, 1, plain=True)
    assert result["hours_locked"] == result["while_locked"] == 0
    assert 1 <= result["logins"] <= 2
    assert result["rival_logins"] == 2
    assert result["stale"] == 0


def test_simulate_cron_script_of_the_drop_in_logs_in_at_most_twice_a_day_and_reads_all_day():
    name = "heliograph drop-in, cron script"
    result = month.simulate(*month_programs.PROGRAMS[name], 1, 1, plain=True)
    assert result["hours_locked"] == result["while_locked"] == 0
    assert 1 <= result["logins"] <= 2
    assert result["requests"] <= 160
    assert result["stale"] < 1


def test_world_disconnect_refuses_connections_and_connect_keeps_the_session(world):
    client = unprotected_client(world)
    client.log_in()
    world.disconnect()
    with pytest.raises(Unreachable):  # refused, or an idle connection that was closed
        client.plant_list_two()
    assert world.emulator.log.cloud_counters("growatt").requests == 1
    world.connect()
    assert client.plant_list_two()
    assert world.counters.logins == 1


def test_incidents_rejection_is_counted_separately_and_ends(world):
    incidents, client = month_world.Incidents(world), unprotected_client(world)
    functions = {function.__name__: function for _, function in incidents.schedule()}
    client.log_in()
    functions["_begin_rejection"]()
    with pytest.raises(AccountLocked):
        client.plant_list_two()
    world.clock.run(world.clock.now + 4 * HOUR, after_each=None)
    functions["_end_rejection"]()
    assert incidents.hours_locked_by_cloud == pytest.approx(4)
    client.log_in()
    assert month_world.Statistics(world).result(incidents)["hours_locked"] == pytest.approx(0)


def test_incidents_rejection_leaves_earlier_lock_counted_for_the_program(world):
    incidents = month_world.Incidents(world)
    functions = {function.__name__: function for _, function in incidents.schedule()}
    world.emulator.faults.set({"lock": 1})
    for _ in range(3):
        LoginProgram(world, None).poll()
    functions["_begin_rejection"]()
    world.clock.run(world.clock.now + 4 * HOUR, after_each=None)
    functions["_end_rejection"]()
    assert incidents.hours_locked_by_cloud == 0
    assert world.hours_locked() == pytest.approx(4)
    assert LoginProgram(world, None).poll() is False


def test_clock_wakes_threads_in_order_of_time_and_ends_them():
    clock = month_world.SimulatedClock(0.0, lambda now: None)
    wake_ups, turns = [], []

    def sleep_repeatedly(name, pause):
        while True:
            clock.sleep(pause)
            wake_ups.append((name, clock.now))

    clock.start_thread(lambda: sleep_repeatedly("slow", 3), 0)
    clock.start_thread(lambda: sleep_repeatedly("quick", 2), 0)
    clock.run(6.5, turns.append)
    assert wake_ups == [("quick", 2), ("slow", 3), ("quick", 4), ("slow", 6), ("quick", 6)]
    assert turns == [0, 0, 2, 3, 4, 6, 6]
    assert clock.now == 6.5


def test_clock_run_raises_the_error_of_a_thread():
    clock = month_world.SimulatedClock(0.0, lambda now: None)
    clock.start_thread(lambda: 1 / 0, 0)
    with pytest.raises(ZeroDivisionError):
        clock.run(1, after_each=lambda now: None)


def test_home_assistant_retries_failed_first_reading_with_growing_waits(world):
    program = month_programs.HomeAssistant(world, None)
    program._read_plant = lambda api, user: None
    waits, clock = [], SimpleNamespace(now=0.0)
    program._world = SimpleNamespace(clock=clock, account=world.account, url=world.url, plant=world.plant)

    def sleep(seconds):
        waits.append(seconds)
        clock.now += seconds

    clock.sleep = sleep
    assert program.poll() is False
    assert waits == [5, 10, 20, 40, 80, 80]
