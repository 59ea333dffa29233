"""The calendar on the plant's wall: which day a moment belongs to, and when that day begins and ends in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

NOON = 12 * 3600
"""Seconds after a day's end until it is read again, and its energies are final: loggers upload late."""


def day_at(moment: int, zone: tzinfo) -> date:
    """Return the plant's own day at a moment of epoch seconds."""
    return datetime.fromtimestamp(moment, UTC).astimezone(zone).date()


def begins(day: date, zone: tzinfo) -> int:
    """Return the first second of a day.

    Where clocks skip midnight (Santiago in September) the day begins at the change; where midnight comes twice
    (Havana in November), at the first.
    """
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def day_bounds(day: date, zone: tzinfo) -> tuple[int, int]:
    """Return when a day begins and when the next one does: 23, 24 or 25 hours apart, as a rule."""
    return begins(day, zone), begins(day + timedelta(days=1), zone)
