"""One counter as its cloud tells it: which values are believed, and which are held until they prove themselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR = 3600
DAY = 24 * HOUR
DIP = 0.25
"""Counters lose up to 0.2 kWh and find them again (Home Assistant: the combined import of Growatt's mix)."""

_COARSEST = 10.0


class CounterOutcome(StrEnum):
    """What became of a value."""

    SAME = "same"
    ROSE = "rose"
    FELL = "fell"
    HELD = "held"


class MeterSwap(NamedTuple):
    """Another meter counts on: the raw value at which it began, and what it counted since."""

    start: float
    gain: float


@dataclass(slots=True)
class Streak:
    """Values off the line that agree with each other: a jump to be confirmed, a lie, or another meter."""

    first: float
    since: int
    last: float
    at: int
    rising: int | None = None
    """When it first rose: a value that stands still may be a sentinel or a zero, a meter moves."""
    day_end: float | None = None
    """Where it stood when the day ended."""


@dataclass(slots=True)
class CounterTrack:
    """The believed course of one counter, in kWh; it never falls.

    A rise is believed if the power it asks for is possible: within the last hour at once, within the time since the
    line last moved (it may have been frozen) as soon as the next sample agrees.
    """

    value: float
    moved: int
    seen: int
    step: float = _COARSEST
    """The finest digit this counter was ever told in: what is within one step is rounding."""
    sure: bool = False
    run: Streak | None = None

    @classmethod
    def load(cls, kept: Mapping[str, Any]) -> Self:
        """Read back what `dump` wrote."""
        run = kept["run"]
        return cls(**{**kept, "run": None if run is None else Streak(*run)})

    def dump(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        run = self.run
        known = None if run is None else [run.first, run.since, run.last, run.at, run.rising, run.day_end]
        return {
            "value": self.value,
            "moved": self.moved,
            "seen": self.seen,
            "step": self.step,
            "sure": self.sure,
            "run": known,
        }

    def update(self, value: float, at: int, limit: float) -> CounterOutcome:
        """Take in one value; `limit` is the greatest flow there can be, in kWh a second."""
        step = min(self.step, granularity(value))
        if value < self.value:
            heard = CounterOutcome.FELL
            self._stray(value, at, limit, step)
        elif self._confirms(value, at, limit, step) or self._fits(value, at, limit, step):
            heard = CounterOutcome.ROSE if value > self.value else CounterOutcome.SAME
            self._believe(value, at)
        else:
            heard = CounterOutcome.HELD
            self._stray(value, at, limit, step)
        if not self.sure and self.run is not None:  # nothing yet speaks for this line: the newer value may be better
            self.value, self.moved, self.seen, self.step, self.run = value, at, at, granularity(value), None
        return heard

    def _fits(self, value: float, at: int, limit: float, step: float) -> bool:
        """Say whether a value can have come about since the last believed one; what a run said is not asked again."""
        if self.run and self.run.first > self.value and _agrees(self.run, value, at, limit, step):
            return False
        return value <= self.value + limit * min(at - self.seen, HOUR) + step

    def _confirms(self, value: float, at: int, limit: float, step: float) -> bool:
        run = self.run
        return (
            run is not None
            and run.first > self.value
            and at > run.at
            and _agrees(run, value, at, limit, step)
            and run.first <= self.value + limit * (run.since - self.moved) + step
        )

    def _believe(self, value: float, at: int) -> None:
        self.sure = self.sure or (at > self.seen and value > 0)
        if value > self.value:
            self.moved = at
        self.step = min(self.step, granularity(value))
        self.value, self.seen, self.run = value, at, None

    def _stray(self, value: float, at: int, limit: float, step: float) -> None:
        run = self.run
        if run is not None and (run.first < self.value) == (value < self.value):
            if _agrees(run, value, at, limit, step):
                if value > run.last and run.rising is None:
                    run.rising = at
                if at - run.at > HOUR:
                    run.day_end = None  # midnight may have been anywhere in between
                run.last, run.at = value, at
                return
            below = value < self.value
            if below and (value == 0 or run.last - DIP <= value <= run.last):
                return  # the other meter tells zeros and dips as the first one did
        self.run = Streak(value, at, value, at)

    def detect_swap(self, zero: float, limit: float) -> MeterSwap | None:
        """Follow another meter once it has told another story for a whole day.

        It counts from zero if it can have begun there when the old one fell silent, else from its first value.
        """
        run = self.run
        if run is None or run.rising is None or run.at - run.rising < DAY:
            return None
        new = run.first < self.value and run.first - zero <= limit * (run.since - self.seen) + self.step
        start = zero if new else run.first
        gain = run.last - start
        self.value, self.moved, self.seen, self.run = self.value + gain, run.at, run.at, None
        return MeterSwap(start, gain)


def granularity(value: float) -> float:
    """Return the last digit a value is told in.

    >>> granularity(2560.0), granularity(27.3), granularity(9177.45), granularity(0.0)
    (10.0, 0.1, 0.01, 10.0)
    """
    for step in (10.0, 1.0, 0.1, 0.01):
        if abs(value / step - round(value / step)) < 1e-6 / step:
            return step
    return 0.001


def _agrees(run: Streak, value: float, at: int, limit: float, step: float) -> bool:
    return run.last <= value <= run.last + limit * (at - run.at) + step
