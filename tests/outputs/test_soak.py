"""A day in which clouds, store, broker, services and the program itself fail at random, and half a calm one after it.

Time is simulated; clouds, store, broker and services are real, on real sockets. What the store holds in the end, every
sink has, and the store holds what the clouds could tell.
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
from support.http_service import HALF, Service, answer
from support.mqtt_broker import kept
from support.raw_server import RESET

MIDNIGHT = "2026-06-21T00:00:00+02:00"
HOUR = 3600
CHAOS, CALM = 24 * HOUR, 20 * HOUR
FOREVER = 1 << 40
SEED = 4
MISFORTUNES = "cloud", "store", "no_broker", "no_services"


class Minutes(Clock):
    """The simulated clock for sinks: their seconds are minutes, or half of the test would be looking for nothing."""

    def __init__(self, clock):
        self.clock = clock

    def now(self):
        return self.clock.now()

    async def wait(self, until, stop):
        await self.clock.wait(max(until, self.now() + 300), stop)


class Beside(Clock):
    """The simulated moment for what talks to a broker, whose waits are real and short."""

    def __init__(self, clock):
        self.clock = clock

    def now(self):
        return self.clock.now()

    async def wait(self, until, stop):
        try:
            await asyncio.wait_for(stop.wait(), 0.05)
        except TimeoutError:
            return


class Unlucky(Service):
    """Takes what it is sent, when it feels like it; `arrived` is what it has."""

    def __init__(self, rng, rows):
        super().__init__()
        self.rng, self.rows = rng, rows
        self.arrived = {}
        self.calm = self.away = False
        self.reply = self.answered

    def answered(self, asked):
        luck = 1.0 if self.calm else self.rng.random()
        if self.away and not self.calm:
            return RESET
        if luck < 0.2:
            return answer(503) if luck < 0.1 else RESET
        self.arrived.update(self.rows(asked))
        return HALF if luck < 0.3 else answer(200, b"")


def of_webhook(asked):
    for one in json.loads(asked.body)["samples"]:
        moment = int(datetime.fromisoformat(one["measured_at"]).timestamp())
        yield (one["vendor"], one["plant"], one["device"] or "", moment), one["values"]["pv_energy_total"]


def of_influx(asked):
    for line in asked.body.decode().splitlines():
        head, fields, moment = line.rsplit(" ", 2)
        tags = dict(one.split("=") for one in head.split(",")[1:] if not one.startswith("plant_name"))
        values = dict(one.split("=") for one in fields.split(","))
        total = values.get("pv_energy_total")
        key = tags["vendor"], tags["plant"], tags.get("device", ""), int(moment)
        yield key, None if total is None else float(total)


def of_pvoutput(asked):
    for row in parse_qs(asked.body.decode())["data"][0].split(";"):
        day, time, values = row.split(",", 2)
        yield f"{day},{time}", values


class Soak:
    """Everything there is, and what befalls it."""

    def __init__(self, world, folder, there):
        self.emulator, self.ready = world
        self.folder, self.broker = folder, there
        self.rng = random.Random(SEED)
        self.path = folder / "heliograph.sqlite"
        self.webhook, self.influx, self.pvoutput = (
            Unlucky(random.Random(f"{SEED} {rows.__name__}"), rows) for rows in (of_webhook, of_influx, of_pvoutput)
        )
        self.services = (self.webhook, self.influx, self.pvoutput)
        self.plant = self.ready["accounts"][0]["plants"][0]
        self.lives = 0
        self.misfortunes = []
        self.left = []

    @property
    def now(self):
        return self.emulator.world.clock.now().timestamp()

    def sinks(self, clock):
        influx = InfluxConfig(url=self.influx.url, database="solar")
        system = PvOutputConfig(plant=self.plant, system="9", key=Secret("k3y-of-mine"), url=self.pvoutput.url)
        yield WebhookSink(WebhookConfig(url=self.webhook.url, secret=Secret("hunter2")), clock)
        yield InfluxSink(influx, clock)
        yield PvOutputSink(system, system.key, PvOutputKey(1), clock)

    async def life(self, end, *, calm):
        """Run the whole program until a moment, or until it is killed."""
        self.lives += 1
        clock, stop = Jumping(self.emulator, end), asyncio.Event()
        patience = 5.0 if calm else 0.01
        writer = BufferedWriter(lambda: SqliteStore(self.path, patience=patience))
        aside = StoreThread(lambda: SqliteStore(self.path, patience=patience))
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
        minutes = Minutes(clock)
        deliveries = [
            DeliveryLoop(
                sink,
                PriorityFeed(aside, sink, minutes),
                minutes,
                self.rng.random,
            )
            for sink in self.sinks(minutes)
        ]
        clock.workers = len(workers) + len(deliveries) + (not calm)
        config = MqttConfig(host="127.0.0.1", port=self.broker.port)
        running = [asyncio.create_task(one.run(stop)) for one in deliveries]
        running.append(
            asyncio.create_task(publisher.run(config, aside, lambda: (), Beside(clock), SinkProgress("mqtt"), stop))
        )
        if not calm:
            running.append(asyncio.create_task(self.chaos(clock, stop)))
        await collect(workers, writer, clock, stop)
        if calm:
            await self.sent_last(deliveries)
            await self.check_retained(config, aside, Beside(clock))
        elif self.rng.random() < 0.5:  # killed: whatever was being sent is sent again, or not for the first time
            for one in running:
                one.cancel()
        await asyncio.wait(running, timeout=20)
        for one in running:
            one.cancel()
        outcomes = await asyncio.gather(*running, return_exceptions=True)
        assert [one for one in outcomes if one is not None and not isinstance(one, asyncio.CancelledError)] == []
        await aside.close()

    async def sent_last(self, deliveries):
        for one in deliveries:
            for _ in range(100):
                await one.send_once()
                if one.caught_up:
                    break

    async def check_retained(self, config, aside, clock):
        """Publish the last sample and check that the broker retains all of it."""
        desired, stop = publisher.DesiredState(config, lambda: ()), asyncio.Event()
        wanted = await aside.run(lambda store: desired.messages(store, int(self.now)))
        states = {topic: json.loads(said) for topic, said in wanted.items() if topic.endswith("/state")}
        assert states
        telling = asyncio.create_task(publisher.run(config, aside, lambda: (), clock, SinkProgress("mqtt"), stop))
        async with asyncio.timeout(30):
            held = {}
            while {topic: json.loads(held.get(topic, "null")) for topic in states} != states:
                held = await kept(self.broker.port)
        stop.set()
        await telling

    async def chaos(self, clock, stop):
        """Let one thing after another fail for a while; each has failed before one fails again."""
        while not stop.is_set():
            await clock.wait(self.now + self.rng.uniform(0.2, 1.0) * HOUR, stop)
            self.left = self.left or self.rng.sample(MISFORTUNES, len(MISFORTUNES))
            misfortune = self.left.pop()
            self.misfortunes.append(misfortune)
            with getattr(self, misfortune)():
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
        unlucky = self.rng.sample(self.services, 2)
        for one in unlucky:
            one.away = True
        try:
            yield
        finally:
            for one in unlucky:
                one.away = False


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
        asyncio.run(soak.life(min(soak.now + soak.rng.uniform(1, 6) * HOUR, start + CHAOS), calm=False))
    assert soak.lives > 4
    assert {*soak.misfortunes} == {*MISFORTUNES}
    for one in soak.services:
        one.calm = True
    asyncio.run(soak.life(start + CHAOS + CALM, calm=True))
    for one in soak.services:
        one.close()

    with SqliteStore(soak.path) as store:
        entries = [one for known in store.series() for one in store.samples(known.series, 0, FOREVER)]
        plants = CurrentState(store).plants(int(soak.now))
    truth = {(*one.series, one.measured_at): one.values["pv_energy_total"] for one in entries}
    assert len(truth) > 300
    assert soak.webhook.arrived == truth
    assert soak.influx.arrived == {key: value for key, value in truth.items() if key in soak.influx.arrived}
    silent = {key for key in truth if key not in soak.influx.arrived}
    told = {(*one.series, one.measured_at) for one in entries if any(v is not None for v in one.values.values())}
    assert not silent & told

    roof = Series("growatt", soak.plant)
    (plant,) = (one for one in plants if one.series == roof)
    rows = format_statuses([one for one in entries if one.series == roof], plant.zone)
    assert {row.rsplit(",", 1)[0][:14] for row in rows} == set(soak.pvoutput.arrived)
    assert holes(soak, entries, start) == []


def holes(soak, entries, start):
    """Return the plants and hours of the day of failures in which a cloud measured power and the store has nothing."""
    found = []
    for account in soak.emulator.accounts:
        for site in account.plants[:1]:
            heard = {int(one.measured_at - start) // HOUR for one in entries if one.series.plant == site.id}
            for hour in range(24):
                noon = datetime.fromtimestamp(start + hour * HOUR + HOUR / 2, UTC)
                if sum(home.values(noon)["pv_power"] for home in site.households) > 50 and hour not in heard:
                    found.append((site.id, hour))
    return found
