"""A simulated year of clouds that lie: what our collector has kept in the end, beside what is true and a naive script.

usage: year.py [--days N] [--only PLANT [--naive] [--first DAY]]
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

from heliograph import GoodWe, Growatt
from heliograph.local_time import day_bounds
from heliograph.store.base import Series
from heliograph.store.sqlite import SqliteStore
from year_programs import lives, records
from year_world import FIRST, PLANTS, TROUBLES, ZONE, World, days

if TYPE_CHECKING:
    from heliograph.store.base import Store

DAYS = 365
SHARE, FLOOR = 0.005, 0.15
"""How far off a day may be: half a percent, but never less than one and a half of a cloud's last digits, in kWh."""
AFTER = 3
"""Days after the year in which the collector may still ask about it."""
NEAR = 150
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def ours(plant: str, count: int, seed: int = 7, interval: float | None = None, first: date = FIRST) -> dict:
    """Let the collector live through the year, and return what it has of it; it polls when it thinks best."""
    with World(*PLANTS[plant], seed=seed, first=first) as world, tempfile.TemporaryDirectory(dir=MEMORY) as name:
        begun = process_time()
        healed = lives(world, Path(name), count + AFTER, interval)
        tally = world.emulator.log.as_dict(0)["accounts"][world.account.username]
        spent = process_time() - begun
        with SqliteStore(Path(name) / "heliograph.sqlite") as store:
            return {
                "days": count,
                "requests": tally["requests"] / (count + AFTER),
                "logins": tally["logins"] / (count + AFTER),
                "locked": tally["hours_locked"],
                "healed": sum(healed.values()),
                "cpu": spent,
                **judged(world, store, count),
            }


def judged(world: World, store: Store, count: int) -> dict:
    """Hold what was kept against what is true."""
    series = Series(world.vendor, world.site.id)
    first, *_, last = days(count, world.first)
    kept = {row.day: row for row in store.days(series, first, last)}
    past = _told_of_the_past(world)
    found = {
        "off": [],
        "unknowable_off": [],
        "live_only": [],
        "missing": [],
        "more": 0.0,
        "holes": 0,
        "points": 0,
        "repaired": 0,
    }
    errors: dict[str, list[float]] = {}
    for day in days(count, world.first):
        true, told = world.energies(day), world.told(day)
        row = kept.get(day)
        found["repaired"] += row is not None and row.quality.value != "live"
        for name, kwh in true.items():
            value = row.values.get(name) if row else None
            if value is None:
                found["missing" if name in past else "live_only"].append((f"{day}", name))
                continue
            sums = errors.setdefault(name, [0.0, 0.0])
            sums[0] += value
            sums[1] += kwh
            if abs(value - kwh) > allowed(kwh):
                knew = abs(told[name] - kwh) < 0.05
                which = "live_only" if name not in past else "off" if knew else "unknowable_off"
                found[which].append((f"{day}", name, round(kwh, 2), round(value, 2)))
        holes, points = gaps(world, store, series, day)
        found["holes"] += holes
        found["points"] += points
    found["spikes"] = spikes(world, store, series, count)
    found["year"] = {name: round(100 * (value / true - 1), 3) for name, (value, true) in errors.items() if true}
    return found


def _told_of_the_past(world: World) -> set[str]:
    """Return the energies the cloud tells of days that are over; others it tells live, or never."""
    world.emulator.faults.set(dict.fromkeys(TROUBLES))
    kind = {"growatt": Growatt, "goodwe": GoodWe}[world.vendor]
    account = world.account
    client = kind(account.username, account.password, server=world.url, keeper=None, clock=lambda: world.now, zone=ZONE)
    energies = client.period_energies(world.site.id, f"{world.first:%Y-%m}")
    return {name for one in energies for name, kwh in one.values.items() if kwh is not None}


def allowed(kwh: float) -> float:
    """Return how far off a day's energy may be."""
    return max(SHARE * kwh, FLOOR)


def gaps(world: World, store: Store, series: Series, day: date) -> tuple[int, int]:
    """Return how many of a day's points the cloud can tell of are not kept, and how many there are."""
    start, end = day_bounds(day, ZONE)
    kept = list(store.sample_times(series, start - NEAR, end + NEAR))
    points = world.points(day)
    return sum(not _near(kept, moment) for moment in points), len(points)


