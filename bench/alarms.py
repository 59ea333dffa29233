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
from collections import Counter
from pathlib import Path
from statistics import median
from time import process_time
from typing import TYPE_CHECKING

from alarms_world import (
    AFTERMATH,
    DAY,
    HOUR,
    KINDS,
    POLL,
    REGIONS,
    WARM_UP,
    Site,
    World,
    account_view,
    begin_day,
    close_slots,
    look,
    poll,
)
from heliograph.alarms.engine import next_alarm
from heliograph.alarms.rules import judge_account, judge_plant

if TYPE_CHECKING:
    from heliograph.alarms.model import Alarm, Judgement


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
