"""The application: which answers stand behind which paths, and who guards them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from heliograph.web import api, openapi
from heliograph.web.auth import AuthMiddleware, AuthPolicy
from heliograph.web.live import EventHub
from heliograph.web.page import routes
from heliograph.web.paths import RawPathMiddleware

if TYPE_CHECKING:
    from heliograph.config import ServeConfig
    from heliograph.web.state import StateCache

_QUICK = 5
"""How hard gzip tries: the collector may share this processor."""


def make_app(source: StateCache, serve: ServeConfig) -> Starlette:
    """Return the application over a source, guarded as the configuration says; `state.live` ends the streams."""
    rules, live = AuthPolicy.from_config(serve), EventHub(source)
    app = Starlette(
        routes=[*api.routes(source, live), openapi.route(), *routes.routes(source)],
        middleware=[
            Middleware(RawPathMiddleware),
            Middleware(AuthMiddleware, rules=rules),
            Middleware(GZipMiddleware, compresslevel=_QUICK),
        ],
        exception_handlers={
            **api.EXCEPTION_HANDLERS,
            HTTPException: routes.not_found_handler(api.EXCEPTION_HANDLERS[HTTPException]),
        },
    )
    app.state.live = live
    return app
