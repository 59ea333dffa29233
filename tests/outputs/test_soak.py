"""Soak test: a day in which clouds, store, broker, services and process fail at random, then half a day without.

Time is simulated; clouds, store, broker and services use real sockets and files. At the end every sink has all samples
of the store, and the store has all samples that the clouds could deliver.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from heliograph.collect.gapfill import GapFiller
from heliograph.collect.service import collect
from heliograph.config import InfluxConfig, MqttConfig, PvOutputConfig, WebhookConfig
from heliograph.core.redact import Secret
from heliograph.current import CurrentState
from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.local_time import Clock
from heliograph.outputs.changefeed import PriorityFeed
from heliograph.outputs.delivery import DeliveryLoop
from heliograph.outputs.influx import InfluxSink
from heliograph.outputs.mqtt import publisher
from heliograph.outputs.pvoutput import PvOutputKey, PvOutputSink, format_statuses
from heliograph.outputs.sink import SinkProgress
from heliograph.outputs.webhook import WebhookSink
from heliograph.store.base import Series
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter, StoreThread
from support.collector_fixtures import Jumping, worker_of
from support.http_service import TRUNCATED_RESPONSE, Service, response
from support.mqtt_broker import retained_messages
from support.raw_server import RESET

MIDNIGHT = "2026-06-21T00:00:00+02:00"
HOUR = 3600
CHAOS, CALM = 24 * HOUR, 20 * HOUR
FOREVER = 1 << 40
SEED = 4
FAILURES = "cloud", "store", "no_broker", "no_services"


class MinuteClock(Clock):
    """The simulated clock for sinks, with waits of at least five minutes to keep the number of polls low."""

    def __init__(self, clock):
        self.clock = clock

    def now(self):
        return self.clock.now()

    async def wait(self, until, stop):
        await self.clock.wait(max(until, self.now() + 300), stop)


class ShortWaitClock(Clock):
    """The simulated time for MQTT clients, with short real waits."""

    def __init__(self, clock):
        self.clock = clock

    def now(self):
        return self.clock.now()

    async def wait(self, until, stop):
        try:
            await asyncio.wait_for(stop.wait(), 0.05)
        except TimeoutError:
            return


class FlakyService(Service):
    """Service that fails at random; `received` has the rows of accepted requests."""

    def __init__(self, rng, rows):
        super().__init__()
        self.rng, self.rows = rng, rows
        self.received = {}
        self.calm = self.unavailable = False
        self.reply = self.handle

    def handle(self, request):
        chance = 1.0 if self.calm else self.rng.random()
        if self.unavailable and not self.calm:
            return RESET
        if chance < 0.2:
            return response(503) if chance < 0.1 else RESET
        self.received.update(self.rows(request))
        return TRUNCATED_RESPONSE if chance < 0.3 else response(200, b"")


def of_webhook(request):
    for one in json.loads(request.body)["samples"]:
        moment = int(datetime.fromisoformat(one["measured_at"]).timestamp())
        yield (one["vendor"], one["plant"], one["device"] or "", moment), one["values"]["pv_energy_total"]


def of_influx(request):
    for line in request.body.decode().splitlines():
        head, fields, moment = line.rsplit(" ", 2)
        tags = dict(one.split("=") for one in head.split(",")[1:] if not one.startswith("plant_name"))
        values = dict(one.split("=") for one in fields.split(","))
        total = values.get("pv_energy_total")
        key = tags["vendor"], tags["plant"], tags.get("device", ""), int(moment)
        yield key, None if total is None else float(total)


def of_pvoutput(request):
    for row in parse_qs(request.body.decode())["data"][0].split(";"):
        day, time, values = row.split(",", 2)
        yield f"{day},{time}", values


class Soak:
    """All components, and the failures injected into them."""

    def __init__(self, world, folder, broker):
        self.emulator, self.ready = world
        self.folder, self.broker = folder, broker
        self.rng = random.Random(SEED)
        self.path = folder / "heliograph.sqlite"
        self.webhook, self.influx, self.pvoutput = (
            FlakyService(random.Random(f"{SEED} {rows.__name__}"), rows)
            for rows in (of_webhook, of_influx, of_pvoutput)
        )
        self.services = (self.webhook, self.influx, self.pvoutput)
        self.plant = self.ready["accounts"][0]["plants"][0]
        self.runs = 0
        self.failures = []
        self.remaining = []

    @property
    def now(self):
        return self.emulator.world.clock.now().timestamp()

    def sinks(self, clock):
        influx = InfluxConfig(url=self.influx.url, database="solar")
        system = PvOutputConfig(plant=self.plant, system="9", key=Secret("k3y-of-mine"), url=self.pvoutput.url)
        yield WebhookSink(WebhookConfig(url=self.webhook.url, secret=Secret("hunter2")), clock)
        yield InfluxSink(influx, clock)
        yield PvOutputSink(system, system.key, PvOutputKey(1), clock)

    async def run_program(self, end, *, calm):
        """Run the whole program until a moment, or until it is killed."""
        self.runs += 1
        clock, stop = Jumping(self.emulator, end), asyncio.Event()
        patience = 5.0 if calm else 0.01
        writer = BufferedWriter(lambda: SqliteStore(self.path, patience=patience))
        reader = StoreThread(lambda: SqliteStore(self.path, patience=patience))
        workers = [
            worker_of(
                one,
                self.ready,
                writer,
                clock,
                self.folder / "accounts",
                plants=one["plants"][:1],
                gap_filler=GapFiller(writer, clock),
            )
            for one in self.ready["accounts"]
        ]
        minutes = MinuteClock(clock)
        deliveries = [
            DeliveryLoop(
                sink,
                PriorityFeed(reader, sink, minutes),
                minutes,
                self.rng.random,
            )
            for sink in self.sinks(minutes)
        ]
        clock.workers = len(workers) + len(deliveries) + (not calm)
        config = MqttConfig(host="127.0.0.1", port=self.broker.port)
        running = [asyncio.create_task(one.run(stop)) for one in deliveries]
        running.append(
            asyncio.create_task(
                publisher.run(config, reader, lambda: (), ShortWaitClock(clock), SinkProgress("mqtt"), stop)
            )
        )
        if not calm:
            running.append(asyncio.create_task(self.chaos(clock, stop)))
        await collect(workers, writer, clock, stop)
        if calm:
            await self.send_remaining(deliveries)
            await self.check_retained(config, reader, ShortWaitClock(clock))
        elif self.rng.random() < 0.5:  # killed: a pending batch is sent again by the next process
            for one in running:
                one.cancel()
        await asyncio.wait(running, timeout=20)
        for one in running:
            one.cancel()
        outcomes = await asyncio.gather(*running, return_exceptions=True)
        assert [one for one in outcomes if one is not None and not isinstance(one, asyncio.CancelledError)] == []
        await reader.close()

    async def send_remaining(self, deliveries):
        for one in deliveries:
            for _ in range(100):
                await one.send_once()
                if one.caught_up:
                    break

    async def check_retained(self, config, reader, clock):
        """Publish the last sample and check that the broker retains all of it."""
        desired, stop = publisher.DesiredState(config, lambda: ()), asyncio.Event()
        messages = await reader.run(lambda store: desired.messages(store, int(self.now)))
        states = {topic: json.loads(payload) for topic, payload in messages.items() if topic.endswith("/state")}
        assert states
        publishing = asyncio.create_task(publisher.run(config, reader, lambda: (), clock, SinkProgress("mqtt"), stop))
        async with asyncio.timeout(30):
            retained = {}
            while {topic: json.loads(retained.get(topic, "null")) for topic in states} != states:
                retained = await retained_messages(self.broker.port)
        stop.set()
        await publishing

    async def chaos(self, clock, stop):
        """Inject one failure after another for a while; each kind occurs before one is repeated."""
        while not stop.is_set():
            await clock.wait(self.now + self.rng.uniform(0.2, 1.0) * HOUR, stop)
            self.remaining = self.remaining or self.rng.sample(FAILURES, len(FAILURES))
            failure = self.remaining.pop()
            self.failures.append(failure)
            with getattr(self, failure)():
                await clock.wait(self.now + self.rng.uniform(0.2, 1.5) * HOUR, stop)

    @contextmanager
    def cloud(self):
        self.emulator.faults.set({self.rng.choice(("outage", "flaky", "empty")): True})
        try:
            yield
        finally:
            self.emulator.faults.set(dict.fromkeys(("outage", "flaky", "empty")))

    @contextmanager
    def store(self):
        with closing(sqlite3.connect(self.path, timeout=5)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def no_broker(self):
        self.broker.stop()
        try:
            yield
        finally:
            self.broker.start()

    @contextmanager
    def no_services(self):
        affected = self.rng.sample(self.services, 2)
        for one in affected:
            one.unavailable = True
        try:
            yield
        finally:
            for one in affected:
                one.unavailable = False


@pytest.fixture
def world():
    emulator = build_emulator(
        EmulatorOptions(start=datetime.fromisoformat(MIDNIGHT), speed=0, accounts=2), [GROWATT, GOODWE]
    )
    with serve_in_thread(emulator) as ready:
        yield emulator, ready


def test_outputs_lose_no_sample_in_a_day_of_failures(world, tmp_path, broker):
    soak = Soak(world, tmp_path, broker)
    start = soak.now
    with SqliteStore(soak.path) as store:
        for sink in soak.sinks(Clock()):
            store.save_reader_position(sink.name, 0, int(start))
    while soak.now < start + CHAOS:
        asyncio.run(soak.run_program(min(soak.now + soak.rng.uniform(1, 6) * HOUR, start + CHAOS), calm=False))
    assert soak.runs > 4
    assert {*soak.failures} == {*FAILURES}
    for one in soak.services:
        one.calm = True
    asyncio.run(soak.run_program(start + CHAOS + CALM, calm=True))
    for one in soak.services:
        one.close()

    with SqliteStore(soak.path) as store:
        entries = [one for known in store.series() for one in store.samples(known.series, 0, FOREVER)]
        plants = CurrentState(store).plants(int(soak.now))
    expected = {(*one.series, one.measured_at): one.values["pv_energy_total"] for one in entries}
    assert len(expected) > 300
    assert soak.webhook.received == expected
    assert soak.influx.received == {key: value for key, value in expected.items() if key in soak.influx.received}
    missing = {key for key in expected if key not in soak.influx.received}
    with_values = {(*one.series, one.measured_at) for one in entries if any(v is not None for v in one.values.values())}
    assert not missing & with_values

    roof = Series("growatt", soak.plant)
    (plant,) = (one for one in plants if one.series == roof)
    rows = format_statuses([one for one in entries if one.series == roof], plant.zone)
    assert {row.rsplit(",", 1)[0][:14] for row in rows} == set(soak.pvoutput.received)
    assert missing_hours(soak, entries, start) == []


def missing_hours(soak, entries, start):
    """Return the plants and hours in which a cloud measured power and the store has no sample."""
    found = []
    for account in soak.emulator.accounts:
        for site in account.plants[:1]:
            stored_hours = {int(one.measured_at - start) // HOUR for one in entries if one.series.plant == site.id}
            for hour in range(24):
                noon = datetime.fromtimestamp(start + hour * HOUR + HOUR / 2, UTC)
                if sum(home.values(noon)["pv_power"] for home in site.households) > 50 and hour not in stored_hours:
                    found.append((site.id, hour))
    return found
