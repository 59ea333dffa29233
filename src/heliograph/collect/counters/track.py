"""Filter of one counter: which readings are accepted, and which are held until later ones confirm them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR = 3600
DAY = 24 * HOUR
DIP = 0.25
"""Counters lose up to 0.2 kWh and recover it (Home Assistant: the combined import of Growatt's mix)."""

_COARSEST = 10.0


class CounterOutcome(StrEnum):
    """The effect of a reading."""

    SAME = "same"
    ROSE = "rose"
    FELL = "fell"
    HELD = "held"


class MeterSwap(NamedTuple):
    """A replaced meter: the raw value at which the new one began, and what it has counted since."""

    start: float
    gain: float


@dataclass(slots=True)
class Streak:
    """Consecutive rejected readings that agree with each other: an unconfirmed jump, an error, or a replaced meter."""

    first: float
    since: int
    last: float
    at: int
    rising: int | None = None
    """When it first rose: a constant value may be a sentinel or a zero, a meter moves."""
    day_end: float | None = None
    """The last reading of the day before."""


@dataclass(slots=True)
class CounterTrack:
    """The accepted readings of one counter, in kWh; they never fall.

    A rise is accepted if the power it needs is possible: within the last hour at once, within the time since the
    counter last moved (it may have been frozen) as soon as the next sample agrees.
    """

    value: float
    moved: int
    seen: int
    step: float = _COARSEST
    """The finest digit of any reading so far; a difference within one step is rounding."""
    sure: bool = False
    """Whether a second reading has confirmed the value."""
    run: Streak | None = None
    """The rejected readings since the last accepted one."""

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Self:
        """Restore the result of `dump`."""
        run = state["run"]
        return cls(**{**state, "run": None if run is None else Streak(*run)})

    def dump(self) -> dict[str, Any]:
        """Return the state, ready for JSON; its keys are stored, so they must not change."""
        run = self.run
        return {
            "value": self.value,
            "moved": self.moved,
            "seen": self.seen,
            "step": self.step,
            "sure": self.sure,
            "run": None if run is None else [run.first, run.since, run.last, run.at, run.rising, run.day_end],
        }

    def update(self, value: float, at: int, limit: float) -> CounterOutcome:
        """Process one reading; `limit` is the maximum flow, in kWh per second."""
        step = min(self.step, granularity(value))
        if value < self.value:
            outcome = CounterOutcome.FELL
            self._reject(value, at, limit, step)
        elif self._is_confirmed(value, at, limit, step) or self._is_possible(value, at, limit, step):
            outcome = CounterOutcome.ROSE if value > self.value else CounterOutcome.SAME
            self._accept(value, at)
        else:
            outcome = CounterOutcome.HELD
            self._reject(value, at, limit, step)
        if not self.sure and self.run is not None:  # an unconfirmed value is replaced: the newer one may be better
            self.value, self.moved, self.seen, self.step, self.run = value, at, at, granularity(value), None
        return outcome

    def _is_possible(self, value: float, at: int, limit: float, step: float) -> bool:
        """Return True if the rise since the last accepted reading is possible and continues no rejected streak."""
        if self.run and self.run.first > self.value and _continues(self.run, value, at, limit, step):
            return False
        return value <= self.value + limit * min(at - self.seen, HOUR) + step

    def _is_confirmed(self, value: float, at: int, limit: float, step: float) -> bool:
        """Return True if the reading continues a streak whose rise is possible since the counter last moved."""
        run = self.run
        return (
            run is not None
            and run.first > self.value
            and at > run.at
            and _continues(run, value, at, limit, step)
            and run.first <= self.value + limit * (run.since - self.moved) + step
        )

    def _accept(self, value: float, at: int) -> None:
        self.sure = self.sure or (at > self.seen and value > 0)
        if value > self.value:
            self.moved = at
        self.step = min(self.step, granularity(value))
        self.value, self.seen, self.run = value, at, None

    def _reject(self, value: float, at: int, limit: float, step: float) -> None:
        """Add the reading to the streak, or begin a new one."""
        run = self.run
        if run is not None and (run.first < self.value) == (value < self.value):
            if _continues(run, value, at, limit, step):
                if value > run.last and run.rising is None:
                    run.rising = at
                if at - run.at > HOUR:
                    run.day_end = None  # midnight may have been anywhere in between
                run.last, run.at = value, at
                return
            if value < self.value and (value == 0 or run.last - DIP <= value <= run.last):
                return  # the new meter reports zeros and dips as the old one did
        self.run = Streak(value, at, value, at)

    def detect_swap(self, zero: float, limit: float) -> MeterSwap | None:
        """Switch to a replaced meter once its readings have been consistent and rising for a day.

        It counts from zero if that is possible since the old meter's last reading, else from its first reading.
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
    """Return the place of the last digit of a value.

    >>> granularity(2560.0), granularity(27.3), granularity(9177.45), granularity(0.0)
    (10.0, 0.1, 0.01, 10.0)
    """
    for step in (10.0, 1.0, 0.1, 0.01):
        if abs(value / step - round(value / step)) < 1e-6 / step:
            return step
    return 0.001


def _continues(run: Streak, value: float, at: int, limit: float, step: float) -> bool:
    return run.last <= value <= run.last + limit * (at - run.at) + step
