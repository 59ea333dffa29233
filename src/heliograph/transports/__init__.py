"""HTTP transports: what sends the requests of the clients. docs/transports.md is the contract in full.

A transport sends one request and returns the whole response. Without `transport=` a client uses the default one: one
connection pool per process, and one per event loop, shared by all accounts. Cookies, tokens and redirects belong to the
session of the account, so a transport holds no data of an account.

The default HTTP library is imported in `pyreqwest_pool.py` only, and chosen in `send` and `send_async` only.
"""

from __future__ import annotations

from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Any, overload

from heliograph.errors import ConfigError
from heliograph.transports.contract import TIMEOUT, AsyncTransport, BlockingTransport
from heliograph.transports.failures import out_of_resources

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp as aiohttp_library
    import httpx as httpx_library

    from heliograph.core.session import Request, Response
    from heliograph.transports.aiohttp_session import AiohttpTransport
    from heliograph.transports.httpx_client import AsyncHttpxTransport, BlockingHttpxTransport
    from heliograph.transports.sockets import SocketTransport

__all__ = [
    "TIMEOUT",
    "AsyncTransport",
    "BlockingTransport",
    "aiohttp",
    "httpx",
    "send",
    "send_async",
    "send_function",
    "standard_library",
]


def send(request: Request, timeout: float = TIMEOUT, clock: Callable[[], float] = time) -> Response:
    """Send a request over the default transport of the process, as described at `BlockingTransport.send`."""
    try:
        from heliograph.transports import default  # noqa: PLC0415 - only if a request is sent
    except OSError as error:  # no file can be opened
        raise out_of_resources(request, error, sent=False) from None
    return default.send(request, timeout, clock)


async def send_async(
    request: Request,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 - the contract of both kinds of transports
    clock: Callable[[], float] = time,
) -> Response:
    """Send a request over the default transport of the event loop, as described at `BlockingTransport.send`."""
    try:
        from heliograph.transports.pool_loader import load_pool  # noqa: PLC0415 - not by most blocking programs

        pool = load_pool()
    except OSError as error:  # a limit of open files or memory
        raise out_of_resources(request, error, sent=False) from None
    response: Response = await pool.send_async(request, timeout, clock)
    return response


def send_function(transport: BlockingTransport | AsyncTransport | None, *, asynchronous: bool) -> Callable[..., Any]:
    """Return the function that sends requests over a transport, or over the default one; checks its kind."""
    if transport is None:
        if asynchronous:
            with suppress(OSError):  # reported with the first request
                # Not on the event loop, where the first request is sent.
                from heliograph.transports.pool_loader import load_pool  # noqa: PLC0415

                load_pool()
        return send_async if asynchronous else send
    from inspect import iscoroutinefunction  # noqa: PLC0415 - only if a transport is passed

    if iscoroutinefunction(transport.send) != asynchronous:
        kinds = ("a blocking", "an async")
        raise ConfigError(
            f"{type(transport).__name__} is {kinds[not asynchronous]} transport, and this is {kinds[asynchronous]} "
            "client; the names of async clients begin with Async"
        )
    return transport.send


def aiohttp(session: aiohttp_library.ClientSession) -> AiohttpTransport:
    """Return a transport over an aiohttp session, which the caller owns and closes.

    The session must not store cookies: `aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())`. Its proxies, TLS
    settings and default headers apply. Needs `heliograph[aiohttp]`.
    """
    from heliograph.transports.aiohttp_session import AiohttpTransport  # noqa: PLC0415 - only if aiohttp is used

    return AiohttpTransport(session)


@overload
def httpx(client: httpx_library.AsyncClient) -> AsyncHttpxTransport: ...
@overload
def httpx(client: httpx_library.Client) -> BlockingHttpxTransport: ...
def httpx(client: Any) -> AsyncHttpxTransport | BlockingHttpxTransport:
    """Return a transport over an httpx client, async or blocking, which the caller owns and closes.

    Its proxies and TLS settings apply; its cookies, default headers and authentication do not. Needs
    `heliograph[httpx]`.
    """
    import httpx as httpx_library  # noqa: PLC0415 - only if httpx is used

    from heliograph.transports.httpx_client import AsyncHttpxTransport, BlockingHttpxTransport  # noqa: PLC0415

    if isinstance(client, httpx_library.AsyncClient):
        return AsyncHttpxTransport(client)
    if isinstance(client, httpx_library.Client):
        return BlockingHttpxTransport(client)
    raise ConfigError(f"transports.httpx needs an httpx.AsyncClient or httpx.Client, not a {type(client).__name__}")


def standard_library() -> SocketTransport:
    """Return a blocking transport over `socket` and `ssl`, which needs no compiled package.

    It uses `SSL_CERT_FILE` or the root certificates of OpenSSL, and no proxy. Its `close` closes idle connections.
    """
    from heliograph.transports.sockets import SocketTransport  # noqa: PLC0415 - only if it is used

    return SocketTransport()
