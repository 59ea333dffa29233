"""The transport over an aiohttp session of the caller, such as the one of Home Assistant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

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

_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientSSLError)


class _SentOnceError(Exception):
    """Carries a connection error past aiohttp, which sends a GET again after such an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


async def _send_once(request: aiohttp.ClientRequest, handler: Any) -> Any:
    try:
        return await handler(request)
    except _NOT_CONNECTED:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _SentOnceError(error) from None


# Before 3.12 aiohttp has no middlewares, and sends a GET once more if the server closes the connection.
_ONCE: dict[str, Any] = {"middlewares": (_send_once,)} if hasattr(aiohttp, "ClientMiddlewareType") else {}


class AiohttpTransport:
    """Sends requests over an aiohttp session without a cookie jar."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        if not isinstance(session.cookie_jar, aiohttp.DummyCookieJar):
            raise ConfigError(
                "the aiohttp session stores cookies and so would mix accounts; create it with "
                "aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())"
            )
        self._session = session

    async def send(
        self,
        request: Request,
        timeout: float,  # noqa: ASYNC109
        clock: Callable[[], float],
    ) -> Response:
        """Send one request, as described at `AsyncTransport.send`."""
        url = URL(checked_url(request), encoded=True)
        check_headers(request)
        if self._session.closed:
            raise ConfigError("the aiohttp session of this client is closed; create a client with an open one")
        try:
            async with self._session.request(
                request.verb,
                url,
                headers={"Accept-Encoding": ACCEPTED_ENCODING, **request.headers},
                data=request.body,
                skip_auto_headers=("User-Agent", "Content-Type"),
                allow_redirects=False,
                raise_for_status=False,
                auto_decompress=False,  # `ReceivedBody` does it, with the size limit
                timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT),
                **_ONCE,
            ) as response:
                body = ReceivedBody(request, response.headers.get("Content-Encoding", ""))
                try:
                    while body.append(await response.content.readany()):
                        pass
                except BaseException:
                    response.close()  # what is left of the body is not read
                    raise
                return body.response(response.status, response.raw_headers, clock())
        except _NOT_CONNECTED as error:
            raise not_connected(request, getattr(error, "strerror", None) or error) from None
        except TimeoutError:
            raise timed_out(request) from None
        except (aiohttp.ClientError, _SentOnceError) as error:
            raise interrupted(request, _reason(error)) from None
        except (OSError, RuntimeError, MemoryError) as error:
            raise out_of_resources(request, error, sent=True) from None


def _reason(error: Exception) -> str:
    """Return why a connection failed; the text of a parser error may contain parts of the response."""
    cause = error.error if isinstance(error, _SentOnceError) else error
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return "the server closed it"
    if isinstance(cause, OSError):
        return cause.strerror or type(cause).__name__
    if isinstance(cause, aiohttp.ClientPayloadError):
        return "the response is incomplete or damaged"
    return f"the response is not valid HTTP ({type(cause).__name__})"
