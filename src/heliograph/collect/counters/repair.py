"""Counter repair of one sample: totals never fall, daily counters are today's, rejected values are recorded."""

from __future__ import annotations

from datetime import date
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.collect.counters.first import SampleContext
from heliograph.collect.counters.reconcile import EnergyReconciler, ReconciledDay
from heliograph.collect.plausibility import MEASURED_IN_FUTURE
from heliograph.local_time import FINAL_AFTER, day_at, day_bounds, day_start
from heliograph.metrics import ENERGIES, METRICS
from heliograph.model import Quality
from heliograph.store.base import MAX_AHEAD, Day, Repair, StoredSample

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

    from heliograph.store.base import Series

    CounterStates = dict[Series, Mapping[str, Any]]

CLOUD_DAY_HIGHER = "the cloud's day has more"
"""The reason of a repair that raises a counted day to the cloud's value; stored, so it must not change."""

_POWERS = tuple(name for name, metric in METRICS.items() if metric.unit == "W")
_MIN_LIMIT = 20.0
_UNKNOWN_LIMIT = 1000.0
"""Maximum power in kW: at least, and for a device that does not report power."""
_SIZE_SHARE = 1.2
"""Maximum power of a plant as a share of its size: cold modules under bright clouds exceed it."""
_SUNNY, _NOON = 20.0, 12 * 3600
"""Solar power in W from which the sun is up, and seconds after midnight from which it has been up."""
_UNSURE_DAYS = 8
"""The most days of unconfirmed energy in a state; each is settled by the cloud's value on the next day."""
_CLOSE = 0.02, 0.2
"""Relative and absolute (kWh) difference of a day's energy that is not recorded as a repair."""
_SAME = 0.0025, 0.1
"""Relative and absolute (kWh) difference that is due to rounding."""


class RepairResult(NamedTuple):
    """A sample with repaired counters, the days it changes, the rejected values, and the new state."""

    sample: StoredSample
    days: tuple[Day, ...]
    repairs: tuple[Repair, ...]
    state: Mapping[str, Any]


class FinalDay(NamedTuple):
    """A finished day, and its rejected values."""

    day: Day
    repairs: tuple[Repair, ...]


