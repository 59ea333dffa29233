"""Days, times and spans as Growatt's calls want them."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time
from enum import IntEnum
from hashlib import md5
from typing import NamedTuple

Day = date | datetime | str | None
"""A day: a `date`, a `datetime`, "2026-06-21" or "2026-06"; None is the plant's today."""

TimeOfDay = time | str
"""A time of day: a `time` or "HH:MM"."""


class Timespan(IntEnum):
    """What one chart covers. The names are Growatt's, one step below what they show."""

    hour = 0  # one day in 5-minute steps
    day = 1  # one month in days
    month = 2  # one year in months


class PlantToday(NamedTuple):
    """A blank in a declaration: today on the wall of a plant, in the form its chart wants."""

    plant_id: str | None
    format: str = "%Y-%m-%d"


def parse_timespan(value: Timespan | int) -> Timespan:
    """Accept the enum or its number.

    >>> timespan(1)
    <Timespan.day: 1>
    """
    try:
        return Timespan(value)
    except ValueError:
        raise ValueError(f"timespan must be hour (0), day (1) or month (2), not {value!r}") from None


def format_day(value: Day, plant_id: str | None = None, span: Timespan = Timespan.hour) -> str | PlantToday:
    """Write a day as the cloud reads it: YYYY-MM for a chart of months, else YYYY-MM-DD.

    >>> day(date(2026, 6, 21)), day("2026-06-21", span=Timespan.month)
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
        raise ValueError(f"{_DAY}, not {value!r}")  # noqa: TRY004 - as below
    return value.strftime(form)


_DAY = "a day is written like 2026-06-21 or 2026-06"


def is_ambiguous(local: datetime) -> bool:
    """Tell whether a time on the wall is of the hour that comes twice, or of the one that is left out."""
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def format_time(value: TimeOfDay) -> tuple[str, str]:
    """Write a time of day as the two padded texts the cloud reads.

    >>> clock("7:05"), clock(time(23, 59))
    (('07', '05'), ('23', '59'))
    """
    if isinstance(value, str):
        hour, _, minute = value.strip().partition(":")
        with suppress(ValueError):  # it stays a text then, and is said to be none
            value = time(int(hour), int(minute))
    if not isinstance(value, time):
        # Not TypeError: every bad argument of a call is one error.
        raise ValueError(f"a time of day is written like 07:05, not {value!r}")  # noqa: TRY004
    return value.strftime("%H"), value.strftime("%M")


def hash_password(password: str) -> str:
    """Return the MD5 of a password with a `0` at an even place written as `c`.

    The result opens the account just as the password does.

    >>> hash_password("12345678")
    '25d55ad283aa40caf464c76d713cc7ad'
    """
    # Quirk: the app writes the high nibble of a byte below 0x10 as "c"; the server expects it.
    digest = md5(password.encode(), usedforsecurity=False).hexdigest()
    return "".join("c" if place % 2 == 0 and sign == "0" else sign for place, sign in enumerate(digest))
