"""Setting writes of the emulated Growatt cloud: rejected as the cloud does, otherwise stored to be read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.emulator import device_faults
from heliograph.emulator.clouds.growatt import html
from heliograph.emulator.clouds.growatt.commands import (
    CLASSIC_COMMANDS,
    MIX_COMMANDS,
    PERCENTAGE_MEMBERS,
    SPA_COMMANDS,
    STORAGE_COMMANDS,
    TLX_COMMANDS,
    Command,
    SettingChanges,
    balcony_command,
    refusal,
)
from heliograph.emulator.clouds.growatt.context import (
    ROUTER,
    GrowattCallContext,
    GrowattDevice,
    GrowattFailure,
    success,
)
from heliograph.emulator.clouds.growatt.noah import CURRENCIES
from heliograph.emulator.clouds.growatt.templates import tlx_settings_bean
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.payloads.plants import PLANT_FORM

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedResponse

_BY_OPERATION = {
    "tlxSet": ("tlx", TLX_COMMANDS),
    "mixSetApiNew": ("mix", MIX_COMMANDS),
    "mixSetApi": ("mix", MIX_COMMANDS),
    "spaSetApi": ("spa", SPA_COMMANDS),
}


@ROUTER.route(
    GrowattCalls.update_inverter_setting,
    GrowattCalls.update_mix_inverter_setting,
    GrowattCalls.update_ac_inverter_setting,
    GrowattCalls.update_tlx_inverter_setting,
    GrowattCalls.update_tlx_inverter_time_segment,
)
def tcp_set(call: GrowattCallContext) -> SettingChanges:
    """The app's commands to TLX, mix and AC-coupled devices."""
    kind, commands = _BY_OPERATION.get(call.arguments.get("op", ""), ("", {}))
    device = call.device(kind)
    if device is None or device.asleep:
        # A command travels through the datalogger; an offline or missing device cannot receive it.
        raise refusal("501")
    _apply(call, device, kind, commands.get(call.arguments.get("type", "")))
    return {"success": True, "msg": "200"}


def _apply(call: GrowattCallContext, device: GrowattDevice, kind: str, command: Command | None) -> None:
    current = tlx_settings_bean(battery=device.has_battery) if kind == "tlx" else {}
    current |= device.plant.settings.get(kind, {})
    if command is None or device_faults.refuses_commands(call.context):
        raise refusal()
    try:
        change = command(_params(call), current)
    except (ValueError, IndexError):
        raise refusal() from None
    device_faults.apply_command(device.plant, kind, change, call.context, PERCENTAGE_MEMBERS)


def _params(call: GrowattCallContext) -> list[str]:
    params: list[str] = []
    while (value := call.arguments.get(f"param{len(params) + 1}")) is not None:
        params.append(value)
    return params


_BY_ACTION = {"tlxSet": ("tlx", TLX_COMMANDS), "storageSPF5000Set": ("storage", STORAGE_COMMANDS)}


@ROUTER.route(
    GrowattCalls.update_classic_inverter_setting,
    GrowattCalls.set_classic_inverter_active_power_rate,
    GrowattCalls.set_classic_inverter_on_off,
)
def portal_set(call: GrowattCallContext) -> SettingChanges:
    """The portal's commands, with the portal's response."""
    action = call.arguments.get("action", "")
    if action == "inverterSet":
        values = [call.arguments.get("command_1", ""), call.arguments.get("command_2", "")]
        numbered = {f"param{place}": text for place, text in enumerate(values, start=1)}
        call = call._replace(arguments={**call.arguments, **numbered, "type": call.arguments.get("paramId", "")})
    kind, commands = ("inverter", CLASSIC_COMMANDS) if action == "inverterSet" else _BY_ACTION.get(action, ("", {}))
    device = call.device(kind)
    if device is None or device.asleep:
        raise refusal()
    _apply(call, device, kind, commands.get(call.arguments.get("type", "")))
    return {"msg": "inv_set_success", "success": True}


_NUMBERS = ("formulaCoal", "formulaSo2", "formulaCo2", "plantType", "timezone", "nominalPower")
_MAX_NUMBER = 1e9


@ROUTER.route(GrowattCalls.send_plant_settings)
def update_plant(call: GrowattCallContext) -> SettingChanges | EmulatedResponse:
    """The settings form of a plant. Quirk: without all fields the server fails with an Error500 page."""
    if call.plant is None:
        raise refusal("501")
    try:
        written = {member: call.arguments[part] for part, member in PLANT_FORM.items() if member not in (None, "id")}
        numbers = {name: _parse_number(written[name]) for name in _NUMBERS}
        price = _parse_number(written["formulaMoneyStr"])
    except (KeyError, ValueError):
        return html.BROKEN_FORM
    call.plant.settings["plant"] = written | numbers | {"formulaMoney": price}
    return {"success": True, "msg": "200"}


def _parse_number(text: str) -> float:
    value = float(text)
    if not abs(value) < _MAX_NUMBER:
        raise ValueError(f"{text} is not a size, price or offset")
    return int(value) if value == int(value) else value


@ROUTER.route(GrowattCalls.update_noah_settings)
def noah_set(call: GrowattCallContext) -> SettingChanges:
    """A command to a NOAH."""
    return _set_balcony_battery(call, "noah")


@ROUTER.route(GrowattCalls.update_nexa_settings)
def nexa_set(call: GrowattCallContext) -> SettingChanges:
    """A command to a NEXA."""
    return _set_balcony_battery(call, "nexa")


def _set_balcony_battery(call: GrowattCallContext, family: str) -> SettingChanges:
    device = call.device("noah")
    try:
        if device is None or device.plant.family != family:
            raise refusal()
        if call.arguments.get("type") == "updatePlantMoney":
            _set_price(call, device)
        else:
            _apply(call, device, "noah", balcony_command(family, call.arguments.get("type", "")))
    except GrowattFailure as failure:
        raise GrowattFailure({"result": 0, "obj": None, "msg": failure.body["msg"]}) from None
    return success(None)


def _set_price(call: GrowattCallContext, device: GrowattDevice) -> None:
    plant, price, currency = (*_params(call), "", "", "")[:3]
    if plant != device.plant.id or currency not in CURRENCIES:
        raise refusal()
    try:
        changes = {"formulaMoney": _parse_number(price), "formulaMoneyStr": price, "formulaMoneyUnitId": currency}
    except ValueError:
        raise refusal() from None
    device.plant.settings.setdefault("plant", {}).update(changes)
