"""Simulated readings of one counter, and the documented faults; each fault is a function over the readings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, pairwise
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from heliograph.local_time import day_bounds

STEP = 0.1
TICK = 60


class SimulatedReading(NamedTuple):
    """The counters reported at one time; a missing value is None."""

    at: int
    total: float | None
    today: float | None


class Fault(NamedTuple):
    """One fault: its kind, day, first hour, duration in hours and size from 0 to 1."""

    kind: str
    day: int
    hour: float
    hours: float
    size: float


@dataclass(frozen=True)
class Scenario:
    """A plant and how it is sampled: power, clearness of each day, polling interval, clock and faults."""

    zone: str = "Europe/Berlin"
    first: date = date(2026, 6, 20)
    clearness: tuple[float, ...] = (1.0, 0.5, 0.8, 1.0)
    """Energy of each day as a share of a clear day."""
    sleeps_at_night: bool = True
    """A string inverter: no power at night, and its counters reset at sunrise only."""
    peak: float = 5.0
    interval: int = 300
    clock_offset: int = 0
    """Seconds from the midnight of the plant to the midnight of the device."""
    initial_total: float = 4321.7
    seed: int = 0
    faults: tuple[Fault, ...] = ()
    counters: str = "both"

    @property
    def clock(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=i) for i in range(len(self.clearness))]

    def simulate(self) -> Simulation:
        return Simulation(self)


class Simulation:
    """The true energy of a scenario by the minute, and its readings."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        random = Random(scenario.seed)
        self.day_bounds = [day_bounds(day, scenario.clock) for day in scenario.days]
        self.start, self.end = self.day_bounds[0][0], self.day_bounds[-1][1]
        energies = []
        cloudiness = 1.0
        for clear, (dawn, dusk) in zip(scenario.clearness, self.day_bounds, strict=True):
            for at in range(dawn, dusk, TICK):
                if not at % 900:
                    cloudiness = random.uniform(0.2, 1.0)
                share = (at - dawn) / (dusk - dawn)
                light = max(0.0, math.sin((share - 0.25) * 2 * math.pi)) if scenario.sleeps_at_night else 0.3
                energies.append(scenario.peak * clear * light * cloudiness * TICK / 3600)
        self.cumulative = [0.0, *accumulate(energies)]
        self.times = []
        at = self.start + random.randrange(scenario.interval)
        while at < self.end:
            self.times.append(at)
            at += max(60, int(scenario.interval * random.uniform(0.8, 1.2)))

    def energy_at(self, at: float) -> float:
        """Return the energy since the start, in kWh."""
        position = min(max((at - self.start) / TICK, 0), len(self.cumulative) - 1)
        low = int(position)
        high = min(low + 1, len(self.cumulative) - 1)
        return self.cumulative[low] + (self.cumulative[high] - self.cumulative[low]) * (position - low)

    def energy_between(self, since: float, until: float) -> float:
        return self.energy_at(until) - self.energy_at(since)

    def device_midnight(self, at: int) -> int:
        """Return the start of the day of the device; before its first midnight, the start of the simulation."""
        begin = [
            start + self.scenario.clock_offset
            for start, _ in self.day_bounds
            if start + self.scenario.clock_offset <= at
        ]
        return begin[-1] if begin else self.start

    def power(self, at: int) -> float:
        return self.energy_between(at - TICK, at + TICK) * 3600 / (2 * TICK) * 1000

    def true_readings(self) -> list[SimulatedReading]:
        return [
            SimulatedReading(
                at,
                _floor(self.scenario.initial_total + self.energy_at(at)),
                _floor(self.energy_between(self.device_midnight(at), at)),
            )
            for at in self.times
        ]

    def readings(self) -> list[SimulatedReading]:
        """Return the readings with every fault applied."""
        readings = self.true_readings()
        for fault in sorted(self.scenario.faults, key=lambda one: ORDER.index(one.kind)):
            readings = FAULTS[fault.kind](self, fault, readings)
        if self.scenario.counters == "today":
            readings = [one._replace(total=None) for one in readings]
        if self.scenario.counters == "total":
            readings = [one._replace(today=None) for one in readings]
        return readings

    def window(self, fault: Fault) -> tuple[float, float]:
        start = self.day_bounds[fault.day % len(self.day_bounds)][0] + fault.hour * 3600
        return start, start + fault.hours * 3600

    def wake_time(self, day: int) -> float:
        """Return when the inverter wakes, shortly before its first 0.1 kWh."""
        start, end = self.day_bounds[day]
        return start + (end - start) * 0.27


