"""HTTP requests over shared connection pools, blocking and async. The only importer of the HTTP library.

All accounts share one connection pool per process (and one per event loop); cookies, tokens and redirects belong to
the session, so the pool holds no data of an account.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from pyreqwest.exceptions import ConnectError, ConnectTimeoutError, PyreqwestError, RequestTimeoutError

from heliograph.core.redact import redact_url
from heliograph.core.session import Request, Response
from heliograph.errors import ConfigError, Unreachable, Unreadable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pyreqwest.bytes import Bytes
    from pyreqwest.client import Client, SyncClient
    from pyreqwest.response import BaseResponse

TIMEOUT = 30.0
CONNECT_TIMEOUT = 10.0
MAX_BODY = 2_000_000
"""Bytes of a response body after decompression; larger responses are not read to their end.

The largest captured response has 23 kB, the largest one of the emulator (a day curve of SEMS+) 56 kB.
"""

# The HTTP library raises ValueError for headers that it cannot send, and RuntimeError if the operating system refuses
# sockets, threads or memory; importing its client is an OSError if no file can be opened.
_FAILURES = (PyreqwestError, ValueError, RuntimeError, MemoryError, OSError)

_blocking_pool: SyncClient | None = None
_pool_lock = threading.Lock()
_async_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = WeakKeyDictionary()


def _configured(builder: Any) -> Any:
    return (
        builder.follow_redirects(False)
        .default_cookie_store(False)
        .http1_only()
        .connect_timeout(timedelta(seconds=CONNECT_TIMEOUT))
        .timeout(timedelta(seconds=TIMEOUT))
    )


def blocking_pool() -> SyncClient:
    """Return the connection pool of the process."""
    global _blocking_pool  # noqa: PLW0603 - one pool for all accounts is the point
    if _blocking_pool is None:
        from pyreqwest.client import SyncClientBuilder  # noqa: PLC0415

        with _pool_lock:
            if _blocking_pool is None:
                _blocking_pool = _configured(SyncClientBuilder()).build()
    return _blocking_pool


def async_pool() -> Client:
    """Return the connection pool of the running event loop."""
    from asyncio import get_running_loop  # noqa: PLC0415 - the blocking client never needs it

    from pyreqwest.client import ClientBuilder  # noqa: PLC0415

    loop = get_running_loop()
    if loop not in _async_pools:
        _async_pools[loop] = _configured(ClientBuilder()).build()
    return _async_pools[loop]


def send(request: Request, timeout: float = TIMEOUT, clock: Callable[[], float] = time) -> Response:
    """Send one request and return the whole response.

    Raises `Unreachable` without a complete response, `Unreadable` if the body is larger than `MAX_BODY`.
    """
    body = bytearray()
    try:
        with _streamed(blocking_pool, request, timeout) as response:
            while (chunk := response.body_reader.read_chunk()) is not None:
                _append(body, chunk, request)
            return _response(response, body, clock())
    except _FAILURES as error:
        body.clear()  # tracebacks that show local variables would contain a received token
        raise _unreachable(request, error, sent=True) from None


async def send_async(
    request: Request,
    timeout: float = TIMEOUT,  # noqa: ASYNC109
    clock: Callable[[], float] = time,
) -> Response:
    """Send one request and return the whole response; raises the same errors as `send`."""
    body = bytearray()
    try:
        async with _streamed(async_pool, request, timeout) as response:
            while (chunk := await response.body_reader.read_chunk()) is not None:
                _append(body, chunk, request)
            return _response(response, body, clock())
    except _FAILURES as error:
        body.clear()  # tracebacks that show local variables would contain a received token
        raise _unreachable(request, error, sent=True) from None


def _streamed(pool: Callable[[], Any], request: Request, timeout: float) -> Any:
    """Return the request as a context manager that sends it when it is entered."""
    try:
        return _built(pool(), request, timeout)
    except _FAILURES as error:
        raise _unreachable(request, error, sent=False) from None


def _built(pool: Any, request: Request, timeout: float) -> Any:
    try:
        builder = pool.request(request.verb, request.url)
    except ValueError as error:
        raise ConfigError(f"{redact_url(request.url)!r} is not a valid URL ({error})") from None
    builder = builder.headers(request.headers)
    if timeout != TIMEOUT:
        builder = builder.timeout(timedelta(seconds=timeout))
    if request.body == b"":
        # The library sends no length for an empty body, and some servers require one.
        builder = builder.header("Content-Length", "0")
    elif request.body is not None:
        builder = builder.body_bytes(request.body)
    return builder.build_streamed()


def _append(body: bytearray, chunk: Bytes, request: Request) -> None:
    if len(body) + len(chunk) > MAX_BODY:
        raise Unreadable(
            f"response too large: {_host(request)} sent more than {MAX_BODY // 1_000_000} MB",
            advice="Check the server's address; another program may be answering there",
        )
    body += chunk


def _response(response: BaseResponse, body: bytearray, at: float) -> Response:
    headers, cookies = _headers(response)
    return Response(response.status, headers, cookies, bytes(body), at)


def _headers(response: BaseResponse) -> tuple[dict[str, str], list[str]]:
    """Return the first value of each header, and all cookies, without values that contain non-ASCII characters."""
    received = response.headers
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name in list(received.keys()):
        try:
            value = received.pop(name)
        except ValueError:  # the library returns no bytes; pop has removed this value nevertheless
            continue
        headers.setdefault(name, value)
        if name == "set-cookie":
            cookies.append(value)
    return headers, cookies


def _unreachable(request: Request, error: Exception, *, sent: bool) -> Unreachable:
    host = _host(request)
    causes = [cause["message"] for cause in (getattr(error, "details", None) or {}).get("causes") or ()]
    # ConnectError is also raised if the connection is reset after the request was sent.
    connected = not isinstance(error, ConnectError | ConnectTimeoutError) or "client error (Connect)" not in causes
    if isinstance(error, RequestTimeoutError):
        failure = Unreachable(f"no answer from {host} in time", advice="Try again in a minute")
        failure.timed_out = True
    elif not (sent and isinstance(error, PyreqwestError)):
        # The text of a ValueError may contain a header, and so the session.
        reason = "a header contains invalid characters" if isinstance(error, ValueError) else str(error) or "no memory"
        failure = Unreachable(
            f"the request to {host} failed in this program: {reason}",
            advice="Log in again" if isinstance(error, ValueError) else "Check the limits of memory and open files",
        )
    elif connected:
        reason = causes[-1] if causes else error.message
        failure = Unreachable(f"the connection to {host} failed: {reason}", advice="Try again in a minute")
    else:
        failure = Unreachable(
            f"no connection to {host}: {causes[-1]}",
            advice="Check the network and the server's address, then try again",
        )
    failure.sent = sent and connected
    return failure


def _host(request: Request) -> str:
    return urlsplit(redact_url(request.url)).netloc
