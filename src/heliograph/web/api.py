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
from heliograph.core.redact import masked
from heliograph.errors import NothingKept, StoreError
from heliograph.local_time import day_at
from heliograph.metrics import METRICS
from heliograph.model import Status
from heliograph.outputs.prometheus import CONTENT_TYPE, exposition
from heliograph.web import series
from heliograph.web.parameters import Parameter, choice, day, epoch, read, several, text, when, whole
from heliograph.web.paths import routed
from heliograph.web.problem import Problem
from heliograph.web.schemas import account_data, brief, day_data, plant_data, repair_data

if TYPE_CHECKING:
    from datetime import date

    from starlette.requests import Request

    from heliograph.current import PlantNow
    from heliograph.store.base import Series, Store
    from heliograph.web.live import Live
    from heliograph.web.state import Source

PREFIX = "/api/v1"
JSON, EVENTS = "application/json", "text/event-stream"

_YEARS = timedelta(days=10 * 366)
_LIFE = timedelta(days=40 * 366)
_MONTH = timedelta(days=30)
_PLANT = "/plants/{vendor}/{plant}"
_GAUGES = tuple(name for name, metric in METRICS.items() if metric.kind == "gauge")
_SORTS = ("name", "vendor", "plant", "status", "freshness", "measured_at", *METRICS)

