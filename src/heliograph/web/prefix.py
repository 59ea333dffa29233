"""The path below which a reverse proxy serves the pages, and which clients may name it."""

from __future__ import annotations

import re
from contextvars import ContextVar
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from starlette.requests import Request

from heliograph.web.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from heliograph.config import ServeConfig

INGRESS = "heliograph.ingress"
"""Key of a request's scope: True if it comes from the ingress of Home Assistant, which has authenticated its user."""

_VALID = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_MAX_LENGTH = 200

_prefix: ContextVar[str] = ContextVar("prefix", default="")


def url(path: str) -> str:
    """Return the address of a path of this server: below the prefix of the request that is being answered."""
    return _prefix.get() + path


class PrefixMiddleware:
    """Outermost middleware: determines the prefix of each request, and removes it from the path.

    The prefix is the configured one, `X-Forwarded-Prefix` of a trusted proxy, or `X-Ingress-Path` of the ingress; these
    headers of other clients are ignored.
    """

    def __init__(self, app: ASGIApp, config: ServeConfig) -> None:
        self._app = app
        self._prefix = config.prefix
        self._proxies = Peers(config.trusted_proxies)
        self._ingress = Peers((config.ingress,) if config.ingress else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request below its prefix."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        peer = client[0] if client else ""
        is_ingress = peer in self._ingress
        prefix, headers = self._prefix, Request(scope).headers
        if is_ingress:
            prefix = headers.get("x-ingress-path", prefix)
        elif peer in self._proxies:
            prefix = headers.get("x-forwarded-prefix", prefix)
        prefix = prefix.rstrip("/")
        if len(prefix) > _MAX_LENGTH or not _VALID.fullmatch(prefix):
            why = "the proxy sent a prefix that is no path; X-Forwarded-Prefix must be one path like /solar"
            await Problem(400, why).response()(scope, receive, send)
            return
        token = _prefix.set(prefix)
        try:
            await self._app({**scope, **self._path(scope), INGRESS: is_ingress}, receive, send)
        finally:
            _prefix.reset(token)

    def _path(self, scope: Scope) -> Scope:
        """Return the path without the configured prefix; a proxy may have removed it already."""
        path: str = scope["raw_path"].decode("ascii")
        if not self._prefix or not f"{path}/".startswith(f"{self._prefix}/"):
            return {}
        inner = path.removeprefix(self._prefix) or "/"
        return {"raw_path": inner.encode(), "path": inner}


class Peers:
    """Addresses and networks of other machines; IPv4 ones are recognised on a socket for both IP versions as well."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(network) for network in networks]

    def __contains__(self, address: str) -> bool:
        """Return True if the address is in one of the networks."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self._networks)