def sampling_error(simulation, readings):
    """Return for every midnight the energy that correct readings assign to neither day, and if it is too much.

    A total leaves the energy between the last correct reading before midnight and the first after it. A day counter
    leaves the energy between its last correct reading before midnight and midnight. If both counters are correct and
    rise in the new day, only the energy between the midnights of device and plant remains.
    """
    true = {one.at: one for one in simulation.true_readings()}
    has_total, has_today = simulation.scenario.counters != "today", simulation.scenario.counters != "total"
    totals = [one.at for one in readings if has_total and one.total == true[one.at].total]
    todays = [one.at for one in readings if has_today and one.today == true[one.at].today]
    todays = _unambiguous_times(simulation, true, readings, todays)
    errors = [(0.0, False)]
    for (begin, midnight), (_, end) in pairwise(simulation.day_bounds):
        low, high = sorted((midnight, midnight + simulation.scenario.clock_offset))
        by_total = (
            max((at for at in totals if at < low), default=simulation.start),
            min((at for at in totals if at >= high), default=simulation.end),
        )
        by_today = max((at for at in todays if begin <= at < low), default=begin), high
        options = []
        if has_total:
            options.append(simulation.energy_between(*by_total))
        if has_today:
            options.append(simulation.energy_between(*by_today))
        both_rise = _both_rise(true, [one.at for one in readings if high <= one.at < end], set(totals), set(todays))
        error = 0.0 if both_rise and has_total and has_today else min(options)
        errors.append((error + simulation.energy_between(low, high), error > 0.4))
    return errors


def _unambiguous_times(simulation, true, readings, todays):
    """Return the times at which the day counter certainly belongs to the new day, which needs it to move.

    Ambiguous, and so excluded: a counter frozen at zero until it reaches the final value of yesterday, and one first
    seen when it no longer moves.
    """
    unambiguous = []
    for (start, end), (before, _) in zip(simulation.day_bounds[1:], simulation.day_bounds, strict=False):
        begin, next_one = min(start, start + simulation.scenario.clock_offset), end
        final = _floor(
            simulation.energy_between(
                before + simulation.scenario.clock_offset, start + simulation.scenario.clock_offset
            )
        )
        values, clear = set(), False
        for at in (at for at in todays if begin <= at < next_one):
            value = true[at].today
            clear = clear or 0 < value < final - 0.3 or (0.0 in values and value > final + 0.3)
            values.add(value)
            if clear or value == 0 or len({one for one in values if one > final}) > 2:
                unambiguous.append(at)
    return [at for at in todays if at < simulation.day_bounds[1][0]] + unambiguous


def _both_rise(true, times, totals, todays):
    both = [at for at in times if at in totals and at in todays]
    return any(
        true[after].total > true[before].total and true[after].today > true[before].today
        for before, after in pairwise(times)
        if before in both and after in both
    )


def _floor(value: float) -> float:
    return round(math.floor(value / STEP + 1e-9) * STEP, 3)


def _change_window(simulation, fault, readings, change):
    since, until = simulation.window(fault)
    return [change(one) if since <= one.at < until else one for one in readings]


def _change_first(simulation, fault, readings, change):
    since, _ = simulation.window(fault)
    position = next((i for i, one in enumerate(readings) if one.at >= since), None)
    return [change(one) if i == position else one for i, one in enumerate(readings)]


def zero_at_night(simulation, fault, readings):
    """The device's total is 0 from midnight until it wakes (users 3.1)."""
    day = fault.day % len(simulation.day_bounds)
    since, until = simulation.day_bounds[day][0], simulation.wake_time(day)
    return [one._replace(total=0.0) if since <= one.at < until else one for one in readings]


