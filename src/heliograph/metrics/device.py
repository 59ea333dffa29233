"""Device metrics: what one device reports beyond the plant's metrics, one row each.

The package has the 18 quantities of a plant, with the same meaning for every vendor. Here are voltages, currents,
temperatures, states and counters of a single device; a device reports a subset. Signs: battery current + is discharge.
"""

from __future__ import annotations

from math import inf
from typing import Literal, NamedTuple

DeviceMetricKind = Literal["gauge", "today", "total", "text"]
DeviceUnit = Literal["", "V", "A", "mA", "W", "VA", "var", "kWh", "Hz", "°C", "%", "kΩ", "h", "Ah", "kWp"]


class DeviceMetric(NamedTuple):
    """One quantity of a device; `part` is the component it belongs to, such as "pv1", "phase2" or "battery".

    A value below `minimum` or above `maximum` is not plausible. Metrics of kind "text" have no unit and no range.
    """

    name: str
    unit: DeviceUnit
    kind: DeviceMetricKind
    part: str
    meaning: str
    minimum: float = -inf
    maximum: float = inf


PV_INPUTS = 16
"""The most inputs with a voltage, current and power of their own (MPPT) that a device of these clouds has."""
STRINGS = 32
"""The most monitored strings of a device."""
PHASES = 3
BATTERIES = 4

_RANGES: dict[str, tuple[float, float]] = {
    "V": (0.0, 2000.0),
    "A": (-3000.0, 3000.0),
    "mA": (-5000.0, 5000.0),
    "W": (-10e6, 10e6),
    "VA": (0.0, 10e6),
    "var": (-10e6, 10e6),
    "kWh": (0.0, 1e9),
    "Hz": (0.0, 100.0),
    "°C": (-60.0, 150.0),
    "%": (0.0, 100.0),
    "kΩ": (0.0, 65000.0),
    "h": (0.0, 1e6),
    "Ah": (0.0, 1e6),
    "kWp": (0.0, 1e6),
    "": (-1e9, 1e9),
}

DEVICE_METRICS: dict[str, DeviceMetric] = {}
"""Every device metric by name, in the order in which they are shown."""


def _add(part: str, name: str, unit: DeviceUnit, meaning: str, kind: DeviceMetricKind = "gauge") -> None:
    low, high = (-inf, inf) if kind == "text" else _RANGES[unit]
    DEVICE_METRICS[name] = DeviceMetric(name, unit, kind, part, meaning, low, high)


def _add_counter(part: str, name: str, meaning: str) -> None:
    _add(part, f"{name}_energy_today", "kWh", f"{meaning} since local midnight", "today")
    _add(part, f"{name}_energy_total", "kWh", f"{meaning} since commissioning", "total")


def _range(name: str, low: float, high: float) -> None:
    DEVICE_METRICS[name] = DEVICE_METRICS[name]._replace(minimum=low, maximum=high)


for _n in range(1, PV_INPUTS + 1):
    _add(f"pv{_n}", f"pv{_n}_voltage", "V", f"voltage of PV input {_n}")
    _add(f"pv{_n}", f"pv{_n}_current", "A", f"current of PV input {_n}")
    _add(f"pv{_n}", f"pv{_n}_power", "W", f"power of PV input {_n}")
    _add_counter(f"pv{_n}", f"pv{_n}", f"energy of PV input {_n}")
    _add(f"pv{_n}", f"pv{_n}_temperature", "°C", f"temperature at PV input {_n}")
for _n in range(1, STRINGS + 1):
    _add(f"string{_n}", f"string{_n}_voltage", "V", f"voltage of monitored string {_n}")
    _add(f"string{_n}", f"string{_n}_current", "A", f"current of monitored string {_n}")