Asked = Mapping[str, Any]
Answer = Callable[["Source", Asked], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One path that can be asked: what for, with what, and what comes back."""

    path: str
    meaning: str
    schema: str
    answer: Answer
    parameters: tuple[Parameter, ...] = ()


async def _plants(source: Source, asked: Asked) -> dict[str, Any]:
    found = [one for one in (await source.overview()).plants if _wanted(one, asked)]
    found.sort(key=lambda one: (one.series.vendor, one.series.plant))
    if sort := asked["sort"]:
        known = [one for one in found if _rank(one, sort) is not None]
        known.sort(key=lambda one: _rank(one, sort), reverse=asked["order"] == "desc")
        found = [*known, *(one for one in found if _rank(one, sort) is None)]
    offset, limit = asked["offset"], asked["limit"]
    page = [brief(one) for one in found[offset : offset + limit]]
    return {"total": len(found), "offset": offset, "limit": limit, "plants": page}


def _wanted(one: PlantNow, asked: Asked) -> bool:
    sought = (asked["q"] or "").casefold()
    return (
        asked["vendor"] in (None, one.series.vendor)
        and asked["status"] in (None, one.status)
        and asked["freshness"] in (None, one.freshness)
        and (sought in one.title.casefold() or sought in one.series.plant.casefold())
    )


def _rank(one: PlantNow, sort: str) -> Any:
    if sort == "name":
        return one.title.casefold()
    if sort in METRICS:
        return one.values.get(sort)
    return getattr(one.series, sort) if sort in ("vendor", "plant") else getattr(one, sort)


async def _plant(source: Source, asked: Asked) -> dict[str, Any]:
    return plant_data(await _known(source, asked))


async def _known(source: Source, asked: Asked) -> PlantNow:
    """Return the plant a path names; raises a problem where there is none."""
    for one in (await source.overview()).plants:
        if (one.series.vendor, one.series.plant) == (asked["vendor"], asked["plant"]):
            return one
    raise Problem(404, f"there is no plant {asked['plant']!r} of {asked['vendor']!r}")


def _series(one: PlantNow, asked: Asked) -> Series:
    if asked["device"] is None:
        return one.series
    for device in one.devices:
        if device.series.device == asked["device"]:
            return device.series
    raise Problem(404, f"this plant has no device {asked['device']!r}")


def _of(one: PlantNow, device: str | None) -> dict[str, Any]:
    return {"vendor": one.series.vendor, "plant": one.series.plant, "device": device, "zone": str(one.zone)}


async def _samples(source: Source, asked: Asked) -> dict[str, Any]:
    one = await _known(source, asked)
    of = _series(one, asked)
    since, until = _between(source, asked, one, timedelta(), _YEARS)
    names = asked["metrics"] or _GAUGES
    found = await source.ask(lambda store: series.columns(store, of, one.zone, names, since, until, asked["points"]))
    if asked["metrics"] is None:
        columns = found["metrics"].items()
        found["metrics"] = {name: column for name, column in columns if any(v is not None for v in column["high"])}
    return {**_of(one, asked["device"]), **found}


async def _days(source: Source, asked: Asked) -> dict[str, Any]:
    one = await _known(source, asked)
    of = _series(one, asked)
    first, last = _calendar(source, asked, one, _MONTH, _LIFE)
    found = await source.ask(lambda store: store.days(of, first, last))
    return {**_of(one, asked["device"]), "days": [day_data(row) for row in found]}


async def _repairs(source: Source, asked: Asked) -> dict[str, Any]:
    one = await _known(source, asked)
    since, until = _between(source, asked, one, _MONTH, _YEARS)
    whose = (one.series, *(device.series for device in one.devices))

    def question(store: Store) -> list[dict[str, Any]]:
        found = (row for of in whose for row in store.repairs(of, since, until))
        return [repair_data(row) for row in sorted(found, key=lambda row: row.measured_at, reverse=True)]

    found = await source.ask(question)
    named = {"vendor": one.series.vendor, "plant": one.series.plant, "zone": str(one.zone)}
    return {**named, "total": len(found), "repairs": found[: asked["limit"]]}


async def _accounts(source: Source, asked: Asked) -> dict[str, Any]:
    return {"accounts": [account_data(one) for one in (await source.overview()).accounts]}


def _calendar(source: Source, asked: Asked, one: PlantNow, usual: timedelta, most: timedelta) -> tuple[date, date]:
    """Return the first and the last day that are asked for."""
    last = asked["to"] or day_at(int(source.clock.now()), one.zone)
    first = asked["from"] or last - usual
    if first > last:
        raise Problem(400, "from comes after to")
    if last - first > most:
        raise Problem(400, f"from and to are more than {most.days} days apart; ask for less")
    return first, last


def _between(source: Source, asked: Asked, one: PlantNow, usual: timedelta, most: timedelta) -> tuple[int, int]:
    """Return the moments that are asked for; a day as the last is asked for whole."""
    to = asked["to"] or day_at(int(source.clock.now()), one.zone)
    until = epoch(to if isinstance(to, datetime) else to + timedelta(days=1), one.zone)
    since = epoch(asked["from"] or day_at(until - 1, one.zone) - usual, one.zone)
    if since >= until:
        raise Problem(400, "from comes after to")
    if until - since > most.total_seconds():
        raise Problem(400, f"from and to are more than {most.days} days apart; ask for less, or for days")
    return since, until


_RANGE = (
    when("from", "a moment, or a day of the plant's own calendar; usually today, or a month ago"),
    when("to", "a moment, or a day, which is included; usually today"),
)
_DEVICE = text("device", "one of the plant's devices, instead of the plant as a whole")

CALLS = (
    Call(
        path="/plants",
        meaning="All plants as they are now, as one page of a list.",
        schema="Plants",
        answer=_plants,
        parameters=(
            text("q", "only plants whose name or id holds this"),
            text("vendor", "only plants of this cloud"),
            choice("status", "only plants in this status", Status),
            choice("freshness", "only plants with samples this fresh", Freshness),
            choice("sort", "by what they are sorted; what is not known comes last", _SORTS),
            choice("order", "which way they are sorted", ("asc", "desc"), "asc"),
            whole("limit", "how many to a page", 1, 1000, 100),
            whole("offset", "how many to leave out before it", 0, 1_000_000, 0),
        ),
    ),
    Call(path=_PLANT, meaning="A plant and its devices as they are now.", schema="PlantWithDevices", answer=_plant),
    Call(
        path=f"{_PLANT}/samples",
        meaning="The past of a plant in stretches: mean, lowest and highest of each metric. Stretches of an hour or "
        "more begin with the plant's own midnight, and the first may begin before from. Usually the powers and the "
        "state of charge, as far as there are any.",
        schema="Samples",
        answer=_samples,
        parameters=(
            *_RANGE,
            several("metrics", "which metrics, with commas between", METRICS),
            whole("points", "how many stretches at most; a change of the clock may add one", 1, series.MOST, 500),
            _DEVICE,
        ),
    ),
    Call(
        path=f"{_PLANT}/days",
        meaning="What flowed on each day of the plant's own calendar, in kWh.",
        schema="Days",
        answer=_days,
        parameters=(
            day("from", "the first day; usually 30 days before the last"),
            day("to", "the last day; usually today"),
            _DEVICE,
        ),
    ),
    Call(
        path=f"{_PLANT}/repairs",
        meaning="Values of the plant and its devices that were not believed, newest first.",
        schema="Repairs",
        answer=_repairs,
        parameters=(*_RANGE, whole("limit", "how many at most", 1, 2000, 500)),
    ),
    Call(
        path="/accounts",
        meaning="What is used of every account's budget, and what holds it back.",
        schema="Accounts",
        answer=_accounts,
    ),
)

LISTEN = (
    text("vendor", "only plants of this cloud"),
    text("plant", "only the plant of this id"),
    whole("after", "the number of an event: only what changed after it", 0, 2**31, 0),
)


def routes(source: Source, live: Live) -> list[Route]:
    """Return every path of the API, with what programs watch beside it."""

    async def listen(request: Request) -> Response:
        asked = read(LISTEN, _query(request))
        live.check()
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdecimal() and len(last) < 16 else asked["after"]
        stream = live.events(
            after, lambda one: asked["vendor"] in (None, one.vendor) and asked["plant"] in (None, one.plant)
        )
        return StreamingResponse(stream, headers={"Cache-Control": "no-store"}, media_type=EVENTS)

    async def metrics(_: Request) -> Response:
        now = await source.overview()
        # A thousand plants are a megabyte; the collector may share this loop.
        text = await asyncio.to_thread(exposition, now.plants, now.accounts, now.sinks)
        return Response(text, media_type=CONTENT_TYPE)

    async def healthz(_: Request) -> Response:
        reasons = await _failing(source)
        told = {"status": "failing" if reasons else "ok", "reasons": reasons}
        return Response(dumps(told), 503 if reasons else 200, {"Cache-Control": "no-store"}, media_type=JSON)

    return [
        Route(f"{PREFIX}/events/live", listen),
        *(Route(PREFIX + routed(call.path), _answered(call, source)) for call in CALLS),
        Route("/healthz", healthz),
        Route("/metrics", metrics),
    ]


def _answered(call: Call, source: Source) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        asked = read(call.parameters, _query(request))
        body = dumps(await call.answer(source, {**asked, **request.path_params}), separators=(",", ":")).encode()
        # Weak: what is compressed on its way is another body of the same meaning.
        tag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if tag in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=JSON)

    return answered


def _query(request: Request) -> list[tuple[str, str]]:
    return request.query_params.multi_items()


async def _failing(source: Source) -> list[str]:
    try:
        await source.ask(lambda store: store.series())
    except NothingKept:
        return []  # nothing was collected yet, which is no fault
    except StoreError as error:
        return [f"the store cannot be read: {masked(str(error))}"]
    return []


async def _problem(_: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return error.response()
    if isinstance(error, HTTPException):
        return Problem(
            error.status_code, "there is nothing here" if error.status_code == 404 else error.detail
        ).response()
    if isinstance(error, StoreError):
        return Problem(503, f"the store cannot be read: {masked(str(error))}", {"Retry-After": "10"}).response()
    raise error


HANDLERS = {Problem: _problem, HTTPException: _problem, StoreError: _problem}