def replay(simulation, fault, readings):
    """The day counter keeps yesterday's last value from midnight until the inverter wakes (users 3.7)."""
    day = max(1, fault.day % len(simulation.day_bounds))
    if day >= len(simulation.day_bounds):
        return readings
    since = simulation.day_bounds[day][0]
    until = simulation.wake_time(day) if simulation.scenario.sleeps_at_night else since + 600 + fault.size * 6 * 3600
    final = _floor(
        simulation.energy_between(
            simulation.device_midnight(since - 1200)
            if simulation.scenario.clock_offset < 0
            else simulation.day_bounds[day - 1][0] + simulation.scenario.clock_offset,
            since + simulation.scenario.clock_offset,
        )
    )
    changed = []
    for i, one in enumerate(readings):
        if since <= one.at < until:
            first = i == 0 or readings[i - 1].at < since
            changed.append(one._replace(today=0.0 if first and fault.size > 0.5 else final))
        else:
            changed.append(one)
    return changed


def dip(simulation, fault, readings):
    """Both counters are a little too low in one reading."""
    missing = 0.1 if fault.size < 0.5 else 0.2
    return _change_first(
        simulation,
        fault,
        readings,
        lambda one: SimulatedReading(one.at, round(one.total - missing, 3), max(0.0, round(one.today - missing, 3))),
    )


def total_zero(simulation, fault, readings):
    return _change_first(simulation, fault, readings, lambda one: one._replace(total=0.0))


def today_zero(simulation, fault, readings):
    return _change_first(simulation, fault, readings, lambda one: one._replace(today=0.0))


def low_total(simulation, fault, readings):
    """The total is too low for some hours, then correct (users 3.2)."""
    missing = 1 + fault.size * 0.6 * simulation.scenario.initial_total
    return _change_window(
        simulation, fault, readings, lambda one: one._replace(total=max(0.0, round(one.total - missing, 1)))
    )


def _frozen(names):
    def freeze(simulation, fault, readings):
        since, until = simulation.window(fault)
        last, changed = None, []
        for one in readings:
            if one.at < since or last is None:
                last = one
            elif one.at < until:
                one = one._replace(**{name: getattr(last, name) for name in names})  # noqa: PLW2901
            changed.append(one)
        return changed

    return freeze


SPIKES = (6553.5, 65535.0, 4294967.295, 429483622.0, 42949672.95)


def total_spike(simulation, fault, readings):
    """A register of all ones, or a jump that is impossible for a plant of this size."""
    far = round(simulation.scenario.initial_total + 400 + 3000 * fault.size, 1)
    return _change_first(
        simulation, fault, readings, lambda one: one._replace(total=(*SPIKES[1:], far)[int(fault.size * 4.99)])
    )


def today_spike(simulation, fault, readings):
    return _change_first(
        simulation, fault, readings, lambda one: one._replace(today=(*SPIKES, 300.0)[int(fault.size * 5.99)])
    )


def replaced(simulation, fault, readings):
    """A new meter starts at zero."""
    since, _ = simulation.window(fault)
    missing = simulation.scenario.initial_total + simulation.energy_at(since)
    return [
        one
        if one.at < since
        else one._replace(
            total=_floor(max(0.0, simulation.scenario.initial_total + simulation.energy_at(one.at) - missing))
        )
        for one in readings
    ]


def gap(simulation, fault, readings):
    since, until = simulation.window(fault)
    return [one for one in readings if not since <= one.at < until]


def no_today(simulation, fault, readings):
    return _change_window(simulation, fault, readings, lambda one: one._replace(today=None))


def no_total(simulation, fault, readings):
    return _change_window(simulation, fault, readings, lambda one: one._replace(total=None))


FAULTS = {
    "replaced": replaced,
    "low_total": low_total,
    "replay": replay,
    "total_frozen": _frozen(("total",)),
    "today_frozen": _frozen(("today",)),
    "both_frozen": _frozen(("total", "today")),
    "zero_at_night": zero_at_night,
    "dip": dip,
    "total_zero": total_zero,
    "today_zero": today_zero,
    "total_spike": total_spike,
    "today_spike": today_spike,
    "no_today": no_today,
    "no_total": no_total,
    "gap": gap,
}
ORDER = tuple(FAULTS)
"""The order of application: lasting faults, then single readings, then missing values."""
