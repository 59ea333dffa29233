"""Commands of a battery planner as settings of a device: charge, discharge, or neither, for part of a day. Pure.

Three kinds of devices store it differently: one switch for charging now (GoodWe), one setting per mode with all its
windows (SPH, SPA), and one setting per window (MIN, NOAH). The names of the settings say which one it is. A curtailment
(`Orders.curtail`) puts the old values back at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from heliograph.errors import InvalidValue
from heliograph.settings.definition import Span, windows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from heliograph.settings.definition import Setting, Value, Values

    Wanted = dict[str, dict[str, Value]]

BatteryAction = Literal["charge", "discharge", "freeze-charge", "freeze-discharge"]
"""Freeze-charge: the battery is not discharged. Freeze-discharge: it is not charged."""
BATTERY_ACTIONS: tuple[BatteryAction, ...] = get_args(BatteryAction)

_MINUTES = 24 * 60
_FULL = 100.0


def battery_settings(
    action: BatteryAction,
    settings: Sequence[Setting],
    current: Mapping[str, Values | None],
    start: datetime,
    end: datetime,
    *,
    power: float | None = None,
    stop_soc: float | None = None,
) -> Wanted:
    """Return the settings that make a battery do this from `start` to `end`, both in the local time of the plant.

    `power` and `stop_soc` are in %; without them the device's own limits apply, and a charge ends at 100 %. Charging
    includes the grid where the device can. Raises `InvalidValue` if the device cannot do it.
    """
    spans = list(_spans(start, end))
    by_name = {setting.name: setting for setting in settings}
    if "immediate_charge" in by_name:
        return _immediate(action, by_name, power, stop_soc)
    if "charge_windows" in by_name:
        return _per_mode(action, by_name, current, spans, power, stop_soc)
    windows = [setting for setting in settings if setting.group == "time_windows"]
    if windows:
        return _per_window(action, by_name, windows, current, spans, power, stop_soc)
    raise InvalidValue("this device has no battery schedule")


def _spans(start: datetime, end: datetime) -> Iterator[Span]:
    """Yield the minutes of the day from the one that has begun to the one in which the end is, split at midnight."""
    if end <= start:
        raise InvalidValue("the end must be after the start")
    first = start.hour * 60 + start.minute
    last = end.hour * 60 + end.minute + bool(end.second or end.microsecond)
    if (end - start).total_seconds() >= (_MINUTES - 1) * 60:
        raise InvalidValue("a battery schedule repeats every day, so the end must be within 24 hours")
    if first < last:
        yield Span((first, min(last, _MINUTES - 1)))
        return
    if first < _MINUTES - 1:
        yield Span((first, _MINUTES - 1))
    if last > 0:
        yield Span((0, last))


def _immediate(
    action: BatteryAction, settings: Mapping[str, Setting], power: float | None, stop_soc: float | None
) -> Wanted:
    if action != "charge":
        raise _impossible(action)
    wanted: Wanted = {}
    _limit(wanted, settings, "immediate_charge_power", power)
    _limit(wanted, settings, "immediate_charge_stop_soc", stop_soc)
    # Last, because the device begins when the switch is on.
    wanted["immediate_charge"] = {"value": True}
    return wanted


def _per_mode(
    action: BatteryAction,
    settings: Mapping[str, Setting],
    current: Mapping[str, Values | None],
    spans: Sequence[Span],
    power: float | None,
    stop_soc: float | None,
) -> Wanted:
    if action == "freeze-discharge":
        raise _impossible(action)
    name = "discharge_windows" if action == "discharge" else "charge_windows"
    if name not in settings:
        raise _impossible(action)
    wanted: Wanted = {}
    for other in ("charge_windows", "discharge_windows", "load_windows"):
        if other != name and other in settings and (freed := _switched_off(settings[other], current.get(other), spans)):
            wanted[other] = freed
    setting = settings[name]
    suffixes = [suffix for _, suffix in windows_of(setting)]
    values: dict[str, Value] = {f"enabled{suffix}": False for suffix in suffixes}
    for suffix, (first, last) in zip(suffixes, spans, strict=False):
        values |= {f"start{suffix}": _clock(first), f"end{suffix}": _clock(last), f"enabled{suffix}": True}
    parameters = {parameter.name for parameter in setting.parameters}
    if "ac_charge" in parameters:
        values["ac_charge"] = action == "charge"
    if power is not None:
        values["power"] = power
    if stop_soc is not None or action != "discharge":
        values["stop_soc"] = _FULL if stop_soc is None else stop_soc
    wanted[name] = {key: value for key, value in values.items() if key in parameters}
    return wanted


def _per_window(
    action: BatteryAction,
    settings: Mapping[str, Setting],
    windows: Sequence[Setting],
    current: Mapping[str, Values | None],
    spans: Sequence[Span],
    power: float | None,
    stop_soc: float | None,
) -> Wanted:
    wanted: Wanted = {}
    if action == "freeze-discharge":
        if "charge_power_limit" not in settings:
            raise _impossible(action)
        return {"charge_power_limit": {"value": 0.0}}
    parameters = {parameter.name: parameter for parameter in windows[0].parameters}
    mode = "grid-first" if action == "discharge" else "battery-first"
    extra: dict[str, Value] = {}
    if mode not in parameters["mode"].choices:
        if action != "discharge" or "power" not in parameters:
            raise _impossible(action)
        # A balcony battery feeds the house with the power of a window.
        mode, extra = "load-first", {"power": round((parameters["power"].high or 0.0) * (power or _FULL) / _FULL)}
    elif "power" in parameters:
        extra = {"power": 0.0}
    if action == "discharge":
        _limit(wanted, settings, "discharge_power_limit", None if "power" in parameters else power)
        _limit(wanted, settings, "on_grid_stop_soc", stop_soc)
    else:
        _limit(wanted, settings, "charge_power_limit", power)
        _limit(wanted, settings, "charge_stop_soc", stop_soc)
        _limit(wanted, settings, "ac_charge", action == "charge", required=False)
    hit, free = _slots(windows, current, spans)
    slots = iter([*hit, *free])
    for first, last in spans:
        if (slot := next(slots, None)) is None:
            raise InvalidValue("every time window of this device is in use; switch one off first")
        wanted[slot] = {"mode": mode, "start": _clock(first), "end": _clock(last), "enabled": True, **extra}
    for slot in hit[len(spans) :]:
        wanted[slot] = {"start": "00:00", "end": "00:00", "enabled": False}
    return wanted


def _slots(
    windows: Sequence[Setting], current: Mapping[str, Values | None], spans: Sequence[Span]
) -> tuple[list[str], list[str]]:
    """Return the windows that overlap the spans, and the unused ones: empty ones, then switched-off ones."""
    hit: list[str] = []
    empty: list[str] = []
    off: list[str] = []
    for setting in windows:
        values = current.get(setting.name)
        if values is None or values.get("start") is None or values.get("end") is None:
            continue  # unknown, so it could not be put back
        there = Span.of(values["start"], values["end"])
        matters = bool(values.get("enabled")) or setting.disjoint == "always"
        if matters and any(there.overlaps(span) for span in spans):
            hit.append(setting.name)
        elif not values.get("enabled"):
            (empty if there[0] == there[1] else off).append(setting.name)
    return hit, [*empty, *off]


def _switched_off(setting: Setting, values: Values | None, spans: Sequence[Span]) -> dict[str, Value]:
    """Return the switches of the enabled windows of a setting that overlap the spans."""
    freed: dict[str, Value] = {}
    if values is None:
        return freed
    for _, suffix in windows_of(setting):
        start, end, enabled = (values.get(f"{part}{suffix}") for part in ("start", "end", "enabled"))
        if enabled and start is not None and end is not None:
            there = Span.of(start, end)
            if any(there.overlaps(span) for span in spans):
                freed[f"enabled{suffix}"] = False
    return freed


def _limit(wanted: Wanted, settings: Mapping[str, Setting], name: str, value: Value, *, required: bool = True) -> None:
    """Add a limit that is given; raises `InvalidValue` if the device has none and it is required."""
    if value is None:
        return
    if name in settings:
        wanted[name] = {"value": value}
    elif required:
        raise InvalidValue(f"this device has no {name}; leave that limit out")


def _impossible(action: BatteryAction) -> InvalidValue:
    return InvalidValue(f"this device has no setting for {action}; it can only do what its own schedule offers")


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
