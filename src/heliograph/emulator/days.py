"""Day-by-day simulation of one household: solar panels, load, battery and meter in 5-minute steps.

Powers are whole tenths of a watt and constant within a step, so energies are integers too, and a day is exactly the
sum of its curve. pv + grid + battery = load holds in every step; battery losses are internal.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, tzinfo
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from heliograph.emulator.weather import STEP_SECONDS, STEPS_PER_DAY, Weather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.emulator.api import HardwareProfile

TENTHS_PER_WATT = 10
UNITS_PER_KWH = 1000 * TENTHS_PER_WATT * 3600 // STEP_SECONDS
"""Energy units (0.1 W over one step) per kWh."""

ENERGIES = (
    "pv_energy",
    "grid_import_energy",
    "grid_export_energy",
    "battery_charge_energy",
    "battery_discharge_energy",
    "load_energy",
)

EnergyAmounts = tuple[float, ...]
"""One amount per name in `ENERGIES`, in energy units; integers at step boundaries."""

_ONE_WAY = math.sqrt(0.9)
"""One-way battery efficiency; the round trip is 90 %."""
_RESERVE = 0.1
_INITIAL_DAYS_BACK = 4
_MAX_CACHED_DAYS = 3


class SimulatedDay(NamedTuple):
    """One local day of 23, 24 or 25 hours with one value per step; `stored` has one more, for the end of the day."""

    first: int
    pv: list[int]
    load: list[int]
    battery: list[int]
    grid: list[int]
    stored: list[float]

    def energies(self, start: int, end: int) -> EnergyAmounts:
        """Return the energies of the steps `start` to `end`, exclusive."""
        grid, battery = self.grid[start:end], self.battery[start:end]
        imported = sum([flow for flow in grid if flow > 0])
        discharged = sum([flow for flow in battery if flow > 0])
        exported, charged = imported - sum(grid), discharged - sum(battery)
        return (sum(self.pv[start:end]), imported, exported, charged, discharged, sum(self.load[start:end]))


class DayCache:
    """Simulates and caches the local days of one household, counted from its epoch; the access order has no effect."""

    def __init__(self, profile: HardwareProfile, weather: Weather, zone: tzinfo, epoch: date, seed: str) -> None:
        rng = Random(seed)  # noqa: S311 - load habits, not secrets
        self.epoch = epoch
        self.capacity = profile.battery_capacity * UNITS_PER_KWH
        self._profile = profile
        self._weather = weather
        self._zone = zone
        self._seed = seed
        self._peak = profile.peak_power * TENTHS_PER_WATT * rng.uniform(0.82, 0.95)
        self._shape = _load_shape(profile.load_kwh_per_day, rng)
        self._battery_power = int(profile.battery_power * TENTHS_PER_WATT)
        self._reserve = self.capacity * _RESERVE
        self._stored_before = {0: self.capacity * rng.uniform(0.2, 0.6)}
        self._tallies: dict[int, EnergyAmounts] = {}
        self._cached_days: dict[int, SimulatedDay] = {}

    def first_step(self, index: int) -> int:
        """Return the first step of a local day."""
        day = self.epoch + timedelta(days=index)
        return int(datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()) // STEP_SECONDS

    def day(self, index: int) -> SimulatedDay:
        """Return one simulated day."""
        found = self._cached_days.get(index)
        if found is None:
            found = self._simulate(index)
            if len(self._cached_days) >= _MAX_CACHED_DAYS:
                self._cached_days.clear()
            self._cached_days[index] = found
            self._stored_before[index + 1] = found.stored[-1]
            self._tallies[index] = found.energies(0, len(found.pv))
        return found

    def energies(self, first: int, end: int) -> EnergyAmounts:
        """Return the energies of the days `first` to `end`, exclusive."""
        for index in range(first, end):
            if index not in self._tallies:
                self.day(index)
        columns = zip(*(self._tallies[index] for index in range(first, end)), strict=True)
        return tuple(map(sum, columns)) or (0,) * len(ENERGIES)

    def _simulate(self, index: int) -> SimulatedDay:
        first, pv, load = self._solar_and_load(index)
        battery, stored = self._dispatch(pv, load, self._initial_storage(index))
        grid = [demand - solar - flow for demand, solar, flow in zip(load, pv, battery, strict=True)]
        if self._profile.off_grid:
            pv = [solar + min(0, flow) for solar, flow in zip(pv, grid, strict=True)]
            grid = [max(0, flow) for flow in grid]
        return SimulatedDay(first, pv, load, battery, grid, stored)

    def _solar_and_load(self, index: int) -> tuple[int, list[int], list[int]]:
        first, end = self.first_step(index), self.first_step(index + 1)
        rng = Random(f"{self._seed}/{index}")  # noqa: S311
        busy, chance, peak = rng.uniform(0.7, 1.1), rng.random, self._peak
        load = [int(usual * (busy + 0.2 * chance())) for usual in (self._shape * 2)[: end - first]]
        return first, [int(light * peak) for light in self._weather.irradiance(first, end)], load

    def _initial_storage(self, index: int) -> float:
        """Return the stored energy at the start of a day, without simulating all days before it.

        Once a battery was full or at its reserve, its earlier state has no influence. So a full and an empty battery
        are simulated from some days earlier; when both reach the same state, any other start reaches it too.
        """
        days_back = _INITIAL_DAYS_BACK
        while index not in self._stored_before:
            first = max(0, index - days_back)
            known = self._stored_before.get(first)
            low, high = (self._reserve, self.capacity) if known is None else (known, known)
            for between in range(first, index):
                _, pv, load = self._solar_and_load(between)
                low, high = (self._dispatch(pv, load, stored)[1][-1] for stored in (low, high))
            if low == high:
                self._stored_before[index] = low
            days_back *= 2
        return self._stored_before[index]

    def _dispatch(self, pv: Sequence[int], load: Sequence[int], stored: float) -> tuple[list[int], list[float]]:
        """Return the battery power per step and the stored energy at each step boundary; the load has priority."""
        if not self.capacity:
            return [0] * len(pv), [0.0] * (len(pv) + 1)
        capacity, power, reserve = self.capacity, self._battery_power, self._reserve
        flows, holds = [], [stored]
        for solar, demand in zip(pv, load, strict=True):
            if solar > demand:
                flow, room = -min(solar - demand, power), int((capacity - stored) / _ONE_WAY)
                if -flow < room:
                    stored -= flow * _ONE_WAY
                else:  # exactly full, so that earlier states have no influence
                    flow, stored = -room, capacity
            else:
                flow, room = min(demand - solar, power), int((stored - reserve) * _ONE_WAY)
                if flow < room:
                    stored -= flow / _ONE_WAY
                else:
                    flow, stored = room, reserve
            flows.append(flow)
            holds.append(stored)
        return flows, holds


def _load_shape(kwh_per_day: float, rng: Random) -> list[float]:
    """Return the typical load of a local day: base load, morning and evening peak."""
    morning, evening = 7 + rng.uniform(-1, 1), 19 + rng.uniform(-1.5, 1)
    hours = [step * 24 / STEPS_PER_DAY for step in range(STEPS_PER_DAY)]
    shape = [1 + 2 * _peak_shape(hour - morning, 1.2) + 3 * _peak_shape(hour - evening, 2.0) for hour in hours]
    scale = kwh_per_day * UNITS_PER_KWH / sum(shape)
    return [value * scale for value in shape]


def _peak_shape(distance: float, width: float) -> float:
    return math.exp(-((distance / width) ** 2) / 2)
