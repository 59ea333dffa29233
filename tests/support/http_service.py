"""Fixtures of the output tests: an HTTP service with configurable responses and failures, a store and a clock."""

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


class ReceivedRequest(NamedTuple):
    """A request as the service received it."""

    path: str
    query: dict
    headers: dict
    body: bytes


def response(status=200, body=b"", **headers):
    """Return the bytes of an HTTP response."""
    raw = body if isinstance(body, bytes) else body.encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status} So", f"Content-Length: {len(raw)}", *lines, "", ""]).encode() + raw


TRUNCATED_RESPONSE = b"HTTP/1.1 200 So\r\nConnection: close\r\nContent-Length: 100\r\n\r\nbut the rest never"
"""A response that is shorter than its Content-Length."""


class Service(Listener):
    """HTTP service that stores each request in `requests` and responds with the result of `reply`."""

    def __init__(self):
        self.requests = []
        self.reply = lambda request: response()
        super().__init__()

    def respond(self, verb, target, headers, body):
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.requests.append(ReceivedRequest(parts.path, query, headers, body))
        return self.reply(self.requests[-1])


class ManualClock:
    """Clock that `wait` advances without real time; `stop` is set when the clock reaches `end`."""

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


def make_sample(moment=NOON, series=ROOF, fetched_at=None, quality=Quality.LIVE, **values):
    """Return a sample."""
    return StoredSample(
        series, moment, fetched_at or moment + 60, quality, Status.ONLINE, values or {"pv_power": 1000.0}
    )


class StoreHarness:
    """A store file with its writer and its reader threads."""

    def __init__(self, path):
        self.path = path
        self.store = open_store(path)
        self.readers = []

    def open_reader(self):
        self.readers.append(StoreThread(lambda: open_store(self.path)))
        return self.readers[-1]

    def write(self, *entries, name="Roof", zone=ZONE):
        known = [SeriesInfo(one, name, None, zone) for one in {row.series for row in entries}]
        self.store.write(Batch(samples=entries, series_info=known))

    def delivery(self, sink, clock, jitter=lambda: 1.0):
        feed = PriorityFeed(self.open_reader(), sink, clock)
        return DeliveryLoop(sink, feed, clock, jitter)

    async def close(self):
        for one in self.readers:
            await one.close()
        self.store.close()


def make_config(**settings):
    """Return a table of the configuration; the values of the names in `secret` become `Secret`."""
    secret = {"token", "password", "key", "secret"}
    return SimpleNamespace(
        **{name: Secret(value) if name in secret and value else value for name, value in settings.items()}
    )


async def drain(delivery, turns=50):
    """Send until the delivery has caught up and return the seconds it waited after each attempt."""
    waits = []
    for _ in range(turns):
        waits.append(await delivery.send_once())
        if delivery.caught_up:
            return waits
        delivery.clock.moment += waits[-1]
    raise AssertionError(f"not caught up: {delivery.progress}")
