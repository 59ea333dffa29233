"""The routes of an admin: onboarding from CSV, members, API tokens, and the audit log."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route

from heliograph.errors import ConfigError
from heliograph.fleet import access, audit, tenants
from heliograph.fleet.access import Role, parse_role
from heliograph.fleet.audit import record
from heliograph.fleet.csv_import import import_accounts
from heliograph.web.fleet import admin_pages
from heliograph.web.fleet.forms import read_form
from heliograph.web.fleet.layout import with_query
from heliograph.web.fleet.plants_page import parse_id
from heliograph.web.fleet.routes import with_error_pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from heliograph.fleet.access import PageDatabase, Principal
    from heliograph.fleet.csv_import import ImportReport
    from heliograph.fleet.database import Database
    from heliograph.fleet.secrets import SecretBox


class Onboarding(NamedTuple):
    """The connection that may write accounts, and the key that seals their secrets."""

    database: Database
    box: SecretBox
    egress: str = "default"


class AdminPages:
    """The request handlers of an admin; `onboarding` is None on a server without the fleet's key."""

    def __init__(self, database: PageDatabase, onboarding: Onboarding | None) -> None:
        self._database = database
        self._onboarding = onboarding

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        pages = (
            ("GET", "/import", self.import_form),
            ("POST", "/import", self.import_file),
            ("GET", "/members", self.members),
            ("POST", "/members", self.set_member),
            ("POST", "/members/remove", self.remove_member),
            ("POST", "/tokens", self.add_token),
            ("POST", "/tokens/revoke", self.revoke_token),
            ("GET", "/audit", self.audit_log),
        )
        return [Route(path, with_error_pages(run), methods=[method]) for method, path, run in pages]

    async def import_form(self, request: Request) -> Response:
        """Return the form for a CSV file."""
        return await self._import_page(request)

    async def import_file(self, request: Request) -> Response:
        """Check a CSV file, or import the file that was checked before."""
        form = await read_form(request, upload=True)
        principal: Principal = request.state.principal
        (tenant,) = _managed(principal, form)
        if self._onboarding is None:
            raise HTTPException(403, "this server has no key to seal passwords with")
        digest = sha256(form.get("file", "").encode()).hexdigest()
        wanted = form.get("do") == "import"
        if wanted and form.get("checked") != digest:
            problem = "This is not the file that was checked. It is checked now."
            return await self._checked(request, form, tenant, digest, problem=problem)
        if not wanted:
            return await self._checked(request, form, tenant, digest)
        result = await self._run_import(principal, tenant, form, dry_run=False)
        if result.stored:
            async with self._database.transaction(principal) as run:
                await record(run, principal, [tenant], "accounts imported", f"{result.accounts} accounts")
        return await self._import_page(request, report=result, chosen=tenant)

    async def _checked(
        self, request: Request, form: Mapping[str, str], tenant: int, digest: str, problem: str = ""
    ) -> Response:
        result = await self._run_import(request.state.principal, tenant, form, dry_run=True)
        checked = "" if result.problems else digest
        return await self._import_page(request, report=result, checked=checked, chosen=tenant, problem=problem)

    async def _run_import(
        self, principal: Principal, tenant: int, form: Mapping[str, str], *, dry_run: bool
    ) -> ImportReport:
        if self._onboarding is None:
            raise HTTPException(403, "this server has no key to seal passwords with")
        async with self._database.transaction(principal) as run:
            names = await tenants.list_tenants(run, [tenant])
        if not names:
            raise HTTPException(404, "there is no such tenant")
        database, box, egress = self._onboarding
        text = form.get("file", "")
        return await import_accounts(database, box, text, tenant=names[0].name, egress=egress, dry_run=dry_run)

    async def _import_page(
        self,
        request: Request,
        *,
        report: ImportReport | None = None,
        checked: str = "",
        chosen: int | None = None,
        problem: str = "",
    ) -> Response:
        principal, scope = _admin(request)
        async with self._database.transaction(principal) as run:
            names = await tenants.list_tenants(run, scope)
        ready = self._onboarding is not None
        page = admin_pages.import_page(
            principal, names, ready=ready, report=report, checked=checked, chosen=chosen, problem=problem
        )
        return _html(page, 400 if report is not None and report.problems else 200)

    async def members(self, request: Request) -> Response:
        """Return members and tokens."""
        return await self._members_page(request)

    async def set_member(self, request: Request) -> Response:
        """Add a member, or change its role."""
        form, principal = await read_form(request), request.state.principal
        (tenant,), role = _managed(principal, form), parse_role(form.get("role", ""))
        async with self._database.transaction(principal) as run:
            await tenants.set_member(run, tenant, form.get("subject", ""), role)
            await record(run, principal, [tenant], "member set", f"{form.get('subject', '')}: {role.name.lower()}")
        return RedirectResponse("/members", 303)

    async def remove_member(self, request: Request) -> Response:
        """Remove a member."""
        form, principal = await read_form(request), request.state.principal
        (tenant,), subject = _managed(principal, form), form.get("subject", "")
        async with self._database.transaction(principal) as run:
            if not await tenants.remove_member(run, tenant, subject):
                raise HTTPException(404, "there is no such member")
            await record(run, principal, [tenant], "member removed", subject)
        return RedirectResponse("/members", 303)

    async def add_token(self, request: Request) -> Response:
        """Create a token and show it, once."""
        form, principal = await read_form(request), request.state.principal
        (tenant,), role = _managed(principal, form), parse_role(form.get("role", ""))
        days = parse_id(form.get("days", ""))
        async with self._database.transaction(principal) as run:
            token = await tenants.add_token(run, tenant, form.get("name", ""), role, days)
            await record(run, principal, [tenant], "token created", f"{form.get('name', '')}: {role.name.lower()}")
        return await self._members_page(request, token)

    async def revoke_token(self, request: Request) -> Response:
        """Revoke a token."""
        form, principal = await read_form(request), request.state.principal
        (tenant,), number = _managed(principal, form), parse_id(form.get("id", ""))
        async with self._database.transaction(principal) as run:
            if number is None or not await tenants.revoke_token(run, tenant, number):
                raise HTTPException(404, "there is no such token")
            await record(run, principal, [tenant], "token revoked", f"token {number}")
        return RedirectResponse("/members", 303)

    async def _members_page(self, request: Request, new_token: str = "") -> Response:
        principal, scope = _admin(request)
        async with self._database.transaction(principal) as run:
            names = await tenants.list_tenants(run, scope)
            members = await tenants.list_members(run, scope)
            tokens = await tenants.list_tokens(run, scope)
        return _html(admin_pages.members_page(principal, names, members, tokens, new_token))

    async def audit_log(self, request: Request) -> Response:
        """Return a page of the audit log."""
        principal, scope = _admin(request)
        async with self._database.transaction(principal) as run:
            names = await tenants.list_tenants(run, scope)
            found = await audit.entries(run, scope, parse_id(request.query_params.get("before", "")))
        after = with_query("/audit", before=found[-1].id) if len(found) == audit.PAGE_SIZE else None
        return _html(admin_pages.audit_page(principal, names, found, after))


def _admin(request: Request) -> tuple[Principal, list[int]]:
    """Return the principal and the tenants of which it is an admin; raises `HTTPException` if there are none."""
    principal: Principal = request.state.principal
    scope = access.scope_of(principal, Role.ADMIN)
    if not scope:
        raise HTTPException(403, "this needs the role admin; ask an admin of the tenant")
    return principal, scope


def _managed(principal: Principal, form: Mapping[str, str]) -> list[int]:
    """Return the one tenant of a form; raises `HTTPException` unless the principal is its admin."""
    tenant = parse_id(form.get("tenant", ""))
    if tenant is None:
        raise ConfigError("the form names no tenant")
    scope = access.scope_of(principal, Role.ADMIN, tenant)
    if not scope:
        raise HTTPException(403, "this needs the role admin; ask an admin of the tenant")
    return scope


def _html(text: str, status: int = 200) -> Response:
    return HTMLResponse(text, status, {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"})
