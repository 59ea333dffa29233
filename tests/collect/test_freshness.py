"""Freshness of samples by the last poll, sample intervals and reporting patterns."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.collect.freshness import (
    DEFAULT_INTERVAL,
    Freshness,
    arrival_delay,
    freshness,
    sample_interval,
    slots_of,
    surely_reports,
    upload_interval,
    usually_reporting,
)
from heliograph.store.base import PollStatus
from support.store_rows import ROOF

NOW = int(datetime(2026, 6, 21, 10, tzinfo=UTC).timestamp())
BERLIN = ZoneInfo("Europe/Berlin")
MINUTE, HOUR, DAY = 60, 3600, 86400


def judge(age, *, polled=0, interval=12, next_in=None, reason="", day=True, day_then=None, upload=5, **status):
    """Judge a sample by its age and the age of the last poll; all times are in minutes."""
    polled_at = NOW - polled * MINUTE
    next_at = polled_at + interval * MINUTE if next_in is None else NOW + next_in * MINUTE
    poll = PollStatus(ROOF, polled_at, interval * MINUTE, next_at, reason, **status)
    days = {NOW: day, polled_at: day if day_then is None else day_then}
    measured_at = None if age is None else NOW - age * MINUTE
    return freshness(measured_at, poll, NOW, upload * MINUTE, days.__getitem__)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, "live"), (22, "live"), (23, "stale"), (28, "stale"), (29, "offline-unexpected"), (None, "offline-unexpected")],
)
def test_freshness_depends_on_age_when_polled(age, expected):
    assert judge(age) == expected


def test_freshness_of_plant_polled_rarely_is_live_until_next_poll_is_overdue():
    assert judge(230, polled=225, interval=230) is Freshness.LIVE
    assert judge(245, polled=240, interval=230) is Freshness.LIVE
    assert judge(246, polled=241, interval=230) is Freshness.STALE


@pytest.mark.parametrize("reason", ["", "locked until 14:05"])
def test_freshness_without_polls_is_never_offline(reason):
    judged = [judge(age + 5, polled=age, reason=reason) for age in (12, 22, 23, 55, 56, 24 * 60)]
    assert judged == ["live", "live", "stale", "stale", "not-polled", "not-polled"]
    assert judge(24 * 60 + 300, polled=24 * 60, reason=reason) is Freshness.NOT_POLLED


def test_freshness_not_polled_begins_after_three_intervals():
    waiting = {"interval": 25, "reason": "daily quota is spread", "next_in": 200}
    assert judge(75, polled=70, **waiting) is Freshness.STALE
    assert judge(76, polled=71, **waiting) is Freshness.NOT_POLLED


def test_freshness_without_poll_status_is_not_polled():
    assert freshness(NOW, None, NOW, 300, lambda _: True) is Freshness.NOT_POLLED


def test_freshness_of_sample_from_the_future_is_unknown():
    assert judge(-9) is Freshness.LIVE  # within the error of a datalogger's clock
    assert judge(-11) is judge(-72 * 365 * 24 * 60) is Freshness.OFFLINE_UNEXPECTED


def test_freshness_allows_for_slow_datalogger():
    assert [judge(age, upload=15) for age in (42, 43, 65, 66)] == ["live", "stale", "stale", "offline-unexpected"]


def test_freshness_of_silent_plant_stays_offline_until_it_is_not_polled():
    assert judge(45, polled=11) is Freshness.OFFLINE_UNEXPECTED
    assert judge(45, polled=17, next_in=30, reason="locked") is Freshness.STALE
    assert judge(120, polled=59, next_in=30, reason="locked") is Freshness.OFFLINE_UNEXPECTED
    assert judge(120, polled=61, next_in=30, reason="locked") is Freshness.NOT_POLLED


@pytest.mark.parametrize("interval", [5, 10, 11, 12, 20, 25, 60])
def test_freshness_finds_silent_datalogger_in_time(interval):
    """For every moment at which it can fall silent between two polls."""
    found = []
    for polled in range(interval):  # minutes from the last upload to the next poll
        polls = [polled + interval * n for n in range(12)]
        found.append(next(at for at in polls if judge(at, interval=interval) is Freshness.OFFLINE_UNEXPECTED))
    assert max(found) <= max(45, 2 * interval)


@pytest.mark.parametrize("late", [0, 15])
@pytest.mark.parametrize("interval", [5, 10, 11, 12, 20, 25, 60])
def test_freshness_of_reporting_plant_is_live_even_if_uploads_are_late(interval, late):
    ages = [(late + upload + 1 + wait, wait) for upload in range(6) for wait in range(interval + 1)]
    assert {judge(age, polled=wait, interval=interval) for age, wait in ages} == {Freshness.LIVE}


def test_freshness_of_unchanged_values_without_data_time_is_that_of_the_poll():
    assert judge(5 * 60, polled=5, unconfirmed=True) is Freshness.LIVE
    assert judge(5 * 60, polled=59, interval=12, unconfirmed=True) is Freshness.STALE
    assert judge(5 * 60, polled=61, interval=12, unconfirmed=True) is Freshness.NOT_POLLED
    assert judge(None, polled=5, unconfirmed=True) is Freshness.OFFLINE_UNEXPECTED


def test_freshness_expects_no_report_at_night():
    assert judge(9 * 60, day=False) is Freshness.OFFLINE_EXPECTED
    assert judge(None, day=False) is Freshness.OFFLINE_EXPECTED
    assert judge(10, day=False) is Freshness.LIVE


def test_freshness_after_the_last_poll_of_the_evening_is_expected_offline_until_dawn():
    planned = {"next_in": 300, "day": False, "day_then": True}
    judged = [judge(age + 5, polled=age, **planned) for age in (40, 55, 56, 400)]
    assert judged == ["live", "live", "offline-expected", "offline-expected"]
    assert judge(400, polled=395, next_in=-11, day=False, day_then=True) is Freshness.NOT_POLLED
    assert judge(400, polled=395, next_in=300, reason="locked", day=False) is Freshness.NOT_POLLED


def test_freshness_after_sunrise_is_expected_offline_until_a_poll_is_overdue():
    dawn = {"interval": 60, "day_then": False}
    assert judge(9 * 60, polled=70, **dawn) is Freshness.OFFLINE_EXPECTED
    assert judge(9 * 60, polled=71, **dawn) is Freshness.NOT_POLLED


def reported(first, last, days=6):
    """Return samples every twelve minutes between these local hours, on the days before."""
    midnight = int(datetime(2026, 6, 21, tzinfo=BERLIN).timestamp())
    hours = range(int(first * 3600), int(last * 3600), 720)
    return slots_of(midnight - day * DAY + second for day in range(days, 0, -1) for second in hours)


def surely(slots, *hours):
    midnight = int(datetime(2026, 6, 21, tzinfo=BERLIN).timestamp())
    return [surely_reports(slots, int(midnight + hour * 3600), BERLIN) for hour in hours]


def test_surely_reports_follows_the_last_days():
    slots = reported(5, 21.5)
    assert surely(slots, 5.5, 12, 20.9) == [True] * 3
    assert surely(slots, 0, 3, 5.4, 21.2, 23) == [False] * 5


def test_surely_reports_ignores_gaps_and_one_unusual_day():
    slots = reported(5, 21.5)
    with_gaps = [slot for slot in slots if not 11 <= datetime.fromtimestamp(slot, BERLIN).hour < 12]
    assert surely(with_gaps, 11.5) == [True]
    assert surely([*slots[: -len(slots) // 6], *reported(9, 12, days=1)], 18) == [True]


def test_surely_reports_is_independent_of_the_zone_and_its_midnight():
    slots = reported(5, 21.5)
    noon = int(datetime(2026, 6, 21, 12, tzinfo=BERLIN).timestamp())
    sydney = ZoneInfo("Australia/Sydney")
    assert [surely_reports(slots, noon + 12 * HOUR * n, sydney) for n in (0, 1)] == [True, False]


def test_surely_reports_at_night_if_the_plant_does():
    assert surely(reported(0, 24), 1, 4, 12) == [True] * 3


@pytest.mark.parametrize(("hour", "expected"), [(3, False), (8, False), (9, True), (15, True), (16, False)])
def test_surely_reports_depends_on_the_clock_for_a_new_plant(hour, expected):
    assert surely(reported(0, 24, days=1), hour) == [expected]


def test_upload_interval_is_not_the_poll_interval():
    assert upload_interval(720, 720) == upload_interval(1000, 720) == DEFAULT_INTERVAL
    assert upload_interval(900, 600) == DEFAULT_INTERVAL
    assert upload_interval(900, 300) == upload_interval(900, None) == 900
    assert upload_interval(60, 600) == 60


def test_sample_interval_ignores_nights_and_gaps():
    day = [NOW + 300 * i for i in range(20)]
    assert sample_interval([*day, *(moment + DAY for moment in day), day[3] + 20]) == 300
    assert sample_interval([NOW + 900 * i for i in range(5)]) == 900


def test_sample_interval_of_few_samples_is_default():
    assert sample_interval([]) == sample_interval([NOW, NOW + 700, NOW + 1400]) == DEFAULT_INTERVAL
    assert sample_interval([NOW, NOW, NOW]) == DEFAULT_INTERVAL


@pytest.mark.parametrize(("ages", "delay"), [([], 0), ([999, 999], 0), ([20, 300, 290], 0), ([900, 1100, 999], 999)])
def test_arrival_delay_is_the_median_age_of_late_samples_at_their_fetch(ages, delay):
    assert arrival_delay(ages) == delay


@given(st.lists(st.integers(NOW, NOW + DAY)))
def test_sample_interval_is_independent_of_order(moments):
    assert sample_interval(moments) == sample_interval(sorted(moments))


def past(hours, days=5):
    """Samples on the quarter of each of these local hours, on the days before."""
    noon = datetime(2026, 6, 21, 0, 15, tzinfo=BERLIN)
    return [
        int((noon - timedelta(days=day) + timedelta(hours=hour)).timestamp())
        for day in range(1, days + 1)
        for hour in hours
    ]


def local(hour):
    return int(datetime(2026, 6, 21, hour, 20, tzinfo=BERLIN).timestamp())


def test_usually_reporting_if_reported_at_this_hour_on_most_days():
    moments = past(range(6, 21))
    assert usually_reporting(moments, local(6), BERLIN)
    assert not usually_reporting(moments, local(3), BERLIN)
    assert not usually_reporting([*moments, *past([3], days=2)], local(3), BERLIN)
    assert usually_reporting(past(range(24)), local(3), BERLIN)


def test_usually_reporting_ignores_today():
    moments = past(range(6, 21))
    assert not usually_reporting([*moments, local(3) - MINUTE], local(3), BERLIN)


@pytest.mark.parametrize(("hour", "expected"), [(3, False), (7, False), (8, True), (16, True), (17, False)])
def test_usually_reporting_without_history_depends_on_hour(hour, expected):
    assert usually_reporting(past(range(24), days=2), local(hour), BERLIN) is expected