def repair_counters(
    state: Mapping[str, Any],
    sample: StoredSample,
    zone: tzinfo,
    limit: float | None = None,
    *,
    peak_power: float | None = None,
    curve: Mapping[str, float] = MappingProxyType({}),
) -> RepairResult:
    """Repair the counters of one sample; samples must be in time order.

    `limit` is the maximum power in W. By default it is twice the greatest power seen, at least 20 kW, and a megawatt
    for a device that does not report power. `peak_power` is the size of the plant in kWp, if known, and `curve` the
    energy since midnight in kWh by the power curve, for each kind whose curve is complete; both serve to judge readings
    that no earlier reading confirms.
    """
    if sample.measured_at < state.get("at", 0):
        return _without_counters(state, sample, "late: the counters are past this")
    if sample.measured_at > sample.fetched_at + MAX_AHEAD:
        return _without_counters(state, sample, MEASURED_IN_FUTURE)
    power = _update_peak(state.get("power"), sample)
    day = day_at(sample.measured_at, zone)
    flow = (limit / 1000 if limit else max_power(power)) / 3600
    time = sample.measured_at, day.toordinal(), day_start(day, zone)
    # The key "told" is that of stored states: the day energies returned last, so that only changes are written.
    reconcilers, reported = dict(state.get("kinds", {})), dict(state.get("told", {}))
    provisional, unsure_days = set(state.get("provisional", ())), dict(state.get("provisional_days", {}))
    values: dict[str, float | None] = {}
    repairs: list[Repair] = []
    repaired = False
    changed_days: list[tuple[int, str, ReconciledDay]] = []
    for kind in ENERGIES:
        raw = {name: sample.values.get(name) for name in (f"{kind}_total", f"{kind}_today")}
        if all(value is None for value in raw.values()):
            continue
        first_flow = min(flow, _solar_flow(sample, time[2], peak_power)) if kind == "pv_energy" else flow
        now = SampleContext(*time, flow, first_flow, curve.get(kind))
        reconciler = EnergyReconciler.load(reconcilers[kind]) if kind in reconcilers else EnergyReconciler(now.day)
        for (name, value), kept in zip(raw.items(), reconciler.update(now, *raw.values()), strict=True):
            if value is not None:
                values[name] = kept.value
                unsure = kept.provisional and kept.value is not None
                provisional = provisional | {name} if unsure else provisional - {name}
            if kept.reason is not None:
                repaired = True
                repairs.append(Repair(sample.series, sample.measured_at, name, value, kept.value, kept.reason))
        if (lost := reconciler.take_unassigned()) is not None:
            reason = "over midnight: in no day"
            repairs.append(Repair(sample.series, sample.measured_at, f"{kind}_today", lost, None, reason))
        days = {now.day - back: energy for back, energy in enumerate(reconciler.day_energies()) if energy is not None}
        before = reported.get(kind, {})
        changed_days += [(day, kind, energy) for day, energy in days.items() if before.get(str(day)) != energy.kwh]
        reconcilers[kind] = reconciler.dump()
        reported[kind] = {str(day): energy.kwh for day, energy in days.items()}
        unsure_days[kind] = _update_unsure_days(unsure_days.get(kind, ()), days)
    quality = Quality.REPAIRED if repaired else sample.quality
    return RepairResult(
        sample._replace(values={**sample.values, **values}, quality=quality),
        _day_rows(sample, changed_days),
        tuple(repairs),
        {
            "at": sample.measured_at,
            "power": power,
            "kinds": reconcilers,
            "told": reported,
            "provisional": sorted(provisional),
            "provisional_days": {kind: days for kind, days in unsure_days.items() if days},
        },
    )


def _solar_flow(sample: StoredSample, midnight: int, peak_power: float | None) -> float:
    """Return the maximum flow of solar energy since midnight, in kWh per second, by size of the plant and sunrise."""
    power = sample.values.get("pv_power")
    if power is not None and power < _SUNNY and sample.measured_at < midnight + _NOON:
        return 0.0  # before sunrise: a cloud may still report yesterday's energy
    return peak_power * _SIZE_SHARE / 3600 if peak_power else inf


def provisional_metrics(state: Mapping[str, Any]) -> frozenset[str]:
    """Return the counters whose newest value is plausible, but not confirmed by a second reading or the curve."""
    return frozenset(state.get("provisional", ()))


def is_provisional_day(state: Mapping[str, Any], day: date, kind: str) -> bool:
    """Return True if the energy that was counted on a day was never confirmed."""
    return day.toordinal() in state.get("provisional_days", {}).get(kind, ())


def needs_curve(state: Mapping[str, Any]) -> bool:
    """Return True if today's power curve would help to judge the next reading."""
    kinds = state.get("kinds", {})
    return not kinds or any(EnergyReconciler.load(kind).needs_curve for kind in kinds.values())


def _update_unsure_days(unsure: Iterable[int], days: Mapping[int, ReconciledDay]) -> list[int]:
    """Return the days of unconfirmed energy, newest last: without those in `days` that are confirmed by now."""
    newest = {day for day, energy in days.items() if energy.provisional}
    return sorted(newest | (set(unsure) - days.keys()))[-_UNSURE_DAYS:]


def _day_rows(sample: StoredSample, changed: list[tuple[int, str, ReconciledDay]]) -> tuple[Day, ...]:
    """Return one row for each changed day."""
    rows = []
    for ordinal in sorted({ordinal for ordinal, _, _ in changed}):
        energies = {kind: energy for day, kind, energy in changed if day == ordinal}
        repaired = any(energy.repaired for energy in energies.values())
        rows.append(
            Day(
                sample.series,
                date.fromordinal(ordinal),
                {kind: energy.kwh for kind, energy in energies.items()},
                Quality.REPAIRED if repaired else sample.quality,
                final=False,
                written_at=sample.fetched_at,
            )
        )
    return tuple(rows)


