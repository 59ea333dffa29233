"""HTTP client of Heliograph's API: JSON answers and live events over Home Assistant's aiohttp session."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from heliograph.core.redact import Secret

from .source import AuthError, SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

PREFIX = "/api/v1"
_MAX_BYTES = 64 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_SILENCE_SECONDS = 45.0
"""The server sends a comment every 15 seconds."""


class HeliographApi:
    """One Heliograph at an address; `token` is empty where none is needed."""

    def __init__(self, session: aiohttp.ClientSession, address: str, token: str) -> None:
        self._session = session
        self._base = normalized_address(address)
        self._token = Secret(token)

    @property
    def address(self) -> str:
        """The address without a slash at its end."""
        return self._base

    async def get(self, *path: str, **query: str | int) -> Any:
        """Return the JSON answer of a path below the API's prefix, given as segments; None if there is no such plant.

        Raises `AuthError` for a missing or wrong token, else `SourceError`.
        """
        async with self._request(path, query, _TIMEOUT) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise SourceError("unexpected_answer", key="size")
            if response.status == 404:
                _check_problem(response)
                if len(path) < 3:
                    raise SourceError("unsupported_api")
                return None
            try:
                return json.loads(body)
            except (ValueError, RecursionError):
                raise SourceError("not_heliograph") from None

    async def events(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield name and data of each live event until the server ends the stream; raises as `get` does."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_SILENCE_SECONDS)
        async with self._request(("events", "live"), {}, timeout) as response:
            if response.status == 404:
                raise SourceError("unsupported_api")
            buffer = bytearray()
            async for chunk in response.content.iter_any():
                buffer += chunk
                if len(buffer) > _MAX_BYTES:
                    raise SourceError("unexpected_answer", key="size")
                while (end := buffer.find(b"\n\n")) >= 0:
                    event = _parse_event(bytes(buffer[:end]))
                    del buffer[: end + 2]
                    if event is not None:
                        yield event

    @asynccontextmanager
    async def _request(
        self,
        path: tuple[str, ...],
        query: Mapping[str, str | int],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = URL(self._base + PREFIX + "".join(f"/{_segment(one)}" for one in path), encoded=True)
        try:
            async with self._session.get(
                url.update_query(query) if query else url,
                headers={"Authorization": f"Bearer {self._token.reveal()}"} if self._token.reveal() else {},
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                _check_status(response)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise SourceError("cannot_connect", address=self._base) from None


def normalized_address(address: str) -> str:
    """Return an address as it is stored, `http` unless it says otherwise; raises ValueError if it is none.

    >>> normalized_address(" http://Solar.local:8765/heliograph/ "), normalized_address("192.168.1.20:8765")
    ('http://solar.local:8765/heliograph', 'http://192.168.1.20:8765')
    """
    text = address.strip()
    url = URL(text if "://" in text else f"http://{text}")
    if url.scheme not in ("http", "https") or not url.host or " " in url.host or url.user is not None:
        raise ValueError("not an address of a server")
    return str(url.with_query(None).with_fragment(None)).rstrip("/")


def _segment(text: str) -> str:
    quoted = quote(text, safe="", errors="replace")
    return f"{quoted};" if quoted in (".", "..", ".;", "..;") else quoted  # as web/paths.py of Heliograph


def _check_status(response: aiohttp.ClientResponse) -> None:
    """Raise the error of an answer that is neither data nor "unknown plant"."""
    if response.status in (200, 404):
        return
    if response.status in (401, 403):
        raise AuthError("invalid_token")
    if response.status == 421:
        raise SourceError("host_rejected", host=str(response.url.host))
    if response.status in (429, 500, 502, 503, 504):
        raise SourceError("api_busy", status=str(response.status))
    if response.status in (400, 405):
        raise SourceError("unsupported_api")
    raise SourceError("not_heliograph")


def _check_problem(response: aiohttp.ClientResponse) -> None:
    if response.content_type != "application/problem+json":
        raise SourceError("not_heliograph")


def _parse_event(text: bytes) -> tuple[str, Any] | None:
    """Return name and data of a server-sent event; None for a comment. Raises `SourceError`."""
    fields: dict[str, str] = {}
    for line in text.decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition(":")
        if name in ("event", "data"):
            fields[name] = fields.get(name, "") + value.removeprefix(" ")
    if "data" not in fields:
        return None
    try:
        return fields.get("event", "message"), json.loads(fields["data"])
    except (ValueError, RecursionError):
        raise SourceError("not_heliograph") from None
