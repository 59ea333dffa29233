"""The energy of one kind, as one ledger that two witnesses push up and nothing pushes down.

The lifetime total says how much flowed since the two were last seen together; the day counter says how much since it
stood at zero. A day is what the ledger gained from one of its midnights to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from heliograph.collect.counters.track import DIP, HOUR, CounterOutcome, CounterTrack, granularity

if TYPE_CHECKING:
    from collections.abc import Mapping

SKEW = 5400
"""A device's midnight may be this far from its plant's: its own clock, and summer time it does not know."""
UNSPLIT = 0.5
"""Less than this over a midnight is split by time; more is left to the cloud's own word on the days."""

DayState = Literal["waiting", "zeroed", "today"]
"""Whose the day counter is: still yesterday's or unknown; zero, but not moving yet; today's."""


class SampleTime(NamedTuple):
    """When a sample was taken, on the plant's calendar, and the greatest flow there can be, in kWh a second."""

    at: int
    day: int
    midnight: int
    limit: float


class KeptValue(NamedTuple):
    """What is kept of one raw value, and why, where it is not the raw value itself."""

    value: float | None
    reason: str | None = None


class ReconciledDay(NamedTuple):
    """What flowed on a day, and whether a day counter said otherwise."""

    kwh: float
    repaired: bool


