"""The JSON API of a fleet: plants by what needs a person, customers, accounts and reports, paged by cursor."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from heliograph.errors import ConfigError, StoreError
from heliograph.fleet import access, listings, report, triage
from heliograph.fleet.audit import record_look
from heliograph.fleet.cursors import parse_cursor
from heliograph.local_time import day_at, zone_from_name
from heliograph.web.fleet.plants_page import parse_triage_query
from heliograph.web.fleet.routes import search_text
from heliograph.web.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from heliograph.fleet.access import PageDatabase
    from heliograph.fleet.cursors import Cursor
    from heliograph.fleet.report import EnergySums
    from heliograph.fleet.triage import PlantRow
    from heliograph.local_time import Clock

_URGENCIES = list(triage.URGENCIES)


class FleetApi:
    """The request handlers of the API."""

    def __init__(self, database: PageDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        plant = "/api/v1/fleet/plants/{tenant:int}/{series:int}"
        found = (
            ("/api/v1/fleet/plants", self.plants),
            (plant, self.plant),
            (f"{plant}/report", self.plant_report),
            ("/api/v1/fleet/customers", self.customers),
            ("/api/v1/fleet/accounts", self.accounts),
        )
        return [Route(path, _with_problems(run), methods=["GET"]) for path, run in found]

    async def plants(self, request: Request) -> Any:
        """Return a page of plants."""
        principal, now = request.state.principal, int(self._clock.now())
        query = parse_triage_query(request.query_params)
        scope = access.scope_of(principal, tenant=query.tenant)
        async with self._database.transaction(principal) as run:
            await record_look(run, principal, scope, "plants")
            page = await triage.load_page(run, scope, query, now)
        return {
            "plants": [_plant(one, now) for one in page.plants],
            "counts": {name: page.counts.get(number, 0) for name, number in triage.URGENCIES.items()},
            "alarms": page.rules,
            **_cursors(page.before, page.after),
        }

    async def plant(self, request: Request) -> Any:
        """Return one plant."""
        return _plant(await self._plant(request), int(self._clock.now()))

    async def plant_report(self, request: Request) -> Any:
        """Return the report of a month."""
        plant, principal = await self._plant(request), request.state.principal
        today = day_at(int(self._clock.now()), zone_from_name(plant.zone))
        first = report.parse_month(request.query_params.get("month", ""), today)
        async with self._database.transaction(principal) as run:
            scope = access.scope_of(principal)
            found = await report.plant_report(run, scope, plant.tenant, plant.series, first)
        if found is None:
            raise HTTPException(404, "there is no such plant")
        (month,) = found.plants
        return {
            "month": f"{first:%Y-%m}",
            "sums": _sums(month.sums),
            "month_before": _sums(month.month_before),
            "year_before": _sums(month.year_before),
            "days": [{"day": one.day.isoformat(), **one.values} for one in found.days],
        }

    async def customers(self, request: Request) -> Any:
        """Return a page of customers."""
        principal = request.state.principal
        scope = access.scope_of(principal)
        async with self._database.transaction(principal) as run:
            await record_look(run, principal, scope, "customers")
            page = await listings.list_customers(run, scope, search_text(request), _cursor(request))
        return {"customers": [one._asdict() for one in page.rows], **_cursors(page.before, page.after)}

    async def accounts(self, request: Request) -> Any:
        """Return a page of accounts."""
        principal, state = request.state.principal, request.query_params.get("state", "")
        scope = access.scope_of(principal)
        async with self._database.transaction(principal) as run:
            await record_look(run, principal, scope, "accounts")
            page = await listings.list_accounts(run, scope, state, search_text(request), _cursor(request))
        return {"accounts": [one._asdict() for one in page.rows], **_cursors(page.before, page.after)}

    async def _plant(self, request: Request) -> PlantRow:
        principal, now = request.state.principal, int(self._clock.now())
        tenant, series = request.path_params["tenant"], request.path_params["series"]
        async with self._database.transaction(principal) as run:
            scope = access.scope_of(principal)
            fits = tenant < 2**63 and series < 2**31
            plant = await triage.load_plant(run, scope, tenant, series, now) if fits else None
            if plant is None:
                raise HTTPException(404, "there is no such plant")
            await record_look(run, principal, [tenant], f"plant {series}")
        return plant


def _plant(one: PlantRow, now: int) -> Mapping[str, Any]:
    return {
        "tenant": one.tenant,
        "series": one.series,
        "vendor": one.vendor,
        "id": one.cloud_id,
        "name": one.name,
        "customer": one.customer or None,
        "tags": one.tags,
        "account": one.account,
        "account_name": one.account_name,
        "peak_power": one.peak_power,
        "freshness": one.freshness,
        "measured_at": _iso(one.measured_at),
        "pv_power": one.pv_power,
        "battery_soc": one.battery_soc,
        "pv_energy_today": one.energy_today,
        "specific_yield": one.specific_yield,
        "specific_yield_day": None if one.day is None else one.day.isoformat(),
        "urgency": _URGENCIES[one.urgency],
        "alarms": [
            {
                "rule": alarm.rule,
                "seen": alarm.seen,
                "raised_at": _iso(alarm.raised_at),
                "open": alarm.is_open(now),
                "answered_by": alarm.answered_by,
                "snoozed_until": _iso(alarm.snoozed_until),
            }
            for alarm in one.alarms
        ],
    }


def _sums(sums: EnergySums) -> Mapping[str, Any]:
    return {**sums.values, "days_known": sums.days}


def _cursors(before: Cursor | None, after: Cursor | None) -> Mapping[str, str | None]:
    return {"before": before and before.text(), "after": after and after.text()}


def _cursor(request: Request) -> Cursor | None:
    text = request.query_params.get("cursor", "")
    return parse_cursor(text, listings.KEY_TYPES) if text else None


def _iso(at: int | None) -> str | None:
    return None if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _with_problems(answer: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler that answers JSON, and errors as `application/problem+json`."""

    async def handler(request: Request) -> Response:
        try:
            return JSONResponse(await answer(request), headers={"Cache-Control": "no-store"})
        except StoreError as error:
            return Problem(503, str(error), {"Retry-After": "10"}).response()
        except ConfigError as error:
            return Problem(400, str(error)).response()
        except HTTPException as error:
            return Problem(error.status_code, error.detail).response()

    return handler
