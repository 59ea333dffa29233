"""Formatting of times and durations, and parsing of day options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.errors import ConfigError
from heliograph.local_time import parse_day

if TYPE_CHECKING:
    from datetime import date, datetime, timedelta


def format_local_time(moment: datetime, now: datetime) -> str:
    """Format a time in this machine's time zone, with the day if it is not today.

    >>> from datetime import datetime
    >>> now = datetime(2026, 6, 21, 12, 0).astimezone()
    >>> times = now.replace(hour=8, minute=1), now.replace(day=22), now.replace(month=3)
    >>> [format_local_time(time, now) for time in times]
    ['08:01', 'Mon 12:00', '2026-03-21 12:00']
    """
    local, today = moment.astimezone(), now.astimezone()
    days = (local.date() - today.date()).days
    return local.strftime("%H:%M" if not days else "%a %H:%M" if abs(days) < 7 else "%Y-%m-%d %H:%M")


def format_duration(span: timedelta) -> str:
    """Format a duration in one unit.

    >>> from datetime import timedelta
    >>> [format_duration(timedelta(minutes=minutes)) for minutes in (0.2, 42, 6 * 60 + 20, 49 * 60)]
    ['<1 min', '42 min', '6 h', '2 days']
    """
    minutes = span.total_seconds() / 60
    if minutes < 1:
        return "<1 min"
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 60 / 24:.0f} days"


def parse_day_option(text: str | None, option: str) -> date | None:
    """Parse a day option; None if it was not given."""
    if text is None:
        return None
    try:
        day = parse_day(text)
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from None
    if f"{day}" != text:
        raise ConfigError(f"{option}: a day must be written like 2026-06-21, got {text!r}")
    return day


def check_day_order(first: date | None, last: date | None, options: tuple[str, str]) -> None:
    """Raise `ConfigError` if the first day is after the last."""
    if first is not None and last is not None and first > last:
        raise ConfigError(f"{options[0]} {first} is after {options[1]} {last}; swap the two days")
