"""Simulated year of data faults: the data that the collector stored, compared with the true values and a naive script.

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
from year_programs import run_collector, run_script
from year_world import FIRST, PLANTS, SERVICE_FAULTS, ZONE, World, date_range

if TYPE_CHECKING:
    from heliograph.store.base import Store

DAYS = 365
RELATIVE_TOLERANCE, TOLERANCE = 0.005, 0.15
"""Allowed error of a day: half a percent, but at least 1.5 times the last digit of a cloud, in kWh."""
EXTRA_DAYS = 3
"""Days after the simulated ones in which the collector can still fetch their history."""
NEAR = 150
"""Seconds by which a stored sample may differ from a point of the cloud."""
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def run_year(plant: str, count: int, seed: int = 7, interval: float | None = None, first: date = FIRST) -> dict:
    """Run the collector, and return its statistics and errors; it polls every `interval` seconds, if given."""
    with World(*PLANTS[plant], seed=seed, first=first) as world, tempfile.TemporaryDirectory(dir=MEMORY) as name:
        start = process_time()
        query_counts = run_collector(world, Path(name), count + EXTRA_DAYS, interval)
        counters = world.emulator.log.as_dict(0)["accounts"][world.account.username]
        cpu = process_time() - start
        with SqliteStore(Path(name) / "heliograph.sqlite") as store:
            return {
                "days": count,
                "requests": counters["requests"] / (count + EXTRA_DAYS),
                "logins": counters["logins"] / (count + EXTRA_DAYS),
                "hours_locked": counters["hours_locked"],
                "history_queries": sum(query_counts.values()),
                "cpu": cpu,
                **find_errors(world, store, count),
            }


def find_errors(world: World, store: Store, count: int) -> dict:
    """Compare the stored data with the true values."""
    series = Series(world.vendor, world.plant.id)
    first, *_, last = date_range(count, world.first)
    stored = {row.day: row for row in store.days(series, first, last)}
    in_history = _history_energies(world)
    errors = {"wrong": [], "wrong_not_uploaded": [], "wrong_live_only": [], "missing": []}
    errors |= {"holes": 0, "points": 0, "corrected_days": 0}
    sums: dict[str, list[float]] = {}
    for day in date_range(count, world.first):
        true, uploaded = world.true_energies(day), world.uploaded_energies(day)
        row = stored.get(day)
        errors["corrected_days"] += row is not None and row.quality.value != "live"
        for name, kwh in true.items():
            value = row.values.get(name) if row else None
            if value is None:
                errors["missing" if name in in_history else "wrong_live_only"].append((f"{day}", name))
                continue
            pair = sums.setdefault(name, [0.0, 0.0])
            pair[0] += value
            pair[1] += kwh
            if abs(value - kwh) > tolerance(kwh):
                kind = "wrong" if abs(uploaded[name] - kwh) < 0.05 else "wrong_not_uploaded"
                kind = kind if name in in_history else "wrong_live_only"
                errors[kind].append((f"{day}", name, round(kwh, 2), round(value, 2)))
        holes, points = count_holes(world, store, series, day)
        errors["holes"] += holes
        errors["points"] += points
    errors["spikes"] = find_spikes(world, store, series, count)
    errors["year"] = {name: round(100 * (value / true - 1), 3) for name, (value, true) in sums.items() if true}
    return errors


def _history_energies(world: World) -> set[str]:
    """Return the energies that the cloud reports of past days; it reports the others live only, or never."""
    world.emulator.faults.set(dict.fromkeys(SERVICE_FAULTS))
    client_class = {"growatt": Growatt, "goodwe": GoodWe}[world.vendor]
    options = {"server": world.url, "keeper": None, "clock": lambda: world.now, "zone": ZONE}
    client = client_class(world.account.username, world.account.password, **options)
    periods = client.period_energies(world.plant.id, f"{world.first:%Y-%m}")
    return {name for period in periods for name, kwh in period.values.items() if kwh is not None}


def tolerance(kwh: float) -> float:
    """Return the allowed error of a day's energy, in kWh."""
    return max(RELATIVE_TOLERANCE * kwh, TOLERANCE)


def count_holes(world: World, store: Store, series: Series, day: date) -> tuple[int, int]:
    """Return how many of the points that the cloud can report of a day are not stored, and their number."""
    start, end = day_bounds(day, ZONE)
    stored = list(store.sample_times(series, start - NEAR, end + NEAR))
    times = world.reportable_times(day)
    return sum(not _contains_near(stored, time) for time in times), len(times)


