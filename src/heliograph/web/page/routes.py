"""The routes of the HTML pages and their assets. Pages are rendered completely on the server."""

from __future__ import annotations

import asyncio
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from heliograph.errors import ConfigError, StoreError
from heliograph.local_time import day_at
from heliograph.metrics import ENERGIES
from heliograph.store.base import Series
from heliograph.web.page import download, events, fleet, history, report, report_page
from heliograph.web.page.device import device_page
from heliograph.web.page.device_chart import load_day
from heliograph.web.page.layout import not_found_page, plant_path
from heliograph.web.page.plant import plant_page
from heliograph.web.page.status import status_page
from heliograph.web.paths import route_path
from heliograph.web.prefix import url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from heliograph.alarms.model import Alarm
    from heliograph.current import PlantState
    from heliograph.web.state import StateCache, SystemState

_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webmanifest": "application/manifest+json",
}
_REFRESH_HEADER = "x-heliograph-refresh"
"""Sent by page.js when an open page fetches itself again."""
_DAY = 86400
_VENDORED = {"uplot.js": "uplot.iife.min.js", "uplot.css": "uplot.min.css"}
"""Files served from an installed package, as released by their author."""
_ASSETS = (
    "page.css",
    "fleet.css",
    "page.js",
    "chart.js",
    "axis.js",
    "picture.js",
    "mark.svg",
    "manifest.webmanifest",
    "icon.svg",
    "icon-192.png",
    "icon-512.png",
)


class Asset(NamedTuple):
    """One static file."""

    body: bytes
    media_type: str
    etag: str


def routes(
    state_cache: StateCache,
    on_load: Callable[[Collection[Series]], None],
    acknowledge: Callable[[str, int], Alarm | None],
) -> list[BaseRoute]:
    """Return the routes of all pages and assets; `on_load` is called with the plants of an opened page.

    `acknowledge` is called on a thread with id and time of an alarm.
    """
    page = Page(state_cache, on_load, acknowledge)
    return [
        Route("/", _with_error_pages(page.front)),
        Route(route_path("/plant/{vendor}/{plant}"), _with_error_pages(page.plant)),
        Route(route_path("/plant/{vendor}/{plant}/device/{device}"), _with_error_pages(page.device)),
        Route(route_path("/plant/{vendor}/{plant}/events"), _with_error_pages(page.events)),
        Route(route_path("/plant/{vendor}/{plant}/report"), _with_error_pages(page.report)),
        Route(route_path("/plant/{vendor}/{plant}/data.csv"), _with_error_pages(page.data)),
        Route("/status", _with_error_pages(page.status)),
        Route("/alarms/{alarm}/acknowledge", _with_error_pages(page.acknowledge), methods=["POST"]),
        Route("/assets/{name}", asset),
    ]


