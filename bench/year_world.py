"""The emulated plant of the simulated year: its faults, the data its cloud can report, and the true values."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Self
from zoneinfo import ZoneInfo

from heliograph.emulator.main import EmulatorOptions, build_emulator, load_emulations
from heliograph.emulator.server import serve_in_thread
from heliograph.vendors.growatt.params import is_ambiguous

HOUR, DAY = 3600, 86400
ZONE = ZoneInfo("Europe/Berlin")
FIRST = date(2026, 3, 1)
"""A whole year from this day contains both clock changes."""
PLANTS = {
    "Growatt, string inverter": ("growatt", "inverter"),
    "Growatt, hybrid": ("growatt", "mix"),
    "GoodWe, hybrid": ("goodwe", "hybrid"),
}
DATA_FAULTS = {"late": 6, "offline": True, "frozen": True, "replay": True, "glitch": True}
VENDOR_FAULTS = {
    "growatt": {"zero_totals": True, "lock": 24, "quota": 200, "lenient_lock": True, "expire": 12 * HOUR},
    "goodwe": {"classic": True, "morning_dip": True, "expire": 12 * HOUR, "rival": 8 * HOUR},
}
SERVICE_FAULTS = ("html", "empty", "truncated", "reset", "outage", "http500", "block", "rate", "flaky")
"""On every fourth day on average, one of these faults lasts for one to six hours."""
OFF_DAYS = (5, 7)
"""The collector's machine is off from noon of the first to noon of the second of these days."""


class World:
    """One cloud with one account, of which one plant is polled."""

    def __init__(self, vendor: str, family: str, *, faulty: bool = True, seed: int = 7, first: date = FIRST) -> None:
        """Serve a plant of `family`; `faulty` adds the service faults to the data faults."""
        emulation = next(emulation for emulation in load_emulations() if emulation.vendor == vendor)
        self.first = first
        self.start = _midnight(first)
        self.emulator = build_emulator(
            EmulatorOptions(start=_midnight(FIRST), speed=0, accounts=1, zone=ZONE, seed=seed), [emulation]
        )
        self.vendor = vendor
        self.account = self.emulator.accounts[0]
        self.plant = next(plant for plant in self.account.plants if plant.family == family)
        self.emulator.faults.set(DATA_FAULTS | (VENDOR_FAULTS[vendor] if faulty else _data_faults_of(vendor)))
        self._faulty = faulty
        self._active: str | None = None
        self.advance_to(self.start.timestamp())
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

    def advance_to(self, time: float) -> None:
        """Set the clock to `time` (Unix), and start or end a service fault."""
        self.emulator.world.clock.set(datetime.fromtimestamp(time, UTC))
        if self._faulty and (fault := self._service_fault(time)) != self._active:
            self.emulator.faults.set(({self._active: None} if self._active else {}) | ({fault: True} if fault else {}))
            self._active = fault

    def _service_fault(self, time: float) -> str | None:
        day = int(time // DAY)
        rng = Random(f"trouble/{day}")
        if rng.random() >= 1 / 4:
            return None
        start = day * DAY + rng.uniform(0, 18) * HOUR
        end = start + rng.uniform(1, 6) * HOUR
        return rng.choice(SERVICE_FAULTS) if start <= time < end else None

    # True values, and the part of them that the cloud can report

    def true_energies(self, day: date) -> dict[str, float]:
        """Return the true energies of a day, in kWh."""
        energies = [household.energies(f"{day}") for household in self.plant.truth]
        return {name: sum(household[name] for household in energies) for name in energies[0]}

    def uploaded_energies(self, day: date) -> dict[str, float]:
        """Return the part of a day's true energies that the datalogger uploaded to the cloud, in kWh."""
        energies = [household.energies(f"{day}") for household in self.plant.households]
        return {name: sum(household[name] for household in energies) for name in energies[0]}

    def true_totals(self, time: int) -> dict[str, float]:
        """Return the true values of the lifetime counters at a Unix time, in kWh."""
        values = [household.values(datetime.fromtimestamp(time, UTC)) for household in self.plant.truth]
        return {name: sum(household[name] for household in values) for name in values[0] if name.endswith("_total")}

    def reportable_times(self, day: date) -> list[int]:
        """Return the Unix times of a day for which the cloud can report a point."""
        household = self.plant.households[0]
        curve, always = household.curve(f"{day}"), bool(household.battery_capacity)
        times = [time for time, values in curve if always or values["pv_power"] > 0]
        if self.vendor == "growatt":  # its chart has the repeated hour of the clock change once, of unknown offset
            times = [time for time in times if not is_ambiguous(time)]
        # The chart of a mix has no point at 00:00.
        return [int(time.timestamp()) for time in times if self.plant.family != "mix" or f"{time:%H:%M}" != "00:00"]


def _data_faults_of(vendor: str) -> dict[str, object]:
    names = ("zero_totals", "classic", "morning_dip")
    return {name: value for name, value in VENDOR_FAULTS[vendor].items() if name in names}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def date_range(count: int, first: date = FIRST) -> list[date]:
    """Return `count` days from `first` on."""
    return [first + timedelta(days=number) for number in range(count)]
