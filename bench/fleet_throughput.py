"""Throughput of a fleet without failures: polls per second, and what a poll costs the workers and PostgreSQL.

usage: fleet_throughput.py [--accounts 1000] [--interval 3] [--workers 4] [--seconds 60] [--emulator] [--profile FILE]

The clouds are a stub (fleet_stub.py) that answers after 30 ms, or with --emulator the emulated clouds. Processor times
are those of the processes, so they hold on a loaded machine too; rates do not. Prints one row of a table:
accounts, polls per second, failed, lag (median and 99 %) in s, ms of a worker per poll, ms of PostgreSQL, ms of the
cloud, bytes of WAL per poll, kB of memory per account, load average. A profile is that of the first worker.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psycopg

from fleet_database import TICKS, server_cpu
from fleet_stub import plant_of
from heliograph.fleet.csv_import import import_accounts
from heliograph.fleet.database import Database
from heliograph.fleet.partitions import add_partitions
from heliograph.fleet.procrastinate_engine import ProcrastinateEngine
from heliograph.fleet.schema import init, shards_by_egress
from heliograph.fleet.secrets import SecretBox, add_key, read_keys
from support.fleet_run import end, environment
from support.postgres_server import Server, programs

SHARDS = 256
TIMEOUT = 600.0
"""Seconds until a worker is taken for dead: an overloaded machine is not what is measured."""
PROFILE = """import cProfile, json, sys, time
from support.fleet_worker import main
profile = cProfile.Profile(time.thread_time)  # of the event loop's thread
profile.runcall(main, json.loads(sys.argv[2]))
profile.dump_stats(sys.argv[1])"""
FIGURES = "SELECT figures FROM procrastinate.heliograph_worker WHERE figures IS NOT NULL"


class Cloud:
    """The process that answers: the emulated clouds, or the stub before two of their accounts."""

    def __init__(self, stack: ExitStack, accounts: int, *, emulator: bool) -> None:
        now = datetime.now(UTC)
        noon = now.astimezone(timezone(timedelta(hours=(13 - now.hour + 12) % 24 - 12)))
        number = accounts if emulator else 2
        words = ("-m", "heliograph", "emulate", "--accounts", f"{number}", "--seed", "7", "--start", f"{noon:%FT%T%z}")
        self.process = start(stack, words)
        ready = json.loads(self.process.stdout.readline())
        self.url = ready["url"]
        self.accounts = ready["accounts"]
        if emulator:
            return
        plants = [one["plants"][0] for one in self.accounts]
        self.process = start(stack, (str(Path(__file__).with_name("fleet_stub.py")), self.url, *plants))
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        models = self.accounts
        self.accounts = [
            {
                "vendor": models[number % 2]["vendor"],
                "username": models[number % 2]["username"].replace(f"{number % 2 + 1}", f"{number + 1}"),
                "password": models[number % 2]["password"],
                "plants": [plant_of(plants[number % 2].encode(), number + 1).decode()],
            }
            for number in range(accounts)
        ]


def start(stack: ExitStack, words: tuple[str, ...], log=subprocess.PIPE) -> subprocess.Popen:
    """Start a Python program that is ended with the run."""
    process = subprocess.Popen(
        [sys.executable, *words], stdout=log, stderr=None if log == subprocess.PIPE else log, env=environment()
    )
    stack.callback(end, process)
    return process


async def fill(url: str, key_file: Path, cloud: Cloud) -> None:
    """Create the fleet and import the accounts, without limits."""
    database = Database(url)
    await init(database, SHARDS)
    await ProcrastinateEngine(url).add_shards(await shards_by_egress(database))
    await add_partitions(database, datetime.now(UTC).date())
    lines = ["name,vendor,username,password,server,requests_per_day,logins_per_day,plants"]
    lines += [
        f"home{number},{one['vendor']},{one['username']},{one['password']},{cloud.url},1000000,100,{one['plants'][0]}"
        for number, one in enumerate(cloud.accounts)
    ]
    report = await import_accounts(database, SecretBox(read_keys(key_file)), "\n".join(lines), tenant="acme")
    assert report.stored, report.problems
    for vendor in ("growatt", "goodwe"):
        await database.run(
            "INSERT INTO egress (name, vendor, rate, burst, login_rate, login_burst)"
            " VALUES ('default', %s, 1e4, 1e4, 1e4, 1e4)"
            " ON CONFLICT (name, vendor) DO UPDATE SET rate = 1e4, burst = 1e4, login_rate = 1e4, login_burst = 1e4",
            (vendor,),
        )
    await database.close()


class Reading:
    """What has been done and used until now."""

    def __init__(self, connection, workers, cloud, server) -> None:
        self.at = time.monotonic()
        self.figures = [row[0] for row in connection.execute(FIGURES)]
        self.workers = sum(cpu_seconds(one.pid) for one in workers)
        self.database = server_cpu(server.process.pid)
        self.cloud = cpu_seconds(cloud.process.pid)
        self.wal = float(connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()[0])

    def total(self, name: str) -> int:
        """Return a counter of all workers."""
        return sum(one[name] for one in self.figures)

    def lag(self, share: str) -> float:
        """Return a quantile of the lag, of the worker that is worst."""
        return max(one["lag"][share] or 0.0 for one in self.figures)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> float:
    """Return the resident memory of a process, in kB."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=3.0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--emulator", action="store_true")
    parser.add_argument("--profile", type=Path, metavar="FILE")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="heliograph-fleet-"))
        stack.callback(shutil.rmtree, folder)
        folder.chmod(0o755)
        (folder / "pg").mkdir()
        server = Server(programs(), folder / "pg")
        server.start()
        stack.callback(server.stop)
        cloud = Cloud(stack, options.accounts, emulator=options.emulator)
        add_key(folder / "key")
        asyncio.run(fill(server.url, folder / "key", cloud))
        more = {
            "url": server.url,
            "key_file": str(folder / "key"),
            "interval": options.interval,
            "timeout": TIMEOUT,
            "request_seconds": 35.0,
            "refresh": 30.0,
        }
        workers = []
        for name in "abcdefgh"[: options.workers]:
            words = ("-m", "support.fleet_worker", json.dumps({**more, "name": name}))
            if options.profile and name == "a":
                words = ("-c", PROFILE, str(options.profile), words[-1])
            workers.append(start(stack, words, stack.enter_context((folder / f"{name}.log").open("wb"))))
        connection = stack.enter_context(psycopg.connect(server.url, autocommit=True))
        pending = "SELECT count(*) FROM heliograph.account WHERE due_at = 0"
        while found := connection.execute(pending).fetchone()[0]:
            if ended := [one.poll() for one in workers if one.poll() is not None]:
                raise RuntimeError(f"workers ended with {ended}: {(folder / 'b.log').read_text('utf-8')[-2000:]}")
            print(f"{found} accounts are not polled yet", file=sys.stderr, flush=True)
            time.sleep(5)
        time.sleep(2 * options.interval)
        before = Reading(connection, workers, cloud, server)
        time.sleep(options.seconds)
        after = Reading(connection, workers, cloud, server)
        kilobytes = sum(memory(one.pid) for one in workers) / options.accounts
        if options.profile:
            workers[0].send_signal(signal.SIGTERM)
            workers[0].wait(60)
    polls, seconds = after.total("polls") - before.total("polls"), after.at - before.at
    failed = after.total("failed_polls") - before.total("failed_polls")
    each = [1000 * (getattr(after, name) - getattr(before, name)) / polls for name in ("workers", "database", "cloud")]
    print(
        f"| {options.accounts:,} | {polls / seconds:.0f} | {failed} | {after.lag('0.5'):.2f}, {after.lag('0.99'):.2f} "
        f"| {each[0]:.2f} | {each[1]:.2f} | {each[2]:.2f} | {(after.wal - before.wal) / polls:,.0f} "
        f"| {kilobytes:.0f} | {os.getloadavg()[0]:.1f} |"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
