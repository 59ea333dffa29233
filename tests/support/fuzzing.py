"""Runs of the program against mutated responses, and the verdict of each: what a hostile cloud achieved.

A run sends one command's requests in this process (async client, keeper, poller, SQLite store and page; only the clock
is simulated) through a `MutatingProxy`. Its verdict is empty, or says what must not happen.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import random
import shutil
import time
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from rich.console import Console

import heliograph.client
from heliograph import AsyncGoodWe, AsyncGrowatt
from heliograph.cli.settings import format as settings_format
from heliograph.cli.table import snapshot_table
from heliograph.collect.backfill import Backfill, BackfillOptions
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.config import ServeConfig
from heliograph.current import AccountStatus, CurrentState
from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.errors import HeliographError, LoginFailed, Throttled, Unreachable
from heliograph.keeper import Keeper, Limits
from heliograph.local_time import Clock, stored_zone
from heliograph.metrics import METRICS
from heliograph.settings import AsyncOrders
from heliograph.settings.journal import Journal
from heliograph.store import open_store
from heliograph.store.base import MAX_AHEAD
from heliograph.store.threaded import BufferedWriter, StoreThread
from heliograph.web.app import make_app
from heliograph.web.state import StateCache
from support.mutating_proxy import Case, MutatingProxy
from support.mutations import ALPHABET, BODIES, HEADERS, STATUSES, places

START = datetime.fromisoformat("2026-06-21T12:02:00+02:00")
YESTERDAY = date(2026, 6, 20)
MAX_CPU = 5.0
"""Seconds of processor time that no run may take; the slowest honest one takes a tenth of a second."""
MAX_REQUESTS = 450
"""Requests that no run may send; a list has at most 200 pages."""
MAX_DAY_ENERGY, MAX_TOTAL_ENERGY = 240_000.0, 1e9
"""In kWh; 10 MW for a day, and more than any plant of these clouds has ever produced."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
LIMITS = Limits(requests=1_000_000, logins=1_000, reserve=0, login_reserve=0)
MAX_PAUSE = 25 * 3600.0
"""Seconds for which a response may stop an account: locks last for a day."""


class Dialect(NamedTuple):
    """One protocol of one vendor."""

    name: str
    client: type
    emulation: object
    address: str
    faults: tuple = ()


DIALECTS = (
    Dialect("growatt", AsyncGrowatt, GROWATT, ""),
    Dialect("sems-plus", AsyncGoodWe, GOODWE, "api/"),
    Dialect("sems-portal", AsyncGoodWe, GOODWE, "api/", ("classic",)),
)
COMMANDS = ("login", "now", "collect", "backfill", "settings")


class Run(NamedTuple):
    """One run: a command for one plant (all plants if empty) and the mutation of a response."""

    dialect: str
    command: str
    family: str
    case: object

    def __str__(self):
        return f"{self.dialect} {self.command} {self.family or 'all plants'}: {self.case}"


class SimulatedClock(Clock):
    """The emulator's clock."""

    def __init__(self, emulator):
        self._clock = emulator.world.clock

    def now(self):
        return self._clock.now().timestamp()

    def go(self, moment):
        self._clock.set(moment)

    async def async_sleep(self, seconds):
        await asyncio.sleep(0)

    async def wait(self, until, stop):
        stop.set()


