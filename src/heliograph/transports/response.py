"""Parts of every transport: the body with its size limit, its decompression, and the headers of a response."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from heliograph.core.session import Response
from heliograph.errors import Unreadable
from heliograph.transports.failures import host_of, interrupted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heliograph.core.session import Request

MAX_BODY = 2_000_000
"""Bytes of a response body after decompression; larger responses are not read to their end.

The largest captured response has 23 kB, the largest one of the emulator (a day curve of SEMS+) 56 kB.
"""
ACCEPTED_ENCODING = "gzip"
"""The compression that `ReceivedBody` decodes, for the Accept-Encoding header."""


class ReceivedBody:
    """The body of one response while it is received; decodes gzip if the response is compressed."""

    def __init__(self, request: Request, encoding: str = "") -> None:
        self._request = request
        self._content = bytearray()
        self._decoder = None
        name = encoding.strip().lower()
        if name in ("gzip", "x-gzip"):
            self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
        elif name not in ("", "identity"):
            raise Unreadable(
                f"{host_of(request)} compressed its response with {encoding[:20]!r}, which was not offered"
            )

    def append(self, chunk: bytes) -> bool:
        """Append what was received; return False for an empty chunk, the end of the body.

        Raises `Unreadable` beyond `MAX_BODY`: at most one byte more is decompressed.
        """
        if self._decoder is None:
            self._content += chunk
        elif chunk:
            try:
                self._content += self._decoder.decompress(chunk, MAX_BODY + 1 - len(self._content))
            except zlib.error:
                raise self._damaged() from None
        if len(self._content) > MAX_BODY:
            self._content.clear()
            raise Unreadable(
                f"response too large: {host_of(self._request)} sent more than {MAX_BODY // 1_000_000} MB",
                advice="Check the server's address; another program may be answering there",
            )
        return bool(chunk)

    def response(self, status: int, headers: Iterable[tuple[bytes, bytes]], received_at: float) -> Response:
        """Return the response with this body, which is complete.

        It has the first value of each header, and all cookies, without values that contain control or non-ASCII
        characters.
        """
        content = self.content()
        first: dict[str, str] = {}
        cookies: list[str] = []
        for raw_name, raw_value in headers:
            if not (raw_name.isascii() and raw_value.isascii()):
                continue
            name, value = raw_name.decode("ascii").lower(), raw_value.decode("ascii").strip()
            if not (value.isprintable() or value.replace("\t", " ").isprintable()):
                continue
            if name not in first:
                first[name] = value
            if name == "set-cookie":
                cookies.append(value)
        return Response(status, first, cookies, content, received_at)

    def content(self) -> bytes:
        """Return the body, which is complete."""
        if self._decoder is not None and not self._decoder.eof and self._content:
            raise self._damaged()
        return bytes(self._content)

    def _damaged(self) -> Exception:
        self._content.clear()
        return interrupted(self._request, "the compressed body is damaged")
