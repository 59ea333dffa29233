"""Settings through the token API: the catalogue's entries that it has, and the calls that read and write them.

V1 has the settings of MIN and SPH under the wire names of the password API, V4 those of NOAH, and on/off and output
power of the other families. Sources: the vendor's pages, growattServer, growatt-public-api (docs/clouds/growatt.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.errors import InvalidValue, RequestRefused, Unreachable
from heliograph.settings.definition import validate
from heliograph.vendors.growatt.openapi.api import OpenApiCalls
from heliograph.vendors.growatt.openapi.limits import seconds_until_due
from heliograph.vendors.growatt.openapi.payloads import OpenApiData
from heliograph.vendors.growatt.openapi.snapshots import V4_TYPES
from heliograph.vendors.growatt.settings import hybrid, noah, tlx
from heliograph.vendors.growatt.settings.schema import entry, percent, switch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heliograph.core.endpoint import Call, FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Values
    from heliograph.vendors.growatt.settings.schema import GrowattSettingEntry

    Calls = Sequence[Call[Any]]

_UNCERTAIN = frozenset(("10001", "1", "16", "18"))
"""Codes of errors of the system or of a silent device: the change may have been applied (growatt-public-api)."""
_READ_BACK = "Read the setting back before sending anything else: the cloud may report an error although it was applied"
_MISSING = frozenset(("-1", "null", ""))


class TokenSettings(NamedTuple):
    """The settings of one device family through the token API."""

    entries: tuple[GrowattSettingEntry, ...]
    read: Callable[[Session, Device], FlowGenerator[Mapping[str, str]]]
    """Fetch the members from which the entries are decoded, under the names of the password API."""
    write: Callable[[Device, GrowattSettingEntry, list[str]], Calls]
    """Return the calls that write one setting."""


def settings_of(device: Device) -> tuple[Setting, ...]:
    """Return the settings of a device; empty for a family without any."""
    family = FAMILIES.get(device.family)
    return tuple(row.setting for row in family.entries) if family else ()


def read_settings(session: Session, device: Device) -> FlowGenerator[Mapping[str, Values | None]]:
    """Return the current values of all settings of a device; None for a setting that no answer reports."""
    if (family := FAMILIES.get(device.family)) is None:
        return {}
    members = yield from family.read(session, device)
    return {row.setting.name: row.decode(members) for row in family.entries}


def write_setting(device: Device, name: str, values: Mapping[str, object]) -> FlowGenerator[None]:
    """Validate and write one setting; `Unreachable` means that its outcome is unknown."""
    family = FAMILIES.get(device.family)
    found = next((row for row in family.entries if row.setting.name == name), None) if family else None
    if family is None or found is None:
        raise InvalidValue(f"the token API has no setting {name!r} of a device of the family {device.family!r}")
    written = False
    for call in family.write(device, found, found.encode(validate(found.setting, values))):
        try:
            yield call
        except RequestRefused as error:
            if written or error.code in _UNCERTAIN:
                raise Unreachable(error.message, vendor="growatt", call=name, advice=_READ_BACK) from None
            raise
        written = True


# Reading

_MIN_MEMBERS = {
    "tlx_on_off": "onOff",
    "charge_power": "chargePowerCommand",
    "discharge_power": "disChargePowerCommand",
    "charge_stop_soc": "wchargeSOCLowLimit",
    "discharge_stop_soc": "wdisChargeSOCLowLimit",
    "ac_charge": "acChargeEnable",
    "pf_sys_year": "sysTime",
    "exportLimitPowerRateStr": "exportLimitPowerRate",
    "pv_grid_voltage_high": "voltageHighLimit",
    "pv_grid_voltage_low": "voltageLowLimit",
}
"""V1's name of a member that the password API names otherwise (captures of a MIN's settings)."""
_SPH_MEMBERS = {
    "mix_off_grid_enable": "epsFunEn",
    "mix_ac_discharge_frequency": "epsFreqSet",
    "mix_ac_discharge_voltage": "epsVoltSet",
}
_NOAH_MEMBERS = {
    f"{slot}.{part}": f"time{slot}{name}"
    for slot in range(1, noah.SLOTS + 1)
    for part, name in {"mode": "Mode", "start": "Start", "end": "End", "power": "Power", "enabled": "Enable"}.items()
}


def _read_min(session: Session, device: Device) -> FlowGenerator[Mapping[str, str]]:
    calls = (
        OpenApiCalls.v1_min_settings.flow(device.id),
        OpenApiCalls.v1_device_info.flow("tlx", device.id),
        OpenApiCalls.v4_device_info.flow([device.id], "min"),
    )
    answer = yield from _first_due(session, calls)
    nested = answer.body.get("tlxSetbean")
    return _members(OpenApiData(nested) if isinstance(nested, dict) else answer, tlx.SETTINGS, _MIN_MEMBERS)


def _read_sph(session: Session, device: Device) -> FlowGenerator[Mapping[str, str]]:
    calls = (
        OpenApiCalls.v1_device_info.flow("mix", device.id),
        OpenApiCalls.v4_device_info.flow([device.id], "sph"),
    )
    return _members((yield from _first_due(session, calls)), hybrid.MIX, _SPH_MEMBERS)


def _read_noah(session: Session, device: Device) -> FlowGenerator[Mapping[str, str]]:
    answer = yield from _first_due(session, (OpenApiCalls.v4_device_info.flow([device.id], "noah"),))
    return _members(answer, noah.SETTINGS, _NOAH_MEMBERS)


def _read_power(session: Session, device: Device) -> FlowGenerator[Mapping[str, str]]:
    power = yield OpenApiCalls.v4_read_power.flow(device.id, V4_TYPES[device.family])
    return {"activeRate": _text(power)}


def _read_nothing(session: Session, device: Device) -> FlowGenerator[Mapping[str, str]]:
    yield from ()
    return {}


def _first_due(session: Session, calls: Calls) -> FlowGenerator[OpenApiData]:
    """Send the call that may be sent first: each reports the same settings, but only once in five minutes.

    So a change is read back at once although the device has just been read.
    """
    answer: Any = yield min(calls, key=lambda call: seconds_until_due(session, call))
    if isinstance(answer, tuple):
        return answer[0] if answer else OpenApiData({})
    found: OpenApiData = answer
    return found


def _members(
    answer: OpenApiData, entries: Sequence[GrowattSettingEntry], names: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the members that entries are decoded from, as texts; absent ones are left out.

    Quirk: one member is `wchargeSOCLowLimit2` or `wcharge_soc_low_limit2`, so underscores do not count.
    """
    plain = {key.replace("_", ""): value for key, value in answer.body.items()}
    keys = {argument.key for row in entries for argument in row.arguments}
    texts = {key: _text(plain.get(names.get(key, key).replace("_", "").lower())) for key in keys}
    # Quirk: -1 marks a setting that the device does not have (capture of a MIN's settings).
    return {key: text for key, text in texts.items() if text not in _MISSING}


