"""A fleet for tests: a PostgreSQL server, the emulator, the witness, and worker processes that a test may harm."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import psycopg

from heliograph.fleet.csv_import import import_accounts
from heliograph.fleet.database import Database
from heliograph.fleet.procrastinate_engine import ProcrastinateEngine
from heliograph.fleet.schema import init, shards_by_egress
from heliograph.fleet.secrets import SecretBox, add_key, read_keys
from support.fleet_judge import StoredRows, double_logins, stale_rows
from support.fleet_witness import DatabaseRelay, RelayThread, Witness
from support.paths import TESTS
from support.postgres_server import Server, programs

START_SECONDS = 3.0
"""Seconds that the emulator takes at most to start on an idle machine."""
MAX_SLOWNESS = 3.0
LOGIN_WAIT = 60.0
"""Seconds within which no account may log in twice."""


class FleetSize(NamedTuple):
    """The size and the times of a fleet, in seconds."""

    accounts: int = 60
    shards: int = 10
    """Of which each of four workers has up to three, so that a fifth gets some."""
    interval: float = 5.0
    timeout: float = 6.0
    request_seconds: float = 10.0
    rate: float = 500.0

    def scaled(self, factor):
        """Return the same fleet with longer times, for a machine that is busy with something else."""
        times = {name: getattr(self, name) * factor for name in ("interval", "timeout", "request_seconds")}
        return self._replace(**times)


class WorkerProcess:
    """One worker, its log, and what may be done to it."""

    def __init__(self, name, process, log):
        self.name = name
        self.process = process
        self.log = log
        self.harmed_at = None
        """When it was last stopped, killed or cut off, by `time.monotonic`."""

    def signal(self, number):
        if number in (signal.SIGKILL, signal.SIGSTOP):
            self.harmed_at = time.monotonic()
        self.process.send_signal(number)

    @property
    def identity(self):
        """How it names itself to the witness."""
        return f"{self.name}-{self.process.pid}"

    def text(self):
        """Return its log."""
        return self.log.read_text("utf-8", "replace")


class FleetRun:
    """Everything that runs; a context manager that ends it."""

    def __init__(self, size=FleetSize(), seed=7, *, adapts=True, behind=0.0):  # noqa: B008 - immutable
        """`adapts` makes all times longer by what the first program takes longer to start than on an idle machine.

        `behind` is how many seconds the clouds' clock is behind ours at first.
        """
        self.size = size
        self.seed = seed
        self.adapts = adapts
        self.behind = behind
        self.slowness = 1.0
        self.workers: list[WorkerProcess] = []
        self.ended: list[WorkerProcess] = []
        self.relays = RelayThread()
        self.resting: set[str] = set()
        """Accounts that wait after a login of unknown outcome."""
        self.moved: set[str] = set()
        """Accounts that were moved to another shard."""

    def __enter__(self):
        with ExitStack() as stack:
            self.folder = Path(tempfile.mkdtemp(prefix="heliograph-fleet-"))
            stack.callback(shutil.rmtree, self.folder)
            self.folder.chmod(0o755)
            (self.folder / "pg").mkdir()
            self.server = Server(programs(), self.folder / "pg")
            self.server.start()
            stack.callback(self.server.stop)
            self.url = self.server.url
            stack.enter_context(self.relays)
            began = time.monotonic()
            emulator, ready = self._start_emulator()
            stack.callback(end, emulator)
            if self.adapts:
                self.slowness = min(max((time.monotonic() - began) / START_SECONDS, 1.0), MAX_SLOWNESS)
                self.size = self.size.scaled(self.slowness)
            self.emulator_control, self.clouds_url = ready["control"], ready["url"]
            self.accounts = ready["accounts"]
            self.witness = self.relays.add(Witness(int(ready["url"].rpartition(":")[2])))
            self.key_file = self.folder / "key"
            add_key(self.key_file)
            asyncio.run(self._fill(self.accounts))
            self.rows = StoredRows(self.url)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self.witness.hold_logins.clear()
        for worker in self.workers:
            end(worker.process)
        self._stack.close()

    def _start_emulator(self):
        # The accounts' afternoon, whenever the test runs: at night they would be polled once an hour.
        now = datetime.now().astimezone()
        noon = now.astimezone(timezone(timedelta(hours=(13 - now.astimezone(UTC).hour + 12) % 24 - 12)))
        command = ["-m", "heliograph", "emulate", "--accounts", f"{self.size.accounts}", "--seed", f"{self.seed}"]
        command += ["--start", (noon - timedelta(seconds=self.behind)).isoformat(timespec="seconds")]
        process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
        )
        return process, json.loads(process.stdout.readline())

    async def _fill(self, accounts):
        url, size = f"http://127.0.0.1:{self.witness.port}", self.size
        database = Database(self.url)
        await init(database, size.shards)
        engine = ProcrastinateEngine(self.url)
        await engine.add_shards(await shards_by_egress(database))
        lines = ["name,vendor,username,password,server,requests_per_day,logins_per_day,plants"]
        lines += [
            f"home{number},{one['vendor']},{one['username']},{one['password']},{url},1000000,100,{one['plants'][0]}"
            for number, one in enumerate(accounts)
        ]
        box = SecretBox(read_keys(self.key_file))
        report = await import_accounts(database, box, "\n".join(lines), tenant="acme")
        assert report.stored, report.problems
        await database.run(
            "UPDATE egress SET rate = %(rate)s, burst = %(rate)s, tokens = %(rate)s, login_rate = %(rate)s,"
            " login_burst = %(rate)s, login_tokens = %(rate)s",
            {"rate": size.rate},
        )
        await database.close()

    def start_worker(self, name, **more):
        """Start a worker; `url`, `fence`, `watchdog`, `fill_gaps` and `clock_offset` may be given."""
        size = self.size
        options = {
            "url": self.url,
            "name": name,
            "key_file": str(self.key_file),
            "interval": size.interval,
            "timeout": size.timeout,
            "request_seconds": size.request_seconds,
            **more,
        }
        log = self.folder / f"{name}-{len(self.workers) + len(self.ended)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "support.fleet_worker", json.dumps(options)],
                stdout=file,
                stderr=file,
                env=environment(),
            )
        worker = WorkerProcess(name, process, log)
        self.workers.append(worker)
        return worker

    def end_worker(self, worker, number=signal.SIGKILL, timeout=60):
        """Send a signal that ends a worker, and return its exit code."""
        worker.signal(number)
        return self.wait_for_end(worker, timeout)

    def wait_for_end(self, worker, timeout=60):
        """Wait until a worker has ended by itself, and return its exit code."""
        code = worker.process.wait(timeout * self.slowness)
        self.workers.remove(worker)
        self.ended.append(worker)
        return code

    def stop_database(self):
        """Kill the database; a worker that ends because of it may lose what it had not stored."""
        for one in self.workers:
            one.harmed_at = time.monotonic()
        self.server.stop(signal.SIGQUIT)

    def end_session(self):
        """Have the clouds forget one session, so that its account has to log in again."""
        body = json.dumps({"expire": "1*1"}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.emulator_control}/faults", body), timeout=20).close()

    def advance_clouds(self, seconds):
        """Set the clouds' clock forward, as if nothing had been polled for so long; sessions stay valid."""
        for name, values in (("faults", {"idle": f"{10 * seconds:.0f}"}), ("clock", {"advance": seconds})):
            body = json.dumps(values).encode()
            urllib.request.urlopen(urllib.request.Request(f"{self.emulator_control}/{name}", body), timeout=20).close()

    def reap(self):
        """Note the workers that have ended by themselves."""
        for one in [one for one in self.workers if one.process.poll() is not None]:
            self.workers.remove(one)
            self.ended.append(one)

    def cloud_epoch(self):
        """Return what has to be added to `time.monotonic` for the time of the emulated clouds, which samples have."""
        with urllib.request.urlopen(f"{self.emulator_control}/clock", timeout=20) as response:
            now = datetime.fromisoformat(json.load(response)["now"])
        return now.timestamp() - time.monotonic()

    def seen_by(self, worker):
        """Return what the witness has seen of a worker."""
        return [one for one in list(self.witness.seen) if one.worker == worker.identity]

    def add_database_relay(self):
        """Return a relay before the database, whose connections a test may cut, and the URL through it."""
        relay = self.relays.add(DatabaseRelay(f"{self.server.folder}/.s.PGSQL.5432"))
        return relay, f"postgresql://heliograph@127.0.0.1:{relay.port}/postgres"

    def query(self, statement, values=()):
        """Return the rows of a statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement, values).fetchall()

    def shards_of(self, worker):
        """Return the shards that the fence has for a worker."""
        return {
            row[0]
            for row in self.query("SELECT shard FROM heliograph.fence WHERE owner LIKE %s", (f"{worker.name} %",))
        }

    def asked_since(self, moment, worker=None):
        """Return the accounts whose request the witness has seen answered since a moment of `time.monotonic`."""
        return {
            one.account
            for one in list(self.witness.seen)
            if one.began >= moment
            and one.account
            and one.delivered
            and (worker is None or one.worker == worker.identity)
        }

    def wait_until(self, condition, seconds, what):
        """Wait until a condition holds; fails with the logs' ends otherwise."""
        deadline = time.monotonic() + seconds * self.slowness
        while not (found := condition()):
            if time.monotonic() > deadline:
                ends = "\n".join(f"--- {one.name}\n{one.text()[-1500:]}" for one in (*self.workers, *self.ended))
                raise AssertionError(f"not within {seconds} s: {what}\n{self.database_activity()}\n{ends}")
            time.sleep(0.1)
        return found

    def database_activity(self):
        """Return the owners of the shards, the jobs, and what each connection does or waits for, as text."""
        questions = (
            "SELECT shard, token, owner, taken_at FROM heliograph.fence ORDER BY shard",
            """SELECT pid, pg_blocking_pids(pid), application_name, state, wait_event, xact_start, query
            FROM pg_stat_activity WHERE backend_type = 'client backend'""",
            "SELECT * FROM procrastinate.procrastinate_jobs ORDER BY id",
        )
        try:
            return "\n".join(f"{row}" for question in questions for row in self.query(question))
        except psycopg.Error as error:
            return f"the database: {error}"

    def wait_for_all_polled(self, seconds=60):
        """Wait until every account was asked since now."""
        began = time.monotonic()
        self.wait_until(
            lambda: len(self.asked_since(began) | self.resting) >= self.size.accounts,
            seconds,
            "all accounts are polled",
        )
        return time.monotonic() - began

    def violations(self):
        """Return everything that must never happen."""
        witness = self.witness
        return {
            name: found
            for name, found in {
                "overlaps": witness.overlaps,
                "stale": witness.stale,
                "twins": witness.twins,
                # The wait begins when the login is recorded, a moment before the cloud receives it.
                "double logins": double_logins(witness.seen, LOGIN_WAIT - 1),
                "stale rows": stale_rows(self),
            }.items()
            if found
        }


def end(process):
    """Kill a process and close its pipe."""
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def environment():
    """Return the environment of subprocesses, which can import the package and the test support."""
    paths = [str(TESTS), str(TESTS.parent / "src"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}
