"""HTTP for sinks: URL checks, requests through the clients' connection pool, and the error of each response status."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heliograph.core.redact import SECRETS, SecretMasker, excerpt, redact_url
from heliograph.core.session import Request
from heliograph.errors import ConfigError, Unreachable, Unreadable
from heliograph.outputs.sink import RetryLater, SinkRejected
from heliograph.transports import send_async

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heliograph.core.redact import Secret
    from heliograph.core.session import Response

# These concern the content of the request; any other request may succeed later.
_REJECTED = frozenset((400, 409, 413, 422))
_TEMPORARY = frozenset((408, 425, 429))
_USER_ERROR_RETRY = 600.0
"""Seconds between attempts while the user has to fix the URL, the secret or its permissions."""
_GONE_RETRY = 24 * 3600.0
_LOCAL_SUFFIXES = (".local", ".localhost", ".lan", ".internal", ".home.arpa")


class SinkEndpoint:
    """The URL of a sink and the secrets that must not appear in messages."""

    def __init__(self, url: str, *secrets: str) -> None:
        """Check the URL; raises `ConfigError` if data and secrets must not be sent there."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise ConfigError("an output's url is invalid; write it like https://example.com/path") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError(f"an output's url must begin with https://; got {redact_url(url)!r}")
        if "@" in parts.netloc:
            raise ConfigError("an output's url must not contain a user name or password; remove the part before the @")
        if parts.scheme == "http" and not is_local_host(host):
            raise ConfigError(f"data and secrets would be sent to {host} unencrypted; use https://")
        self._url = url
        self._secrets = secrets
        self.host = parts.netloc
        """Host and port, not secret."""

    async def post(self, headers: Mapping[str, str], body: bytes, clock: Callable[[], float]) -> Response:
        """Return the response, whatever its status; raises `RetryLater` if there is none. Follows no redirects."""
        try:
            return await send_async(Request("POST", self._url, headers, body), clock=clock)
        except Unreachable as error:
            raise RetryLater(SecretMasker(self._secrets).mask(error.message)) from None
        except Unreadable as error:  # too large
            text = f"{error.message}. {error.advice}"
            raise RetryLater(SecretMasker(self._secrets).mask(text), _USER_ERROR_RETRY) from None

    def describe(self, response: Response) -> str:
        """Return status and excerpt of a response without secrets, for messages."""
        token = SECRETS.set(lambda: self._secrets)
        try:
            text = excerpt(response.body)
        finally:
            SECRETS.reset(token)
        return f"{self.host} returned {response.status}" + (f": {text}" if text else "")

    def raise_for_status(self, response: Response) -> None:
        """Raise the error of any status but 2xx.

        `SinkRejected` if the samples are at fault. Else `RetryLater`: soon, or after `Retry-After`, for temporary
        server errors; in ten minutes for errors the user has to fix (URL, secret, permissions); in a day for 410.
        """
        status = response.status
        if 200 <= status < 300:
            return
        if status in _REJECTED:
            raise SinkRejected(self.describe(response))
        if status in _TEMPORARY or status >= 500:
            raise RetryLater(self.describe(response), retry_after(response))
        raise RetryLater(self.describe(response), _GONE_RETRY if status == 410 else _USER_ERROR_RETRY)


def header_secret(secret: Secret) -> str:
    """Reveal a secret for use in a header; raises `ConfigError` for characters that headers cannot carry."""
    text = secret.reveal()
    if not text.isascii() or not text.isprintable():
        raise ConfigError("an output's token or key contains invalid characters; copy it again")
    return text


def retry_after(response: Response) -> float | None:
    """Return the seconds in `Retry-After`, which may be a number or a date."""
    header = response.headers.get("retry-after")
    seconds = parse_integer(header)
    if seconds is not None or not header:
        return seconds
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - most servers send a number

    try:
        return parsedate_to_datetime(header).timestamp() - response.received_at
    except ValueError:
        return None


def parse_integer(header: str | None) -> int | None:
    """Return the integer in a header, or None."""
    return int(header) if header and re.fullmatch(r"[0-9]{1,12}", header) else None


def is_local_host(host: str) -> bool:
    """Return True for this machine, private addresses, and names that no public host has."""
    from ipaddress import ip_address  # noqa: PLC0415 - not needed for https

    host = host.lower().rstrip(".")
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_SUFFIXES)
