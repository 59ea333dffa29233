"""A real MQTT broker for tests, and a client that records all of its messages."""

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
    """Mosquitto on a free port, without persistence."""

    def __init__(self, program: str, folder: Path, *settings: str) -> None:
        self.program = program
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        user = ["user root"] if os.geteuid() == 0 else []  # otherwise it cannot read its folder
        lines = [f"listener {self.port} 127.0.0.1", *(settings or ["allow_anonymous true"]), *user]
        (folder / "mosquitto.conf").write_text("\n".join([*lines, ""]))

    def start(self) -> None:
        """Start the broker and wait until it accepts connections."""
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
        """Kill the broker without disconnecting its clients."""
        self.process.kill()
        self.process.wait(DEADLINE)


def program() -> str:
    """Return the path of mosquitto, or skip the test."""
    found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    return found or pytest.skip("no MQTT broker: install mosquitto")


class MqttWatcher:
    """Records every message in `received` and the last payload of each topic in `current`."""

    def __init__(self) -> None:
        self.current: dict[str, str] = {}
        self.received: list[tuple[str, str]] = []
        self._changed = asyncio.Condition()

    async def listen(self, client: Client) -> None:
        async for message in client.messages:
            topic, payload = message.topic.value, message.payload.decode()
            async with self._changed:
                self.received.append((topic, payload))
                self.current[topic] = payload
                if not payload:
                    del self.current[topic]
                self._changed.notify_all()

    async def wait_until(self, condition):
        """Wait until `condition` is true and return its value."""
        async with asyncio.timeout(DEADLINE), self._changed:
            await self._changed.wait_for(lambda: condition(self))
            return condition(self)

    async def wait_for_json(self, topic, **values):
        """Wait until the JSON of `topic` has these values and return the JSON."""

        def matching_data(_):
            data = json.loads(self.current.get(topic, "{}"))
            return data if data and all(data.get(key, ...) == value for key, value in values.items()) else None

        return await self.wait_until(matching_data)

    async def wait_for_payload(self, topic, payload):
        """Wait until the payload of `topic` is `payload`."""
        await self.wait_until(lambda _: self.current.get(topic) == payload)


@asynccontextmanager
async def watch_broker(port: int, **options):
    """Subscribe to all topics: first the retained messages, then the live ones."""
    async with Client("127.0.0.1", port, **options) as client:
        watcher = MqttWatcher()
        await client.subscribe("#", qos=1)
        listening = asyncio.create_task(watcher.listen(client))
        try:
            yield watcher
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def retained_messages(port: int) -> dict[str, str]:
    """Return the retained messages by topic."""
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
    """Publish one message."""
    async with Client("127.0.0.1", port) as client:
        await client.publish(topic, payload, qos=1, retain=retain)
