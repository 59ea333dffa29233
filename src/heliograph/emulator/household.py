"""A simulated household: current values, day curves and energies, in the common names, units and signs."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from operator import add, sub
from random import Random
from typing import TYPE_CHECKING

from heliograph.emulator.days import ENERGIES, TENTHS_PER_WATT, UNITS_PER_KWH, DayCache, EnergyAmounts, SimulatedDay
from heliograph.emulator.weather import STEP_SECONDS, Weather
from heliograph.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.emulator.api import HardwareProfile


class Household:
    """The simulation of one household, which depends on seed and time only.

    Its data begins on 1 January of the year before `anchor`; at the start of `anchor` the lifetime counters have a
    random value derived from the seed.
    """

    def __init__(
        self,
        profile: HardwareProfile,
        weather: Weather,
        zone: tzinfo,
        anchor: date,
        seed: str,
        uploaded_at: Callable[[], datetime],
    ) -> None:
        rng = Random(f"{seed}/house")  # noqa: S311 - a location, not a secret
        self.zone = zone
        self.peak_power = profile.peak_power
        self.battery_capacity = profile.battery_capacity
        self.has_meter = profile.has_meter
        self.latitude = round(weather.location.latitude + rng.uniform(-0.02, 0.02), 4)
        self.longitude = round(weather.location.longitude + rng.uniform(-0.02, 0.02), 4)
        self._known = _measured_metrics(profile)
        self._epoch = date(anchor.year - 1, 1, 1)
        self._anchor = (anchor - self._epoch).days
        self._lifetime = _initial_lifetime(profile, rng.uniform(3, 8))
        self._days = DayCache(profile, weather, zone, self._epoch, seed)
        self._uploaded_at = uploaded_at

    def last_upload_at(self, at: datetime) -> datetime:
        """Return `at`: the true data has no upload delay."""
        return at

    def values(self, at: datetime) -> dict[str, float]:
        """Return every metric this household measures: powers, state of charge, `_today` and `_total` energies."""
        index, step, share = self._position(at)
        today = self._energies_until(index, step, share)
        values = self._powers(self._days.day(index), step, share)
        for name, amount, lifetime in zip(ENERGIES, today, self._lifetime_before(index), strict=True):
            values[f"{name}_today"] = amount / UNITS_PER_KWH
            values[f"{name}_total"] = (lifetime + amount) / UNITS_PER_KWH
        return {name: values[name] for name in METRICS if name in self._known}

    def curve(self, day: str) -> list[tuple[datetime, dict[str, float]]]:
        """Return powers and state of charge of a whole local day per 5-minute step, in local time.

        Empty for days before the epoch and for future days.
        """
        index = (date.fromisoformat(day) - self._epoch).days
        if index < 0 or self._days.first_step(index) * STEP_SECONDS > self._uploaded_at().timestamp():
            return []
        flows = self._days.day(index)
        return [
            (
                datetime.fromtimestamp((flows.first + step) * STEP_SECONDS, self.zone),
                {name: value for name, value in self._powers(flows, step, 0.0).items() if name in self._known},
            )
            for step in range(len(flows.pv))
        ]

    def energies(self, period: str) -> dict[str, float]:
        """Return the energies in kWh of a local day, month or year up to the newest upload.

        0 for future days; energy from before the epoch is in the `_total` counters only.
        """
        first, after = ((day - self._epoch).days for day in _bounds(period))
        index, step, share = self._position(self._uploaded_at())
        amounts = self._days.energies(max(0, first), min(index, after))
        if first <= index < after:
            amounts = tuple(map(add, amounts, self._energies_until(index, step, share)))
        return {
            name: amount / UNITS_PER_KWH
            for name, amount in zip(ENERGIES, amounts, strict=True)
            if f"{name}_total" in self._known
        }

    def _position(self, at: datetime) -> tuple[int, int, float]:
        """Return the local day index of a time, the step in that day, and the elapsed fraction of the step."""
        index = (at.astimezone(self.zone).date() - self._epoch).days
        if index < 0:
            raise ValueError(f"no data before {self._epoch.isoformat()}")
        step, seconds = divmod(at.timestamp(), STEP_SECONDS)
        return index, int(step) - self._days.first_step(index), seconds / STEP_SECONDS

    def _energies_until(self, index: int, step: int, share: float) -> EnergyAmounts:
        """Return the energies of one day up to a step and a fraction of it."""
        day = self._days.day(index)
        whole = day.energies(0, step)
        return tuple(map(add, whole, (flow * share for flow in day.energies(step, step + 1)))) if share else whole

    def _lifetime_before(self, index: int) -> EnergyAmounts:
        """Return the lifetime counters at the start of a day."""
        if index < self._anchor:
            return tuple(map(sub, self._lifetime, self._days.energies(index, self._anchor)))
        return tuple(map(add, self._lifetime, self._days.energies(self._anchor, index)))

    def _powers(self, day: SimulatedDay, step: int, share: float) -> dict[str, float]:
        stored = day.stored[step] + (day.stored[step + 1] - day.stored[step]) * share
        capacity = self._days.capacity
        return {
            "pv_power": day.pv[step] / TENTHS_PER_WATT,
            "grid_power": day.grid[step] / TENTHS_PER_WATT,
            "battery_power": day.battery[step] / TENTHS_PER_WATT,
            "load_power": day.load[step] / TENTHS_PER_WATT,
            "ac_power": (day.pv[step] + day.battery[step]) / TENTHS_PER_WATT,
        } | ({"battery_soc": round(100 * stored / capacity, 3)} if capacity else {})


def _measured_metrics(profile: HardwareProfile) -> frozenset[str]:
    """Return the metrics that this hardware measures."""
    parts = ["pv_", "ac_"]
    if profile.battery_capacity:
        parts.append("battery_")
    if profile.has_meter or profile.off_grid:
        parts += ["load_", "grid_"]
    return frozenset(name for name in METRICS if name.startswith(tuple(parts)))


def _initial_lifetime(profile: HardwareProfile, years: float) -> EnergyAmounts:
    """Return plausible lifetime counters after `years`, higher than the energy of two simulated years."""
    pv = profile.peak_power / 1000 * 1100 * years
    load = profile.load_kwh_per_day * 365 * years
    charge = profile.battery_capacity * 365 * years
    export = 0.0 if profile.off_grid else 0.8 * pv
    return tuple(int(kwh * UNITS_PER_KWH) for kwh in (pv, 0.8 * load, export, charge, 0.9 * charge, load))


def _bounds(period: str) -> tuple[date, date]:
    """Return the first day of a period and the day after it.

    >>> _bounds("2026-12")
    (datetime.date(2026, 12, 1), datetime.date(2027, 1, 1))
    """
    year, *rest = map(int, period.split("-"))
    if not rest:
        return date(year, 1, 1), date(year + 1, 1, 1)
    if len(rest) == 1:
        return date(year, rest[0], 1), date(year + rest[0] // 12, rest[0] % 12 + 1, 1)
    first = date.fromisoformat(period)
    return first, first + timedelta(days=1)
