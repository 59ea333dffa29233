"""Energies integrated from power curves.

The energies of today until now show whether a daily counter is today's, and advance it between two readings. The
energies of a past day complete those that no API reports: the last counter reading plus the integrated power after it.
A cloud may report some energies live only. The energy after the last poll before midnight is then in no response, but
the day's curve contains the power. The quality of such a day is `backfilled`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise
from math import floor
from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.counters.repair import finalise_day, is_provisional_day
from heliograph.local_time import day_at, day_bounds, day_start
from heliograph.model import Quality
from heliograph.store.base import Day

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import tzinfo
    from typing import Any

    from heliograph.store.base import Batch, Series, Store, StoredSample

POWER_OF_ENERGY = {
    "pv_energy": ("pv_power", 1),
    "grid_import_energy": ("grid_power", 1),
    "grid_export_energy": ("grid_power", -1),
    "battery_charge_energy": ("battery_power", -1),
    "battery_discharge_energy": ("battery_power", 1),
    "load_energy": ("load_power", 1),
}
"""The power that is integrated for each energy, and its sign."""
POWERS = tuple(sorted({name for name, _ in POWER_OF_ENERGY.values()}))
MAX_HOLD = 3600
"""Seconds a power holds until the next point; over a longer gap it holds for one step."""
_STEP = 300
_MAX_GAP = 2400
"""Seconds between two powers from which today's energy is accurate enough to judge a counter."""
ADVANCE_SECONDS = 3 * 3600 + 900
"""Seconds between two powers over which a counter is advanced: some hybrids are polled every three hours at night."""
_CURRENT = 900
"""Seconds after the start of a day or a counter reading by which a power must be known, or before the last sample."""
_DARK = 20.0
"""Solar power in W; between two powers up to this one there was no sun, for however long."""
_DAWN = 0.1
"""The first power of a day, as a share of the day's greatest, up to which the night before had none."""


def energies_since_midnight(store: Store, series: Series, zone: tzinfo, until: int) -> dict[str, float]:
    """Return the energies of a day by its stored powers, in kWh, from midnight until `until`, a time of that day.

    An energy whose power has a gap of more than 40 minutes is omitted; the night of solar power is no gap.
    """
    start = day_start(day_at(until, zone), zone)
    samples = list(store.samples(series, start, until, POWERS))
    energies = {}
    for kind, (name, sign) in POWER_OF_ENERGY.items():
        points = [(sample.measured_at, value) for sample in samples if (value := sample.values[name]) is not None]
        since = points[0][0] if kind == "pv_energy" and _begins_at_dawn(samples, points) else start
        if points and _is_complete(points, since, until, _MAX_GAP):
            energies[kind] = _integrate(points, sign, start, until)
    return energies


def _begins_at_dawn(samples: Sequence[StoredSample], points: Sequence[tuple[int, float]]) -> bool:
    """Return True if solar power begins with little in the cloud's curve: the inverter slept until then."""
    fetched = samples and samples[0].quality is Quality.BACKFILLED
    return bool(fetched and points and points[0][1] <= _DAWN * max(power for _, power in points))


class LastReading(NamedTuple):
    """The last reading of a daily counter on a day."""

    at: int
    kwh: float


def advance_counters(
    samples: Sequence[StoredSample], readings: Mapping[str, LastReading], midnight: int
) -> dict[str, float | None]:
    """Return the energies since midnight at the last sample that are newer than the last reading of their counter.

    The samples contain powers of at least `ADVANCE_SECONDS` before midnight or before the oldest reading. A counter
    that was last read before midnight begins at 0. Energies are in kWh, rounded down to the tenths that devices report;
    None if the power since the reading is not known, or if it added nothing and is not known to the end.
    """
    energies: dict[str, float | None] = {}
    for kind, reading in readings.items():
        name, sign = POWER_OF_ENERGY[kind]
        points = [(sample.measured_at, value) for sample in samples if (value := sample.values.get(name)) is not None]
        since, kwh = reading if reading.at >= midnight else LastReading(midnight, 0.0)
        if not points or points[-1][0] <= since:
            if samples[-1].measured_at > since + _CURRENT:
                energies[kind] = None
            continue
        added = _interpolate(points, sign, since, is_solar=kind == "pv_energy")
        energy = None if added is None else max(kwh, floor((kwh + added) * 10 + 1e-6) / 10)
        is_old = samples[-1].measured_at > points[-1][0] + _CURRENT and energy == kwh and since == reading.at
        energies[kind] = None if is_old else energy
    return energies


