"""A real MQTT broker for a test, and a client that watches everything it says."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiomqtt import Client, MqttError

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 20.0


class Broker:
    """Mosquitto on a port of its own; it forgets everything when it stops."""

    def __init__(self, program: str, folder: Path, *settings: str) -> None:
        self.program = program
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        user = ["user root"] if os.geteuid() == 0 else []  # else it could not read its own folder
        lines = [f"listener {self.port} 127.0.0.1", *(settings or ["allow_anonymous true"]), *user]
        (folder / "mosquitto.conf").write_text("\n".join([*lines, ""]))

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            command = [self.program, "-c", str(self.folder / "mosquitto.conf")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((self.folder / "log").read_text()) from None
            else:
                return

    def stop(self) -> None:
        """Kill it: nothing is said to anybody."""
        self.process.kill()
        self.process.wait(DEADLINE)


def program() -> str:
    """Return where mosquitto is, or skip the test and say so."""
    found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    return found or pytest.skip("no MQTT broker: install mosquitto")


class Watcher:
    """Sees every message; `now` is the last of each topic."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {}
        self.seen: list[tuple[str, str]] = []
        self._changed = asyncio.Condition()

    async def listen(self, client: Client) -> None:
        async for message in client.messages:
            topic, payload = message.topic.value, message.payload.decode()
            async with self._changed:
                self.seen.append((topic, payload))
                self.now[topic] = payload
                if not payload:
                    del self.now[topic]
                self._changed.notify_all()

    async def until(self, happened):
        """Wait until it is so, and return what it is."""
        async with asyncio.timeout(DEADLINE), self._changed:
            await self._changed.wait_for(lambda: happened(self))
            return happened(self)

    async def tells(self, topic, **values):
        """Wait until a topic's JSON holds these values, and return all of it."""

        def holds(_):
            data = json.loads(self.now.get(topic, "{}"))
            return data if data and all(data.get(key, ...) == value for key, value in values.items()) else None

        return await self.until(holds)

    async def says(self, topic, payload):
        """Wait until a topic holds this text."""
        await self.until(lambda _: self.now.get(topic) == payload)


@asynccontextmanager
async def watched(port: int, **options):
    """Watch a broker: first all it has kept, then all that comes."""
    async with Client("127.0.0.1", port, **options) as client:
        watcher = Watcher()
        await client.subscribe("#", qos=1)
        listening = asyncio.create_task(watcher.listen(client))
        try:
            yield watcher
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def kept(port: int) -> dict[str, str]:
    """Return what the broker has kept for whoever comes now."""
    async with Client("127.0.0.1", port) as client:
        await client.subscribe([("#", 1), ("probe", 1)])
        await client.publish("probe", "?", qos=1)
        found = {}
        async for message in client.messages:
            if message.topic.value == "probe":
                return found
            if message.retain:
                found[message.topic.value] = message.payload.decode()
    raise MqttError("the broker ended the connection")


async def publish(port: int, topic: str, payload: str, *, retain: bool = False) -> None:
    """Say one thing."""
    async with Client("127.0.0.1", port) as client:
        await client.publish(topic, payload, qos=1, retain=retain)
