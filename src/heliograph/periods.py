"""Days, months and years of a plant's own calendar, as every cloud's history is asked for them. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError, Unreadable

if TYPE_CHECKING:
    from datetime import tzinfo

    from heliograph.model import PeriodEnergy

Rows = dict[str, dict[str, float | None]]
"""Energies by period, and by name within it."""

OLDEST = 2005
"""No plant of any cloud is older."""


class Wall(NamedTuple):
    """A day on the clock of a plant's wall, and the moment the cloud is at."""

    day: date
    zone: tzinfo
    now: datetime

    @property
    def hours_ahead(self) -> float:
        """How far this day's noon is ahead of UTC."""
        offset = datetime.combine(self.day, time(12), self.zone).utcoffset() or timedelta()
        return offset / timedelta(hours=1)


def parse_day(day: date | str) -> date:
    """Return a day that was named, or say how one is.

    >>> parse_day("2026-06-21")
    datetime.date(2026, 6, 21)
    """
    try:
        return date.fromisoformat(f"{day}"[:10])
    except ValueError:
        raise ConfigError(f"a day is written like 2026-06-21, not {day!r}") from None


def period_range(period: str) -> tuple[date, date]:
    """Return the first and the last day of a month or a year, or of all time.

    >>> bounds("2026-02")
    (datetime.date(2026, 2, 1), datetime.date(2026, 2, 28))
    """
    if not period:
        return date(OLDEST, 1, 1), date.max
    try:
        start = date.fromisoformat(f"{period}-01-01"[:10])
        after = (start + timedelta(days={4: 366, 7: 31}[len(period)])).replace(day=1)
    except (ValueError, OverflowError, KeyError):
        raise ConfigError(
            f"a period is a month (2026-06), a year (2026) or empty for all years, not {period!r}"
        ) from None
    return start, after - timedelta(days=1)


def zone_called(what: str, name: str) -> tzinfo:
    """Return the clock of a name somebody gave for `what`.

    >>> zone_called("zone", "Europe/Berlin")
    zoneinfo.ZoneInfo(key='Europe/Berlin')
    """
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - most plants need none

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # no name at all; the name of a folder; unknown
        raise ConfigError(f"{what} {name!r} is not a zone of the time zone database, like Europe/Berlin") from None


def energies(rows: Rows, period: str, today: date) -> tuple[PeriodEnergy, ...]:
    """Return the rows of a period in order, up to today."""
    from heliograph.model import PeriodEnergy  # noqa: PLC0415 - single calls never wait for the model

    names = dict.fromkeys(name for values in rows.values() for name in values)
    return tuple(
        PeriodEnergy(period=one, values={name: rows[one].get(name) for name in names})
        for one in sorted(rows)
        if one.startswith(period) and one <= f"{today}"[: len(one)]
    )


def no_clock(vendor: str) -> Unreadable:
    """Return the error of a plant whose times cannot be placed."""
    return Unreadable(
        "the cloud does not say which clock this plant lives by",
        vendor=vendor,
        advice="Name the plant's zone when making the client",
    )
