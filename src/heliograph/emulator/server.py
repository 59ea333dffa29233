"""The HTTP/1.1 server of the emulator: one port per region, with transport faults."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from email.utils import format_datetime
from http.client import responses
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import h11

from heliograph.emulator.api import EmulatedResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from heliograph.emulator.app import EmulatedDelivery

_CHUNK = 65536
_LARGEST_HEAD = 65536
_LARGEST_BODY = 1 << 20
_CLOSE_TIMEOUT = 1.0


class _Rejected(Exception):
    """The request is rejected and the connection is closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.response = EmulatedResponse(f"{reason}\n".encode(), status, "text/plain")


class ServedApplication(Protocol):
    """The application that the server serves: the emulator, or a recording."""

    second_port: int | None

    def now(self) -> datetime:
        """Return the time of the `Date` header."""

    def ready_info(self, url: str, second: str = "") -> dict[str, Any]:
        """Return the content of the ready line."""

    def deliver(
        self, verb: str, target: str, headers: Mapping[str, str], body: bytes, origin: str, client: str = ""
    ) -> EmulatedDelivery:
        """Return the response to one request."""


async def serve(
    emulator: ServedApplication,
    host: str,
    ports: tuple[int, int],
    ready: Callable[[dict[str, Any]], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set; `ready` is called with the ready line once both ports are open."""

    async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # The client may disconnect at any time; the server cancels open connections when it stops.
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await _Connection(emulator, reader, writer).run()
        finally:
            writer.close()

    first = await asyncio.start_server(serve_connection, host, ports[0])
    second = await asyncio.start_server(serve_connection, host, ports[1])
    emulator.second_port = second.sockets[0].getsockname()[1]
    ready(emulator.ready_info(_url(first.sockets[0]), _url(second.sockets[0])))
    await stop.wait()
    first.close()
    second.close()


@contextlib.contextmanager
def serve_in_thread(
    emulator: ServedApplication, host: str = "127.0.0.1", ports: tuple[int, int] = (0, 0)
) -> Iterator[dict[str, Any]]:
    """Serve in a background thread; yields the content of the ready line."""
    opened = threading.Event()
    info: dict[str, Any] = {}
    handles: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        handles.append((asyncio.get_running_loop(), stop))

        def ready(ready_info: dict[str, Any]) -> None:
            info.update(ready_info)
            opened.set()

        try:
            await serve(emulator, host, ports, ready, stop)
        finally:
            opened.set()

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="emulator", daemon=True)
    thread.start()
    opened.wait()
    if not info:
        raise OSError(f"the emulator could not listen on {host}, ports {ports}")
    try:
        yield info
    finally:
        loop, stop = handles[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()


class _ReceivedRequest(NamedTuple):
    """One received request."""

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes


class _Connection:
    """One client connection."""

    def __init__(self, emulator: ServedApplication, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._emulator = emulator
        self._reader = reader
        self._writer = writer
        self._client = str((writer.get_extra_info("peername") or ("",))[0])
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)

    async def run(self) -> None:
        """Handle requests until one side closes the connection."""
        try:
            while (request := await self._request()) is not None:
                host = request.headers.get("host")
                origin = f"http://{host}" if host else _url(self._writer.get_extra_info("socket"))
                await self._deliver(request, self._emulator.deliver(*request, origin, self._client))
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    return
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            await self._reject(_Rejected(error.error_status_hint, f"invalid HTTP: {error}"))
        except _Rejected as rejection:
            await self._reject(rejection)

    async def _request(self) -> _ReceivedRequest | None:
        request = await self._event()
        if not isinstance(request, h11.Request):
            return None
        body = bytearray()
        while isinstance(part := await self._event(), h11.Data):
            body += part.data
            if len(body) > _LARGEST_BODY:
                raise _Rejected(413, f"the body exceeds {_LARGEST_BODY} bytes")
        if not isinstance(part, h11.EndOfMessage):
            return None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        return _ReceivedRequest(
            request.method.decode("latin-1"), request.target.decode("latin-1"), headers, bytes(body)
        )

    async def _event(self) -> h11.Event | None:
        """Return the next part of a request, None at the end."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(_CHUNK))
        return event if isinstance(event, h11.Event) else None

    async def _deliver(self, request: _ReceivedRequest, delivery: EmulatedDelivery) -> None:
        if delivery.delay:
            await asyncio.sleep(delivery.delay)
        if delivery.silent:
            while await self._reader.read(_CHUNK):
                pass
            raise ConnectionAbortedError
        if delivery.reset:
            # With SO_LINGER 0 a close sends RST.
            self._writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self._writer.transport.abort()
            raise ConnectionAbortedError
        body = b"" if request.verb == "HEAD" else delivery.response.body
        await self._send(self._head(delivery.response))
        if delivery.truncated:
            await self._send(h11.Data(data=body[: len(body) // 2]))
            return
        await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    async def _reject(self, rejection: _Rejected) -> None:
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            response = rejection.response._replace(headers=(("Connection", "close"),))
            await self._send(self._head(response))
            await self._send(h11.Data(data=response.body))
            await self._send(h11.EndOfMessage())
            self._writer.write_eof()
            # Closing with unread data would reset the connection, and the response could be lost.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    while await self._reader.read(_CHUNK):
                        pass

    def _head(self, response: EmulatedResponse) -> h11.Response:
        headers = [
            ("Date", format_datetime(self._emulator.now(), usegmt=True)),
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *response.headers,
        ]
        return h11.Response(status_code=response.status, headers=headers, reason=responses.get(response.status, ""))

    async def _send(self, event: h11.Event) -> None:
        if data := self._http.send(event):
            self._writer.write(data)
            await self._writer.drain()


def _url(server_socket: Any) -> str:
    """Return the URL of a listening socket; a wildcard address becomes loopback."""
    host, port = server_socket.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