class Page:
    """The request handlers of the pages."""

    def __init__(
        self,
        state_cache: StateCache,
        on_load: Callable[[Collection[Series]], None],
        acknowledge: Callable[[str, int], Alarm | None],
    ) -> None:
        self._state_cache = state_cache
        self._on_load = on_load
        self._acknowledge = acknowledge

    async def front(self, request: Request) -> Response:
        """Return the only plant, the table of many, or the next steps if there is none."""
        now = await self._state_cache.current()
        if not now.plants:
            return HTMLResponse(fleet.empty_page(now))
        if len(now.plants) == 1:
            return await self._one(request, now, now.plants[0])
        wish = fleet.parse_fleet_query(request.query_params)
        found = fleet.page_of(fleet.select_plants(now.plants, wish, now.at), wish)
        self._note_load(request, found)
        asked = [(one.series, one.zone) for one in found]
        lines = await self._state_cache.query(lambda store: fleet.sparklines(store, asked, now.at))
        return HTMLResponse(fleet.fleet_page(now, wish, lines))

    async def plant(self, request: Request) -> Response:
        """Return the page of one plant."""
        now = await self._state_cache.current()
        return await self._one(request, now, _plant_of(request, now))

    async def report(self, request: Request) -> Response:
        """Return the report of a plant's year."""
        now = await self._state_cache.current()
        plant, money = _plant_of(request, now), self._state_cache.money
        year = report.parse_year(request.query_params, day_at(now.at, plant.zone))
        found = await self._state_cache.query(lambda store: report.load_report(store, plant, year, now.at, money))
        return HTMLResponse(report_page.report_page(plant, now, found))

    async def data(self, request: Request) -> Response:
        """Return the data of a chart as CSV."""
        now = await self._state_cache.current()
        plant, money = _plant_of(request, now), self._state_cache.money
        view = history.parse_selection(request.query_params, day_at(now.at, plant.zone))
        text = await self._state_cache.query(lambda store: download.csv_text(store, plant, view, now.at, money))
        name = download.file_name(plant.series.plant, view)
        return Response(text, headers={"Content-Disposition": f'attachment; filename="{name}"'}, media_type="text/csv")

    async def device(self, request: Request) -> Response:
        """Return the page of one device."""
        now = await self._state_cache.current()
        wanted = tuple(request.path_params[name] for name in ("vendor", "plant", "device"))
        found = [(plant, one) for plant in now.plants for one in plant.devices if one.series == wanted]
        if not found:
            raise HTTPException(404, "Unknown device")
        plant, device = found[0]
        self._note_load(request, [plant])
        query = {name: value for name, value in request.query_params.items() if name == "at"}
        view = history.parse_selection(query, day_at(now.at, plant.zone))
        day = await self._state_cache.query(lambda store: load_day(store, device.series, plant.zone, view, now.at))
        return HTMLResponse(device_page(plant, device, now, day))

    async def events(self, request: Request) -> Response:
        """Return the page with the events of a plant."""
        now = await self._state_cache.current()
        plant = _plant_of(request, now)
        found = await self._state_cache.query(
            lambda store: store.events(0, now.at + _DAY, plant.series, events.MAX_SHOWN + 1)
        )
        return HTMLResponse(events.events_page(plant, now, found))

    async def status(self, request: Request) -> Response:
        """Return the status page."""
        now = await self._state_cache.current()
        size = await self._state_cache.query(lambda store: store.size_bytes()) if now.plants else None
        return HTMLResponse(status_page(now, size))

    async def acknowledge(self, request: Request) -> Response:
        """Acknowledge an alarm, and return to the page of the form: that of the alarm's plant, or the status page."""
        now = int(self._state_cache.clock.now())
        alarm = await asyncio.to_thread(self._acknowledge, request.path_params["alarm"], now)
        if alarm is None:
            raise HTTPException(404, "This alarm is over, or there is none with this id")
        self._state_cache.invalidate()
        on_plant = "plant" in request.query_params and alarm.subject.plant
        series = Series(alarm.subject.vendor, alarm.subject.plant)
        return RedirectResponse(plant_path(series) if on_plant else url("/status"), 303, {"Cache-Control": "no-store"})

    async def _one(self, request: Request, now: SystemState, plant: PlantState) -> Response:
        self._note_load(request, [plant])
        newest = None if plant.measured_at is None else day_at(plant.measured_at, plant.zone)
        view = history.parse_selection(request.query_params, day_at(now.at, plant.zone), newest)
        money, current = self._state_cache.money, {name: plant.values.get(f"{name}_today") for name in ENERGIES}
        past = await self._state_cache.query(
            lambda store: history.load_period(store, plant.series, plant.zone, view, now.at, money, current)
        )
        return HTMLResponse(plant_page(plant, now, past))

    def _note_load(self, request: Request, shown: Sequence[PlantState]) -> None:
        """Report the plants of a page that a person has opened, not those of an open page that fetches itself again."""
        if "text/html" in request.headers.get("accept", "") and _REFRESH_HEADER not in request.headers:
            self._on_load([one.series for one in shown])


def _plant_of(request: Request, now: SystemState) -> PlantState:
    """Return the plant of a path; raises `HTTPException` if there is none."""
    wanted = request.path_params["vendor"], request.path_params["plant"]
    for one in now.plants:
        if one.series[:2] == wanted:
            return one
    raise HTTPException(404, "Unknown plant")


def _with_error_pages(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler that reports errors of the address or the store as a page."""

    async def handler(request: Request) -> Response:
        try:
            return await answer(request)
        except StoreError as error:
            return HTMLResponse(fleet.unreadable_page(str(error)), 503, {"Retry-After": "10"})
        except ConfigError as error:
            return HTMLResponse(not_found_page(str(error)), 404)
        except HTTPException as error:
            return HTMLResponse(not_found_page(error.detail), error.status_code)

    return handler


def not_found_handler(
    otherwise: Callable[[Request, Exception], Awaitable[Response]],
) -> Callable[..., Awaitable[Response]]:
    """Return the handler of unknown paths: a page for browsers, `otherwise` for other clients."""

    async def handler(request: Request, error: Exception) -> Response:
        path: str = request.scope["path"]
        browser = "text/html" in request.headers.get("accept", "") and not path.startswith("/api/")
        if browser and isinstance(error, HTTPException) and error.status_code == 404:
            if path.endswith("/") and path.strip("/"):
                return RedirectResponse(url("/" + path.strip("/")), 307)
            return HTMLResponse(not_found_page("There is no page at this address"), 404)
        return await otherwise(request, error)

    return handler


async def asset(request: Request) -> Response:
    """Return a static file."""
    name = request.path_params["name"]
    if name not in _ASSETS and name not in _VENDORED:
        return Response("no such file\n", 404, media_type="text/plain")
    found = _read(name)
    # Revalidated at every request, so that an update of heliograph takes effect immediately.
    headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type=found.media_type)


@cache
def _read(name: str) -> Asset:
    package, path = ("youplot.vendor", _VENDORED[name]) if name in _VENDORED else ("heliograph.web", f"assets/{name}")
    body = resources.files(package).joinpath(path).read_bytes()
    return Asset(body, _TYPES[name.rpartition(".")[2]], f'"{sha256(body).hexdigest()[:16]}"')
