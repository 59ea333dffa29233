"""The town: accounts, their plants and the homes behind them, all from one seed."""

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
    from collections.abc import Callable, Sequence

    from heliograph.emulator import api
    from heliograph.emulator.api import Emulation
    from heliograph.emulator.clock import SimulatedClock

    Fault = Callable[[str], str | None]
    """Tells the value of a fault, None while it is off."""

_LOCK = timedelta(hours=24)
_LATITUDE = 50.0
_LAST_YEAR = 10
"""How many years after its start the world can be sent to."""


class World:
    """One seed, one clock, one wall clock's zone, one sky."""

    def __init__(self, clock: SimulatedClock, zone: tzinfo, seed: int) -> None:
        self.clock = clock
        self.zone = zone
        self.seed = seed
        self.today = clock.now().astimezone(zone).date()
        """The local day the emulator started on."""
        self.weather = Weather(_place(clock.now().astimezone(zone)), seed)

    def uploaded_at(self) -> datetime:
        """Return the last 5-minute boundary."""
        now = self.clock.now()
        return now - timedelta(seconds=now.timestamp() % STEP_SECONDS)

    def validate_moment(self, moment: datetime) -> datetime:
        """Return a moment if the world knows it."""
        first, last = self.today.year - 1, self.today.year + _LAST_YEAR
        if moment.tzinfo is None:
            raise ConfigError(f"{moment.isoformat()} has no offset; write it like 2026-06-21T12:00:00+02:00")
        # The first and last day of the calendar cannot be told in every zone; the years beside are refused anyway.
        if not (first <= moment.year <= last and first <= moment.astimezone(self.zone).year <= last):
            raise ConfigError(f"this world lasts from {first}-01-01 to {last}-12-31, at {moment.isoformat()} it is not")
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
    """The homes as they are, where `homes` is what the cloud was told of them."""
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
    world: World, emulations: Sequence[Emulation], accounts: int, fault: Fault
) -> tuple[SimulatedAccount, ...]:
    """Build the accounts, cloud by cloud in turn; each holds a plant of every family of its cloud."""
    taken: set[str] = set()
    return tuple(
        _holder(world, emulations[(number - 1) % len(emulations)], number, taken, fault)
        for number in range(1, accounts + 1)
    )


def _holder(world: World, emulation: Emulation, number: int, taken: set[str], fault: Fault) -> SimulatedAccount:
    return SimulatedAccount(
        vendor=emulation.vendor,
        username=emulation.username(number),
        password=f"sun-{_dice(world, emulation, number).getrandbits(40):010x}",
        plants=tuple(_site(world, emulation, number, family, taken, fault) for family in emulation.families()),
    )


def _site(
    world: World, emulation: Emulation, number: int, family: str, taken: set[str], fault: Fault
) -> SimulatedPlant:
    dice = _dice(world, emulation, number, family)
    while True:
        seed = dice.getrandbits(48)
        plant, devices = emulation.plant_id(seed), emulation.serials(family, seed)
        if taken.isdisjoint((plant, *devices)):
            break
    taken.update((plant, *devices))
    plan = emulation.hardware(family)
    seeds = [f"{world.seed}/{plant}/{place}" for place in range(plan.households)]
    truth = tuple(Household(plan, world.weather, world.zone, world.today, one, world.uploaded_at) for one in seeds)
    logger = f"{world.seed}/{plant}"
    homes = tuple(DataLogger(*one, fault, world.uploaded_at) for one in zip(truth, repeat(logger), seeds, strict=False))
    name = f"{family.replace('-', ' ').replace('_', ' ').title()} {number}"
    return SimulatedPlant(plant, name, family, devices, homes, truth)


def _dice(world: World, emulation: Emulation, number: int, family: str = "") -> Random:
    return Random(f"{world.seed}/{emulation.vendor}/{number}/{family}")  # noqa: S311 - a toy's passwords


def _place(moment: datetime) -> Location:
    """Return a place where the wall clocks show this: the sun is highest about noon."""
    offset = (moment.utcoffset() or timedelta()) - (moment.dst() or timedelta())
    return Location(_LATITUDE, (offset / timedelta(hours=1) * 15 + 180) % 360 - 180)
