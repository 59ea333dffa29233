"""What the emulated homes of a plant did together, by period."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.emulator.api import EmulatedPlant


def energies_of(site: EmulatedPlant, period: str) -> dict[str, float]:
    """Return the energies of a period, kWh, of all homes of a plant, and what follows from them.

    `production` is what the inverters gave as AC, which on a hybrid is not what the sun gave; `self_used` is what of
    it stayed at home.
    """
    homes = [home.energies(period) for home in site.households]
    found = {name: sum(one[name] for one in homes) for name in homes[0]}
    stored = found.get("battery_charge_energy", 0.0) - found.get("battery_discharge_energy", 0.0)
    found["production"] = found["pv_energy"] - stored
    if "grid_export_energy" in found:
        found["self_used"] = found["production"] - found["grid_export_energy"]
    return found


def curve_of(site: EmulatedPlant, day: str) -> list[tuple[datetime, dict[str, float]]]:
    """Return the powers of a local day of all homes of a plant, added up; a state of charge is the first one's."""
    rows = zip(*(home.curve(day) for home in site.households), strict=True)
    return [
        (row[0][0], {**{name: sum(values[name] for _, values in row) for name in row[0][1]}, **_soc(row[0][1])})
        for row in rows
    ]


def _soc(values: dict[str, float]) -> dict[str, float]:
    return {"battery_soc": values["battery_soc"]} if "battery_soc" in values else {}
