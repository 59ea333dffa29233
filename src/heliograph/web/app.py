"""The ASGI application: routes, middleware and error handlers."""

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
    from collections.abc import Callable, Collection

    from heliograph.alarms.model import Alarm
    from heliograph.config import ServeConfig
    from heliograph.store.base import Series
    from heliograph.web.state import StateCache

_GZIP_LEVEL = 5
"""Moderate, because the collector may share this processor."""


def make_app(
    state_cache: StateCache,
    serve: ServeConfig,
    on_load: Callable[[Collection[Series]], None] = lambda _: None,
    acknowledge: Callable[[str, int], Alarm | None] = lambda *_: None,
) -> Starlette:
    """Return the application; its `state.live` is the event hub, which the caller must close.

    `on_load` is called with the plants of a page that a person has opened, `acknowledge` on a thread with id and time
    of an alarm that a person acknowledges.
    """
    policy, hub = AuthPolicy.from_config(serve), EventHub(state_cache)
    app = Starlette(
        routes=[*api.routes(state_cache, hub), openapi.route(), *routes.routes(state_cache, on_load, acknowledge)],
        middleware=[
            Middleware(RawPathMiddleware),
            Middleware(AuthMiddleware, policy=policy),
            Middleware(GZipMiddleware, compresslevel=_GZIP_LEVEL),
        ],
        exception_handlers={
            **api.EXCEPTION_HANDLERS,
            HTTPException: routes.not_found_handler(api.EXCEPTION_HANDLERS[HTTPException]),
        },
    )
    app.state.live = hub
    # Its redirects are absolute, and so lead out of the prefix of a proxy; `not_found_handler` has relative ones.
    app.router.redirect_slashes = False
    return app
