"""The settings of a device as Home Assistant entities: number, select, switch and time, from the settings catalogue."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.outputs.mqtt.discovery import HaEntity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heliograph.outputs.mqtt.topics import Topics
    from heliograph.settings.definition import Parameter, ParameterKind, Setting, Value, Values
    from heliograph.settings.permissions import Permissions
    from heliograph.store.base import Series

PLATFORMS: Mapping[ParameterKind, str] = {"number": "number", "choice": "select", "switch": "switch", "time": "time"}
"""Entity type of each kind of parameter; clocks and texts have none."""

READ_AT = "read_at"
"""Key of the time of the last read in a settings message."""

_DEFAULT_STEP = 0.1
_SMALLEST_STEP = 0.001
"""The smallest step that Home Assistant accepts."""
_COMMAND = '{"value": {{ value | tojson }}, "at": {{ now().timestamp() }}}'
"""Home Assistant's template of a command. The time makes a delayed command recognisable."""


class Control(NamedTuple):
    """One parameter that may be changed; `key` is the key of its value in the settings message."""

    key: str
    setting: Setting
    parameter: Parameter


def controls_of(settings: Iterable[Setting], permissions: Permissions) -> tuple[Control, ...]:
    """Return the parameters that may be changed; one-time actions, such as a restart, are left out."""
    return tuple(
        Control(control_key(setting, parameter), setting, parameter)
        for setting in settings
        if permissions.allows(setting)
        for parameter in setting.parameters
        if parameter.kind in PLATFORMS and len(parameter.choices) != 1
    )


def control_key(setting: Setting, parameter: Parameter) -> str:
    """Return the key of a parameter: the setting's name, followed by the parameter's unless that is `value`."""
    return setting.name if parameter.name == "value" else f"{setting.name}_{parameter.name}"


def control_entities(
    topics: Topics, series: Series, controls: Iterable[Control], permissions: Permissions
) -> tuple[HaEntity, ...]:
    """Return the entities of controls: enabled if the account names its settings, else until a person enables them."""
    return tuple(_entity(topics, series, control, enabled=permissions.writes is not True) for control in controls)


def settings_message(
    controls: Iterable[Control], values: Mapping[str, Values | None], read_at: float | None
) -> dict[str, Any]:
    """Return the settings message of a device: every parameter as read back, None if unknown."""
    message: dict[str, Any] = {}
    for key, setting, parameter in controls:
        present = values.get(setting.name)
        message[key] = present.get(parameter.name) if present and parameter.readable else None
    at = None if read_at is None else datetime.fromtimestamp(read_at, UTC).isoformat(timespec="seconds")
    return {**message, READ_AT: at}


def parse_settings_message(
    controls: Iterable[Control], payload: str
) -> tuple[float, Mapping[str, Mapping[str, Value]]] | None:
    """Return the time and the values of an earlier settings message; None if something that can be read is missing."""
    values: dict[str, dict[str, Value]] = {}
    try:
        message = json.loads(payload)
        read_at = datetime.fromisoformat(message[READ_AT])
        for key, setting, parameter in controls:
            value = message[key]
            if not isinstance(value, float | int | str | bool):
                if setting.readable and parameter.readable:
                    return None
                value = None
            values.setdefault(setting.name, {})[parameter.name] = value
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return (read_at.timestamp(), values) if read_at.tzinfo is not None else None


def _entity(topics: Topics, series: Series, control: Control, *, enabled: bool) -> HaEntity:
    setting, parameter = control.setting, control.parameter
    name = setting.title if parameter.name == "value" else f"{setting.title} {parameter.name.replace('_', ' ')}"
    config: dict[str, Any] = {
        "entity_category": "config",
        "value_template": f"{{{{ value_json.{control.key} }}}}",
        "state_topic": topics.settings(series),
        "command_topic": topics.command(series, setting.name, parameter.name),
        "command_template": _COMMAND,
        **_options(parameter),
    }
    if not enabled:
        config["enabled_by_default"] = False
    # A device may report a metric of the same name, such as power_factor.
    return HaEntity(f"set_{control.key}", name, config, PLATFORMS[parameter.kind])


def _options(parameter: Parameter) -> dict[str, Any]:
    match parameter.kind:
        case "number":
            unit = {"unit_of_measurement": parameter.unit} if parameter.unit else {}
            step = max(parameter.step or _DEFAULT_STEP, _SMALLEST_STEP)
            # A box: a slider would send a command for each value that it passes.
            return {"min": parameter.low, "max": parameter.high, "step": step, "mode": "box", **unit}
        case "choice":
            return {"options": list(parameter.choices)}
        case "switch":
            # The states are how a template renders the JSON of true and false.
            return {"payload_on": "on", "payload_off": "off", "state_on": "True", "state_off": "False"}
    return {}
