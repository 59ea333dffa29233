"""The routes of the triage page. Each reads within one transaction that is limited to the tenants of the principal."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from heliograph.errors import ConfigError, StoreError
from heliograph.fleet import access, listings, report, responses, tenants, triage
from heliograph.fleet.access import Role
from heliograph.fleet.audit import record_look
from heliograph.fleet.cursors import parse_cursor
from heliograph.local_time import day_at, zone_from_name
from heliograph.web.fleet import admin_pages
from heliograph.web.fleet.auth import HEALTH_PATH
from heliograph.web.fleet.forms import read_form
from heliograph.web.fleet.layout import message_page, plant_path
from heliograph.web.fleet.plant_page import plant_page
from heliograph.web.fleet.plants_page import parse_triage_query, plants_page
from heliograph.web.fleet.report_pages import customer_report_page, plant_report_page
from heliograph.web.page.download import safe_file_name
from heliograph.web.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from heliograph.fleet.access import PageDatabase, Principal
    from heliograph.fleet.cursors import Cursor
    from heliograph.fleet.database import Run
    from heliograph.fleet.triage import PlantRow
    from heliograph.local_time import Clock

    Handler = Callable[[Request], Awaitable[Response]]

_NOTICES = {
    "answered": "The alarm is answered.",
    "saved": "Customer and tags are saved.",
}
_DAY = 24 * 3600
_MAX_SNOOZE = 365


class FleetPages:
    """The request handlers of plants, customers and reports."""

    def __init__(self, database: PageDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        plant = "/plants/{tenant:int}/{series:int}"
        pages: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/", self.plants),
            ("GET", plant, self.plant),
            ("POST", f"{plant}/answer", self.answer),
            ("POST", f"{plant}/edit", self.edit),
            ("GET", f"{plant}/report", self.plant_report),
            ("GET", f"{plant}/report.csv", self.plant_csv),
            ("GET", "/customers", self.customers),
            ("GET", "/customers/{tenant:int}/report", self.customer_report),
            ("GET", "/customers/{tenant:int}/report.csv", self.customer_csv),
            ("GET", "/accounts", self.accounts),
        )
        found: list[BaseRoute] = [Route(path, with_error_pages(run), methods=[method]) for method, path, run in pages]
        return [*found, Route(HEALTH_PATH, self.health)]

    async def health(self, request: Request) -> Response:
        """Return whether the database answers."""
        try:
            async with self._database.transaction(None) as run:
                await run("SELECT 1")
        except StoreError:
            return PlainTextResponse("the database does not answer\n", 503)
        return PlainTextResponse("ok\n")

    async def plants(self, request: Request) -> Response:
        principal, now = request.state.principal, self._now()
        query = parse_triage_query(request.query_params)
        scope = access.scope_of(principal, tenant=query.tenant)
        async with self._database.transaction(principal) as run:
            await record_look(run, principal, scope, "plants")
            names = await tenants.list_tenants(run, access.scope_of(principal))
            page = await triage.load_page(run, scope, query, now)
        return _html(plants_page(principal, names, query, page, now))

    async def plant(self, request: Request) -> Response:
        principal, now = request.state.principal, self._now()
        async with self._database.transaction(principal) as run:
            plant = await self._plant(request, run)
            first = day_at(now, zone_from_name(plant.zone)).replace(day=1)
            scope = access.scope_of(principal)
            month = await report.plant_report(run, scope, plant.tenant, plant.series, first)
            await record_look(run, principal, [plant.tenant], f"plant {plant.series}")
        notice = _NOTICES.get(request.query_params.get("done", ""), "")
        return _html(plant_page(principal, plant, month.days if month else (), now, notice))

    async def answer(self, request: Request) -> Response:
        """Acknowledge an alarm, or snooze it for some days."""
        form, now = await read_form(request), self._now()
        days = parse_days(form.get("days", ""))
        async with self._database.transaction(request.state.principal) as run:
            plant = await self._plant(request, run, Role.OPERATOR)
            until = None if days is None else now + days * _DAY
            rules = [form.get("rule", "")]
            answered = await responses.answer_alarms(
                run, request.state.principal, plant.tenant, plant.series, rules, now, until
            )
            if not answered:
                raise HTTPException(404, "this alarm is over")
        return RedirectResponse(f"{plant_path(plant.tenant, plant.series)}?done=answered", 303)

    async def edit(self, request: Request) -> Response:
        """Set customer and tags of a plant."""
        form, principal = await read_form(request), request.state.principal
        customer, tags = responses.checked_name(form.get("customer", "")), responses.parse_tags(form.get("tags", ""))
        async with self._database.transaction(principal) as run:
            plant = await self._plant(request, run, Role.OPERATOR)
            if customer != plant.customer:
                await responses.set_customer(run, principal, plant.tenant, plant.series, customer)
            if sorted(tags) != sorted(plant.tags):
                await responses.set_tags(run, principal, plant.tenant, plant.series, tags)
        return RedirectResponse(f"{plant_path(plant.tenant, plant.series)}?done=saved", 303)

    async def plant_report(self, request: Request) -> Response:
        found, today = await self._plant_report(request)
        return _html(plant_report_page(request.state.principal, found, today))

    async def plant_csv(self, request: Request) -> Response:
        found, _ = await self._plant_report(request)
        return _csv(report.plant_csv(found), f"{found.plants[0].name}-{found.first:%Y-%m}")

    async def customer_report(self, request: Request) -> Response:
        found, today = await self._customer_report(request)
        tenant, customer = request.path_params["tenant"], request.query_params.get("name", "")
        return _html(customer_report_page(request.state.principal, tenant, customer, found, today))

    async def customer_csv(self, request: Request) -> Response:
        found, _ = await self._customer_report(request)
        return _csv(report.customer_csv(found), f"{request.query_params.get('name', '')}-{found.first:%Y-%m}")

    async def customers(self, request: Request) -> Response:
        principal, text = request.state.principal, search_text(request)
        scope = access.scope_of(principal)
        async with self._database.transaction(principal) as run:
            await record_look(run, principal, scope, "customers")
            names = await tenants.list_tenants(run, scope)
            page = await listings.list_customers(run, scope, text, _list_cursor(request))
        return _html(admin_pages.customers_page(principal, names, page, text))

    async def accounts(self, request: Request) -> Response:
        principal, text, state = request.state.principal, search_text(request), request.query_params.get("state", "")
        if state not in ("", *listings.STATES):
            raise ConfigError("unknown state in the address")
        scope = access.scope_of(principal)
        async with self._database.transaction(principal) as run:
            await record_look(run, principal, scope, "accounts")
            names = await tenants.list_tenants(run, scope)
            page = await listings.list_accounts(run, scope, state, text, _list_cursor(request))
            counts = await listings.count_accounts(run, scope)
        return _html(admin_pages.accounts_page(principal, names, page, counts, state, text))

    async def _plant(self, request: Request, run: Run, role: Role = Role.VIEWER) -> PlantRow:
        """Return the plant of a path; raises `HTTPException` if the principal cannot see it, or may not do this."""
        principal: Principal = request.state.principal
        tenant, series = request.path_params["tenant"], request.path_params["series"]
        scope = access.scope_of(principal)
        plant = await triage.load_plant(run, scope, tenant, series, self._now()) if _fits(tenant, series) else None
        if plant is None:
            raise HTTPException(404, "there is no such plant")
        if tenant not in access.scope_of(principal, role):
            raise HTTPException(403, f"this needs the role {role.name.lower()}; ask an admin of the tenant")
        return plant

    async def _plant_report(self, request: Request) -> tuple[report.MonthReport, date]:
        principal = request.state.principal
        async with self._database.transaction(principal) as run:
            plant = await self._plant(request, run)
            today = day_at(self._now(), zone_from_name(plant.zone))
            first = report.parse_month(request.query_params.get("month", ""), today)
            scope = access.scope_of(principal)
            found = await report.plant_report(run, scope, plant.tenant, plant.series, first)
            await record_look(run, principal, [plant.tenant], f"report of plant {plant.series}")
        if found is None:
            raise HTTPException(404, "there is no such plant")
        return found, today

    async def _customer_report(self, request: Request) -> tuple[report.MonthReport, date]:
        principal, tenant = request.state.principal, request.path_params["tenant"]
        customer = request.query_params.get("name", "").replace("\0", "")
        today = datetime.fromtimestamp(self._now(), UTC).date()
        first = report.parse_month(request.query_params.get("month", ""), today)
        scope = access.scope_of(principal, tenant=tenant)
        async with self._database.transaction(principal) as run:
            found = await report.customer_report(run, scope, tenant, customer, first) if _fits(tenant) else None
            if found is None:
                raise HTTPException(404, "there is no such customer")
            await record_look(run, principal, [tenant], f"report of customer {customer}")
        return found, today

    def _now(self) -> int:
        return int(self._clock.now())


def _fits(tenant: int, series: int = 0) -> bool:
    """Return whether numbers of a path fit into their columns."""
    return tenant < 2**63 and series < 2**31


def parse_days(text: str) -> int | None:
    """Return the days of a snooze; None if none are given. Raises `ConfigError`."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MAX_SNOOZE):
        raise ConfigError(f"a snooze has 1 to {_MAX_SNOOZE} days")
    return int(text)


