"""Simulated month of ordinary use: programs poll an account as in the field; logins, locks and lost data are counted.

usage: month.py [--days N] [--only NAME] [--logins N] [--programs N] [--plain]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from month_programs import PROGRAMS
from month_world import DAY, HOUR, INTERVAL, START, Incidents, Statistics, World

DAYS = 30
PROCESSES = 3
LOGINS = 24
RIVAL = 12 * HOUR
FAULTS = {
    "growatt": {"lock": LOGINS, "quota": 200, "lenient_lock": True, "expire": 12 * HOUR, "idle": HOUR, "rival": RIVAL},
    "goodwe": {"expire": 12 * HOUR, "rival": RIVAL},
}
LOGIN_LIMITS = (10, LOGINS, 50, 300)
PLAIN_DAYS = 3
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Parent of the programs' folder; in memory, because requests are counted and not disk writes."""


def simulate(
    vendor: str, kind, days: float = DAYS, programs: int = PROCESSES, *, plain: bool = False, **faults
) -> dict:
    """Run programs of one kind that share an account for some days, and return the statistics."""
    with World(vendor, FAULTS[vendor] | faults) as world, tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        statistics, incidents = Statistics(world), Incidents(world)
        end = START.timestamp() + days * DAY

        def run_program() -> None:
            """Poll every five minutes and restart every hour."""
            started = world.clock.now
            for interval in range(int(days * DAY // INTERVAL)):
                world.clock.sleep(started + interval * INTERVAL - world.clock.now)
                if interval % (HOUR // INTERVAL) == 0:
                    program = kind(world, Path(folder))
                if program.poll():
                    statistics.record_data()
                elif world.forbids_requests() or program.obeys_a_wait():
                    statistics.record_forbidden()

        if not plain:
            world.clock.start_thread(incidents.run, 0)
        for number in range(programs):
            world.clock.start_thread(run_program, 10 + number * INTERVAL / programs)
        world.clock.run(end, statistics.record_logins)
        return statistics.result(incidents)


def _run_subprocess(*arguments: str) -> dict:
    """Run this script in a new process, and return the JSON it prints."""
    command = [sys.executable, __file__, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
    return json.loads(result.stdout)


def tables(days: float = DAYS) -> list[str]:
    """Return the lines of the tables of docs/benchmarks.md."""
    growatt = [name for name, (vendor, _) in PROGRAMS.items() if vendor == "growatt"]
    with ThreadPoolExecutor(2) as pool:
        month = {name: pool.submit(_run_subprocess, "--only", name, "--days", str(days)) for name in PROGRAMS}
        plain = ("--plain", "--programs", "1", "--days", str(PLAIN_DAYS))
        limited = {
            (name, limit): pool.submit(_run_subprocess, "--only", name, *plain, "--logins", str(limit))
            for name in growatt
            for limit in LOGIN_LIMITS
        }
        lines = _month_table({name: future.result() for name, future in month.items()})
        return lines + _login_limit_table({key: future.result() for key, future in limited.items()})


def _month_table(results: dict[str, dict]) -> list[str]:
    titles = (
        "three programs",
        "logins a day",
        "most logins in 24 h",
        "requests a day",
        "hours locked",
        "locked by the cloud itself",
        "sent while locked",
        "sent into the block",
        "hours of daylight without data",
        "with none for 30 min",
        "of these forbidden",
        "beyond these",
    )
    lines = ["", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for name, result in results.items():
        locked = [f"{result[key]:.0f}" for key in ("hours_locked", "hours_locked_by_cloud", "while_locked")]
        cells = [
            name,
            f"{result['logins'] / result['days']:.1f}",
            f"{result['most_logins']}",
            f"{result['requests'] / result['days']:.0f}",
            *(locked if PROGRAMS[name][0] == "growatt" else ["n/a"] * 3),
            f"{result['blocked']}",
            f"{result['without_data']:.0f} of {result['daylight']:.0f}",
            f"{result['stale']:.0f}",
            f"{result['stale_forbidden']:.0f}",
            f"{result['stale'] - result['stale_forbidden']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _login_limit_table(results: dict[tuple[str, int], dict]) -> list[str]:
    lines = ["", f"| one program, hours locked a day | {' | '.join(f'{limit} logins' for limit in LOGIN_LIMITS)} |"]
    lines.append("|---" * (len(LOGIN_LIMITS) + 1) + "|")
    for name in dict.fromkeys(name for name, _ in results):
        locked = [row["hours_locked"] / row["days"] for row in (results[name, limit] for limit in LOGIN_LIMITS)]
        lines.append(f"| {name} | {' | '.join(f'{hours:.1f}' for hours in locked)} |")
    return lines


def main() -> None:
    """Print the tables, or the statistics of one kind of program as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=DAYS)
    parser.add_argument("--only", choices=PROGRAMS)
    parser.add_argument("--logins", type=int)
    parser.add_argument("--programs", type=int, default=PROCESSES)
    parser.add_argument("--plain", action="store_true", help="without the incidents of the month")
    options = parser.parse_args()
    if options.only is None:
        print("\n".join(tables(options.days)))
        return
    faults = {} if options.logins is None else {"lock": options.logins, "quota": None}
    print(json.dumps(simulate(*PROGRAMS[options.only], options.days, options.programs, plain=options.plain, **faults)))


if __name__ == "__main__":
    main()
