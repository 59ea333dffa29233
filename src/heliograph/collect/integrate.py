"""Energies of a day that is over and that no call tells: the counter as last heard, and what the curve draws after it.

A cloud may tell some energies live only. What flowed after the last poll before midnight is then in no answer, but the
day's curve shows the powers; the day says so in its quality.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.counters.repair import finalise_day
from heliograph.local_time import day_at, day_bounds
from heliograph.model import Quality
from heliograph.store.base import Day

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import tzinfo
    from typing import Any

    from heliograph.store.base import Batch, Store, StoredSample

POWER_OF_ENERGY = {
    "pv_energy": ("pv_power", 1),
    "grid_import_energy": ("grid_power", 1),
    "grid_export_energy": ("grid_power", -1),
    "battery_charge_energy": ("battery_power", -1),
    "battery_discharge_energy": ("battery_power", 1),
    "load_energy": ("load_power", 1),
}
"""Which power makes an energy, and with which sign."""
MAX_HOLD = 3600
"""Seconds a power holds until the next point; a longer stretch without one is not drawn."""
_STEP = 300


class LastReading(NamedTuple):
    """What a day counter said last on a day, and when; nothing before its beginning."""

    at: int
    kwh: float


def add_integrated_energies(
    store: Store, batch: Batch, kinds: Collection[str], memory: Mapping[str, Any], zone: tzinfo, now: int
) -> Batch:
    """Return the answer about a day's curve with the energies it tells of these kinds, if the day is over."""
    asked = batch.queries[0]
    day = date.fromisoformat(asked.period)
    if not kinds or not batch.samples or day >= day_at(now, zone):
        return batch
    start, end = day_bounds(day, zone)
    heard = last_readings(store.samples(asked.series, start, end), kinds)
    nothing = Day(asked.series, day, {}, Quality.BACKFILLED, final=False, written_at=now)
    counted = next(iter(store.days(asked.series, day, day)), nothing)
    # That a curve has less is no disagreement: it has holes.
    more = {
        kind: kwh
        for kind, kwh in integrate_day(batch.samples, start, end, kinds, heard).items()
        if kwh > _of(counted, kind)
    }
    settled = finalise_day(memory, counted, more, zone, now)
    # Whether a day is final is the month's to say: the curve knows some of its energies only.
    changed = settled.day._replace(final=counted.final)
    days = [changed] if changed.values != counted.values else []
    return replace(batch, days=[*batch.days, *days], repairs=[*batch.repairs, *settled.repairs])


def _of(day: Day, kind: str) -> float:
    kwh = day.values.get(kind)
    return -1.0 if kwh is None else kwh


def last_readings(samples: Iterable[StoredSample], kinds: Collection[str]) -> dict[str, LastReading]:
    """Return what the day counters of one day said last."""
    found = {}
    for one in samples:
        for kind in kinds:
            if (kwh := one.values.get(f"{kind}_today")) is not None:
                found[kind] = LastReading(one.measured_at, kwh)
    return found


def integrate_day(
    curve: Sequence[StoredSample], start: int, end: int, kinds: Iterable[str], heard: Mapping[str, LastReading]
) -> dict[str, float]:
    """Return a day's energies by its curve.

    Where the counter was heard, they are at least what is told; where it never was, only a whole curve tells.
    """
    found: dict[str, float] = {}
    for kind in kinds:
        name, sign = POWER_OF_ENERGY[kind]
        points = [(one.measured_at, value) for one in curve if (value := one.values.get(name)) is not None]
        known = heard.get(kind)
        if points and (known or _is_whole(points, start, end)):
            # A counter that stands at nothing may be today's not believed yet: the curve knows at least as much.
            since, kwh = known if known and known.kwh else LastReading(start, 0.0)
            found[kind] = round(kwh + _flowed(points, sign, since, end), 3)
    return found


def _is_whole(points: Sequence[tuple[int, float]], start: int, end: int) -> bool:
    moments = [start, *(at for at, _ in points), end]
    return all(after - before <= MAX_HOLD for before, after in pairwise(moments))


def _flowed(points: Sequence[tuple[int, float]], sign: int, since: int, end: int) -> float:
    """Return what flowed one way, in kWh, from a moment on."""
    flowed = 0.0
    for (at, power), (after, _) in pairwise([*points, (end, 0.0)]):
        until = after if after - at <= MAX_HOLD else at + _STEP
        flowed += max(0.0, sign * power) * max(0, until - max(at, since))
    return flowed / 3_600_000
