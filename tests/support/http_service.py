"""What tests of outputs share: a service on a real socket that answers, fails and breaks off as told, and a clock."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from heliograph.core.redact import Secret
from heliograph.model import Quality, Status
from heliograph.outputs.changefeed import PriorityFeed
from heliograph.outputs.delivery import DeliveryLoop
from heliograph.store import open_store
from heliograph.store.base import Batch, Series, SeriesInfo, StoredSample
from heliograph.store.threaded import StoreThread
from support.raw_server import Listener

NOON = 1_782_036_000  # 2026-06-21 10:00 UTC, 12:00 in Berlin
ROOF = Series("growatt", "11")
ZONE = "Europe/Berlin"


class Asked(NamedTuple):
    """One request as it came."""

    path: str
    query: dict
    headers: dict
    body: bytes


def answer(status=200, body=b"", **headers):
    """Return an answer, as the service sends it."""
    raw = body if isinstance(body, bytes) else body.encode()
    told = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status} So", f"Content-Length: {len(raw)}", *told, "", ""]).encode() + raw


HALF = b"HTTP/1.1 200 So\r\nConnection: close\r\nContent-Length: 100\r\n\r\nbut the rest never"
"""An answer that ends in the middle."""


class Service(Listener):
    """Answers each request with what `reply` makes of it."""

    def __init__(self):
        self.asked = []
        self.reply = lambda asked: answer()
        super().__init__()

    def respond(self, verb, target, headers, body):
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append(Asked(parts.path, query, headers, body))
        return self.reply(self.asked[-1])


class Hand:
    """A clock that stands until whoever waits moves it on; `stop` is set when it has come to its end."""

    def __init__(self, now=NOON, end=float("inf")):
        self.moment = now
        self.end = end
        self.waits = []

    def now(self):
        return self.moment

    async def wait(self, until, stop):
        self.waits.append(until - self.moment)
        self.moment = max(self.moment, until)
        if self.moment >= self.end:
            stop.set()
        await asyncio.sleep(0)


def entry(moment=NOON, series=ROOF, fetched_at=None, quality=Quality.LIVE, **values):
    """Return a sample."""
    return StoredSample(
        series, moment, fetched_at or moment + 60, quality, Status.ONLINE, values or {"pv_power": 1000.0}
    )


class Kept:
    """A store in a file, a reader's side of it, and what writes into it."""

    def __init__(self, path):
        self.path = path
        self.store = open_store(path)
        self.asides = []

    def aside(self):
        self.asides.append(StoreThread(lambda: open_store(self.path)))
        return self.asides[-1]

    def write(self, *entries, name="Roof", zone=ZONE):
        known = [SeriesInfo(one, name, None, zone) for one in {row.series for row in entries}]
        self.store.write(Batch(samples=entries, series_info=known))

    def delivery(self, sink, clock, jitter=lambda: 1.0):
        feed = PriorityFeed(self.aside(), sink, clock)
        return DeliveryLoop(sink, feed, clock, jitter)

    async def close(self):
        for one in self.asides:
            await one.close()
        self.store.close()


def configured(**facts):
    """Return a part of a configuration; texts under these names are secrets."""
    secret = {"token", "password", "key", "secret"}
    return SimpleNamespace(
        **{name: Secret(value) if name in secret and value else value for name, value in facts.items()}
    )


async def drained(delivery, turns=50):
    """Let a delivery send until there is nothing left, and return the waits it asked for."""
    waits = []
    for _ in range(turns):
        waits.append(await delivery.send_once())
        if delivery.caught_up:
            return waits
        delivery.clock.moment += waits[-1]
    raise AssertionError(f"still at it: {delivery.progress}")
