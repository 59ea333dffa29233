"""The simulated plants of `bench/alarms.py`, their failures, and what the collector would know of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from heliograph.alarms.history import SLOT, HalfHour, SlotHistory
from heliograph.alarms.model import Alarm, AlarmSubject
from heliograph.alarms.views import AccountView, DeviceView, PlantView
from heliograph.collect.freshness import PATTERN_WINDOW, arrival_delay, freshness, surely_reports
from heliograph.emulator.api import HardwareProfile
from heliograph.emulator.household import Household
from heliograph.emulator.weather import Location, Weather
from heliograph.keeper import Backoff, Budget
from heliograph.model import Status
from heliograph.store.base import PollStatus, Series

MINUTE, HOUR, DAY = 60, 3600, 86400
ZONE = ZoneInfo("Europe/Berlin")
FIRST = date(2026, 1, 1)
POLL = 900
REGIONS = 4
WARM_UP = 30
"""Days before the first failure."""
HARDWARE = {
    "string inverter": HardwareProfile(peak_power=5200, has_meter=False),
    "with meter": HardwareProfile(peak_power=9000, load_kwh_per_day=12),
    "hybrid": HardwareProfile(peak_power=9800, battery_capacity=13.3, battery_power=6000, load_kwh_per_day=14),
    "small battery": HardwareProfile(peak_power=7000, battery_capacity=5.1, battery_power=2500, load_kwh_per_day=9),
    "off-grid": HardwareProfile(
        peak_power=4000, battery_capacity=9.6, battery_power=4000, load_kwh_per_day=8, off_grid=True
    ),
}
METERED = ("with meter", "hybrid", "small battery")
BATTERY = ("hybrid", "small battery")


class Kind(NamedTuple):
    """A kind of failure: the alarms that find it, its length in days, the kinds of plants and the days of the year."""

    found_by: tuple[str, ...]
    days: int
    plants: tuple[str, ...] = tuple(HARDWARE)
    season: tuple[int, int] = (0, 365)


WARM = (75, 265)
KINDS = {
    "datalogger silent": Kind(("offline",), 2),
    "inverter off": Kind(("no_yield",), 2, ("string inverter", "with meter", "hybrid", "small battery")),
    "half of the strings": Kind(("low_yield", "low_among_neighbours"), 14, ("string inverter", *METERED)),
    "battery does not charge": Kind(("battery_not_charging",), 7, BATTERY, WARM),
    "battery disconnected": Kind(("battery_stuck", "battery_not_charging"), 5, BATTERY, WARM),
    "counter stalled": Kind(("counter_stalled",), 3),
    "fault code": Kind(("fault",), 1),
    "account locked": Kind(("account_locked",), 1),
    "export limited": Kind(("export_limit",), 14, METERED, WARM),
    "wrong clock": Kind(("clock",), 4),
}
AFTERMATH = 9 * DAY
"""Alarms this long after a failure are its consequences, neither found nor false: the rules look back a week."""


@dataclass(kw_only=True)
class Failure:
    """One injected failure and when each alarm found it."""

    kind: str
    plant: int
    start: int
    end: int
    amount: float
    found_at: int | None = None
    naive_at: int | None = None


@dataclass(kw_only=True)
class Site:
    """One simulated plant, with what the collector would know of it."""

    number: int
    hardware: str
    region: int
    house: Household
    history: SlotHistory = field(default_factory=SlotHistory)
    curve: list = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    ages: deque = field(default_factory=lambda: deque(maxlen=96))
    newest: tuple[int, dict[str, float | None]] | None = None
    poll: PollStatus | None = None
    pending: list = field(default_factory=list)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    unavailable: bool = False
    gap: tuple[int, int] = (0, 0)
    counter: float = 0.0
    soc: float | None = None
    ahead: int | None = None

    @property
    def subject(self) -> AlarmSubject:
        return AlarmSubject("growatt", str(self.number))


class World:
    """All plants and failures of one simulation."""

    def __init__(self, days: int, each: int, seed: int, regions: int) -> None:
        self.rng = Random(seed)
        self.start = int(datetime(FIRST.year, 1, 1, tzinfo=ZONE).timestamp())
        self.days = days
        weather = [Weather(Location(50.0, 10.0), seed * 100 + region) for region in range(regions)]
        far = datetime(FIRST.year + 3, 1, 1, tzinfo=UTC)
        self.sites = []
        for number in range(REGIONS * len(HARDWARE)):
            hardware, region = list(HARDWARE)[number % len(HARDWARE)], number // len(HARDWARE)
            sky = weather[region % regions]
            house = Household(HARDWARE[hardware], sky, ZONE, FIRST, f"{seed}/{number}", lambda: far)
            self.sites.append(Site(number=number, hardware=hardware, region=region, house=house))
        self.outages: dict[int, tuple[int, int]] = {}
        self.failures = self._failures(each)
        self.account_alarms: list[dict[str, Alarm]] = [{} for _ in range(REGIONS)]

    def _failures(self, each: int) -> list[Failure]:
        found: list[Failure] = []
        for name, kind in KINDS.items():
            for _ in range(each):
                for _ in range(1000):
                    site = self.rng.choice([one for one in self.sites if one.hardware in kind.plants])
                    low, high = max(kind.season[0], WARM_UP), min(kind.season[1], self.days - kind.days - 1)
                    start = self.start + int(self.rng.uniform(low, max(low + 1, high)) * DAY)
                    end = start + kind.days * DAY
                    near = [one for one in found if one.start < end + AFTERMATH and start < one.end + AFTERMATH]
                    if not any(self.concerns(one, site) or self.concerns(one, site, name) for one in near):
                        break
                amount = self.rng.uniform(0.4, 0.6)
                found.append(Failure(kind=name, plant=site.number, start=start, end=end, amount=amount))
        return found

    def concerns(self, failure: Failure, site: Site, other: str = "") -> bool:
        """Return whether a failure is one of this plant, or of its account, which has the plants of a region."""
        own = self.sites[failure.plant]
        shared = "account locked" in {failure.kind, other}
        return own is site or (shared and own.region == site.region)

    def active(self, site: Site, now: int, after: int = 0) -> Failure | None:
        return next(
            (one for one in self.failures if one.start <= now < one.end + after and self.concerns(one, site)), None
        )


def measured(site: Site, at: int, failure: Failure | None) -> dict[str, float | None] | None:
    """Return what the plant reports at a time; None while its datalogger sends nothing."""
    index = (at - site.curve[0][0]) // 300
    values = dict(site.curve[min(index, len(site.curve) - 1)][1])
    dark = not values["pv_power"] and not HARDWARE[site.hardware].battery_capacity
    kind = failure.kind if failure else ""
    if dark or site.gap[0] <= at < site.gap[1] or kind == "datalogger silent":
        return None
    capacity = HARDWARE[site.hardware].battery_capacity
    if kind == "inverter off":
        values["pv_power"] = 0.0
    elif kind == "half of the strings":
        values["pv_power"] *= failure.amount
    if kind.startswith("battery"):
        site.soc = values["battery_soc"] if site.soc is None else site.soc
        flow = max(0.0, values["battery_power"]) if kind == "battery does not charge" and site.soc > 10 else 0.0
        site.soc -= flow * POLL / 3.6e6 / capacity * 100
        values |= {"battery_power": flow, "battery_soc": round(site.soc)}
    else:
        site.soc = None
    if values.get("grid_power") is not None and kind in {"inverter off", "half of the strings"} | {
        "battery does not charge",
        "battery disconnected",
    }:
        values["grid_power"] = values["load_power"] - values["pv_power"] - values.get("battery_power", 0.0)
    if kind == "export limited":
        limit = 0.25 * HARDWARE[site.hardware].peak_power
        excess = max(0.0, -values["grid_power"] - limit)
        values["pv_power"] -= excess
        values["grid_power"] += excess
    if kind != "counter stalled":
        site.counter += values["pv_power"] * POLL / 3.6e6
    values["pv_energy_today"] = round(site.counter, 1)
    return values


def poll(world: World, site: Site, now: int) -> None:
    """Fetch the newest upload of a plant, as the collector would."""
    failure = world.active(site, now)
    begin, end = world.outages.get(site.region, (0, 0))
    if begin <= now < end or (failure and failure.kind == "account locked"):
        return
    at = now - now % 300
    values = measured(site, at, failure)
    site.poll = PollStatus(Series("growatt", str(site.number)), now, POLL, now + POLL)
    if values is None:
        return
    shift = (HOUR if failure.amount < 0.5 else -HOUR) if failure and failure.kind == "wrong clock" else 0
    at += shift
    site.ahead = at - now if at > now + 600 else None
    site.ages.append((now, now - at))
    site.pending.append((at, values))
    if site.newest is None or at > site.newest[0] or site.newest[0] > now:
        site.newest = at, values
    slot = at - at % 600
    if not site.slots or site.slots[-1] < slot:
        site.slots.append(slot)
        if site.slots[0] < now - PATTERN_WINDOW - 3 * DAY:
            del site.slots[: bisect_left(site.slots, now - PATTERN_WINDOW - DAY)]


def close_slots(site: Site, now: int) -> None:
    """Add the half hours that are over to the history."""
    while site.pending and (number := site.pending[0][0] // SLOT) < now // SLOT - 1:
        rows = [values for at, values in site.pending if at // SLOT == number]
        site.pending = [pair for pair in site.pending if pair[0] // SLOT != number]

        def column(name: str, rows: list = rows) -> list[float]:
            return [row[name] for row in rows if row.get(name) is not None]

        def mean(name: str) -> float | None:
            values = column(name)
            return sum(values) / len(values) if values else None

        grid, soc, counter = column("grid_power"), column("battery_soc"), column("pv_energy_today")
        if site.history.next_slot is None or number >= site.history.next_slot:
            site.history.add(
                number,
                HalfHour(
                    mean("pv_power"),
                    mean("grid_power"),
                    max(grid) - min(grid) if grid else None,
                    mean("battery_power"),
                    mean("battery_soc"),
                    min(soc, default=None),
                    max(soc, default=None),
                    min(counter, default=None),
                    max(counter, default=None),
                ),
            )


def look(world: World, site: Site, now: int) -> PlantView:
    """Return what the rules read of a plant."""
    reports_at = (
        (lambda _: True) if HARDWARE[site.hardware].battery_capacity else partial(surely_reports, site.slots, zone=ZONE)
    )
    fresh = freshness(site.newest and site.newest[0], site.poll, now, 300, reports_at)
    failure = world.active(site, now)
    code = "117" if failure and failure.kind == "fault code" else "0"
    since = now - DAY
    return PlantView(
        now=now,
        freshness=fresh,
        history=site.history,
        measured_at=site.newest and site.newest[0],
        arrival_delay=arrival_delay(age for at, age in site.ages if at > since),
        ahead=site.ahead,
        values=site.newest[1] if site.newest else {},
        status=Status.ONLINE,
        devices=[DeviceView(title="Inverter", fault_code=code)],
        neighbours=[one.history for one in world.sites if one is not site],
    )


def account_view(world: World, region: int, now: int) -> AccountView:
    site = next(one for one in world.sites if one.region == region)
    failure = world.active(site, now)
    pause = None
    if failure and failure.kind == "account locked":
        pause = Backoff("locked", datetime.fromtimestamp(failure.end, UTC), "507")
    return AccountView(budget=Budget(300, 600, 60, 1, 4, None, None, None, pause, ()))


def begin_day(world: World, day: int) -> None:
    """Simulate a day, and draw its missing uploads and the hours in which a cloud does not answer."""
    start = world.start + day * DAY
    for site in world.sites:
        site.curve = [(int(at.timestamp()), values) for at, values in site.house.curve(f"{FIRST + timedelta(day)}")]
        site.counter = 0.0
        if world.rng.random() < 1 / 7:
            at = start + int(world.rng.uniform(6, 20) * HOUR)
            site.gap = at, at + int(world.rng.uniform(10, 40)) * MINUTE
    for region in range(REGIONS):
        if world.rng.random() < 1 / 7:
            at = start + int(world.rng.uniform(0, 24) * HOUR)
            world.outages[region] = at, at + int(world.rng.uniform(0.5, 5) * HOUR)
