"""The half hours of a plant's last weeks that the rules compare with: its best yield at the same sun angle. Pure."""

from __future__ import annotations

from array import array
from collections import deque
from math import isnan, nan
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.store.base import Bucket

SLOT = 1800
"""Seconds of a slot."""
SLOTS_PER_DAY = 48
WINDOW_DAYS = 21
"""Days whose best yield is the reference: the sun's height at one time of day changes little in three weeks."""
KEPT_DAYS = 2 * WINDOW_DAYS + 7
"""Days in memory: the reference of each of the last four weeks has three weeks of its own."""
MIN_DAYS = 5
"""Days with data that a reference needs."""
MEAN_METRICS = ("pv_power", "grid_power", "battery_power", "battery_soc", "pv_energy_today")
"""The metrics that `HalfHour.from_bucket` expects, in this order."""
FULL = 95.0
"""State of charge in % from which a battery may limit the yield, if nothing is exported."""
_EXPORTS = -50.0
_RECENT = 2 * SLOTS_PER_DAY


class HalfHour(NamedTuple):
    """Half an hour of a plant: means, and the range of some metrics; None where nothing is known."""

    pv: float | None = None
    grid: float | None = None
    grid_range: float | None = None
    battery: float | None = None
    soc: float | None = None
    soc_low: float | None = None
    soc_high: float | None = None
    counter_low: float | None = None
    counter_high: float | None = None

    @classmethod
    def from_bucket(cls, bucket: Bucket) -> HalfHour:
        """Return the slot of an aggregate of `MEAN_METRICS`."""
        pv, grid, battery, soc, _ = bucket.mean
        lowest, highest = bucket.low[1], bucket.high[1]
        spread = None if lowest is None or highest is None else highest - lowest
        return cls(pv, grid, spread, battery, soc, bucket.low[3], bucket.high[3], bucket.low[4], bucket.high[4])

    @property
    def is_curtailed(self) -> bool:
        """Whether the battery is full and nothing is exported, so that the panels may not yield what they could."""
        return (self.soc or 0.0) >= FULL and (self.grid is None or self.grid > _EXPORTS)


class SlotHistory:
    """The slots of one plant in the order of time; a slot is numbered by `epoch seconds // SLOT`.

    `shift` is the number of slots by which the plant's noon is later than that of UTC, so that no night is split.
    """

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift
        self.recent: deque[tuple[int, HalfHour]] = deque(maxlen=_RECENT)
        self._pv = array("f", [nan]) * (KEPT_DAYS * SLOTS_PER_DAY)
        self._next: int | None = None
        self._soc_ranges: dict[int, tuple[float, float]] = {}
        self._best: dict[int, array[float]] = {}
        self.day_parts: dict[tuple[str, int], float | None] = {}
        """Results of the rules for days that are over, by rule and day."""
        self.similar: tuple[int, list[SlotHistory]] | None = None
        """The neighbours whose yield went along with this plant's, and the day on which they were chosen."""

    @property
    def next_slot(self) -> int | None:
        """The number of the first slot that is not known yet; None if there is none."""
        return self._next

    def add(self, number: int, slot: HalfHour) -> None:
        """Add a slot, which must be later than those before."""
        if self._next is not None:
            for missing in range(max(self._next, number - len(self._pv)), number):
                self._pv[missing % len(self._pv)] = nan
        self._next = number + 1
        self._pv[number % len(self._pv)] = nan if slot.pv is None or slot.is_curtailed else slot.pv
        self.recent.append((number, slot))
        if slot.soc_low is not None and slot.soc_high is not None:
            day = self.day_of(number)
            low, high = self._soc_ranges.get(day, (slot.soc_low, slot.soc_high))
            self._soc_ranges[day] = min(low, slot.soc_low), max(high, slot.soc_high)
            self._soc_ranges.pop(day - KEPT_DAYS, None)

    def day_of(self, number: int) -> int:
        """Return the day of a slot, which begins around the plant's midnight."""
        return (number + self.shift) // SLOTS_PER_DAY

    def slots_of(self, day: int) -> range:
        """Return the numbers of the slots of a day."""
        first = day * SLOTS_PER_DAY - self.shift
        return range(first, first + SLOTS_PER_DAY)

    def pv(self, number: int) -> float | None:
        """Return the mean solar power of a slot in W; None if it is unknown, or limited by a full battery."""
        if self._next is None or not self._next - len(self._pv) <= number < self._next:
            return None
        value = self._pv[number % len(self._pv)]
        return None if isnan(value) else value

    def soc_ranges(self, day: int, days: int) -> list[tuple[float, float]]:
        """Return the lowest and the highest state of charge of each of the `days` before a day, as far as known."""
        ranges: Mapping[int, tuple[float, float]] = self._soc_ranges
        return [ranges[one] for one in range(day - days, day) if one in ranges]

    def best(self, number: int) -> float | None:
        """Return the best yield at this time of day on the three weeks before, in W; None if too few are known."""
        day = self.day_of(number)
        if day not in self._best:
            if len(self._best) > WINDOW_DAYS:
                self._best.clear()
                self.day_parts.clear()
            self._best[day] = array("f", map(self._best_of, self.slots_of(day)))
        value = self._best[day][number - self.slots_of(day).start]
        return None if isnan(value) else value

    def peak(self, day: int) -> float:
        """Return the highest of the best yields of a day in W; 0 if none is known."""
        return max((best for one in self.slots_of(day) if (best := self.best(one)) is not None), default=0.0)

    def _best_of(self, number: int) -> float:
        of_days = range(number - SLOTS_PER_DAY, number - WINDOW_DAYS * SLOTS_PER_DAY - 1, -SLOTS_PER_DAY)
        known = [value for one in of_days if (value := self.pv(one)) is not None]
        return max(known) if len(known) >= MIN_DAYS else nan
