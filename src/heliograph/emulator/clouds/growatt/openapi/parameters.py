"""Settings of devices in the emulated token API: the same stored settings as those of the password API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.emulator import device_faults
from heliograph.emulator.clouds.growatt.commands import (
    CLASSIC_COMMANDS,
    MIX_COMMANDS,
    PERCENTAGE_MEMBERS,
    SPA_COMMANDS,
    STORAGE_COMMANDS,
    TLX_COMMANDS,
)
from heliograph.emulator.clouds.growatt.context import DEVICE_TYPES, GrowattDevice, json_response
from heliograph.emulator.clouds.growatt.openapi.context import (
    OPENAPI_ROUTER,
    V4_TYPES,
    Enveloped,
    OpenApiCall,
    OpenApiFailure,
)
from heliograph.emulator.clouds.growatt.openapi.settings import settings_bean, v4_change
from heliograph.vendors.growatt.openapi.api import OpenApiCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedResponse

_COMMANDS = {
    "tlx": TLX_COMMANDS,
    "mix": MIX_COMMANDS,
    "spa": SPA_COMMANDS,
    "storage": STORAGE_COMMANDS,
    "inverter": CLASSIC_COMMANDS,
}
_READ_FAMILIES = {"min": "tlx", "mix": "mix", "spa": "spa", "storage": "storage", "inverter": "inverter"}
_UNKNOWN_DEVICE, _OFFLINE, _UNKNOWN_SETTING, _EMPTY, _OUT_OF_RANGE = 10012, 10003, 10006, 10007, 10008
_REGISTERS = "set_any_reg"


@OPENAPI_ROUTER.route(OpenApiCalls.v1_device_info)
def device_info(call: OpenApiCall) -> Enveloped:
    """Identity and settings of a device; its powers here are zeros."""
    family = call.arguments["family"]
    device = call.readable(call.arguments.get("device_sn", ""), family, 10002)
    settings = settings_bean(device)
    answer = Enveloped(
        {
            "alias": device.serial,
            "children": [],
            "dataLogSn": f"LOG{device.plant.id}",
            "fwVersion": "RA1.0",
            "lost": device.asleep,
            "pCharge": 0,
            "pDischarge": 0,
            "serialNum": device.serial,
            **({"tlxSetbean": settings} if family == "tlx" else settings),
        }
    )
    answer.beside = {"dataloggerSn": f"LOG{device.plant.id}", "deviceSn": device.serial}
    return answer


@OPENAPI_ROUTER.route(OpenApiCalls.v1_inverter_info)
def inverter_info(call: OpenApiCall) -> Enveloped:
    """Identity of a classic inverter."""
    answer: Enveloped = device_info(call._replace(arguments={**call.arguments, "family": "inverter"}))
    return answer


@OPENAPI_ROUTER.route(OpenApiCalls.v1_min_settings)
def min_settings(call: OpenApiCall) -> dict[str, Any]:
    """All settings of a MIN."""
    return settings_bean(call.readable(call.arguments.get("device_sn", ""), "tlx", 10002))


@OPENAPI_ROUTER.route(OpenApiCalls.v1_read_parameter)
def read_parameter(call: OpenApiCall) -> str:
    """One setting as text; a register is always 0."""
    kind = _READ_FAMILIES.get(call.arguments["Model"].lower(), "")
    device = call.device(call.arguments.get("device_sn", ""))
    if device is None or DEVICE_TYPES[device.plant.family] != kind:
        raise OpenApiFailure(10002, "error_device_not_found")
    if device.asleep:
        raise OpenApiFailure(_OFFLINE, "error_device_offline")
    name = call.arguments.get("paramId", "")
    if name == _REGISTERS:
        return "0"
    if name not in _COMMANDS[kind]:
        raise OpenApiFailure(10009, "error_parameter")
    written = device.plant.settings.get("openapi", {})
    return str(written.get(name, ["0"])[0])


@OPENAPI_ROUTER.route(OpenApiCalls.v1_write_parameter)
def write_parameter(call: OpenApiCall) -> str:
    """Write one setting of a device."""
    family = call.arguments["family"]
    values: list[str] = []
    while (value := call.arguments.get(f"param{len(values) + 1}")) is not None:
        values.append(value)
    return _write(call, call.arguments.get(f"{family}_sn", ""), family, call.arguments.get("type", ""), values)


@OPENAPI_ROUTER.route(OpenApiCalls.v1_write_inverter_parameter)
def write_inverter_parameter(call: OpenApiCall) -> str:
    """Write one setting of a classic inverter."""
    values = [call.arguments[name] for name in ("command_1", "command_2") if name in call.arguments]
    return _write(call, call.arguments.get("device_sn", ""), "inverter", call.arguments.get("paramId", ""), values)


def _write(call: OpenApiCall, serial: str, kind: str, name: str, values: list[str]) -> str:
    device = call.device(serial)
    if device is None or DEVICE_TYPES[device.plant.family] != kind:
        # Quirk: on a write this code means an unknown device, not "too often".
        raise OpenApiFailure(_UNKNOWN_DEVICE, "error_device_not_found")
    if device.asleep:
        raise OpenApiFailure(_OFFLINE, "error_device_offline")
    if call.context.fault("no_permission") is not None:
        raise OpenApiFailure(10011, "error_permission_denied")
    command = _COMMANDS[kind].get(name)
    if command is None or device_faults.refuses_commands(call.context):
        raise OpenApiFailure(_UNKNOWN_SETTING, "error_parameter")
    if not values:
        raise OpenApiFailure(_EMPTY, "error_value_null")
    try:
        change = command(values, settings_bean(device))
    except (ValueError, IndexError):
        raise OpenApiFailure(_OUT_OF_RANGE, "error_value_range") from None
    device_faults.apply_command(device.plant, kind, change, call.context, PERCENTAGE_MEMBERS)
    device.plant.settings.setdefault("openapi", {})[name] = values
    if call.context.fault("write_reports_error") is not None:
        # Quirk: a write may report an error although it was applied (growatt-public-api).
        raise OpenApiFailure(10001, "error_system")
    return ""


@OPENAPI_ROUTER.route(OpenApiCalls.v1_vpp_state_of_charge)
def vpp_state_of_charge(call: OpenApiCall) -> EmulatedResponse:
    """State of charge, without an envelope."""
    device = call.device(call.arguments.get("vppSn", ""))
    if device is None or not device.has_battery:
        raise OpenApiFailure(10002, "error_device_not_found")
    return json_response({"soc": round(device.powers.soc), "error_code": 0, "error_msg": ""})


@OPENAPI_ROUTER.route(OpenApiCalls.v1_vpp_set_power, OpenApiCalls.v1_vpp_set_periods)
def vpp_set(call: OpenApiCall) -> str:
    """Dispatch of a VPP device: stored, without effect."""
    device = call.device(call.arguments.get("vppSn", ""))
    if device is None or not device.has_battery:
        raise OpenApiFailure(_UNKNOWN_DEVICE, "error_device_not_found")
    device.plant.settings.setdefault("vpp", {})[call.name] = dict(call.arguments)
    return ""


# V4


def _v4_device(call: OpenApiCall) -> GrowattDevice:
    device = call.device(call.arguments.get("deviceSn", ""))
    kind = call.arguments.get("deviceType", "")
    if kind not in V4_TYPES.values():
        raise OpenApiFailure(7, "WRONG_DEVICE_TYPE")
    if device is None or V4_TYPES[DEVICE_TYPES[device.plant.family]] != kind:
        raise OpenApiFailure(4, "DEVICE_NOT_FOUND")
    if call.context.fault("no_permission") is not None:
        raise OpenApiFailure(12, "DEVICE_SN_DOES_NOT_HAVE_PERMISSION")
    if device.asleep:
        raise OpenApiFailure(5, "DEVICE_OFFLINE")
    return device


@OPENAPI_ROUTER.route(OpenApiCalls.v4_read_power)
def v4_read_power(call: OpenApiCall) -> str:
    """The power limit, as last written."""
    device = _v4_device(call)
    written = device.plant.settings.get(DEVICE_TYPES[device.plant.family], {})
    if call.arguments["deviceType"] == "noah":
        return str(written.get("defaultPower", "200"))
    if call.arguments["deviceType"] in ("storage", "sph-s"):
        raise OpenApiFailure(7, "WRONG_DEVICE_TYPE")
    return str(written.get("activeRate", "100"))


@OPENAPI_ROUTER.route(OpenApiCalls.v4_read_vpp)
def v4_read_vpp(call: OpenApiCall) -> str:
    """One VPP parameter, as last written."""
    return str(_v4_device(call).plant.settings.get("v4", {}).get(call.arguments.get("setType", ""), "0"))


@OPENAPI_ROUTER.route(
    OpenApiCalls.v4_set_on_off,
    OpenApiCalls.v4_set_power,
    OpenApiCalls.v4_set_high_soc_limit,
    OpenApiCalls.v4_set_low_soc_limit,
    OpenApiCalls.v4_set_time_segment,
    OpenApiCalls.v4_set_grid_charge,
    OpenApiCalls.v4_set_off_grid,
    OpenApiCalls.v4_set_device,
    OpenApiCalls.v4_set_vpp,
    OpenApiCalls.v4_set_new_vpp,
    OpenApiCalls.v4_remove_vpp_periods,
)
def v4_write(call: OpenApiCall) -> None:
    """A write of V4: checked for its range, stored, and read back by the calls above."""
    device = _v4_device(call)
    if device_faults.refuses_commands(call.context):
        raise OpenApiFailure(6, "PARAMETER_SETTING_FAILED")
    kind = DEVICE_TYPES[device.plant.family]
    try:
        change = v4_change(kind, call.name, dict(call.arguments))
    except (ValueError, LookupError):
        raise OpenApiFailure(6, "PARAMETER_SETTING_FAILED") from None
    stored_in = "v4" if "vpp" in call.name else kind
    device_faults.apply_command(device.plant, stored_in, change, call.context, PERCENTAGE_MEMBERS)
    if call.context.fault("write_reports_error") is not None:
        raise OpenApiFailure(1, "SYSTEM_ERROR")
