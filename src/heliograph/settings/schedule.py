"""Battery schedules: windows with a mode, and the limits that apply inside them, independent of the device family.

Devices store a schedule in three ways: one setting per window (time_window_1 …), one setting per mode with all its
windows (charge_windows, discharge_windows, load_windows), and single settings for limits. `from_settings` and
`to_settings` translate by the names of the settings, so no family needs code of its own; both ways are lossless.
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

_MODES: dict[str, Mode] = {
    "charge_windows": "battery-first",
    "discharge_windows": "grid-first",
    "load_windows": "load-first",
}
"""The mode of the settings that hold all windows of one mode."""
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
"""The field of `Schedule` that a parameter of a setting holds."""
_ANY_MODE = "time_windows"
"""The group of settings that hold one window of any mode each."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day in one mode; `power` in W, only if each window of the device has its own."""

    start: str
    end: str
    mode: Mode = "load-first"
    power: float | None = None
    enabled: bool = True


_FREE = Window("00:00", "00:00", "load-first", enabled=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A battery's schedule; powers and states of charge in %, None for a limit the schedule does not hold."""

    windows: tuple[Window, ...] = ()
    charge_power: float | None = None
    discharge_power: float | None = None
    charge_stop_soc: float | None = None
    discharge_stop_soc: float | None = None
    ac_charge: bool | None = None


def from_settings(values: Mapping[str, Values | None], settings: Sequence[Setting]) -> Schedule:
    """Return the schedule of a device; unused slots after the last used one are omitted."""
    parts = [setting for setting in settings if is_schedule_setting(setting)]
    if not parts:
        raise InvalidValue("this device has no schedule")
    limits: dict[str, Value] = {}
    windows: dict[str, list[Window]] = {}
    for setting in parts:
        present = values.get(setting.name)
        if present is None and not windows_of(setting):
            continue  # the device does not have this limit
        if present is None or None in present.values():
            raise InvalidValue(f"the schedule is unknown because {setting.name} could not be read")
        for parameter in setting.parameters:
            if limit := _LIMITS.get((setting.name, parameter.name)):
                limits[limit] = present[parameter.name]
        slots = windows.setdefault(_MODES.get(setting.name, _ANY_MODE), [])
        slots += [_window(setting, present, suffix) for _, suffix in windows_of(setting)]
    for kind, slots in windows.items():
        while slots and _is_free(slots[-1], kind):
            slots.pop()
    return Schedule(windows=tuple(one for slots in windows.values() for one in slots), **limits)  # type: ignore[arg-type]


def to_settings(schedule: Schedule, settings: Sequence[Setting]) -> dict[str, Values]:
    """Return the values of each setting for a device with this schedule; `InvalidValue` if it does not fit the device.

    A setting is omitted if the schedule specifies none of its values; it cannot be written if only some are specified.
    """
    parts = [setting for setting in settings if is_schedule_setting(setting)]
    known = {_LIMITS.get((setting.name, parameter.name)) for setting in parts for parameter in setting.parameters}
    for field in fields(Schedule):
        if field.name != "windows" and getattr(schedule, field.name) is not None and field.name not in known:
            raise InvalidValue(f"this device's schedule has no {field.name}")
    windows = _windows_by_kind(schedule, parts)
    found: dict[str, Values] = {}
    for setting in parts:
        values: dict[str, Value] = {}
        for parameter in setting.parameters:
            if limit := _LIMITS.get((setting.name, parameter.name)):
                values[parameter.name] = getattr(schedule, limit)
        if not windows_of(setting) and None in values.values():
            if len(values) > 1 and set(values.values()) != {None}:
                raise InvalidValue(f"{setting.name} is written as a whole: {', '.join(values)} are all needed")
            continue
        for _, suffix in windows_of(setting):
            values |= _parameters(setting, next(windows[_MODES.get(setting.name, _ANY_MODE)]), suffix)
        if missing := [name for name, value in values.items() if value is None]:
            limit = _LIMITS.get((setting.name, missing[0]), missing[0])
            raise InvalidValue(f"{setting.name} is written as a whole, so the schedule must include its {limit}")
        found[setting.name] = values
    return found


def is_schedule_setting(setting: Setting) -> bool:
    """Return True if a setting is part of a schedule."""
    has_limit = any((setting.name, parameter.name) in _LIMITS for parameter in setting.parameters)
    return has_limit or setting.name in _MODES or setting.group == _ANY_MODE


def split_at_midnight(schedule: Schedule) -> Schedule:
    """Return the schedule with each window that crosses midnight split in two; no device supports such windows."""
    windows: list[Window] = []
    for window in schedule.windows:
        if minute_of_day(window.start) <= minute_of_day(window.end):
            windows.append(window)
            continue
        windows.append(replace(window, end="23:59"))
        if window.end != "00:00":
            windows.append(replace(window, start="00:00"))
    return replace(schedule, windows=tuple(windows))


def write_sequence(
    settings: Sequence[Setting], present: Mapping[str, Values | None], wanted: Mapping[str, Values]
) -> tuple[tuple[str, Values], ...]:
    """Return the writes in an order in which no window ever overlaps one that the device still has.

    Settings that already have the wanted values are omitted. If windows swap places, one of them is freed first, at the
    cost of one more write.
    """
    by_name = {setting.name: setting for setting in settings}
    state = {name: present.get(name) for name in by_name}
    remaining = {name: values for name, values in wanted.items() if state[name] != values}
    writes: list[tuple[str, Values]] = []

    def blocks(other: str, name: str) -> bool:
        """Return True if the device's window of `other` overlaps the wanted window of `name`."""
        first, second, there, values = by_name[other], by_name[name], state[other], remaining[name]
        if other == name or not second.group or first.group != second.group or there is None:
            return False
        if not is_active(first, there) or not is_active(second, values):
            return False
        return Span.of(values["start"], values["end"]).overlaps(Span.of(there["start"], there["end"]))

    while remaining:
        name = next((name for name in remaining if not any(blocks(other, name) for other in state)), None)
        if name is not None:
            values = remaining.pop(name)
        else:
            # Every remaining window overlaps another one: free one of those now and write it later.
            stuck = next(iter(remaining))
            name = next((other for other in remaining if blocks(other, stuck)), None)
            if name is None:
                raise InvalidValue(f"{stuck} overlaps a window that is not part of this change")
            values = _parameters(by_name[name], _FREE, "")
        writes.append((name, values))
        state[name] = values
    return tuple(writes)


def _windows_by_kind(schedule: Schedule, parts: Sequence[Setting]) -> dict[str, Iterator[Window]]:
    """Return the windows for each kind of setting, padded with free ones to the number of slots."""
    slots: dict[str, int] = {}
    for setting in parts:
        kind = _MODES.get(setting.name, _ANY_MODE)
        slots[kind] = slots.get(kind, 0) + len(windows_of(setting))
    by_kind: dict[str, list[Window]] = {kind: [] for kind in slots}
    for window in schedule.windows:
        kind = window.mode if window.mode in slots else _ANY_MODE
        if not slots.get(kind):
            raise InvalidValue(f"this device has no windows for {window.mode}")
        by_kind[kind].append(window)
    for kind, windows in by_kind.items():
        if len(windows) > slots[kind]:
            purpose = "" if kind == _ANY_MODE else f" for {kind}"
            raise InvalidValue(f"this device has {slots[kind]} windows{purpose}, not {len(windows)}")
        mode = "load-first" if kind == _ANY_MODE else kind
        windows.extend([replace(_FREE, mode=mode)] * (slots[kind] - len(windows)))  # type: ignore[arg-type]
    return {kind: iter(windows) for kind, windows in by_kind.items()}


def _window(setting: Setting, values: Values, suffix: str) -> Window:
    power = values.get("power") if setting.group == _ANY_MODE else None
    return Window(
        str(values[f"start{suffix}"]),
        str(values[f"end{suffix}"]),
        _MODES.get(setting.name) or values["mode"],  # type: ignore[arg-type]
        power,  # type: ignore[arg-type]
        bool(values[f"enabled{suffix}"]),
    )


def _parameters(setting: Setting, window: Window, suffix: str) -> dict[str, Value]:
    """Return a window as the parameters of its setting."""
    values: dict[str, Value] = {} if setting.group != _ANY_MODE else {"mode": window.mode}
    values |= {f"start{suffix}": window.start, f"end{suffix}": window.end}
    if setting.group == _ANY_MODE and any(parameter.name == "power" for parameter in setting.parameters):
        # Only a window that feeds the house has a power; the others are written with 0.
        default = 0.0 if window.mode != "load-first" or _is_free(window, _ANY_MODE) else None
        values["power"] = window.power if window.power is not None else default
    elif window.power is not None:
        raise InvalidValue("this device's windows have no power of their own")
    return values | {f"enabled{suffix}": window.enabled}


def _is_free(window: Window, kind: str) -> bool:
    """Return True if a slot is unused."""
    mode = "load-first" if kind == _ANY_MODE else kind
    return not window.power and window == replace(_FREE, mode=mode, power=window.power)  # type: ignore[arg-type]
