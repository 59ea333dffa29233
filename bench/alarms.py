"""Alarms against injected failures: the rules on simulated plants, without HTTP, beside a naive alarm.

Twenty plants of five kinds in four regions of different weather are polled every quarter of an hour. Forty failures of
ten kinds are injected. Beside them the healthy year has what is no failure: nights, weeks of clouds, uploads that are
missing for up to 40 minutes, and hours in which a cloud does not answer. The naive alarm is "unavailable for an hour".

    python bench/alarms.py --days 60 --failures 1
    python bench/alarms.py --days 365 --json
"""

from __future__ import annotations

import argparse
import json
import logging
from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from time import process_time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from heliograph.alarms.engine import next_alarm
from heliograph.alarms.history import SLOT, HalfHour, SlotHistory
from heliograph.alarms.model import Alarm, AlarmSubject, Judgement
from heliograph.alarms.rules import judge_account, judge_plant
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


class Figures:
    """Counts raised alarms while a world is simulated."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.false: Counter = Counter()
        self.related: Counter = Counter()
        self.naive_false = 0

    def run_day(self, day: int) -> None:
        world = self.world
        begin_day(world, day)
        first, last = world.sites[0].curve[0][0], world.sites[0].curve[-1][0]
        for now in range(first + 200, last + 300, POLL):
            for site in world.sites:
                poll(world, site, now)
                close_slots(site, now)
            for site in world.sites:
                for judgement in judge_plant(look(world, site, now)):
                    self.judge(site.alarms, judgement, site, now)
                self.judge_naively(site, now, counted=day >= WARM_UP)
            for region in range(REGIONS):
                site = next(one for one in world.sites if one.region == region)
                for judgement in judge_account(account_view(world, region, now)):
                    self.judge(world.account_alarms[region], judgement, site, now)

    def judge(self, alarms: dict[str, Alarm], judgement: Judgement, site: Site, now: int) -> None:
        alarm = next_alarm(alarms.pop(judgement.rule, None), judgement, site.subject, f"Plant {site.number}", now)
        if alarm is None:
            return
        alarms[judgement.rule] = alarm
        if alarm.raised_at != now:
            return
        failure = self.world.active(site, now, DAY // 2)
        if failure and judgement.rule in KINDS[failure.kind].found_by:
            failure.found_at = failure.found_at or now
        elif self.world.active(site, now, AFTERMATH):
            self.related[judgement.rule] += 1
        else:
            self.false[judgement.rule] += 1

    def judge_naively(self, site: Site, now: int, *, counted: bool) -> None:
        """Count the naive alarm: it finds a failure by day only, as at night every plant is unavailable."""
        unavailable = site.newest is None or now - site.newest[0] > HOUR
        if unavailable and not site.unavailable and counted:
            failure = self.world.active(site, now, DAY // 2)
            if failure and any(values["pv_power"] > 0 for at, values in site.curve if 0 <= now - at < 300):
                failure.naive_at = failure.naive_at or now
            elif not self.world.active(site, now, AFTERMATH):
                self.naive_false += 1
        site.unavailable = unavailable


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


def simulate(days: int, each: int, seed: int, regions: int) -> dict:
    """Run the simulation and return its figures."""
    began = process_time()
    world = World(days, each, seed, regions)
    counted = Figures(world)
    for day in range(days):
        counted.run_day(day)
    years = len(world.sites) * (days - WARM_UP) / 365
    kinds = {}
    for name in KINDS:
        of_kind = [one for one in world.failures if one.kind == name]
        delays = [(one.found_at - one.start) / HOUR for one in of_kind if one.found_at]
        kinds[name] = {
            "injected": len(of_kind),
            "found": len(delays),
            "median_hours": round(median(delays), 1) if delays else None,
            "naive": sum(one.naive_at is not None for one in of_kind),
        }
    return {
        "days": days,
        "plants": len(world.sites),
        "regions": regions,
        "seed": seed,
        "kinds": kinds,
        "injected": len(world.failures),
        "found": sum(one.found_at is not None for one in world.failures),
        "naive_found": sum(one.naive_at is not None for one in world.failures),
        "false": dict(counted.false),
        "related": dict(counted.related),
        "false_per_plant_year": round(counted.false.total() / years, 3),
        "naive_false_per_plant_year": round(counted.naive_false / years, 1),
        "missed": [vars(one) for one in world.failures if one.found_at is None],
        "cpu": round(process_time() - began, 1),
    }


def main() -> None:
    """Run the simulation and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--failures", type=int, default=4, help="failures of each kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--regions", type=int, default=REGIONS, choices=range(1, REGIONS + 1))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    logging.disable()
    figures = simulate(options.days, options.failures, options.seed, options.regions)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if options.json:
        print(json.dumps(figures, indent=1))
        return
    print("| failure | injected | found | median hours until the alarm | naive alarm |\n|---|---|---|---|---|")
    for name, row in figures["kinds"].items():
        print(f"| {name} | {row['injected']} | {row['found']} | {row['median_hours']} | {row['naive']} |")
    print(f"| all | {figures['injected']} | {figures['found']} | | {figures['naive_found']} |")
    print(f"| false alarms per plant and year | | {figures['false_per_plant_year']} | | ", end="")
    print(f"{figures['naive_false_per_plant_year']} |")
    print({name: figures[name] for name in ("false", "related", "missed", "cpu")})


if __name__ == "__main__":
    main()
