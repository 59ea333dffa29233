"""How polls and history share the request budget of an account. Polls come first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.collect.gaps import SPANS
from heliograph.collect.schedule import DAY, POLL_SHARE, needed_requests

if TYPE_CHECKING:
    from heliograph.store.base import Series, Store
    from heliograph.vendors.base import PollLoad

_BACKFILL_SIGN = 0.06
"""The part of the budget that history uses in a day only while a backfill runs."""
MARGIN = 4
"""Requests that a backfill leaves besides: a login, and a poll that takes more than usual."""


def history_requests(store: Store, series: Series, now: int) -> int:
    """Return the number of history queries of a plant in the last 24 hours that the vendor API answered with data."""
    since = now - DAY
    # Periods without data are mostly inferred from a coarser answer, without a request.
    return sum(
        record.queried_at > since and record.outcome != "nothing"
        for span in SPANS
        for record in store.queries(series, span).values()
    )


def poll_requests(daily: int, load: PollLoad, light: float, wanted: float, history: int) -> float:
    """Return the requests per day that polls may use: most of the budget, and what they need while a backfill runs."""
    share = daily * POLL_SHARE
    if history <= daily * _BACKFILL_SIGN:
        return share
    return min(share, needed_requests(load, light, wanted))


def backfill_requests(daily: int, load: PollLoad, light: float, wanted: float) -> int:
    """Return the requests per day that a backfill may use."""
    needed = min(needed_requests(load, light, wanted), daily * POLL_SHARE)
    return max(int(daily - needed) - MARGIN, 1)
