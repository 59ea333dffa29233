"""Poll schedule: the intervals that a budget pays for, daylight, and the warning about the configured interval."""

from __future__ import annotations

import pytest

from heliograph.collect.schedule import (
    DAY,
    HOUR,
    LIVE_INTERVAL,
    MINUTE,
    BudgetWarning,
    Daylight,
    PollPolicy,
    daylight_of,
    jitter,
    needed_requests,
    night_rhythm,
    night_wait,
    poll_rhythm,
)
from heliograph.vendors.base import PollLoad, PollRhythm

MIX = PollLoad(every_poll=1, slow=3, night=1, night_slow=3)
SUMMER = 16 * HOUR
GROWATT, GOODWE = 144, 243


@pytest.mark.parametrize(
    ("load", "requests", "wanted", "minutes"),
    [
        (MIX, GROWATT, 11, (12, 12, 60)),
        (PollLoad(every_poll=1), GROWATT, 11, (11, 11, 60)),
        (PollLoad(every_poll=1, slow=7), GROWATT, 11, (11, 11, 180)),
        (MIX, GOODWE, 10, (10, 10, 60)),
    ],
    ids=["hybrid with slow counters", "one request", "seven plants in a list", "larger budget"],
)
def test_poll_rhythm_in_daylight_is_the_shortest_the_budget_pays(load, requests, wanted, minutes):
    rhythm = poll_rhythm(load, requests, SUMMER, wanted * MINUTE)
    assert rhythm[:3] == tuple(one * MINUTE for one in minutes)


LOADS = [
    MIX,
    PollLoad(every_poll=1, slow=7),
    PollLoad(every_poll=1, flows=5, slow=8, night=0, night_flows=5, night_slow=6),
    PollLoad(every_poll=4, flows=25, slow=100, night=0, night_flows=25, night_slow=50),
    PollLoad(every_poll=50, night=50),
]


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("requests", [40, GROWATT, GOODWE])
@pytest.mark.parametrize("light", [8 * HOUR, SUMMER])
def test_poll_rhythm_never_exceeds_the_budget(load, requests, light):
    day = poll_rhythm(load, requests, light, 11 * MINUTE)
    night = night_rhythm(day)
    in_rotation = load.flows and day.flow_interval > day.interval
    used = light * load.every_poll / day.interval + light * load.slow / day.slow_interval
    used += light * load.flows / (day.flow_interval if in_rotation else day.interval)
    used += (DAY - light) * load.night / night.interval
    used += (DAY - light) * (load.night_flows / night.flow_interval + load.night_slow / night.slow_interval)
    if load.night_slow and night_rhythm(day, 0.0).day_end:
        used = max(used, used + load.night + load.night_slow * (1 - (DAY - light) / night.slow_interval))
    assert used + load.daily <= requests + 1e-6
    assert day.interval >= 11 * MINUTE


def test_poll_rhythm_polls_flows_of_a_few_hybrids_every_90_minutes():
    rhythm = poll_rhythm(LOADS[2], GROWATT, SUMMER, 11 * MINUTE)
    assert rhythm.interval <= 20 * MINUTE
    assert rhythm.flow_interval == 90 * MINUTE


def test_poll_rhythm_left_by_a_backfill_is_one_poll_per_15_minutes():
    left = needed_requests(MIX, SUMMER, 11 * MINUTE)
    assert left < GROWATT - 40
    assert poll_rhythm(MIX, left, SUMMER, 11 * MINUTE).interval <= LIVE_INTERVAL


NIGHT = night_rhythm(PollRhythm(12 * MINUTE, 12 * MINUTE, HOUR))


@pytest.mark.parametrize(
    ("until_midnight", "minutes"),
    [(3 * HOUR, 60), (70 * MINUTE, 60), (65 * MINUTE, 55), (21 * MINUTE, 11), (20 * MINUTE, 60), (10 * MINUTE, 60)],
)
def test_night_wait_ends_ten_minutes_before_midnight(until_midnight, minutes):
    second = DAY - until_midnight
    assert night_wait(MIX, NIGHT, Daylight(), second, until_midnight) == minutes * MINUTE
    assert night_wait(PollLoad(), NIGHT, Daylight(), second, until_midnight) == HOUR, "no counters to read at night"
    assert night_rhythm(NIGHT, until_midnight).day_end == (until_midnight <= 20 * MINUTE)


def test_night_wait_ends_when_daylight_begins():
    assert night_wait(MIX, NIGHT, Daylight(), 4.5 * HOUR, 19.5 * HOUR) == 35 * MINUTE


def test_night_rhythm_of_too_many_hybrids_does_not_read_all_counters_at_the_end_of_the_day():
    rare = night_rhythm(PollRhythm(HOUR, DAY, DAY), 10 * MINUTE)
    assert not rare.day_end
    assert night_wait(LOADS[3], rare, Daylight(), 23 * HOUR, HOUR) == HOUR


def test_daylight_of_little_history_is_from_5_to_21():
    assert daylight_of([12 * HOUR] * 5) == Daylight(5 * HOUR, 21 * HOUR)


def test_daylight_of_history_ignores_a_single_value_at_night():
    half_hours = [hour * HOUR / 2 for hour in range(16, 33)] * 10
    assert daylight_of([*half_hours, 2 * HOUR]) == Daylight(7.5 * HOUR, 16.5 * HOUR)


@pytest.mark.parametrize(("hour", "hours"), [(4, 1), (5, 16), (20, 1), (21, 8), (23, 6)])
def test_daylight_until_change(hour, hours):
    assert Daylight().until_change(hour * HOUR) == hours * HOUR


def test_policy_never_polls_below_the_floor():
    assert PollPolicy(180.0, 60.0).wanted == 180.0
    assert PollPolicy(180.0, None, 660.0).wanted == 660.0


def test_jitter_is_small_and_constant():
    assert jitter("home", 660.0) == jitter("home", 660.0) <= 16.5
    assert jitter("home", 660.0) != jitter("roof", 660.0)


@pytest.mark.parametrize(
    ("polls", "said"),
    [
        ([200, 200, 200, 200], "-x--"),
        # A login makes one poll dear.
        ([200, 90, 200, 90], "----"),
        ([200, 120, 200, 120], "----"),
        ([149, 149, 149], "---"),
        # Nearly paid is not paid.
        ([200, 200, 120, 200, 200], "-x---"),
        ([200, 200, 90, 200, 200], "-x--x"),
    ],
)
def test_budget_warning_is_due_at_second_poll_and_again_after_recovery(polls, said):
    shortfall = BudgetWarning()
    assert "".join("x" if shortfall.due(100.0, one) else "-" for one in polls) == said


def test_budget_warning_is_never_due_without_interval():
    shortfall = BudgetWarning()
    assert not any(shortfall.due(None, 9000.0) for _ in range(3))
