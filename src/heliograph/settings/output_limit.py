"""A limit of the output power, as people write it: "50%" or "600W"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heliograph.settings.definition import Setting, Value

LIMITS = ("active_power_rate", "default_power")
"""The settings that limit the output power, in order of preference."""
SWITCH = "power_switch"
"""Switches the device off for a limit of 0, if it has no readable limit."""


def parse_limit(settings: Iterable[Setting], text: str) -> dict[str, dict[str, Value]]:
    """Return the limiting setting of a device and its value for a text like "50%" or "600W"."""
    parts = re.fullmatch(r"(\d+(?:\.\d+)?) ?(%|W|kW)?", text.strip())
    if not parts:
        raise ConfigError(f"{text[:40]!r} is not a limit; write one like 50% or 600W")
    number, unit = float(parts[1]), parts[2] or "%"
    if unit == "kW":
        number, unit = number * 1000, "W"
    # A setting that cannot be read could not be restored.
    readable = {setting.name: setting for setting in settings if setting.readable}
    for name in LIMITS:
        for parameter in readable[name].parameters if name in readable else ():
            if parameter.kind == "number" and parameter.unit == unit:
                # A temporary limit must not be kept over a restart of the device.
                temporary = {one.name: False for one in readable[name].parameters if one.name == "remember"}
                return {name: {parameter.name: number, **temporary}}
    if not number and SWITCH in readable:
        return {SWITCH: {readable[SWITCH].parameters[0].name: False}}
    raise ConfigError(f"this device supports no limit in {unit}; heliograph settings show lists its settings")
