"""The ASGI application of the triage page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse
from starlette.routing import Route

from heliograph.web.auth import AuthPolicy, allowed_hosts
from heliograph.web.fleet.admin_routes import AdminPages
from heliograph.web.fleet.api import FleetApi
from heliograph.web.fleet.auth import IDENTITY_HEADER, FleetAuthMiddleware, TrustedProxies
from heliograph.web.fleet.layout import message_page
from heliograph.web.fleet.routes import FleetPages
from heliograph.web.page.routes import asset
from heliograph.web.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from heliograph.fleet.access import PageDatabase
    from heliograph.local_time import Clock
    from heliograph.web.fleet.admin_routes import Onboarding


def make_fleet_app(
    database: PageDatabase,
    clock: Clock,
    *,
    host: str = "127.0.0.1",
    hosts: Sequence[str] = (),
    proxies: Sequence[str] = (),
    header: str = IDENTITY_HEADER,
    onboarding: Onboarding | None = None,
) -> Starlette:
    """Return the application; raises `ConfigError` for an invalid proxy."""
    policy = AuthPolicy(*allowed_hosts(host, hosts), None)
    trusted = TrustedProxies(proxies)
    return Starlette(
        routes=[
            *FleetPages(database, clock).routes(),
            *AdminPages(database, onboarding).routes(),
            *FleetApi(database, clock).routes(),
            Route("/assets/{name}", asset),
        ],
        middleware=[
            Middleware(FleetAuthMiddleware, policy=policy, database=database, proxies=trusted, header=header),
            Middleware(GZipMiddleware, compresslevel=5),
        ],
        exception_handlers={HTTPException: _http_error},
    )


async def _http_error(request: Request, error: Exception) -> Response:
    """Report unknown paths and methods, to browsers as a page."""
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "internal error")
    if "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/api/"):
        principal = getattr(request.state, "principal", None)
        return HTMLResponse(message_page("Not found", "there is no page at this address", principal), status)
    return Problem(status, detail).response()
