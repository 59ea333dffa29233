"""The transports over an httpx client of the caller, async and blocking."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import httpx

from heliograph.errors import ConfigError
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
    from heliograph.errors import Unreachable

_FAILURES = (httpx.HTTPError, httpx.StreamError, OSError, RuntimeError, MemoryError)
_NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class AsyncHttpxTransport:
    """Sends requests over an `httpx.AsyncClient`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(
        self,
        request: Request,
        timeout: float,  # noqa: ASYNC109
        clock: Callable[[], float],
    ) -> Response:
        """Send one request, as described at `AsyncTransport.send`."""
        prepared = _prepared(self._client, request, timeout)
        try:
            async with asyncio.timeout(timeout):
                response = await self._client.send(prepared, stream=True, follow_redirects=False, auth=None)
                try:
                    _remove_cookies(self._client, response)
                    body = ReceivedBody(request, response.headers.get("content-encoding", ""))
                    chunks = response.aiter_raw()
                    while body.append(await anext(chunks, b"")):
                        pass
                finally:
                    await response.aclose()
        except _FAILURES as error:
            raise _failure(request, error) from None
        return body.response(response.status_code, response.headers.raw, clock())


class BlockingHttpxTransport:
    """Sends requests over an `httpx.Client`, each on a thread of its own: httpx limits single reads only."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def send(self, request: Request, timeout: float, clock: Callable[[], float]) -> Response:
        """Send one request, as described at `BlockingTransport.send`."""
        prepared = _prepared(self._client, request, timeout)
        done: Future[Response] = Future()
        threading.Thread(target=self._receive, args=(request, prepared, clock, done), daemon=True).start()
        try:
            return done.result(timeout)
        except TimeoutError:
            done.cancel()
            raise timed_out(request) from None
        except _FAILURES as error:
            raise _failure(request, error) from None

    def _receive(
        self, request: Request, prepared: httpx.Request, clock: Callable[[], float], done: Future[Response]
    ) -> None:
        try:
            response = self._client.send(prepared, stream=True, follow_redirects=False, auth=None)
            try:
                _remove_cookies(self._client, response)
                body = ReceivedBody(request, response.headers.get("content-encoding", ""))
                chunks = response.iter_raw()
                while body.append(next(chunks, b"")) and not done.cancelled():
                    pass
            finally:
                response.close()
            result = body.response(response.status_code, response.headers.raw, clock())
            if done.set_running_or_notify_cancel():
                done.set_result(result)
        except BaseException as error:  # noqa: BLE001 - raised on the calling thread
            if not done.cancelled():
                done.set_exception(error)


def _prepared(client: httpx.Client | httpx.AsyncClient, request: Request, timeout: float) -> httpx.Request:
    """Return the request without what the client would add: cookies, default headers and authentication."""
    url = httpx.URL(checked_url(request))
    check_headers(request)
    if client.is_closed:
        raise ConfigError("the httpx client of this client is closed; create a client with an open one")
    limits = {"connect": min(timeout, CONNECT_TIMEOUT), "read": timeout, "write": timeout, "pool": timeout}
    extensions: dict[str, Any] = {"timeout": limits, "target": _target(checked_url(request))}
    headers = {"Accept-Encoding": ACCEPTED_ENCODING, **request.headers}
    return httpx.Request(request.verb, url, headers=headers, content=request.body, extensions=extensions)


def _target(url: str) -> bytes:
    """Return path and query as they are encoded; httpx would encode some characters once more."""
    _, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if not slash and "?" in host:
        path = "?" + host.partition("?")[2]
    return b"/" + path.encode("ascii")


def _remove_cookies(client: httpx.Client | httpx.AsyncClient, response: httpx.Response) -> None:
    """Remove the cookies of a response from the client, which would send them with requests of other accounts."""
    for cookie in response.cookies.jar:
        try:
            client.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)
        except KeyError:  # the client did not store it
            continue


def _failure(request: Request, error: Exception) -> Unreachable:
    if isinstance(error, _NOT_CONNECTED):
        return not_connected(request, error)
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return timed_out(request)
    if isinstance(error, httpx.RemoteProtocolError):
        return interrupted(request, "the server closed it, or its response is not valid HTTP")
    if isinstance(error, httpx.HTTPError | httpx.StreamError):
        return interrupted(request, str(error) or type(error).__name__)
    return out_of_resources(request, error, sent=True)
