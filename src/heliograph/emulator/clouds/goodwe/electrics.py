"""Voltages, currents and temperatures of emulated GoodWe inverters: functions of their powers and serial number.

The powers are those of the simulated household, so a string's voltage times its current is its power. The ranges are
those of published answers; the formulas are inferred.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.emulator.clouds.goodwe.inverter_model import EmulatedInverter

FREQUENCY = 50.01
"""Of the grid, in Hz."""
_COLD, _WARM = 17.0, 27.0
"""Temperature in °C of an idle device, and the difference at full load."""


def string_voltage(inverter: EmulatedInverter, values: Mapping[str, float], string: int) -> float:
    """Return the voltage of a PV string in V, which rises with the sun; 0 in the dark."""
    if values["pv_power"] <= 0:
        return 0.0
    return round(310.0 + 70.0 * values["pv_power"] / inverter.home.peak_power + _spread(inverter, string, 6.0), 1)


def string_current(inverter: EmulatedInverter, values: Mapping[str, float], string: int) -> float:
    """Return the current of a PV string in A; the strings share the power equally."""
    volts = string_voltage(inverter, values, string)
    return round(values["pv_power"] / inverter.family.strings / volts, 1) if volts else 0.0


def grid_voltage(inverter: EmulatedInverter, values: Mapping[str, float], phase: int = 1) -> float:
    """Return the voltage of a phase in V, raised by export and lowered by import."""
    exported = -values["grid_power"] if "grid_power" in values else values["ac_power"]
    return round(230.5 + 6.0 * exported / inverter.home.peak_power + _spread(inverter, phase + 10, 1.5), 1)


def grid_current(inverter: EmulatedInverter, values: Mapping[str, float], phase: int = 1) -> float:
    """Return the current of a phase in A; it is unsigned."""
    return round(abs(values["ac_power"]) / inverter.family.phases / grid_voltage(inverter, values, phase), 1)


def temperature(inverter: EmulatedInverter, values: Mapping[str, float]) -> float:
    """Return the temperature in the inverter in °C, which rises with its load."""
    return round(_COLD + _WARM * abs(values["ac_power"]) / inverter.home.peak_power + _spread(inverter, 20, 4.0), 1)


def battery_voltage(values: Mapping[str, float]) -> float:
    """Return the voltage of a battery in V, which rises with the charge and falls while it is discharged."""
    return round(198.0 + 0.12 * values["battery_soc"] - 4.0 * values["battery_power"] / 6000, 1)


def battery_temperature(values: Mapping[str, float]) -> float:
    """Return the temperature of a battery in °C, which rises with its power."""
    return round(_COLD + 9.0 * abs(values["battery_power"]) / 6000, 1)


def _spread(inverter: EmulatedInverter, part: int, width: float) -> float:
    """Return a constant of a part of an inverter, from 0 to `width`."""
    return width * (crc32(f"{inverter.serial}/{part}".encode()) % 1000) / 1000
