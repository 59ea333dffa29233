"""What Growatt does with orders: refuses those it is known to refuse, keeps the rest to be read back, and says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.emulate import pages
from heliograph.vendors.growatt.emulate.asking import ANSWERS, Ask, Failed, Unit, ok
from heliograph.vendors.growatt.emulate.beans import tlx_settings_bean
from heliograph.vendors.growatt.emulate.noah import UNITS
from heliograph.vendors.growatt.emulate.writing import plain
from heliograph.vendors.growatt.payloads import FORM

if TYPE_CHECKING:
    from heliograph.answers import Told

Change = dict[str, Any]
Order = Callable[[list[str], Mapping[str, Any]], Change]
"""An order takes its parameters and the present settings, and returns what changes; ValueError refuses it."""


def refused(words: str = "inv_set_failure") -> Failed:
    """Return the cloud's "no" to an order."""
    return Failed({"success": False, "msg": words})


def within(text: str, low: float, high: float) -> str:
    """Return a number as text, when it is in range.

    >>> within("080", 0, 100)
    '80'
    """
    value = float(text)
    if not low <= value <= high:
        raise ValueError(f"{text} is not between {low:g} and {high:g}")
    return plain(value, 2)


def clock_time(hour: str, minute: str) -> str:
    """Return a time of day as the cloud keeps it, without leading zeros.

    >>> clock_time("04", "05")
    '4:5'
    """
    return f"{within(hour, 0, 23)}:{within(minute, 0, 59)}"


def ranged(low: float, high: float, *keys: str, point: bool = False) -> Order:
    """Return an order of one number that is kept under these keys; with a `point` it is kept as "253.0"."""

    def order(params: list[str], present: Mapping[str, Any]) -> Change:
        value = within(params[0], low, high)
        return dict.fromkeys(keys, str(float(value)) if point else value)

    return order