def search_text(request: Request) -> str:
    """Return the text that is searched for."""
    return request.query_params.get("q", "").replace("\0", "")[:100]


def _list_cursor(request: Request) -> Cursor | None:
    text = request.query_params.get("cursor", "")
    return parse_cursor(text, listings.KEY_TYPES) if text else None


def _html(text: str) -> Response:
    # Without a same-origin referrer, browsers send forms with the origin "null".
    return HTMLResponse(text, headers={"Cache-Control": "no-store", "Referrer-Policy": "same-origin"})


def _csv(text: str, name: str) -> Response:
    disposition = f'attachment; filename="heliograph-{safe_file_name(name)}.csv"'
    headers = {"Cache-Control": "no-store", "Content-Disposition": disposition}
    return Response(text, headers=headers, media_type="text/csv")


def with_error_pages(answer: Handler) -> Handler:
    """Return a handler that reports errors of the address, the form or the database as a page."""

    async def handler(request: Request) -> Response:
        principal = request.state.principal
        try:
            return await answer(request)
        except StoreError as error:
            page, status = message_page("The database does not answer", str(error), principal), 503
            return HTMLResponse(page, status, {"Retry-After": "10", "Cache-Control": "no-store"})
        except ConfigError as error:
            return HTMLResponse(message_page("Not understood", str(error), principal), 400)
        except Problem as problem:
            return HTMLResponse(message_page("Not understood", problem.detail, principal), problem.status)
        except HTTPException as error:
            title = "Not allowed" if error.status_code == 403 else "Not found"
            return HTMLResponse(message_page(title, error.detail, principal), error.status_code)

    return handler