for _n in range(1, PHASES + 1):
    _add(f"phase{_n}", f"phase{_n}_voltage", "V", f"grid voltage of phase {_n} to neutral")
    _add(f"phase{_n}", f"phase{_n}_current", "A", f"AC current of phase {_n}")
    _add(f"phase{_n}", f"phase{_n}_power", "W", f"AC power of phase {_n}")
for _n, _pair in enumerate(("1_2", "2_3", "3_1"), 1):
    _add(f"line{_pair}", f"line{_pair}_voltage", "V", f"voltage between phases {_pair.replace('_', ' and ')}")
_add("grid", "grid_frequency", "Hz", "frequency of the grid")
_add("ac", "power_factor", "", "ratio of active to apparent power")
_add("ac", "reactive_power", "var", "reactive power of the device")
_add("ac", "apparent_power", "VA", "apparent power of the device")
_add("ac", "output_percent", "%", "AC output, of the rated power")
_add_counter("ac", "ac", "AC output")
_add_counter("system", "self_consumption", "own solar and battery energy used in the house")
_add_counter("system", "system", "energy of panels and battery together")
_add("system", "self_consumption_power", "W", "own solar and battery power used in the house")
_add("system", "system_power", "W", "power of panels and battery together")
for _source in ("pv", "battery", "grid"):
    _add("system", f"load_from_{_source}_energy_today", "kWh", f"energy of the house from {_source} today", "today")
for _n in range(1, PHASES + 1):
    _add(f"meter{_n}", f"meter_phase{_n}_power", "W", f"grid power of phase {_n} at the meter; negative is export")
    _add(f"meter{_n}", f"meter_phase{_n}_voltage", "V", f"voltage of phase {_n} at the meter")
    _add(f"meter{_n}", f"meter_phase{_n}_current", "A", f"current of phase {_n} at the meter")
_add("meter", "meter_power", "W", "power at the meter; negative is export")
_add("meter", "meter_reactive_power", "var", "reactive power at the meter")
_add("battery", "battery_voltage", "V", "voltage of the battery")
_add("battery", "battery_current", "A", "current of the battery; negative is charging")
_add("battery", "battery_temperature", "°C", "temperature of the battery")
_add("battery", "battery_state_of_health", "%", "usable capacity left, of the capacity when new")
_add("battery", "battery_cycles", "", "full charge cycles of the battery")
_add("battery", "battery_capacity", "kWh", "usable capacity of the battery")
_add("battery", "battery_charge_capacity", "Ah", "capacity of the battery")
_add("battery", "battery_cell_voltage_min", "V", "lowest cell voltage")
_add("battery", "battery_cell_voltage_max", "V", "highest cell voltage")
_add("battery", "battery_cell_temperature_min", "°C", "lowest cell temperature")
_add("battery", "battery_cell_temperature_max", "°C", "highest cell temperature")
_add("battery", "battery_charge_current_limit", "A", "charge current that the battery allows")
_add("battery", "battery_discharge_current_limit", "A", "discharge current that the battery allows")
_add("battery", "battery_packs", "", "number of battery packs")
_add_counter("battery", "battery_ac_charge", "energy charged from the grid")
_add_counter("battery", "battery_ac_discharge", "energy discharged from the battery to the AC side")
_add("battery", "battery_ac_charge_power", "W", "power charged from the grid")
_add("battery", "battery_ac_charge_current", "A", "charging current from the AC side")
_add("battery", "battery_charge_current", "A", "charging current of the battery")
_add("battery", "battery_discharge_current", "A", "discharging current of the battery")
for _n in range(1, BATTERIES + 1):
    _part = f"battery{_n}"
    _add(_part, f"{_part}_soc", "%", f"state of charge of battery {_n}")
    _add(_part, f"{_part}_power", "W", f"power out of battery {_n}; negative is charging")
    _add(_part, f"{_part}_charge_power", "W", f"charging power of battery {_n}")
    _add(_part, f"{_part}_discharge_power", "W", f"discharging power of battery {_n}")
    _add(_part, f"{_part}_voltage", "V", f"voltage of battery {_n}")
    _add(_part, f"{_part}_current", "A", f"current of battery {_n}")
    _add(_part, f"{_part}_temperature", "°C", f"temperature of battery {_n}")
    _add(_part, f"{_part}_state_of_health", "%", f"state of health of battery {_n}")
    _add(_part, f"{_part}_charge_energy_total", "kWh", f"energy charged into battery {_n}, lifetime", "total")
    _add(_part, f"{_part}_discharge_energy_total", "kWh", f"energy discharged from battery {_n}, lifetime", "total")