def _near(moments: list[int], moment: int) -> bool:
    place = bisect_left(moments, moment - NEAR)
    return place < len(moments) and moments[place] <= moment + NEAR


def spikes(world: World, store: Store, series: Series, count: int) -> list[tuple]:
    """Return the kept totals that are more than was true, or less than before."""
    first, *_, last = days(count, world.first)
    start, end = day_bounds(first, ZONE)[0], day_bounds(last, ZONE)[1]
    found, before = [], {}
    for entry in store.samples(series, start, end):
        told = {name: value for name, value in entry.values.items() if name.endswith("_total") and value is not None}
        if not told:
            continue
        true = world.totals(entry.measured_at)
        for name, value in told.items():
            if value > true[name] + FLOOR or value < before.get(name, 0.0) - 1e-6:
                found.append((entry.measured_at, name, round(true[name], 2), value))
            before[name] = value
    return found


def naive(plant: str, count: int, first: date = FIRST) -> dict[str, dict]:
    """Let the script record the year under the same lies, and return how wrong each recipe is."""
    with World(*PLANTS[plant], troubled=False, first=first) as world:
        recorder = records(world, count)
        return {name: _held(world, recipe, count) for name, recipe in recorder.recipes().items()}


def _held(world: World, recipe: dict[date, float], count: int) -> dict:
    pairs = [(recipe.get(day), world.energies(day)["pv_energy"]) for day in days(count, world.first)]
    known = [(value, true) for value, true in pairs if value is not None]
    return {
        "missing": len(pairs) - len(known),
        "off": sum(abs(value - true) > allowed(true) for value, true in known),
        "spikes": sum(value > 2 * true + 5 for value, true in known),
        "year": round(100 * (sum(value for value, _ in known) / sum(true for _, true in pairs) - 1), 3),
    }


def section(count: int = DAYS) -> list[str]:
    """Return the tables, as the page shows them."""
    with ThreadPoolExecutor(2) as pool:
        own = {plant: pool.submit(_apart, "--only", plant, "--days", f"{count}") for plant in PLANTS}
        script = {plant: pool.submit(_apart, "--only", plant, "--naive", "--days", f"{count}") for plant in PLANTS}
        titles = (
            "collected | days wrong although reported by the cloud | wrong, never reported to the cloud",
            "wrong, live only | without energy | spikes | holes the cloud could fill | solar year, error %",
            "requests a day | logins a day | history queries | days corrected",
        )
        lines = ["", f"| {' | '.join(titles)} |"]
        lines.append("|---" * 12 + "|")
        for plant, one in ((plant, future.result()) for plant, future in own.items()):
            cells = [_days(one[kind]) for kind in ("off", "unknowable_off", "live_only", "missing")]
            cells.append(len(one["spikes"]))
            cells += [f"{one['holes']} of {one['points']}", one["year"]["pv_energy"]]
            cells += [f"{one['requests']:.0f}", f"{one['logins']:.1f}", one["healed"], one["repaired"]]
            lines.append(f"| {plant} | {' | '.join(map(str, cells))} |")
        lines += ["", "| a script, solar energy only | days wrong | without energy | spikes | solar year, error % |"]
        lines.append("|---" * 5 + "|")
        for plant, found in ((plant, future.result()) for plant, future in script.items()):
            for recipe, one in found.items():
                cells = [one["off"], one["missing"], one["spikes"], one["year"]]
                lines.append(f"| {plant}: {recipe} | {' | '.join(map(str, cells))} |")
        return lines


def _days(rows: list[list]) -> int:
    return len({row[0] for row in rows})


def _apart(*arguments: str) -> dict:
    """Do it in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"year.py {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def main() -> None:
    """Print the tables, or what was found of one plant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--only", choices=PLANTS)
    parser.add_argument("--naive", action="store_true", help="the script in place of the collector")
    parser.add_argument("--first", type=date.fromisoformat, default=FIRST, help="begin on another day of that year")
    told = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if told.only is None:
        print("\n".join(section(told.days)))
        return
    print(json.dumps((naive if told.naive else ours)(told.only, told.days, first=told.first)))


if __name__ == "__main__":
    main()
