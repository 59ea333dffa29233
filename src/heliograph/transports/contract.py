"""The contract of transports, blocking and async, and their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.core.session import Request, Response

TIMEOUT = 30.0
"""Seconds from the start of a request to the end of its response."""
CONNECT_TIMEOUT = 10.0
"""Seconds until a connection is open."""


class BlockingTransport(Protocol):
    """Sends requests on the calling thread; called by several threads at a time."""

    def send(self, request: Request, timeout: float, clock: Callable[[], float]) -> Response:
        """Send one request once and return the whole response, whatever its status.

        The URL is sent as it is encoded, with the request's headers and no cookies of the transport's own; redirects
        are returned, not followed. `timeout` is in seconds and covers the connection, the request and the body.
        The response has the first value of each header by its name in lower case, every `set-cookie` line, the body
        after decompression, and `clock()` when the body was complete.

        Raises `Unreachable` without a complete response: `sent` is False only if the server cannot have received the
        request, `timed_out` is True after `timeout`. Raises `Unreadable` for a body of more than `MAX_BODY` bytes
        (`response.py`), which is not read to its end, and `ConfigError` for an invalid URL. No other error is raised,
        and no error contains a header, a body or the query of a URL.
        """


class AsyncTransport(Protocol):
    """Sends requests on the running event loop, which it never blocks; several at a time."""

    async def send(
        self,
        request: Request,
        timeout: float,  # noqa: ASYNC109 - the contract of both kinds of transports
        clock: Callable[[], float],
    ) -> Response:
        """Send one request as `BlockingTransport.send` does; a cancelled call closes the connection."""
