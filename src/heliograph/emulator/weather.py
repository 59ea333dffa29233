"""Solar irradiance: the sun's elevation, dimmed by random clouds."""

from __future__ import annotations

import math
from array import array
from itertools import pairwise
from random import Random
from typing import NamedTuple

STEP_SECONDS = 300
STEPS_PER_DAY = 24 * 3600 // STEP_SECONDS
"""5-minute steps of a UTC day; values are constant within a step."""

_KNOTS = 48
_STEPS_PER_KNOT = STEPS_PER_DAY // _KNOTS
_NOON_2000 = 10_957.5
"""Days from 1970-01-01T00:00Z to 2000-01-01T12:00Z, from which the sun's position is computed."""
_SUN_DAYS = 8
"""The elevation is computed for every eighth day only; interpolation between them is off by less than 0.1°."""


class Location(NamedTuple):
    """Latitude and longitude in degrees."""

    latitude: float
    longitude: float


class Weather:
    """Irradiance relative to the panels' rating; depends on seed, location and time only.

    Steps and days are counted from 1970-01-01T00:00Z.
    """

    def __init__(self, place: Location, seed: int) -> None:
        self.location = place
        self._seed = seed
        self._elevations: dict[int, list[float]] = {}
        self._days: dict[int, array[float]] = {}

    def irradiance(self, first: int, end: int) -> array[float]:
        """Return the irradiance of the steps `first` to `end`, exclusive."""
        light: array[float] = array("d")
        for day in range(first // STEPS_PER_DAY, (end - 1) // STEPS_PER_DAY + 1):
            light.extend(self._day(day)[max(0, first - day * STEPS_PER_DAY) : end - day * STEPS_PER_DAY])
        return light

    def elevation(self, step: int) -> float:
        """Return the sun's elevation in degrees."""
        day, rest = divmod(step, STEPS_PER_DAY)
        return self._elevations_of(day)[rest]

    def _day(self, day: int) -> array[float]:
        found = self._days.get(day)
        if found is None:
            transmission = _interpolate(self._clouds(day) + self._clouds(day + 1)[:1])
            found = array("d", map(_irradiance, self._elevations_of(day), transmission))
            self._days[day] = found
        return found

    def _clouds(self, day: int) -> list[float]:
        """Return the fraction of light that passes the clouds of a day, per half hour."""
        rng = Random(f"{self._seed}/clouds/{day}")  # noqa: S311 - weather, not secrets
        cover = rng.random() ** 1.5
        rough = 0.9 * cover * (1.2 - cover)
        return [1 - 0.8 * min(1.0, max(0.0, cover + rough * (rng.random() - 0.5))) for _ in range(_KNOTS)]

    def _elevations_of(self, day: int) -> list[float]:
        before = day - day % _SUN_DAYS
        share = (day - before) / _SUN_DAYS
        pairs = zip(self._sun_knots(before), self._sun_knots(before + _SUN_DAYS), strict=True)
        return _interpolate([early + (late - early) * share for early, late in pairs])

    def _sun_knots(self, day: int) -> list[float]:
        found = self._elevations.get(day)
        if found is None:
            found = [sun_elevation(self.location, day + knot / _KNOTS) for knot in range(_KNOTS + 1)]
            self._elevations[day] = found
        return found


def sun_elevation(place: Location, day: float) -> float:
    """Return the elevation of the sun's centre above the horizon in degrees, without refraction.

    `day` is counted from 1970-01-01T00:00Z. The equations are the low-precision ones of the Astronomical Almanac,
    which are off by 0.01 degrees between 1950 and 2050.

    >>> round(sun_elevation(Location(50.0, 10.0), 20625 + 11.36 / 24), 1)  # 2026-06-21, noon at 10 degrees east
    63.4
    """
    since_2000 = day - _NOON_2000
    anomaly = math.radians(357.528 + 0.9856003 * since_2000)
    longitude = math.radians(
        280.460 + 0.9856474 * since_2000 + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly)
    )
    tilt = math.radians(23.439 - 0.0000004 * since_2000)
    declination = math.asin(math.sin(tilt) * math.sin(longitude))
    right_ascension = math.atan2(math.cos(tilt) * math.sin(longitude), math.cos(longitude))
    sidereal = math.radians(280.46062 + 360.98564737 * since_2000 + place.longitude)
    latitude = math.radians(place.latitude)
    return math.degrees(
        math.asin(
            math.sin(latitude) * math.sin(declination)
            + math.cos(latitude) * math.cos(declination) * math.cos(sidereal - right_ascension)
        )
    )


def _interpolate(knots: list[float]) -> list[float]:
    """Interpolate linearly between knots, one value per step.

    >>> _interpolate([0.0, 6.0, 0.0])
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    """
    shares = [step / _STEPS_PER_KNOT for step in range(_STEPS_PER_KNOT)]
    return [left + (right - left) * share for left, right in pairwise(knots) for share in shares]


def _irradiance(elevation: float, transmission: float) -> float:
    """Return the irradiance for a sun elevation in degrees (Haurwitz 1945), dimmed by clouds.

    >>> _irradiance(-0.1, 1.0), round(_irradiance(90, 1.0), 2), round(_irradiance(30, 0.5), 2)
    (0.0, 1.04, 0.24)
    """
    if elevation <= 0:
        return 0.0
    height = math.sin(math.radians(elevation))
    return 1.098 * height * math.exp(-0.057 / height) * transmission
