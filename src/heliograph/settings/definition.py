"""What a device can be told, and whether it may be told so: settings, their parameters, and what makes a value valid.

A cloud's catalogue (vendors/*/settings) lists `Setting`s in our words; everything else is derived from it: what is
checked before anything is sent, the commands of the program, the tables of docs/settings.md, the emulator's ranges.
Pure: nothing here knows a cloud, and only `Setting.wire_name` says a cloud's own word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from heliograph.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ParameterKind = Literal["number", "choice", "switch", "time", "moment", "text"]
Risk = Literal["usual", "grid-code", "dangerous"]
Value = float | str | bool | None
Values = Mapping[str, Value]
"""One setting's parameters by name, ready for JSON; a None is one that could not be read."""

CLOCK_TOLERANCE = timedelta(minutes=15)
"""A clock goes on between being set and being read, and is read as it stood at the last upload."""

_LONGEST_TEXT = 100
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5]?[0-9])")
_SWITCHES = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One value of a setting; `hole` is an open interval inside its range, `low` of a text how short it may be."""

    name: str
    kind: ParameterKind
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    excluded_range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    readable: bool = True
    """Whether it can be read back where its setting can."""
    meaning: str = ""

    @property
    def allowed(self) -> str:
        """What a value may be, for people."""
        if self.kind == "number":
            unit = f" {self.unit}" if self.unit else ""
            step = f" in steps of {self.step:g}" if self.step not in (None, 1) else ""
            hole = (
                f", not between {self.excluded_range[0]:g} and {self.excluded_range[1]:g}"
                if self.excluded_range
                else ""
            )
            whole = "whole " if self.step == 1 else ""
            return f"{whole}{self.low:g} to {self.high:g}{unit}{step}{hole}"
        return {
            "choice": ", ".join(self.choices),
            "switch": "on or off",
            "time": "00:00 to 23:59",
            "moment": "YYYY-MM-DD HH:MM:SS",
            "text": f"{self.low or 0:g} to {_LONGEST_TEXT} characters",
        }[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One thing a device can be told by one command."""

    name: str
    title: str
    parameters: tuple[Parameter, ...]
    risk: Risk = "usual"
    readable: bool = True
    """Whether what a device has can be read back."""
    evidence: str = ""
    wire_name: str = ""
    """The cloud's own name of it."""
    slots: int = 1
    """How many windows it holds, as parameters start_1, end_1, enabled_1 …; 1 also where it holds none."""
    group: str = ""
    """Settings of one group hold one window each, and those windows must not overlap."""
    apart: Literal["", "enabled", "always"] = ""
    """Which windows must not overlap: none, those that are on, or even those that are off."""
    meaning: str = ""
    unavailable: str = ""
    """Why this account cannot be told it, and what else to do; empty where it can."""


class Span(tuple[int, int]):
    """The minutes of a day from a start up to an end, the end not included."""

    __slots__ = ()

    @classmethod
    def of(cls, start: Value, end: Value) -> Span:
        """Return the minutes between two times of day.

        >>> Span.of("00:30", "02:00")
        (30, 120)
        """
        return cls((minute_of_day(str(start)), minute_of_day(str(end))))

    def overlaps(self, other: Span) -> bool:
        """Tell whether two windows share a minute, over midnight where they must; an empty one never does."""
        return any(max(a, c) < min(b, d) for a, b in self._parts() for c, d in other._parts())

    def _parts(self) -> Iterator[tuple[int, int]]:
        start, end = self
        if start <= end:
            yield start, end
        else:
            yield start, 1440
            yield 0, end


def minute_of_day(time: str) -> int:
    """Return how far into the day a time is.

    >>> minutes("23:59")
    1439
    """
    hour, _, minute = time.partition(":")
    return int(hour) * 60 + int(minute)


def validate(setting: Setting, values: Mapping[str, object]) -> Values:
    """Return values in their canonical form, or raise `Invalid` with what is allowed instead."""
    known = {one.name: one for one in setting.parameters}
    if unknown := [name for name in values if name not in known]:
        raise InvalidValue(f"{setting.name} has no {_shown(unknown[0])}; it has {', '.join(known)}")
    if missing := [name for name in known if values.get(name) is None]:
        raise InvalidValue(f"{setting.name}: {missing[0]} is missing; every one of {', '.join(known)} has to be given")
    found = {name: _canonical(setting, one, values[name]) for name, one in known.items()}
    _check_windows(setting, found)
    return found


