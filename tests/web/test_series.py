"""Tests of the buckets of a time range: limited in number and aligned to local time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.local_time import day_start
from heliograph.store import open_store
from heliograph.store.base import Batch
from heliograph.web.series import MAX_BUCKETS, bucket_seconds, columns, uniform_runs
from support.website import HOME, entry

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [UTC, BERLIN, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/Havana")]
DAY = 24 * 3600


def buckets(since, until, points, zone):
    seconds = bucket_seconds(since, until, points)
    return seconds, [
        (at, min(at + step, end))
        for begin, end, step in uniform_runs(since, until, seconds, zone)
        for at in range(begin, end, step)
    ]


@given(
    st.dates(date(2000, 1, 1), date(2030, 1, 1)),
    st.integers(0, DAY),
    st.integers(1, 10 * 366 * DAY),
    st.integers(1, MAX_BUCKETS),
    st.sampled_from(ZONES),
)
def test_uniform_runs_cover_range_without_gap_or_overlap(first, offset, duration, points, zone):
    since = day_start(first, zone) + offset
    until = since + duration
    _, found = buckets(since, until, points, zone)
    assert found[0][0] <= since < found[0][1]
    assert found[-1][1] == until
    assert all(before[1] == after[0] for before, after in pairwise(found))


@given(
    st.dates(date(2000, 1, 1), date(2030, 1, 1)),
    st.integers(2, 400),
    st.integers(1, MAX_BUCKETS),
    st.sampled_from(ZONES),
)
def test_uniform_runs_have_at_most_requested_points_plus_clock_changes(first, days, points, zone):
    since, until = day_start(first, zone), day_start(first + timedelta(days=days), zone)
    seconds, found = buckets(since, until, points, zone)
    changes = len(list(uniform_runs(since, until, seconds, zone))) - 1
    assert changes <= 12
    assert len(found) <= points + changes + 1


@given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(2, 400), st.sampled_from(ZONES))
def test_uniform_runs_start_a_bucket_at_every_midnight(first, days, zone):
    since, until = day_start(first, zone), day_start(first + timedelta(days=days), zone)
    seconds, found = buckets(since, until, days, zone)
    if seconds <= DAY:
        starts = {at for at, _ in found}
        assert all(day_start(first + timedelta(days=past), zone) in starts for past in range(days))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-21", 24)])
def test_uniform_runs_have_one_bucket_for_day_of_clock_change(day, hours):
    first = date.fromisoformat(day)
    since, until = day_start(first - timedelta(days=3), BERLIN), day_start(first + timedelta(days=4), BERLIN)
    _, found = buckets(since, until, 8, BERLIN)
    assert [(end - at) / 3600 for at, end in found] == [24, 24, 24, hours, 24, 24, 24]


def test_columns_of_a_year_keep_low_and_high_per_bucket(tmp_path):
    begin = int(datetime(2025, 6, 1, tzinfo=UTC).timestamp())
    moments = range(begin, begin + 30 * DAY, 300)
    peak = begin + 10 * DAY + 12 * 3600
    with open_store(tmp_path / "s.sqlite") as store:
        store.write(Batch(samples=[entry(HOME, at, pv_power=9000.0 if at == peak else 100.0) for at in moments]))
        found = columns(store, HOME, UTC, ("pv_power",), begin, begin + 365 * DAY, MAX_BUCKETS)
    assert found["seconds"] == 6 * 3600
    assert len(found["starts"]) == 30 * 4
    assert found["metrics"]["pv_power"]["high"].count(9000.0) == 1
    assert set(found["metrics"]["pv_power"]["low"]) == {100.0}
