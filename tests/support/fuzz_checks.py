"""What must not happen in a run against mutated responses: absurd stored values, broken pages, foreign exceptions."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

from heliograph.config import ServeConfig
from heliograph.current import AccountStatus
from heliograph.local_time import stored_zone
from heliograph.metrics import METRICS
from heliograph.store import open_store
from heliograph.store.base import MAX_AHEAD
from heliograph.store.threaded import StoreThread
from heliograph.web.app import make_app
from heliograph.web.state import StateCache

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
PAGES, API = ("/", "/status"), ("/metrics", "/api/v1/plants")


def absurd_rows(path, now):
    """Return what is absurd in a store: values outside of their range, times in the future or before 2000."""
    found = []
    with open_store(path) as store:
        for info in store.series():
            if info.zone is not None and stored_zone(info.zone) is None:
                found.append(f"absurd: zone {info.zone!r}")
            for sample in store.samples(info.series, -(10**12), 10**12):
                if not EARLIEST.timestamp() <= sample.measured_at <= now + MAX_AHEAD:
                    found.append(f"absurd: measured at {sample.measured_at}")
                found += [f"absurd: {name} = {value}" for name, value in _absurd(sample.values)]
            for day in store.days(info.series, date.min, date.max):
                if not EARLIEST.date() <= day.day <= datetime.fromtimestamp(now, UTC).date() + timedelta(days=1):
                    found.append(f"absurd: day {day.day}")
                values = {f"{name}_today": value for name, value in day.values.items()}
                found += [f"absurd: {name} of a day = {value}" for name, value in _absurd(values)]
    return found


def content_of(path):
    """Return a digest of all rows of a store."""
    with closing(sqlite3.connect(path)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [(name, database.execute(f"SELECT * FROM {name}").fetchall()) for name in names]
    return sha256(repr(rows).encode(errors="surrogatepass")).digest()


async def broken_pages(path, vendor, plant, clock):
    """Render the pages and the API of a store with the page of one plant, and return what is wrong."""
    reader = StoreThread(partial(open_store, path, create=False))
    accounts = (AccountStatus(name="fuzz", vendor=vendor),)
    app = make_app(StateCache(reader, lambda: accounts, clock=clock), ServeConfig())
    found = []
    try:
        pages = (*PAGES, f"/plant/{vendor}/{plant}")
        for target in (*pages, *API):
            status, body = await _get(app, target)
            if status != 200:
                found.append(f"foreign exception: {target} is answered with {status}")
            if target in pages and b"<script>alert" in body:
                found.append(f"absurd: {target} contains a script of the cloud")
            if target.startswith("/api"):
                json.loads(body, parse_constant=_no_constant)
    finally:
        await app.state.live.close()
        await reader.close()
    return found


def _absurd(values):
    for name, value in values.items():
        metric = METRICS[name]
        least = 0.0 if metric.kind in ("today", "total") else metric.minimum
        if value is not None and not least <= value <= metric.maximum:
            yield name, value


def _no_constant(text):
    raise ValueError(f"{text} is not JSON")


async def _get(app, target):
    """Ask an application without a socket and return status and body."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"127.0.0.1:8765")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8765),
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def name_error(error):
    """Name an exception and the line of the package that raised it."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if "heliograph" in file.parts:
            place = f" at {'/'.join(file.parts[-2:])}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {str(error)[:120]}{place}"
