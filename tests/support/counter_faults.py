"""Correct histories of one counter, and the documented faults; each fault is a function over the samples."""

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


class Told(NamedTuple):
    """What is said at one moment; a gap is None."""

    at: int
    total: float | None
    today: float | None


class Lie(NamedTuple):
    """One fault: what, on which day, from which hour, for how many hours, and how big from 0 to 1."""

    what: str
    day: int
    hour: float
    hours: float
    size: float


@dataclass(frozen=True)
class Life:
    """One counter's true course: a share of the peak for each day, and when it was looked at."""

    zone: str = "Europe/Berlin"
    first: date = date(2026, 6, 20)
    suns: tuple[float, ...] = (1.0, 0.5, 0.8, 1.0)
    """How much of a clear day each day was."""
    sleeps: bool = True
    """A string inverter: nothing flows at night, and midnight is seen at sunrise only."""
    peak: float = 5.0
    seconds: int = 300
    skew: int = 0
    """How many seconds after the plant's midnight the device's is."""
    born: float = 4321.7
    seed: int = 0
    lies: tuple[Lie, ...] = ()
    witnesses: str = "both"

    @property
    def clock(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=i) for i in range(len(self.suns))]

    def course(self) -> Course:
        return Course(self)


class Course:
    """A life worked out by the minute."""

    def __init__(self, life: Life) -> None:
        self.life = life
        dice = Random(life.seed)
        self.edges = [day_bounds(day, life.clock) for day in life.days]
        self.start, self.end = self.edges[0][0], self.edges[-1][1]
        flows = []
        cloud = 1.0
        for sun, (dawn, dusk) in zip(life.suns, self.edges, strict=True):
            for at in range(dawn, dusk, TICK):
                if not at % 900:
                    cloud = dice.uniform(0.2, 1.0)
                share = (at - dawn) / (dusk - dawn)
                light = max(0.0, math.sin((share - 0.25) * 2 * math.pi)) if life.sleeps else 0.3
                flows.append(life.peak * sun * light * cloud * TICK / 3600)
        self.sums = [0.0, *accumulate(flows)]
        self.moments = []
        at = self.start + dice.randrange(life.seconds)
        while at < self.end:
            self.moments.append(at)
            at += max(60, int(life.seconds * dice.uniform(0.8, 1.2)))

    def flowed(self, at: float) -> float:
        """Return the energy since the beginning."""
        place = min(max((at - self.start) / TICK, 0), len(self.sums) - 1)
        low = int(place)
        high = min(low + 1, len(self.sums) - 1)
        return self.sums[low] + (self.sums[high] - self.sums[low]) * (place - low)

    def between(self, since: float, until: float) -> float:
        return self.flowed(until) - self.flowed(since)

    def midnight(self, at: int) -> int:
        """Return when the device's own day began; before its first midnight, when the history did."""
        begun = [start + self.life.skew for start, _ in self.edges if start + self.life.skew <= at]
        return begun[-1] if begun else self.start

    def power(self, at: int) -> float:
        return self.between(at - TICK, at + TICK) * 3600 / (2 * TICK) * 1000

    def honest(self) -> list[Told]:
        return [
            Told(
                at,
                _floor(self.life.born + self.flowed(at)),
                _floor(self.between(self.midnight(at), at)),
            )
            for at in self.moments
        ]

    def told(self) -> list[Told]:
        """Return the samples with every lie told over them."""
        told = self.honest()
        for lie in sorted(self.life.lies, key=lambda one: ORDER.index(one.what)):
            told = LIES[lie.what](self, lie, told)
        if self.life.witnesses == "today":
            told = [one._replace(total=None) for one in told]
        if self.life.witnesses == "total":
            told = [one._replace(today=None) for one in told]
        return told

    def window(self, lie: Lie) -> tuple[float, float]:
        start = self.edges[lie.day % len(self.edges)][0] + lie.hour * 3600
        return start, start + lie.hours * 3600

    def wakes(self, day: int) -> float:
        """Return when the inverter has woken: its first tenth of a kilowatt hour is near."""
        start, end = self.edges[day]
        return start + (end - start) * 0.27


def sampling_error(course, told):
    """Return for every midnight how much energy no honest sample places on either side of it, and if too much.

    A total places it between the last honest sample before midnight and the first after. A day counter places what
    it told before midnight, and everything after. Where one sample of the new day shows both awake, moving and
    honest, nothing is left to guess but what flowed between the device's midnight and the plant's.
    """
    true = {one.at: one for one in course.honest()}
    has_total, has_today = course.life.witnesses != "today", course.life.witnesses != "total"
    totals = [one.at for one in told if has_total and one.total == true[one.at].total]
    todays = [one.at for one in told if has_today and one.today == true[one.at].today]
    todays = _words(course, true, told, todays)
    seams = [(0.0, False)]
    for (begun, midnight), (_, end) in pairwise(course.edges):
        low, high = sorted((midnight, midnight + course.life.skew))
        by_total = (
            max((at for at in totals if at < low), default=course.start),
            min((at for at in totals if at >= high), default=course.end),
        )
        by_today = max((at for at in todays if begun <= at < low), default=begun), high
        options = []
        if has_total:
            options.append(course.between(*by_total))
        if has_today:
            options.append(course.between(*by_today))
        joint = _awake(true, [one.at for one in told if high <= one.at < end], set(totals), set(todays))
        seam = 0.0 if joint and has_total and has_today else min(options)
        seams.append((seam + course.between(low, high), seam > 0.4))
    return seams


