"""The JSON API: one table of calls, from which routes and the OpenAPI document are generated, and their handlers."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import timedelta
from hashlib import blake2b
from json import dumps
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from heliograph.alarms.model import RULES, AlarmState, alarm_data
from heliograph.collect.freshness import Freshness
from heliograph.core.redact import mask_secrets
from heliograph.errors import StoreError
from heliograph.eventlog import LogEvent
from heliograph.local_time import day_at
from heliograph.metrics import METRICS
from heliograph.model import Status
from heliograph.outputs.prometheus import CONTENT_TYPE, exposition
from heliograph.store.recovery import REPAIR_COMMAND
from heliograph.tariffs.money import group_money
from heliograph.web import series
from heliograph.web.api_call import DEVICE, PLANT_PATH, RANGE, ApiCall, identity, known_plant, series_of_query
from heliograph.web.device_api import DEVICE_CALLS
from heliograph.web.live import EventHub, EventResponse
from heliograph.web.parameters import (
    choice,
    choices,
    day,
    integer,
    parse_parameters,
    text,
)
from heliograph.web.paths import route_path
from heliograph.web.problem import Problem
from heliograph.web.ranges import requested_days, requested_range
from heliograph.web.schemas import account_data, day_data, money_data, plant_data, plant_summary, repair_data

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from heliograph.current import PlantState
    from heliograph.store.base import Store
    from heliograph.web.api_call import QueryValues
    from heliograph.web.state import StateCache

_log = logging.getLogger(__name__)

PREFIX = "/api/v1"
JSON = "application/json"

_YEARS = timedelta(days=10 * 366)
_LIFE = timedelta(days=40 * 366)
_MONTH = timedelta(days=30)
_GAUGES = tuple(name for name, metric in METRICS.items() if metric.kind == "gauge")
_SORTS = ("name", "vendor", "plant", "status", "freshness", "measured_at", *METRICS)


async def _plants(state_cache: StateCache, query: QueryValues) -> dict[str, Any]:
    found = [one for one in (await state_cache.current()).plants if _wanted(one, query)]
    found.sort(key=lambda one: (one.series.vendor, one.series.plant))
    if sort := query["sort"]:
        known = [one for one in found if _rank(one, sort) is not None]
        known.sort(key=lambda one: _rank(one, sort), reverse=query["order"] == "desc")
        found = [*known, *(one for one in found if _rank(one, sort) is None)]
    offset, limit = query["offset"], query["limit"]
    page = [plant_summary(one) for one in found[offset : offset + limit]]
    return {"total": len(found), "offset": offset, "limit": limit, "plants": page}


def _wanted(one: PlantState, query: QueryValues) -> bool:
    sought = (query["q"] or "").casefold()
    return (
        query["vendor"] in (None, one.series.vendor)
        and query["status"] in (None, one.status)
        and query["freshness"] in (None, one.freshness)
        and (sought in one.title.casefold() or sought in one.series.plant.casefold())
    )


def _rank(one: PlantState, sort: str) -> Any:
    if sort == "name":
        return one.title.casefold()
    if sort in METRICS:
        return one.values.get(sort)
    return getattr(one.series, sort) if sort in ("vendor", "plant") else getattr(one, sort)


async def _plant(state_cache: StateCache, query: QueryValues) -> dict[str, Any]:
    return plant_data(await known_plant(state_cache, query))


async def _samples(state_cache: StateCache, query: QueryValues) -> dict[str, Any]:
    one = await known_plant(state_cache, query)
    of = series_of_query(one, query)
    since, until = requested_range(state_cache, query, one, timedelta(), _YEARS)
    names = query["metrics"] or _GAUGES
    found = await state_cache.query(
        lambda store: series.columns(store, of, one.zone, names, since, until, query["points"])
    )
    if query["metrics"] is None:
        columns = found["metrics"].items()
        found["metrics"] = {name: column for name, column in columns if any(v is not None for v in column["high"])}
    return {**identity(one, query["device"]), **found}


async def _days(state_cache: StateCache, query: QueryValues) -> dict[str, Any]:
    one = await known_plant(state_cache, query)
    of = series_of_query(one, query)
    first, last = requested_days(state_cache, query, one, _MONTH, _LIFE)
    found = await state_cache.query(lambda store: store.known_days(of, first, last))
    return {**identity(one, query["device"]), "days": [day_data(row) for row in found]}


async def _money(state_cache: StateCache, query: QueryValues) -> dict[str, Any]:
    one = await known_plant(state_cache, query)
    now = int(state_cache.clock.now())
    first, last = requested_days(state_cache, query, one, _MONTH, _YEARS)
    last = min(last, day_at(now, one.zone))
    money = state_cache.money
    found = await state_cache.query(lambda store: money.days(store, one.series, one.zone, first, last, now))
    currency = money.currency(one.series, one.zone)
    periods = group_money(currency, found, first, last, query["by"]) if currency else []
    of = {"vendor": one.series.vendor, "plant": one.series.plant, "zone": str(one.zone)}
    return {
        **of,
        "currency": currency,
        "by": query["by"],
        "periods": [money_data(*row, query["by"]) for row in periods],
    }


async def _repairs(state_cache: StateCache, query: QueryValues) -> dict[str, Any]:
    one = await known_plant(state_cache, query)
    since, until = requested_range(state_cache, query, one, _MONTH, _YEARS)
    whose = (one.series, *(device.series for device in one.devices))

    def question(store: Store) -> list[dict[str, Any]]:
        found = (row for of in whose for row in store.repairs(of, since, until))
        return [repair_data(row) for row in sorted(found, key=lambda row: row.measured_at, reverse=True)]

    found = await state_cache.query(question)
    named = {"vendor": one.series.vendor, "plant": one.series.plant, "zone": str(one.zone)}
    return {**named, "total": len(found), "repairs": found[: query["limit"]]}


async def _accounts(state_cache: StateCache, query: QueryValues) -> dict[str, Any]:
    return {"accounts": [account_data(one) for one in (await state_cache.current()).accounts]}


async def _alarms(state_cache: StateCache, query: QueryValues) -> dict[str, Any]:
    system = await state_cache.current()
    found = [
        one
        for one in system.alarms
        if (one.is_active if query["state"] is None else query["state"] == one.state(system.at))
        and query["vendor"] in (None, one.subject.vendor)
        and query["plant"] in (None, one.subject.plant)
        and query["rule"] in (None, one.rule)
    ]
    return {"alarms": [alarm_data(one, system.at) for one in found]}


CALLS = (
    ApiCall(
        path="/plants",
        meaning="The current state of all plants, paginated.",
        schema="Plants",
        handler=_plants,
        parameters=(
            text("q", "only plants whose name or ID contains this text"),
            text("vendor", "only plants of this cloud"),
            choice("status", "only plants with this status", Status),
            choice("freshness", "only plants with this freshness", Freshness),
            choice("sort", "sort key; unknown values are last", _SORTS),
            choice("order", "sort order", ("asc", "desc"), "asc"),
            integer("limit", "plants per page", 1, 1000, 100),
            integer("offset", "plants to skip", 0, 1_000_000, 0),
        ),
    ),
    ApiCall(
        path=PLANT_PATH,
        meaning="The current state of a plant and its devices.",
        schema="PlantWithDevices",
        handler=_plant,
    ),
    ApiCall(
        path=f"{PLANT_PATH}/samples",
        meaning="History of a plant in buckets: mean, minimum and maximum of each metric. Buckets of an hour or more "
        "start at the plant's local midnight, and the first may start before from. Default metrics: the powers and the "
        "state of charge, as far as there are any.",
        schema="Samples",
        handler=_samples,
        parameters=(
            *RANGE,
            choices("metrics", "comma-separated metrics", METRICS),
            integer("points", "maximum number of buckets; a clock change may add one", 1, series.MAX_BUCKETS, 500),
            DEVICE,
        ),
    ),
    ApiCall(
        path=f"{PLANT_PATH}/days",
        meaning="Energies per day of the plant's local calendar, in kWh.",
        schema="Days",
        handler=_days,
        parameters=(
            day("from", "the first day; default: 30 days before the last"),
            day("to", "the last day; default: today"),
            DEVICE,
        ),
    ),
    ApiCall(
        path=f"{PLANT_PATH}/money",
        meaning="Cost, income, savings and avoided CO2 of days, months or years at the configured tariffs. Without a "
        "tariff there are no periods; a value that is unknown for all days of a period is null.",
        schema="Money",
        handler=_money,
        parameters=(
            day("from", "the first day; default: 30 days before the last"),
            day("to", "the last day; default: today"),
            choice("by", "length of the periods", ("day", "month", "year"), "day"),
        ),
    ),
    ApiCall(
        path=f"{PLANT_PATH}/repairs",
        meaning="Rejected values of the plant and its devices, newest first.",
        schema="Repairs",
        handler=_repairs,
        parameters=(*RANGE, integer("limit", "maximum number of values", 1, 2000, 500)),
    ),
    *DEVICE_CALLS,
    ApiCall(
        path="/alarms",
        meaning="Alarms that are not over; with a state, those in that state.",
        schema="Alarms",
        handler=_alarms,
        parameters=(
            choice("state", "only alarms in this state", AlarmState),
            choice("rule", "only alarms of this rule", RULES),
            text("vendor", "only alarms of this cloud"),
            text("plant", "only alarms of the plant with this ID"),
        ),
    ),
    ApiCall(
        path="/accounts",
        meaning="Request quota and pause of every account.",
        schema="Accounts",
        handler=_accounts,
    ),
)

EVENT_PARAMETERS = (
    text("vendor", "only plants of this cloud"),
    text("plant", "only the plant with this ID"),
    integer("after", "event number: only later changes", 0, 2**31, 0),
)


def routes(state_cache: StateCache, hub: EventHub) -> list[Route]:
    """Return the routes of the API, and of events, metrics and health check."""

    async def listen(request: Request) -> Response:
        query = parse_parameters(EVENT_PARAMETERS, _query(request))
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdecimal() and len(last) < 16 else query["after"]
        stream = hub.events(
            after, lambda one: query["vendor"] in (None, one.vendor) and query["plant"] in (None, one.plant)
        )
        return EventResponse(hub, stream)

    async def metrics(_: Request) -> Response:
        now = await state_cache.current()
        # In a thread: a thousand plants are a megabyte, and the collector may share this event loop.
        values = now.plants, now.accounts, now.sinks, now.active_alarms, await state_cache.money_today(now)
        text = await asyncio.to_thread(exposition, *values)
        return Response(text, media_type=CONTENT_TYPE)

    async def healthz(_: Request) -> Response:
        health, reasons, warnings = await _health(state_cache)
        # A plant that is offline or not polled does not fail the check: a restart would not help it.
        body = {"status": "failing" if reasons else "ok", "reasons": reasons, "plants": health}
        if warnings:
            body["warnings"] = warnings
        return Response(dumps(body), 503 if reasons else 200, {"Cache-Control": "no-store"}, media_type=JSON)

    return [
        Route(f"{PREFIX}/events/live", listen),
        *(Route(PREFIX + route_path(call.path), _make_handler(call, state_cache)) for call in CALLS),
        Route("/healthz", healthz),
        Route("/metrics", metrics),
    ]


def _make_handler(call: ApiCall, state_cache: StateCache) -> Callable[[Request], Awaitable[Response]]:
    async def handler(request: Request) -> Response:
        query = parse_parameters(call.parameters, _query(request))
        body = dumps(await call.handler(state_cache, {**query, **request.path_params}), separators=(",", ":")).encode()
        # Weak, because compression changes the body but not its meaning.
        tag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if tag in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=JSON)

    return handler


def _query(request: Request) -> list[tuple[str, str]]:
    return request.query_params.multi_items()


async def _health(state_cache: StateCache) -> tuple[dict[str, int] | None, list[str], list[str]]:
    """Return the number of plants by freshness, the reasons why their state cannot be read, and warnings."""
    try:
        system = await state_cache.current()
    except StoreError as error:
        return None, [f"the store cannot be read: {mask_secrets(str(error))}"], []
    except Exception as error:  # noqa: BLE001 - whatever it is, the page cannot be shown
        # The page and the API answer 500 as well, until the mistake or the stored value is corrected.
        _log.exception(LogEvent("web.error", path="/healthz"))
        return None, [f"the current state cannot be read ({type(error).__name__}); the log has the details"], []
    counts = Counter(one.freshness for one in system.plants)
    damaged = system.damaged_store
    repair = f"is damaged; stop the collector, then run: {REPAIR_COMMAND}"
    return {str(one): counts[one] for one in Freshness}, [], [f"the store {damaged.name} {repair}"] if damaged else []


async def _problem(_: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return error.response()
    if isinstance(error, HTTPException):
        return Problem(error.status_code, "unknown path" if error.status_code == 404 else error.detail).response()
    if isinstance(error, StoreError):
        return Problem(503, f"the store cannot be read: {mask_secrets(str(error))}", {"Retry-After": "10"}).response()
    raise error


EXCEPTION_HANDLERS = {Problem: _problem, HTTPException: _problem, StoreError: _problem}