def _interpolate(points: Sequence[tuple[int, float]], sign: int, since: int, *, is_solar: bool) -> float | None:
    """Return the energy in one direction from `since` to the last point, in kWh; None if the curve has a long gap."""
    if points[0][0] > since + _CURRENT:
        return None
    watt_seconds = max(0.0, sign * points[0][1]) * max(0, points[0][0] - since)
    for (at, power), (after, next_power) in pairwise(points):
        if after <= since:
            continue
        if after - at > ADVANCE_SECONDS:
            if is_solar and max(power, next_power) <= _DARK:
                continue
            return None
        start, first, last = max(at, since), max(0.0, sign * power), max(0.0, sign * next_power)
        first += (last - first) * (start - at) / (after - at)
        watt_seconds += (first + last) / 2 * (after - start)
    return watt_seconds / 3_600_000


def add_integrated_energies(
    store: Store, batch: Batch, kinds: Collection[str], counter_state: Mapping[str, Any], zone: tzinfo, now: int
) -> Batch:
    """Return the batch of a day's curve with the integrated energies of these kinds, if the day is over."""
    query = batch.queries[0]
    day = date.fromisoformat(query.period)
    if not kinds or not batch.samples or day >= day_at(now, zone):
        return batch
    start, end = day_bounds(day, zone)
    confirmed = [kind for kind in kinds if not is_provisional_day(counter_state, day, kind)]
    readings = last_readings(store.samples(query.series, start, end), confirmed)
    empty = Day(query.series, day, {}, Quality.BACKFILLED, final=False, written_at=now)
    counted = next(iter(store.days(query.series, day, day)), empty)
    energies = integrate_day(batch.samples, start, end, kinds, readings)
    # A lower value of the curve is no contradiction: it has gaps.
    higher = {
        kind: kwh
        for kind, kwh in energies.items()
        if kind not in confirmed or (known := counted.values.get(kind)) is None or kwh > known
    }
    repaired = finalise_day(counter_state, counted, higher, zone, now, rounded=False)
    # The month's query decides whether a day is final: the curve covers only some of its energies.
    changed = repaired.day._replace(final=counted.final)
    days = [changed] if changed.values != counted.values else []
    return replace(batch, days=[*batch.days, *days], repairs=[*batch.repairs, *repaired.repairs])


def last_readings(samples: Iterable[StoredSample], kinds: Collection[str]) -> dict[str, LastReading]:
    """Return the last reading of each daily counter; samples are of one day, oldest first."""
    readings = {}
    for sample in samples:
        for kind in kinds:
            if (kwh := sample.values.get(f"{kind}_today")) is not None:
                readings[kind] = LastReading(sample.measured_at, kwh)
    return readings


def integrate_day(
    curve: Sequence[StoredSample], start: int, end: int, kinds: Iterable[str], readings: Mapping[str, LastReading]
) -> dict[str, float]:
    """Return a day's energies from its curve, in kWh.

    With a counter reading, only the time after it is integrated; without one, the curve must have no long gap.
    """
    energies: dict[str, float] = {}
    for kind in kinds:
        name, sign = POWER_OF_ENERGY[kind]
        points = [(sample.measured_at, value) for sample in curve if (value := sample.values.get(name)) is not None]
        reading = readings.get(kind)
        if points and (reading or _is_complete(points, start, end)):
            # A counter at zero may still be unconfirmed today; the curve contains at least as much.
            since, kwh = reading if reading and reading.kwh else LastReading(start, 0.0)
            energies[kind] = round(kwh + _integrate(points, sign, since, end), 3)
    return energies


def _is_complete(points: Sequence[tuple[int, float]], start: int, end: int, max_gap: int = MAX_HOLD) -> bool:
    times = [start, *(at for at, _ in points), end]
    return all(after - before <= max_gap for before, after in pairwise(times))


def _integrate(points: Sequence[tuple[int, float]], sign: int, since: int, end: int) -> float:
    """Return the energy in one direction from `since` on, in kWh."""
    watt_seconds = 0.0
    for (at, power), (after, _) in pairwise([*points, (end, 0.0)]):
        until = after if after - at <= MAX_HOLD else at + _STEP
        watt_seconds += max(0.0, sign * power) * max(0, until - max(at, since))
    return watt_seconds / 3_600_000
