"""The town: accounts, their plants and the homes behind them, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from itertools import repeat
from random import Random
from typing import TYPE_CHECKING, Any

from heliograph.emulator.datalogger import Uploads
from heliograph.emulator.household import Home
from heliograph.emulator.ratelimit import Door
from heliograph.emulator.weather import STEP_SECONDS, Place, Sky
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heliograph.emulator import api
    from heliograph.emulator.api import Emulation
    from heliograph.emulator.clock import Clock

    Fault = Callable[[str], str | None]
    """Tells the value of a fault, None while it is off."""

_LOCK = timedelta(hours=24)
_LATITUDE = 50.0
_LAST_YEAR = 10
"""How many years after its start the world can be sent to."""


class World:
    """One seed, one clock, one wall clock's zone, one sky."""

    def __init__(self, clock: Clock, zone: tzinfo, seed: int) -> None:
        self.clock = clock
        self.zone = zone
        self.seed = seed
        self.today = clock.now().astimezone(zone).date()
        """The local day the emulator started on."""
        self.sky = Sky(_place(clock.now().astimezone(zone)), seed)

    def uploaded_at(self) -> datetime:
        """Return the last 5-minute boundary."""
        now = self.clock.now()
        return now - timedelta(seconds=now.timestamp() % STEP_SECONDS)

    def reachable(self, moment: datetime) -> datetime:
        """Return a moment if the world knows it."""
        first, last = self.today.year - 1, self.today.year + _LAST_YEAR
        if moment.tzinfo is None:
            raise ConfigError(f"{moment.isoformat()} has no offset; write it like 2026-06-21T12:00:00+02:00")
        # The first and last day of the calendar cannot be told in every zone; the years beside are refused anyway.
        if not (first <= moment.year <= last and first <= moment.astimezone(self.zone).year <= last):
            raise ConfigError(f"this world lasts from {first}-01-01 to {last}-12-31, at {moment.isoformat()} it is not")
        return moment


@dataclass(slots=True)
class Site:
    """One emulated plant."""

    id: str
    name: str
    family: str
    devices: tuple[str, ...]
    homes: tuple[api.Home, ...]
    truth: tuple[api.Home, ...] = ()
    """The homes as they are, where `homes` is what the cloud was told of them."""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Holder:
    """One emulated account."""

    vendor: str
    username: str
    password: str = field(repr=False)
    sites: tuple[api.Site, ...]
    memory: dict[str, Any] = field(default_factory=dict, repr=False)
    lock: Door = field(default_factory=lambda: Door(_LOCK), repr=False)


def furnish(world: World, emulations: Sequence[Emulation], accounts: int, fault: Fault) -> tuple[Holder, ...]:
    """Build the accounts, cloud by cloud in turn; each holds a plant of every family of its cloud."""
    taken: set[str] = set()
    return tuple(
        _holder(world, emulations[(number - 1) % len(emulations)], number, taken, fault)
        for number in range(1, accounts + 1)
    )


def _holder(world: World, emulation: Emulation, number: int, taken: set[str], fault: Fault) -> Holder:
    return Holder(
        vendor=emulation.vendor,
        username=emulation.username(number),
        password=f"sun-{_dice(world, emulation, number).getrandbits(40):010x}",
        sites=tuple(_site(world, emulation, number, family, taken, fault) for family in emulation.families()),
    )


def _site(world: World, emulation: Emulation, number: int, family: str, taken: set[str], fault: Fault) -> Site:
    dice = _dice(world, emulation, number, family)
    while True:
        seed = dice.getrandbits(48)
        plant, devices = emulation.plant_id(seed), emulation.serials(family, seed)
        if taken.isdisjoint((plant, *devices)):
            break
    taken.update((plant, *devices))
    plan = emulation.home(family)
    seeds = [f"{world.seed}/{plant}/{place}" for place in range(plan.homes)]
    truth = tuple(Home(plan, world.sky, world.zone, world.today, one, world.uploaded_at) for one in seeds)
    logger = f"{world.seed}/{plant}"
    homes = tuple(Uploads(*one, fault, world.uploaded_at) for one in zip(truth, repeat(logger), seeds, strict=False))
    name = f"{family.replace('-', ' ').replace('_', ' ').title()} {number}"
    return Site(plant, name, family, devices, homes, truth)


def _dice(world: World, emulation: Emulation, number: int, family: str = "") -> Random:
    return Random(f"{world.seed}/{emulation.vendor}/{number}/{family}")  # noqa: S311 - a toy's passwords


def _place(moment: datetime) -> Place:
    """Return a place where the wall clocks show this: the sun is highest about noon."""
    offset = (moment.utcoffset() or timedelta()) - (moment.dst() or timedelta())
    return Place(_LATITUDE, (offset / timedelta(hours=1) * 15 + 180) % 360 - 180)
