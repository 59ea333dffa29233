"""A fleet whose workers are killed, paused and restarted at random, as its database is, judged by a witness.

usage: fleet_chaos.py [--accounts 200] [--workers 4] [--interval 15] [--seconds 300] [--seed 7] [--no-fence] [--calm]

Prints the seed, the events and the figures. Exit code 1 if an account was asked by two workers at once, by an earlier
owner after a newer one, or got its password sent twice within a minute, if a row was written by an earlier owner, a
sample was lost, or fewer than 99 % of the accounts of harmed workers were asked again in time; with --no-fence, 1 if
none of the forbidden happened.
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
from support.fleet_judge import Recovery, lost_samples, percentile, recovery
from support.fleet_run import FleetRun, FleetSize

PAUSES = (0.5, 2.0, 5.0)
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


def harm(run, event: str, chance: random.Random, more: dict) -> Recovery:
    """Do one event; return how soon each account of the harmed worker was asked again."""
    run.reap()
    one = chance.choice(run.workers)
    shards, began = run.shards_of(one), time.monotonic()
    if event == "database":
        run.stop_database()
        time.sleep(run.size.timeout / 4)
        run.server.start()
    elif event == "pause":
        one.signal(signal.SIGSTOP)
        time.sleep(chance.choice(PAUSES) * run.size.timeout)
        one.signal(signal.SIGCONT)
    else:
        run.end_worker(one, signal.SIGKILL if event == "kill" else signal.SIGTERM)
    rows = run.query("SELECT id, shard FROM heliograph.account")
    harmed = {f"{number}" for number, shard in rows if shard in shards}
    deadline = time.monotonic() + 60 + 4 * run.size.interval
    while harmed - run.asked_since(began) and time.monotonic() < deadline:
        time.sleep(0.2)
    others = {f"{number}" for number, _ in rows} - harmed if event != "database" else set()
    found = recovery(list(run.witness.seen), harmed, others, began, time.monotonic())
    run.reap()
    while len(run.workers) < more["workers"]:
        run.start_worker(chance.choice("abcdefgh"), **more["options"])
    return found


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
    with FleetRun(size, options.seed, adapts=False) as run:
        for number in range(options.workers):
            run.start_worker("abcdefgh"[number % 8], **worker_options)
        run.wait_for_all_polled(300)
        before, cpu, began = polls_of(run)[0], sum(map(cpu_seconds, run.workers)), time.monotonic()
        ends_at = began + options.seconds
        recoveries = []
        more = {"workers": options.workers, "options": worker_options}
        while time.monotonic() < ends_at:
            if options.calm:
                time.sleep(1)
                continue
            event = "pause" if options.no_fence else chance.choice(EVENTS)
            found = harm(run, event, chance, more)
            if event != "database":  # rescues wait a time-out after its restart
                recoveries.append(found)
            half, most = percentile(found.seconds, 0.5), percentile(found.seconds, 0.99)
            usual = f"; the others waited {found.usual:.1f} s at most" if found.usual else ""
            times = f"half after {half:4.1f} s, 99 % after {most:4.1f} s{usual}"
            print(f"{event:9} {len(found.seconds):4} accounts asked again, {times}", flush=True)
        elapsed = time.monotonic() - began
        polls, median, late = polls_of(run)
        if options.calm:
            used = (sum(map(cpu_seconds, run.workers)) - cpu) / max(polls - before, 1)
            print(
                f"{(polls - before) / elapsed:.1f} polls/s, {1000 * used:.1f} ms CPU a poll, "
                f"lag {median:.2f} s, 99 % {late:.2f} s"
            )
        return judge(run, recoveries, fenced=not options.no_fence)


def judge(run, recoveries: list[Recovery], *, fenced: bool) -> int:
    """End the workers, print what was forbidden or lost, and return the exit code."""
    print(f"{len(run.witness.seen)} requests seen; refused by the fence: {refused(run)}")
    found = run.violations()
    run.reap()
    for one in list(run.workers):
        run.end_worker(one, signal.SIGTERM)
    lost, judged = lost_samples(run)
    for name in ("overlaps", "stale", "twins", "double logins", "stale rows"):
        print(f"{name}: {len(found.get(name, ()))} {found.get(name, [])[:5] or ''}")
    print(f"lost samples: {len(lost)} of {judged} polls {lost[:5] or ''}")
    if not fenced:
        return int(not found)
    timeout, interval = run.size.timeout, run.size.interval
    seconds = [at for one in recoveries for at in one.seconds]
    strict = sum(at <= timeout + interval for at in seconds) / max(len(seconds), 1)
    share = sum(len(one.seconds) * one.share(timeout, interval) for one in recoveries) / max(len(seconds), 1)
    print(f"asked again within time-out and interval: {strict:.1%} of {len(seconds)} accounts; ", end="")
    print(f"{share:.1%} if the interval is what the other accounts had meanwhile")
    return int(bool(found) or bool(lost) or (bool(seconds) and share < 0.99))


def refused(run) -> int:
    """Return how many writes the fence has refused in the live workers."""
    rows = run.query("SELECT figures ->> 'refused' FROM procrastinate.heliograph_worker")
    return sum(int(value or 0) for (value,) in rows)


if __name__ == "__main__":
    sys.exit(main())
