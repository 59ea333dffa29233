"""The range of days or times that a request asks for, in the plant's local time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.local_time import day_at
from heliograph.web.parameters import to_epoch
from heliograph.web.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from typing import Any

    from heliograph.current import PlantState
    from heliograph.web.state import StateCache


def requested_days(
    state_cache: StateCache, query: Mapping[str, Any], one: PlantState, default: timedelta, maximum: timedelta
) -> tuple[date, date]:
    """Return the first and the last requested day. Raises `Problem` for an impossible or too long range."""
    last = query["to"] or day_at(int(state_cache.clock.now()), one.zone)
    first = query["from"] or last - default
    if first > last:
        raise Problem(400, "from must be before to")
    if last - first > maximum:
        raise Problem(400, f"from and to are more than {maximum.days} days apart; request a shorter range")
    return first, last


def requested_range(
    state_cache: StateCache, query: Mapping[str, Any], one: PlantState, default: timedelta, maximum: timedelta
) -> tuple[int, int]:
    """Return the requested time range; a day as `to` is included."""
    to = query["to"] or day_at(int(state_cache.clock.now()), one.zone)
    until = to_epoch(to if isinstance(to, datetime) else to + timedelta(days=1), one.zone)
    since = to_epoch(query["from"] or day_at(until - 1, one.zone) - default, one.zone)
    if since >= until:
        raise Problem(400, "from must be before to")
    if until - since > maximum.total_seconds():
        raise Problem(400, f"from and to are more than {maximum.days} days apart; request a shorter range, or days")
    return since, until
