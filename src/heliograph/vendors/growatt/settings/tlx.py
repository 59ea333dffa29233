"""What TLX devices can be told (MIN, MIC, MOD, MID-XH, NEO): `op=tlxSet`, read back by `tlx_all_settings`."""

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
APP = "growattServer's notes on a NEO; nobody has published a write"

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
        [percent("value", "activeRate"), switch("remember", "pvPfCmdMemoryState", meaning="kept over a restart")],
        "Limit of the output power",
        "ioBroker.growatt 14: refused without the second value; PyPi_GrowattServer 103; the NEO recording",
    ),
    entry("charge_power_limit", "charge_power", [percent("value", "charge_power")], "Charging power", MIN),
    entry("discharge_power_limit", "discharge_power", [percent("value", "discharge_power")], "Discharging power", MIN),
    entry(
        "charge_stop_soc",
        "charge_stop_soc",
        [percent("value", "charge_stop_soc")],
        "State of charge where charging ends",
        MIN,
        meaning="Devices may take 50 to 100 only.",
    ),
    entry(
        "off_grid_stop_soc",
        "discharge_stop_soc",
        [percent("value", "discharge_stop_soc")],
        "State of charge where discharging ends without a grid",
        MIN,
        meaning="Devices may take 10 and more only.",
    ),
    entry(
        "on_grid_stop_soc",
        "on_grid_discharge_stop_soc",
        [percent("value", "on_grid_discharge_stop_soc")],
        "State of charge where discharging ends on the grid",
        MIN,
        meaning="A device was seen to go back to what it had (Growatt_ModbusTCP 400: 31 became 16).",
    ),
    entry("ac_charge", "ac_charge", [switch("value", "ac_charge")], "Charging from the grid", NEO),
    entry("clock", "pf_sys_year", [moment("value", "pf_sys_year")], "Date and time", NEO),
    entry(
        "export_limit",
        "backflow_setting",
        [
            choice("by", "exportLimit", {"off": "0", "meter": "1", "ct": "2"}, meaning="what measures the export"),
            percent("value", "exportLimitPowerRateStr", meaning="0 is no export at all"),
        ],
        "Limit of the export",
        "V1's description; PyPi_GrowattServer 81; a third value, 0, is sent by some programs and not by others",
        meaning="The NEO's notes allow watts; the member it is read from is a rate.",
    ),
    entry(
        "export_limit_fallback",
        "tlx_backflow_default_power",
        [percent("value", "tlx_backflow_default_power")],
        "Output power when the meter is lost",
        f"{APP}; that it is a percentage is Growatt_ModbusTCP 290",
    ),
    entry(
        "export_meter",
        "tlx_limit_device",
        [choice("value", "tlx_limit_device", {"none": "0", "meter": "1", "ct": "2"})],
        "What measures the export",
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
        "How the device is wired into the house",
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
    """Declare a grid limit of two values; what tells them apart nobody has published."""
    first, second = (
        number(f"level_{level}", f"{wire_type}_{level}", low, high, unit, step=0.01 if unit == "Hz" else 0.1)
        for level in (1, 2)
    )
    return entry(name, wire_type, [first, second], title, APP, risk="grid-code")


def _grid(
    name: str, wire_type: str, title: str, low: float, high: float, unit: str, step: float, *, told: bool = True
) -> GrowattSettingEntry:
    """Declare a grid setting of one value."""
    place = number("value", wire_type if told else "", low, high, unit, step=step)
    return entry(name, wire_type, [place], title, APP, risk="grid-code")


_GRID_CODE = (
    entry(
        "reactive_power",
        "pv_reactive_p_rate",
        [
            number("value", "", -100, 100, step=0.01, meaning="a power factor or a percentage, by the mode"),
            choice("mode", "", _REACTIVE),
            switch("remember", "", meaning="kept over a restart"),
        ],
        "Reactive power",
        f"{APP}; the order of its values is that of a read-back with readDeviceParam",
        risk="grid-code",
    ),
    entry(
        "power_factor_curve",
        "tlx_custom_pf_curve",
        [
            place
            for point in range(1, 5)
            for place in (
                percent(f"power_{point}", f"tlx_pflinep{point}_lp", meaning="255 is read where no point is set"),
                number(f"factor_{point}", f"tlx_pflinep{point}_pf", -1, 1, step=0.01, hole=(-0.8, 0.8)),
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
    _limits("trip_frequency_low", "l_1_freq", "Frequencies below which it disconnects", 44, 60, "Hz"),
    _limits("trip_frequency_high", "h_1_freq", "Frequencies above which it disconnects", 50, 66, "Hz"),
    _limits("trip_voltage_low", "l_1_volt", "Voltages below which it disconnects", 40, 240, "V"),
    _limits("trip_voltage_high", "h_1_volt", "Voltages above which it disconnects", 200, 350, "V"),
    _grid("loading_rate", "loading_rate", "Rise of power after a start", 0, 6000, "%", 0.1),
    _grid("restart_loading_rate", "restart_loading_rate", "Rise of power after a fault", 0, 6000, "%", 0.1),
    _grid(
        "over_frequency_start",
        "over_fre_drop_point",
        "Frequency where power is reduced",
        50,
        66,
        "Hz",
        0.01,
        told=False,
    ),
    _grid("over_frequency_slope", "over_fre_lored_slope", "Slope of that reduction", 0, 100, "%", 0.1, told=False),
    # 65535 is read as a register without a value, so a delay ends before it.
    _grid(
        "over_frequency_delay", "over_fre_lored_delaytime", "Delay of that reduction", 0, 65_534, "ms", 1, told=False
    ),
    _grid("qv_high_1", "qv_h1", "Q(V) curve, upper start", 200, 350, "V", 0.1),
    _grid("qv_high_2", "qv_h2", "Q(V) curve, upper end", 200, 350, "V", 0.1),
    _grid("qv_low_1", "qv_l1", "Q(V) curve, lower start", 100, 240, "V", 0.1),
    _grid("qv_low_2", "qv_l2", "Q(V) curve, lower end", 100, 240, "V", 0.1),
    _grid("qv_delay", "delay_time", "Q(V) curve, delay", 0, 65_534, "ms", 1),
    _grid("qv_most", "q_percent_max", "Q(V) curve, most reactive power", 0, 100, "%", 0.1),
)

SETTINGS = (*_DAILY, *WINDOWS, *_GRID_CODE)

_UNKNOWN = "nobody has published its format"
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
    "set_any_reg": "dangerous: writes any register, and nothing says what it was",
    "tlx_reset_to_factory": "dangerous: it forgets the grid code and every setting, and nothing brings them back",
}
"""What only the raw call can send, and why."""
