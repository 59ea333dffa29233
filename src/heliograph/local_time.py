"""Days, months and years of a plant's own calendar, as every cloud's history is asked for them. Pure."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock_time
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError, Unreadable

if TYPE_CHECKING:
    import asyncio
    from datetime import tzinfo

    from heliograph.model import PeriodEnergy


EnergyRows = dict[str, dict[str, float | None]]
"""Energies by period, and by name within it."""

EARLIEST_YEAR = 2005
"""No plant of any cloud is older."""


class LocalDay(NamedTuple):
    """A day on the clock of a plant's wall, and the moment the cloud is at."""

    day: date
    zone: tzinfo
    now: datetime

    @property
    def utc_offset_hours(self) -> float:
        """How far this day's noon is ahead of UTC."""
        offset = datetime.combine(self.day, clock_time(12), self.zone).utcoffset() or timedelta()
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

    >>> period_range("2026-02")
    (datetime.date(2026, 2, 1), datetime.date(2026, 2, 28))
    """
    if not period:
        return date(EARLIEST_YEAR, 1, 1), date.max
    try:
        start = date.fromisoformat(f"{period}-01-01"[:10])
        after = (start + timedelta(days={4: 366, 7: 31}[len(period)])).replace(day=1)
    except (ValueError, OverflowError, KeyError):
        raise ConfigError(
            f"a period is a month (2026-06), a year (2026) or empty for all years, not {period!r}"
        ) from None
    return start, after - timedelta(days=1)


def parse_zone(what: str, name: str) -> tzinfo:
    """Return the clock of a name somebody gave for `what`.

    >>> parse_zone("zone", "Europe/Berlin")
    zoneinfo.ZoneInfo(key='Europe/Berlin')
    """
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - most plants need none

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # no name at all; the name of a folder; unknown
        raise ConfigError(f"{what} {name!r} is not a zone of the time zone database, like Europe/Berlin") from None


def ordered_energies(rows: EnergyRows, period: str, today: date) -> tuple[PeriodEnergy, ...]:
    """Return the rows of a period in order, up to today."""
    from heliograph.model import PeriodEnergy  # noqa: PLC0415 - single calls never wait for the model

    names = dict.fromkeys(name for values in rows.values() for name in values)
    return tuple(
        PeriodEnergy(period=one, values={name: rows[one].get(name) for name in names})
        for one in sorted(rows)
        if one.startswith(period) and one <= f"{today}"[: len(one)]
    )


def unknown_zone_error(vendor: str) -> Unreadable:
    """Return the error of a plant whose times cannot be placed."""
    return Unreadable(
        "the cloud does not say which clock this plant lives by",
        vendor=vendor,
        advice="Name the plant's zone when making the client",
    )


FINAL_AFTER = 12 * 3600
"""Seconds after a day's end until it is read again, and its energies are final: loggers upload late."""


def day_at(moment: int, zone: tzinfo) -> date:
    """Return the plant's own day at a moment of epoch seconds."""
    return datetime.fromtimestamp(moment, UTC).astimezone(zone).date()


def day_start(day: date, zone: tzinfo) -> int:
    """Return the first second of a day.

    Where clocks skip midnight (Santiago in September) the day begins at the change; where midnight comes twice
    (Havana in November), at the first.
    """
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def day_bounds(day: date, zone: tzinfo) -> tuple[int, int]:
    """Return when a day begins and when the next one does: 23, 24 or 25 hours apart, as a rule."""
    return day_start(day, zone), day_start(day + timedelta(days=1), zone)


class Clock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return the moment, in epoch seconds."""
        return time.time()

    async def wait(self, until: float, stop: asyncio.Event) -> None:
        """Wait until a moment, or until `stop` is set; a machine that slept wakes within a minute of its time."""
        import asyncio  # noqa: PLC0415 - most readers of a calendar wait for nothing

        while not stop.is_set() and (left := until - self.now()) > 0:
            try:
                await asyncio.wait_for(stop.wait(), min(left, 60.0))
            except TimeoutError:
                continue


def zone_from_name(name: str | None) -> tzinfo:
    """Return the clock of a stored name: an IANA zone, an offset like "UTC+02:00", or UTC where nothing is known."""
    if not name:
        return UTC
    offset = re.fullmatch(r"UTC([+-])(\d\d):(\d\d)", name)
    if offset:
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(away if offset[1] == "+" else -away)
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - fixed offsets need none

    return ZoneInfo(name)
