"""An account with settings for tests of commands by MQTT: a fake cloud behind `AsyncOrders`, and its publisher."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

from aiomqtt import Client

from heliograph.config import MqttConfig
from heliograph.local_time import Clock
from heliograph.model import Quality, Status
from heliograph.outputs.mqtt import publisher
from heliograph.outputs.mqtt.settings_control import GATHER_SECONDS, WritableAccount
from heliograph.outputs.sink import SinkProgress
from heliograph.settings import AsyncOrders, Permissions
from heliograph.store.base import Batch, Series, SeriesInfo, StoredSample
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import StoreThread
from support.mqtt_broker import DEADLINE
from support.settings_fakes import NOW, FakeClient, FakeClock, make_journal

ROOF, BOX = Series("toy", "1"), Series("toy", "1", "DEV1")
BASE = "heliograph/toy/1/DEV1"
SETTINGS, RESULT = f"{BASE}/settings", f"{BASE}/result"


class ShortWaits(Clock):
    """A clock set by tests, whose waits take 20 ms at most; commands are gathered until `gathered` is set."""

    def __init__(self, clock):
        self.clock = clock
        self.gathered = asyncio.Event()
        self.gathered.set()

    def now(self):
        return self.clock.moment

    async def wait(self, until, stop):
        if until - self.now() == GATHER_SECONDS:
            await self.gathered.wait()
            return
        try:
            await asyncio.wait_for(stop.wait(), 0.02)
        except TimeoutError:
            return


class AsyncFakeClient:
    """The fake client, awaited. `gate` holds writes back until a test sets it."""

    allow_commands = True

    def __init__(self, client):
        self.fake = client
        self.settings_of = client.settings_of
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()

    async def read_settings(self, device):
        return self.fake.read_settings(device)

    async def write_setting(self, device, name, values):
        self.started.set()
        await self.gate.wait()
        return self.fake.write_setting(device, name, values)


class ToyAccount:
    """One account with one device: what it may write, its fake cloud, and its journal."""

    def __init__(self, folder, **permissions):
        self.clock = FakeClock()
        self.fake = FakeClient(self.clock)
        self.journal = make_journal(folder / "orders")
        self.permissions = Permissions(**{"writes": True, **permissions})

    async def send(self, port, *sent):
        """Publish commands that are received before the first of them is carried out."""
        self.waits.gathered.clear()
        async with Client("127.0.0.1", port) as client:
            for topic, text in sent:
                await client.publish(topic, text, qos=1)
            # Its result shows that all earlier ones have been received.
            await client.subscribe("heliograph/toy/none/result")
            await client.publish("heliograph/toy/none/set/none", "0", qos=1)
            async with asyncio.timeout(DEADLINE):
                await anext(client.messages)
        self.waits.gathered.set()

    def orders(self):
        self.client = AsyncFakeClient(self.fake)
        return AsyncOrders(
            self.client,
            journal=self.journal,
            clock=self.clock,
            permissions=self.permissions,
            account="home",
            program="heliograph mqtt",
        )


def fill(store, account="home"):
    """Store a plant with one device of the toy family."""
    infos = [
        SeriesInfo(ROOF, "Home", None, "Europe/Berlin", account=account),
        SeriesInfo(BOX, "Battery", "toy", "Europe/Berlin"),
    ]
    samples = [
        StoredSample(series, int(NOW) - 60, int(NOW), Quality.LIVE, Status.ONLINE, {"pv_power": 1.0})
        for series in (ROOF, BOX)
    ]
    store.write(Batch(samples=samples, series_info=infos))


@asynccontextmanager
async def publishing(store, broker, toy, **options):
    """Run the publisher with commands in the background."""
    stop, reader = asyncio.Event(), StoreThread(lambda: SqliteStore(store.path))
    config = MqttConfig(host="127.0.0.1", port=broker.port, commands=True, **options)
    clock = toy.waits = ShortWaits(toy.clock)
    writable = [WritableAccount("home", "toy", toy.orders())] if toy.permissions.writes else []
    running = asyncio.create_task(
        publisher.run(config, reader, tuple, clock, SinkProgress("mqtt"), stop, writable=writable)
    )
    try:
        yield running
    finally:
        stop.set()
        await asyncio.wait_for(running, 20)
        await reader.close()


def payload(value, at=NOW, **more):
    """Return a command as Home Assistant sends it."""
    return json.dumps({"value": value, "at": at, **more})
