"""Freshness of samples, sample intervals and reporting patterns."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.collect.freshness import (
    DEFAULT_INTERVAL,
    Freshness,
    elevation,
    freshness,
    sample_interval,
    usually_reporting,
)

NOW = int(datetime(2026, 6, 21, 10, tzinfo=UTC).timestamp())
BERLIN = ZoneInfo("Europe/Berlin")
MINUTE, HOUR, DAY = 60, 3600, 86400


def judge(age, sun=40.0, has_battery=False, every=300.0):
    return freshness(None if age is None else NOW - age, NOW, every, sun, has_battery=has_battery)


def test_freshness_is_live_within_two_intervals_and_leeway():
    assert judge(15 * MINUTE) is Freshness.LIVE
    assert judge(15 * MINUTE + 1) is Freshness.STALE
    assert judge(15 * MINUTE, sun=-20) is Freshness.LIVE


def test_freshness_of_sample_from_the_future_is_not_live():
    assert judge(-9 * MINUTE) is Freshness.LIVE  # within the error of a datalogger's clock
    assert judge(-11 * MINUTE) is judge(-72 * 365 * DAY) is Freshness.OFFLINE_UNEXPECTED


def test_freshness_is_live_longer_for_slow_datalogger():
    assert judge(35 * MINUTE, every=900) is Freshness.LIVE
    assert judge(80 * MINUTE, every=900) is Freshness.STALE


def test_freshness_is_unexpected_after_an_hour_of_sun():
    assert judge(HOUR) is Freshness.STALE
    assert judge(HOUR + 1) is Freshness.OFFLINE_UNEXPECTED
    assert judge(None) is Freshness.OFFLINE_UNEXPECTED


def test_freshness_expects_sleep_without_battery_only():
    assert judge(9 * HOUR, sun=5.9) is Freshness.OFFLINE_EXPECTED
    assert judge(9 * HOUR, sun=6.0) is Freshness.OFFLINE_UNEXPECTED
    assert judge(9 * HOUR, sun=-30, has_battery=True) is Freshness.OFFLINE_UNEXPECTED
    assert judge(None, sun=-30) is Freshness.OFFLINE_EXPECTED


def test_freshness_uses_reporting_pattern_without_position():
    assert judge(9 * HOUR, sun=False) is Freshness.OFFLINE_EXPECTED
    assert judge(9 * HOUR, sun=True) is Freshness.OFFLINE_UNEXPECTED
    assert judge(9 * HOUR, sun=None) is Freshness.OFFLINE_UNEXPECTED


def test_sample_interval_ignores_nights_and_gaps():
    day = [NOW + 300 * i for i in range(20)]
    assert sample_interval([*day, *(moment + DAY for moment in day), day[3] + 20]) == 300
    assert sample_interval([NOW + 900 * i for i in range(5)]) == 900


def test_sample_interval_of_few_samples_is_default():
    assert sample_interval([]) == sample_interval([NOW, NOW + 700, NOW + 1400]) == DEFAULT_INTERVAL
    assert sample_interval([NOW, NOW, NOW]) == DEFAULT_INTERVAL


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


def test_elevation_in_berlin_at_noon_and_midnight():
    at_noon = int(datetime(2026, 6, 21, 11, 10, tzinfo=UTC).timestamp())
    assert elevation(at_noon, 52.5, 13.4) == pytest.approx(61, abs=0.5)
    assert elevation(at_noon + DAY // 2, 52.5, 13.4) < 0
