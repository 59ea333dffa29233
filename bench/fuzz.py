"""Run every command against mutated responses of the emulated clouds; `--write` writes the table to docs/fuzzing.md.

Each worker process emulates one dialect, and runs its part of a seeded sample of all mutations. A run that hangs ends
its worker with a traceback.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import gc
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.fuzz_runs import sampled  # noqa: E402 - helpers of the tests
from support.fuzzing import COMMANDS, DIALECTS, MAX_WAIT, Fuzzer  # noqa: E402 - likewise

PAGE = ROOT / "docs" / "fuzzing.md"
MARKERS = "<!-- measured -->", "<!-- end -->"
RUNS, SEED = 60_000, 1
MAX_MEMORY = 150
"""MB of resident memory that a worker may have used at most."""
COLLECT = 20
"""Runs between two garbage collections. A rejected response is in a cycle of its error, traceback and frames until the
next one; the program rejects a few an hour, a worker forty a second, of up to 10 MB."""
KINDS = ("foreign exception", "absurd", "poisoned", "hang", "token leak")
EXAMPLES = 20
"""Findings that are printed with their run."""


async def work(options: argparse.Namespace) -> dict:
    """Execute one worker's part of the runs of a dialect and return its counts."""
    name, part, parts = options.worker[0], *map(int, options.worker[1:])
    dialect = next(one for one in DIALECTS if one.name == name)
    memory_file_system = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    counts, findings, examples = Counter(), Counter(), []
    began, ends_at = time.process_time(), time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(dir=memory_file_system) as folder:
        async with Fuzzer.started(dialect, Path(folder)) as fuzzer:
            targets = await fuzzer.targets()
            runs = sampled(targets, options.runs // len(DIALECTS), options.seed)
            for number, run in enumerate(islice(runs, part, None, parts)):
                if time.monotonic() > ends_at:
                    break
                faulthandler.dump_traceback_later(4 * MAX_WAIT, exit=True)
                verdict = await fuzzer.run(run)
                counts[run.command] += 1
                findings.update(text.partition(":")[0] for text in verdict)
                examples += [f"{text} <- {run}" for text in verdict]
                if number % COLLECT == 0:
                    gc.collect()
                if number % 100 == 0 or verdict:
                    print(f"{number} {run} {verdict or ''}", file=sys.stderr, flush=True)
            faulthandler.cancel_dump_traceback_later()
    return {
        "dialect": name,
        "mutations": sum(map(len, targets)),
        "counts": counts,
        "findings": findings,
        "examples": examples[:EXAMPLES],
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "processor": time.process_time() - began,
    }


def campaign(options: argparse.Namespace) -> tuple[list[dict], list[str]]:
    """Run all dialects at once, each in `options.workers` processes; return results and failed workers."""
    results, failures, processes = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for dialect in DIALECTS:
            for part in range(options.workers):
                log = Path(folder) / f"{dialect.name}-{part}"
                words = ["--worker", dialect.name, part, options.workers, "--runs", options.runs]
                words += ["--seed", options.seed, "--minutes", options.minutes]
                with log.open("w", encoding="utf-8") as errors:
                    command = [sys.executable, __file__, *map(str, words)]
                    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
                processes.append((process, log))
        for process, log in processes:
            out, _ = process.communicate()
            if process.returncode == 0:
                results.append(json.loads(out))
            else:
                failures.append(f"worker {log.name} ended with {process.returncode}:\n{_end(log)}")
    return results, failures


def _end(log: Path) -> str:
    return "\n".join(log.read_text("utf-8").splitlines()[-40:])


def table(results: list[dict]) -> str:
    """Return the results as Markdown: runs by dialect and command, findings, memory."""
    lines = [
        f"| dialect | possible mutations | {' | '.join(COMMANDS)} | runs | {' | '.join(KINDS)} | memory |",
        f"|---{'|--:' * (len(COMMANDS) + len(KINDS) + 3)}|",
    ]
    for dialect in DIALECTS:
        own = [one for one in results if one["dialect"] == dialect.name]
        if not own:
            continue
        counts = [sum(one["counts"].get(command, 0) for one in own) for command in COMMANDS]
        findings = [sum(one["findings"].get(kind, 0) for one in own) for kind in KINDS]
        numbers = [own[0]["mutations"], *counts, sum(counts), *findings]
        memory = max(one["memory"] for one in own)
        lines.append(f"| {dialect.name} | {' | '.join(f'{number:,}' for number in numbers)} | {memory} MB |")
    return "\n".join(lines)


def main() -> int:
    """Run the whole campaign, or one worker of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of all dialects together (default: {RUNS:,})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"selects the sample (default: {SEED})")
    parser.add_argument("--minutes", type=float, default=600.0, help="end earlier after so many minutes")
    parser.add_argument("--workers", type=int, default=1, help="processes of each dialect (default: 1)")
    parser.add_argument("--write", action="store_true", help="write the table to docs/fuzzing.md")
    parser.add_argument("--worker", nargs=3, metavar=("DIALECT", "PART", "PARTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(asyncio.run(work(options))))
        return 0
    began = time.monotonic()
    results, failures = campaign(options)
    minutes, total = (time.monotonic() - began) / 60, sum(sum(one["counts"].values()) for one in results)
    processor = sum(one["processor"] for one in results) / max(total, 1)
    text = table(results)
    about = (
        f"{total:,} of {options.runs:,} runs of seed {options.seed} in {minutes:.0f} minutes, {processor * 1000:.0f} "
        f"ms of processor time per run. {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}."
    )
    print(f"{text}\n\n{about}")
    for line in (*failures, *(example for one in results for example in one["examples"])):
        print(line)
    if options.write:
        page = PAGE.read_text("utf-8")
        before, after = page.split(MARKERS[0])[0], page.split(MARKERS[1], 1)[1]
        PAGE.write_text(f"{before}{MARKERS[0]}\n\n{text}\n\n{about}\n\n{MARKERS[1]}{after}", encoding="utf-8")
    return 1 if failures or any(one["findings"] or one["memory"] > MAX_MEMORY for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