def _words(course, true, told, todays):
    """Return the moments at which the day counter is understood: nobody can tell whose it is before it has moved.

    Undecidable, and so no word: a day frozen at zero until it stands where yesterday ended, and one first met when it
    no longer moves.
    """
    words = []
    for (start, end), (before, _) in zip(course.edges[1:], course.edges, strict=False):
        begun, next_one = min(start, start + course.life.skew), end
        final = _floor(course.between(before + course.life.skew, start + course.life.skew))
        values, clear = set(), False
        for at in (at for at in todays if begun <= at < next_one):
            value = true[at].today
            clear = clear or 0 < value < final - 0.3 or (0.0 in values and value > final + 0.3)
            values.add(value)
            if clear or value == 0 or len({one for one in values if one > final}) > 2:
                words.append(at)
    return [at for at in todays if at < course.edges[1][0]] + words


def _awake(true, moments, totals, todays):
    both = [at for at in moments if at in totals and at in todays]
    return any(
        true[after].total > true[before].total and true[after].today > true[before].today
        for before, after in pairwise(moments)
        if before in both and after in both
    )


def _floor(value: float) -> float:
    return round(math.floor(value / STEP + 1e-9) * STEP, 3)


def _within(course, lie, told, change):
    since, until = course.window(lie)
    return [change(one) if since <= one.at < until else one for one in told]


def _one(course, lie, told, change):
    since, _ = course.window(lie)
    place = next((i for i, one in enumerate(told) if one.at >= since), None)
    return [change(one) if i == place else one for i, one in enumerate(told)]


def zero_at_night(course, lie, told):
    """The device's total is 0 from midnight until it wakes (users 3.1)."""
    day = lie.day % len(course.edges)
    since, until = course.edges[day][0], course.wakes(day)
    return [one._replace(total=0.0) if since <= one.at < until else one for one in told]


def replay(course, lie, told):
    """The day counter keeps yesterday's last value from midnight until the inverter wakes (users 3.7)."""
    day = max(1, lie.day % len(course.edges))
    if day >= len(course.edges):
        return told
    since = course.edges[day][0]
    until = course.wakes(day) if course.life.sleeps else since + 600 + lie.size * 6 * 3600
    final = _floor(
        course.between(
            course.midnight(since - 1200) if course.life.skew < 0 else course.edges[day - 1][0] + course.life.skew,
            since + course.life.skew,
        )
    )
    changed = []
    for i, one in enumerate(told):
        if since <= one.at < until:
            first = i == 0 or told[i - 1].at < since
            changed.append(one._replace(today=0.0 if first and lie.size > 0.5 else final))
        else:
            changed.append(one)
    return changed


def dip(course, lie, told):
    """Both counters lose a little and find it again."""
    lost = 0.1 if lie.size < 0.5 else 0.2
    return _one(
        course, lie, told, lambda one: Told(one.at, round(one.total - lost, 3), max(0.0, round(one.today - lost, 3)))
    )


def total_zero(course, lie, told):
    return _one(course, lie, told, lambda one: one._replace(total=0.0))


def today_zero(course, lie, told):
    return _one(course, lie, told, lambda one: one._replace(today=0.0))


def low_total(course, lie, told):
    """The total is too low for a while, then comes back (users 3.2)."""
    lost = 1 + lie.size * 0.6 * course.life.born
    return _within(course, lie, told, lambda one: one._replace(total=max(0.0, round(one.total - lost, 1))))


def _frozen(names):
    def freeze(course, lie, told):
        since, until = course.window(lie)
        last, changed = None, []
        for one in told:
            if one.at < since or last is None:
                last = one
            elif one.at < until:
                one = one._replace(**{name: getattr(last, name) for name in names})  # noqa: PLW2901
            changed.append(one)
        return changed

    return freeze


SPIKES = (6553.5, 65535.0, 4294967.295, 429483622.0, 42949672.95)


def total_spike(course, lie, told):
    """A register of all ones, or any jump no plant of this size can make."""
    far = round(course.life.born + 400 + 3000 * lie.size, 1)
    return _one(course, lie, told, lambda one: one._replace(total=(*SPIKES[1:], far)[int(lie.size * 4.99)]))


def today_spike(course, lie, told):
    return _one(course, lie, told, lambda one: one._replace(today=(*SPIKES, 300.0)[int(lie.size * 5.99)]))


def replaced(course, lie, told):
    """A new meter begins at zero."""
    since, _ = course.window(lie)
    lost = course.life.born + course.flowed(since)
    return [
        one if one.at < since else one._replace(total=_floor(max(0.0, course.life.born + course.flowed(one.at) - lost)))
        for one in told
    ]


def gap(course, lie, told):
    since, until = course.window(lie)
    return [one for one in told if not since <= one.at < until]


def no_today(course, lie, told):
    return _within(course, lie, told, lambda one: one._replace(today=None))


def no_total(course, lie, told):
    return _within(course, lie, told, lambda one: one._replace(total=None))


LIES = {
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
ORDER = tuple(LIES)
"""Lasting lies first, then single ones, then silence: as they would lie over each other in a cloud."""
