"""The default transport: pyreqwest, with one connection pool per process and one per event loop. Its only importer."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pyreqwest.client import ClientBuilder, SyncClientBuilder
from pyreqwest.exceptions import ConnectError, ConnectTimeoutError, PyreqwestError, RequestTimeoutError

from heliograph.core.redact import redact_url
from heliograph.errors import ConfigError
from heliograph.transports.contract import CONNECT_TIMEOUT, TIMEOUT
from heliograph.transports.failures import (
    checked_url,
    interrupted,
    invalid_header,
    not_connected,
    out_of_resources,
    timed_out,
)
from heliograph.transports.response import ReceivedBody

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from pyreqwest.client import Client, SyncClient
    from pyreqwest.response import BaseResponse

    from heliograph.core.session import Request, Response
    from heliograph.errors import Unreachable

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
        with _pool_lock:
            if _blocking_pool is None:
                _blocking_pool = _configured(SyncClientBuilder()).build()
    return _blocking_pool


def async_pool() -> Client:
    """Return the connection pool of the running event loop."""
    from asyncio import get_running_loop  # noqa: PLC0415 - the blocking client never needs it

    loop = get_running_loop()
    if loop not in _async_pools:
        _async_pools[loop] = _configured(ClientBuilder()).build()
    return _async_pools[loop]


def send(request: Request, timeout: float, clock: Callable[[], float]) -> Response:
    """Send one request, as described at `BlockingTransport.send`."""
    try:
        with _streamed(blocking_pool, request, timeout) as response:
            body = ReceivedBody(request)
            while body.append(response.body_reader.read_chunk() or b""):
                pass
            return body.response(response.status, _headers(response), clock())
    except _FAILURES as error:
        raise _failure(request, error, sent=True) from None


async def send_async(
    request: Request,
    timeout: float,  # noqa: ASYNC109
    clock: Callable[[], float],
) -> Response:
    """Send one request, as described at `AsyncTransport.send`."""
    try:
        async with _streamed(async_pool, request, timeout) as response:
            body = ReceivedBody(request)
            while body.append(await response.body_reader.read_chunk() or b""):
                pass
            return body.response(response.status, _headers(response), clock())
    except _FAILURES as error:
        raise _failure(request, error, sent=True) from None


def _streamed(pool: Callable[[], Any], request: Request, timeout: float) -> Any:
    """Return the request as a context manager that sends it when it is entered."""
    try:
        return _built(pool(), request, timeout)
    except _FAILURES as error:
        raise _failure(request, error, sent=False) from None


def _built(pool: Any, request: Request, timeout: float) -> Any:
    try:
        builder = pool.request(request.verb, checked_url(request))
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


def _headers(response: BaseResponse) -> Iterator[tuple[bytes, bytes]]:
    received = response.headers
    for name in list(received.keys()):
        try:
            value = received.pop(name)
        except ValueError:  # not ASCII, and the library returns no bytes; pop has removed the value nevertheless
            continue
        yield name.encode(), value.encode()


def _failure(request: Request, error: Exception, *, sent: bool) -> Unreachable:
    """Return the error of a request that failed; `sent` is False before the library began to send it."""
    causes = [cause["message"] for cause in (getattr(error, "details", None) or {}).get("causes") or ()]
    if isinstance(error, RequestTimeoutError):
        return timed_out(request)
    if isinstance(error, ValueError):
        return invalid_header(request)
    if not (sent and isinstance(error, PyreqwestError)):
        return out_of_resources(request, error, sent=sent)
    # ConnectError is also raised if the connection is reset after the request was sent.
    if isinstance(error, ConnectError | ConnectTimeoutError) and "client error (Connect)" in causes:
        return not_connected(request, causes[-1])
    return interrupted(request, causes[-1] if causes else error.message)
