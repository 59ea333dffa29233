"""The page: addresses and what answers them. All of it is made here; the browser only asks for it again."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from heliograph.errors import ConfigError, StoreError
from heliograph.local_time import day_at
from heliograph.web.page import fleet, history
from heliograph.web.page.layout import not_found_page
from heliograph.web.page.plant import plant_page
from heliograph.web.page.status import status_page
from heliograph.web.paths import route_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from heliograph.current import PlantState
    from heliograph.web.state import StateCache, SystemState

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_ELSEWHERE = {"uplot.js": "uplot.iife.min.js", "uplot.css": "uplot.min.css"}
"""What is served out of another package, as its author released it."""
_OURS = ("page.css", "page.js", "chart.js", "axis.js", "mark.svg")


class Asset(NamedTuple):
    """One file beside the pages."""

    body: bytes
    kind: str
    tag: str


def routes(source: StateCache) -> list[BaseRoute]:
    """Return what stands behind the addresses people go to."""
    page = Page(source)
    return [
        Route("/", _safely(page.front)),
        Route(route_path("/plant/{vendor}/{plant}"), _safely(page.plant)),
        Route("/status", _safely(page.status)),
        Route("/assets/{name}", _asset),
    ]


class Page:
    """The pages over one source."""

    def __init__(self, source: StateCache) -> None:
        self._source = source

    async def front(self, request: Request) -> Response:
        """Return the only plant, or the table of many, or what to do when there is none."""
        now = await self._source.current()
        if not now.plants:
            return HTMLResponse(fleet.empty_page(now))
        if len(now.plants) == 1:
            return await self._one(request, now, now.plants[0])
        wish = fleet.parse_fleet_query(request.query_params)
        found = fleet.page_of(fleet.select_plants(now.plants, wish, now.at), wish)
        asked = [(one.series, one.zone) for one in found]
        lines = await self._source.query(lambda store: fleet.sparklines(store, asked, now.at))
        return HTMLResponse(fleet.fleet_page(now, wish, lines))

    async def plant(self, request: Request) -> Response:
        """Return one plant."""
        now = await self._source.current()
        wanted = request.path_params["vendor"], request.path_params["plant"]
        for one in now.plants:
            if one.series[:2] == wanted:
                return await self._one(request, now, one)
        raise HTTPException(404, "There is no such plant")

    async def status(self, request: Request) -> Response:
        """Return what works behind the plants."""
        now = await self._source.current()
        size = await self._source.query(lambda store: store.size_bytes()) if now.plants else None
        return HTMLResponse(status_page(now, size))

    async def _one(self, request: Request, now: SystemState, plant: PlantState) -> Response:
        view = history.parse_selection(request.query_params, day_at(now.at, plant.zone))
        past = await self._source.query(
            lambda store: history.load_period(store, plant.series, plant.zone, view, now.at)
        )
        return HTMLResponse(plant_page(plant, now, past))


def _safely(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Let a person read what is wrong: with the address, or with the store."""

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except StoreError as error:
            return HTMLResponse(fleet.unreadable_page(str(error)), 503, {"Retry-After": "10"})
        except ConfigError as error:
            return HTMLResponse(not_found_page(str(error)), 404)
        except HTTPException as error:
            return HTMLResponse(not_found_page(error.detail), error.status_code)

    return answered


def not_found_handler(
    otherwise: Callable[[Request, Exception], Awaitable[Response]],
) -> Callable[..., Awaitable[Response]]:
    """Return what answers where nothing is: a page for a person at a browser, what is given for any program."""

    async def answered(request: Request, error: Exception) -> Response:
        person = "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/api/")
        if person and isinstance(error, HTTPException) and error.status_code == 404:
            return HTMLResponse(not_found_page("No page has this address"), 404)
        return await otherwise(request, error)

    return answered


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _OURS and name not in _ELSEWHERE:
        return Response("there is no such file\n", 404, media_type="text/plain")
    asset = _read(name)
    # Asked for each time and sent once: whoever updates heliograph sees its new page at once.
    headers = {"ETag": asset.tag, "Cache-Control": "no-cache"}
    if asset.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.body, headers=headers, media_type=asset.kind)


@cache
def _read(name: str) -> Asset:
    there = ("youplot.vendor", _ELSEWHERE[name]) if name in _ELSEWHERE else ("heliograph.web", f"assets/{name}")
    body = resources.files(there[0]).joinpath(there[1]).read_bytes()
    return Asset(body, _TYPES[name.rpartition(".")[2]], f'"{sha256(body).hexdigest()[:16]}"')
