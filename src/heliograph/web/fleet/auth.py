"""Sign-in of the triage page: API tokens, and the identity header of a trusted proxy that has signed the person in."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from math import ceil
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

from heliograph.errors import ConfigError, StoreError
from heliograph.web.auth import PUBLIC_PATHS, AuthMiddleware
from heliograph.web.fleet.layout import message_page
from heliograph.web.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from heliograph.fleet.access import PageDatabase, Principal
    from heliograph.web.auth import AuthPolicy

HEALTH_PATH = "/healthz"
IDENTITY_HEADER = "X-Forwarded-User"
"""The header in which oauth2-proxy and others report the person; configurable."""
_MAX_SUBJECT = 200


class TrustedProxies:
    """The addresses and networks of proxies whose identity header is accepted; others raise `ConfigError`."""

    def __init__(self, given: Sequence[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        for text in given:
            try:
                network = ip_network(text)
            except ValueError:
                raise ConfigError(
                    f"{text[:60]!r} is no address or network of a proxy, like 10.0.0.2 or 10.0.0.0/28"
                ) from None
            if network.prefixlen == 0:
                raise ConfigError(f"{text} is every address: anybody could sign in under any name")
            self._networks.append(network)

    def __contains__(self, address: str) -> bool:
        try:
            peer = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        # A socket for both IP versions reports IPv4 peers as ::ffff:10.0.0.2.
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in self._networks)


class FleetAuthMiddleware(AuthMiddleware):
    """Rejects requests without a principal; the principal of all others is `request.state.principal`.

    The address compared with the trusted proxies is that of the connection, which no header can change.
    """

    def __init__(
        self, app: ASGIApp, policy: AuthPolicy, database: PageDatabase, proxies: TrustedProxies, header: str
    ) -> None:
        super().__init__(app, policy)
        self._database = database
        self._proxies = proxies
        self._header = header

    async def _authorize(self, request: Request) -> Response | None:
        self._check_host_and_origin(request)
        if request.method not in ("GET", "HEAD", "POST"):
            raise Problem(405, "use GET or POST", {"Allow": "GET, HEAD, POST"})
        if request.scope["path"] == HEALTH_PATH or request.scope["path"].startswith(PUBLIC_PATHS):
            return None
        try:
            principal = await self._principal(request)
        except StoreError as error:
            raise Problem(503, str(error), {"Retry-After": "10"}) from None
        if request.method == "POST" and principal.token is None and "origin" not in request.headers:
            # The proxy's cookie is sent with forms of other sites too; browsers name the origin of every form.
            raise Problem(403, "a form without an origin is rejected")
        request.state.principal = principal
        return None

    async def _principal(self, request: Request) -> Principal:
        address = request.client.host if request.client else ""
        subjects = request.headers.getlist(self._header)
        if subjects and address in self._proxies:
            if len(subjects) > 1 or not 1 <= len(subjects[0]) <= _MAX_SUBJECT:
                raise Problem(400, f"the proxy sent no single name in {self._header}")
            principal = await self._database.member_principal(_decoded(subjects[0]))
            if principal is None:
                raise Problem(403, "you are signed in, but a member of no tenant; ask an admin to add you")
            return principal
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Problem(401, "sign in through the proxy, or send an API token", {"WWW-Authenticate": "Bearer"})
        token = await self._database.token_principal(given.strip())
        if token is not None:
            return token
        if wait := self._throttle.retry_after(address):
            raise Problem(429, "too many invalid tokens; wait a minute", {"Retry-After": str(ceil(wait))})
        self._throttle.record_failure(address)
        raise Problem(401, "invalid token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})

    def _reject(self, request: Request, problem: Problem) -> Response:
        if "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/api/"):
            headers = {"Cache-Control": "no-store", **(problem.headers or {})}
            return HTMLResponse(message_page("Not signed in", problem.detail), problem.status, headers)
        return problem.response()


def _decoded(value: str) -> str:
    """Return a header's text: Starlette decodes Latin-1, proxies send UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value
