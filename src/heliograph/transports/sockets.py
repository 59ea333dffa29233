"""The blocking transport over `socket` and `ssl`: HTTP/1.1 without redirects, cookies and proxies.

It reads what RFC 9112 allows in a response and rejects everything else. `http.client` is not used: its import takes as
long as the rest of a cold start's request (ADR 0026), and it accepts what RFC 9112 forbids.
"""

from __future__ import annotations

import os
import re
import select
import socket
import ssl
from _thread import allocate_lock  # `threading` would be imported for this lock only
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heliograph.core.session import Response
from heliograph.errors import Unreachable
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
    from collections.abc import Callable, Iterator

    from heliograph.core.session import Request

_CHUNK = 65_536
_MAX_HEAD = 65_536
"""Bytes of a status line with its headers, of a chunk's size line, and of trailers."""
_MAX_DIGITS = 18
"""Digits of the length of a body."""
_IDLE_SECONDS = 60.0
"""Seconds for which an open connection is kept for the next request."""
_RESOURCES = (EMFILE, ENFILE, ENOBUFS, ENOMEM)

_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?)(/[!-\"$-~]*)")
"""The usual form of a URL, which needs no other check."""
_HEAD = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*)*")
_CHUNK_SIZE = rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n\0]*)?"
"""Compiled when a body is sent in chunks, which is rare."""


class _InvalidResponseError(Exception):
    """The response is not HTTP/1.1, or it ended early."""


class UntrustedCertificate(Unreachable):
    """The certificate of the server is not trusted by the root certificates of this Python; nothing was sent."""