def _set_time(params: list[str], present: Mapping[str, Any]) -> Change:
    try:
        moment = datetime.strptime(params[0], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the wall clock of the device
    except ValueError:
        raise refused("inv_set_time_format") from None
    date, time = f"{moment.year}-{moment.month}-{moment.day}", f"{moment.hour}:{moment.minute}:{moment.second}"
    # Quirk: read back without leading zeros (a NEO owner's capture).
    return {"pf_sys_year": f"{date} {time}"}


def _segment(number: int) -> Order:
    def order(params: list[str], present: Mapping[str, Any]) -> Change:
        mode, enabled = within(params[0], 0, 2), within(params[5], 0, 1)
        start, end = clock_time(*params[1:3]), clock_time(*params[3:5])
        mine = _minutes(start, end)
        others = [slot for slot in range(1, 10) if slot != number]
        # Quirk: overlaps are refused even where one of the two is disabled (growattServer's example).
        if any(mine & _minutes(*present[f"time_segment{slot}"].split("_")[1:]) for slot in others):
            raise ValueError("overlapping segments")
        return {
            f"time_segment{number}": f"{mode}_{start}_{end}",
            f"forcedTimeStart{number}": start,
            f"forcedTimeStop{number}": end,
            f"time{number}Mode": mode,
            f"forcedStopSwitch{number}": enabled,
        }

    return order


def _minutes(start: str, end: str) -> set[int]:
    """Return the minutes of the day a segment covers, over midnight where it must; "0:0" to "0:0" is none."""
    first, last = (int(hour) * 60 + int(minute) for hour, minute in (start.split(":"), end.split(":")))
    return set(range(first, last)) if first <= last else set(range(first, 1440)) | set(range(last))


def _rate(params: list[str], present: Mapping[str, Any]) -> Change:
    remember = {"pvPfCmdMemoryState": within(params[1], 0, 1)} if params[1:] else {}
    return {"activeRate": within(params[0], 0, 100)} | remember


def _export_limit(params: list[str], present: Mapping[str, Any]) -> Change:
    limit = str(float(within(params[1], 0, 100_000))) if params[1:] else "0.0"
    return {"exportLimit": within(params[0], 0, 1), "exportLimitPowerRateStr": limit}


TLX: dict[str, Order] = {
    "charge_power": ranged(0, 100, "charge_power", "chargePowerCommand"),
    "discharge_power": ranged(0, 100, "discharge_power", "disChargePowerCommand"),
    "charge_stop_soc": ranged(0, 100, "charge_stop_soc", "wchargeSOCLowLimit"),
    "discharge_stop_soc": ranged(0, 100, "discharge_stop_soc", "wdisChargeSOCLowLimit"),
    "on_grid_discharge_stop_soc": ranged(0, 100, "on_grid_discharge_stop_soc"),
    "ac_charge": ranged(0, 1, "ac_charge", "acChargeEnable"),
    "pf_sys_year": _set_time,
    **{f"time_segment{number}": _segment(number) for number in range(1, 10)},
    "tlx_on_off": ranged(0, 1, "tlx_on_off"),
    "tlx_off_grid_enable": ranged(0, 1, "tlx_off_grid_enable"),
    "tlx_limit_device": ranged(0, 2, "tlx_limit_device"),
    "tlx_backflow_default_power": ranged(0, 100, "tlx_backflow_default_power", point=True),
    "system_work_mode": ranged(0, 3, "system_work_mode"),
    "pv_active_p_rate": _rate,
    "backflow_setting": _export_limit,
    "pv_grid_voltage_high": ranged(200, 300, "pv_grid_voltage_high", point=True),
    "pv_grid_voltage_low": ranged(100, 240, "pv_grid_voltage_low", point=True),
    "pv_grid_frequency_high": ranged(50, 66, "pv_grid_frequency_high", point=True),
    "pv_grid_frequency_low": ranged(44, 60, "pv_grid_frequency_low", point=True),
    "loading_rate": ranged(0, 6000, "loading_rate", point=True),
    "restart_loading_rate": ranged(0, 6000, "restart_loading_rate", point=True),
}


def _periods(way: str, leading: int, *, ac_charge: bool = False) -> Order:
    """Return an order of power, stop charge, for some the mains flag, and three periods; every position counts."""

    def order(params: list[str], present: Mapping[str, Any]) -> Change:
        if len(params) < leading + 15:
            raise ValueError("every position has to be sent")
        power, low = ("chargePowerCommand", "wcharge") if way == "Charge" else ("disChargePowerCommand", "wdisCharge")
        changes = {}
        if leading:
            stop = within(params[1], 0, 100)
            changes = {power: within(params[0], 0, 100), f"{low}SOCLowLimit1": stop, f"{low}SOCLowLimit2": stop}
        if ac_charge:
            changes["acChargeEnable"] = within(params[2], 0, 1)
        for number in (1, 2, 3):
            hour, minute, to_hour, to_minute, enabled = params[leading + 5 * number - 5 : leading + 5 * number]
            changes[f"forced{way}TimeStart{number}"] = clock_time(hour, minute)
            changes[f"forced{way}TimeStop{number}"] = clock_time(to_hour, to_minute)
            changes[f"forced{way}StopSwitch{number}"] = within(enabled, 0, 1)
        return changes

    return order


def _export_share(params: list[str], present: Mapping[str, Any]) -> Change:
    return {"exportLimit": within(params[0], 0, 1), "exportLimitPowerRate": within(params[1], 0, 100)}


_COMMON: dict[str, Order] = {
    "pf_sys_year": _set_time,
    "pv_on_off": ranged(0, 1, "onOff"),
    "pv_active_p_rate": ranged(0, 100, "activeRate"),
    "pv_grid_voltage_high": ranged(200, 300, "voltageHighLimit", point=True),
    "pv_grid_voltage_low": ranged(100, 240, "voltageLowLimit", point=True),
    "backflow_setting": _export_share,
    "setFailsafe": ranged(0, 1, "failsafe"),
}
MIX: dict[str, Order] = _COMMON | {
    "mix_ac_charge_time_period": _periods("Charge", 3, ac_charge=True),
    "mix_ac_discharge_time_period": _periods("Discharge", 2),
    "mix_load_flast_value_multi": ranged(0, 100, "loadFirstStopSocSet"),
    "mix_off_grid_enable": ranged(0, 1, "epsFunEn"),
    "mix_ac_discharge_frequency": ranged(0, 1, "epsFreqSet"),
    "mix_ac_discharge_voltage": ranged(0, 2, "epsVoltSet"),
}
SPA: dict[str, Order] = _COMMON | {
    "spa_ac_charge_time_period": _periods("Charge", 2),
    "spa_ac_discharge_time_period": _periods("Discharge", 2),
    "spa_load_flast": _periods("LoadFirst", 0),
}
_BY_OPERATION = {
    "tlxSet": ("tlx", TLX),
    "mixSetApiNew": ("mix", MIX),
    "mixSetApi": ("mix", MIX),
    "spaSetApi": ("spa", SPA),
}


@ANSWERS.to(
    GrowattCalls.update_inverter_setting,
    GrowattCalls.update_mix_inverter_setting,
    GrowattCalls.update_ac_inverter_setting,
    GrowattCalls.update_tlx_inverter_setting,
    GrowattCalls.update_tlx_inverter_time_segment,
)
def tcp_set(ask: Ask) -> Change:
    """The app's orders to TLX, mix and AC-coupled devices."""
    kind, orders = _BY_OPERATION.get(ask.arguments.get("op", ""), ("", {}))
    unit = ask.unit(kind)
    if unit is None or unit.asleep:
        # An order goes through the logger to the device; one that is off or not there cannot take it.
        raise refused("501")
    _carry_out(ask, unit, kind, orders.get(ask.arguments.get("type", "")))
    return {"success": True, "msg": "200"}


def _carry_out(ask: Ask, unit: Unit, kind: str, order: Order | None) -> None:
    written = unit.site.settings.setdefault(kind, {})
    present = (tlx_settings_bean(battery=unit.has_battery) if kind == "tlx" else {}) | written
    params = _params(ask)
    if order is None:
        raise refused()
    try:
        written |= order(params, present)
    except (ValueError, IndexError):
        raise refused() from None


def _params(ask: Ask) -> list[str]:
    found: list[str] = []
    while (value := ask.arguments.get(f"param{len(found) + 1}")) is not None:
        found.append(value)
    return found


def _on_off(params: list[str], present: Mapping[str, Any]) -> Change:
    return {"onOff": {"0001": "1", "0000": "0"}.get(params[0]) or within(params[0], 0, 1)}


def _power_factor(params: list[str], present: Mapping[str, Any]) -> Change:
    within(str(abs(float(params[0]))), 0.8, 1)
    return {"pf": str(float(params[0]))}


def _reactive(params: list[str], present: Mapping[str, Any]) -> Change:
    if params[1] not in ("over", "under"):
        raise ValueError("neither over nor under")
    return {"reactiveRate": within(params[0], 0, 100), "pfModel": "4" if params[1] == "under" else "5"}


def _set_clock(params: list[str], present: Mapping[str, Any]) -> Change:
    _set_time(params, present)
    return {"sysTime": params[0]}


CLASSIC: dict[str, Order] = {
    "pv_on_off": _on_off,
    "pv_active_p_rate": ranged(0, 100, "activeRate"),
    "pv_reactive_p_rate": _reactive,
    "pv_power_factor": _power_factor,
    "pf_sys_year": _set_clock,
    "pv_grid_voltage_high": ranged(200, 300, "voltageHighLimit", point=True),
    "pv_grid_voltage_low": ranged(100, 240, "voltageLowLimit", point=True),
}
STORAGE: dict[str, Order] = {"storage_spf5000_ac_output_source": ranged(0, 2, "outputConfig")}
_BY_ACTION = {"tlxSet": ("tlx", TLX), "storageSPF5000Set": ("storage", STORAGE)}


@ANSWERS.to(
    GrowattCalls.update_classic_inverter_setting,
    GrowattCalls.set_classic_inverter_active_power_rate,
    GrowattCalls.set_classic_inverter_on_off,
)
def portal_set(ask: Ask) -> Change:
    """The portal's orders, with the portal's words."""
    action = ask.arguments.get("action", "")
    if action == "inverterSet":
        commands = [ask.arguments.get("command_1", ""), ask.arguments.get("command_2", "")]
        numbered = {f"param{place}": text for place, text in enumerate(commands, start=1)}
        ask = ask._replace(arguments={**ask.arguments, **numbered, "type": ask.arguments.get("paramId", "")})
    kind, orders = ("inverter", CLASSIC) if action == "inverterSet" else _BY_ACTION.get(action, ("", {}))
    unit = ask.unit(kind)
    if unit is None or unit.asleep:
        raise refused()
    _carry_out(ask, unit, kind, orders.get(ask.arguments.get("type", "")))
    return {"msg": "inv_set_success", "success": True}


_NUMBERS = ("formulaCoal", "formulaSo2", "formulaCo2", "plantType", "timezone", "nominalPower")
_HUGE = 1e9


@ANSWERS.to(GrowattCalls.send_plant_settings)
def update_plant(ask: Ask) -> Change | Told:
    """The settings form of a plant. Quirk: every part has to be there, or the server fails inside."""
    if ask.site is None:
        raise refused("501")
    try:
        written = {member: ask.arguments[part] for part, member in FORM.items() if member not in (None, "id")}
        numbers = {name: _whole(written[name]) for name in _NUMBERS}
        price = _whole(written["formulaMoneyStr"])
    except (KeyError, ValueError):
        return pages.BROKEN_FORM
    ask.site.settings["plant"] = written | numbers | {"formulaMoney": price}
    return {"success": True, "msg": "200"}


def _whole(text: str) -> float:
    value = float(text)
    if not abs(value) < _HUGE:
        raise ValueError(f"{text} is no size, price or offset")
    return int(value) if value == int(value) else value


def _noah_segment(number: str) -> Order:
    def order(params: list[str], present: Mapping[str, Any]) -> Change:
        mode, watt = within(params[0], 0, 2), within(params[5], 0, 800)
        times = f"{clock_time(*params[1:3])}_{clock_time(*params[3:5])}"
        segment = f"{mode}_{times}_{watt}_{within(params[6], 0, 1)}"
        return {"segments": present.get("segments", {}) | {f"time_segment{number}": segment}}

    return order


def _charging_limits(params: list[str], present: Mapping[str, Any]) -> Change:
    return {"chargingSocHighLimit": within(params[0], 70, 100), "chargingSocLowLimit": within(params[1], 0, 30)}


def _noah_order(name: str) -> Order | None:
    if name.startswith("time_segment") and name.removeprefix("time_segment").isdigit():
        return _noah_segment(name.removeprefix("time_segment"))
    return {"default_power": ranged(0, 800, "defaultPower"), "charging_soc": _charging_limits}.get(name)


@ANSWERS.to(GrowattCalls.update_noah_settings)
def noah_set(ask: Ask) -> Change:
    """An order to a Noah."""
    unit = ask.unit("noah")
    try:
        if unit is None:
            raise refused()
        if ask.arguments.get("type") == "updatePlantMoney":
            _set_price(ask, unit)
        else:
            _carry_out(ask, unit, "noah", _noah_order(ask.arguments.get("type", "")))
    except Failed as failure:
        raise Failed({"result": 0, "obj": None, "msg": failure.body["msg"]}) from None
    return ok(None)


def _set_price(ask: Ask, unit: Unit) -> None:
    plant, price, currency = (*_params(ask), "", "", "")[:3]
    if plant != unit.site.id or currency not in UNITS:
        raise refused()
    try:
        changes = {"formulaMoney": _whole(price), "formulaMoneyStr": price, "formulaMoneyUnitId": currency}
    except ValueError:
        raise refused() from None
    unit.site.settings.setdefault("plant", {}).update(changes)
