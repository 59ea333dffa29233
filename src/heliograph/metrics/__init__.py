"""Published metrics of a plant: name, unit, kind and meaning, one row each; `device` has those of single devices.

Signs are those of evcc, Home Assistant and OpenEMS: grid + is import, battery + is discharge, so that
pv + grid + battery = load within losses.
"""

from __future__ import annotations

import re
from math import inf, isfinite
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Unit = Literal["W", "kWh", "%", "V", "A", "Hz", "°C"]
MetricKind = Literal["gauge", "today", "total"]
MetricName = Literal[
    "pv_power",
    "grid_power",
    "battery_power",
    "load_power",
    "ac_power",
    "battery_soc",
    "pv_energy_today",
    "grid_import_energy_today",
    "grid_export_energy_today",
    "battery_charge_energy_today",
    "battery_discharge_energy_today",
    "load_energy_today",
    "pv_energy_total",
    "grid_import_energy_total",
    "grid_export_energy_total",
    "battery_charge_energy_total",
    "battery_discharge_energy_total",
    "load_energy_total",
]


class Metric(NamedTuple):
    """One published quantity; `today` counters restart at plant-local midnight, `total` counters never fall.

    A value below `minimum` or above `maximum` is not plausible; the power of a plant limits its energies further.
    """

    name: str
    unit: Unit
    kind: MetricKind
    meaning: str
    minimum: float = -inf
    maximum: float = inf


_MAX_POWER = 10e6
"""In W; larger than any plant of these clouds."""
_MAX_TODAY = _MAX_POWER * 25 / 1000
"""In kWh: this power during the longest day."""
_MAX_TOTAL = _MAX_TODAY * 366 * 50

PV_POWER = Metric("pv_power", "W", "gauge", "power of all solar panels, never negative", 0.0, _MAX_POWER)
GRID_POWER = Metric("grid_power", "W", "gauge", "power from the grid; negative is export", -_MAX_POWER, _MAX_POWER)
BATTERY_POWER = Metric(
    "battery_power", "W", "gauge", "power out of the battery; negative is charging", -_MAX_POWER, _MAX_POWER
)
LOAD_POWER = Metric("load_power", "W", "gauge", "power consumed by the house, never negative", 0.0, _MAX_POWER)
AC_POWER = Metric("ac_power", "W", "gauge", "AC output of the inverters", -_MAX_POWER, _MAX_POWER)
BATTERY_SOC = Metric("battery_soc", "%", "gauge", "state of charge of the battery", 0.0, 100.0)


def _energy(name: str, kind: MetricKind, meaning: str) -> Metric:
    return Metric(name, "kWh", kind, meaning, 0.0, _MAX_TODAY if kind == "today" else _MAX_TOTAL)


PV_ENERGY_TODAY = _energy("pv_energy_today", "today", "solar energy since plant-local midnight")
GRID_IMPORT_ENERGY_TODAY = _energy("grid_import_energy_today", "today", "energy imported from the grid today")
GRID_EXPORT_ENERGY_TODAY = _energy("grid_export_energy_today", "today", "energy exported to the grid today")
BATTERY_CHARGE_ENERGY_TODAY = _energy("battery_charge_energy_today", "today", "energy charged into the battery today")
BATTERY_DISCHARGE_ENERGY_TODAY = _energy(
    "battery_discharge_energy_today", "today", "energy discharged from the battery today"
)
LOAD_ENERGY_TODAY = _energy("load_energy_today", "today", "energy consumed by the house today")

PV_ENERGY_TOTAL = _energy("pv_energy_total", "total", "solar energy since commissioning")
GRID_IMPORT_ENERGY_TOTAL = _energy("grid_import_energy_total", "total", "energy imported from the grid, lifetime")
GRID_EXPORT_ENERGY_TOTAL = _energy("grid_export_energy_total", "total", "energy exported to the grid, lifetime")
BATTERY_CHARGE_ENERGY_TOTAL = _energy(
    "battery_charge_energy_total", "total", "energy charged into the battery, lifetime"
)
BATTERY_DISCHARGE_ENERGY_TOTAL = _energy(
    "battery_discharge_energy_total", "total", "energy discharged from the battery, lifetime"
)
LOAD_ENERGY_TOTAL = _energy("load_energy_total", "total", "energy consumed by the house, lifetime")

METRICS: dict[str, Metric] = {row.name: row for row in list(globals().values()) if isinstance(row, Metric)}

ENERGIES = tuple(name.removesuffix("_today") for name, row in METRICS.items() if row.kind == "today")
"""Energies of a day, month or year in kWh: names of the `today` metrics without the suffix."""


def published_value(value: float | None) -> float | None:
    """Round a value to 3 decimals for publication; NaN and infinity become None.

    No vendor API measures finer, and sums of floats show more digits (1239.8000000000002). Rounding keeps the order of
    values, so a total that never falls never falls when published.

    >>> [published_value(value) for value in (1239.8000000000002, -0.0001, float("inf"), None)]
    [1239.8, 0.0, None, None]
    """
    return round(value, 3) + 0.0 if value is not None and isfinite(value) else None


def display_name(name: str, words: Mapping[str, str]) -> str:
    """Return the name of a metric for people; `words` replaces words of it, such as abbreviations.

    >>> display_name("pv1_power", {"pv": "PV"}), display_name("grid_import_energy_today", {})
    ('PV 1 power', 'Grid import energy today')
    """
    parts = re.sub(r"(?<=[a-z])(?=[0-9])", "_", name).split("_")
    text = " ".join(words.get(part, part) for part in parts)
    return text[0].upper() + text[1:]
