"""A simulated month of ordinary abuse: what becomes of an account that is asked by programs as people run them.

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
from month_world import DAY, HOUR, SLOT, START, Counts, Weather, World

DAYS = 30
PROCESSES = 3
LOGINS = 24
RIVAL = 12 * HOUR
USUAL = {
    "growatt": {"lock": LOGINS, "quota": 200, "lenient_lock": True, "expire": 12 * HOUR, "idle": HOUR, "rival": RIVAL},
    "goodwe": {"expire": 12 * HOUR, "rival": RIVAL},
}
ALLOWED = (10, LOGINS, 50, 300)
PLAIN_DAYS = 3
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where our programs' folder is: rules are counted here, disks are not."""


def live(vendor: str, kind, days: float = DAYS, programs: int = PROCESSES, *, plain: bool = False, **faults) -> dict:
    """Let programs of one kind share an account for some days, and return what was counted."""
    with World(vendor, USUAL[vendor] | faults) as world, tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        counts, weather = Counts(world), Weather(world)
        end = START.timestamp() + days * DAY

        def life() -> None:
            """Ask every five minutes and start anew every hour."""
            born = world.time.now
            for slot in range(int(days * DAY // SLOT)):
                world.time.sleep(born + slot * SLOT - world.time.now)
                if slot % (HOUR // SLOT) == 0:
                    program = kind(world, Path(folder))
                if program.ask():
                    counts.answered()

        if not plain:
            world.time.begin(weather.live, 0)
        for number in range(programs):
            world.time.begin(life, 10 + number * SLOT / programs)
        world.time.run(end, counts.look)
        return counts.result(weather)


def _apart(*arguments: str) -> dict:
    """Do the same in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def section(days: float = DAYS) -> list[str]:
    """Return the tables, as the page shows them."""
    alone = [(name, allowed) for name, (vendor, _) in PROGRAMS.items() if vendor == "growatt" for allowed in ALLOWED]
    with ThreadPoolExecutor(2) as pool:
        month = {name: pool.submit(_apart, "--only", name, "--days", str(days)) for name in PROGRAMS}
        plain = {
            (name, allowed): pool.submit(
                _apart,
                "--only",
                name,
                "--plain",
                "--programs",
                "1",
                "--days",
                str(PLAIN_DAYS),
                "--logins",
                str(allowed),
            )
            for name, allowed in alone
        }
        lines = _month({name: one.result() for name, one in month.items()})
        return lines + _plain({key: one.result() for key, one in plain.items()})


def _month(found: dict[str, dict]) -> list[str]:
    titles = (
        "three programs",
        "logins a day",
        "most logins in 24 h",
        "requests a day",
        "hours locked",
        "locked by the cloud itself",
        "sent while locked",
        "sent into the block",
        "intervals of daylight without data",
        "with none for 30 min",
    )
    lines = ["", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for name, one in found.items():
        locked = [f"{one['hours_locked']:.0f}", f"{one['hours_locked_by_cloud']:.0f}", f"{one['while_locked']:.0f}"]
        cells = [
            name,
            f"{one['logins'] / one['days']:.1f}",
            f"{one['most_logins']}",
            f"{one['requests'] / one['days']:.0f}",
            *(locked if PROGRAMS[name][0] == "growatt" else ["n/a"] * 3),
            f"{one['blocked']}",
            f"{one['empty']:.0f} of {one['daylight']:.0f}",
            f"{one['stale']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _plain(found: dict[tuple[str, int], dict]) -> list[str]:
    lines = ["", f"| one program, hours locked a day | {' | '.join(f'{allowed} logins' for allowed in ALLOWED)} |"]
    lines.append("|---" * (len(ALLOWED) + 1) + "|")
    for name in dict.fromkeys(name for name, _ in found):
        hours = [found[name, allowed]["hours_locked"] / found[name, allowed]["days"] for allowed in ALLOWED]
        lines.append(f"| {name} | {' | '.join(f'{one:.1f}' for one in hours)} |")
    return lines


def main() -> None:
    """Print the tables, or the counts of one kind of program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=DAYS)
    parser.add_argument("--only", choices=PROGRAMS)
    parser.add_argument("--logins", type=int)
    parser.add_argument("--programs", type=int, default=PROCESSES)
    parser.add_argument("--plain", action="store_true", help="without the month's weather")
    told = parser.parse_args()
    if told.only is None:
        print("\n".join(section(told.days)))
        return
    faults = {} if told.logins is None else {"lock": told.logins, "quota": None}
    print(json.dumps(live(*PROGRAMS[told.only], told.days, told.programs, plain=told.plain, **faults)))


if __name__ == "__main__":
    main()
