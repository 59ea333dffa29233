"""One plan for a battery's day, whatever the device: windows with a mode, and the limits that hold inside them.

Devices keep such a plan in three ways: one setting per window (time_window_1 …), one setting per mode with all its
windows (charge_windows, discharge_windows, load_windows), and single settings for limits. `from_settings` and
`to_settings` translate by the names of a device's own settings, so no family needs code of its own, and what is read
and translated there and back is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

from heliograph.errors import InvalidValue
from heliograph.settings.definition import Span, is_active, minute_of_day, windows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heliograph.settings.definition import Setting, Value, Values

Mode = Literal["load-first", "battery-first", "grid-first", "smart"]
Limit = Literal["charge_power", "discharge_power", "charge_stop_soc", "discharge_stop_soc"]

_BY_MODE: dict[str, Mode] = {
    "charge_windows": "battery-first",
    "discharge_windows": "grid-first",
    "load_windows": "load-first",
}
"""Settings that hold the windows of one mode."""
_LIMITS = {
    ("charge_power_limit", "value"): "charge_power",
    ("discharge_power_limit", "value"): "discharge_power",
    ("charge_stop_soc", "value"): "charge_stop_soc",
    ("on_grid_stop_soc", "value"): "discharge_stop_soc",
    ("ac_charge", "value"): "ac_charge",
    ("soc_limits", "high"): "charge_stop_soc",
    ("soc_limits", "low"): "discharge_stop_soc",
    ("charge_windows", "power"): "charge_power",
    ("charge_windows", "stop_soc"): "charge_stop_soc",
    ("charge_windows", "ac_charge"): "ac_charge",
    ("discharge_windows", "power"): "discharge_power",
    ("discharge_windows", "stop_soc"): "discharge_stop_soc",
}
"""Which field of a schedule a parameter of a setting is."""
_ONE = "time_windows"
"""The group of settings that hold one window each."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day in one mode; `power` in W only where each window has its own."""

    start: str
    end: str
    mode: Mode = "load-first"
    power: float | None = None
    enabled: bool = True


