"""What tests of settings share: a value that is not the present one, and one that no device may be told."""

from __future__ import annotations

from itertools import pairwise


def another(setting, present):
    """Return values for all parameters of a setting, each unlike the present one, that check together."""
    found = {one.name: _another(one, (present or {}).get(one.name)) for one in setting.parameters}
    slots = range(1, setting.slots + 1) if setting.slots > 1 else ()
    for slot, (start, end) in zip(slots, pairwise(["01:05", "04:59", "13:00", "13:30", "23:59"][::1]), strict=False):
        found |= {f"start_{slot}": start, f"end_{slot}": end, f"enabled_{slot}": True}
    if setting.group:
        number = int(setting.name.rpartition("_")[2])
        found |= {"start": f"{number:02d}:05", "end": f"{number:02d}:55", "enabled": True}
    return found


def _another(parameter, present):
    if parameter.kind == "number":
        inside = parameter.low + (parameter.high - parameter.low) / 4
        usual = round(inside / parameter.step) * parameter.step
        choices = [parameter.low, parameter.high] if parameter.excluded_range else [usual, parameter.low]
        return next(round(value, 6) + 0.0 for value in choices if value != present)
    if parameter.kind == "choice":
        return next(
            choice for choice in reversed(parameter.choices) if choice != present or len(parameter.choices) == 1
        )
    if parameter.kind == "switch":
        return not present
    return {"time": "07:05", "moment": "2026-02-04 08:03:07", "text": "GBP"}[parameter.kind]


def impossible(setting):
    """Return values of which one is just outside of what is allowed, once for each parameter."""
    good = another(setting, None)
    for parameter in setting.parameters:
        if parameter.kind == "number":
            yield good | {parameter.name: parameter.high + parameter.step}
            yield good | {parameter.name: parameter.low - parameter.step}
        else:
            yield good | {
                parameter.name: {"text": "\n", "time": "24:00", "moment": "soon"}.get(parameter.kind, "maybe")
            }
