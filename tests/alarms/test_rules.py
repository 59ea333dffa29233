from datetime import UTC, datetime

import pytest

from heliograph.alarms.history import SLOT, SLOTS_PER_DAY, HalfHour, SlotHistory
from heliograph.alarms.rules import judge_account, judge_plant
from heliograph.alarms.views import AccountView, DeviceView, LoggedFaultView, PlantView
from heliograph.collect.freshness import Freshness
from heliograph.keeper import Backoff, Budget
from heliograph.model import Status

NOW = 1_780_000_000 // 86400 * 86400 + 12 * 3600
"""Noon."""
TODAY = NOW // 86400


def power(number, peak=4000.0):
    """Return a triangle over the day, highest at noon."""
    return max(0.0, peak * (1 - abs(number % SLOTS_PER_DAY - 24) / 14))


def history(slot=lambda day, number: HalfHour(power(number)), days=40, until=NOW):
    past = SlotHistory()
    for number in range((until // 86400 - days) * SLOTS_PER_DAY, until // SLOT - 1):
        past.add(number, slot(number // SLOTS_PER_DAY - TODAY, number))
    return past


def plant(**known):
    values = {"pv_power": 4000.0}
    return PlantView(
        **{"now": NOW, "freshness": Freshness.LIVE, "history": history(), "measured_at": NOW - 60, "values": values}
        | known
    )


def holds(rule, view):
    return {one.rule: one for one in judge_plant(view)}[rule].holds


def test_healthy_plant_has_no_alarm():
    assert {one.rule for one in judge_plant(plant()) if one.holds} == set()


@pytest.mark.parametrize(
    ("fresh", "expected"),
    [
        (Freshness.LIVE, False),
        (Freshness.OFFLINE_UNEXPECTED, True),
        (Freshness.OFFLINE_EXPECTED, None),
        (Freshness.NOT_POLLED, None),
    ],
)
def test_offline_follows_the_freshness(fresh, expected):
    assert holds("offline", plant(freshness=fresh, measured_at=NOW - 7200)) is expected


def test_data_with_an_old_time_is_a_wrong_clock_and_not_offline():
    view = plant(freshness=Freshness.OFFLINE_UNEXPECTED, measured_at=NOW - 3700, arrival_delay=3600)
    assert (holds("offline", view), holds("clock", view)) == (False, True)


def test_data_ahead_of_the_time_is_a_wrong_clock():
    assert holds("clock", plant(ahead=3500))
    assert holds("clock", plant(ahead=300)) is False


def test_no_yield_is_judged_in_daylight_only():
    dark = {"pv_power": 0.0}
    assert holds("no_yield", plant(values=dark)) is True
    assert holds("no_yield", plant(values={"pv_power": 400.0})) is False
    assert holds("no_yield", plant(values={"pv_power": None})) is None
    midnight = NOW - 12 * 3600
    assert holds("no_yield", plant(now=midnight, values=dark)) is None
    assert holds("no_yield", plant(history=history(days=3), values=dark)) is None


def test_full_battery_without_export_is_no_failure():
    past = history(lambda day, number: HalfHour(power(number), grid=0.0, soc=100.0))
    assert holds("no_yield", plant(history=past, values={"pv_power": 0.0})) is None


def test_low_yield_needs_a_week_without_two_good_hours():
    weak = history(lambda day, number: HalfHour(power(number) * (0.5 if day >= -7 else 1.0)))
    assert holds("low_yield", plant(history=weak)) is True
    clouds = history(lambda day, number: HalfHour(power(number) * (0.3 if day >= -7 and day != -4 else 1.0)))
    assert holds("low_yield", plant(history=clouds)) is False


def test_low_yield_of_all_plants_is_the_weather():
    def cloudy(day, number):
        return HalfHour(power(number) * (0.4 if day >= -7 else 1.0))

    view = plant(history=history(cloudy), neighbours=[history(cloudy) for _ in range(3)])
    assert holds("low_yield", view) is None


def test_low_among_neighbours_after_three_days():
    def weather(day):
        return 0.4 + 0.2 * (day % 4)

    others = [history(lambda day, number: HalfHour(power(number) * weather(day))) for _ in range(3)]

    def half():
        return history(lambda day, number: HalfHour(power(number, 8000) * weather(day) * (0.5 if day >= -3 else 1)))

    assert holds("low_among_neighbours", plant(history=half(), neighbours=others)) is True
    sound = history(lambda day, number: HalfHour(power(number, 8000) * weather(day)))
    assert holds("low_among_neighbours", plant(history=sound, neighbours=others)) is False
    assert holds("low_among_neighbours", plant(history=half(), neighbours=others[:2])) is None


def test_battery_not_charging_while_power_is_exported():
    values = {"battery_soc": 40.0, "battery_power": 0.0, "grid_power": -3000.0}
    assert holds("battery_not_charging", plant(values=values)) is True
    assert holds("battery_not_charging", plant(values=values | {"battery_power": -2000.0})) is False
    assert holds("battery_not_charging", plant(values=values | {"battery_soc": 98.0})) is False
    assert holds("battery_not_charging", plant(values=values | {"battery_soc": None})) is None


def test_battery_stuck_for_a_day_while_power_is_imported():
    def slot(day, number):
        if day >= -2:
            return HalfHour(power(number), grid=300.0, soc=60.0, soc_low=60.0, soc_high=60.0)
        return HalfHour(power(number), grid=300.0, soc=50.0, soc_low=15.0, soc_high=90.0)

    assert holds("battery_stuck", plant(history=history(slot))) is True
    empty = history(lambda day, number: slot(day, number)._replace(soc_low=15.0, soc_high=15.0 if day >= -2 else 90.0))
    assert holds("battery_stuck", plant(history=empty)) is None


def test_counter_that_stands_still():
    stalled = history(lambda day, number: HalfHour(power(number), counter_low=3.0, counter_high=3.0))
    assert holds("counter_stalled", plant(history=stalled)) is True
    counting = history(lambda day, number: HalfHour(power(number), counter_low=0, counter_high=float(number % 48)))
    assert holds("counter_stalled", plant(history=counting)) is False
    assert holds("counter_stalled", plant()) is None


@pytest.mark.parametrize("code", ["0", "", None, "0x00000000", "None"])
def test_codes_that_mean_no_fault(code):
    assert holds("fault", plant(devices=[DeviceView(title="Box", fault_code=code)])) is False


def test_fault_code_is_in_what_was_seen():
    view = plant(devices=[DeviceView(title="Box", fault_code="117", fault_text="Relay fault")])
    judged = next(one for one in judge_plant(view) if one.rule == "fault")
    assert (judged.holds, judged.seen) == (True, "Box reports fault 117: Relay fault")
    assert holds("fault", plant(devices=[DeviceView(title="Box", status=Status.FAULT)])) is True
    assert holds("fault", plant(freshness=Freshness.OFFLINE_EXPECTED)) is None


def test_export_that_is_level_on_two_days_is_limited():
    def slot(day, number):
        limited = -1000.0 if power(number) > 2000 else 200.0
        return HalfHour(power(number), grid=limited, grid_range=2.0 if limited < 0 else 80.0)

    assert holds("export_limit", plant(history=history(slot))) is True
    free = history(lambda day, number: HalfHour(power(number), grid=300 - power(number), grid_range=90.0))
    assert holds("export_limit", plant(history=free)) is False


def account(**known):
    budget = Budget(300, 600, 60, 1, 4, None, None, None, None, ())._replace(**known)
    return {one.rule: one.holds for one in judge_account(AccountView(budget=budget))}


def test_account_rules():
    assert account() == {"account_locked": False, "login_refused": False, "quota": False}
    until = datetime(2026, 6, 1, tzinfo=UTC)
    assert account(pause=Backoff("locked", until, "507"))["account_locked"] is True
    assert account(pause=Backoff("throttled", until, "429"))["account_locked"] is False
    assert account(refused_at=until)["login_refused"] is True
    assert account(requests_used=535)["quota"] is False
    assert account(requests_used=540)["quota"] is True
    assert list(judge_account(AccountView())) == []


def logged(age, ended=None, code="302"):
    return LoggedFaultView("BOX", code, "no AC", NOW - age, None if ended is None else NOW - ended)


def test_fault_of_the_log_that_lasts_is_a_present_one_for_a_week():
    assert holds("fault", plant(faults=[logged(3 * 86400)])) is True
    assert holds("fault", plant(faults=[logged(8 * 86400)])) is False
    assert holds("fault", plant(faults=[logged(3 * 86400, 86400)])) is False
    silent = plant(faults=[logged(3600)], freshness=Freshness.OFFLINE_UNEXPECTED)
    assert holds("fault", silent) is True


def test_fault_of_the_log_that_is_over_at_once_must_repeat_within_a_day():
    assert holds("fault", plant(faults=[logged(60 * n, 60 * n) for n in (1, 2)])) is False
    assert holds("fault", plant(faults=[logged(60 * n, 60 * n) for n in (1, 2, 3)])) is True
    assert holds("fault", plant(faults=[logged(n * 86400, n * 86400) for n in (1, 2, 3)])) is False
    assert holds("fault", plant(faults=[logged(60, 60), logged(70, 70), logged(80, 80, "30")])) is False


def test_fault_of_the_log_is_named():
    (found,) = [one for one in judge_plant(plant(faults=[logged(60)])) if one.rule == "fault"]
    assert found.seen == "the vendor's log has fault 302 (no AC)"
