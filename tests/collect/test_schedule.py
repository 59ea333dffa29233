"""Poll schedule: the next poll, and the warning that the budget does not allow the configured interval."""

from __future__ import annotations

import pytest

from heliograph.collect.schedule import (
    DAY,
    POLL_SHARE,
    UPLOAD_LAG,
    BudgetWarning,
    PollPolicy,
    PollStats,
    min_affordable_interval,
    next_poll,
)


def costing(seconds):
    """Return what is seen where the budget pays a poll every so many seconds."""
    return PollStats(
        newest=None,
        sample_interval=300.0,
        reporting=True,
        has_battery=True,
        cost=seconds * 200 * POLL_SHARE / DAY,
        daily=200,
    )


def test_min_affordable_interval_depends_on_poll_cost():
    assert min_affordable_interval(costing(432.0)) == pytest.approx(432.0)


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
    assert "".join("x" if shortfall.due(100.0, costing(one)) else "-" for one in polls) == said


def test_budget_warning_is_never_due_without_interval():
    shortfall = BudgetWarning()
    assert not any(shortfall.due(None, costing(9000)) for _ in range(3))


NOW = 1_782_036_000.0


@pytest.mark.parametrize("ahead", [1.5 * 3600, 86_400, 72 * 365 * 86_400])
def test_next_poll_after_sample_from_the_future_is_within_an_hour(ahead):
    stats = costing(180)._replace(newest=NOW + ahead)
    assert NOW + 180 <= next_poll(NOW, PollPolicy(180.0), stats, "home") <= NOW + 3600 + UPLOAD_LAG


def test_next_poll_after_sample_from_the_future_waits_two_intervals_of_slow_datalogger():
    stats = costing(180)._replace(newest=NOW + 86_400, sample_interval=7200.0)
    assert NOW + 7200 < next_poll(NOW, PollPolicy(180.0), stats, "home") <= NOW + 2 * 7200 + UPLOAD_LAG


def test_next_poll_after_sample_from_the_future_is_not_before_the_budget_allows_it():
    stats = costing(3 * 3600)._replace(newest=NOW + 86_400)
    assert next_poll(NOW, PollPolicy(180.0), stats, "home") >= NOW + 3 * 3600
