"""Windows that count and doors that stay shut, against the plainest way to say the same."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from heliograph.emulator.ratelimit import MAX_COUNT, Lockout, SlidingWindow

START = datetime(2026, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def at(seconds):
    return START + timedelta(seconds=seconds)


@given(st.lists(st.integers(0, 200)))
def test_sliding_window_counts_events_under_any_clock(moments):
    window, happened = SlidingWindow(MINUTE), []
    for now in moments:
        happened = [one for one in happened if now - 60 < one <= now]
        assert window.add(at(now)) == len(happened)
        happened.append(now)


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(0, 4), st.booleans(), st.sampled_from((20, 100)))
def test_lockout_locks_after_limit_and_extends(gaps, most, prolongs, pause):
    window, door = SlidingWindow(MINUTE), Lockout(timedelta(seconds=pause))
    knocks, until, shut_seconds, now = [], None, 0, 0
    for gap in gaps:
        shut_seconds += 0 if until is None else max(0, min(now + gap, until) - now)
        now += gap
        if until is not None and now >= until:
            until = None
        if until is None:
            knocks = [one for one in knocks if one > now - 60]
            if len(knocks) >= most:
                knocks, until = [], now + pause
            else:
                knocks.append(now)
        elif prolongs:
            until = now + pause
        left = door.attempt(at(now), window, most, extend=prolongs)
        assert left == (None if until is None else at(until) - at(now))
        assert door.total(at(now)) == timedelta(seconds=shut_seconds)


def test_lockout_without_limit_never_locks():
    window, door = SlidingWindow(MINUTE), Lockout(MINUTE)
    assert [door.attempt(START, window, None) for _ in range(1000)] == [None] * 1000


def test_lockout_unlocked_early_counts_locked_time_only():
    door = Lockout(timedelta(hours=24))
    door.lock(at(0))
    door.unlock(at(3600))
    door.unlock(at(7200))
    assert door.remaining(at(3600)) is None
    assert door.total(at(100_000)) == timedelta(hours=1)


def test_lockout_is_unlocked_if_clock_is_set_back():
    door = Lockout(timedelta(hours=1))
    door.lock(at(1000))
    assert door.remaining(at(999)) is None
    assert door.total(at(999)) == timedelta()


def test_sliding_window_is_bounded():
    window = SlidingWindow(MINUTE)
    for _ in range(MAX_COUNT + 5):
        counted = window.add(START)
    assert counted == MAX_COUNT - 1