class Errors(logging.Handler):
    """Collects log records with a traceback: errors that a boundary has caught."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.found = []

    def emit(self, record):
        if record.exc_info and not isinstance(record.exc_info[1], HeliographError):
            self.found.append(f"logged {_of(record.exc_info[1])}")


class Fuzzer:
    """All commands of one dialect; `folder` should be on a memory file system."""

    def __init__(self, dialect, proxy, folder):
        self.dialect = dialect
        self.proxy = proxy
        self.folder = folder
        self.clock = SimulatedClock(proxy.emulator)
        self.account = proxy.emulator.accounts[0]
        self.plants = {plant.family: plant for plant in self.account.plants}
        self.devices = {}
        self.foreign_hosts = []
        self._number = 0

    @classmethod
    @asynccontextmanager
    async def started(cls, dialect, folder):
        """Emulate a cloud, log in, poll it once, and yield the fuzzer."""
        options = EmulatorOptions(start=START, speed=0, accounts=1, faults=dialect.faults)
        send, sleep = heliograph.client.send_async, heliograph.client._sleep
        async with MutatingProxy(build_emulator(options, [dialect.emulation])) as proxy:
            fuzzer = cls(dialect, proxy, folder)
            heliograph.client.send_async = partial(fuzzer._send, send)
            heliograph.client._sleep = fuzzer.clock.async_sleep
            try:
                await fuzzer._prepare()
                yield fuzzer
            finally:
                heliograph.client.send_async, heliograph.client._sleep = send, sleep

    async def _send(self, send, request, *arguments):
        host = urlsplit(request.url).netloc
        if host != self.proxy.host:
            self.foreign_hosts.append(host)
            raise Unreachable(f"no connection to {host}")
        return await send(request, *arguments)

    async def _prepare(self):
        """Log in and store one poll of ten minutes ago: what every run begins with."""
        self.keeper_template, self.store_template = self.folder / "template-keeper", self.folder / "template.db"
        self.clock.go(START - timedelta(minutes=10))
        self.proxy.begin()
        client = self._client(self.keeper_template)
        snapshots = await client.snapshots()
        for snapshot in snapshots:
            family = next(name for name, plant in self.plants.items() if plant.id == snapshot.plant.id)
            found = [one.device for one in snapshot.devices if client.settings_of(one.device)]
            self.devices[family] = found[0] if found else None
        writer = BufferedWriter(partial(open_store, self.store_template))
        await self._poller(client, writer, ()).poll_once()
        await writer.finish()
        self.clock.go(START)

    def _client(self, keeper):
        return self.dialect.client(
            self.account.username,
            self.account.password,
            server=f"{self.proxy.url}/{self.dialect.address}",
            keeper=Keeper(keeper),
            limits=LIMITS,
            clock=self.clock.now,
            interactive=True,
            self_throttled=True,
        )

    def _poller(self, client, writer, plants):
        return AccountPoller("fuzz", lambda: client, writer, self.clock, PollPolicy(180.0), plants=plants)

    async def targets(self):
        """Return what can be mutated: commands without mutation show the calls, the honest responses the places."""
        found, seen = [], set()
        for command in COMMANDS:
            for family in self._families(command):
                verdict = await self.run(Run(self.dialect.name, command, family, None))
                assert not verdict, verdict
                for call, response in dict(self.proxy.responses).items():
                    # With all plants only the calls that a single plant does not need.
                    if family or (command, call) not in seen:
                        seen.add((command, call))
                        found += targets_of(self.dialect.name, command, family, call, response)
        return found

    def _families(self, command):
        """Return the plants to run a command for; empty is all of them."""
        if command == "login":
            return [""]
        if command == "settings":
            return [family for family in self.plants if self.devices[family]]
        return [*self.plants, *([] if command == "backfill" else [""])]

    async def run(self, run):
        """Execute one run and return its verdict: the list of what must not happen."""
        self._number += 1
        folder = self.folder / f"run{self._number}"
        folder.mkdir()
        self.proxy.begin(run.case)
        self.foreign_hosts.clear()
        verdict = []
        errors = Errors()
        logging.getLogger("heliograph").addHandler(errors)
        started = time.process_time()
        try:
            verdict += await getattr(self, f"_run_{run.command}")(folder, run.family)
        except HeliographError:
            pass
        except Exception as error:  # noqa: BLE001 - this is what a run looks for
            verdict.append(f"foreign exception: {_of(error)}")
        finally:
            logging.getLogger("heliograph").removeHandler(errors)
            if self.clock.now() != START.timestamp():
                self.clock.go(START)
            shutil.rmtree(folder)
        took = time.process_time() - started
        verdict += [f"foreign exception: {text}" for text in errors.found]
        if took > MAX_CPU:
            verdict.append(f"hang: {took:.1f} s of processor time")
        if self.proxy.requests > MAX_REQUESTS:
            verdict.append(f"hang: {self.proxy.requests} requests")
        verdict += [f"token leak: a request to {host}" for host in self.foreign_hosts]
        return verdict

    def _logged_in(self, folder):
        shutil.copytree(self.keeper_template, folder / "keeper")
        return self._client(folder / "keeper")

    async def _run_login(self, folder, family):
        client = self._client(folder / "keeper")
        try:
            await client.log_in()
            await client.plants()
        finally:
            pause = client.budget.pause
            too_long = pause is not None and pause.until.timestamp() > self.clock.now() + MAX_PAUSE
        return [f"absurd: paused until {pause.until}"] if too_long else []

    async def _run_now(self, folder, family):
        client = self._logged_in(folder)
        snapshots = [await client.snapshot(self.plants[family].id)] if family else await client.snapshots()
        json.dumps([snapshot.as_dict() for snapshot in snapshots], allow_nan=False)
        console = Console(file=io.StringIO(), width=120)
        console.print(snapshot_table(snapshots, console.width))
        return []

    async def _run_collect(self, folder, family):
        client, path = self._logged_in(folder), folder / "store.db"
        shutil.copy(self.store_template, path)
        plants = (self.plants[family].id,) if family else ()
        poller, writer = await self._polled(client, path, plants)
        next_at = await poller.poll_once()
        problem = poller.progress.problem
        await writer.finish()
        verdict = self._stored(path)
        waits = next_at - self.clock.now()
        if not 0 <= waits <= MAX_PAUSE:
            verdict.append(f"absurd: the next poll is in {waits:.0f} s")
        verdict += await self._page(path)
        # An honest poll five minutes later must set everything right again.
        if not isinstance(problem, Throttled | LoginFailed):
            verdict += await self._recovered(folder, path, plants)
        return verdict

    async def _polled(self, client, path, plants):
        writer = BufferedWriter(partial(open_store, path))
        return self._poller(client, writer, plants), writer

    async def _recovered(self, folder, path, plants):
        self.proxy.begin(None)
        self.clock.go(START + timedelta(minutes=5))
        shutil.rmtree(folder / "keeper")
        poller, writer = await self._polled(self._logged_in(folder), path, plants)
        await poller.poll_once()
        await writer.finish()
        verdict = [f"poisoned: {poller.progress.problem}"] if poller.progress.problem else []
        with open_store(path) as store:
            for plant in CurrentState(store).plants(int(self.clock.now())):
                if plant.series.plant in (plants or [one.id for one in self.plants.values()]) and plant.freshness != "live":
                    verdict.append(f"poisoned: {plant.freshness} after an honest poll, measured {plant.measured_at}")
        return verdict

    async def _run_backfill(self, folder, family):
        client, path = self._logged_in(folder), folder / "store.db"
        shutil.copy(self.store_template, path)
        writer = BufferedWriter(partial(open_store, path))
        options = BackfillOptions(since=YESTERDAY, until=YESTERDAY, plants=(self.plants[family].id,), wait=False)
        try:
            await Backfill("fuzz", client, writer, self.clock, options).run(asyncio.Event())
        finally:
            await writer.finish()
            found = self._stored(path) + await self._page(path)
        return found

    async def _run_settings(self, folder, family):
        client = self._logged_in(folder)
        journal = Journal(folder / "orders", "fuzz")
        orders = AsyncOrders(client, account="fuzz", program="fuzz", journal=journal, clock=self.clock)
        snapshot = await orders.look(self.devices[family])
        json.dumps(dict(snapshot.reported), allow_nan=False)
        for name, setting in snapshot.settings.items():
            settings_format.format_values(setting, snapshot.current[name])
        return []

    def _stored(self, path):
        """Return what is absurd in a store."""
        latest, found = self.clock.now() + MAX_AHEAD, []
        with open_store(path) as store:
            for info in store.series():
                if info.zone is not None and stored_zone(info.zone) is None:
                    found.append(f"absurd: zone {info.zone!r}")
                for sample in store.samples(info.series, -(10**12), 10**12):
                    if not EARLIEST <= sample.measured_at <= latest:
                        found.append(f"absurd: measured at {sample.measured_at}")
                    found += [f"absurd: {name} = {value}" for name, value in _absurd(sample.values)]
                for day in store.days(info.series, date.min, date.max):
                    if not YESTERDAY - timedelta(days=366 * 30) <= day.day <= START.date() + timedelta(days=1):
                        found.append(f"absurd: day {day.day}")
                    values = {f"{name}_today": value for name, value in day.values.items()}
                    found += [f"absurd: {name} of a day = {value}" for name, value in _absurd(values)]
        return found

    async def _page(self, path):
        """Render the pages and the API of a store, and return what is wrong."""
        reader = StoreThread(partial(open_store, path, create=False))
        accounts = (AccountStatus(name="fuzz", vendor=self.dialect.client.cloud.vendor),)
        app = make_app(StateCache(reader, lambda: accounts, clock=self.clock), ServeConfig())
        found = []
        try:
            for target in ("/", "/status", "/metrics", "/api/v1/plants"):
                status, body = await _get(app, target)
                if status != 200:
                    found.append(f"foreign exception: {target} is answered with {status}")
                if b"<script>alert" in body:
                    found.append(f"absurd: {target} contains a script of the cloud")
                if target.startswith("/api"):
                    json.loads(body, parse_constant=_no_constant)
        finally:
            await app.state.live.close()
            await reader.close()
        return found


def _absurd(values):
    for name, value in values.items():
        metric = METRICS[name]
        most = {"today": MAX_DAY_ENERGY, "total": MAX_TOTAL_ENERGY}.get(metric.kind, metric.maximum)
        least = 0.0 if metric.kind in ("today", "total") else metric.minimum
        if value is not None and not least <= value <= most:
            yield name, value


def _no_constant(text):
    raise ValueError(f"{text} is not JSON")


async def _get(app, target):
    """Ask an application without a socket and return status and body."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"127.0.0.1:8765")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8765),
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def _of(error):
    """Name an exception and the line of the package that raised it."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if "heliograph" in file.parts:
            place = f" at {'/'.join(file.parts[-2:])}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {str(error)[:120]}{place}"


class Target(NamedTuple):
    """One response of one command that can be mutated in one way: at its places, or as a whole."""

    dialect: str
    command: str
    family: str
    call: str
    kind: str
    places: tuple
    mutations: tuple

    def __len__(self):
        return len(self.places) * len(self.mutations)

    def run(self, number):
        """Return one of its runs; every other mutation of a place concerns all responses of the call."""
        place, mutation = divmod(number, len(self.mutations))
        always = (place + mutation) % 2 == 1
        case = Case(self.call, self.kind, self.places[place], self.mutations[mutation], always)
        return Run(self.dialect, self.command, self.family, case)


def targets_of(dialect, command, family, call, response):
    """Yield the targets of one response."""
    about = dialect, command, family, call
    if response.parsed is not None:
        yield Target(*about, "value", tuple(places(response.parsed)), tuple(one.name for one in ALPHABET))
    for kind, names in (("body", BODIES), ("header", HEADERS), ("status", map(str, STATUSES))):
        yield Target(*about, kind, ((),), tuple(names))


def sampled(targets, count, seed):
    """Yield a seeded sample of runs: of every target one, then of every target another one, and so on."""
    chosen = random.Random(seed)
    order = list(targets)
    chosen.shuffle(order)
    orders = [chosen.sample(range(len(target)), min(len(target), count)) for target in order]
    left = count
    while left and any(orders):
        for target, numbers in zip(order, orders, strict=True):
            if numbers and left:
                left -= 1
                yield target.run(numbers.pop())
