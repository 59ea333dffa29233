"""The sockets: HTTP/1.1 around an `Emulator`, a port for each region, with everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from email.utils import format_datetime
from http.client import responses
from typing import TYPE_CHECKING, Any, NamedTuple

import h11

from heliograph.emulator.api import EmulatedResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heliograph.emulator.app import EmulatedDelivery, Emulator

_CHUNK = 65536
_LARGEST_HEAD = 65536
_LARGEST_BODY = 1 << 20
_PATIENCE_SECONDS = 1.0


class _Refused(Exception):
    """The request is not answered but turned down; the connection ends with it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.told = EmulatedResponse(f"{why}\n".encode(), status, "text/plain")


async def serve(
    emulator: Emulator,
    host: str,
    ports: tuple[int, int],
    ready: Callable[[dict[str, Any]], None],
    stop: asyncio.Event,
) -> None:
    """Serve until stopped; `ready` is told the addresses once both ports are open."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A caller may leave at any time, and so may we: cancelled is how a conversation ends with the server.
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await _Conversation(emulator, reader, writer).run()
        finally:
            writer.close()

    first = await asyncio.start_server(converse, host, ports[0])
    second = await asyncio.start_server(converse, host, ports[1])
    emulator.second_port = second.sockets[0].getsockname()[1]
    ready(emulator.ready_info(_url(first.sockets[0]), _url(second.sockets[0])))
    await stop.wait()
    first.close()
    second.close()


@contextlib.contextmanager
def serve_in_thread(
    emulator: Emulator, host: str = "127.0.0.1", ports: tuple[int, int] = (0, 0)
) -> Iterator[dict[str, Any]]:
    """Serve beside the caller's own work, and give what the ready line says."""
    opened = threading.Event()
    told: dict[str, Any] = {}
    handles: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        handles.append((asyncio.get_running_loop(), stop))

        def ready(addresses: dict[str, Any]) -> None:
            told.update(addresses)
            opened.set()

        try:
            await serve(emulator, host, ports, ready, stop)
        finally:
            opened.set()

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="emulator", daemon=True)
    thread.start()
    opened.wait()
    if not told:
        raise OSError(f"the emulator could not listen on {host}, ports {ports}")
    try:
        yield told
    finally:
        loop, stop = handles[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()


class _Question(NamedTuple):
    """One request as it came in."""

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes


class _Conversation:
    """One connection, from the first request to the last."""

    def __init__(self, emulator: Emulator, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._emulator = emulator
        self._reader = reader
        self._writer = writer
        self._client = str((writer.get_extra_info("peername") or ("",))[0])
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)

    async def run(self) -> None:
        """Answer requests until one side closes."""
        try:
            while (question := await self._question()) is not None:
                host = question.headers.get("host")
                origin = f"http://{host}" if host else _url(self._writer.get_extra_info("socket"))
                await self._deliver(question, self._emulator.deliver(*question, origin, self._client))
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    return
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            await self._turn_down(_Refused(error.error_status_hint, f"this is not HTTP: {error}"))
        except _Refused as refusal:
            await self._turn_down(refusal)

    async def _question(self) -> _Question | None:
        request = await self._event()
        if not isinstance(request, h11.Request):
            return None
        body = bytearray()
        while isinstance(part := await self._event(), h11.Data):
            body += part.data
            if len(body) > _LARGEST_BODY:
                raise _Refused(413, f"a body may have {_LARGEST_BODY} bytes")
        if not isinstance(part, h11.EndOfMessage):
            return None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        return _Question(request.method.decode("latin-1"), request.target.decode("latin-1"), headers, bytes(body))

    async def _event(self) -> h11.Event | None:
        """Return the next part of a request, None when there is no more to come."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(_CHUNK))
        return event if isinstance(event, h11.Event) else None

    async def _deliver(self, question: _Question, delivery: EmulatedDelivery) -> None:
        if delivery.delay:
            await asyncio.sleep(delivery.delay)
        if delivery.silent:
            while await self._reader.read(_CHUNK):
                pass
            raise ConnectionAbortedError
        if delivery.reset:
            # Zero seconds of lingering make a close a reset.
            self._writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self._writer.transport.abort()
            raise ConnectionAbortedError
        body = b"" if question.verb == "HEAD" else delivery.response.body
        await self._send(self._head(delivery.response))
        if delivery.truncated:
            await self._send(h11.Data(data=body[: len(body) // 2]))
            return
        await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    async def _turn_down(self, refusal: _Refused) -> None:
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            told = refusal.told._replace(headers=(("Connection", "close"),))
            await self._send(self._head(told))
            await self._send(h11.Data(data=told.body))
            await self._send(h11.EndOfMessage())
            self._writer.write_eof()
            # To close on what is still under way would reset the connection, and our answer might be lost with it.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    while await self._reader.read(_CHUNK):
                        pass

    def _head(self, told: EmulatedResponse) -> h11.Response:
        headers = [
            ("Date", format_datetime(self._emulator.world.clock.now(), usegmt=True)),
            ("Content-Type", told.content_type),
            ("Content-Length", str(len(told.body))),
            *told.headers,
        ]
        return h11.Response(status_code=told.status, headers=headers, reason=responses.get(told.status, ""))

    async def _send(self, event: h11.Event) -> None:
        if data := self._http.send(event):
            self._writer.write(data)
            await self._writer.drain()


def _url(listening: Any) -> str:
    """Return the address to reach a listening socket at; one that listens everywhere is reached here."""
    host, port = listening.getsockname()[:2]
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"
