"""Counters made true: totals that never fall, days that are today's, and a note of every value not believed."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.collect.counters.reconcile import EnergyReconciler, ReconciledDay, SampleTime
from heliograph.local_time import FINAL_AFTER, day_at, day_bounds, day_start
from heliograph.metrics import ENERGIES, METRICS
from heliograph.model import Quality
from heliograph.store.base import Day, Repair, StoredSample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

_GAUGES = tuple(name for name, metric in METRICS.items() if metric.unit == "W")
_LEAST = 20.0
_UNKNOWN = 1000.0
_AHEAD = 600
_CLOSE = 0.02, 0.2
"""Two words on a day that differ by less are no disagreement."""
_SAME = 0.0025, 0.1
"""Those that differ by less are one word, told in two roundings."""


class RepairResult(NamedTuple):
    """A sample with its counters made true, the days it changes, what was not believed, and what to remember."""

    sample: StoredSample
    days: tuple[Day, ...]
    repairs: tuple[Repair, ...]
    state: Mapping[str, Any]


class FinalDay(NamedTuple):
    """A finished day, and what was not believed of it."""

    day: Day
    repairs: tuple[Repair, ...]


def repair_counters(
    memory: Mapping[str, Any], entry: StoredSample, zone: tzinfo, limit: float | None = None
) -> RepairResult:
    """Make the counters of one sample true; samples come oldest first.

    `limit` is the greatest power there can be, in W. Without it, it is twice the greatest power seen, at least 20 kW,
    and a megawatt where a device tells no power.
    """
    if entry.measured_at < memory.get("at", 0):
        return _gaps(memory, entry, "late: the counters are past this")
    if entry.measured_at > entry.fetched_at + _AHEAD:
        return _gaps(memory, entry, "measured in the future")
    power = _learn(memory.get("power"), entry)
    day = day_at(entry.measured_at, zone)
    flow = (limit / 1000 if limit else max_power(power)) / 3600
    now = SampleTime(entry.measured_at, day.toordinal(), day_start(day, zone), flow)
    kinds, told = dict(memory.get("kinds", {})), dict(memory.get("told", {}))
    true: dict[str, float | None] = {}
    notes: list[Repair] = []
    news: list[tuple[int, str, ReconciledDay]] = []
    for kind in ENERGIES:
        raw = {name: entry.values.get(name) for name in (f"{kind}_total", f"{kind}_today")}
        if all(value is None for value in raw.values()):
            continue
        ledger = EnergyReconciler.load(kinds[kind]) if kind in kinds else EnergyReconciler(now.day)
        for (name, value), said in zip(raw.items(), ledger.update(now, *raw.values()), strict=True):
            if value is not None:
                true[name] = said.value
            if said.reason is not None:
                notes.append(Repair(entry.series, entry.measured_at, name, value, said.value, said.reason))
        if (lost := ledger.take_unassigned()) is not None:
            notes.append(
                Repair(entry.series, entry.measured_at, f"{kind}_today", lost, None, "over midnight: in no day")
            )
        known = {now.day - back: energy for back, energy in enumerate(ledger.day_energies()) if energy is not None}
        before = told.get(kind, {})
        news += [(which, kind, energy) for which, energy in known.items() if before.get(str(which)) != energy.kwh]
        kinds[kind], told[kind] = ledger.dump(), {str(which): energy.kwh for which, energy in known.items()}
    changed = any(entry.values[name] != value for name, value in true.items())
    return RepairResult(
        entry._replace(values={**entry.values, **true}, quality=Quality.REPAIRED if changed else entry.quality),
        _days(entry, news),
        tuple(notes),
        {"at": entry.measured_at, "power": power, "kinds": kinds, "told": told},
    )


def _days(entry: StoredSample, news: list[tuple[int, str, ReconciledDay]]) -> tuple[Day, ...]:
    """Return one row for each day that has news."""
    rows = []
    for which in sorted({which for which, _, _ in news}):
        energies = {kind: energy for day, kind, energy in news if day == which}
        rows.append(
            Day(
                entry.series,
                date.fromordinal(which),
                {kind: energy.kwh for kind, energy in energies.items()},
                Quality.REPAIRED if any(energy.repaired for energy in energies.values()) else entry.quality,
                final=False,
                written_at=entry.fetched_at,
            )
        )
    return tuple(rows)


def max_power(power: Mapping[str, float] | None) -> float:
    """Return the greatest power there can be, in kW, judged by what was seen."""
    return max(_LEAST, 2 * power["peak"] / 1000) if power else _UNKNOWN


CLOUD_DAY_HIGHER = "the cloud's day has more"
"""Why a count was raised to the cloud's word."""


