"""Energies and power curves of an emulated plant, summed over its households."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.emulator.api import EmulatedPlant


def energies_of(plant: EmulatedPlant, period: str) -> dict[str, float]:
    """Return the energies of a plant in a period in kWh, summed over its households, with derived values.

    `production` is the AC output of the inverters, which on a hybrid differs from the PV energy; `self_used` is the
    part of it that was not exported.
    """
    rows = [home.energies(period) for home in plant.households]
    energies = {name: sum(row[name] for row in rows) for name in rows[0]}
    stored = energies.get("battery_charge_energy", 0.0) - energies.get("battery_discharge_energy", 0.0)
    energies["production"] = energies["pv_energy"] - stored
    if "grid_export_energy" in energies:
        energies["self_used"] = energies["production"] - energies["grid_export_energy"]
    return energies


def curve_of(plant: EmulatedPlant, day: str) -> list[tuple[datetime, dict[str, float]]]:
    """Return the powers of a plant over a local day, summed over its households; `battery_soc` is the first one's."""
    rows = zip(*(home.curve(day) for home in plant.households), strict=True)
    return [
        (row[0][0], {**{name: sum(values[name] for _, values in row) for name in row[0][1]}, **_soc(row[0][1])})
        for row in rows
    ]


def _soc(values: dict[str, float]) -> dict[str, float]:
    return {"battery_soc": values["battery_soc"]} if "battery_soc" in values else {}
