"""Process-level faults: kills, full disks, flipped bits, limits, stopped programs. `--write` updates docs/torture.md.

The oracle: nothing acknowledged is lost, nothing half-written is read, and every program continues by itself or after
the one command it prints.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torture_disk
import torture_files
import torture_kills
import torture_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from torture_programs import Tally

PAGE = Path(__file__).parent.parent / "docs" / "torture.md"
MARKERS = ("<!-- torture -->", "<!-- end of torture -->")

SCENARIOS: dict[str, tuple[Callable[[Path, int, random.Random], Tally], int]] = {
    "collect": (torture_kills.collect, 200),
    "backfill": (torture_kills.backfill, 120),
    "settings": (torture_kills.settings, 120),
    "outputs": (torture_kills.outputs, 60),
    "full-disk": (torture_disk.full_disk, 40),
    "store-bits": (torture_files.store_bits, 40),
    "log-bits": (torture_files.log_bits, 20),
    "state-bits": (torture_files.state_bits, 30),
    "journal-bits": (torture_files.journal_bits, 20),
    "password-bits": (torture_files.password_bits, 20),
    "rows": (torture_files.damaged_rows, len(torture_files.STATEMENTS)),
    "files": (torture_limits.open_files, 15),
    "memory": (torture_limits.memory, 12),
    "clock": (torture_limits.clock_jumps, 12),
    "stopped": (torture_limits.stopped_holders, 10),
    "postgres": (torture_limits.postgres_restarts, 10),
}
"""Each scenario with the number of its trials."""
QUICK = 8
"""Trials of each scenario with `--quick`."""


def run_scenario(name: str, seed: int, trials: int | None = None, quick: bool = False) -> Tally:
    """Run one scenario in a temporary folder."""
    scenario, usual = SCENARIOS[name]
    count = trials or (min(usual, QUICK) if quick else usual)
    with tempfile.TemporaryDirectory(prefix="heliograph-torture-") as folder:
        (Path(folder) / "output").mkdir()
        os.environ["TORTURE_OUTPUT"] = f"{folder}/output"
        return scenario(Path(folder) / "world", count, random.Random(f"{name} {seed}"))


def table(tallies: list[Tally]) -> list[str]:
    """Return the results as a table."""
    titles = (
        "fault",
        "trials",
        "hit at work",
        "acknowledged and lost",
        "half-written and read",
        "mistakes",
        "not recovered",
        "recovered by `doctor --repair`",
    )
    return [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|", *rows(tallies)]


def rows(tallies: list[Tally]) -> list[str]:
    """Return a row for each result."""
    lines = []
    for one in tallies:
        if one.skipped:
            lines.append(f"| {one.name} | 0 | | | | | | skipped: {one.skipped} |")
            continue
        cells = (one.name, one.trials, one.struck, one.lost, one.torn, one.mistakes, one.stuck, one.commands)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def write(run: str, tallies: list[Tally]) -> None:
    """Write results to the page, beside those of scenarios that were not run."""
    head, _, rest = PAGE.read_text("utf-8").partition(MARKERS[0])
    old, _, end = rest.partition(MARKERS[1])
    known = {line.split(" | ")[0]: line for line in [*old.splitlines(), *rows(tallies)] if line.startswith("| ")}
    known.pop("| fault", None)
    lines = [run, "", *table([]), *known.values()]
    PAGE.write_text("\n".join([f"{head}{MARKERS[0]}", *lines, f"{MARKERS[1]}{end}"]), "utf-8")


def main() -> int:
    """Run the scenarios and print the table; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"at most {QUICK} trials of each scenario")
    parser.add_argument("--only", nargs="+", choices=tuple(SCENARIOS), default=tuple(SCENARIOS), metavar="SCENARIO")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--trials", type=int, help="trials of each scenario")
    parser.add_argument("--write", action="store_true", help="write the rows of these scenarios to docs/torture.md")
    options = parser.parse_args()
    gc.freeze()  # forked programs share these pages
    tallies, begun = [], time.monotonic()
    for name in options.only:
        started = time.monotonic()
        tallies.append(run_scenario(name, options.seed, options.trials, quick=options.quick))
        print(
            f"{name}: {time.monotonic() - started:.0f} s, {tallies[-1].failures} failures", file=sys.stderr, flush=True
        )
        print(*rows(tallies[-1:]), file=sys.stderr, flush=True)
        for note in tallies[-1].notes:
            print(f"  {note}", file=sys.stderr, flush=True)
    minutes = (time.monotonic() - begun) / 60
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    run = f"Run {time.strftime('%Y-%m-%d')} with seed {options.seed} in {minutes:.0f} minutes on {machine}."
    lines = [run, "", *table(tallies)]
    print("\n".join(lines))
    if options.write:
        write(run, tallies)
    return int(any(one.failures for one in tallies))


if __name__ == "__main__":
    sys.exit(main())
