"""The JSON API: one table of calls, from which routes and document are made, and what each of them answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from json import dumps
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from heliograph.collect.freshness import Freshness
from heliograph.core.redact import mask_secrets
from heliograph.errors import StoreError, StoreMissing
from heliograph.local_time import day_at
from heliograph.metrics import METRICS
from heliograph.model import Status
from heliograph.outputs.prometheus import CONTENT_TYPE, exposition
from heliograph.web import series
from heliograph.web.parameters import (
    QueryParameter,
    choice,
    choices,
    day,
    integer,
    moment_or_day,
    parse_parameters,
    text,
    to_epoch,
)
from heliograph.web.paths import route_path
from heliograph.web.problem import Problem
from heliograph.web.schemas import account_data, day_data, plant_data, plant_summary, repair_data

if TYPE_CHECKING:
    from datetime import date

    from starlette.requests import Request

    from heliograph.current import PlantState
    from heliograph.store.base import Series, Store
    from heliograph.web.live import EventHub
    from heliograph.web.state import StateCache

PREFIX = "/api/v1"
JSON, EVENTS = "application/json", "text/event-stream"

_YEARS = timedelta(days=10 * 366)
_LIFE = timedelta(days=40 * 366)
_MONTH = timedelta(days=30)
_PLANT = "/plants/{vendor}/{plant}"
_GAUGES = tuple(name for name, metric in METRICS.items() if metric.kind == "gauge")
_SORTS = ("name", "vendor", "plant", "status", "freshness", "measured_at", *METRICS)

Asked = Mapping[str, Any]
Answer = Callable[["StateCache", Asked], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One path that can be asked: what for, with what, and what comes back."""

    path: str
    meaning: str
    schema: str
    handler: Answer
    parameters: tuple[QueryParameter, ...] = ()


async def _plants(source: StateCache, asked: Asked) -> dict[str, Any]:
    found = [one for one in (await source.current()).plants if _wanted(one, asked)]
    found.sort(key=lambda one: (one.series.vendor, one.series.plant))
    if sort := asked["sort"]:
        known = [one for one in found if _rank(one, sort) is not None]
        known.sort(key=lambda one: _rank(one, sort), reverse=asked["order"] == "desc")
        found = [*known, *(one for one in found if _rank(one, sort) is None)]
    offset, limit = asked["offset"], asked["limit"]
    page = [plant_summary(one) for one in found[offset : offset + limit]]
    return {"total": len(found), "offset": offset, "limit": limit, "plants": page}


def _wanted(one: PlantState, asked: Asked) -> bool:
    sought = (asked["q"] or "").casefold()
    return (
        asked["vendor"] in (None, one.series.vendor)
        and asked["status"] in (None, one.status)
        and asked["freshness"] in (None, one.freshness)
        and (sought in one.title.casefold() or sought in one.series.plant.casefold())
    )


def _rank(one: PlantState, sort: str) -> Any:
    if sort == "name":
        return one.title.casefold()
    if sort in METRICS:
        return one.values.get(sort)
    return getattr(one.series, sort) if sort in ("vendor", "plant") else getattr(one, sort)


async def _plant(source: StateCache, asked: Asked) -> dict[str, Any]:
    return plant_data(await _known(source, asked))


async def _known(source: StateCache, asked: Asked) -> PlantState:
    """Return the plant a path names; raises a problem where there is none."""
    for one in (await source.current()).plants:
        if (one.series.vendor, one.series.plant) == (asked["vendor"], asked["plant"]):
            return one
    raise Problem(404, f"there is no plant {asked['plant']!r} of {asked['vendor']!r}")


def _series(one: PlantState, asked: Asked) -> Series:
    if asked["device"] is None:
        return one.series
    for device in one.devices:
        if device.series.device == asked["device"]:
            return device.series
    raise Problem(404, f"this plant has no device {asked['device']!r}")


def _of(one: PlantState, device: str | None) -> dict[str, Any]:
    return {"vendor": one.series.vendor, "plant": one.series.plant, "device": device, "zone": str(one.zone)}


