"""Runs of the program against mutated responses, and the verdict of each: what a hostile cloud achieved.

A run sends one command's requests in this process (async client, keeper, poller, SQLite store and page; only the clock
is simulated) through a `MutatingProxy`. Its verdict is empty, or says what must not happen.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import shutil
import time
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime, timedelta
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from rich.console import Console

import heliograph.client
import heliograph.transports
from heliograph import AsyncGoodWe, AsyncGrowatt
from heliograph.cli.settings import format as settings_format
from heliograph.cli.table import snapshot_table
from heliograph.collect.backfill import Backfill, BackfillOptions
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.current import CurrentState
from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.errors import CloudError, HeliographError, Unreachable
from heliograph.keeper import Keeper, Limits
from heliograph.local_time import Clock
from heliograph.settings import AsyncOrders
from heliograph.settings.journal import Journal
from heliograph.store import open_store
from heliograph.store.threaded import BufferedWriter
from support.fuzz_checks import absurd_rows, broken_pages, content_of, name_error
from support.fuzz_runs import Run, targets_of
from support.mutating_proxy import MutatingProxy

START = datetime.fromisoformat("2026-06-21T12:02:00+02:00")
YESTERDAY = date(2026, 6, 20)
MAX_CPU = 5.0
"""Seconds of processor time that no run may take; the slowest honest one takes a tenth of a second."""
MAX_WAIT = 120.0
"""Seconds after which a run is given up."""
MAX_REQUESTS = 450
"""Requests that no run may send; a list has at most 200 pages."""
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
            self.found.append(f"logged {name_error(record.exc_info[1])}")


class Fuzzer:
    """All commands of one dialect; `folder` should be on a memory file system."""

    def __init__(self, dialect, proxy, folder):
        self.dialect = dialect
        self.proxy = proxy
        self.folder = folder
        self.clock = SimulatedClock(proxy.emulator)
        self.account = proxy.emulator.accounts[0]
        self.vendor = self.account.vendor
        self.plants = {plant.family: plant for plant in self.account.plants}
        self.devices = {}
        self.foreign_hosts = []
        self._number = 0
        self._judged = {}

    @classmethod
    @asynccontextmanager
    async def started(cls, dialect, folder):
        """Emulate a cloud, log in, poll it once, and yield the fuzzer."""
        options = EmulatorOptions(start=START, speed=0, accounts=1, faults=dialect.faults)
        send, sleep = heliograph.transports.send_async, heliograph.client._sleep
        async with MutatingProxy(build_emulator(options, [dialect.emulation])) as proxy:
            fuzzer = cls(dialect, proxy, folder)
            heliograph.transports.send_async = partial(fuzzer._send, send)
            heliograph.client._sleep = fuzzer.clock.async_sleep
            try:
                await fuzzer._prepare()
                yield fuzzer
            finally:
                heliograph.transports.send_async, heliograph.client._sleep = send, sleep

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
            async with asyncio.timeout(MAX_WAIT):
                verdict += await getattr(self, f"_run_{run.command}")(folder, run.family)
        except HeliographError:
            pass
        except TimeoutError:
            verdict.append(f"hang: no end within {MAX_WAIT:.0f} s")
        except Exception as error:  # noqa: BLE001 - this is what a run looks for
            verdict.append(f"foreign exception: {name_error(error)}")
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
        writer = BufferedWriter(partial(open_store, path))
        poller = self._poller(client, writer, plants)
        next_at = await poller.poll_once()
        await writer.finish()
        waits = next_at - self.clock.now()
        verdict = [] if 0 <= waits <= MAX_PAUSE else [f"absurd: the next poll is in {waits:.0f} s"]
        return verdict + await self._judge(folder, path, family)

    async def _run_backfill(self, folder, family):
        client, path = self._logged_in(folder), folder / "store.db"
        shutil.copy(self.store_template, path)
        plant = self.plants[family].id
        writer = BufferedWriter(partial(open_store, path))
        options = BackfillOptions(since=YESTERDAY, until=YESTERDAY, plants=(plant,), wait=False)
        try:
            for period in ("2026", ""):  # the backfill of one day needs no coarser queries
                with suppress(CloudError):
                    await client.period_energies(plant, period)
            await Backfill("fuzz", client, writer, self.clock, options).run(asyncio.Event())
        finally:
            await writer.finish()
            found = await self._judge(folder, path, family)
        return found

    async def _judge(self, folder, path, family):
        """Check the rows of a store, its pages, and that an honest poll five minutes later sets everything right.

        Stores with the same content are judged once.
        """
        content = (family, content_of(path))
        if content not in self._judged:
            plant = self.plants[family or next(iter(self.plants))]
            verdict = absurd_rows(path, self.clock.now())
            verdict += await broken_pages(path, self.vendor, plant.id, self.clock)
            self._judged[content] = verdict + await self._recover(folder, path, family)
        return self._judged[content]

    async def _recover(self, folder, path, family):
        case, self.proxy.case = self.proxy.case, None
        self.clock.go(START + timedelta(minutes=5))
        shutil.rmtree(folder / "keeper")
        plants = (self.plants[family].id,) if family else ()
        writer = BufferedWriter(partial(open_store, path))
        poller = self._poller(self._logged_in(folder), writer, plants)
        await poller.poll_once()
        await writer.finish()
        self.proxy.case = case
        verdict = [f"poisoned: {poller.progress.problem}"] if poller.progress.problem else []
        polled = plants or [plant.id for plant in self.plants.values()]
        with open_store(path) as store:
            verdict += [
                f"poisoned: {plant.freshness} after an honest poll, measured at {plant.measured_at}"
                for plant in CurrentState(store).plants(int(self.clock.now()))
                if plant.series.plant in polled and plant.freshness != "live"
            ]
        return verdict

    async def _run_settings(self, folder, family):
        client = self._logged_in(folder)
        journal = Journal(folder / "orders", "fuzz")
        orders = AsyncOrders(client, account="fuzz", program="fuzz", journal=journal, clock=self.clock)
        snapshot = await orders.look(self.devices[family])
        json.dumps(dict(snapshot.reported), allow_nan=False)
        for name, setting in snapshot.settings.items():
            settings_format.format_values(setting, snapshot.current[name])
        return []