class SocketTransport:
    """Sends requests over sockets; connections stay open for further requests to the same server."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._idle: dict[tuple[str, str], list[_HttpConnection]] = {}
        self._process = os.getpid()
        self._tls: ssl.SSLContext | None = None

    def send(self, request: Request, timeout: float, clock: Callable[[], float]) -> Response:
        """Send one request, as described at `BlockingTransport.send`."""
        scheme, host, target = _split_url(request)
        check_headers(request)
        deadline = monotonic() + timeout
        server = scheme, host
        connection = self._idle_connection(server) or self._connect(request, server, timeout)
        try:
            response = connection.exchange(request, host, target, deadline, clock)
        except TimeoutError:
            raise timed_out(request) from None
        except _InvalidResponseError as error:
            raise interrupted(request, error) from None
        except OSError as error:
            raise interrupted(request, error.strerror or type(error).__name__) from None
        except (RuntimeError, MemoryError) as error:
            raise out_of_resources(request, error, sent=True) from None
        finally:
            self._release(server, connection)
        return response

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle = {}

    def _release(self, server: tuple[str, str], connection: _HttpConnection) -> None:
        """Keep a connection for further requests, and close those that were idle for too long."""
        if not connection.is_reusable:
            connection.close()
            return
        with self._lock:
            idle = self._idle.setdefault(server, [])
            idle.append(connection)
            while idle and idle[0].is_expired():  # the longest unused one is the first
                idle.pop(0).close()

    def _idle_connection(self, server: tuple[str, str]) -> _HttpConnection | None:
        """Return an open connection to a server, or None; ones that the server has closed are dropped."""
        with self._lock:
            if self._process != os.getpid():  # two processes on one connection would mix their responses
                for inherited in (one for connections in self._idle.values() for one in connections):
                    inherited.close()  # in this process only
                self._idle, self._process = {}, os.getpid()
            idle = self._idle.get(server, [])
            while idle:
                connection = idle.pop()
                if connection.is_open():
                    return connection
                connection.close()
        return None

    def _connect(self, request: Request, server: tuple[str, str], timeout: float) -> _HttpConnection:
        scheme = server[0]
        parts = urlsplit(f"{scheme}://{server[1]}")
        # As bytes: for text, `socket` and `ssl` import the tables of international names, which no cloud needs.
        host = (parts.hostname or "").encode("ascii")
        deadline = monotonic() + min(timeout, CONNECT_TIMEOUT)
        try:
            opened = _open_socket(host, parts.port or (443 if scheme == "https" else 80), deadline)
            return _HttpConnection(self._encrypted(opened, host) if scheme == "https" else opened)
        except ssl.SSLCertVerificationError as error:
            failure = not_connected(request, f"its certificate is not trusted: {error.verify_message}")
            untrusted = UntrustedCertificate(failure.message, advice=failure.advice)
            untrusted.sent = False
            raise untrusted from None
        except (OSError, MemoryError) as error:
            if isinstance(error, MemoryError) or getattr(error, "errno", None) in _RESOURCES:
                raise out_of_resources(request, error, sent=False) from None
            raise not_connected(request, getattr(error, "strerror", None) or "it timed out") from None

    def _encrypted(self, opened: socket.socket, host: bytes) -> ssl.SSLSocket:
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
                self._tls.set_alpn_protocols(["http/1.1"])
        try:
            return self._tls.wrap_socket(opened, server_hostname=host)
        except BaseException:
            opened.close()
            raise


def _split_url(request: Request) -> tuple[str, str, str]:
    """Return scheme, host with port, and path with query of a request; raises `ConfigError` for an invalid URL."""
    if usual := _URL.fullmatch(request.url):
        return usual[1], usual[2], usual[3]
    scheme, _, rest = checked_url(request).partition("://")
    end = next((at for at, character in enumerate(rest) if character in "/?"), len(rest))
    return scheme.lower(), rest[:end].rpartition("@")[2], rest[end:] if rest[end : end + 1] == "/" else f"/{rest[end:]}"


def _open_socket(host: bytes, port: int, deadline: float) -> socket.socket:
    """Return a socket that is connected to one of the addresses of a host."""
    failure: OSError = OSError("it has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(_remaining(deadline))
            opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    raise failure


class _HttpConnection:
    """One open connection: sends one request at a time and reads its response."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._buffer = bytearray()
        self._deadline = 0.0
        self._used_at = 0.0
        self.is_reusable = False

    def is_open(self) -> bool:
        """Return whether the connection can take another request: the server has not closed it, nor sent anything."""
        if self.is_expired():
            return False
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            if not poll.poll(0):
                return True
        # Something was received: the end, or records of TLS that are no data.
        self._socket.settimeout(0)
        try:
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def is_expired(self) -> bool:
        """Return whether the connection was idle for too long."""
        return monotonic() - self._used_at > _IDLE_SECONDS

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def exchange(
        self, request: Request, host: str, target: str, deadline: float, clock: Callable[[], float]
    ) -> Response:
        """Send a request and return the response."""
        self.is_reusable, self._deadline = False, deadline
        self._socket.settimeout(_remaining(deadline))
        self._socket.sendall(_encoded(request, host, target))
        status, is_persistent, headers = self._head()
        while status // 100 == 1 and status != 101:
            status, is_persistent, headers = self._head()
        body = ReceivedBody(request, ", ".join(headers.get("content-encoding", ())))
        length = self._length(status, headers)
        chunks = self._chunks() if length == -1 else self._counted(length)
        while body.append(next(chunks, b"")):
            pass
        self._used_at = monotonic()
        if "connection" in headers:
            options = ",".join(headers["connection"]).lower().replace(" ", "").split(",")
            is_persistent = is_persistent and "close" not in options
        shown = _without_unprintable(headers)
        first = {name: values[0] for name, values in shown.items()}
        response = Response(status, first, shown.get("set-cookie", []), body.content(), clock())
        self.is_reusable = is_persistent and length is not None and not self._buffer
        return response

    def _head(self) -> tuple[int, bool, dict[str, list[str]]]:
        """Return the status, whether the connection stays open by the version of HTTP, and the headers by name."""
        text = self._until(b"\r\n\r\n")
        head = _HEAD.fullmatch(text)
        if head is None:
            raise _InvalidResponseError("the response is not valid HTTP")
        headers: dict[str, list[str]] = {}
        for line in text.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), []).append(value.strip(" \t"))
        return int(head[2]), head[1] == b"1", headers

    @staticmethod
    def _length(status: int, headers: dict[str, list[str]]) -> int | None:
        """Return the length of the body, -1 if it is chunked, or None if it ends with the connection."""
        if status in (204, 304):
            return 0
        encodings, lengths = headers.get("transfer-encoding", ()), headers.get("content-length", ())
        if any(encodings):
            if ", ".join(encodings).lower() == "chunked" and not any(lengths):
                return -1
            raise _InvalidResponseError("the response is not valid HTTP")
        if not lengths:
            return None
        length = lengths[0]
        if len(set(lengths)) > 1 or not (length.isascii() and length.isdigit() and len(length) <= _MAX_DIGITS):
            raise _InvalidResponseError("the response is not valid HTTP")
        return int(length)

    def _counted(self, length: int | None) -> Iterator[bytes]:
        """Yield the parts of a body of known length, or of one that ends with the connection."""
        while length is None or length > 0:
            if not self._buffer and not self._receive():
                if length is None:
                    return
                raise _InvalidResponseError("the response is incomplete")
            part = bytes(memoryview(self._buffer)[:length])
            del self._buffer[:length]
            length = None if length is None else length - len(part)
            yield part

    def _chunks(self) -> Iterator[bytes]:
        """Yield the parts of a chunked body."""
        while True:
            size = re.fullmatch(_CHUNK_SIZE, self._until(b"\r\n"))
            if size is None:
                raise _InvalidResponseError("the response is not valid HTTP")
            if (length := int(size[1], 16)) == 0:
                break
            yield from self._counted(length)
            if self._until(b"\r\n"):
                raise _InvalidResponseError("the response is not valid HTTP")
        trailers = 0
        while line := self._until(b"\r\n"):
            trailers += len(line)
            if trailers > _MAX_HEAD:
                raise _InvalidResponseError("the headers of the response are too long")

    def _until(self, end: bytes) -> bytes:
        """Return what is received before `end`, and remove both from the buffer."""
        searched = 0
        while (at := self._buffer.find(end, searched)) < 0:
            searched = max(len(self._buffer) - len(end) + 1, 0)
            if len(self._buffer) > _MAX_HEAD:
                raise _InvalidResponseError("the headers of the response are too long")
            if not self._receive():
                raise _InvalidResponseError(
                    "the server closed it" if not self._buffer else "the response is incomplete"
                )
        found = bytes(self._buffer[:at])
        del self._buffer[: at + len(end)]
        return found

    def _receive(self) -> bool:
        """Receive what is there; return False at the end of the connection."""
        self._socket.settimeout(_remaining(self._deadline))
        size = len(self._buffer)
        self._buffer += self._socket.recv(_CHUNK)
        return len(self._buffer) > size


def _without_unprintable(headers: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the headers without values that contain control or non-ASCII characters."""
    joined = "".join(["".join(values) for values in headers.values()])
    if joined.isascii() and joined.isprintable():
        return headers
    shown = {
        name: [one for one in map(str.strip, values) if one.isascii() and one.replace("\t", " ").isprintable()]
        for name, values in headers.items()
    }
    return {name: values for name, values in shown.items() if values}


def _encoded(request: Request, host: str, target: str) -> bytes:
    headers = {"Host": host, "Accept-Encoding": ACCEPTED_ENCODING, **request.headers}
    if request.body is not None:
        headers["Content-Length"] = str(len(request.body))
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return f"{request.verb} {target} HTTP/1.1\r\n{lines}\r\n".encode("ascii") + (request.body or b"")


def _remaining(deadline: float) -> float:
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
