"""How sinks speak HTTP: over the clients' own pool, never in the open, and every answer sorted into what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heliograph.client import send_async
from heliograph.core.redact import SECRETS, SecretMasker, excerpt, redact_url
from heliograph.core.session import Request
from heliograph.errors import ConfigError, Unreachable
from heliograph.outputs.sink import RetryLater, SinkRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heliograph.core.redact import Secret
    from heliograph.core.session import Response

# What is wrong with the words themselves; everything else may be all right another time.
_REFUSING = frozenset((400, 409, 413, 422))
_PASSING = frozenset((408, 425, 429))
_MENDED = 600.0
"""Seconds until it is looked whether a person mended address, secret or rights."""
_GONE = 24 * 3600.0
_HOME = (".local", ".localhost", ".lan", ".internal", ".home.arpa")


class SinkEndpoint:
    """Where a sink is, and what must not be seen of how it is entered."""

    def __init__(self, url: str, *secrets: str) -> None:
        """Take an address that data and secrets may be sent to; raises `ConfigError` for any other."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise ConfigError("an output's url cannot be read; write it like https://example.com/path") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError(f"an output's url begins with https://, not {redact_url(url)!r}")
        if "@" in parts.netloc:
            raise ConfigError("an output's url holds no user name and no password; take out what stands before the @")
        if parts.scheme == "http" and not _is_home(host):
            raise ConfigError(f"{host} would be sent data and secrets in the open; write https://")
        self._url = url
        self._secrets = secrets
        self.host = parts.netloc
        """Host and port, which may be shown."""

    async def post(self, headers: Mapping[str, str], body: bytes, clock: Callable[[], float]) -> Response:
        """Send this and return the answer, whatever it is; raises `Later` if there is none. No redirect is followed."""
        try:
            return await send_async(Request("POST", self._url, headers, body), clock=clock)
        except Unreachable as error:
            raise RetryLater(SecretMasker(self._secrets).mask(error.message)) from None

    def describe(self, reply: Response) -> str:
        """Return an answer in words that may be shown."""
        token = SECRETS.set(lambda: self._secrets)
        try:
            words = excerpt(reply.body)
        finally:
            SECRETS.reset(token)
        return f"{self.host} says {reply.status}" + (f": {words}" if words else "")

    def raise_for_status(self, reply: Response) -> None:
        """Return where everything was taken; else raise what is to be done.

        What the sink finds wrong with the samples is `Refused`. All else is `Later`: a fault of its own soon, or when
        it says; what a person has to mend (address, secret, rights) in ten minutes; and whoever is gone, in a day.
        """
        status = reply.status
        if 200 <= status < 300:
            return
        if status in _REFUSING:
            raise SinkRejected(self.describe(reply))
        if status in _PASSING or status >= 500:
            raise RetryLater(self.describe(reply), retry_after(reply))
        raise RetryLater(self.describe(reply), _GONE if status == 410 else _MENDED)


def header_secret(secret: Secret) -> str:
    """Reveal a secret that is sent as it is; raises `ConfigError` where it can be none."""
    text = secret.reveal()
    if not text.isascii() or not text.isprintable():
        raise ConfigError("an output's token or key holds characters that none has; copy it again")
    return text


def retry_after(reply: Response) -> float | None:
    """Return the seconds an answer asks to be left alone for, told as such or as a moment."""
    told = reply.headers.get("retry-after")
    seconds = parse_integer(told)
    if seconds is not None or not told:
        return seconds
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - most tell seconds

    try:
        return parsedate_to_datetime(told).timestamp() - reply.received_at
    except ValueError:
        return None


def parse_integer(told: str | None) -> int | None:
    """Return the number in a header, where it holds one."""
    return int(told) if told and re.fullmatch(r"[0-9]{1,12}", told) else None


def _is_home(host: str) -> bool:
    """Tell whether a host can only be here or near: this machine, a private address, or a name no public one has."""
    from ipaddress import ip_address  # noqa: PLC0415 - https needs none

    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_HOME)
