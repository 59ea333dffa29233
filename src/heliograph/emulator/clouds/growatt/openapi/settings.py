"""Settings of devices as the emulated token API reports them, and what its V4 writes change.

Both APIs share the stored settings of a device; the token API has its own names for some.
"""

from __future__ import annotations

from typing import Any

from heliograph.emulator.clouds.growatt.commands import balcony_command
from heliograph.emulator.clouds.growatt.context import DEVICE_TYPES, GrowattDevice
from heliograph.emulator.clouds.growatt.formatting import timestamp
from heliograph.emulator.clouds.growatt.templates import tlx_settings_bean

_MIN_NAMES = {
    "onOff": "tlx_on_off",
    "exportLimitPowerRate": "exportLimitPowerRateStr",
    "voltageHighLimit": "pv_grid_voltage_high",
    "voltageLowLimit": "pv_grid_voltage_low",
}
"""Stored setting of each member that the password API names otherwise."""
_SPH = {
    "acChargeEnable": 0,
    "activeRate": 100,
    "chargePowerCommand": 100,
    "disChargePowerCommand": 100,
    "epsFreqSet": 0,
    "epsFunEn": 0,
    "epsVoltSet": 0,
    "exportLimit": 0,
    "exportLimitPowerRate": 0,
    "onOff": 1,
    "voltageHighLimit": 264.5,
    "voltageLowLimit": 184.0,
    "wchargeSOCLowLimit1": 100,
    "wchargeSOCLowLimit2": 100,
    "wdisChargeSOCLowLimit1": 100,
    "wdisChargeSOCLowLimit2": 10,
}
"""Settings of an SPH that was never written."""


def settings_bean(device: GrowattDevice) -> dict[str, Any]:
    """Return the settings of a device, as last written."""
    kind = DEVICE_TYPES[device.plant.family]
    written: dict[str, Any] = device.plant.settings.get(kind, {})
    clock = {"sysTime": written.get("pf_sys_year", timestamp(device.local_time))}
    match kind:
        case "tlx":
            stored = tlx_settings_bean(battery=device.has_battery) | written
            own = {name: stored[other] for name, other in _MIN_NAMES.items()}
            # The members with underscores are those of the password API.
            return {name: value for name, value in stored.items() if "_" not in name} | own | clock
        case "mix":
            found = _SPH | _unused_periods() | written
            found.pop("loadFirstStopSocSet", None)  # absent from V1's answer (capture of an SPH)
            limits = {"wchargeSOCLowLimit": found["wchargeSOCLowLimit2"]}
            return found | limits | {"wdisChargeSOCLowLimit": found["wdisChargeSOCLowLimit2"]} | clock
        case "noah":
            return _noah(written)
    return written | clock


def _unused_periods() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number in (1, 2, 3):
        for kind in ("Charge", "Discharge"):
            found |= {f"forced{kind}TimeStart{number}": "0:0", f"forced{kind}TimeStop{number}": "0:0"}
            found[f"forced{kind}StopSwitch{number}"] = 0
    return found


def _noah(written: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"chargingSocHighLimit": 95.0, "chargingSocLowLimit": 10.0, "defaultPower": 200.0}
    found |= {name: float(written[name]) for name in found.keys() & written.keys()}
    for slot in range(1, 10):
        mode, start, end, power, enabled = written.get(f"time_segment{slot}", "0_0:0_0:0_0_0").split("_")
        found |= {
            f"time{slot}Enable": int(enabled),
            f"time{slot}End": end,
            f"time{slot}Mode": int(mode),
            f"time{slot}Power": float(power),
            f"time{slot}Start": start,
        }
    return found


def v4_change(kind: str, call: str, arguments: dict[str, str]) -> dict[str, Any]:
    """Return the stored settings that a write of V4 changes; ValueError for a value out of range."""
    value = arguments.get("value", "")
    if call == "v4_set_time_segment":
        command = balcony_command("noah", f"time_segment{_within(arguments['type'], 1, 9)}")
        assert command is not None
        start, end = (arguments[name].split(":") for name in ("startTime", "endTime"))
        return command([arguments["mode"], *start, *end, arguments["power"], arguments["enable"]], {})
    names, low, high = {
        "v4_set_on_off": (("tlx_on_off",) if kind == "tlx" else ("onOff", "pv_on_off"), 0, 1),
        "v4_set_power": (("defaultPower",), 0, 800) if kind == "noah" else (("activeRate", "pv_active_p_rate"), 0, 100),
        "v4_set_high_soc_limit": (("chargingSocHighLimit",), 0, 100),
        "v4_set_low_soc_limit": (("chargingSocLowLimit",), 0, 100),
    }.get(call, ((arguments.get("setType", call),), None, None))
    return dict.fromkeys(names, value if low is None or high is None else _within(value, low, high))


def _within(text: str, low: int, high: int) -> str:
    if not low <= int(text) <= high:
        raise ValueError(f"{text} is out of range")
    return text
