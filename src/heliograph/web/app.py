"""The application: which answers stand behind which paths, and who guards them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from heliograph.web import api, openapi
from heliograph.web.auth import Guard, Rules
from heliograph.web.live import Live
from heliograph.web.page import routes
from heliograph.web.paths import AsAsked

if TYPE_CHECKING:
    from heliograph.config import Serve
    from heliograph.web.state import Source

_QUICK = 5
"""How hard gzip tries: the collector may share this processor."""


def make_app(source: Source, serve: Serve) -> Starlette:
    """Return the application over a source, guarded as the configuration says; `state.live` ends the streams."""
    rules, live = Rules.of(serve), Live(source)
    app = Starlette(
        routes=[*api.routes(source, live), openapi.route(), *routes.routes(source)],
        middleware=[
            Middleware(AsAsked),
            Middleware(Guard, rules=rules),
            Middleware(GZipMiddleware, compresslevel=_QUICK),
        ],
        exception_handlers={**api.HANDLERS, HTTPException: routes.lost(api.HANDLERS[HTTPException])},
    )
    app.state.live = live
    return app
