"""Every quantity this package publishes: name, unit, kind and meaning. One row each.

Signs are those of evcc, Home Assistant and OpenEMS: grid + is import, battery + is discharge, so that
pv + grid + battery = load within losses.
"""

from __future__ import annotations

from math import isfinite
from typing import Literal, NamedTuple

Unit = Literal["W", "kWh", "%", "V", "A", "Hz", "°C"]
MetricKind = Literal["gauge", "today", "total"]


class Metric(NamedTuple):
    """One published quantity; `today` counters start again at plant-local midnight, `total` never falls."""

    name: str
    unit: Unit
    kind: MetricKind
    meaning: str


PV_POWER = Metric("pv_power", "W", "gauge", "power of all solar panels, never negative")
GRID_POWER = Metric("grid_power", "W", "gauge", "power from the grid; negative is export")
BATTERY_POWER = Metric("battery_power", "W", "gauge", "power out of the battery; negative is charging")
LOAD_POWER = Metric("load_power", "W", "gauge", "power the house uses, never negative")
AC_POWER = Metric("ac_power", "W", "gauge", "AC output of the inverters")
BATTERY_SOC = Metric("battery_soc", "%", "gauge", "state of charge of the battery")

PV_ENERGY_TODAY = Metric("pv_energy_today", "kWh", "today", "solar energy since plant-local midnight")
GRID_IMPORT_ENERGY_TODAY = Metric("grid_import_energy_today", "kWh", "today", "energy bought today")
GRID_EXPORT_ENERGY_TODAY = Metric("grid_export_energy_today", "kWh", "today", "energy sold today")
BATTERY_CHARGE_ENERGY_TODAY = Metric("battery_charge_energy_today", "kWh", "today", "energy into the battery today")
BATTERY_DISCHARGE_ENERGY_TODAY = Metric(
    "battery_discharge_energy_today", "kWh", "today", "energy out of the battery today"
)
LOAD_ENERGY_TODAY = Metric("load_energy_today", "kWh", "today", "energy the house used today")

PV_ENERGY_TOTAL = Metric("pv_energy_total", "kWh", "total", "solar energy since commissioning")
GRID_IMPORT_ENERGY_TOTAL = Metric("grid_import_energy_total", "kWh", "total", "energy bought, lifetime")
GRID_EXPORT_ENERGY_TOTAL = Metric("grid_export_energy_total", "kWh", "total", "energy sold, lifetime")
BATTERY_CHARGE_ENERGY_TOTAL = Metric("battery_charge_energy_total", "kWh", "total", "energy into the battery, lifetime")
BATTERY_DISCHARGE_ENERGY_TOTAL = Metric(
    "battery_discharge_energy_total", "kWh", "total", "energy out of the battery, lifetime"
)
LOAD_ENERGY_TOTAL = Metric("load_energy_total", "kWh", "total", "energy the house used, lifetime")

METRICS: dict[str, Metric] = {row.name: row for row in list(globals().values()) if isinstance(row, Metric)}

ENERGIES = tuple(name.removesuffix("_today") for name, row in METRICS.items() if row.kind == "today")
"""What flows on a day, in kWh: by metric without its suffix."""


def published_value(value: float | None) -> float | None:
    """Return a value as every program is told it: to a thousandth of its unit; what is no number is not known.

    No cloud measures finer, and sums of floats show more (1239.8000000000002). Of two values none passes the other by
    it: a total that never falls never falls as told.

    >>> [published_value(value) for value in (1239.8000000000002, -0.0001, float("inf"), None)]
    [1239.8, 0.0, None, None]
    """
    return round(value, 3) + 0.0 if value is not None and isfinite(value) else None
