"""Sliding windows and lockouts, compared with simple models."""

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
def test_lockout_locks_after_limit_and_extends(gaps, limit, extend, pause):
    window, lockout = SlidingWindow(MINUTE), Lockout(timedelta(seconds=pause))
    attempts, until, locked_seconds, now = [], None, 0, 0
    for gap in gaps:
        locked_seconds += 0 if until is None else max(0, min(now + gap, until) - now)
        now += gap
        if until is not None and now >= until:
            until = None
        if until is None:
            attempts = [one for one in attempts if one > now - 60]
            if len(attempts) >= limit:
                attempts, until = [], now + pause
            else:
                attempts.append(now)
        elif extend:
            until = now + pause
        remaining = lockout.attempt(at(now), window, limit, extend=extend)
        assert remaining == (None if until is None else at(until) - at(now))
        assert lockout.total(at(now)) == timedelta(seconds=locked_seconds)


def test_lockout_without_limit_never_locks():
    window, lockout = SlidingWindow(MINUTE), Lockout(MINUTE)
    assert [lockout.attempt(START, window, None) for _ in range(1000)] == [None] * 1000


def test_lockout_unlocked_early_counts_locked_time_only():
    lockout = Lockout(timedelta(hours=24))
    lockout.lock(at(0))
    lockout.unlock(at(3600))
    lockout.unlock(at(7200))
    assert lockout.remaining(at(3600)) is None
    assert lockout.total(at(100_000)) == timedelta(hours=1)


def test_lockout_is_unlocked_if_clock_is_set_back():
    lockout = Lockout(timedelta(hours=1))
    lockout.lock(at(1000))
    assert lockout.remaining(at(999)) is None
    assert lockout.total(at(999)) == timedelta()


def test_sliding_window_is_bounded():
    window = SlidingWindow(MINUTE)
    for _ in range(MAX_COUNT + 5):
        counted = window.add(START)
    assert counted == MAX_COUNT - 1
