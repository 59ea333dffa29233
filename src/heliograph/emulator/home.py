"""The physics of one home: panels, load, battery and meter, in 5-minute steps that add up to the last digit.

Powers are whole tenths of a watt and constant within a step, so energies are whole numbers too, and a day is
exactly the sum of its curve. pv + grid + battery = load holds in every step; what a battery loses, it loses inside.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, tzinfo
from operator import add
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from heliograph.emulator.sky import STEP_SECONDS, STEPS, Sky
from heliograph.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heliograph.answers import HomePlan

_TENTHS = 10
_PER_KWH = 1000 * _TENTHS * 3600 // STEP_SECONDS
"""Tenths of a watt over one step that make a kilowatt hour."""
_ONE_WAY = math.sqrt(0.9)
"""Efficiency into or out of the battery: nine tenths come back."""
_RESERVE = 0.1
_KEPT_DAYS = 8

ENERGIES = (
    "pv_energy",
    "grid_import_energy",
    "grid_export_energy",
    "battery_charge_energy",
    "battery_discharge_energy",
    "load_energy",
)

Tally = tuple[float, ...]
"""One amount per name of ENERGIES, in units of which `_PER_KWH` make a kilowatt hour; whole at step boundaries."""

_NOTHING: Tally = (0,) * len(ENERGIES)


class _Day(NamedTuple):
    """One local day of 23, 24 or 25 hours, a value per step; `stored` has one more, for the end."""

    first: int
    pv: list[int]
    load: list[int]
    battery: list[int]
    grid: list[int]
    stored: list[float]

    def tally(self, start: int, end: int) -> Tally:
        """Return what flowed in the steps from `start` up to, not including, `end`."""
        grid, battery = self.grid[start:end], self.battery[start:end]
        bought = sum([flow for flow in grid if flow > 0])
        given = sum([flow for flow in battery if flow > 0])
        sold, taken = bought - sum(grid), given - sum(battery)
        return (sum(self.pv[start:end]), bought, sold, taken, given, sum(self.load[start:end]))


class Home:
    """One home, simulated day after day from its epoch, the first day its cloud account knew, and remembered."""

    def __init__(
        self, plan: HomePlan, sky: Sky, zone: tzinfo, epoch: date, seed: str, uploaded_at: Callable[[], datetime]
    ) -> None:
        dice = Random(seed)  # noqa: S311 - a home's habits, not secrets
        self.zone = zone
        self.peak_power = plan.peak_power
        self.battery_capacity = plan.battery_capacity
        self.has_meter = plan.has_meter
        self.latitude = round(sky.place.latitude + dice.uniform(-0.02, 0.02), 4)
        self.longitude = round(sky.place.longitude + dice.uniform(-0.02, 0.02), 4)
        self._plan = plan
        self._sky = sky
        self._epoch = epoch
        self._seed = seed
        self._uploaded_at = uploaded_at
        self._peak = plan.peak_power * _TENTHS * dice.uniform(0.82, 0.95)
        self._shape = _load_shape(plan.load_kwh_per_day, dice)
        self._earlier_years = dice.randint(1, 5)
        self._capacity = plan.battery_capacity * _PER_KWH
        self._battery_power = int(plan.battery_power * _TENTHS)
        self._known = _known(plan)
        self._flowed_before: list[Tally] = [_NOTHING]
        self._stored_before = [self._capacity * dice.uniform(0.2, 0.6)]
        self._kept: dict[int, _Day] = {}

    def values(self, at: datetime) -> dict[str, float]:
        """Return every metric this home can truly know at a moment: powers, soc, `_today` and `_total`."""
        index, step, share = self._place(at)
        today = self._flowed_in(index, step, share)
        self._reach(index)
        total = map(add, map(add, self._lifetime_before_epoch(), self._flowed_before[index]), today)
        values = self._gauges(self._day(index), step, share)
        for name, amount, lifetime in zip(ENERGIES, today, total, strict=True):
            values[f"{name}_today"] = amount / _PER_KWH
            values[f"{name}_total"] = lifetime / _PER_KWH
        return {name: values[name] for name in METRICS if name in self._known}

    def curve(self, day: str) -> list[tuple[datetime, dict[str, float]]]:
        """Return the powers and soc of a local day at each 5-minute boundary, in local time.

        A day that has not begun, or came before the epoch, has none.
        """
        index = (date.fromisoformat(day) - self._epoch).days
        if index < 0 or self._midnight(index) * STEP_SECONDS > self._uploaded_at().timestamp():
            return []
        steps = self._day(index)
        moments = (
            datetime.fromtimestamp((steps.first + step) * STEP_SECONDS, self.zone) for step in range(len(steps.pv))
        )
        return [
            (moment, {name: value for name, value in self._gauges(steps, step, 0.0).items() if name in self._known})
            for step, moment in enumerate(moments)
        ]

    def energies(self, period: str) -> dict[str, float]:
        """Return the energies of a local day, month or year up to the newest upload, kWh.

        Nothing has flowed yet in the future; what flowed before the epoch only the `_total` counters know.
        """
        first, after = _bounds(period)
        uploaded = self._uploaded_at()
        start = self._flowed_until(first, uploaded)
        end = self._flowed_until(after, uploaded)
        amounts = zip(ENERGIES, start, end, strict=True)
        return {name: (late - early) / _PER_KWH for name, early, late in amounts if f"{name}_total" in self._known}

    def _flowed_until(self, day: date, uploaded: datetime) -> Tally:
        """Return what flowed from the epoch to the midnight a day begins with, or to the newest upload."""
        index = max(0, (day - self._epoch).days)
        if self._midnight(index) * STEP_SECONDS <= uploaded.timestamp():
            self._reach(index)
            return self._flowed_before[index]
        index, step, share = self._place(uploaded)
        self._reach(index)
        return tuple(map(add, self._flowed_before[index], self._flowed_in(index, step, share)))

    def _flowed_in(self, index: int, step: int, share: float) -> Tally:
        day = self._day(index)
        whole = day.tally(0, step)
        return tuple(map(add, whole, (flow * share for flow in day.tally(step, step + 1)))) if share else whole

    def _lifetime_before_epoch(self) -> Tally:
        """Return what the counters showed at the epoch: some years like the first one we simulate."""
        year = (date(self._epoch.year + 1, self._epoch.month, self._epoch.day) - self._epoch).days
        self._reach(year)
        return tuple(amount * self._earlier_years for amount in self._flowed_before[year])

    def _gauges(self, day: _Day, step: int, share: float) -> dict[str, float]:
        stored = day.stored[step] + (day.stored[step + 1] - day.stored[step]) * share
        return {
            "pv_power": day.pv[step] / _TENTHS,
            "grid_power": day.grid[step] / _TENTHS,
            "battery_power": day.battery[step] / _TENTHS,
            "load_power": day.load[step] / _TENTHS,
            "ac_power": (day.pv[step] + day.battery[step]) / _TENTHS,
            "battery_soc": round(100 * stored / self._capacity, 3) if self._capacity else 0.0,
        }

    def _place(self, at: datetime) -> tuple[int, int, float]:
        """Return the local day of a moment, its step there, and the share of the step that is over."""
        index = (at.astimezone(self.zone).date() - self._epoch).days
        if index < 0:
            raise ValueError(f"nothing is known before {self._epoch.isoformat()}")
        step, seconds = divmod(at.timestamp(), STEP_SECONDS)
        return index, int(step) - self._midnight(index), seconds / STEP_SECONDS

    def _midnight(self, index: int) -> int:
        """Return the step a local day begins with."""
        day = self._epoch + timedelta(days=index)
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()) // STEP_SECONDS

    def _reach(self, index: int) -> None:
        """Simulate until the beginning of a day is known."""
        while len(self._flowed_before) <= index:
            last = len(self._flowed_before) - 1
            day = self._simulate(last)
            self._flowed_before.append(tuple(map(add, self._flowed_before[last], day.tally(0, len(day.pv)))))
            self._stored_before.append(day.stored[-1])

    def _day(self, index: int) -> _Day:
        if index not in self._kept:
            self._reach(index)
            if len(self._kept) >= _KEPT_DAYS:
                self._kept.clear()
            self._kept[index] = self._simulate(index)
        return self._kept[index]

    def _simulate(self, index: int) -> _Day:
        first, end = self._midnight(index), self._midnight(index + 1)
        dice = Random(f"{self._seed}/{index}")  # noqa: S311
        busy = dice.uniform(0.7, 1.1)
        shape = (self._shape * 2)[: end - first]
        chance = dice.random
        load = [int(usual * (busy + 0.2 * chance())) for usual in shape]
        peak = self._peak
        pv = [int(light * peak) for light in self._sky.between(first, end)]
        battery, stored = self._dispatch(pv, load, self._stored_before[index])
        grid = [need - sun - flow for need, sun, flow in zip(load, pv, battery, strict=True)]
        if self._plan.off_grid:
            pv = [sun + min(0, flow) for sun, flow in zip(pv, grid, strict=True)]
            grid = [max(0, flow) for flow in grid]
        return _Day(first, pv, load, battery, grid, stored)

    def _dispatch(self, pv: Sequence[int], load: Sequence[int], stored: float) -> tuple[list[int], list[float]]:
        """Return what the battery does in each step, and what it holds at each boundary: the home comes first."""
        if not self._capacity:
            return [0] * len(pv), [0.0] * (len(pv) + 1)
        capacity, power, reserve = self._capacity, self._battery_power, self._capacity * _RESERVE
        flows, holds = [], [stored]
        for sun, need in zip(pv, load, strict=True):
            if sun > need:
                flow = -min(sun - need, power, int((capacity - stored) / _ONE_WAY))
                stored -= flow * _ONE_WAY
            else:
                flow = min(need - sun, power, int((stored - reserve) * _ONE_WAY))
                stored -= flow / _ONE_WAY
            flows.append(flow)
            holds.append(stored)
        return flows, holds


def _known(plan: HomePlan) -> frozenset[str]:
    """Return the metrics such a home can tell."""
    parts = ["pv", "ac"]
    if plan.battery_capacity:
        parts.append("battery")
    if plan.has_meter or plan.off_grid:
        parts += ["load", "grid_power", "grid_import"]
    if plan.has_meter and not plan.off_grid:
        parts.append("grid_export")
    return frozenset(name for name in METRICS if name.startswith(tuple(parts)))


def _load_shape(kwh_per_day: float, dice: Random) -> list[float]:
    """Return the usual load of a local day: a base, a morning, an evening."""
    morning, evening = 7 + dice.uniform(-1, 1), 19 + dice.uniform(-1.5, 1)
    hours = [step * 24 / STEPS for step in range(STEPS)]
    shape = [1 + 2 * _hump(hour - morning, 1.2) + 3 * _hump(hour - evening, 2.0) for hour in hours]
    scale = kwh_per_day * _PER_KWH / sum(shape)
    return [value * scale for value in shape]


def _hump(distance: float, width: float) -> float:
    return math.exp(-((distance / width) ** 2) / 2)


def _bounds(period: str) -> tuple[date, date]:
    """Return the first day of a period and the day after it.

    >>> _bounds("2026-12")
    (datetime.date(2026, 12, 1), datetime.date(2027, 1, 1))
    """
    year, month, day = (*map(int, period.split("-")), None, None)[:3]
    if year is None:
        raise ValueError(f"not a day, month or year: {period}")
    if month is None:
        return date(year, 1, 1), date(year + 1, 1, 1)
    if day is None:
        return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)
    first = date(year, month, day)
    return first, first + timedelta(days=1)
