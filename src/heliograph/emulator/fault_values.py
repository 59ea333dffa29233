"""Parsers of fault values, with their defaults."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from heliograph.emulator.device_faults import parse_percent_range
from heliograph.emulator.ratelimit import MAX_COUNT, RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 30 * 24 * 3600.0
_PATIENCE = 5.0
_IDLE = 1800.0
_RIVAL = 300.0
_BLOCK_HOURS = 4.0
_LATE = 6.0
_ON = ("", "1")
"""`{"html": 1}` also switches a fault on."""


class FaultParser(NamedTuple):
    """Parser of a fault's value, and the format hint for error messages."""

    read: Callable[[str], object]
    """Raises `ValueError` for an invalid value."""
    hint: str


def parse_seconds(text: str, otherwise: float = _PATIENCE, least: float = 0.0) -> float:
    """Parse seconds; an empty text gives the default `otherwise`.

    >>> parse_seconds(""), parse_seconds("0.5")
    (5.0, 0.5)
    """
    number = float(text) if text else otherwise
    if not (math.isfinite(number) and least <= number <= _LONGEST):
        raise ValueError(f"{text} is not between {least:g} and {_LONGEST:.0f}")
    return number


def parse_idle_time(text: str) -> timedelta:
    """Parse the time after which an unused session expires."""
    return timedelta(seconds=parse_seconds(text, _IDLE, 1.0))


def parse_login_interval(text: str) -> timedelta:
    """Parse the interval between logins of another client."""
    return timedelta(seconds=parse_seconds(text, _RIVAL, 1.0))


def parse_late_hours(text: str) -> float:
    """Parse the maximum delay of an upload in hours."""
    return parse_seconds(text, _LATE, 0.25)


def parse_uses(text: str) -> int:
    """Parse the number of requests after which a session expires.

    >>> parse_uses(""), parse_uses("20")
    (1, 20)
    """
    return _count(text or "1", 1)


def parse_block(text: str) -> RateLimit | None:
    """Parse the firewall's rate limit; None blocks every request.

    >>> parse_block("60/30/2").pause
    datetime.timedelta(seconds=7200)
    """
    if text in _ON:
        return None
    most, span, *hours = text.split("/")
    if len(hours) > 1:
        raise ValueError("too many parts")
    pause = timedelta(hours=parse_seconds(hours[0], 0.0, 0.01) if hours else _BLOCK_HOURS)
    return RateLimit(_count(most, 0), timedelta(seconds=parse_seconds(span, 0.0, 1.0)), pause)


def _count(text: str, least: int = 0) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text[:9]) < MAX_COUNT):
        raise ValueError(f"{text} is not a whole number from {least} to {MAX_COUNT - 1}")
    return int(text)


def _nothing(text: str) -> None:
    if text not in _ON:
        raise ValueError("this fault takes no value")


def _optional(text: str) -> int:
    return _count(text or "0")


def _fault_code(text: str) -> None:
    if len(text) > 20 or (not text.replace("-", "").isalnum() and text):
        raise ValueError("not a code")


def _region(text: str) -> None:
    if text not in ("", "refuse"):
        raise ValueError("not a region mode")


def _device_code(text: str) -> None:
    if text not in (*_ON, "500", "501"):
        raise ValueError("not an error code")


_COUNTED = FaultParser(_optional, "the value must be a whole number below 100000, as in {name}=5")
_TIMED = FaultParser(parse_seconds, "the value must be a number of seconds, as in {name}=60")
NO_VALUE = FaultParser(_nothing, "it takes no value; {name}=*5 applies to the next 5 requests")

FAULT_PARSERS = {
    "lock": _COUNTED,
    "quota": _COUNTED,
    "rate": _COUNTED,
    "flaky": FaultParser(parse_uses, "the value must be a whole number from 1, as in {name}=20"),
    "expire": _TIMED,
    "slow": _TIMED,
    "idle": FaultParser(parse_idle_time, "the value must be a number of seconds from 1, as in {name}=1800"),
    "late": FaultParser(parse_late_hours, "the value must be a number of hours, as in {name}=6"),
    "rival": FaultParser(parse_login_interval, "the value must be a number of seconds from 1, as in {name}=300"),
    "block": FaultParser(
        parse_block,
        "the value must be requests/seconds or requests/seconds/hours, as in {name}=60/60 or {name}=60/60/4",
    ),
    "sluggish": _TIMED,
    "revert": _TIMED,
    "clamp": FaultParser(parse_percent_range, "the value must be two percentages, as in {name}=10/90"),
    "halfway": FaultParser(parse_uses, "the value must be a whole number from 1, as in {name}=2"),
    "unread": FaultParser(_device_code, "the value must be 500 (no answer) or 501 (offline), as in {name}=501"),
    "faulty": FaultParser(_fault_code, "the value must be a code of letters, digits and hyphens, as in {name}=302"),
    "region": FaultParser(_region, "the value must be refuse or none, as in {name}=refuse"),
}
"""The faults that take a value."""