_FREE = Window("00:00", "00:00", "load-first", enabled=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A battery's day; powers and charges in %, a limit the device keeps elsewhere or not at all is None."""

    windows: tuple[Window, ...] = ()
    charge_power: float | None = None
    discharge_power: float | None = None
    charge_stop_soc: float | None = None
    discharge_stop_soc: float | None = None
    ac_charge: bool | None = None


def from_settings(values: Mapping[str, Values | None], settings: Sequence[Setting]) -> Schedule:
    """Return the schedule a device has; free slots behind the last one that is used are left out."""
    parts = [one for one in settings if is_schedule_setting(one)]
    if not parts:
        raise InvalidValue("this device keeps no schedule")
    found: dict[str, Value] = {}
    windows: dict[str, list[Window]] = {}
    for setting in parts:
        mine = values.get(setting.name)
        if mine is None and not windows_of(setting):
            continue  # a limit this device does not have
        if mine is None or None in mine.values():
            raise InvalidValue(f"the schedule is not known, for {setting.name} could not be read")
        for parameter in setting.parameters:
            if limit := _LIMITS.get((setting.name, parameter.name)):
                found[limit] = mine[parameter.name]
        slots = windows.setdefault(_BY_MODE.get(setting.name, _ONE), [])
        slots += [_window(setting, mine, suffix) for _, suffix in windows_of(setting)]
    for kind, slots in windows.items():
        while slots and _is_free(slots[-1], kind):
            slots.pop()
    return Schedule(windows=tuple(one for slots in windows.values() for one in slots), **found)  # type: ignore[arg-type]


def to_settings(schedule: Schedule, settings: Sequence[Setting]) -> dict[str, Values]:
    """Return what each setting has to be for a device to have this schedule; `Invalid` where it cannot have it.

    A setting whose values the schedule leaves open is left out; one it names in part only cannot be written.
    """
    parts = [one for one in settings if is_schedule_setting(one)]
    known = {_LIMITS.get((one.name, parameter.name)) for one in parts for parameter in one.parameters}
    for field in fields(Schedule):
        if field.name != "windows" and getattr(schedule, field.name) is not None and field.name not in known:
            raise InvalidValue(f"this device's schedule has no {field.name}")
    waiting = _dealt(schedule, parts)
    found: dict[str, Values] = {}
    for setting in parts:
        values: dict[str, Value] = {}
        for parameter in setting.parameters:
            if limit := _LIMITS.get((setting.name, parameter.name)):
                values[parameter.name] = getattr(schedule, limit)
        if not windows_of(setting) and None in values.values():
            if len(values) > 1 and set(values.values()) != {None}:
                raise InvalidValue(f"{setting.name} is written whole: {', '.join(values)} are all needed")
            continue
        for _, suffix in windows_of(setting):
            window = next(waiting[_BY_MODE.get(setting.name, _ONE)])
            values |= _said(setting, window, suffix)
        if missing := [name for name, value in values.items() if value is None]:
            limit = _LIMITS.get((setting.name, missing[0]), missing[0])
            raise InvalidValue(f"{setting.name} is written whole, so the schedule has to say its {limit}")
        found[setting.name] = values
    return found


def is_schedule_setting(setting: Setting) -> bool:
    """Tell whether a setting is part of a schedule."""
    named = any((setting.name, one.name) in _LIMITS for one in setting.parameters)
    return named or setting.name in _BY_MODE or setting.group == _ONE


def split_at_midnight(schedule: Schedule) -> Schedule:
    """Return the same day with every window that crosses midnight cut in two, for devices know none that do."""
    cut: list[Window] = []
    for window in schedule.windows:
        if minute_of_day(window.start) <= minute_of_day(window.end):
            cut.append(window)
            continue
        cut.append(replace(window, end="23:59"))
        if window.end != "00:00":
            cut.append(replace(window, start="00:00"))
    return replace(schedule, windows=tuple(cut))


def write_sequence(
    settings: Sequence[Setting], present: Mapping[str, Values | None], wanted: Mapping[str, Values]
) -> tuple[tuple[str, Values], ...]:
    """Return what to write, one after the other, so that no window ever overlaps one the device still has.

    What is as wanted already is left out. Where windows change places, one of them is freed first, at the cost of
    one more write.
    """
    rows = {one.name: one for one in settings}
    state = {name: present.get(name) for name in rows}
    left = {name: values for name, values in wanted.items() if state[name] != values}
    steps: list[tuple[str, Values]] = []
    while left:
        name = next((name for name in left if _fits(rows, state, name, left[name])), None)
        if name is not None:
            values = left.pop(name)
        else:
            # Every window that is left is in the way of another one: free one, and write it later.
            name = next(iter(left))
            blocked = [other for other in left if other != name and _blocks(rows, state, other, name, left[name])]
            if not blocked:
                raise InvalidValue(f"{name} overlaps a window that is not to be changed")
            name = blocked[0]
            values = _said(rows[name], _FREE, "")
        steps.append((name, values))
        state[name] = values
    return tuple(steps)


def _fits(rows: Mapping[str, Setting], state: Mapping[str, Values | None], name: str, values: Values) -> bool:
    return not any(_blocks(rows, state, other, name, values) for other in state if other != name)


def _blocks(
    rows: Mapping[str, Setting], state: Mapping[str, Values | None], other: str, name: str, values: Values
) -> bool:
    """Tell whether what a device has in one setting is in the way of values for another."""
    there = state[other]
    if not rows[name].group or rows[other].group != rows[name].group or there is None:
        return False
    if not is_active(rows[other], there) or not is_active(rows[name], values):
        return False
    return Span.of(values["start"], values["end"]).overlaps(Span.of(there["start"], there["end"]))


def _dealt(schedule: Schedule, parts: Sequence[Setting]) -> dict[str, Iterator[Window]]:
    """Return the windows for each kind of setting, free ones after those of the schedule."""
    room: dict[str, int] = {}
    for setting in parts:
        kind = _BY_MODE.get(setting.name, _ONE)
        room[kind] = room.get(kind, 0) + len(windows_of(setting))
    dealt: dict[str, list[Window]] = {kind: [] for kind in room}
    for window in schedule.windows:
        kind = window.mode if window.mode in room else _ONE
        if not room.get(kind):
            raise InvalidValue(f"this device has no windows for {window.mode}")
        dealt[kind].append(window)
    for kind, windows in dealt.items():
        if len(windows) > room[kind]:
            what = "" if kind == _ONE else f" for {kind}"
            raise InvalidValue(f"this device has {room[kind]} windows{what}, not {len(windows)}")
        free = Window("00:00", "00:00", "load-first" if kind == _ONE else kind, enabled=False)  # type: ignore[arg-type]
        windows.extend([free] * (room[kind] - len(windows)))
    return {kind: iter(windows) for kind, windows in dealt.items()}


def _window(setting: Setting, values: Values, suffix: str) -> Window:
    power = values.get("power") if setting.group == _ONE else None
    return Window(
        str(values[f"start{suffix}"]),
        str(values[f"end{suffix}"]),
        _BY_MODE.get(setting.name) or values["mode"],  # type: ignore[arg-type]
        power,  # type: ignore[arg-type]
        bool(values[f"enabled{suffix}"]),
    )


def _said(setting: Setting, window: Window, suffix: str) -> dict[str, Value]:
    """Return a window as the parameters of its setting."""
    said: dict[str, Value] = {} if setting.group != _ONE else {"mode": window.mode}
    said |= {f"start{suffix}": window.start, f"end{suffix}": window.end}
    if setting.group == _ONE and any(one.name == "power" for one in setting.parameters):
        # Only a window that feeds the house has a power; the others are written with none at all.
        none = 0.0 if window.mode != "load-first" or _is_free(window, _ONE) else None
        said["power"] = window.power if window.power is not None else none
    elif window.power is not None:
        raise InvalidValue("this device's windows have no power of their own")
    return said | {f"enabled{suffix}": window.enabled}


def _is_free(window: Window, kind: str) -> bool:
    """Tell whether nobody uses a slot."""
    mode = "load-first" if kind == _ONE else kind
    return not window.power and window == Window("00:00", "00:00", mode, window.power, enabled=False)  # type: ignore[arg-type]
