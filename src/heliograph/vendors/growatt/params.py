"""Request parameters of Growatt's calls: days, times of day, chart spans, and the password hash."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time
from enum import IntEnum
from hashlib import md5
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Day = date | datetime | str | None
"""A day: a `date`, a `datetime`, "2026-06-21" or "2026-06"; None means the current day at the plant."""

TimeOfDay = time | str
"""A time of day: a `time` or "HH:MM"."""


class Timespan(IntEnum):
    """The period one chart covers. The names are Growatt's: each names the step, not the period."""

    hour = 0  # one day in 5-minute steps
    day = 1  # one month in days
    month = 2  # one year in months


class PlantToday(NamedTuple):
    """Placeholder argument: the current day in plant-local time, in the `strftime` format of its chart."""

    plant_id: str | None
    format: str = "%Y-%m-%d"


def parse_timespan(value: Timespan | int) -> Timespan:
    """Return the `Timespan` of an enum member or its number.

    >>> parse_timespan(1)
    <Timespan.day: 1>
    """
    try:
        return Timespan(value)
    except ValueError:
        raise ValueError(f"timespan must be hour (0), day (1) or month (2), not {value!r}") from None


def format_day(value: Day, plant_id: str | None = None, span: Timespan = Timespan.hour) -> str | PlantToday:
    """Format a day for the API: YYYY-MM for a chart of months, otherwise YYYY-MM-DD.

    >>> format_day(date(2026, 6, 21)), format_day("2026-06-21", span=Timespan.month)
    ('2026-06-21', '2026-06')
    """
    form = "%Y-%m" if span is Timespan.month else "%Y-%m-%d"
    if value is None:
        return PlantToday(plant_id, form)
    if isinstance(value, str):
        try:
            value = datetime.strptime(value.strip(), "%Y-%m" if len(value.strip()) == 7 else "%Y-%m-%d")  # noqa: DTZ007
        except ValueError:
            raise ValueError(f"{_DAY}, not {value!r}") from None
    if not isinstance(value, date):
        raise ValueError(f"{_DAY}, not {value!r}")  # noqa: TRY004 - as in `format_time`
    return value.strftime(form)


_DAY = "a day is written like 2026-06-21 or 2026-06"


def is_ambiguous(local: datetime) -> bool:
    """Return True if a local time is in the repeated or the skipped hour of a clock change."""
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def format_time(value: TimeOfDay) -> tuple[str, str]:
    """Format a time of day as zero-padded hour and minute.

    >>> format_time("7:05"), format_time(time(23, 59))
    (('07', '05'), ('23', '59'))
    """
    if isinstance(value, str):
        hour, _, minute = value.strip().partition(":")
        with suppress(ValueError):  # an unparsable text is rejected below
            value = time(int(hour), int(minute))
    if not isinstance(value, time):
        # ValueError, not TypeError: every invalid argument of a call raises the same error.
        raise ValueError(f"a time of day is written like 07:05, not {value!r}")  # noqa: TRY004
    return value.strftime("%H"), value.strftime("%M")


def hash_password(password: str) -> str:
    """Return the MD5 hex digest of a password, with each `0` at an even index replaced by `c`.

    The hash is a credential: it logs in just as the password does.

    >>> hash_password("12345678")
    '25d55ad283aa40caf464c76d713cc7ad'
    """
    # Quirk: the app writes the high nibble of a byte below 0x10 as "c"; the server expects it.
    digest = md5(password.encode(), usedforsecurity=False).hexdigest()
    return "".join("c" if place % 2 == 0 and sign == "0" else sign for place, sign in enumerate(digest))


def numbered(parameters: Mapping[str, Any] | list[Any]) -> dict[str, Any]:
    """Return a list as param1, param2, …, and a mapping unchanged."""
    if isinstance(parameters, list):
        return {f"param{place}": value for place, value in enumerate(parameters, start=1)}
    return dict(parameters)
