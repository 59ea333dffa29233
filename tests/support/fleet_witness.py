"""The witness of a fleet: an HTTP relay before the emulated clouds that notes which worker asked for which account.

It is outside of every database, and sees what a cloud sees. Test workers name themselves in headers, which it removes:
the account, the worker's process and the fencing token. It also relays connections to PostgreSQL, and can cut them.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from typing import NamedTuple

ACCOUNT, WORKER, TOKEN, POLL = "x-fleet-account", "x-fleet-worker", "x-fleet-token", "x-fleet-poll"
_OURS = {ACCOUNT, WORKER, TOKEN, POLL}


class SeenRequest(NamedTuple):
    """One request as the witness saw it; times are of `time.monotonic`."""

    account: str
    worker: str
    token: int
    is_login: bool
    began: float
    ended: float
    delivered: bool
    """Whether the whole response was passed on."""
    call: str
    """Path and `op` of the request: which call of the cloud it is."""
    poll: str
    """The number of the worker's poll; empty outside of polls."""


class Witness:
    """Judges every request while it happens."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.port = 0
        self.seen: list[SeenRequest] = []
        self.overlaps: list[str] = []
        self.stale: list[str] = []
        self.twins: list[str] = []
        self.hold_logins = threading.Event()
        """While set, responses to logins are held back."""
        self.held: list[tuple[str, str]] = []
        """Account and worker of the logins that are held back now."""
        self.under_way: dict[int, SeenRequest] = {}
        """Requests whose response was not passed on yet; they end never, so far."""
        self._in_flight: dict[str, Counter[str]] = defaultdict(Counter)
        self._newest: dict[str, int] = {}
        self._owners: dict[tuple[str, int], str] = {}

    def requests(self) -> list[SeenRequest]:
        """Return all requests of which a response can have been read; any thread may call this.

        A worker can have read and stored its response before the thread of the witness notes that it was passed on.
        """
        under_way = list(self.under_way.values())  # first: a request is noted as seen before it is removed from here
        return [*under_way, *self.seen]

    async def serve(self) -> asyncio.Server:
        """Listen on a free port."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _relay(self, reader, writer):
        upstream = None
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.upstream_port)
            while head := await _read_head(reader):
                await self._pass_on(head, reader, writer, *upstream)
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # either side left, or the test ends
        finally:
            for one in (writer, upstream and upstream[1]):
                if one:
                    one.close()

    async def _pass_on(self, head, reader, writer, up_reader, up_writer):
        lines, headers = head
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        account, worker, token = headers.get(ACCOUNT, ""), headers.get(WORKER, ""), int(headers.get(TOKEN, 0))
        call = _call_of(lines[0])
        is_login = "login" in call.lower()  # the request with the password, not what else opens a session
        request = SeenRequest(
            account, worker, token, is_login, time.monotonic(), math.inf, False, call, headers.get(POLL, "")
        )
        self._begin(account, worker, token)
        self.under_way[id(request)], is_delivered = request, False
        try:
            kept = [line for line in lines if line.partition(b":")[0].decode("latin-1").lower() not in _OURS]
            up_writer.write(b"\r\n".join(kept) + b"\r\n\r\n" + body)
            await up_writer.drain()
            if (answer := await _read_head(up_reader)) is None:
                raise EOFError
            up_lines, up_headers = answer
            response = await up_reader.readexactly(int(up_headers.get("content-length", 0)))
            if is_login and self.hold_logins.is_set():
                self.held.append((account, worker))
                while self.hold_logins.is_set():  # noqa: ASYNC110 - set by another thread
                    await asyncio.sleep(0.02)
                self.held.remove((account, worker))
            writer.write(b"\r\n".join(up_lines) + b"\r\n\r\n" + response)
            await writer.drain()
            is_delivered = True
        finally:
            self._in_flight[account][worker] -= 1
            self.seen.append(request._replace(ended=time.monotonic(), delivered=is_delivered))
            del self.under_way[id(request)]

    def _begin(self, account, worker, token):
        flying = self._in_flight[account]
        if any(count > 0 and other != worker for other, count in flying.items()):
            self.overlaps.append(f"{account}: {worker} while {[one for one in flying if flying[one] > 0]}")
        flying[worker] += 1
        if token < self._newest.get(account, 0):
            self.stale.append(f"{account}: {worker} with {token} after {self._newest[account]}")
        self._newest[account] = max(token, self._newest.get(account, 0))
        if self._owners.setdefault((account, token), worker) != worker:
            self.twins.append(f"{account}: {worker} and {self._owners[account, token]} with {token}")


class DatabaseRelay:
    """A TCP port before the socket of a PostgreSQL server; while it is cut, nothing passes and nothing is closed."""

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path
        self.port = 0
        self.open = threading.Event()
        self.open.set()

    async def serve(self) -> asyncio.Server:
        """Listen on a free port."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _relay(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(self.socket_path)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer))

    async def _pump(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                while not self.open.is_set():  # noqa: ASYNC110 - set by another thread
                    await asyncio.sleep(0.02)
                writer.write(data)
                await writer.drain()
        writer.close()


class RelayThread:
    """Runs relays on an event loop of their own, so that a busy test does not delay them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relays", daemon=True)
        self._servers = []

    def __enter__(self):
        self._thread.start()
        return self

    def add(self, relay):
        """Start a relay and return it."""
        self._servers.append(asyncio.run_coroutine_threadsafe(relay.serve(), self._loop).result(10))
        return relay

    def __exit__(self, *error):
        async def stop():
            for server in self._servers:
                server.close()
            ours = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in ours:
                task.cancel()
            await asyncio.gather(*ours, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _call_of(line):
    path, _, query = line.split(b" ")[1].decode("latin-1").partition("?")
    return " ".join([path, *(one for one in query.split("&") if one.startswith("op="))])


async def _read_head(reader):
    """Return the lines of a head and its headers by lower-case name; None at the end of the connection."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = raw[:-4].split(b"\r\n")
    pairs = (line.decode("latin-1").partition(":") for line in lines[1:])
    return lines, {name.lower(): value.strip() for name, _, value in pairs}
