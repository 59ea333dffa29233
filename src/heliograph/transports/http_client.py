"""The blocking transport over `http.client` and `ssl`."""

from __future__ import annotations

import io
import socket
import ssl
import threading
from functools import partial
from http.client import BadStatusLine, HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heliograph.transports.contract import CONNECT_TIMEOUT
from heliograph.transports.failures import (
    check_headers,
    checked_url,
    interrupted,
    not_connected,
    out_of_resources,
    timed_out,
)
from heliograph.transports.response import ACCEPTED_ENCODING, ReceivedBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.core.session import Request, Response

_CHUNK = 65_536
_IDLE_SECONDS = 60.0
"""Seconds for which an open connection is kept for the next request."""


class StandardLibraryTransport:
    """Sends requests over `http.client`; connections stay open for further requests to the same server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], list[tuple[float, HTTPConnection]]] = {}
        self._tls: ssl.SSLContext | None = None

    def send(self, request: Request, timeout: float, clock: Callable[[], float]) -> Response:
        """Send one request, as described at `BlockingTransport.send`."""
        url = checked_url(request)
        check_headers(request)
        deadline = monotonic() + timeout
        parts = urlsplit(url)
        server = (parts.scheme, parts.netloc.rpartition("@")[2])
        target = url[url.index(parts.netloc) + len(parts.netloc) :]
        target = target if target.startswith("/") else f"/{target}"
        connection = self._idle_connection(server) or self._connected(request, server, timeout)
        connection.response_class = partial(_response, deadline)  # type: ignore[assignment]
        is_complete = False
        try:
            connection.sock.settimeout(_remaining(deadline))
            result = _exchange(connection, request, target, clock)
            is_complete = True
        except TimeoutError:
            raise timed_out(request) from None
        except (HTTPException, ValueError) as error:
            # A server that closes the connection without a response raises RemoteDisconnected, also an OSError.
            reason = getattr(error, "strerror", None) or f"the response is not valid HTTP ({type(error).__name__})"
            raise interrupted(request, reason) from None
        except OSError as error:
            raise interrupted(request, error.strerror or type(error).__name__) from None
        except (RuntimeError, MemoryError) as error:
            raise out_of_resources(request, error, sent=True) from None
        finally:
            # The connection has no socket if the server announced that it closes it.
            if is_complete and connection.sock is not None:
                self._keep(server, connection)
            else:
                connection.close()
        return result

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for connections in self._idle.values():
                for _, connection in connections:
                    connection.close()
            self._idle.clear()

    def _idle_connection(self, server: tuple[str, str]) -> HTTPConnection | None:
        """Return an open connection to a server, or None; ones that the server has closed are dropped."""
        with self._lock:
            idle = self._idle.get(server, [])
            while idle:
                since, connection = idle.pop()
                with DefaultSelector() as selector:
                    selector.register(connection.sock, EVENT_READ)
                    # What can be read before a request is the end of the connection, or no answer to it.
                    is_usable = monotonic() - since < _IDLE_SECONDS and not selector.select(0)
                if is_usable:
                    return connection
                connection.close()
        return None

    def _keep(self, server: tuple[str, str], connection: HTTPConnection) -> None:
        with self._lock:
            self._idle.setdefault(server, []).append((monotonic(), connection))

    def _connected(self, request: Request, server: tuple[str, str], timeout: float) -> HTTPConnection:
        scheme, host = server
        limit = min(timeout, CONNECT_TIMEOUT)
        connection: HTTPConnection
        if scheme == "https":
            if self._tls is None:
                self._tls = ssl.create_default_context()
            connection = HTTPSConnection(host, timeout=limit, context=self._tls)
        else:
            connection = HTTPConnection(host, timeout=limit)
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:
            connection.close()
            reason = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or "it timed out"
            raise not_connected(request, reason) from None
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _exchange(connection: HTTPConnection, request: Request, target: str, clock: Callable[[], float]) -> Response:
    """Send a request over an open connection and return the response."""
    connection.putrequest(request.verb, target, skip_accept_encoding=True)
    for name, value in {"Accept-Encoding": ACCEPTED_ENCODING, **request.headers}.items():
        connection.putheader(name, value)
    if request.body is not None:
        connection.putheader("Content-Length", str(len(request.body)))
    connection.endheaders(request.body)
    with connection.getresponse() as response:
        if response.length is None and not response.chunked and response.getheader("Content-Length"):
            raise BadStatusLine("invalid Content-Length")
        body = ReceivedBody(request, response.getheader("Content-Encoding", ""))
        while body.append(response.read1(_CHUNK)):
            pass
        if response.length:
            raise IncompleteRead(b"")
        headers = ((name.encode("latin-1"), value.encode("latin-1")) for name, value in response.getheaders())
        return body.response(response.status, headers, clock())


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until a deadline, however slowly the server sends."""

    def __init__(self, source: socket.socket, deadline: float) -> None:
        self._socket = source
        self._file = source.makefile("rb", buffering=0)  # keeps the socket open until the response is closed
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_remaining(self._deadline))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _DeadlineSocket:
    """The part of a socket that a response uses."""

    def __init__(self, source: socket.socket, deadline: float) -> None:
        self._reader = _DeadlineReader(source, deadline)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)


def _response(deadline: float, source: socket.socket, **options: Any) -> HTTPResponse:
    return HTTPResponse(_DeadlineSocket(source, deadline), **options)  # type: ignore[arg-type]


def _remaining(deadline: float) -> float:
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