@dataclass(slots=True)
class EnergyReconciler:
    """One kind of energy of one series, in kWh."""

    day: int
    energy: float = 0.0
    base: float = 0.0
    """The ledger when `day` began."""
    pinned: bool = False
    """Whether `base` is more than a first guess."""
    open: bool = True
    """Too much flowed over the last midnight to say which day it belongs to."""
    before: float | None = None
    """The ledger when the day before began, where that is known."""
    total: CounterTrack | None = None
    zero: float = 0.0
    """What is added to the raw total, for meters of the past."""
    pair: tuple[float, float] | None = None
    """Ledger and total when both witnesses were last seen moving."""
    fresh: bool = False
    """Whether the day counter moved since then."""
    unsplit: float = 0.0
    """What flowed over midnight and found no day."""
    today: CounterTrack | None = None
    reset: CounterTrack | None = None
    """The day counter after a fall to zero that may be a glitch."""
    state: DayState = "waiting"
    cut: float | None = None
    """The ledger when the day counter in `today` stood at zero."""
    stale: float = 0.0
    """What the day counter said when yesterday ended."""
    rose: bool = False
    """Whether the day counter rose since midnight without having been seen to fall."""
    hidden: bool = True
    """Whether it can have fallen and risen again unseen."""
    tail: Literal["closed", "due", "told"] = "closed"
    """Whether the total still owes the end of yesterday: it has not moved yet, or moved and the day counter has not."""

    @classmethod
    def load(cls, kept: Mapping[str, Any]) -> Self:
        """Read back what `dump` wrote."""
        lines = {
            name: None if kept[name] is None else CounterTrack.load(kept[name]) for name in ("total", "today", "reset")
        }
        return cls(**{**kept, **lines, "pair": None if kept["pair"] is None else tuple(kept["pair"])})

    def dump(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        lines = {name: line.dump() if (line := getattr(self, name)) else None for name in ("total", "today", "reset")}
        return (
            {name: getattr(self, name) for name in _FIELDS} | lines | {"pair": list(self.pair) if self.pair else None}
        )

    def update(self, now: SampleTime, total: float | None, today: float | None) -> tuple[KeptValue, KeptValue]:
        """Take in what one sample says of total and today; return what is kept of them."""
        if now.day > self.day:
            self._turn(now)
        kept = KeptValue(None) if total is None else self._hear_total(total, now)
        ours = KeptValue(None) if today is None else self._hear_today(today, now)
        if self.total and (self.pair is None or self.total.moved == now.at):
            self._pair()
        return kept, ours

    def take_unassigned(self) -> float | None:
        """Return, once, what flowed over a midnight and could be given to no day."""
        if self.today and self.state != "today":
            return None  # the day counter may still tell
        found, self.unsplit = self.unsplit, 0.0
        return round(found, 3) if found > UNSPLIT else None

    def day_energies(self) -> tuple[ReconciledDay | None, ReconciledDay | None]:
        """Return the energy of today and of yesterday, as far as they can be told."""
        if self.open:
            return None, None
        line = self.today or self.total
        step = 2 * line.step if line else 0.0
        now = past = None
        if self.state != "waiting" or (self.total and self.pinned):
            own = self.today.value if self.today and self.state == "today" else None
            now = _energy(self.energy - self.base, own, step)
        if self.before is not None:
            past = _energy(self.base - self.before, self.stale if self.today else None, step)
        return now, past

    def _turn(self, now: SampleTime) -> None:
        """Begin a new day."""
        if self.state == "zeroed":
            self._settle(fell=True)
        alone = now.day - self.day == 1 and not self.open
        self.before = self.base if alone else None
        self.base, self.pinned, self.open = self.energy, False, False
        if self.today:
            self.stale = self.today.value
        self.state, self.rose, self.hidden = "waiting", False, False
        self.tail = "closed"
        self.day = now.day
        if self.total and self.total.run:
            self.total.run.day_end = self.total.run.last

    # The lifetime total

    def _hear_total(self, raw: float, now: SampleTime) -> KeptValue:
        if self.total is None:
            self.total = CounterTrack(raw, now.at, now.at, granularity(raw))
            return KeptValue(None, "not confirmed yet")
        line, was, seen, run = self.total, self.total.value, self.total.seen, self.total.run
        heard = line.update(raw + self.zero, now.at, now.limit)
        if not line.sure:
            return KeptValue(None, "not confirmed yet")
        why = None
        dusk = run.day_end - was if run and run.day_end is not None and was < run.day_end <= line.value else None
        if heard in (CounterOutcome.FELL, CounterOutcome.HELD):
            why = "zero" if raw == 0 else "total fell" if heard is CounterOutcome.FELL else "implausible jump"
            change = line.detect_swap(self.zero, now.limit)
            if change is None:
                return KeptValue(round(line.value, 3), why)
            self.zero += was - change.start
            dusk = None if run is None or run.day_end is None else run.day_end - change.start
            heard, why = CounterOutcome.ROSE, "meter replaced"
        owed = self.energy
        slack = line.step if self.today else 0.0
        if self.pair:
            self.energy = max(self.energy, self.pair[0] + line.value - self.pair[1] - slack)
        if self.state != "today":
            self._pin(self.energy - owed, dusk, seen, now)
        if heard is CounterOutcome.ROSE and self.tail == "due":
            self.tail = "told"
        return KeptValue(round(line.value, 3), why)

    def _pair(self) -> None:
        """Remember both witnesses at a moment when both are alive."""
        if (
            self.total
            and self.total.sure
            and (not self.pair or not self.today or (self.state == "today" and self.fresh))
        ):
            self.pair, self.fresh = (self.energy, self.total.value), False

    def _pin(self, gained: float, dusk: float | None, seen: int, now: SampleTime) -> None:
        """Split what the total gained over midnight, where the day counter has not done so."""
        if self.pinned:
            if dusk is not None:
                self.base += min(dusk, gained)
            return
        self.pinned = True
        if dusk is not None:
            self.base += min(dusk, gained)
        if dusk is not None or seen >= now.midnight:
            return
        rest = self.energy - self.base
        if now.at - seen > HOUR and rest > UNSPLIT:
            self.base, self.open, self.unsplit = self.energy, True, rest
        else:
            self.base += rest * (now.midnight - seen) / (now.at - seen)

    # The day counter

    def _hear_today(self, raw: float, now: SampleTime) -> KeptValue:
        if self.today is None:
            self.today = CounterTrack(raw, now.at, now.at, granularity(raw), sure=raw == 0)
            if raw == 0:
                self.reset, self.state, self.cut = CounterTrack(0.0, now.at, now.at, sure=True), "zeroed", self.energy
                return KeptValue(0.0)
            self.rose = True
            return KeptValue(None, "not known to be today's yet")
        heard = self._today(raw, now)
        kept = round(self.today.value, 3) if self.state == "today" else 0.0
        if kept == raw:
            return KeptValue(raw)
        if self.state == "waiting":
            return KeptValue(None if self.hidden and raw > self.stale else 0.0, "yesterday's, not reset yet")
        return KeptValue(kept, "implausible jump" if heard is CounterOutcome.HELD else "day counter fell")

    def _today(self, raw: float, now: SampleTime) -> CounterOutcome:
        assert self.today is not None
        if self.state == "today":
            heard = self.today.update(raw, now.at, now.limit)
            if heard is CounterOutcome.ROSE:
                self.fresh = True
                self._close()
            self._push()
            return heard
        if self.state == "zeroed":
            assert self.reset is not None
            if raw == 0 or self.today.value == 0 or abs(raw - self.today.value) > DIP:
                heard = self.reset.update(raw, now.at, now.limit)
                if self.reset.value > 0:
                    self._settle(fell=True)
                return heard
            # Quirk: after midnight Growatt may say 0, then yesterday's energy again, then 0.
            self.state, self.reset, self.hidden = "waiting", None, True
        return self._wait(raw, now)

    def _wait(self, raw: float, now: SampleTime) -> CounterOutcome:
        """Ask whose the day counter is: it is today's once it was seen to fall, or to rise where a fall was hidden."""
        assert self.today is not None
        line, moved = self.today, self.today.moved
        heard = line.update(raw, now.at, now.limit)
        if heard is CounterOutcome.FELL:
            possible = raw <= now.limit * (now.at - now.midnight + SKEW) + line.step
            if raw == 0 or (raw < line.value - DIP and possible):
                self.reset = CounterTrack(raw, now.at, now.at, line.step, sure=True)
                self.state = "zeroed"
                if raw > 0:
                    self._settle(fell=True)
            return heard
        if heard is CounterOutcome.HELD:
            return heard
        if raw <= now.limit * (now.at - max(moved, now.midnight - SKEW)) + line.step:
            self.hidden = True
        if self.hidden and self._is_todays(raw, heard, now):
            self._settle(fell=False)
        elif heard is CounterOutcome.ROSE:
            self.rose = True
        return heard

    def _is_todays(self, raw: float, heard: CounterOutcome, now: SampleTime) -> bool:
        """Say whether it rose again, later than any clock is wrong, and the total does not know better."""
        assert self.today is not None
        if not self.rose or heard is not CounterOutcome.ROSE or now.at < now.midnight + SKEW:
            return False
        if self.total is None or self.cut is None or self.total.seen != now.at:
            return True
        gained = self.energy - (self.cut + self.stale)
        steps = self.total.step + self.today.step
        return gained <= steps or gained + steps + 0.1 * raw >= raw

    def _settle(self, *, fell: bool) -> None:
        """Take the day counter for today's; what flowed beyond it since its last word belongs to the past."""
        assert self.today is not None
        top = self.today.value if fell else self.stale
        if fell:
            assert self.reset is not None
            self.today, self.reset = self.reset, None
        said = self.today.value
        past = [self.energy - said] if self.total or self.cut is None else []
        if self.cut is not None:
            past.append(self.cut + top)
        known, self.cut = self.cut is not None, max(past)
        self.unsplit = self.cut - (self.base - self.unsplit) if known and self.before is None else 0.0
        self.base = self.cut
        self.state, self.pinned, self.open, self.fresh = "today", True, False, True
        self.tail = "due" if self.total else "closed"
        self._push()

    def _push(self) -> None:
        if self.cut is not None and self.today is not None:
            self.energy = max(self.energy, self.cut + self.today.value)

    def _close(self) -> None:
        """Give yesterday what the total told late: both have moved since, so the day counter is the truth of today."""
        if self.tail != "told" or self.total is None or self.today is None or self.cut is None:
            return
        excess = self.energy - (self.cut + self.today.value)
        if excess > self.total.step + self.today.step:
            self.cut += excess
            self.base = self.cut
        self.tail = "closed"


def _energy(kwh: float, own: float | None, step: float) -> ReconciledDay:
    return ReconciledDay(round(max(0.0, kwh), 3), own is not None and abs(kwh - own) > step + 1e-9)


_FIELDS = tuple(one.name for one in fields(EnergyReconciler))
