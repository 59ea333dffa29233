"""Request parameters of Growatt's calls: days, times of day, chart spans, and the password hash."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time
from enum import IntEnum
from hashlib import md5
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

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


class SentAt(NamedTuple):
    """Placeholder argument: the time at which a login is sent, as the app writes it."""

    form: Literal["text", "check"]

    def written(self, moment: float, zone: tzinfo) -> str:
        """Return the moment in epoch seconds as text or as number.

        >>> from datetime import UTC
        >>> SentAt("text").written(1782036000.0, UTC), SentAt("check").written(1782036000.0, UTC)
        ('2026-06-21 10:00:00', '1782036000076')
        """
        if self.form == "text":
            return f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d %H:%M:%S}"
        digits = f"{moment * 1000:013.0f}"
        # Quirk: the last two digits of the milliseconds are a check of others (nexa-mqtt and other clients of the app).
        return f"{digits[:11]}{int(digits[1:8:2]) % 98:02d}"


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
    return _format(value, plant_id, "%Y-%m" if span is Timespan.month else "%Y-%m-%d")


def format_chart_date(value: Day, plant_id: str, span: int) -> str | PlantToday:
    """Format the day of a plant's chart: 1 of a day, 2 of a month, 3 of a year, 4 of all years.

    >>> format_chart_date("2026-06-21", "1", 2), format_chart_date("2026-06", "1", 3)
    ('2026-06', '2026')
    """
    forms = {1: "%Y-%m-%d", 2: "%Y-%m", 3: "%Y", 4: "%Y"}
    if span not in forms:
        raise ValueError(f"span must be day (1), month (2), year (3) or all years (4), not {span!r}")
    return _format(value, plant_id, forms[span])


def _format(value: Day, plant_id: str | None, form: str) -> str | PlantToday:
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
