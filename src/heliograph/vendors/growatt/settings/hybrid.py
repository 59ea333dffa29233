"""Settings of hybrids (mix: SPH) and AC-coupled batteries (spa): `mixSetApiNew` and `spaSetApi`.

Both have three time windows per mode, written in one command together with power and stop state of charge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.vendors.growatt.settings.schema import choice, entry, moment, number, percent, switch, time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.vendors.growatt.settings.schema import GrowattSettingEntry, WireArgument

SLOTS = 3
_READ = "read back: an owner's whole answer to getMixSetParams, 2023"
_BOTH = f"growattServer; ioBroker.growatt; PyPi_GrowattServer 53; {_READ}"
_BROKER = f"ioBroker.growatt; {_READ}"
_V1 = f"V1's description of SPH, whose names the vendor's own app sends; {_READ}"
_SPA = "PyPi_GrowattServer 67; read back: the call is known (growatt_api_client 33), its members are those of V1"


def _windows(start: str, stop: str, enabled: str) -> Iterator[WireArgument]:
    for slot in range(1, SLOTS + 1):
        yield time(f"start_{slot}", f"{start}{slot}")
        yield time(f"end_{slot}", f"{stop}{slot}")
        yield switch(f"enabled_{slot}", f"{enabled}{slot}")


def _mode(
    name: str, wire_type: str, leading: list[WireArgument], windows: Iterator[WireArgument], title: str, evidence: str
) -> GrowattSettingEntry:
    return entry(name, wire_type, [*leading, *windows], title, evidence, slots=SLOTS, disjoint="enabled")


# Quirk: the first of the two SOCLowLimit members belongs to the load-first mode, the second to the windows.
_CHARGE = [percent("power", "chargePowerCommand"), percent("stop_soc", "wchargeSOCLowLimit2")]
_DISCHARGE = [percent("power", "disChargePowerCommand"), percent("stop_soc", "wdisChargeSOCLowLimit2")]
_CHARGING = "Battery-first (charge) windows"
_DISCHARGING = "Grid-first (discharge) windows"

MIX = (
    _mode(
        "charge_windows",
        "mix_ac_charge_time_period",
        [*_CHARGE, switch("ac_charge", "acChargeEnable", meaning="charge from the grid")],
        _windows("forcedChargeTimeStart", "forcedChargeTimeStop", "forcedChargeStopSwitch"),
        _CHARGING,
        _BOTH,
    ),
    _mode(
        "discharge_windows",
        "mix_ac_discharge_time_period",
        _DISCHARGE,
        _windows("forcedDischargeTimeStart", "forcedDischargeTimeStop", "forcedDischargeStopSwitch"),
        _DISCHARGING,
        _BOTH,
    ),
    entry(
        "load_first_stop_soc",
        "mix_load_flast_value_multi",
        [percent("value", "loadFirstStopSocSet")],
        "Load-first discharge stop state of charge",
        _BROKER,
    ),
    entry("power_switch", "pv_on_off", [switch("value", "onOff")], "Inverter on or off", _BROKER),
    entry("active_power_rate", "pv_active_p_rate", [percent("value", "activeRate")], "Output power limit", _V1),
    entry("clock", "pf_sys_year", [moment("value", "pf_sys_year")], "Date and time", f"growattServer; {_READ}"),
    entry(
        "export_limit",
        "backflow_setting",
        [
            switch("enabled", "exportLimit"),
            percent("value", "exportLimitPowerRate", meaning="0 blocks all export"),
        ],
        "Export limit",
        _BROKER,
    ),
    entry("failsafe", "setFailsafe", [switch("value", "failsafe")], "No output when the meter is lost", _BROKER),
    entry("off_grid", "mix_off_grid_enable", [switch("value", "mix_off_grid_enable")], "Off-grid output (EPS)", _V1),
    entry(
        "off_grid_frequency",
        "mix_ac_discharge_frequency",
        [choice("value", "mix_ac_discharge_frequency", {"50": "0", "60": "1"}, meaning="in Hz")],
        "Off-grid frequency",
        f"{_V1}, where epsFreqSet disagrees with this member",
        risk="grid-code",
    ),
    entry(
        "off_grid_voltage",
        "mix_ac_discharge_voltage",
        [choice("value", "mix_ac_discharge_voltage", {"230": "0", "208": "1", "240": "2"}, meaning="in V")],
        "Off-grid voltage",
        _V1,
        risk="grid-code",
    ),
    # Three-phase models report the voltage between two phases.
    entry(
        "grid_voltage_high",
        "pv_grid_voltage_high",
        [number("value", "voltageHighLimit", 200, 520, "V", step=0.1)],
        "Highest grid voltage",
        _BROKER,
        risk="grid-code",
    ),
    entry(
        "grid_voltage_low",
        "pv_grid_voltage_low",
        [number("value", "voltageLowLimit", 100, 420, "V", step=0.1)],
        "Lowest grid voltage",
        _BROKER,
        risk="grid-code",
    ),
)

SPA = (
    _mode(
        "charge_windows",
        "spa_ac_charge_time_period",
        _CHARGE,
        # Quirk: these switches are named otherwise than a mix's (GrowattPublicApiPy).
        _windows("forcedChargeTimeStart", "forcedChargeTimeStop", "batFirstSwitch"),
        _CHARGING,
        f"growattServer; a real request in growatt_api_client 33, without V1's flag for the grid; {_SPA}",
    ),
    _mode(
        "discharge_windows",
        "spa_ac_discharge_time_period",
        _DISCHARGE,
        _windows("forcedDischargeTimeStart", "forcedDischargeTimeStop", "gridFirstSwitch"),
        _DISCHARGING,
        f"gowatt 5; {_SPA}",
    ),
    _mode(
        "load_windows",
        "spa_load_flast",
        [],
        _windows("loadFirstStartTime", "loadFirstStopTime", "loadFirstSwitch"),
        "Load-first windows",
        f"gowatt 5; {_SPA}",
    ),
)

_NAMED = "sent by the vendor's app, values not published"
MIX_RAW_ONLY = {
    "mix_load_first_control": "described for V1 only",
    "mix_single_export": "described for V1 only",
    "pv_pf_cmd_memory_state": _NAMED,
    "pv_power_factor": _NAMED,
    "pv_reactive_p_rate": _NAMED,
}
_UNSEEN = "described in V1 for this family, never seen in the app's call"
SPA_RAW_ONLY = dict.fromkeys(
    (
        "backflow_setting",
        "pf_sys_year",
        "pv_active_p_rate",
        "pv_grid_voltage_high",
        "pv_grid_voltage_low",
        "pv_on_off",
        "setFailsafe",
        "spa_ac_discharge_frequency",
        "spa_ac_discharge_voltage",
        "spa_off_grid_enable",
    ),
    _UNSEEN,
)
