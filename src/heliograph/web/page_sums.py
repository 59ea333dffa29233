"""What follows from a plant's energies: what was used at home, and what was its own. Nothing is guessed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.metrics import ENERGIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Split(NamedTuple):
    """An energy in two parts, in kWh; the second part is what went to or came from the grid."""

    whole: float
    own: float | None
    grid: float | None

    @property
    def share(self) -> float | None:
        """Percent of the whole that had nothing to do with the grid."""
        return None if self.own is None else 100 * self.own / self.whole


def of_sun(values: Mapping[str, float | None], ending: str = "") -> Split | None:
    """Split the sun's energy into what was used here and what was sold: self-consumption.

    >>> of_sun({"pv_energy": 20.0, "grid_export_energy": 5.0}).share
    75.0
    """
    return _split(values.get(f"pv_energy{ending}"), values.get(f"grid_export_energy{ending}"))


def of_house(values: Mapping[str, float | None], ending: str = "") -> Split | None:
    """Split the house's energy into its own and what was bought: autarky.

    >>> of_house({"load_energy": 10.0, "grid_import_energy": None})
    Split(whole=10.0, own=None, grid=None)
    """
    return _split(values.get(f"load_energy{ending}"), values.get(f"grid_import_energy{ending}"))


def _split(whole: float | None, grid: float | None) -> Split | None:
    """Split a whole; where a battery trades with the grid, more than the whole can flow there: no share is known."""
    if whole is None or whole <= 0:
        return None
    if grid is None or not 0 <= grid <= whole:
        return Split(whole, None, None)
    return Split(whole, whole - grid, grid)


def added(days: Iterable[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Add up what is known of several days; what is known of none is a gap."""
    sums: dict[str, float | None] = dict.fromkeys(ENERGIES)
    for values in days:
        for name in ENERGIES:
            value = values.get(name)
            if value is not None:
                sums[name] = round((sums[name] or 0.0) + value, 3)
    return sums