async def _samples(source: StateCache, asked: Asked) -> dict[str, Any]:
    one = await _known(source, asked)
    of = _series(one, asked)
    since, until = _between(source, asked, one, timedelta(), _YEARS)
    names = asked["metrics"] or _GAUGES
    found = await source.query(lambda store: series.columns(store, of, one.zone, names, since, until, asked["points"]))
    if asked["metrics"] is None:
        columns = found["metrics"].items()
        found["metrics"] = {name: column for name, column in columns if any(v is not None for v in column["high"])}
    return {**_of(one, asked["device"]), **found}


async def _days(source: StateCache, asked: Asked) -> dict[str, Any]:
    one = await _known(source, asked)
    of = _series(one, asked)
    first, last = _calendar(source, asked, one, _MONTH, _LIFE)
    found = await source.query(lambda store: store.days(of, first, last))
    return {**_of(one, asked["device"]), "days": [day_data(row) for row in found]}


async def _repairs(source: StateCache, asked: Asked) -> dict[str, Any]:
    one = await _known(source, asked)
    since, until = _between(source, asked, one, _MONTH, _YEARS)
    whose = (one.series, *(device.series for device in one.devices))

    def question(store: Store) -> list[dict[str, Any]]:
        found = (row for of in whose for row in store.repairs(of, since, until))
        return [repair_data(row) for row in sorted(found, key=lambda row: row.measured_at, reverse=True)]

    found = await source.query(question)
    named = {"vendor": one.series.vendor, "plant": one.series.plant, "zone": str(one.zone)}
    return {**named, "total": len(found), "repairs": found[: asked["limit"]]}


async def _accounts(source: StateCache, asked: Asked) -> dict[str, Any]:
    return {"accounts": [account_data(one) for one in (await source.current()).accounts]}


def _calendar(
    source: StateCache, asked: Asked, one: PlantState, usual: timedelta, most: timedelta
) -> tuple[date, date]:
    """Return the first and the last day that are asked for."""
    last = asked["to"] or day_at(int(source.clock.now()), one.zone)
    first = asked["from"] or last - usual
    if first > last:
        raise Problem(400, "from comes after to")
    if last - first > most:
        raise Problem(400, f"from and to are more than {most.days} days apart; ask for less")
    return first, last


def _between(source: StateCache, asked: Asked, one: PlantState, usual: timedelta, most: timedelta) -> tuple[int, int]:
    """Return the moments that are asked for; a day as the last is asked for whole."""
    to = asked["to"] or day_at(int(source.clock.now()), one.zone)
    until = to_epoch(to if isinstance(to, datetime) else to + timedelta(days=1), one.zone)
    since = to_epoch(asked["from"] or day_at(until - 1, one.zone) - usual, one.zone)
    if since >= until:
        raise Problem(400, "from comes after to")
    if until - since > most.total_seconds():
        raise Problem(400, f"from and to are more than {most.days} days apart; ask for less, or for days")
    return since, until


_RANGE = (
    moment_or_day("from", "a moment, or a day of the plant's own calendar; usually today, or a month ago"),
    moment_or_day("to", "a moment, or a day, which is included; usually today"),
)
_DEVICE = text("device", "one of the plant's devices, instead of the plant as a whole")

