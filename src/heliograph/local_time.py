"""Plant-local calendar (days, months, years and their bounds in UTC), time zones, and the clock."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock_time
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError, Unreadable

if TYPE_CHECKING:
    import asyncio
    from datetime import tzinfo

    from heliograph.model import PeriodEnergy

EnergyRows = dict[str, dict[str, float | None]]
"""Energies by period and name."""

EARLIEST_YEAR = 2005
"""No plant of any vendor is older."""
FINAL_AFTER = 12 * 3600
"""Seconds after the end of a day until its energies are fetched again and final: dataloggers upload late."""


class LocalDay(NamedTuple):
    """One day in the time zone of a plant, and the current time of the server."""

    day: date
    zone: tzinfo
    now: datetime

    @property
    def utc_offset_hours(self) -> float:
        """UTC offset at noon of this day."""
        offset = datetime.combine(self.day, clock_time(12), self.zone).utcoffset() or timedelta()
        return offset / timedelta(hours=1)


def parse_day(day: date | str) -> date:
    """Parse a day; raises ConfigError for any other text.

    >>> parse_day("2026-06-21")
    datetime.date(2026, 6, 21)
    """
    try:
        return date.fromisoformat(f"{day}"[:10])
    except ValueError:
        raise ConfigError(f"a day must be written like 2026-06-21, got {day!r}") from None


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


def day_at(moment: int, zone: tzinfo) -> date:
    """Return the local day at a time in epoch seconds."""
    return datetime.fromtimestamp(moment, UTC).astimezone(zone).date()


def day_start(day: date, zone: tzinfo) -> int:
    """Return the first second of a local day, in epoch seconds.

    If the clocks skip midnight (Santiago in September), the day begins at the change; if midnight comes twice
    (Havana in November), at the first.
    """
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def day_bounds(day: date, zone: tzinfo) -> tuple[int, int]:
    """Return the first second of a local day and of the next one, usually 23, 24 or 25 hours later."""
    return day_start(day, zone), day_start(day + timedelta(days=1), zone)


def parse_zone(label: str, name: str) -> tzinfo:
    """Return the IANA time zone of a name; `label` names the value in the ConfigError for an unknown one.

    >>> parse_zone("zone", "Europe/Berlin")
    zoneinfo.ZoneInfo(key='Europe/Berlin')
    """
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - most plants need none

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # not a name; the name of a folder; unknown
        raise ConfigError(f"{label} {name!r} is not a zone of the time zone database, like Europe/Berlin") from None


def stored_zone(name: str | None) -> tzinfo | None:
    """Return the time zone of a stored name: an IANA name or an offset like "UTC+02:00"; None if it is unknown."""
    if not name or name == "UTC":
        return UTC if name else None
    try:
        if offset := re.fullmatch(r"UTC([+-])(\d\d):(\d\d)", name):
            delta = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
            return timezone(delta if offset[1] == "+" else -delta)
        return parse_zone("stored zone", name)
    except (ValueError, ConfigError):  # not an offset; not a zone of this machine
        return None


def zone_from_name(name: str | None) -> tzinfo:
    """Return the time zone of a stored name for display; UTC if there is none or, with a warning, if it is unknown."""
    zone = stored_zone(name)
    if zone is None and name:
        _warn_about_unknown_zone(name)
    return zone or UTC


@cache
def _warn_about_unknown_zone(name: str) -> None:
    import logging  # noqa: PLC0415 - stored zones are rarely unknown

    from heliograph.eventlog import LogEvent  # noqa: PLC0415

    logging.getLogger(__name__).warning(LogEvent("timezone.unknown", zone=name[:100], used="UTC"))


def unknown_zone_error(vendor: str) -> Unreadable:
    """Return the error of a plant without a known time zone."""
    return Unreadable(
        "the time zone of this plant is unknown",
        vendor=vendor,
        advice="Pass `zone` when creating the client",
    )


def ordered_energies(rows: EnergyRows, period: str, today: date) -> tuple[PeriodEnergy, ...]:
    """Return the rows of a period in order, up to today; every row has the same names."""
    from heliograph.model import PeriodEnergy  # noqa: PLC0415 - single calls do not need the model

    names = dict.fromkeys(name for values in rows.values() for name in values)
    return tuple(
        PeriodEnergy(period=key, values={name: rows[key].get(name) for name in names})
        for key in sorted(rows)
        if key.startswith(period) and key <= f"{today}"[: len(key)]
    )


class Clock:
    """The clock of the machine, for blocking and async code; simulations and tests pass a subclass."""

    def now(self) -> float:
        """Return the current time, in epoch seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)

    async def async_sleep(self, seconds: float) -> None:
        """Suspend this task."""
        import asyncio  # noqa: PLC0415 - not needed by blocking callers

        await asyncio.sleep(seconds)

    async def wait(self, until: float, stop: asyncio.Event) -> None:
        """Wait until a time in epoch seconds, or until `stop` is set.

        After a suspend of the machine it returns within a minute of its time.
        """
        import asyncio  # noqa: PLC0415 - not needed by blocking callers

        while not stop.is_set() and (remaining := until - self.now()) > 0:
            try:
                await asyncio.wait_for(stop.wait(), min(remaining, 60.0))
            except TimeoutError:
                continue
