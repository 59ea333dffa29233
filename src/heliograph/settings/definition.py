"""Setting definitions: the parameters of a device setting, and the validation of their values.

A vendor's catalogue (vendors/*/settings) lists its `Setting`s under Heliograph's own names. Everything else is derived
from it: the checks before sending, the commands of the program, the tables of docs/settings.md, the emulator's ranges.
Pure and independent of any vendor; only `Setting.wire_name` is a vendor's own name.
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
"""The parameters of one setting by name, ready for JSON; None is a value that could not be read."""

CLOCK_TOLERANCE = timedelta(minutes=15)
"""A clock advances between write and read-back, and is reported as of the last upload."""

_LONGEST_TEXT = 100
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5]?[0-9])")
_SWITCHES = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One value of a setting; `excluded_range` is an open interval, `low` of a text is its minimum length."""

    name: str
    kind: ParameterKind
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    excluded_range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    readable: bool = True
    """Whether it can be read back if its setting can."""
    meaning: str = ""

    @property
    def allowed(self) -> str:
        """The allowed values as text for users."""
        if self.kind == "number":
            unit = f" {self.unit}" if self.unit else ""
            step = f" in steps of {self.step:g}" if self.step not in (None, 1) else ""
            excluded = self.excluded_range
            gap = f", not between {excluded[0]:g} and {excluded[1]:g}" if excluded else ""
            whole = "whole " if self.step == 1 else ""
            return f"{whole}{self.low:g} to {self.high:g}{unit}{step}{gap}"
        return {
            "choice": ", ".join(self.choices),
            "switch": "on or off",
            "time": "00:00 to 23:59",
            "moment": "YYYY-MM-DD HH:MM:SS",
            "text": f"{self.low or 0:g} to {_LONGEST_TEXT} characters",
        }[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A device setting, changed by one command."""

    name: str
    title: str
    parameters: tuple[Parameter, ...]
    risk: Risk = "usual"
    readable: bool = True
    """Whether the device's values can be read back."""
    evidence: str = ""
    wire_name: str = ""
    """The vendor's own name."""
    slots: int = 1
    """Number of windows, as parameters start_1, end_1, enabled_1 …; also 1 if it has none."""
    group: str = ""
    """Settings of one group hold one window each, and those windows must not overlap."""
    disjoint: Literal["", "enabled", "always"] = ""
    """Which windows must not overlap: none, the enabled ones, or all of them."""
    meaning: str = ""
    unavailable: str = ""
    """Why this account cannot change it, and the alternative; empty if it can."""


class Span(tuple[int, int]):
    """A range of minutes of the day; the end is exclusive."""

    __slots__ = ()

    @classmethod
    def of(cls, start: Value, end: Value) -> Span:
        """Return the span between two times of day.

        >>> Span.of("00:30", "02:00")
        (30, 120)
        """
        return cls((minute_of_day(str(start)), minute_of_day(str(end))))

    def overlaps(self, other: Span) -> bool:
        """Return True if both spans share a minute; a span may cross midnight, an empty one never overlaps."""
        return any(max(a, c) < min(b, d) for a, b in self._parts() for c, d in other._parts())

    def _parts(self) -> Iterator[tuple[int, int]]:
        start, end = self
        if start <= end:
            yield start, end
        else:
            yield start, 1440
            yield 0, end


def minute_of_day(time: str) -> int:
    """Return the minutes since midnight.

    >>> minute_of_day("23:59")
    1439
    """
    hour, _, minute = time.partition(":")
    return int(hour) * 60 + int(minute)


def validate(setting: Setting, values: Mapping[str, object]) -> Values:
    """Return the values in canonical form, or raise `InvalidValue` that names the allowed values."""
    parameters = {parameter.name: parameter for parameter in setting.parameters}
    if unknown := [name for name in values if name not in parameters]:
        raise InvalidValue(f"{setting.name} has no {_shortened(unknown[0])}; it has {', '.join(parameters)}")
    if missing := [name for name in parameters if values.get(name) is None]:
        raise InvalidValue(f"{setting.name}: {missing[0]} is missing; all of {', '.join(parameters)} are required")
    valid = {name: _canonical(setting, parameter, values[name]) for name, parameter in parameters.items()}
    _validate_windows(setting, valid)
    return valid


def validate_together(settings: Iterable[Setting], state: Mapping[str, Values | None]) -> None:
    """Raise `InvalidValue` if windows of one group overlap in `state`; unknown values are ignored."""
    groups: dict[str, list[tuple[str, Span]]] = {}
    for setting in settings:
        values = state.get(setting.name)
        if not setting.group or values is None or not is_active(setting, values):
            continue
        span = Span.of(values["start"], values["end"])
        for name, other in groups.setdefault(setting.group, []):
            if span.overlaps(other):
                also = "" if setting.disjoint == "enabled" else ", even if one is off"
                raise InvalidValue(f"{setting.name} overlaps {name}; the device refuses that{also}")
        groups[setting.group].append((setting.name, span))


def is_active(setting: Setting, values: Values) -> bool:
    """Return True if a window must not overlap other windows."""
    known = values.get("start") is not None and values.get("end") is not None
    return known and (setting.disjoint == "always" or bool(values.get("enabled")))


def matches(setting: Setting, wanted: Values, found: Values | None) -> bool | None:
    """Return whether the device has the wanted values; None if that cannot be known."""
    if found is None:
        return None
    pairs = [(one, wanted[one.name], found.get(one.name)) for one in setting.parameters if one.readable]
    if not pairs or any(present is None for _, _, present in pairs):
        return None
    return all(_equal(parameter, expected, present) for parameter, expected, present in pairs)


def _equal(parameter: Parameter, expected: Value, present: Value) -> bool:
    if parameter.kind != "moment":
        return expected == present
    first, second = (datetime.fromisoformat(str(moment)) for moment in (expected, present))
    return abs(first - second) <= CLOCK_TOLERANCE


def windows_of(setting: Setting) -> tuple[tuple[int, str], ...]:
    """Return number and parameter suffix of each window: (1, "_1") …, (1, "") for a single window, or none."""
    names = {parameter.name for parameter in setting.parameters}
    if "start" in names:
        return ((1, ""),)
    return tuple((number, f"_{number}") for number in range(1, setting.slots + 1) if f"start_{number}" in names)


def _validate_windows(setting: Setting, values: Mapping[str, Value]) -> None:
    earlier: list[tuple[int, Span]] = []
    for number, suffix in windows_of(setting):
        start, end, enabled = (values[f"{part}{suffix}"] for part in ("start", "end", "enabled"))
        span = Span.of(start, end)
        where = f"{setting.name}: the window {start} to {end}"
        if span[0] > span[1]:
            raise InvalidValue(f"{where} crosses midnight; use two, one until 23:59 and one from 00:00")
        if enabled and span[0] == span[1]:
            raise InvalidValue(f"{where} is empty but on; its end must be after its start")
        if enabled or setting.disjoint == "always":
            if setting.disjoint and (hit := next((other for other, there in earlier if span.overlaps(there)), None)):
                raise InvalidValue(f"{where} overlaps window {hit}")
            earlier.append((number, span))


def _canonical(setting: Setting, parameter: Parameter, value: object) -> Value:
    try:
        return _PARSERS[parameter.kind](parameter, value)
    except (ValueError, OverflowError):
        where = f"{setting.name}: {parameter.name}"
        raise InvalidValue(f"{where} must be {parameter.allowed}; got {_shortened(value)}") from None


def _parse_number(parameter: Parameter, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not a number")  # noqa: TRY004 - `_canonical` replaces the message of every failure
    number = float(value)
    low, high = parameter.low, parameter.high
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        raise ValueError("out of range")
    if parameter.excluded_range and parameter.excluded_range[0] < number < parameter.excluded_range[1]:
        raise ValueError("in the excluded range")
    if parameter.step is not None:
        steps = number / parameter.step
        if abs(steps - round(steps)) > 1e-6:
            raise ValueError("between two steps")
        number = round(round(steps) * parameter.step, 6)
    return number + 0.0  # turns -0.0 into 0.0


def _parse_choice(parameter: Parameter, value: object) -> str:
    if value not in parameter.choices:
        raise ValueError("not a choice")
    return str(value)


def _parse_switch(parameter: Parameter, value: object) -> bool:
    enabled = value if isinstance(value, bool) else _SWITCHES.get(str(value).lower())
    if enabled is None:
        raise ValueError("neither on nor off")
    return enabled


def _parse_time(parameter: Parameter, value: object) -> str:
    parts = _TIME.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        raise ValueError("not a time of day")
    return f"{int(parts[1]):02d}:{int(parts[2]):02d}"


def _parse_moment(parameter: Parameter, value: object) -> str:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is not None or not 2000 <= moment.year < 2100:
        raise ValueError("not a local time of the device")
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _parse_text(parameter: Parameter, value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("not a text")
    if not (parameter.low or 0) <= len(value.strip()) <= _LONGEST_TEXT:
        raise ValueError("too short or too long")
    return value.strip()


_PARSERS: dict[str, Callable[[Parameter, object], Value]] = {
    "number": _parse_number,
    "choice": _parse_choice,
    "switch": _parse_switch,
    "time": _parse_time,
    "moment": _parse_moment,
    "text": _parse_text,
}


def _shortened(value: object) -> str:
    return repr(value)[:60]
