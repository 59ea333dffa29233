"""The data logger: which samples of a household the cloud has, and when they arrived, subject to the data faults."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from heliograph.emulator.fault_values import parse_late_hours
from heliograph.emulator.weather import STEP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo

    from heliograph.emulator.api import HouseholdView

HOUR = 3600
STEP = timedelta(seconds=STEP_SECONDS)
SENTINELS = (0.0, 65535.0, 4294967.295)

_LATE, _OFFLINE, _FROZEN = 4, 20, 8
"""One day of this many is affected."""
_GLITCH = 300
"""One sample of this many has a glitch."""
_RESETS = timedelta(minutes=10)
"""Time after midnight when a device with a battery resets its daily counters."""
_NEVER = float("inf")


class Outage(NamedTuple):
    """Samples from `start` to `end`, exclusive, arrive at `arrives`; all in epoch seconds."""

    start: int
    end: int
    arrives: float


class DataLogger:
    """One household as its cloud sees it; identical to the true data without faults.

    `logger` seeds the faults of the data logger, which all households of a plant share, and `seed` the glitches.
    """

    def __init__(
        self,
        household: HouseholdView,
        logger: str,
        seed: str,
        fault: Callable[[str], str | None],
        uploaded_at: Callable[[], datetime],
    ) -> None:
        self.zone: tzinfo = household.zone
        self.peak_power = household.peak_power
        self.battery_capacity = household.battery_capacity
        self.has_meter = household.has_meter
        self.latitude = household.latitude
        self.longitude = household.longitude
        self._household = household
        self._logger = logger
        self._seed = seed
        self._fault = fault
        self._uploaded_at = uploaded_at
        self._settings: tuple[str | None, ...] = ()
        self._known: dict[date, list[Outage]] = {}
        self._lost: dict[tuple[date, datetime], dict[str, float]] = {}
        self._day_starts: dict[date, datetime] = {}

    def last_upload_at(self, at: datetime) -> datetime:
        """Return when the newest sample was measured that the cloud has at a moment."""
        while (gap := self._pending_outage(at)) is not None:
            at = datetime.fromtimestamp(gap.start, UTC) - STEP
        return at

    def values(self, at: datetime) -> dict[str, float]:
        """Return the values reported for a time."""
        values = self._household.values(self._measured_at(at))
        if self._fault("replay") is not None:
            values |= self._replayed(values, at)
        if self._fault("glitch") is not None:
            values |= self._glitch(values, at)
        return values

    def curve(self, day: str) -> list[tuple[datetime, dict[str, float]]]:
        """Return the uploaded points of a day, and its future points."""
        curve = self._household.curve(day)
        now = self._uploaded_at().timestamp()
        gaps = [gap for gap in self._outages(date.fromisoformat(day)) if gap.arrives > now]
        if gaps:
            curve = [point for point in curve if not any(_within(point[0], gap) for gap in gaps)]
        frozen_period = self._frozen_period(date.fromisoformat(day))
        frozen = [values for at, values in curve if frozen_period and at.timestamp() <= frozen_period.start][-1:]
        if frozen_period and frozen:
            curve = [(at, frozen[0] if _within(at, frozen_period) else values) for at, values in curve]
        return curve

    def energies(self, period: str) -> dict[str, float]:
        """Return the energies of a period, each day up to its last uploaded counter value."""
        found = self._household.energies(period)
        for day in self._incomplete_days(period):
            for name, kwh in self._missing_energies(day).items():
                found[name] = max(0.0, found[name] - kwh)
        return found

    # Missing samples

    def _outages(self, day: date) -> list[Outage]:
        """Return the outages that overlap a local day."""
        late, offline = self._fault("late"), self._fault("offline")
        if late is None and offline is None:
            return []
        if self._settings != (late, offline):
            self._known, self._settings = {}, (late, offline)
        if day not in self._known:
            self._known[day] = self._overlapping(day, late, offline)
        return self._known[day]

    def _overlapping(self, day: date, late: str | None, offline: str | None) -> list[Outage]:
        found = [one for back in range(3) for one in self._beginning_on(day - timedelta(days=back), late, offline)]
        first, after = self._midnight(day), self._midnight(day + timedelta(days=1))
        return [one for one in found if one.end > first and one.start < after]

    def _beginning_on(self, day: date, late: str | None, offline: str | None) -> Iterator[Outage]:
        """Yield the outages that begin on a local day."""
        midnight = self._midnight(day)
        if late is not None:
            rng = self._random("late", day)
            if rng.random() < 1 / _LATE:
                start = midnight + rng.randrange(24 * HOUR // STEP_SECONDS) * STEP_SECONDS
                end = start + _whole_steps(rng.uniform(0.25, 1) * parse_late_hours(late) * HOUR)
                yield Outage(start, end, end)
        if offline is not None:
            rng = self._random("offline", day)
            if rng.random() < 1 / _OFFLINE:
                start = midnight + rng.randrange(24 * HOUR // STEP_SECONDS) * STEP_SECONDS
                end = start + 24 * HOUR
                yield Outage(start, end, _NEVER if rng.random() < 0.5 else end + _whole_steps(rng.uniform(0, 6) * HOUR))

    def _pending_outage(self, at: datetime) -> Outage | None:
        """Return an outage because of which the cloud does not have the sample of `at` yet."""
        now = self._uploaded_at().timestamp()
        gaps = self._outages(at.astimezone(self.zone).date())
        return next((gap for gap in gaps if _within(at, gap) and gap.arrives > now), None)

    def _incomplete_days(self, period: str) -> Iterator[date]:
        """Yield the days of a period with samples that have not arrived."""
        if self._fault("late") is None and self._fault("offline") is None:
            return
        now = self._uploaded_at()
        day, last = _first_day(period), now.astimezone(self.zone).date()
        while day <= last and f"{day}".startswith(period):
            gaps = self._outages(day)
            if any(gap.arrives > now.timestamp() for gap in gaps):
                yield day
            day += timedelta(days=1)

    def _missing_energies(self, day: date) -> dict[str, float]:
        """Return the energies of a day after its last uploaded sample."""
        after = datetime.fromtimestamp(self._midnight(day + timedelta(days=1)), UTC)
        end = min(after - STEP, self._uploaded_at())
        last = self.last_upload_at(end)
        if last == end:
            return {}
        if (day, last) not in self._lost or end < after - STEP:
            last_values = self._household.values(last) if last.timestamp() >= self._midnight(day) else {}
            true = self._household.energies(f"{day}")
            self._lost[day, last] = {name: kwh - last_values.get(f"{name}_today", 0.0) for name, kwh in true.items()}
        return self._lost[day, last]

    # Wrong values

    def _measured_at(self, at: datetime) -> datetime:
        """Return the true measurement time of the values reported for `at`."""
        frozen_period = self._frozen_period(at.astimezone(self.zone).date())
        return datetime.fromtimestamp(frozen_period.start, UTC) if frozen_period and _within(at, frozen_period) else at

    def _frozen_period(self, day: date) -> Outage | None:
        """Return the period of a day in which one sample is repeated; it ends at midnight at the latest."""
        if self._fault("frozen") is None:
            return None
        rng = self._random("frozen", day)
        start = self._midnight(day) + _whole_steps(rng.uniform(6, 16) * HOUR)
        end = start + _whole_steps(rng.uniform(2, 5) * HOUR)
        return Outage(start, end, end) if rng.random() < 1 / _FROZEN else None

    def _replayed(self, values: Mapping[str, float], at: datetime) -> dict[str, float]:
        """Return yesterday's energies as today's until the device starts its day."""
        day = at.astimezone(self.zone).date()
        if at >= self._day_start(day):
            return {}
        yesterday = self._household.energies(f"{day - timedelta(days=1)}")
        replayed = {f"{name}_today": kwh for name, kwh in yesterday.items()}
        return {name: replayed[name] for name in values if name in replayed}

    def _day_start(self, day: date) -> datetime:
        """Return the time a device resets its daily counters."""
        if day not in self._day_starts:
            midnight = datetime.fromtimestamp(self._midnight(day), UTC)
            lit = (at for at, values in self._household.curve(f"{day}") if values["pv_power"] > 0)
            dark = midnight + timedelta(days=1)
            self._day_starts[day] = midnight + _RESETS if self.battery_capacity else next(lit, dark)
        return self._day_starts[day]

    def _glitch(self, values: Mapping[str, float], at: datetime) -> dict[str, float]:
        """Return a wrong value of one counter if this sample has a glitch."""
        rng = crc32(f"{self._seed}/glitch/{int(at.timestamp()) // STEP_SECONDS}".encode())
        if rng % _GLITCH:
            return {}
        counters = [name for name in values if "_energy_" in name]
        rng //= _GLITCH
        return {counters[rng % len(counters)]: SENTINELS[rng // len(counters) % len(SENTINELS)]}

    def _midnight(self, day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp())

    def _random(self, fault: str, day: date) -> Random:
        return Random(f"{self._logger}/{fault}/{day}")  # noqa: S311 - fault times, not secrets


def _within(at: datetime, gap: Outage) -> bool:
    return gap.start <= at.timestamp() < gap.end


def _whole_steps(seconds: float) -> int:
    """Round down to whole steps, at least one.

    >>> _whole_steps(299), _whole_steps(901)
    (300, 900)
    """
    return max(1, int(seconds) // STEP_SECONDS) * STEP_SECONDS


def _first_day(period: str) -> date:
    """Return the first day of a local day, month or year.

    >>> _first_day("2026-06")
    datetime.date(2026, 6, 1)
    """
    return date.fromisoformat(f"{period}-01-01"[:10])
