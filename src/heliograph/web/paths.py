"""URL-safe IDs: any plant ID from a cloud is encoded as one path segment and decoded unchanged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_ID = "id"
_DOTS = re.compile(r"(?:\.|%2e){1,2};?", re.IGNORECASE)


def encode_id(name: str) -> str:
    """Encode an ID as a path segment.

    Browsers and proxies resolve segments of dots as relative paths, even if quoted. A semicolon, which is always quoted
    in other IDs, prevents that.

    >>> encode_id("1234567"), encode_id("a/b?c#d%e f"), encode_id("..")
    ('1234567', 'a%2Fb%3Fc%23d%25e%20f', '..;')
    """
    quoted = quote(name, safe="", errors="replace")
    return f"{quoted};" if _DOTS.fullmatch(quoted) else quoted


def decode_id(quoted: str) -> str:
    """Decode an ID from a path segment.

    >>> [decode_id(encode_id(one)) for one in ("a/b?c#d%e f", "..", "..;", "%2e")]
    ['a/b?c#d%e f', '..', '..;', '%2e']
    """
    return unquote(quoted.removesuffix(";") if _DOTS.fullmatch(quoted) else quoted)


def route_path(path: str) -> str:
    """Return a route's path whose segments in braces are IDs.

    >>> route_path("/plant/{vendor}/{plant}")
    '/plant/{vendor:id}/{plant:id}'
    """
    return path.replace("}", f":{_ID}}}")


class RawPathMiddleware:
    """Middleware that routes by the raw path: decoded slashes (`%2F`) are indistinguishable from separators."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Replace the decoded path by the raw one."""
        if scope["type"] == "http":
            scope = {**scope, "path": scope["raw_path"].decode("ascii")}
        await self._app(scope, receive, send)


class _Ids(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return decode_id(value)

    def to_string(self, value: str) -> str:
        return encode_id(value)


register_url_convertor(_ID, _Ids())
