"""The simulated world: accounts, their plants and households, all derived from one seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from itertools import repeat
from random import Random
from typing import TYPE_CHECKING, Any

from heliograph.emulator.datalogger import DataLogger
from heliograph.emulator.household import Household
from heliograph.emulator.ratelimit import Lockout
from heliograph.emulator.weather import STEP_SECONDS, Location, Weather
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from heliograph.emulator import api
    from heliograph.emulator.api import Emulation
    from heliograph.emulator.clock import SimulatedClock

    Fault = Callable[[str], str | None]
    """Returns the value of a fault, None while it is off."""

_LOCK = timedelta(hours=24)
_LATITUDE = 50.0
_LAST_YEAR = 10
"""Number of simulated years after the start."""


class World:
    """Seed, clock, time zone and weather of a simulation."""

    def __init__(self, clock: SimulatedClock, zone: tzinfo, seed: int) -> None:
        self.clock = clock
        self.zone = zone
        self.seed = seed
        self.today = clock.now().astimezone(zone).date()
        """The local date of the start."""
        self.weather = Weather(_location(clock.now().astimezone(zone)), seed)

    def uploaded_at(self) -> datetime:
        """Return the last 5-minute boundary."""
        now = self.clock.now()
        return now - timedelta(seconds=now.timestamp() % STEP_SECONDS)

    def validate_moment(self, moment: datetime) -> datetime:
        """Return a time unchanged if the world covers it, raise `ConfigError` otherwise."""
        first, last = self.today.year - 1, self.today.year + _LAST_YEAR
        if moment.tzinfo is None:
            raise ConfigError(f"{moment.isoformat()} has no UTC offset; write it like 2026-06-21T12:00:00+02:00")
        # Check the year first: `astimezone` fails for the first and last days of the calendar.
        if not (first <= moment.year <= last and first <= moment.astimezone(self.zone).year <= last):
            raise ConfigError(f"this world covers {first}-01-01 to {last}-12-31, not {moment.isoformat()}")
        return moment


@dataclass(slots=True)
class SimulatedPlant:
    """One emulated plant."""

    id: str
    name: str
    family: str
    devices: tuple[str, ...]
    households: tuple[api.HouseholdView, ...]
    truth: tuple[api.HouseholdView, ...] = ()
    """The true data, while `households` is the uploaded data."""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class SimulatedAccount:
    """One emulated account."""

    vendor: str
    username: str
    password: str = field(repr=False)
    plants: tuple[api.EmulatedPlant, ...]
    state: dict[str, Any] = field(default_factory=dict, repr=False)
    lockout: Lockout = field(default_factory=lambda: Lockout(_LOCK), repr=False)


def build_accounts(
    world: World, emulations: Sequence[Emulation], accounts: int, fault: Fault, extra: Collection[str] = ()
) -> tuple[SimulatedAccount, ...]:
    """Create the accounts, alternating between clouds; each has one plant of every family of its cloud.

    `extra` names the optional families that accounts of their cloud have too.
    """
    used_ids: set[str] = set()
    return tuple(
        _account(world, emulations[(number - 1) % len(emulations)], number, used_ids, fault, extra)
        for number in range(1, accounts + 1)
    )


def _account(
    world: World, emulation: Emulation, number: int, used_ids: set[str], fault: Fault, extra: Collection[str]
) -> SimulatedAccount:
    optional = emulation.optional_families() if extra else ()
    families = (*emulation.families(), *(family for family in optional if family in extra))
    return SimulatedAccount(
        vendor=emulation.vendor,
        username=emulation.username(number),
        password=f"sun-{_random(world, emulation, number).getrandbits(40):010x}",
        plants=tuple(_plant(world, emulation, number, family, used_ids, fault) for family in families),
    )


def _plant(
    world: World, emulation: Emulation, number: int, family: str, used_ids: set[str], fault: Fault
) -> SimulatedPlant:
    rng = _random(world, emulation, number, family)
    while True:
        seed = rng.getrandbits(48)
        plant, devices = emulation.plant_id(seed), emulation.serials(family, seed)
        if used_ids.isdisjoint((plant, *devices)):
            break
    used_ids.update((plant, *devices))
    profile = emulation.hardware(family)
    seeds = [f"{world.seed}/{plant}/{index}" for index in range(profile.households)]
    truth = tuple(Household(profile, world.weather, world.zone, world.today, one, world.uploaded_at) for one in seeds)
    logger = f"{world.seed}/{plant}"
    homes = tuple(DataLogger(*one, fault, world.uploaded_at) for one in zip(truth, repeat(logger), seeds, strict=False))
    name = f"{family.replace('-', ' ').replace('_', ' ').title()} {number}"
    return SimulatedPlant(plant, name, family, devices, homes, truth)


def _random(world: World, emulation: Emulation, number: int, family: str = "") -> Random:
    return Random(f"{world.seed}/{emulation.vendor}/{number}/{family}")  # noqa: S311 - passwords of a simulation


def _location(moment: datetime) -> Location:
    """Return a location for the time zone of `moment`, so that the sun is highest around noon."""
    offset = (moment.utcoffset() or timedelta()) - (moment.dst() or timedelta())
    return Location(_LATITUDE, (offset / timedelta(hours=1) * 15 + 180) % 360 - 180)