def _contains_near(times: list[int], time: int) -> bool:
    index = bisect_left(times, time - NEAR)
    return index < len(times) and times[index] <= time + NEAR


def find_spikes(world: World, store: Store, series: Series, count: int) -> list[tuple]:
    """Return the stored totals above the true value or below their predecessor."""
    first, *_, last = date_range(count, world.first)
    start, end = day_bounds(first, ZONE)[0], day_bounds(last, ZONE)[1]
    spikes, previous = [], {}
    for sample in store.samples(series, start, end):
        totals = {name: value for name, value in sample.values.items() if name.endswith("_total") and value is not None}
        if not totals:
            continue
        true = world.true_totals(sample.measured_at)
        for name, value in totals.items():
            if value > true[name] + TOLERANCE or value < previous.get(name, 0.0) - 1e-6:
                spikes.append((sample.measured_at, name, round(true[name], 2), value))
            previous[name] = value
    return spikes


def run_script_year(plant: str, count: int, first: date = FIRST) -> dict[str, dict]:
    """Run the script with the same data faults, and return the errors of each method."""
    with World(*PLANTS[plant], faulty=False, first=first) as world:
        energies = run_script(world, count).daily_energies()
        return {method: _find_script_errors(world, values, count) for method, values in energies.items()}


def _find_script_errors(world: World, energies: dict[date, float], count: int) -> dict:
    pairs = [(energies.get(day), world.true_energies(day)["pv_energy"]) for day in date_range(count, world.first)]
    known = [(value, true) for value, true in pairs if value is not None]
    return {
        "missing": len(pairs) - len(known),
        "wrong": sum(abs(value - true) > tolerance(true) for value, true in known),
        "spikes": sum(value > 2 * true + 5 for value, true in known),
        "year": round(100 * (sum(value for value, _ in known) / sum(true for _, true in pairs) - 1), 3),
    }


def tables(count: int = DAYS) -> list[str]:
    """Return the lines of the tables of docs/benchmarks.md."""
    with ThreadPoolExecutor(2) as pool:
        options = "--days", f"{count}"
        collector = {plant: pool.submit(_run_subprocess, "--only", plant, *options) for plant in PLANTS}
        script = {plant: pool.submit(_run_subprocess, "--only", plant, "--naive", *options) for plant in PLANTS}
        titles = (
            "collected | days wrong although reported by the cloud | wrong, never reported to the cloud",
            "wrong, live only | without energy | spikes | holes the cloud could fill | solar year, error %",
            "requests a day | logins a day | history queries | days corrected",
        )
        lines = ["", f"| {' | '.join(titles)} |"]
        lines.append("|---" * 12 + "|")
        for plant, future in collector.items():
            result = future.result()
            kinds = ("wrong", "wrong_not_uploaded", "wrong_live_only", "missing")
            cells = [*(_count_days(result[kind]) for kind in kinds), len(result["spikes"])]
            cells += [f"{result['holes']} of {result['points']}", result["year"]["pv_energy"]]
            cells += [f"{result['requests']:.0f}", f"{result['logins']:.1f}"]
            cells += [result["history_queries"], result["corrected_days"]]
            lines.append(f"| {plant} | {' | '.join(map(str, cells))} |")
        lines += ["", "| a script, solar energy only | days wrong | without energy | spikes | solar year, error % |"]
        lines.append("|---" * 5 + "|")
        for plant, future in script.items():
            for method, errors in future.result().items():
                cells = [errors[kind] for kind in ("wrong", "missing", "spikes", "year")]
                lines.append(f"| {plant}: {method} | {' | '.join(map(str, cells))} |")
        return lines


def _count_days(errors: list[list]) -> int:
    return len({error[0] for error in errors})


def _run_subprocess(*arguments: str) -> dict:
    """Run this script in a new process, and return the JSON it prints."""
    result = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"year.py {' '.join(arguments)} failed:\n{result.stderr[-2000:]}")
    return json.loads(result.stdout)


def main() -> None:
    """Print the tables, or the result of one plant as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--only", choices=PLANTS)
    parser.add_argument("--naive", action="store_true", help="run the script instead of the collector")
    parser.add_argument("--first", type=date.fromisoformat, default=FIRST, help="first day, within the simulated year")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.only is None:
        print("\n".join(tables(options.days)))
        return
    run = run_script_year if options.naive else run_year
    print(json.dumps(run(options.only, options.days, first=options.first)))


if __name__ == "__main__":
    main()
