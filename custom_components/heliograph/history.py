"""A day's energy divided into hours by its curve, as Home Assistant's statistics need it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.integrate import POWER_OF_ENERGY, POWERS
from heliograph.metrics import ENERGIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

CURVE_METRICS = (*POWERS, *(f"{energy}_today" for energy in ENERGIES))
"""The metrics that show when energy flowed."""

_HOUR = 3600
_EXACT = 0.02
_READ_WITH_POWER = 0.9
_PLAUSIBLE = 0.5
"""A curve divides a day if its energy is at least this share of the day's, and the day's of its."""


class CurvePoint(NamedTuple):
    """A part of an hour: mean powers in W, and the highest reading of each daily counter in kWh."""

    start: int
    """In epoch seconds."""
    seconds: int
    values: Mapping[str, float | None]


class HourEnergy(NamedTuple):
    """The energy of a full hour in kWh; `start` is a time in epoch seconds."""

    start: int
    kwh: float


def hours_of_day(energy: str, kwh: float, curve: Sequence[CurvePoint], bounds: tuple[int, int]) -> Iterator[HourEnergy]:
    """Divide a day's energy into its hours by its curve; the hours add up to the day.

    `bounds` are the day's first second and the next day's. Hours are full in UTC. What a zone such as India's has
    before its first full hour is part of that hour, so that a sum over the local day is the day's energy.
    A day without a plausible curve is one row, at its first hour: when its energy flowed is unknown.
    """
    first = -(-bounds[0] // _HOUR) * _HOUR
    weights: dict[int, float] = {}
    for point, weight in _weights(energy, kwh, curve):
        hour = max((point.start + point.seconds // 2) // _HOUR * _HOUR, first)
        weights[hour] = weights.get(hour, 0.0) + weight
    total = sum(weights.values())
    if not total:
        yield HourEnergy(first, kwh)
        return
    done = passed = 0.0
    for hour in sorted(weights):
        passed += weights[hour]
        reached = round(kwh * min(1.0, passed / total), 3)
        yield HourEnergy(hour, round(reached - done, 3))
        done = reached


def _weights(energy: str, kwh: float, curve: Sequence[CurvePoint]) -> Sequence[tuple[CurvePoint, float]]:
    """Return the energies of the curve's parts in kWh; none if the curve contradicts the day.

    A daily counter is exact if it reaches the day's energy and was read wherever the power was. Curves from the clouds
    have powers only; a mean power hides what flowed both ways within its time.
    """
    counted: list[tuple[CurvePoint, float]] = []
    powered: list[tuple[CurvePoint, float]] = []
    power, sign = POWER_OF_ENERGY[energy]
    before = 0.0
    for point in curve:
        if (reading := point.values.get(f"{energy}_today")) is not None:
            counted.append((point, max(0.0, reading - before)))
            before = max(before, reading)
        if (watts := point.values.get(power)) is not None:
            powered.append((point, max(0.0, sign * watts) * point.seconds / 3_600_000))
    if abs(before - kwh) <= _EXACT * kwh and len(counted) >= _READ_WITH_POWER * len(powered):
        return counted
    for found in (powered, counted):
        if kwh * _PLAUSIBLE <= sum(weight for _, weight in found) <= kwh / _PLAUSIBLE:
            return found
    return ()


def windows(first: date, last: date, days: int) -> Iterator[tuple[date, date]]:
    """Yield windows of at most `days` days from `first` to `last`, both included.

    >>> [f"{since:%d}-{until:%d}" for since, until in windows(date(2026, 6, 1), date(2026, 6, 5), 2)]
    ['01-02', '03-04', '05-05']
    """
    while first <= last:
        until = min(first + timedelta(days=days - 1), last)
        yield first, until
        first = until + timedelta(days=1)
