"""Access of the triage page: no route shows or changes anything of another tenant, by either limit alone."""

from __future__ import annotations

import pytest
from starlette.routing import Route

from heliograph.fleet import access
from heliograph.fleet.access import PageDatabase
from heliograph.local_time import Clock
from heliograph.web.fleet.app import make_fleet_app
from support.fleet_page import MARK, as_person, fleet_site, send, send_file

OWNER = "heliograph"
"""A database role that row-level security does not limit."""
PUBLIC = {("GET", "/healthz"), ("GET", "/assets/{name}")}
CSV = "name,vendor,username,password\nroof,growatt,ada,secret-1\n"


def app_routes():
    """Return method and path of every route of the application."""
    app = make_fleet_app(PageDatabase("postgresql:///x"), Clock())
    return {
        (method, route.path) for route in app.routes if isinstance(route, Route) for method in route.methods - {"HEAD"}
    }


def requests_for(fleet):
    """Return requests for the other tenant's data by route: paths to GET, or path and fields of a form."""
    theirs, plant = fleet.theirs, fleet.their_plant
    path = "/plants/{tenant:int}/{series:int}"
    own = f"/plants/{theirs}/{plant}"
    filters = [
        "",
        f"?tenant={theirs}",
        f"?account={fleet.their_account}",
        "?sort=name",
        "?sort=yield",
        f"?q={MARK[:-1]}",
    ]
    customer = f"/customers/{theirs}/report"
    name = f"name={MARK}+customer&month=2026-05"
    tenant = {"tenant": theirs}
    return {
        ("GET", "/"): [f"/{one}" for one in filters],
        ("GET", path): [own],
        ("GET", f"{path}/report"): [f"{own}/report?month=2026-05"],
        ("GET", f"{path}/report.csv"): [f"{own}/report.csv?month=2026-05"],
        ("GET", "/customers"): ["/customers"],
        ("GET", "/customers/{tenant:int}/report"): [f"{customer}?{name}"],
        ("GET", "/customers/{tenant:int}/report.csv"): [f"{customer}.csv?{name}"],
        ("GET", "/accounts"): ["/accounts", "/accounts?state=needs_person"],
        ("GET", "/import"): ["/import"],
        ("GET", "/members"): ["/members"],
        ("GET", "/audit"): ["/audit"],
        ("GET", "/api/v1/fleet/plants"): [f"/api/v1/fleet/plants{one}" for one in filters],
        ("GET", "/api/v1/fleet/plants/{tenant:int}/{series:int}"): [f"/api/v1/fleet{own}"],
        ("GET", "/api/v1/fleet/plants/{tenant:int}/{series:int}/report"): [f"/api/v1/fleet{own}/report?month=2026-05"],
        ("GET", "/api/v1/fleet/customers"): ["/api/v1/fleet/customers"],
        ("GET", "/api/v1/fleet/accounts"): ["/api/v1/fleet/accounts"],
        ("POST", f"{path}/answer"): [(f"{own}/answer", {"rule": "fault"})],
        ("POST", f"{path}/edit"): [(f"{own}/edit", {"customer": "stolen", "tags": ""})],
        ("POST", "/import"): [("/import", {**tenant, "file": CSV, "do": "check"})],
        ("POST", "/members"): [("/members", {**tenant, "subject": "eve", "role": "admin"})],
        ("POST", "/members/remove"): [("/members/remove", {**tenant, "subject": f"viewer@{MARK}"})],
        ("POST", "/tokens"): [("/tokens", {**tenant, "name": "eve", "role": "admin"})],
        ("POST", "/tokens/revoke"): [("/tokens/revoke", {**tenant, "id": fleet.their_token})],
    }


TABLES = ("plant", "plant_tag", "plant_alarm", "account", "member", "api_token", "audit")


def their_rows(fleet):
    """Return everything that the other tenant has."""
    return {
        one: fleet.scene.run(f"SELECT * FROM {one} WHERE tenant = %s ORDER BY 1, 2, 3", (fleet.theirs,))
        for one in TABLES
    }


def leaking_routes(fleet, site, person):
    """Return the routes that show or change something of the other tenant."""
    found = set()
    for route, requests in requests_for(fleet).items():
        for one in requests:
            if route[0] == "GET":
                reply = site.ask(one, **as_person(person))
                leaked = reply.status == 200 and (MARK in reply.body.decode() or "{series:int}" in route[1])
            else:
                (path, fields), before = one, their_rows(fleet)
                reply = (send_file if path == "/import" else send)(site, path, fields, person)
                leaked = their_rows(fleet) != before or (reply.status < 400 and path == "/import")
            if leaked:
                found.add(route)
    return found


def without_scope(monkeypatch, fleet):
    """Remove the limit that statements have by their parameters."""
    every = [fleet.ours, fleet.theirs]
    monkeypatch.setattr(access, "scope_of", lambda _, role=None, tenant=None: [tenant] if tenant else every)


def test_every_route_is_asked(two_tenants):
    assert set(requests_for(two_tenants)) | PUBLIC == app_routes()


@pytest.mark.parametrize("person", ["viewer@acme", "admin@acme"])
def test_no_route_shows_or_changes_another_tenant(two_tenants, person):
    with fleet_site(two_tenants.scene.url) as site:
        assert leaking_routes(two_tenants, site, person) == set()


def test_row_level_security_alone_limits_every_route(two_tenants, monkeypatch):
    without_scope(monkeypatch, two_tenants)
    with fleet_site(two_tenants.scene.url) as site:
        assert leaking_routes(two_tenants, site, "admin@acme") == set()


def test_scope_alone_limits_every_route(two_tenants):
    with fleet_site(two_tenants.scene.url, role=OWNER) as site:
        assert leaking_routes(two_tenants, site, "admin@acme") == set()


def test_control_every_route_leaks_without_both_limits(two_tenants, monkeypatch):
    without_scope(monkeypatch, two_tenants)
    with fleet_site(two_tenants.scene.url, role=OWNER) as site:
        assert leaking_routes(two_tenants, site, "admin@acme") == set(requests_for(two_tenants))
