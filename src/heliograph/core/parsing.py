"""Parsers of wire values: numbers, quantities, texts and times. Unreadable values become None, never 0."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from math import isfinite
from typing import Any

_MAX_LENGTH = 64
"""Characters of the longest text that is parsed as a number."""

_SCALES: dict[str, tuple[str, float]] = {
    "w": ("W", 1.0),
    "watt": ("W", 1.0),
    "kw": ("W", 1000.0),
    "mw": ("W", 1e6),
    "wh": ("kWh", 0.001),
    "kwh": ("kWh", 1.0),
    "mwh": ("kWh", 1000.0),
    "gwh": ("kWh", 1e6),
    "%": ("%", 1.0),
    "v": ("V", 1.0),
    "a": ("A", 1.0),
    "hz": ("Hz", 1.0),
    "°c": ("°C", 1.0),
    "℃": ("°C", 1.0),
}

_UNITS = {unit: _SCALES[unit.lower()] for unit in ("W", "kW", "Wh", "kWh", "%", "V", "A", "Hz", "°C")}
"""The same by the spelling of declarations."""

# Quirk: "no value" leaks out as an unsigned all-ones register, plain or scaled by 10, 100 or 1000
# (GoodWe captures: 6553.5 V, 655.35 Hz, 65535, 4294967.295, 4294901.76 V, 429483622 W).
_SENTINELS = frozenset(
    {
        65535.0,
        6553.5,
        655.35,
        65.535,
        4294967295.0,
        429496729.5,
        42949672.95,
        4294967.295,
        4294901.76,
        429483622.0,
        429483622.5,
    }
)

_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, (\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

CHINA = timezone(timedelta(hours=8))
_MAX_OFFSET = 14.0
"""Hours of the largest UTC offset in use."""


@cache
def _quantity() -> re.Pattern[str]:
    """Return the pattern of a number and its suffix: "57%", "230(W)", "2.56 MWh", "0.1 kWh", "-12.5", "+0.0"."""
    # Possessive, so that no text makes it backtrack: a slow match would hold the GIL of all accounts. The optional
    # groups are not: Python 3.11.2 would include a failed attempt in the number ("0E"). Compiled on first use.
    return re.compile(r"([+-]?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?)\s*+\(?+\s*+([A-Za-z%°℃]*+)\s*+\)?+")


def _parts(value: Any) -> tuple[float, str] | None:
    if isinstance(value, str):
        written = value.strip()
        match = _quantity().fullmatch(written) if len(written) <= _MAX_LENGTH else None
        if match is None:
            return None
        number, suffix = float(match[1]), match[2]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number, suffix = float(value), ""
        except OverflowError:  # JSON integers have no limit
            return None
    else:
        return None
    if not isfinite(number) or number in _SENTINELS:
        return None
    return number, suffix


def parse_number(value: Any) -> float | None:
    """Parse a number, with or without a unit.

    >>> parse_number("57%"), parse_number("230(W)"), parse_number(" 1.2 "), parse_number(7)
    (57.0, 230.0, 1.2, 7.0)
    >>> [parse_number(value) for value in ("--", "", None, "null", 6553.5, "65535V")]
    [None, None, None, None, None, None]
    """
    parts = _parts(value)
    return None if parts is None else parts[0]


def parse_quantity(value: Any, unit: str) -> float | None:
    """Parse a quantity to W, kWh, %, V, A, Hz or °C; a unit in the text overrides the declared one.

    >>> parse_quantity("0.84", "kW"), parse_quantity("2.56 MWh", "kWh"), parse_quantity("2337(W)", "W")
    (840.0, 2560.0, 2337.0)
    >>> parse_quantity("12 apples", "kWh") is None
    True
    """
    parts = _parts(value)
    if parts is None:
        return None
    number, suffix = parts
    base, scale = _UNITS.get(unit) or _SCALES[unit.lower()]
    if suffix:
        own_base, scale = _SCALES.get(suffix.lower(), ("", 0.0))
        if own_base != base:
            return None
    scaled = round(number * scale, 6)  # Java floats arrive widened: 0.10000000149011612
    return scaled if isfinite(scaled) else None


def parse_in_unit(value: Any, unit: str) -> float | None:
    """Parse a number to the declared unit; another unit in the text is converted.

    >>> parse_in_unit("2.56 MWh", "kWh"), parse_in_unit("840(W)", "kW"), parse_in_unit("5 kWp", "kW")
    (2560.0, 0.84, None)
    """
    parts = _parts(value)
    if parts is None or not parts[1]:
        return None if parts is None else parts[0]
    found = parse_quantity(value, unit)
    return None if found is None else round(found / _SCALES[unit.lower()][1], 6)


def parse_text(value: Any) -> str | None:
    """Parse a text; placeholders for "no value" become None.

    >>> parse_text(" MIN 3600 "), parse_text(""), parse_text("--"), parse_text("null"), parse_text(12)
    ('MIN 3600', None, None, None, '12')
    """
    if value is None or isinstance(value, bool | dict | list):
        return None
    cleaned = str(value).replace("\x00", "").strip()
    return None if cleaned.lower() in {"", "--", "null", "n/a"} else cleaned


def parse_flag(value: Any) -> bool | None:
    """Parse a boolean.

    >>> parse_flag("true"), parse_flag("0"), parse_flag(1), parse_flag("maybe")
    (True, False, True, None)
    """
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


def _parse_local(text: str, form: str) -> datetime:
    if form == _USUAL_TIME and len(text) == _USUAL_LENGTH and text[4::3] == "-- ::":
        # `fromisoformat` takes a tenth of the time, but rejects spaces in place of zeros, and accepts other forms.
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    return datetime.strptime(text, form)  # noqa: DTZ007


_USUAL_TIME = "%Y-%m-%d %H:%M:%S"
_USUAL_LENGTH = 19


def parse_time(value: Any, zone: tzinfo | None, formats: tuple[str, ...] = (_USUAL_TIME,)) -> datetime | None:
    """Parse a time to UTC: a Java date object, epoch milliseconds, or a text in the local time of `zone`.

    >>> parse_time({"time": 1738228283000, "year": 125}, None)
    datetime.datetime(2025, 1, 30, 9, 11, 23, tzinfo=datetime.timezone.utc)
    >>> parse_time("2026-06-21 12:05:11", timezone(timedelta(hours=2)))
    datetime.datetime(2026, 6, 21, 10, 5, 11, tzinfo=datetime.timezone.utc)
    >>> parse_time("", UTC) is None and parse_time(0, UTC) is None and parse_time("2026-06-21 12:05:11", None) is None
    True
    """
    if isinstance(value, dict):
        # Quirk: the wall-clock members of a Java date are China time; only `time` is reliable.
        value = value.get("time")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_epoch(value)
    if not isinstance(value, str) or zone is None:
        return None
    text = value.strip()
    for form in formats:
        try:
            return _parse_local(text, form).replace(tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def parse_http_date(text: str) -> datetime | None:
    """Parse a `Date` header; None if it has another form, or is not of this century.

    The parser of the standard library imports ten modules, which must not fail between a login and its outcome.

    >>> parse_http_date("Sun, 21 Jun 2026 22:30:00 GMT"), parse_http_date("Sun, 31 Jun 2026 22:30:00 GMT")
    (datetime.datetime(2026, 6, 21, 22, 30, tzinfo=datetime.timezone.utc), None)
    """
    match = _HTTP_DATE.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = map(int, match.group(1, 3, 4, 5, 6))
    try:
        time = datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return _from_epoch(time.timestamp() * 1000)


def offset_zone(hours: float | None) -> timezone | None:
    """Return the time zone of a UTC offset, rounded to whole minutes; None if no place has such an offset.

    >>> offset_zone(5.5), offset_zone(99)
    (datetime.timezone(datetime.timedelta(seconds=19800)), None)
    """
    if hours is None or abs(hours) > _MAX_OFFSET:
        return None
    return timezone(timedelta(minutes=round(hours * 60)))


def plant_size(number: float | None, per_kilowatt: float = 1.0) -> float | None:
    """Return the size of a plant in kWp; None if it is missing, or 0 because its owner did not enter one.

    >>> plant_size(800, 1000), plant_size(0), plant_size(None)
    (0.8, None, None)
    """
    return number / per_kilowatt if number and number > 0 else None


def _from_epoch(milliseconds: float) -> datetime | None:
    # 0 means never; times before 2000 or after 2100 are errors.
    if not 946_684_800_000 <= milliseconds <= 4_102_444_800_000:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
