"""Commands of emulated Growatt devices: validate the parameters of a write and return the settings it changes.

The wire format is implemented independently of the client; only number ranges come from its catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from heliograph.emulator.clouds.growatt.context import GrowattFailure
from heliograph.emulator.clouds.growatt.formatting import decimal
from heliograph.emulator.clouds.growatt.templates import PERCENTAGES
from heliograph.vendors.growatt.settings.registry import FAMILIES

SettingChanges = dict[str, Any]
Command = Callable[[list[str], Mapping[str, Any]], SettingChanges]
"""A command takes its parameters and the current settings and returns the changes; ValueError rejects it."""


def refusal(words: str = "inv_set_failure") -> GrowattFailure:
    """Return the failure of a rejected command."""
    return GrowattFailure({"success": False, "msg": words})


def in_range(text: str, low: float, high: float) -> str:
    """Return a number as text; raise ValueError if it is out of range.

    >>> in_range("080", 0, 100)
    '80'
    """
    value = float(text)
    if not low <= value <= high:
        raise ValueError(f"{text} is not between {low:g} and {high:g}")
    return decimal(value, 2)


def clock_time(hour: str, minute: str) -> str:
    """Return a time of day as the cloud stores it, without leading zeros.

    >>> clock_time("04", "05")
    '4:5'
    """
    return f"{in_range(hour, 0, 23)}:{in_range(minute, 0, 59)}"


def code_command(most: int, *keys: str) -> Command:
    """Return a command of one integer from 0 to `most` (a code or a switch), stored under `keys`."""

    def command(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
        if not params[0].isdecimal():
            raise ValueError(f"{params[0]} is not a code")
        return dict.fromkeys(keys, in_range(params[0], 0, most))

    return command


def number_command(family: str, name: str, *keys: str, point: bool = False) -> Command:
    """Return a command of the catalogue's numbers, within its ranges; with `point` stored as "253.0".

    One number is stored under all keys, several numbers under one key each.
    """
    entry = next(entry for entry in FAMILIES[family].entries if entry.setting.wire_name == name)
    numeric = [parameter for parameter in entry.setting.parameters if parameter.kind == "number"]

    def command(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
        texts = []
        for place, parameter in enumerate(numeric):
            low, high = float(parameter.low or 0), float(parameter.high or 0)
            text = in_range(params[place], low, high)
            if parameter.excluded_range and parameter.excluded_range[0] < float(text) < parameter.excluded_range[1]:
                raise ValueError(f"{text} is not allowed")
            texts.append(str(float(text)) if point else text)
        return dict.fromkeys(keys, texts[0]) if len(texts) == 1 else dict(zip(keys, texts, strict=True))

    return command


def _set_time(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    try:
        moment = datetime.strptime(params[0], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the device's local time
    except ValueError:
        raise refusal("inv_set_time_format") from None
    date, time = f"{moment.year}-{moment.month}-{moment.day}", f"{moment.hour}:{moment.minute}:{moment.second}"
    # Quirk: read back without leading zeros (a NEO owner's capture).
    return {"pf_sys_year": f"{date} {time}"}


def _segment(number: int) -> Command:
    def command(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
        mode, enabled = in_range(params[0], 0, 2), in_range(params[5], 0, 1)
        start, end = clock_time(*params[1:3]), clock_time(*params[3:5])
        minutes = _minutes(start, end)
        others = [slot for slot in range(1, 10) if slot != number]
        # Quirk: overlaps are refused even if one of the two is disabled (growattServer's example).
        if any(minutes & _minutes(current[f"forcedTimeStart{at}"], current[f"forcedTimeStop{at}"]) for at in others):
            raise ValueError("overlapping segments")
        return {
            f"time_segment{number}": f"{mode}_{start}_{end}_{enabled}",
            f"forcedTimeStart{number}": start,
            f"forcedTimeStop{number}": end,
            f"time{number}Mode": mode,
            f"forcedStopSwitch{number}": enabled,
        }

    return command


def _minutes(start: str, end: str) -> set[int]:
    """Return the minutes of the day a segment covers, also across midnight; "0:0" to "0:0" covers none."""
    first, last = (int(hour) * 60 + int(minute) for hour, minute in (start.split(":"), end.split(":")))
    return set(range(first, last)) if first <= last else set(range(first, 1440)) | set(range(last))


def _rate(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    # Quirk: without the second value the portal reports "The value Store is missing" (PLCHome/growatt 14).
    return {"activeRate": in_range(params[0], 0, 100), "pvPfCmdMemoryState": in_range(params[1], 0, 1)}


def _export_limit(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    return {
        "exportLimit": in_range(params[0], 0, 2),
        "exportLimitPowerRateStr": str(float(in_range(params[1], 0, 100))),
    }


def _reactive_modes(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    """Accept a value, one of eight modes and the remember flag; no response reports any of them."""
    in_range(params[0], -100, 100)
    in_range(params[1], 0, 7)
    in_range(params[2], 0, 1)
    return {}


def _same_key(name: str, *, point: bool = True) -> Command:
    return number_command("tlx", name, name, point=point)


_POINTS = tuple(f"tlx_pflinep{point}_{part}" for point in range(1, 5) for part in ("lp", "pf"))


def _curve(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    """Accept four points; percentages are stored unchanged, factors with a decimal point."""
    changes = number_command("tlx", "tlx_custom_pf_curve", *_POINTS)(params, current)
    return {key: str(float(text)) if key.endswith("_pf") else text for key, text in changes.items()}


_INTEGERS = ("charge_power", "discharge_power", "charge_stop_soc", "discharge_stop_soc", "on_grid_discharge_stop_soc")
_DECIMALS = (
    "tlx_backflow_default_power",
    "pv_grid_voltage_high",
    "pv_grid_voltage_low",
    "pv_grid_frequency_high",
    "pv_grid_frequency_low",
    "loading_rate",
    "restart_loading_rate",
    "qv_h1",
    "qv_h2",
    "qv_l1",
    "qv_l2",
    "delay_time",
    "q_percent_max",
)
_LEVELS = ("l_1_freq", "h_1_freq", "l_1_volt", "h_1_volt")
_NOT_REPORTED = ("over_fre_drop_point", "over_fre_lored_slope", "over_fre_lored_delaytime")

TLX_COMMANDS: dict[str, Command] = {
    **{name: number_command("tlx", name, *filter(None, (name, PERCENTAGES.get(name)))) for name in _INTEGERS},
    **{name: _same_key(name) for name in _DECIMALS},
    **{name: number_command("tlx", name, f"{name}_1", f"{name}_2", point=True) for name in _LEVELS},
    **{name: number_command("tlx", name) for name in _NOT_REPORTED},
    **{f"time_segment{number}": _segment(number) for number in range(1, 10)},
    "ac_charge": code_command(1, "ac_charge", "acChargeEnable"),
    "pf_sys_year": _set_time,
    "tlx_on_off": code_command(1, "tlx_on_off"),
    "tlx_off_grid_enable": code_command(1, "tlx_off_grid_enable"),
    "tlx_limit_device": code_command(2, "tlx_limit_device"),
    "system_work_mode": code_command(3, "system_work_mode"),
    "pv_active_p_rate": _rate,
    "pv_reactive_p_rate": _reactive_modes,
    "tlx_custom_pf_curve": _curve,
    "backflow_setting": _export_limit,
}


def _periods(leading: tuple[str, ...], start: str, stop: str, enabled: str) -> Command:
    """Return a command of percentages, for some the grid charge flag, and three periods; all positions are required."""

    def command(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
        first = len(leading)
        if len(params) < first + 15:
            raise ValueError("every position has to be sent")
        most = [1 if key == "acChargeEnable" else 100 for key in leading]
        changes = {key: in_range(params[place], 0, most[place]) for place, key in enumerate(leading)}
        for number in (1, 2, 3):
            hour, minute, to_hour, to_minute, on = params[first + 5 * number - 5 : first + 5 * number]
            changes[f"{start}{number}"] = clock_time(hour, minute)
            changes[f"{stop}{number}"] = clock_time(to_hour, to_minute)
            changes[f"{enabled}{number}"] = in_range(on, 0, 1)
        return changes

    return command


def _export_share(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    return {"exportLimit": in_range(params[0], 0, 1), "exportLimitPowerRate": in_range(params[1], 0, 100)}


_CHARGE, _CHARGE_TIMES = (
    ("chargePowerCommand", "wchargeSOCLowLimit2"),
    ("forcedChargeTimeStart", "forcedChargeTimeStop"),
)
_DISCHARGE = ("disChargePowerCommand", "wdisChargeSOCLowLimit2")
_DISCHARGE_TIMES = ("forcedDischargeTimeStart", "forcedDischargeTimeStop")

MIX_COMMANDS: dict[str, Command] = {
    "pf_sys_year": _set_time,
    "pv_on_off": code_command(1, "onOff", "pv_on_off"),
    "pv_active_p_rate": number_command("mix", "pv_active_p_rate", "activeRate", "pv_active_p_rate"),
    "pv_grid_voltage_high": number_command(
        "mix", "pv_grid_voltage_high", "voltageHighLimit", "pv_grid_voltage_high", point=True
    ),
    "pv_grid_voltage_low": number_command(
        "mix", "pv_grid_voltage_low", "voltageLowLimit", "pv_grid_voltage_low", point=True
    ),
    "backflow_setting": _export_share,
    "setFailsafe": code_command(1, "failsafe"),
    "mix_ac_charge_time_period": _periods((*_CHARGE, "acChargeEnable"), *_CHARGE_TIMES, "forcedChargeStopSwitch"),
    "mix_ac_discharge_time_period": _periods(_DISCHARGE, *_DISCHARGE_TIMES, "forcedDischargeStopSwitch"),
    "mix_load_flast_value_multi": number_command("mix", "mix_load_flast_value_multi", "loadFirstStopSocSet"),
    "mix_off_grid_enable": code_command(1, "epsFunEn", "mix_off_grid_enable"),
    "mix_ac_discharge_frequency": code_command(1, "epsFreqSet", "mix_ac_discharge_frequency"),
    "mix_ac_discharge_voltage": code_command(2, "epsVoltSet", "mix_ac_discharge_voltage"),
}
SPA_COMMANDS: dict[str, Command] = {
    "spa_ac_charge_time_period": _periods(_CHARGE, *_CHARGE_TIMES, "batFirstSwitch"),
    "spa_ac_discharge_time_period": _periods(_DISCHARGE, *_DISCHARGE_TIMES, "gridFirstSwitch"),
    "spa_load_flast": _periods((), "loadFirstStartTime", "loadFirstStopTime", "loadFirstSwitch"),
}


def _on_off(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    return {"onOff": {"0001": "1", "0000": "0"}.get(params[0]) or in_range(params[0], 0, 1)}


def _power_factor(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    in_range(str(abs(float(params[0]))), 0.8, 1)
    return {"pf": str(float(params[0]))}


def _reactive(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    if params[1] not in ("over", "under"):
        raise ValueError("direction must be over or under")
    return {"reactiveRate": in_range(params[0], 0, 100), "pfModel": "4" if params[1] == "under" else "5"}


def _set_clock(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    _set_time(params, current)
    return {"sysTime": params[0]}


CLASSIC_COMMANDS: dict[str, Command] = {
    "pv_on_off": _on_off,
    "pv_active_p_rate": number_command("inverter", "pv_active_p_rate", "activeRate"),
    "pv_reactive_p_rate": _reactive,
    "pv_power_factor": _power_factor,
    "pf_sys_year": _set_clock,
    "pv_grid_voltage_high": number_command("inverter", "pv_grid_voltage_high", "voltageHighLimit", point=True),
    "pv_grid_voltage_low": number_command("inverter", "pv_grid_voltage_low", "voltageLowLimit", point=True),
}
STORAGE_COMMANDS: dict[str, Command] = {"storage_spf5000_ac_output_source": code_command(2, "outputConfig")}


def _noah_segment(name: str) -> Command:
    def command(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
        mode, watt = in_range(params[0], 0, 2), in_range(params[5], 0, 800)
        times = f"{clock_time(*params[1:3])}_{clock_time(*params[3:5])}"
        return {name: f"{mode}_{times}_{watt}_{in_range(params[6], 0, 1)}"}

    return command


def _nexa_output(params: list[str], current: Mapping[str, Any]) -> SettingChanges:
    return {"defaultMode": in_range(params[0], 0, 2), "defaultACCouplePower": in_range(params[1], 0, 800)}


_SOC_LIMITS = ("chargingSocHighLimit", "chargingSocLowLimit")
_BALCONY_COMMANDS: dict[str, dict[str, Command]] = {
    "noah": {
        "default_power": number_command("noah", "default_power", "defaultPower"),
        "charging_soc": number_command("noah", "charging_soc", *_SOC_LIMITS),
    },
    "nexa": {
        "system_out_put_power": _nexa_output,
        "charging_soc": number_command("nexa", "charging_soc", *_SOC_LIMITS),
        "allow_grid_charging": code_command(1, "allowGridCharging"),
        "grid_connection_control": code_command(1, "gridConnectionControl"),
        "ac_couple_power_control": code_command(1, "acCouplePowerControl"),
    },
}


def balcony_command(family: str, name: str) -> Command | None:
    """Return the command of a NOAH or NEXA by its name, None if there is none."""
    if name.startswith("time_segment") and name.removeprefix("time_segment").isdecimal():
        return _noah_segment(name)
    return _BALCONY_COMMANDS[family].get(name)


_ARGUMENTS = (argument for family in FAMILIES.values() for entry in family.entries for argument in entry.arguments)
PERCENTAGE_MEMBERS = frozenset(
    (*(argument.key for argument in _ARGUMENTS if argument.parameter.unit == "%"), *PERCENTAGES.values())
)
"""The response members that are percentages."""
