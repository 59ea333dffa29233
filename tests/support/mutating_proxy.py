"""An HTTP proxy before the emulator that mutates the responses of one call; it listens on a real socket.

With a stopped clock the emulator answers a repeated request alike, so the proxy stores its responses: thousands of runs
need one pass of the emulator, and none of them is changed by the requests of another.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from email.utils import format_datetime
from http.client import responses
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from support.mutations import ALPHABET, BODIES, HEADERS, mutated

_BY_NAME = {mutation.name: mutation for mutation in ALPHABET}


class Case(NamedTuple):
    """One mutation: of which call's response, at which place, how, and whether of all its responses or the first."""

    call: str
    kind: str
    """"value", "body", "header" or "status"."""
    place: tuple = ()
    mutation: str = ""
    always: bool = False

    def __str__(self):
        where = ".".join(map(str, self.place))
        return f"{self.call} {self.kind} {where} = {self.mutation}{' (always)' if self.always else ''}"


class Exchange(NamedTuple):
    """A response of the emulator; `parsed` is its body as JSON, None if it is not."""

    status: int
    headers: tuple
    body: bytes
    parsed: object


class MutatingProxy:
    """Serves an emulator on a free port of 127.0.0.1; `case` says what is mutated."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.case = None
        self.responses = {}
        """The first response of each call since `begin`, before it was mutated."""
        self.requests = 0
        """The number of requests since `begin`."""
        self.applied = 0
        """The responses mutated since `begin`."""
        self._stored = {}
        self._connections = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=1 << 20)
        self.host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.url = f"http://{self.host}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def begin(self, case=None):
        """Forget the requests so far; mutate as `case` says from now on."""
        self.case, self.responses, self.requests, self.applied = case, {}, 0, 0

    async def _connected(self, reader, writer):
        self._connections.add(asyncio.current_task())
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    await self._serve_one(reader, writer)
        finally:
            self._connections.discard(asyncio.current_task())
            writer.close()

    async def _serve_one(self, reader, writer):
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        verb, target, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        call = _label(target)
        exchange = self._respond(call, verb, target, headers, body)
        self.requests += 1
        self.responses.setdefault(call, exchange)
        writer.write(_encoded(*self._mutated(call, exchange)))
        await writer.drain()

    def _respond(self, call, verb, target, headers, body):
        # A second login would end the session of the first one, at whatever time.
        at = None if "login" in call.lower() else self.emulator.world.clock.now()
        key = (at, verb, target, body)
        if key not in self._stored:
            answer = self.emulator.deliver(verb, target, headers, body, self.url).response
            sent = (
                ("Date", format_datetime(self.emulator.world.clock.now(), usegmt=True)),
                ("Content-Type", answer.content_type),
                *answer.headers,
            )
            parsed = None
            with suppress(ValueError):
                parsed = json.loads(answer.body)
            exchange = Exchange(answer.status, sent, answer.body, parsed)
            if self.applied:  # the request follows from a mutated response: not one to keep
                return exchange
            self._stored[key] = exchange
        return self._stored[key]

    def _mutated(self, call, exchange):
        """Return status, headers and body, mutated if the case concerns this response."""
        status, headers, body, parsed = exchange
        case = self.case
        if case is None or call != case.call or (self.applied and not case.always):
            return status, headers, body
        if case.kind == "value":
            try:
                body = mutated(parsed, case.place, _BY_NAME[case.mutation])
            except (LookupError, TypeError, AttributeError):  # another response of this call, without this place
                return status, headers, body
        self.applied += 1
        if case.kind == "value":
            return status, headers, body
        if case.kind == "body":
            made = BODIES[case.mutation]
            return status, headers, made(body) if callable(made) else made
        if case.kind == "header":
            added = HEADERS[case.mutation]
            names = {name for name, _ in added}
            return status, (*(pair for pair in headers if pair[0] not in names), *added), body
        return int(case.mutation), (*headers, ("Location", "http://127.0.0.2:9/")), body


def _label(target):
    """Name a call by its path and operation, without the ids and serial numbers of the emulated plants."""
    parts = urlsplit(target)
    path = "/".join("*" if any(map(str.isdigit, one)) and len(one) > 6 else one for one in parts.path.split("/"))
    operation = dict(parse_qsl(parts.query)).get("op", "")
    return f"{path}{'?op=' if operation else ''}{operation}"


def _encoded(status, headers, body):
    lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
