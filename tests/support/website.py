"""Fixtures of the web tests: a store with plants that have hostile names, served on a real socket."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from heliograph.config import ServeConfig
from heliograph.core.redact import Secret
from heliograph.current import AccountStatus
from heliograph.keeper import Backoff, Budget
from heliograph.local_time import Clock
from heliograph.model import Quality, Status
from heliograph.store import open_store
from heliograph.store.base import Batch, Day, Repair, Series, SeriesInfo, StoredSample
from heliograph.web.server import serve

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "line\nbreak\r\n# TYPE evil counter\nevil 1",
    "\x1b[2Jcleared\x07",
    "\u202eright to left\u2066",
    "zero\x00after",
    "back\\slash\\",
    "{{7*7}} ${7*7} %s %(x)s",
    "é" * 4000,
    "\ud800half",
)
"""Plant names that a vendor may return."""

IDS = (
    "a/b",
    "/",
    "//evil.example",
    "what?token=x",
    "half#way",
    "100%",
    "%2F",
    "two words",
    "..",
    ".",
    "..;",
    "%2e%2e",
    "samples",
    "back\\slash",
    "Größe+1",
    "a&b=c",
    "'\"<script>",
)
"""Plant ids that a vendor may return."""

NOON = int(datetime(2026, 6, 21, 10, 0, tzinfo=UTC).timestamp())
"""Noon in Berlin."""
ZONE = "Europe/Berlin"
HOME = Series("growatt", "11")
TOKEN = "a-token-nobody-guesses"


class Still(Clock):
    """Clock that changes only when a test sets `moment`."""

    def __init__(self, moment=NOON):
        self.moment = moment

    def now(self):
        return self.moment


def entry(series, moment, status=Status.ONLINE, **values):
    return StoredSample(series, moment, moment + 20, Quality.LIVE, status, values)


def home(now=NOON):
    """Return a plant with a battery, a device and two days of samples."""
    device = HOME._replace(device="SN1")
    moments = range(now - 48 * 3600, now + 1, 300)
    values = {
        "pv_power": 1500.0,
        "grid_power": -700.5,
        "battery_soc": 55.0,
        "pv_energy_today": 12.3,
        "pv_energy_total": 4567.8,
    }
    last = {"battery_power": -300.0, "load_power": 800.0, "ac_power": None}
    today = datetime.fromtimestamp(now, UTC).date()
    return Batch(
        samples=[
            *(entry(HOME, at, **values, **last) for at in moments),
            entry(device, now, pv_power=1500.0, pv_energy_total=4567.8),
        ],
        days=[
            Day(HOME, today - timedelta(days=past), {"pv_energy": 20.0 + past}, Quality.LIVE, past > 1, now)
            for past in range(60)
        ],
        repairs=[
            Repair(HOME, now - 600, "pv_energy_total", 0.0, 4567.8, "a counter never falls"),
            Repair(device, now - 300, "pv_power", 1e9, None, "more than its panels have"),
        ],
        series_info=[SeriesInfo(HOME, "Home", None, ZONE), SeriesInfo(device, "Roof", "max", ZONE)],
    )


def hostile(now=NOON):
    """Return a plant and a device for each hostile name."""
    found = [(Series("goodwe", f"h{place}"), name) for place, name in enumerate(HOSTILE)]
    boxes = [(one._replace(device=f"d{one.plant}"), name) for one, name in found]
    return Batch(
        samples=[entry(one, now - 60, pv_power=100.0) for one, _ in (*found, *boxes)],
        series_info=[SeriesInfo(one, name, None, ZONE) for one, name in (*found, *boxes)],
    )


def numbered(now=NOON):
    """Return a plant and a device for each id that needs escaping in a URL."""
    found = [Series("goodwe", one) for one in IDS]
    boxes = [one._replace(device=one.plant) for one in found]
    return Batch(
        samples=[entry(one, now - 60, pv_power=100.0) for one in (*found, *boxes)],
        series_info=[SeriesInfo(one, f"Number {IDS.index(one.plant)}", None, ZONE) for one in (*found, *boxes)],
    )


def budget(**more):
    when = datetime.fromtimestamp(NOON, UTC)
    usual = {
        "requests_used": 120,
        "requests_limit": 500,
        "reserve": 20,
        "logins_used": 1,
        "logins_limit": 4,
        "next_free": None,
        "opened_at": when,
        "last_login": when,
        "pause": Backoff("locked", when + timedelta(hours=24), "too many logins"),
        "notes": ((when, "logged in"),),
    }
    return Budget(**usual | more)


def accounts():
    return (
        AccountStatus(name="growatt", vendor="growatt", budget=budget()),
        AccountStatus(name='half"\nevil 1', vendor="goodwe", problem="its memory cannot be read"),
    )


def written(path, *batches):
    with open_store(path) as store:
        for batch in batches:
            store.write(batch)
    return path


class Reply(NamedTuple):
    """An HTTP response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Site:
    """Client of a served site."""

    def __init__(self, address, clock):
        self.address = address
        self.port = int(address.rstrip("/").rpartition(":")[2])
        self.clock = clock

    def ask(self, path, method="GET", body=None, **headers):
        """Send a request and return the response; header names have underscores instead of hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def stream(self, path, **headers):
        """Request an event stream and return the connection and the response to read line by line."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return connection, connection.getresponse()


@contextmanager
def served(
    where,
    *,
    token=None,
    host="127.0.0.1",
    hosts=(),
    seen=accounts,
    sinks=tuple,
    clock=None,
    on_load=lambda _: None,
    money=None,
    **more,
):
    """Serve a store on a free port in a dedicated thread until the block ends."""
    clock = clock or Still()
    config = ServeConfig(host=host, port=0, token=None if token is None else Secret(token), hosts=hosts, **more)
    ready, addresses, loops = threading.Event(), [], []

    async def run():
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))

        def listening(address):
            addresses.append(address)
            ready.set()

        options = {"sinks": sinks, "ready": listening, "clock": clock, "on_load": on_load, "money": money}
        await serve(config, str(where), seen, stop, **options)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(20)
        yield Site(addresses[0], clock)
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()
