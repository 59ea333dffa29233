"""A fleet whose workers are killed, paused, restarted and cut off from the database at random, judged by a witness.

usage: fleet_chaos.py [--accounts 200] [--workers 4] [--interval 15] [--seconds 300] [--seed 7] [--no-fence] [--calm]

Prints the seed, the events and the figures. Exit code 1 if an account was asked by two workers at once, by an earlier
owner after a newer one, or logged in twice; with --no-fence, 1 if that did not happen.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.fleet_run import FleetRun, FleetSize

PAUSES = (0.4, 2.0, 5.0)
"""Lengths of pauses, in time-outs."""
EVENTS = ("kill", "pause", "restart", "database")


def cpu_seconds(worker) -> float:
    """Return the CPU time that a worker has used."""
    fields = Path(f"/proc/{worker.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def polls_of(run) -> tuple[int, float, float]:
    """Return the polls of all live workers, and of their newest lags the median and 99 % in seconds."""
    statement = (
        "SELECT figures FROM procrastinate.heliograph_worker JOIN procrastinate.procrastinate_workers USING (id)"
    )
    found = [row[0] for row in run.query(f"{statement} WHERE last_heartbeat > now() - interval '5 s'") if row[0]]
    lags = [one["lag"] for one in found if one["lag"]["0.99"] is not None]
    return (
        sum(one["polls"] for one in found),
        max((one["0.5"] for one in lags), default=0.0),
        max((one["0.99"] for one in lags), default=0.0),
    )


def harm(run, event: str, chance: random.Random, more: dict) -> list[float]:
    """Do one event; return the seconds until each account of the harmed worker was asked again."""
    run.reap()
    one = chance.choice(run.workers)
    shards, began = run.shards_of(one), time.monotonic()
    if event == "database":
        run.server.stop(signal.SIGQUIT)
        time.sleep(run.size.timeout / 4)
        run.server.start()
    elif event == "pause":
        one.signal(signal.SIGSTOP)
        time.sleep(chance.choice(PAUSES) * run.size.timeout)
        one.signal(signal.SIGCONT)
    else:
        run.end_worker(one, signal.SIGKILL if event == "kill" else signal.SIGTERM)
    rows = run.query("SELECT id FROM heliograph.account WHERE shard = ANY(%s)", (list(shards),))
    accounts = {f"{number}" for (number,) in rows} - run.resting
    again: dict[str, float] = {}
    deadline = time.monotonic() + 60 + 4 * run.size.interval
    while accounts - again.keys() and time.monotonic() < deadline:
        for seen in list(run.witness.seen):
            if seen.began > began and seen.delivered and seen.account in accounts:
                again.setdefault(seen.account, seen.ended - began)
        time.sleep(0.2)
    run.reap()
    while len(run.workers) < more["workers"]:
        run.start_worker(chance.choice("abcdefgh"), **more["options"])
    return sorted(again.values()) + [float("inf")] * len(accounts - again.keys())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--interval", type=float, default=15.0)
    parser.add_argument("--timeout", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--no-fence", action="store_true", help="the control: it must fail")
    parser.add_argument("--calm", action="store_true", help="no events: throughput and lag")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    chance = random.Random(options.seed)
    size = FleetSize(options.accounts, options.shards, options.interval, options.timeout)
    worker_options = {"fence": False, "watchdog": False} if options.no_fence else {}
    with FleetRun(size) as run:
        for number in range(options.workers):
            run.start_worker("abcdefgh"[number % 8], **worker_options)
        run.wait_for_all_polled(300)
        before, cpu, began = polls_of(run)[0], sum(map(cpu_seconds, run.workers)), time.monotonic()
        ends_at = began + options.seconds
        more = {"workers": options.workers, "options": worker_options}
        while time.monotonic() < ends_at:
            if options.calm:
                time.sleep(1)
                continue
            event = "pause" if options.no_fence else chance.choice(EVENTS)
            times = harm(run, event, chance, more)
            last = times[min(int(0.99 * len(times)), len(times) - 1)] if times else 0.0
            print(f"{event:9} {len(times):4} accounts asked again, 99 % after {last:.1f} s", flush=True)
        elapsed = time.monotonic() - began
        polls, median, late = polls_of(run)
        if options.calm:
            used = (sum(map(cpu_seconds, run.workers)) - cpu) / max(polls - before, 1)
            print(
                f"{(polls - before) / elapsed:.1f} polls/s, {1000 * used:.1f} ms CPU a poll, "
                f"lag {median:.2f} s, 99 % {late:.2f} s"
            )
        print(f"{len(run.witness.seen)} requests seen; refused by the fence: {refused(run)}")
        found = run.violations()
    for name in ("overlaps", "stale", "twins", "double logins"):
        print(f"{name}: {found.get(name, 0)}")
    return int(bool(found) != options.no_fence)


def refused(run) -> int:
    """Return how many writes the fence has refused in the live workers."""
    rows = run.query("SELECT figures ->> 'refused' FROM procrastinate.heliograph_worker")
    return sum(int(value or 0) for (value,) in rows)


if __name__ == "__main__":
    sys.exit(main())
