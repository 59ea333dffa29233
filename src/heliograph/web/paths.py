"""Ids in addresses: whatever a cloud calls a plant is one part of a path, and comes back as it was."""

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
    """Return an id as one part of a path.

    Browsers and proxies take a part of nothing but dots for a way up, also when it is quoted; a semicolon, which every
    other id has quoted, keeps it.

    >>> part("1234567"), part("a/b?c#d%e f"), part("..")
    ('1234567', 'a%2Fb%3Fc%23d%25e%20f', '..;')
    """
    quoted = quote(name, safe="", errors="replace")
    return f"{quoted};" if _DOTS.fullmatch(quoted) else quoted


def decode_id(quoted: str) -> str:
    """Return the id that stands in a path.

    >>> [named(part(one)) for one in ("a/b?c#d%e f", "..", "..;", "%2e")]
    ['a/b?c#d%e f', '..', '..;', '%2e']
    """
    return unquote(quoted.removesuffix(";") if _DOTS.fullmatch(quoted) else quoted)


def route_path(path: str) -> str:
    """Return the address of a route whose parts in braces are ids.

    >>> routed("/plant/{vendor}/{plant}")
    '/plant/{vendor:id}/{plant:id}'
    """
    return path.replace("}", f":{_ID}}}")


class RawPathMiddleware:
    """Routes by the path as it was asked for: once `%2F` is a slash, nobody knows which of them divide."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the path unread."""
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