def _text(value: Any) -> str:
    """Return a value as the password API writes it. Quirk: floats arrive with noise (50.099998474121094)."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else ""


# Writing


def _write_v1(family: str) -> Callable[[Device, GrowattSettingEntry, list[str]], Calls]:
    def calls(device: Device, row: GrowattSettingEntry, values: list[str]) -> Calls:
        if row.setting.name == "power_switch":
            return _write_v4(device, row, values)
        # V1 writes the parts of a time without leading zeros.
        texts = [str(int(text)) if text.isdecimal() else text for text in values]
        name: Any = family
        return [OpenApiCalls.v1_write_parameter.flow(name, device.id, row.setting.wire_name, texts)]

    return calls


def _write_v4(device: Device, row: GrowattSettingEntry, values: list[str]) -> Calls:
    where = (device.id, V4_TYPES[device.family])
    if row.setting.name == "power_switch":
        return [OpenApiCalls.v4_set_on_off.flow(*where, values[0] == "1")]
    return [OpenApiCalls.v4_set_power.flow(*where, int(values[0]))]


def _write_noah(device: Device, row: GrowattSettingEntry, values: list[str]) -> Calls:
    where: tuple[str, Any] = (device.id, "noah")
    match row.setting.name:
        case "default_power":
            return _write_v4(device, row, values)
        case "soc_limits":
            high, low = map(int, values)
            return [
                OpenApiCalls.v4_set_high_soc_limit.flow(*where, high),
                OpenApiCalls.v4_set_low_soc_limit.flow(*where, low),
            ]
    mode, hour, minute, to_hour, to_minute, power, enabled = values
    segment = {
        "type": row.setting.wire_name.removeprefix("time_segment"),
        "startTime": f"{int(hour):02d}:{int(minute):02d}",
        "endTime": f"{int(to_hour):02d}:{int(to_minute):02d}",
        "mode": mode,
        "power": power,
        "enable": enabled,
    }
    return [OpenApiCalls.v4_set_time_segment.flow(*where, segment)]


# Families


def _named(entries: Sequence[GrowattSettingEntry], *names: str) -> tuple[GrowattSettingEntry, ...]:
    """Return the entries with these names, or with beginnings that end with an underscore."""
    beginnings = tuple(name for name in names if name.endswith("_"))
    return tuple(row for row in entries if row.setting.name in names or row.setting.name.startswith(beginnings))


_V4_PAGE = "the vendor's V4 page; growatt-public-api"
_SWITCH = entry("power_switch", "setOnOrOff", [switch("value", "")], "Inverter on or off", _V4_PAGE)
_POWER = entry("active_power_rate", "setPower", [percent("value", "activeRate")], "Output power limit", _V4_PAGE)

_POWER_ONLY = TokenSettings((_SWITCH, _POWER), _read_power, _write_v4)
# Quirk: reading the power of these is refused as a wrong device type (growatt-public-api).
_UNREADABLE = TokenSettings((_SWITCH,), _read_nothing, _write_v4)

FAMILIES: dict[str, TokenSettings] = {
    "tlx": TokenSettings(
        _named(
            tlx.SETTINGS,
            *("power_switch", "active_power_rate", "charge_power_limit", "discharge_power_limit", "charge_stop_soc"),
            *("off_grid_stop_soc", "ac_charge", "clock", "export_limit", "grid_voltage_", "time_window_"),
        ),
        _read_min,
        _write_v1("tlx"),
    ),
    "mix": TokenSettings(
        # The format of its clock is disputed between the vendor's page and the clients, so it is left out.
        _named(
            hybrid.MIX,
            *("charge_windows", "discharge_windows", "load_first_stop_soc", "power_switch", "active_power_rate"),
            *("export_limit", "off_grid", "off_grid_", "grid_voltage_"),
        ),
        _read_sph,
        _write_v1("mix"),
    ),
    "noah": TokenSettings(
        _named(noah.SETTINGS, "default_power", "soc_limits", "time_window_"), _read_noah, _write_noah
    ),
    **dict.fromkeys(("inverter", "max", "spa", "wit"), _POWER_ONLY),
    **dict.fromkeys(("storage", "sph-s"), _UNREADABLE),
}
"""Settings by family. The vendor documents more; only what has a known format and a known meaning is here."""
