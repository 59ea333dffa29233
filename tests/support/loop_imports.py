"""A program that runs each operation of an async client in its own process and prints what the event loop imports.

Its argument is a JSON object: name of the `client`, its `credentials`, `server`, state `folder`, the `control` URL of
the emulator, and a `device` as arguments of `Device`. It prints the modules by operation, or the error.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import aiohttp

import heliograph
from heliograph import transports
from heliograph.errors import HeliographError
from heliograph.keeper import Keeper

NOON = datetime.fromisoformat("2026-06-21T12:02:00+02:00")
ASYNCIO_OWN = {"concurrent.futures.thread", "queue", "_queue"}
"""Modules that asyncio imports itself, with the first thread of a loop."""


class ImportRecorder:
    """Finder that records the modules which a running event loop asks for; it is asked for unknown ones only."""

    def __init__(self):
        self.names = []

    def find_spec(self, name, path=None, target=None):
        if asyncio._get_running_loop() is not None and name not in ASYNCIO_OWN:
            self.names.append(name)


def rhythm():
    from heliograph.vendors.base import PollRhythm

    return PollRhythm(300, 900, 3600)


def device_of(given):
    from heliograph.model import Device

    return Device(**given["device"])


OPERATIONS = {
    "log_in": lambda client, plant, argument: client.log_in(),
    "plants": lambda client, plant, argument: client.plants(),
    "snapshot": lambda client, plant, argument: client.snapshot(plant),
    "snapshots": lambda client, plant, argument: client.snapshots(max_age=0),
    "live": lambda client, plant, argument: client.live(argument, (plant,)),
    "day_curve": lambda client, plant, argument: client.day_curve(plant, date(2026, 6, 20)),
    "period_energies": lambda client, plant, argument: client.period_energies(plant, "2026-05"),
    "first_day": lambda client, plant, argument: client.first_day(plant),
    "history_cost": lambda client, plant, argument: client.history_cost(plant),
    "events": lambda client, plant, argument: client.events(plant),
    "budget_async": lambda client, plant, argument: client.budget_async(),
    "settings_of_async": lambda client, plant, argument: client.settings_of_async(argument),
    "read_settings": lambda client, plant, argument: client.read_settings(argument),
}


def run(name, given, moment):
    """Run one operation at a time of the emulator and return the modules."""
    from http.client import HTTPConnection
    from urllib.parse import urlsplit

    connection = HTTPConnection(urlsplit(given["control"]).netloc)
    connection.request("POST", "/control/clock", json.dumps({"now": moment.isoformat()}))
    assert connection.getresponse().status == 200
    argument = rhythm() if name == "live" else device_of(given) if "settings" in name else None
    recorder = ImportRecorder()

    async def use():
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            client = await asyncio.to_thread(create_client, given, transports.aiohttp(session), moment)
            sys.meta_path.insert(0, recorder)
            try:
                await OPERATIONS[name](client, given["device"]["plant"], argument)
            except HeliographError as error:
                return [f"{type(error).__name__}: {error}"]
            finally:
                sys.meta_path.remove(recorder)
        return recorder.names

    return asyncio.run(use())


def create_client(given, transport, moment):
    if limits := sys.modules.get("heliograph.vendors.growatt.openapi.limits"):
        limits.GAP = 0.0  # seconds between calls by token
    return getattr(heliograph, given["client"])(
        *given["credentials"],
        server=given["server"],
        keeper=Keeper(Path(given["folder"])),
        clock=moment.timestamp,
        interactive=True,
        transport=transport,
    )


def in_own_process(name, given, moment):
    """Return the modules of an operation that is run in a copy of this process, which has imported nothing yet."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, json.dumps(run(name, given, moment)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    return json.loads(found or '["failed"]')


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    client_class = getattr(heliograph, wanted["client"])
    found = {
        name: in_own_process(name, wanted, NOON + timedelta(minutes=10 * number))
        for number, name in enumerate(OPERATIONS)
        if hasattr(client_class, name)
    }
    print(json.dumps(found))