_add("backup", "backup_power", "W", "power of the backup (EPS) output")
_add("backup", "backup_voltage", "V", "voltage of the backup output")
_add("backup", "backup_current", "A", "current of the backup output")
_add("backup", "backup_frequency", "Hz", "frequency of the backup output")
_add("backup", "backup_load", "%", "load of the backup output, of its rated power")
_add_counter("backup", "backup", "energy of the backup output")
for _n in range(1, PHASES + 1):
    _add(f"backup{_n}", f"backup_phase{_n}_power", "W", f"power of phase {_n} of the backup output")
    _add(f"backup{_n}", f"backup_phase{_n}_voltage", "V", f"voltage of phase {_n} of the backup output")
    _add(f"backup{_n}", f"backup_phase{_n}_current", "A", f"current of phase {_n} of the backup output")
_add("generator", "generator_power", "W", "power of the generator or of an external inverter")
_add("generator", "generator_voltage", "V", "voltage of the generator")
_add("generator", "generator_frequency", "Hz", "frequency of the generator")
_add_counter("generator", "generator", "energy of the generator or of an external inverter")
_add("charger", "ev_charger_power", "W", "power of the car charger")
_add("device", "temperature", "°C", "temperature inside the device")
for _n in range(2, 6):
    _add(f"temperature{_n}", f"temperature{_n}", "°C", f"temperature {_n} inside the device")
_add("module", "module_temperature", "°C", "temperature of the power module (IPM)")
_add("converter", "dc_converter_temperature", "°C", "temperature of the DC/DC converter")
_add("device", "bus_voltage", "V", "voltage of the DC bus, positive half if it has two")
_add("bus", "bus_voltage_negative", "V", "voltage of the negative half of the DC bus")
_add("device", "isolation_resistance", "kΩ", "resistance between panels and earth")
_add("device", "leakage_current", "mA", "residual current to earth")
_add("device", "operating_time", "h", "hours in operation")
_add("device", "rated_power", "W", "rated AC power of the device")
_add("device", "signal_strength", "%", "radio signal of the datalogger")
_add("device", "work_mode", "", "operating mode, as the cloud names or numbers it", "text")
_add("device", "status_text", "", "operating state, as the cloud names it", "text")
_add("device", "fault_code", "", "code of the present fault; 0 is none", "text")
_add("device", "warning_code", "", "code of the present warning; 0 is none", "text")
_add("device", "fault_text", "", "present fault, as the cloud names it", "text")
_add("device", "warning_text", "", "present warning, as the cloud names it", "text")
_add("device", "datalogger", "", "serial number of the datalogger", "text")
_add("device", "model", "", "model of the device", "text")
_add("device", "firmware", "", "firmware version of the device", "text")

_range("rated_power", 1.0, 10e6)
_range("power_factor", -1.0, 1.0)
_range("battery_state_of_health", 0.1, 150.0)
_range("battery_cycles", 0.0, 1e5)
_range("battery_packs", 0.0, 100.0)
_range("backup_load", 0.0, 400.0)
_range("output_percent", 0.0, 200.0)
for _name in ("battery_cell_voltage_min", "battery_cell_voltage_max"):
    _range(_name, 0.1, 6.0)
for _n in range(1, BATTERIES + 1):
    _range(f"battery{_n}_state_of_health", 0.1, 150.0)
