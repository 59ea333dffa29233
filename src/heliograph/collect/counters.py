"""Counters made true: totals that never fall, days that are today's, and a note of every value not believed."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.collect.days import begins, bounds, day_of
from heliograph.collect.ledger import Ledger, Moment
from heliograph.metrics import METRICS
from heliograph.model import Quality
from heliograph.store.contract import Day, Entry, Repair

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

KINDS = tuple(name.removesuffix("_today") for name, metric in METRICS.items() if metric.kind == "today")

_GAUGES = tuple(name for name, metric in METRICS.items() if metric.unit == "W")
_LEAST = 20.0
_UNKNOWN = 1000.0
_AHEAD = 600
_CLOSE = 0.02, 0.2
_REREAD = 12 * 3600


class Counted(NamedTuple):
    """A sample with its counters made true, the days it changes, what was not believed, and what to remember."""

    entry: Entry
    days: tuple[Day, ...]
    repairs: tuple[Repair, ...]
    memory: Mapping[str, Any]


class Settled(NamedTuple):
    """A finished day, and what was not believed of it."""

    day: Day
    repairs: tuple[Repair, ...]


def count(memory: Mapping[str, Any], entry: Entry, zone: tzinfo, limit: float | None = None) -> Counted:
    """Make the counters of one sample true; samples come oldest first.

    `limit` is the greatest power there can be, in W. Without it, it is twice the greatest power seen, at least 20 kW,
    and a megawatt where a device tells no power.
    """
    if entry.measured_at < memory.get("at", 0):
        return _gaps(memory, entry, "late: the counters are past this")
    if entry.measured_at > entry.fetched_at + _AHEAD:
        return _gaps(memory, entry, "measured in the future")
    power = _learn(memory.get("power"), entry)
    day = day_of(entry.measured_at, zone)
    flow = (limit / 1000 if limit else highest(power)) / 3600
    now = Moment(entry.measured_at, day.toordinal(), begins(day, zone), flow)
    kept = dict(memory.get("kinds", {}))
    told = dict(memory.get("told", {}))
    values = dict(entry.values)
    notes: list[Repair] = []
    news: dict[int, dict[str, float | None]] = {}
    quality = entry.quality
    for kind in KINDS:
        raw = {f"{kind}_total": values.get(f"{kind}_total"), f"{kind}_today": values.get(f"{kind}_today")}
        if all(value is None for value in raw.values()):
            continue
        ledger = Ledger.load(kept[kind]) if kind in kept else Ledger(now.day)
        said = ledger.hear(now, *raw.values())
        for (name, value), (true, why) in zip(raw.items(), said, strict=True):
            if value is not None and true != value:
                values[name], quality = true, Quality.REPAIRED
            if value is not None and why is not None:
                notes.append(Repair(entry.series, entry.measured_at, name, value, true, why))
        if (lost := ledger.lost()) is not None:
            why = "flowed over midnight, in no day"
            notes.append(Repair(entry.series, entry.measured_at, f"{kind}_today", lost, None, why))
        kept[kind] = ledger.dump()
        past = dict(told.get(kind, {}))
        for back, energy in enumerate(ledger.counted()):
            which = now.day - back
            if energy is not None and past.get(str(which)) != energy:
                news.setdefault(which, {})[kind] = energy
                past[str(which)] = energy
        told[kind] = {which: energy for which, energy in past.items() if int(which) >= now.day - 1}
    days = tuple(
        Day(entry.series, date.fromordinal(which), energies, quality, final=False, written_at=entry.fetched_at)
        for which, energies in sorted(news.items())
    )
    return Counted(
        entry._replace(values=values, quality=quality),
        days,
        tuple(notes),
        {"at": entry.measured_at, "power": power, "kinds": kept, "told": told},
    )


def highest(power: Mapping[str, float] | None) -> float:
    """Return the greatest power there can be, in kW, judged by what was seen."""
    return max(_LEAST, 2 * power["peak"] / 1000) if power else _UNKNOWN


def settle(
    memory: Mapping[str, Any], counted: Day, told: Mapping[str, float | None], zone: tzinfo, now: int
) -> Settled:
    """Set the cloud's own word on a finished day against what was counted.

    The greater wins: what is lost on the way, or frozen, makes both too small, and nothing believed makes them too
    large. Within rounding the count stays; more than the plant can do is not believed. The day is final if the cloud
    was asked after the noon that followed it, for loggers upload late.
    """
    start, end = bounds(counted.day, zone)
    most = highest(memory.get("power")) * (end - start) / 3600
    values, quality, notes = dict(counted.values), counted.quality, []
    for kind, word in told.items():
        ours = values.get(kind)
        if word is None or (ours is not None and abs(word - ours) <= max(_CLOSE[0] * ours, _CLOSE[1])):
            continue
        if word <= most and (ours is None or word > ours):
            values[kind], quality = word, Quality.BACKFILLED
            if ours is not None:
                notes.append(Repair(counted.series, end, f"{kind}_today", ours, word, "the cloud's day has more"))
        else:
            why = "more than can be" if word > most else "the cloud's day has less"
            notes.append(Repair(counted.series, end, f"{kind}_today", word, ours, why))
    return Settled(
        counted._replace(values=values, quality=quality, final=now >= end + _REREAD, written_at=now), tuple(notes)
    )


def _learn(power: Mapping[str, float] | None, entry: Entry) -> dict[str, float] | None:
    """Remember the greatest power two samples in a row agree on."""
    seen = [abs(value) for name in _GAUGES if (value := entry.values.get(name)) is not None]
    if not seen:
        return None if power is None else dict(power)
    last = max(seen)
    peak = max(power["peak"], min(power["last"], last)) if power else 0.0
    return {"last": last, "peak": peak}


def _gaps(memory: Mapping[str, Any], entry: Entry, why: str) -> Counted:
    """Leave out the counters of a sample that cannot be counted."""
    names = [f"{kind}_{span}" for kind in KINDS for span in ("today", "total")]
    raw = {name: value for name in names if (value := entry.values.get(name)) is not None}
    notes = tuple(Repair(entry.series, entry.measured_at, name, value, None, why) for name, value in raw.items())
    quality = Quality.REPAIRED if raw else entry.quality
    gaps = dict.fromkeys(raw)
    return Counted(entry._replace(values={**entry.values, **gaps}, quality=quality), (), notes, memory)
