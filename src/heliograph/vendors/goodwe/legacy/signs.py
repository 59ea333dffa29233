"""Which way energy flows: the SEMS Portal sends sizes without a sign, and flags that cannot always be believed."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heliograph.vendors.goodwe.legacy.payloads import InverterRegisters, Powerflow

SLACK_WATT = 20.0
SLACK_SHARE = 0.05


class SignedPowers(NamedTuple):
    """Powers under our signs, and which rule gave them."""

    grid: float | None
    battery: float | None
    grid_rule: str
    battery_rule: str


def resolve_signs(flow: Powerflow, meters: Sequence[InverterRegisters]) -> SignedPowers:
    """Give grid and battery their signs: the grid meter's word first, then the energy balance, then the flags.

    Quirk: gridStatus stays 1 both ways on some plants while pmeter was right every time (goodwe-monitor, README).
    """
    metered = _meter_sign(flow.grid, meters)
    grid_signs = _either(metered, flow.grid_status)
    battery_signs = _either(None, flow.battery_status)
    balanced = _balance(flow, battery_signs, grid_signs)
    battery_sign, grid_sign = balanced or (_flag(flow.battery_status), metered or _flag(flow.grid_status))
    return SignedPowers(
        _times(flow.grid, grid_sign),
        _times(flow.battery, battery_sign),
        "pmeter" if metered else "balance" if balanced else "gridStatus",
        "balance" if balanced else "betteryStatus",
    )


def roughly_equal(one: float, other: float) -> bool:
    """Tell whether two readings of one power are the same but for rounding, losses and a moment between them."""
    return abs(one - other) <= max(SLACK_WATT, SLACK_SHARE * max(abs(one), abs(other)))


def is_same_meter_twice(meters: Sequence[InverterRegisters]) -> bool:
    """Tell whether several inverters each count the same grid connection.

    Quirk: the portal then adds them up, so grid power, import and export are doubled (pygoodwe issue 38, Home
    Assistant integration issue 16). Two meters that counted the same import and the same export today are one.
    """
    counts = [(row.import_today, row.export_today) for row in meters if row.import_total or row.export_total]
    known = [(bought, sold) for bought, sold in counts if bought is not None and sold is not None]
    if len(known) < 2 or sum(known[0]) < 1:
        return False
    bought, sold = known[0]
    return all(_alike(bought, other[0]) and _alike(sold, other[1]) for other in known[1:])


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= 0.05 + 0.02 * max(one, other)


def _meter_sign(size: float | None, meters: Iterable[InverterRegisters]) -> int | None:
    # Quirk: without a meter pmeter may repeat pac, so a reading that equals pac proves nothing.
    readings = [row.meter_power for row in meters if row.meter_power and row.meter_power != row.power]
    for reading in (*readings, sum(readings)):
        if size and reading and roughly_equal(abs(reading), size):
            return -1 if reading > 0 else 1
    return None


def _flag(status: float | None) -> int | None:
    """Return our sign of a flag: -1 is energy leaving the node towards the house, for grid and battery alike."""
    return -int(status) if status in (-1, 1) else None


def _either(settled: int | None, status: float | None) -> tuple[int, ...]:
    if settled is not None:
        return (settled,)
    return (-1, 1) if status == 1 else (1, -1)


def _balance(flow: Powerflow, battery_signs: tuple[int, ...], grid_signs: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the signs under which pv + grid + battery = load fits best, when it fits; a tie goes to the flags."""
    if flow.pv is None or flow.load is None or flow.grid is None:
        return None
    rest = flow.load - flow.pv
    battery, grid = flow.battery or 0.0, flow.grid

    def residual(signs: tuple[int, int]) -> float:
        return abs(rest - signs[0] * battery - signs[1] * grid)

    best = min(product(battery_signs, grid_signs), key=residual)
    slack = max(SLACK_WATT, SLACK_SHARE * max(flow.pv, flow.load, battery, grid))
    return best if residual(best) <= slack else None


def _times(size: float | None, sign: int | None) -> float | None:
    if size is None or (size and sign is None):
        return None
    return size * (sign or 1) + 0.0  # a turned zero is no minus zero
