"""Errors of transports: what happened, whether the request may have been sent, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from heliograph.core.redact import redact_url
from heliograph.errors import ConfigError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heliograph.core.session import Request

# Everything that has a meaning in a URL, and the percent sign of what is encoded already.
_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;=~|{}^`\\\""


def host_of(request: Request) -> str:
    """Return host and port of a request, for messages."""
    return urlsplit(redact_url(request.url)).netloc


def checked_url(request: Request) -> str:
    """Return the URL of a request with characters escaped that no request may contain, and without its fragment.

    Raises `ConfigError` for an invalid one.
    """
    try:
        parts = urlsplit(request.url)
        reason = "" if parts.hostname and parts.port != 0 else "it has no host"
    except ValueError as error:
        reason = str(error)
    else:
        if parts.scheme not in ("http", "https"):
            reason = "it does not begin with https://"
    if reason:
        raise ConfigError(f"{redact_url(request.url)!r} is not a valid URL ({reason})")
    url = request.url.partition("#")[0]
    return url if url.isascii() and url.isprintable() and " " not in url else quote(url, safe=_URL_CHARACTERS)


def check_headers(request: Request) -> None:
    """Raise `Unreachable` if a header contains characters that cannot be sent."""
    if not (_can_be_sent(request.headers) and _can_be_sent(request.headers.values())):
        raise invalid_header(request)


def _can_be_sent(texts: Iterable[str]) -> bool:
    joined = "".join(texts)
    return joined.isascii() and joined.isprintable()


def invalid_header(request: Request) -> Unreachable:
    """Return the error of a header that cannot be sent; its value may be a session, so it is not part of the text."""
    return _failure(
        f"the request to {host_of(request)} failed in this program: a header contains invalid characters",
        "Log in again",
        sent=False,
    )


def out_of_resources(request: Request, error: Exception, *, sent: bool) -> Unreachable:
    """Return the error of a system that refuses sockets, threads or memory."""
    text = f"the request to {host_of(request)} failed in this program: {str(error) or 'no memory'}"
    return _failure(text, "Check the limits of memory and open files", sent=sent)


def not_connected(request: Request, reason: object) -> Unreachable:
    """Return the error of a request that was not sent, because there is no connection."""
    text = f"no connection to {host_of(request)}: {reason}"
    return _failure(text, "Check the network and the server's address, then try again", sent=False)


def interrupted(request: Request, reason: object) -> Unreachable:
    """Return the error of a connection that failed when the request may have been sent."""
    return _failure(f"the connection to {host_of(request)} failed: {reason}", "Try again in a minute", sent=True)


def timed_out(request: Request) -> Unreachable:
    """Return the error of a response that was not complete in time; the server may have received the request."""
    failure = _failure(f"no answer from {host_of(request)} in time", "Try again in a minute", sent=True)
    failure.timed_out = True
    return failure


def _failure(text: str, advice: str, *, sent: bool) -> Unreachable:
    failure = Unreachable(text, advice=advice)
    failure.sent = sent
    return failure
