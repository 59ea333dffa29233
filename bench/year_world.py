"""One emulated plant and its year: the days that go wrong, what the cloud can know, and what is true."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Self
from zoneinfo import ZoneInfo

from heliograph.emulator.main import EmulatorOptions, build_emulator, load_emulations
from heliograph.emulator.server import serve_in_thread
from heliograph.vendors.growatt.params import is_ambiguous

HOUR, DAY, STEP = 3600, 86400, 300
ZONE = ZoneInfo("Europe/Berlin")
FIRST = date(2026, 3, 1)
"""A whole year from here knows both days on which clocks change."""
PLANTS = {
    "Growatt, string inverter": ("growatt", "inverter"),
    "Growatt, hybrid": ("growatt", "mix"),
    "GoodWe, hybrid": ("goodwe", "hybrid"),
}
LIES = {"late": 6, "offline": True, "frozen": True, "replay": True, "glitch": True}
OWN = {
    "growatt": {"zero_totals": True, "lock": 24, "quota": 200, "lenient_lock": True, "expire": 12 * HOUR},
    "goodwe": {"classic": True, "morning_dip": True, "expire": 12 * HOUR, "rival": 8 * HOUR},
}
TROUBLES = ("html", "empty", "truncated", "reset", "outage", "http500", "block", "rate", "flaky")
"""Of every four days one has one of these, for one to six hours."""
AWAY = (5, 7)
"""The collector's machine is off on these days, from noon to noon."""


class World:
    """One cloud with one account, of whose plants one is asked about."""

    def __init__(self, vendor: str, family: str, *, troubled: bool = True, seed: int = 7, first: date = FIRST) -> None:
        emulation = next(one for one in load_emulations() if one.vendor == vendor)
        self.first = first
        self.start = _midnight(first)
        self.emulator = build_emulator(
            EmulatorOptions(start=_midnight(FIRST), speed=0, accounts=1, zone=ZONE, seed=seed), [emulation]
        )
        self.vendor = vendor
        self.account = self.emulator.accounts[0]
        self.site = next(site for site in self.account.plants if site.family == family)
        self.emulator.faults.set(LIES | (OWN[vendor] if troubled else _lies_of(vendor)))
        self._troubled = troubled
        self._bad: str | None = None
        self.go(self.start.timestamp())
        self._network = contextlib.ExitStack()
        self.url = ""

    def __enter__(self) -> Self:
        self.url = self._network.enter_context(serve_in_thread(self.emulator))["url"]
        return self

    def __exit__(self, *_) -> None:
        self._network.close()

    @property
    def now(self) -> float:
        return self.emulator.world.clock.now().timestamp()

    def go(self, moment: float) -> None:
        """Let time pass."""
        self.emulator.world.clock.set(datetime.fromtimestamp(moment, UTC))
        if self._troubled and (bad := self._trouble(moment)) != self._bad:
            self.emulator.faults.set(({self._bad: None} if self._bad else {}) | ({bad: True} if bad else {}))
            self._bad = bad

    def _trouble(self, moment: float) -> str | None:
        day = int(moment // DAY)
        dice = Random(f"trouble/{day}")
        if dice.random() >= 1 / 4:
            return None
        begins = day * DAY + dice.uniform(0, 18) * HOUR
        ends = begins + dice.uniform(1, 6) * HOUR
        return dice.choice(TROUBLES) if begins <= moment < ends else None

    # What is true, and what of it a cloud can know

    def energies(self, day: date) -> dict[str, float]:
        """Return what really flowed on a day."""
        homes = [home.energies(f"{day}") for home in self.site.truth]
        return {name: sum(home[name] for home in homes) for name in homes[0]}

    def told(self, day: date) -> dict[str, float]:
        """Return what flowed on a day as far as the cloud was ever told."""
        homes = [home.energies(f"{day}") for home in self.site.households]
        return {name: sum(home[name] for home in homes) for name in homes[0]}

    def totals(self, moment: int) -> dict[str, float]:
        """Return what the counters really say at a moment."""
        at = datetime.fromtimestamp(moment, UTC)
        homes = [home.values(at) for home in self.site.truth]
        return {name: sum(home[name] for home in homes) for name in homes[0] if name.endswith("_total")}

    def points(self, day: date) -> list[int]:
        """Return the moments of a day the cloud can tell of."""
        home = self.site.households[0]
        told = [at for at, values in home.curve(f"{day}") if values["pv_power"] > 0 or home.battery_capacity]
        if self.vendor == "growatt":  # it draws the hour that comes twice once, and nobody knows which
            told = [at for at in told if not is_ambiguous(at)]
        # A mix's chart has no 00:00.
        return [int(at.timestamp()) for at in told if self.site.family != "mix" or f"{at:%H:%M}" != "00:00"]


def _lies_of(vendor: str) -> dict[str, object]:
    return {name: value for name, value in OWN[vendor].items() if name in ("zero_totals", "classic", "morning_dip")}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def days(count: int, first: date = FIRST) -> list[date]:
    """Return so many days of the year."""
    return [first + timedelta(days=number) for number in range(count)]
