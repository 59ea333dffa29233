"""Sign resolution for the SEMS Portal, which sends unsigned powers and unreliable direction flags."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heliograph.vendors.goodwe.legacy.payloads import InverterRegisters, Powerflow

SLACK_WATT = 20.0
SLACK_SHARE = 0.05


class SignedPowers(NamedTuple):
    """Grid and battery power in the common signs, with the rule that determined each sign."""

    grid: float | None
    battery: float | None
    grid_rule: str
    battery_rule: str


def resolve_signs(flow: Powerflow, meters: Sequence[InverterRegisters]) -> SignedPowers:
    """Return signed grid and battery powers, from the grid meter first, then the energy balance, then the flags.

    Quirk: gridStatus stays 1 both ways on some plants while pmeter was right every time (goodwe-monitor, README).
    """
    metered = _meter_sign(flow.grid, meters)
    grid_signs = _candidate_signs(metered, flow.grid_status)
    battery_signs = _candidate_signs(None, flow.battery_status)
    balanced = _balanced_signs(flow, battery_signs, grid_signs)
    battery_sign, grid_sign = balanced or (_flag_sign(flow.battery_status), metered or _flag_sign(flow.grid_status))
    return SignedPowers(
        _with_sign(flow.grid, grid_sign),
        _with_sign(flow.battery, battery_sign),
        "pmeter" if metered else "balance" if balanced else "gridStatus",
        "balance" if balanced else "betteryStatus",
    )


def roughly_equal(first: float, second: float) -> bool:
    """Return True if two powers are equal up to rounding, losses and a short time between the measurements."""
    return abs(first - second) <= max(SLACK_WATT, SLACK_SHARE * max(abs(first), abs(second)))


def is_same_meter_twice(meters: Sequence[InverterRegisters]) -> bool:
    """Return True if several inverters each count the same grid connection.

    Quirk: the portal then adds them up, so grid power, import and export are doubled (pygoodwe issue 38, Home
    Assistant integration issue 16). Two meters with equal import and export today are treated as one.
    """
    counts = [(row.import_today, row.export_today) for row in meters if row.import_total or row.export_total]
    complete = [(bought, sold) for bought, sold in counts if bought is not None and sold is not None]
    if len(complete) < 2 or sum(complete[0]) < 1:
        return False
    bought, sold = complete[0]
    return all(_same_energy(bought, other[0]) and _same_energy(sold, other[1]) for other in complete[1:])


def _same_energy(first: float, second: float) -> bool:
    return abs(first - second) <= 0.05 + 0.02 * max(first, second)


def _meter_sign(power: float | None, meters: Iterable[InverterRegisters]) -> int | None:
    # Quirk: without a meter pmeter may repeat pac, so a value equal to pac is ignored.
    readings = [row.meter_power for row in meters if row.meter_power and row.meter_power != row.power]
    for reading in (*readings, sum(readings)):
        if power and reading and roughly_equal(abs(reading), power):
            return -1 if reading > 0 else 1
    return None


def _flag_sign(status: float | None) -> int | None:
    """Return the common sign for a flag; flag -1 is energy towards the house, for both grid and battery."""
    return -int(status) if status in (-1, 1) else None


def _candidate_signs(sign: int | None, status: float | None) -> tuple[int, ...]:
    if sign is not None:
        return (sign,)
    return (-1, 1) if status == 1 else (1, -1)


def _balanced_signs(
    flow: Powerflow, battery_signs: tuple[int, ...], grid_signs: tuple[int, ...]
) -> tuple[int, int] | None:
    """Return the signs that best satisfy pv + grid + battery = load, or None; the flags decide a tie."""
    if flow.pv is None or flow.load is None or flow.grid is None:
        return None
    rest = flow.load - flow.pv
    battery, grid = flow.battery or 0.0, flow.grid

    def residual(signs: tuple[int, int]) -> float:
        return abs(rest - signs[0] * battery - signs[1] * grid)

    best = min(product(battery_signs, grid_signs), key=residual)
    slack = max(SLACK_WATT, SLACK_SHARE * max(flow.pv, flow.load, battery, grid))
    return best if residual(best) <= slack else None


def _with_sign(power: float | None, sign: int | None) -> float | None:
    if power is None or (power and sign is None):
        return None
    return power * (sign or 1) + 0.0  # + 0.0 avoids a negative zero