def max_power(power: Mapping[str, float] | None) -> float:
    """Return the maximum power in kW, derived from the greatest power seen."""
    return max(_MIN_LIMIT, 2 * power["peak"] / 1000) if power else _UNKNOWN_LIMIT


def finalise_day(
    state: Mapping[str, Any],
    counted: Day,
    cloud: Mapping[str, float | None],
    zone: tzinfo,
    now: int,
    raised: Mapping[str, float] | None = None,
    *,
    rounded: bool = True,
) -> FinalDay:
    """Combine the counted energies of a finished day with the cloud's.

    The larger value wins: lost or frozen samples make both too small, and accepted values make neither too large; a
    slightly larger cloud value is the energy after the last poll. Within rounding the counted value stays; more than
    the plant can produce is rejected. `raised` is the energy by which the day before was raised: if the count is too
    high by that much, a frozen midnight put the energy on the wrong day, and the cloud's value wins. Without `rounded`
    the larger value wins within rounding too: it continues the counted one. The day is final if it was requested after
    noon of the following day, because dataloggers upload late.
    """
    start, end = day_bounds(counted.day, zone)
    limit = max_power(state.get("power")) * (end - start) / 3600
    values, quality, repairs = dict(counted.values), counted.quality, []
    for kind, kwh in cloud.items():
        ours = None if is_provisional_day(state, counted.day, kind) else values.get(kind)
        if kwh is None:
            continue
        if kwh < 0:
            repairs.append(Repair(counted.series, end, f"{kind}_today", kwh, ours, "less than nothing"))
            continue
        close = ours is not None and abs(kwh - ours) <= max(_CLOSE[0] * ours, _CLOSE[1])
        spilled = raised.get(kind, 0.0) if raised else 0.0
        if ours is not None and spilled and 0 < ours - kwh <= spilled + _SAME[1]:
            values[kind], quality = kwh, Quality.BACKFILLED
            reason = "counted on the day before as well"
            repairs.append(Repair(counted.series, end, f"{kind}_today", ours, kwh, reason))
            continue
        if ours is not None and close and kwh <= ours + (max(_SAME[0] * ours, _SAME[1]) if rounded else 0.0):
            continue
        if kwh <= limit and (ours is None or kwh > ours):
            values[kind], quality = kwh, Quality.BACKFILLED
            if not close and ours is not None:
                repairs.append(Repair(counted.series, end, f"{kind}_today", ours, kwh, CLOUD_DAY_HIGHER))
        else:
            reason = "more than can be" if kwh > limit else "the cloud's day has less"
            repairs.append(Repair(counted.series, end, f"{kind}_today", kwh, ours, reason))
    final = counted._replace(values=values, quality=quality, final=now >= end + FINAL_AFTER, written_at=now)
    return FinalDay(final, tuple(repairs))


def _update_peak(power: Mapping[str, float] | None, sample: StoredSample) -> dict[str, float] | None:
    """Return the greatest power that two consecutive samples agree on."""
    powers = [abs(value) for name in _POWERS if (value := sample.values.get(name)) is not None]
    if not powers:
        return None if power is None else dict(power)
    last = max(powers)
    peak = max(power["peak"], min(power["last"], last)) if power else 0.0
    return {"last": last, "peak": peak}


def _without_counters(state: Mapping[str, Any], sample: StoredSample, reason: str) -> RepairResult:
    """Return a sample whose counters are rejected."""
    names = [f"{kind}_{span}" for kind in ENERGIES for span in ("today", "total")]
    raw = {name: value for name in names if (value := sample.values.get(name)) is not None}
    repairs = tuple(Repair(sample.series, sample.measured_at, name, value, None, reason) for name, value in raw.items())
    quality = Quality.REPAIRED if raw else sample.quality
    return RepairResult(
        sample._replace(values={**sample.values, **dict.fromkeys(raw)}, quality=quality), (), repairs, state
    )