def validate_together(settings: Iterable[Setting], state: Mapping[str, Values | None]) -> None:
    """Raise `Invalid` when settings of one group would not fit together in a state; what is not known is left out."""
    groups: dict[str, list[tuple[str, Span]]] = {}
    for setting in settings:
        values = state.get(setting.name)
        if not setting.group or values is None or not is_active(setting, values):
            continue
        mine = Span.of(values["start"], values["end"])
        for name, other in groups.setdefault(setting.group, []):
            if mine.overlaps(other):
                off = "" if setting.apart == "enabled" else ", even when one is off"
                raise InvalidValue(f"{setting.name} overlaps {name}; the device refuses that{off}")
        groups[setting.group].append((setting.name, mine))


def is_active(setting: Setting, values: Values) -> bool:
    """Tell whether a window is in the way of others."""
    known = values.get("start") is not None and values.get("end") is not None
    return known and (setting.apart == "always" or bool(values.get("enabled")))


def matches(setting: Setting, wanted: Values, found: Values | None) -> bool | None:
    """Tell whether a device has what it was told; None when that cannot be known."""
    if found is None:
        return None
    pairs = [(one, wanted[one.name], found.get(one.name)) for one in setting.parameters if one.readable]
    if not pairs or any(there is None for _, _, there in pairs):
        return None
    return all(_alike(one, here, there) for one, here, there in pairs)


def _alike(parameter: Parameter, here: Value, there: Value) -> bool:
    if parameter.kind != "moment":
        return here == there
    first, second = (datetime.fromisoformat(str(moment)) for moment in (here, there))
    return abs(first - second) <= CLOCK_TOLERANCE


def _canonical(setting: Setting, parameter: Parameter, value: object) -> Value:
    try:
        return _READ[parameter.kind](parameter, value)
    except (ValueError, OverflowError):
        where = f"{setting.name}: {parameter.name}"
        raise InvalidValue(f"{where} is {parameter.allowed}, not {_shown(value)}") from None


def _number(parameter: Parameter, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("no number")  # noqa: TRY004 - whatever is wrong, the same is said
    number = float(value)
    low, high = parameter.low, parameter.high
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        raise ValueError("out of range")
    if parameter.excluded_range and parameter.excluded_range[0] < number < parameter.excluded_range[1]:
        raise ValueError("in the hole of the range")
    if parameter.step is not None:
        steps = number / parameter.step
        if abs(steps - round(steps)) > 1e-6:
            raise ValueError("between two steps")
        number = round(round(steps) * parameter.step, 6)
    return number + 0.0  # a minus zero is a zero


def _choice(parameter: Parameter, value: object) -> str:
    if value not in parameter.choices:
        raise ValueError("no such choice")
    return str(value)


def _switch(parameter: Parameter, value: object) -> bool:
    found = value if isinstance(value, bool) else _SWITCHES.get(str(value).lower())
    if found is None:
        raise ValueError("neither on nor off")
    return found


def _time(parameter: Parameter, value: object) -> str:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("no time of day")
    return f"{int(found[1]):02d}:{int(found[2]):02d}"


def _moment(parameter: Parameter, value: object) -> str:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is not None or not 2000 <= moment.year < 2100:
        raise ValueError("not on the device's own clock")
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _text(parameter: Parameter, value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("no text")
    if not (parameter.low or 0) <= len(value.strip()) <= _LONGEST_TEXT:
        raise ValueError("too short or too long")
    return value.strip()


_READ: dict[str, Callable[[Parameter, object], Value]] = {
    "number": _number,
    "choice": _choice,
    "switch": _switch,
    "time": _time,
    "moment": _moment,
    "text": _text,
}


def _check_windows(setting: Setting, values: Mapping[str, Value]) -> None:
    taken: list[tuple[int, Span]] = []
    for number, suffix in windows_of(setting):
        start, end, on = (values[f"{part}{suffix}"] for part in ("start", "end", "enabled"))
        span = Span.of(start, end)
        where = f"{setting.name}: the window {start} to {end}"
        if span[0] > span[1]:
            raise InvalidValue(f"{where} crosses midnight; use two, one until 23:59 and one from 00:00")
        if on and span[0] == span[1]:
            raise InvalidValue(f"{where} is empty but on; its end has to be after its start")
        if on or setting.apart == "always":
            if setting.apart and (met := next((other for other, there in taken if span.overlaps(there)), None)):
                raise InvalidValue(f"{where} overlaps window {met}")
            taken.append((number, span))


def windows_of(setting: Setting) -> tuple[tuple[int, str], ...]:
    """Return number and suffix of each window a setting holds: (1, "_1") …, (1, "") for a single one, or none."""
    names = {one.name for one in setting.parameters}
    if "start" in names:
        return ((1, ""),)
    return tuple((number, f"_{number}") for number in range(1, setting.slots + 1) if f"start_{number}" in names)


def _shown(value: object) -> str:
    """Return a mistaken value as text that is not too long to read."""
    return repr(value)[:60]