CALLS = (
    ApiCall(
        path="/plants",
        meaning="All plants as they are now, as one page of a list.",
        schema="Plants",
        handler=_plants,
        parameters=(
            text("q", "only plants whose name or id holds this"),
            text("vendor", "only plants of this cloud"),
            choice("status", "only plants in this status", Status),
            choice("freshness", "only plants with samples this fresh", Freshness),
            choice("sort", "by what they are sorted; what is not known comes last", _SORTS),
            choice("order", "which way they are sorted", ("asc", "desc"), "asc"),
            integer("limit", "how many to a page", 1, 1000, 100),
            integer("offset", "how many to leave out before it", 0, 1_000_000, 0),
        ),
    ),
    ApiCall(path=_PLANT, meaning="A plant and its devices as they are now.", schema="PlantWithDevices", handler=_plant),
    ApiCall(
        path=f"{_PLANT}/samples",
        meaning="The past of a plant in stretches: mean, lowest and highest of each metric. Stretches of an hour or "
        "more begin with the plant's own midnight, and the first may begin before from. Usually the powers and the "
        "state of charge, as far as there are any.",
        schema="Samples",
        handler=_samples,
        parameters=(
            *_RANGE,
            choices("metrics", "which metrics, with commas between", METRICS),
            integer(
                "points", "how many stretches at most; a change of the clock may add one", 1, series.MAX_BUCKETS, 500
            ),
            _DEVICE,
        ),
    ),
    ApiCall(
        path=f"{_PLANT}/days",
        meaning="What flowed on each day of the plant's own calendar, in kWh.",
        schema="Days",
        handler=_days,
        parameters=(
            day("from", "the first day; usually 30 days before the last"),
            day("to", "the last day; usually today"),
            _DEVICE,
        ),
    ),
    ApiCall(
        path=f"{_PLANT}/repairs",
        meaning="Values of the plant and its devices that were not believed, newest first.",
        schema="Repairs",
        handler=_repairs,
        parameters=(*_RANGE, integer("limit", "how many at most", 1, 2000, 500)),
    ),
    ApiCall(
        path="/accounts",
        meaning="What is used of every account's budget, and what holds it back.",
        schema="Accounts",
        handler=_accounts,
    ),
)

EVENT_PARAMETERS = (
    text("vendor", "only plants of this cloud"),
    text("plant", "only the plant of this id"),
    integer("after", "the number of an event: only what changed after it", 0, 2**31, 0),
)


def routes(source: StateCache, live: EventHub) -> list[Route]:
    """Return every path of the API, with what programs watch beside it."""

    async def listen(request: Request) -> Response:
        asked = parse_parameters(EVENT_PARAMETERS, _query(request))
        live.check_capacity()
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdecimal() and len(last) < 16 else asked["after"]
        stream = live.events(
            after, lambda one: asked["vendor"] in (None, one.vendor) and asked["plant"] in (None, one.plant)
        )
        return StreamingResponse(stream, headers={"Cache-Control": "no-store"}, media_type=EVENTS)

    async def metrics(_: Request) -> Response:
        now = await source.current()
        # A thousand plants are a megabyte; the collector may share this loop.
        text = await asyncio.to_thread(exposition, now.plants, now.accounts, now.sinks)
        return Response(text, media_type=CONTENT_TYPE)

    async def healthz(_: Request) -> Response:
        reasons = await _failing(source)
        told = {"status": "failing" if reasons else "ok", "reasons": reasons}
        return Response(dumps(told), 503 if reasons else 200, {"Cache-Control": "no-store"}, media_type=JSON)

    return [
        Route(f"{PREFIX}/events/live", listen),
        *(Route(PREFIX + route_path(call.path), _answered(call, source)) for call in CALLS),
        Route("/healthz", healthz),
        Route("/metrics", metrics),
    ]


def _answered(call: ApiCall, source: StateCache) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        asked = parse_parameters(call.parameters, _query(request))
        body = dumps(await call.handler(source, {**asked, **request.path_params}), separators=(",", ":")).encode()
        # Weak: what is compressed on its way is another body of the same meaning.
        tag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if tag in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=JSON)

    return answered


def _query(request: Request) -> list[tuple[str, str]]:
    return request.query_params.multi_items()


async def _failing(source: StateCache) -> list[str]:
    try:
        await source.query(lambda store: store.series())
    except StoreMissing:
        return []  # nothing was collected yet, which is no fault
    except StoreError as error:
        return [f"the store cannot be read: {mask_secrets(str(error))}"]
    return []


async def _problem(_: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return error.response()
    if isinstance(error, HTTPException):
        return Problem(
            error.status_code, "there is nothing here" if error.status_code == 404 else error.detail
        ).response()
    if isinstance(error, StoreError):
        return Problem(503, f"the store cannot be read: {mask_secrets(str(error))}", {"Retry-After": "10"}).response()
    raise error


EXCEPTION_HANDLERS = {Problem: _problem, HTTPException: _problem, StoreError: _problem}
