"""Schema of Growatt's settings catalogue: how each setting is encoded in a command and decoded from a response.

A `WireArgument` is one parameter and its positions in a command; a `GrowattSettingEntry` is a setting with arguments.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.core import parsing
from heliograph.settings.definition import Parameter, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heliograph.settings.definition import Risk, Value, Values

ON_OFF = ("1", "0")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{1,2})")


class WireArgument(NamedTuple):
    """One parameter: its encoder, its decoder, and the response member it is decoded from."""

    parameter: Parameter
    encode: Callable[[Any], tuple[str, ...]]
    decode: Callable[[Any], Value]
    key: str
    """Empty if no response reports it."""


class GrowattSettingEntry(NamedTuple):
    """A setting and its arguments on the wire."""

    setting: Setting
    arguments: tuple[WireArgument, ...]

    def encode(self, values: Values) -> list[str]:
        """Return the values of param1, param2 and so on."""
        return [text for arg in self.arguments for text in arg.encode(values[arg.parameter.name])]

    def decode(self, members: Mapping[str, Any]) -> Values | None:
        """Return the current values, or None if the response does not report them."""
        values = {arg.parameter.name: arg.decode(members.get(arg.key)) if arg.key else None for arg in self.arguments}
        return values if any(value is not None for value in values.values()) else None


def entry(
    name: str,
    wire_type: str,
    arguments: Sequence[WireArgument],
    title: str,
    evidence: str,
    *,
    risk: Risk = "usual",
    **more: Any,
) -> GrowattSettingEntry:
    """Declare a setting; it is readable if one of its arguments is."""
    setting = Setting(
        name=name,
        title=title,
        parameters=tuple(argument.parameter for argument in arguments),
        risk=risk,
        readable=any(argument.key for argument in arguments),
        evidence=evidence,
        wire_name=wire_type,
        **more,
    )
    return GrowattSettingEntry(setting, tuple(arguments))


def number(
    name: str,
    key: str,
    low: float,
    high: float,
    unit: str | None = None,
    *,
    step: float = 1,
    excluded: tuple[float, float] | None = None,
    meaning: str = "",
) -> WireArgument:
    """Declare a number, written without trailing zeros."""
    parameter = Parameter(
        name=name,
        kind="number",
        unit=unit,
        low=low,
        high=high,
        step=step,
        excluded_range=excluded,
        readable=bool(key),
        meaning=meaning,
    )
    return WireArgument(parameter, lambda value: (f"{value:.10g}",), parsing.parse_number, key)


def percent(name: str, key: str, low: float = 0, high: float = 100, *, meaning: str = "") -> WireArgument:
    """Declare a percentage in whole percent."""
    return number(name, key, low, high, "%", meaning=meaning)


def switch(name: str, key: str, codes: tuple[str, str] = ON_OFF, *, meaning: str = "") -> WireArgument:
    """Declare a switch; `codes` are the wire values of on and off."""
    parameter = Parameter(name=name, kind="switch", readable=bool(key), meaning=meaning)
    return WireArgument(parameter, lambda value: (codes[0] if value else codes[1],), parsing.parse_flag, key)


def choice(name: str, key: str, codes: Mapping[str, str], *, meaning: str = "") -> WireArgument:
    """Declare a choice; `codes` maps each choice to its wire value."""
    parameter = Parameter(name=name, kind="choice", choices=tuple(codes), readable=bool(key), meaning=meaning)
    choices = {wire: choice for choice, wire in codes.items()}
    return WireArgument(
        parameter,
        lambda value: (codes[value],),
        lambda value: choices.get(parsing.parse_text(value) or ""),
        key,
    )


def time(name: str, key: str, *, padded: bool = True) -> WireArgument:
    """Declare a time of day, written as hour and minute; responses omit leading zeros."""
    digits = "02d" if padded else "d"

    def write(value: str) -> tuple[str, ...]:
        hour, _, minute = value.partition(":")
        return f"{int(hour):{digits}}", f"{int(minute):{digits}}"

    return WireArgument(Parameter(name=name, kind="time", readable=bool(key)), write, clock_time, key)


def moment(name: str, key: str) -> WireArgument:
    """Declare a date and time of the device's own clock."""
    parameter = Parameter(name=name, kind="moment", readable=bool(key), meaning="local time of the device")
    return WireArgument(parameter, lambda value: (value,), _moment, key)


def text(name: str, key: str, *, shortest: int = 1, meaning: str = "") -> WireArgument:
    """Declare a text; an empty text is a valid value."""
    parameter = Parameter(name=name, kind="text", low=shortest, readable=bool(key), meaning=meaning)
    return WireArgument(
        parameter, lambda value: (value,), lambda value: value.strip() if isinstance(value, str) else None, key
    )


def clock_time(value: Any) -> str | None:
    """Parse a time of day. Quirk: nonsense such as "11:187" and the word "null" occur (GrowattPublicApiPy).

    >>> clock_time("4:5"), clock_time("11:187"), clock_time("null")
    ('04:05', None, None)
    """
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        return None
    return f"{int(match[1]):02d}:{int(match[2]):02d}"


def _moment(value: Any) -> str | None:
    """Parse a date and time. Quirk: leading zeros are missing (an owner's NEO: "2024-2-4 11:38:4")."""
    try:
        return datetime.strptime(value, "%Y-%m-%d %H:%M:%S").isoformat(" ")  # noqa: DTZ007 - the device's local time
    except (ValueError, TypeError):
        return None
