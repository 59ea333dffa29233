"""Settings of TLX devices (MIN, MIC, MOD, MID-XH, NEO): written by `op=tlxSet`, read by `tlx_all_settings`."""

from __future__ import annotations

from heliograph.vendors.growatt.settings.schema import (
    GrowattSettingEntry,
    choice,
    entry,
    moment,
    number,
    percent,
    switch,
    time,
)

NEO = "growattServer; read back: an owner's recording of a NEO 800M-X"
MIN = "ioBroker.growatt 61, a MIN 4600TL-XH answered inv_set_success; read back: the NEO recording"
APP = "growattServer's notes on a NEO; no write has been published"

MODES = {"load-first": "0", "battery-first": "1", "grid-first": "2"}

_DAILY = (
    entry(
        "power_switch",
        "tlx_on_off",
        [switch("value", "tlx_on_off")],
        "Inverter on or off",
        "ioBroker.growatt; the NEO recording",
        meaning="Off stops generation until it is switched on again.",
    ),
    entry(
        "active_power_rate",
        "pv_active_p_rate",
        [percent("value", "activeRate"), switch("remember", "pvPfCmdMemoryState", meaning="keep after a restart")],
        "Output power limit",
        "ioBroker.growatt 14: refused without the second value; PyPi_GrowattServer 103; the NEO recording",
    ),
    entry("charge_power_limit", "charge_power", [percent("value", "charge_power")], "Charge power limit", MIN),
    entry(
        "discharge_power_limit", "discharge_power", [percent("value", "discharge_power")], "Discharge power limit", MIN
    ),
    entry(
        "charge_stop_soc",
        "charge_stop_soc",
        [percent("value", "charge_stop_soc")],
        "Charge stop state of charge",
        MIN,
        meaning="Devices may accept only 50 to 100.",
    ),
    entry(
        "off_grid_stop_soc",
        "discharge_stop_soc",
        [percent("value", "discharge_stop_soc")],
        "Off-grid discharge stop state of charge",
        MIN,
        meaning="Devices may accept only 10 and more.",
    ),
    entry(
        "on_grid_stop_soc",
        "on_grid_discharge_stop_soc",
        [percent("value", "on_grid_discharge_stop_soc")],
        "On-grid discharge stop state of charge",
        MIN,
        meaning="A device was seen to revert to its old value (Growatt_ModbusTCP 400: 31 became 16).",
    ),
    entry("ac_charge", "ac_charge", [switch("value", "ac_charge")], "Charge from the grid", NEO),
    entry("clock", "pf_sys_year", [moment("value", "pf_sys_year")], "Date and time", NEO),
    entry(
        "export_limit",
        "backflow_setting",
        [
            choice("by", "exportLimit", {"off": "0", "meter": "1", "ct": "2"}, meaning="the export meter"),
            percent("value", "exportLimitPowerRateStr", meaning="0 blocks all export"),
        ],
        "Export limit",
        "V1's description; PyPi_GrowattServer 81; a third value, 0, is sent by some programs and not by others",
        meaning="The NEO's notes allow watts; the member it is read from is a percentage.",
    ),
    entry(
        "export_limit_fallback",
        "tlx_backflow_default_power",
        [percent("value", "tlx_backflow_default_power")],
        "Output power without the meter",
        f"{APP}; that it is a percentage is Growatt_ModbusTCP 290",
    ),
    entry(
        "export_meter",
        "tlx_limit_device",
        [choice("value", "tlx_limit_device", {"none": "0", "meter": "1", "ct": "2"})],
        "Export meter",
        APP,
    ),
    entry(
        "system_work_mode",
        "system_work_mode",
        [
            choice(
                "value",
                "system_work_mode",
                {"default": "0", "retrofit": "1", "multi-parallel": "2", "simplified-retrofit": "3"},
            )
        ],
        "System wiring mode",
        APP,
        risk="dangerous",
    ),
)

WINDOWS = tuple(
    entry(
        f"time_window_{number}",
        f"time_segment{number}",
        [
            choice("mode", f"time{number}Mode", MODES),
            time("start", f"forcedTimeStart{number}"),
            time("end", f"forcedTimeStop{number}"),
            switch("enabled", f"forcedStopSwitch{number}"),
        ],
        f"Time window {number} of 9",
        "growattServer, also that windows must not overlap even when off; read back: the NEO recording",
        group="time_windows",
        disjoint="always",
    )
    for number in range(1, 10)
)


_REACTIVE = {
    "fixed-pf": "0",
    "pf": "1",
    "default-curve": "2",
    "custom-curve": "3",
    "capacitive": "4",
    "inductive": "5",
    "q-of-v": "6",
    "range": "7",
}


def _limits(name: str, wire_type: str, title: str, low: float, high: float, unit: str) -> GrowattSettingEntry:
    """Declare a grid limit of two values; their difference is not published."""
    first, second = (
        number(f"level_{level}", f"{wire_type}_{level}", low, high, unit, step=0.01 if unit == "Hz" else 0.1)
        for level in (1, 2)
    )
    return entry(name, wire_type, [first, second], title, APP, risk="grid-code")


