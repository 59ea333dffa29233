"""Reconciliation of the lifetime and the daily counter of one energy into one monotonic total.

The lifetime counter gives the energy since both counters were last seen moving; the daily counter gives the energy
since it was zero. A day's energy is the increase of the total from one midnight to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from heliograph.collect.counters.first import (
    NOT_RESET,
    RESET_BY,
    KeptValue,
    SampleContext,
    agrees_with_curve,
    check_first_total,
    check_unsettled_today,
)
from heliograph.collect.counters.track import DAY, DIP, HOUR, CounterOutcome, CounterTrack, granularity

if TYPE_CHECKING:
    from collections.abc import Mapping

SKEW = 5400
"""Seconds between a device's midnight and its plant's: its own clock may be wrong, and not switch to DST."""
UNSPLIT = 0.5
"""Energy over midnight in kWh that is split by time; more is left to the cloud's daily values."""

DayState = Literal["waiting", "zeroed", "today"]
"""The day of the daily counter: yesterday or unknown; today, but not moving yet; today."""


class ReconciledDay(NamedTuple):
    """The energy of a day, whether it differs from the daily counter, and whether it is unconfirmed."""

    kwh: float
    repaired: bool
    provisional: bool = False


@dataclass(slots=True)
class EnergyReconciler:
    """The state of one kind of energy of one series, in kWh."""

    day: int
    energy: float = 0.0
    """The monotonic total."""
    day_start: float = 0.0
    """`energy` when `day` began."""
    day_start_known: bool = False
    """Whether `day_start` is more than a first estimate."""
    unresolved: bool = True
    """Whether too much energy flowed over the last midnight to assign it to a day."""
    previous_start: float | None = None
    """`energy` when the day before began, if known."""
    total: CounterTrack | None = None
    total_offset: float = 0.0
    """Added to the raw total for replaced meters."""
    synced: tuple[float, float] | None = None
    """`energy` and the total when both counters were last seen moving."""
    today_moved: bool = False
    """Whether the daily counter moved since then."""
    unassigned: float = 0.0
    """Energy over midnight that belongs to no day."""
    today: CounterTrack | None = None
    reset: CounterTrack | None = None
    """The daily counter after a fall to zero that may be a glitch."""
    state: DayState = "waiting"
    today_origin: float | None = None
    """`energy` when the daily counter in `today` was zero."""
    yesterday: float = 0.0
    """The daily counter at the end of yesterday."""
    rose: bool = False
    """Whether the daily counter rose since midnight without a fall seen before."""
    may_have_reset: bool = True
    """Whether it may have fallen and risen again between two samples."""
    late_total: Literal["closed", "due", "told"] = "closed"
    """Whether the total still lacks the end of yesterday: it has not moved yet, or it has and the daily counter not."""
    provisional_today: float | None = None
    """Today's energy while the daily counter is not known to be today's, if it is plausible."""

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Self:
        """Restore the result of `dump`."""
        values = {_ATTRIBUTES.get(key, key): value for key, value in state.items()}
        for name in _TRACKS:
            values[name] = None if values[name] is None else CounterTrack.load(values[name])
        return cls(**{**values, "synced": None if values["synced"] is None else tuple(values["synced"])})

    def dump(self) -> dict[str, Any]:
        """Return the state, ready for JSON."""
        values = {name: getattr(self, name) for name in _NAMES}
        values |= {name: track.dump() for name in _TRACKS if (track := values[name])}
        values["synced"] = list(self.synced) if self.synced else None
        return {_KEYS.get(name, name): value for name, value in values.items()}

    def update(self, now: SampleContext, total: float | None, today: float | None) -> tuple[KeptValue, KeptValue]:
        """Process the readings of one sample, and return the values to store for total and today."""
        if now.day > self.day:
            self._begin_day(now)
        kept_total = KeptValue(None) if total is None else self._update_total(total, today, now)
        kept_today = KeptValue(None) if today is None else self._update_today(today, now)
        if self.total and (self.synced is None or self.total.moved == now.at):
            self._sync()
        return kept_total, kept_today

    def take_unassigned(self) -> float | None:
        """Return, once, the energy over a midnight that belongs to no day."""
        if self.today and self.state != "today":
            return None  # the daily counter may still assign it
        kwh, self.unassigned = self.unassigned, 0.0
        return round(kwh, 3) if kwh > UNSPLIT else None

    @property
    def needs_curve(self) -> bool:
        """Whether the power curve of today can tell if the daily counter is today's."""
        unsettled = self.state == "waiting" and self.may_have_reset
        return unsettled and self.today is not None and self.today.value > self.yesterday

    def day_energies(self) -> tuple[ReconciledDay | None, ReconciledDay | None]:
        """Return the energy of today and of yesterday; None if unknown."""
        today, yesterday = self._known_day_energies()
        if today is None and self.provisional_today is not None:
            today = ReconciledDay(round(self.provisional_today, 3), repaired=False, provisional=True)
        return today, yesterday

    def _known_day_energies(self) -> tuple[ReconciledDay | None, ReconciledDay | None]:
        if self.unresolved:
            return None, None
        track = self.today or self.total
        step = 2 * track.step if track else 0.0
        today = yesterday = None
        if self.state != "waiting" or (self.total and self.day_start_known):
            counter = self.today.value if self.today and self.state == "today" else None
            today = _reconciled(self.energy - self.day_start, counter, step)
        if self.previous_start is not None:
            counter = self.yesterday if self.today else None
            yesterday = _reconciled(self.day_start - self.previous_start, counter, step)
        return today, yesterday

    def _begin_day(self, now: SampleContext) -> None:
        if self.state == "zeroed":
            self._start_today(fell=True)
        elif self._is_todays_at_its_end(now):
            self._start_today(fell=False)
        consecutive = now.day - self.day == 1 and not self.unresolved
        self.previous_start = self.day_start if consecutive else None
        self.day_start, self.day_start_known, self.unresolved = self.energy, False, False
        if self.today:
            self.yesterday = self.today.value
        self.state, self.rose, self.may_have_reset, self.provisional_today = "waiting", False, False, None
        self.late_total = "closed"
        self.day = now.day
        if self.total and self.total.run:
            self.total.run.day_end = self.total.run.last

    def _is_todays_at_its_end(self, now: SampleContext) -> bool:
        """Return True if the last reading of the day that ends was only provisional, but from its afternoon."""
        track, origin = self.today, self.today_origin
        if track is None or origin is None or self.state != "waiting" or self.provisional_today != track.value:
            return False
        return track.seen >= now.midnight - DAY + RESET_BY and now.day - self.day == 1

    # The lifetime total

    def _update_total(self, raw: float, today: float | None, now: SampleContext) -> KeptValue:
        if self.total is None:
            self.total = CounterTrack(raw, now.at, now.at, granularity(raw))
            return check_first_total(raw, today, self.total, now)
        track, previous, seen, run = self.total, self.total.value, self.total.seen, self.total.run
        outcome = track.update(raw + self.total_offset, now.at, now.limit)
        if not track.sure:
            return check_first_total(raw, today, track, now)
        reason = None
        evening = (
            run.day_end - previous
            if run and run.day_end is not None and previous < run.day_end <= track.value
            else None
        )
        if outcome in (CounterOutcome.FELL, CounterOutcome.HELD):
            reason = "zero" if raw == 0 else "total fell" if outcome is CounterOutcome.FELL else "implausible jump"
            swap = track.detect_swap(self.total_offset, now.limit)
            if swap is None:
                return KeptValue(round(track.value, 3), reason)
            self.total_offset += previous - swap.start
            evening = None if run is None or run.day_end is None else run.day_end - swap.start
            outcome, reason = CounterOutcome.ROSE, "meter replaced"
        before = self.energy
        slack = track.step if self.today else 0.0
        if self.synced:
            self.energy = max(self.energy, self.synced[0] + track.value - self.synced[1] - slack)
        if self.state != "today":
            self._split_midnight(self.energy - before, evening, seen, now)
        if outcome is CounterOutcome.ROSE and self.late_total == "due":
            self.late_total = "told"
        return KeptValue(round(track.value, 3), reason)

    def _sync(self) -> None:
        """Record `energy` and total at a time when both counters move."""
        if (
            self.total
            and self.total.sure
            and (not self.synced or not self.today or (self.state == "today" and self.today_moved))
        ):
            self.synced, self.today_moved = (self.energy, self.total.value), False

    def _split_midnight(self, gained: float, evening: float | None, seen: int, now: SampleContext) -> None:
        """Split the total's gain over midnight, unless the daily counter has; `evening` is yesterday's known part."""
        if self.day_start_known:
            if evening is not None:
                self.day_start += min(evening, gained)
            return
        self.day_start_known = True
        if evening is not None:
            self.day_start += min(evening, gained)
        if evening is not None or seen >= now.midnight:
            return
        rest = self.energy - self.day_start
        if now.at - seen > HOUR and rest > UNSPLIT:
            self.day_start, self.unresolved, self.unassigned = self.energy, True, rest
        else:
            self.day_start += rest * (now.midnight - seen) / (now.at - seen)

    # The daily counter

    def _update_today(self, raw: float, now: SampleContext) -> KeptValue:
        if self.today is None:
            self.today = CounterTrack(raw, now.at, now.at, granularity(raw), sure=raw == 0)
            if raw == 0:
                self.reset, self.state, self.today_origin = (
                    CounterTrack(0.0, now.at, now.at, sure=True),
                    "zeroed",
                    self.energy,
                )
                return KeptValue(0.0)
            self.rose = True
            return self._check_unsettled_today(self.today, CounterOutcome.SAME, raw, now)
        outcome = self._track_today(raw, now)
        kept = round(self.today.value, 3) if self.state == "today" else 0.0
        if kept == raw:
            return KeptValue(raw)
        if self.state == "waiting":
            return self._check_unsettled_today(self.today, outcome, raw, now)
        return KeptValue(kept, _rejection(outcome))

    def _check_unsettled_today(
        self, track: CounterTrack, outcome: CounterOutcome, raw: float, now: SampleContext
    ) -> KeptValue:
        """Return the value of a daily counter that is yesterday's, or today's if it is plausible."""
        if not self.may_have_reset or raw <= self.yesterday:
            return KeptValue(0.0, NOT_RESET)
        if track.value != raw:
            return KeptValue(self.provisional_today, _rejection(outcome), provisional=True)
        is_first = self.today_origin is None and not self.yesterday
        total = self.total.value if self.total and self.total.seen == now.at else None
        kept = check_unsettled_today(raw, total, track.step, now, is_first=is_first)
        self.provisional_today = kept.value
        return kept

    def _track_today(self, raw: float, now: SampleContext) -> CounterOutcome:
        assert self.today is not None
        if self.state == "today":
            outcome = self.today.update(raw, now.at, now.limit)
            if outcome is CounterOutcome.ROSE:
                self.today_moved = True
                self._assign_late_total()
            self._raise_energy()
            return outcome
        if self.state == "zeroed":
            assert self.reset is not None
            gained = self._gained_since_yesterday(now) if now.at >= now.midnight + SKEW else None
            total_rose = gained is not None and self._covers(gained, raw)
            if total_rose or raw == 0 or self.today.value == 0 or abs(raw - self.today.value) > DIP:
                outcome = self.reset.update(raw, now.at, now.limit)
                if self.reset.value > 0:
                    self._start_today(fell=True)
                return outcome
            # Quirk: after midnight Growatt may report 0, then yesterday's energy again, then 0.
            self.state, self.reset, self.may_have_reset = "waiting", None, True
        return self._await_reset(raw, now)

    def _await_reset(self, raw: float, now: SampleContext) -> CounterOutcome:
        """Check if the daily counter is today's: after a fall, or two rises where a fall may have been missed."""
        assert self.today is not None
        track, moved, seen = self.today, self.today.moved, self.today.seen
        outcome = track.update(raw, now.at, now.limit)
        if outcome is CounterOutcome.FELL:
            possible = raw <= now.limit * (now.at - now.midnight + SKEW) + track.step
            if raw == 0 or (raw < track.value - DIP and possible):
                self.reset = CounterTrack(raw, now.at, now.at, track.step, sure=True)
                self.state, self.provisional_today = "zeroed", None
                if raw > 0:
                    self._start_today(fell=True)
            return outcome
        if outcome is CounterOutcome.HELD:
            return outcome
        if raw <= now.limit * (now.at - max(moved, now.midnight - SKEW)) + track.step:
            self.may_have_reset = True
        missed = seen < now.midnight and self._total_rose_by(raw, now)
        if self.may_have_reset and (missed or self._is_todays(raw, outcome, now)):
            self._start_today(fell=False)
        elif outcome is CounterOutcome.ROSE:
            self.rose = True
        return outcome

    def _is_todays(self, raw: float, outcome: CounterOutcome, now: SampleContext) -> bool:
        """Return True if it rose again or the curve has the same energy, and nothing contradicts it.

        It is later than any clock error, and the total has at least this energy.
        """
        assert self.today is not None
        rose = self.rose and outcome is CounterOutcome.ROSE
        if not (rose or (raw > self.yesterday and agrees_with_curve(raw, now))) or now.at < now.midnight + SKEW:
            return False
        gained = self._gained_since_yesterday(now)
        return gained is None or gained <= self._steps or self._covers(gained, raw)

    def _total_rose_by(self, raw: float, now: SampleContext) -> bool:
        """Return True if the total has counted just this energy since yesterday's last reading, in the afternoon."""
        gained = self._gained_since_yesterday(now) if now.at >= now.midnight + RESET_BY else None
        return gained is not None and raw > self._steps and abs(gained - raw) <= self._steps

    def _gained_since_yesterday(self, now: SampleContext) -> float | None:
        """Return the energy since yesterday's last reading by the total; None if there is no total at this time."""
        if self.total is None or self.today_origin is None or self.total.seen != now.at:
            return None
        return self.energy - (self.today_origin + self.yesterday)

    def _covers(self, gained: float, raw: float) -> bool:
        return gained + self._steps + 0.1 * raw >= raw

    @property
    def _steps(self) -> float:
        """The rounding of both counters together, in kWh."""
        return (self.total.step if self.total else 0.0) + (self.today.step if self.today else 0.0)

    def _start_today(self, *, fell: bool) -> None:
        """Use the daily counter as today's; energy beyond it since its last reading belongs to the past."""
        assert self.today is not None
        last = self.today.value if fell else self.yesterday
        if fell:
            assert self.reset is not None
            self.today, self.reset = self.reset, None
        ends = [self.energy - self.today.value] if self.total or self.today_origin is None else []
        if self.today_origin is not None:
            ends.append(self.today_origin + last)
        known, self.today_origin = self.today_origin is not None, max(ends)
        self.unassigned = (
            self.today_origin - (self.day_start - self.unassigned) if known and self.previous_start is None else 0.0
        )
        self.day_start = self.today_origin
        self.state, self.day_start_known, self.unresolved, self.today_moved = "today", True, False, True
        self.provisional_today = None
        self.late_total = "due" if self.total else "closed"
        self._raise_energy()

    def _raise_energy(self) -> None:
        if self.today_origin is not None and self.today is not None:
            self.energy = max(self.energy, self.today_origin + self.today.value)

    def _assign_late_total(self) -> None:
        """Assign a late gain of the total to yesterday, once both moved: the daily counter is right."""
        if self.late_total != "told" or self.total is None or self.today is None or self.today_origin is None:
            return
        excess = self.energy - (self.today_origin + self.today.value)
        if excess > self.total.step + self.today.step:
            self.today_origin += excess
            self.day_start = self.today_origin
        self.late_total = "closed"


def _rejection(outcome: CounterOutcome) -> str:
    return "implausible jump" if outcome is CounterOutcome.HELD else "day counter fell"


def _reconciled(kwh: float, counter: float | None, step: float) -> ReconciledDay:
    return ReconciledDay(round(max(0.0, kwh), 3), counter is not None and abs(kwh - counter) > step + 1e-9)


_NAMES = tuple(field.name for field in fields(EnergyReconciler))
_TRACKS = ("total", "today", "reset")
_ATTRIBUTES = {
    "base": "day_start",
    "pinned": "day_start_known",
    "open": "unresolved",
    "before": "previous_start",
    "zero": "total_offset",
    "pair": "synced",
    "fresh": "today_moved",
    "unsplit": "unassigned",
    "cut": "today_origin",
    "stale": "yesterday",
    "hidden": "may_have_reset",
    "tail": "late_total",
}
"""Attributes by their keys in stored states, where the two differ."""
_KEYS = {name: key for key, name in _ATTRIBUTES.items()}