def finalise_day(
    memory: Mapping[str, Any],
    counted: Day,
    told: Mapping[str, float | None],
    zone: tzinfo,
    now: int,
    raised: Mapping[str, float] | None = None,
) -> FinalDay:
    """Set the cloud's own word on a finished day against what was counted.

    The greater wins: what is lost on the way, or frozen, makes both too small, and nothing believed makes them too
    large; a little more is what flowed after the last poll. Within rounding the count stays; more than the plant can
    do is not believed. `raised` is what the day before was raised by: where the count has that much too much, a frozen
    midnight had it counted on the wrong side, and the word wins. The day is final if the cloud was asked after the
    noon that followed it, for loggers upload late.
    """
    start, end = day_bounds(counted.day, zone)
    most = max_power(memory.get("power")) * (end - start) / 3600
    values, quality, notes = dict(counted.values), counted.quality, []
    for kind, word in told.items():
        ours = values.get(kind)
        if word is None:
            continue
        near = ours is not None and abs(word - ours) <= max(_CLOSE[0] * ours, _CLOSE[1])
        spilled = raised.get(kind, 0.0) if raised else 0.0
        if ours is not None and spilled and 0 < ours - word <= spilled + _SAME[1]:
            values[kind], quality = word, Quality.BACKFILLED
            notes.append(Repair(counted.series, end, f"{kind}_today", ours, word, "counted on the day before as well"))
            continue
        if ours is not None and near and word <= ours + max(_SAME[0] * ours, _SAME[1]):
            continue
        if word <= most and (ours is None or word > ours):
            values[kind], quality = word, Quality.BACKFILLED
            if not near and ours is not None:
                notes.append(Repair(counted.series, end, f"{kind}_today", ours, word, CLOUD_DAY_HIGHER))
        else:
            why = "more than can be" if word > most else "the cloud's day has less"
            notes.append(Repair(counted.series, end, f"{kind}_today", word, ours, why))
    return FinalDay(
        counted._replace(values=values, quality=quality, final=now >= end + FINAL_AFTER, written_at=now), tuple(notes)
    )


def _learn(power: Mapping[str, float] | None, entry: StoredSample) -> dict[str, float] | None:
    """Remember the greatest power two samples in a row agree on."""
    seen = [abs(value) for name in _GAUGES if (value := entry.values.get(name)) is not None]
    if not seen:
        return None if power is None else dict(power)
    last = max(seen)
    peak = max(power["peak"], min(power["last"], last)) if power else 0.0
    return {"last": last, "peak": peak}


def _gaps(memory: Mapping[str, Any], entry: StoredSample, why: str) -> RepairResult:
    """Leave out the counters of a sample that cannot be counted."""
    names = [f"{kind}_{span}" for kind in ENERGIES for span in ("today", "total")]
    raw = {name: value for name in names if (value := entry.values.get(name)) is not None}
    notes = tuple(Repair(entry.series, entry.measured_at, name, value, None, why) for name, value in raw.items())
    quality = Quality.REPAIRED if raw else entry.quality
    gaps = dict.fromkeys(raw)
    return RepairResult(entry._replace(values={**entry.values, **gaps}, quality=quality), (), notes, memory)
