"""The plant's calendar."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph import local_time
from heliograph.local_time import day_at, day_bounds, day_start, stored_zone, zone_from_name

ZONES = (
    "UTC",
    "Europe/Berlin",
    "Australia/Sydney",
    "America/Santiago",
    "America/Havana",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
)


@given(st.sampled_from(ZONES), st.dates(date(2015, 1, 1), date(2035, 1, 1)), st.floats(0, 1, exclude_max=True))
def test_day_bounds_contain_exactly_the_times_of_the_day(name, day, share):
    zone = ZoneInfo(name)
    start, end = day_bounds(day, zone)
    assert day_at(start, zone) == day_at(start + int((end - start) * share), zone) == day_at(end - 1, zone) == day
    assert day_at(start - 1, zone) == day - timedelta(days=1)
    assert end == day_start(day + timedelta(days=1), zone)


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 6, 21), 24),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/Santiago", date(2026, 9, 6), 23),  # midnight itself is skipped
        ("America/Havana", date(2026, 11, 1), 25),  # midnight comes twice
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ],
)
def test_day_bounds_follow_dst(name, day, hours):
    start, end = day_bounds(day, ZoneInfo(name))
    assert end - start == hours * 3600


def test_day_bounds_accept_fixed_offset():
    zone = timezone(timedelta(hours=8))
    assert day_at(int(datetime(2026, 6, 20, 16, tzinfo=UTC).timestamp()), zone) == date(2026, 6, 21)


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Europe/Berlin", ZoneInfo("Europe/Berlin")),
        ("UTC", UTC),
        ("UTC+03:20", timezone(timedelta(hours=3, minutes=20))),
        ("UTC-09:30", timezone(-timedelta(hours=9, minutes=30))),
    ],
)
def test_stored_zone_is_a_name_or_an_offset(name, zone):
    assert stored_zone(name) == zone_from_name(name) == zone


UNKNOWN_ZONES = (
    "UTC+03:19:58.800000",
    "UTC+99:99",
    "Mars/Olympus",
    "../../etc/passwd",
    "Europe",
    "a\x00b",
    "\ud800",
    "x" * 5000,
)


@pytest.mark.parametrize("name", UNKNOWN_ZONES)
def test_unknown_stored_zone_is_utc_for_readers_and_logged_once(name, caplog):
    local_time._warn_about_unknown_zone.cache_clear()
    assert stored_zone(name) is None
    assert zone_from_name(name) is zone_from_name(name) is UTC
    (record,) = caplog.records
    assert str(record.msg).startswith("event=timezone.unknown")
    assert "used=UTC" in str(record.msg)


@pytest.mark.parametrize("name", [None, ""])
def test_missing_stored_zone_is_utc_for_readers_without_a_warning(name, caplog):
    assert stored_zone(name) is None
    assert zone_from_name(name) is UTC
    assert not caplog.records