def _grid(
    name: str, wire_type: str, title: str, low: float, high: float, unit: str, step: float, *, read: bool = True
) -> GrowattSettingEntry:
    """Declare a grid setting of one value."""
    argument = number("value", wire_type if read else "", low, high, unit, step=step)
    return entry(name, wire_type, [argument], title, APP, risk="grid-code")


_GRID_CODE = (
    entry(
        "reactive_power",
        "pv_reactive_p_rate",
        [
            number("value", "", -100, 100, step=0.01, meaning="a power factor or a percentage, by the mode"),
            choice("mode", "", _REACTIVE),
            switch("remember", "", meaning="keep after a restart"),
        ],
        "Reactive power",
        f"{APP}; the order of its values is that of a read-back with readDeviceParam",
        risk="grid-code",
    ),
    entry(
        "power_factor_curve",
        "tlx_custom_pf_curve",
        [
            argument
            for point in range(1, 5)
            for argument in (
                percent(f"power_{point}", f"tlx_pflinep{point}_lp", meaning="255 is read if no point is set"),
                number(f"factor_{point}", f"tlx_pflinep{point}_pf", -1, 1, step=0.01, excluded=(-0.8, 0.8)),
            )
        ],
        "Power factor by output power",
        APP,
        risk="grid-code",
    ),
    _grid("grid_voltage_high", "pv_grid_voltage_high", "Highest grid voltage", 200, 300, "V", 0.1),
    _grid("grid_voltage_low", "pv_grid_voltage_low", "Lowest grid voltage", 100, 240, "V", 0.1),
    _grid("grid_frequency_high", "pv_grid_frequency_high", "Highest grid frequency", 50, 66, "Hz", 0.01),
    _grid("grid_frequency_low", "pv_grid_frequency_low", "Lowest grid frequency", 44, 60, "Hz", 0.01),
    _limits("trip_frequency_low", "l_1_freq", "Low-frequency disconnect", 44, 60, "Hz"),
    _limits("trip_frequency_high", "h_1_freq", "High-frequency disconnect", 50, 66, "Hz"),
    _limits("trip_voltage_low", "l_1_volt", "Low-voltage disconnect", 40, 240, "V"),
    _limits("trip_voltage_high", "h_1_volt", "High-voltage disconnect", 200, 350, "V"),
    _grid("loading_rate", "loading_rate", "Power ramp rate after start", 0, 6000, "%", 0.1),
    _grid("restart_loading_rate", "restart_loading_rate", "Power ramp rate after a fault", 0, 6000, "%", 0.1),
    _grid(
        "over_frequency_start", "over_fre_drop_point", "Over-frequency derating start", 50, 66, "Hz", 0.01, read=False
    ),
    _grid(
        "over_frequency_slope", "over_fre_lored_slope", "Over-frequency derating slope", 0, 100, "%", 0.1, read=False
    ),
    # 65535 means a register without a value, so delays end at 65534.
    _grid(
        "over_frequency_delay",
        "over_fre_lored_delaytime",
        "Over-frequency derating delay",
        0,
        65_534,
        "ms",
        1,
        read=False,
    ),
    _grid("qv_high_1", "qv_h1", "Q(V) curve, upper start", 200, 350, "V", 0.1),
    _grid("qv_high_2", "qv_h2", "Q(V) curve, upper end", 200, 350, "V", 0.1),
    _grid("qv_low_1", "qv_l1", "Q(V) curve, lower start", 100, 240, "V", 0.1),
    _grid("qv_low_2", "qv_l2", "Q(V) curve, lower end", 100, 240, "V", 0.1),
    _grid("qv_delay", "delay_time", "Q(V) curve, delay", 0, 65_534, "ms", 1),
    _grid("qv_most", "q_percent_max", "Q(V) curve, maximum reactive power", 0, 100, "%", 0.1),
)

SETTINGS = (*_DAILY, *WINDOWS, *_GRID_CODE)

_UNKNOWN = "its format is not published"
RAW_ONLY = {
    "tlx_ac_discharge_frequency": _UNKNOWN,
    "tlx_ac_discharge_time_period": _UNKNOWN,
    "tlx_ac_discharge_voltage": _UNKNOWN,
    "tlx_cc_current": _UNKNOWN,
    "tlx_cv_voltage": _UNKNOWN,
    "tlx_dry_contact_enable": _UNKNOWN,
    "tlx_dry_contact_off_power": _UNKNOWN,
    "tlx_dry_contact_power": _UNKNOWN,
    "tlx_exter_comm_Off_GridEn": _UNKNOWN,
    "tlx_lcd_Language": _UNKNOWN,
    "tlx_off_grid_enable": _UNKNOWN,
    "tlx_optimezer_set_param_multi": _UNKNOWN,
    "set_any_reg": "dangerous: writes any register, and its old value cannot be read",
    "tlx_reset_to_factory": "dangerous: erases the grid code and all settings irreversibly",
}
"""Settings that only the raw call can send, with the reason."""
