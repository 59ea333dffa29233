"""What the emulated homes of a plant did together, by period."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.answers import Site


def energies_of(site: Site, period: str) -> dict[str, float]:
    """Return the energies of a period, kWh, of all homes of a plant."""
    found = [home.energies(period) for home in site.homes]
    return {name: sum(one[name] for one in found) for name in found[0]}


def curve_of(site: Site, day: str) -> list[tuple[datetime, dict[str, float]]]:
    """Return the powers of a local day of all homes of a plant, added up; a state of charge is the first one's."""
    rows = zip(*(home.curve(day) for home in site.homes), strict=True)
    return [
        (row[0][0], {**{name: sum(values[name] for _, values in row) for name in row[0][1]}, **_soc(row[0][1])})
        for row in rows
    ]


def _soc(values: dict[str, float]) -> dict[str, float]:
    return {"battery_soc": values["battery_soc"]} if "battery_soc" in values else {}
