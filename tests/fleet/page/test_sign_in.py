"""Sign-in of the triage page: the proxy's header, API tokens, forms of other sites, and roles."""

from __future__ import annotations

import re

import pytest

from heliograph.errors import ConfigError
from heliograph.fleet import access
from heliograph.fleet.access import Role, token_hash
from heliograph.web.fleet.auth import TrustedProxies
from support.fleet_page import as_person, fleet_site, send

TOKEN = "hgf_0123456789abcdef"


@pytest.fixture
def site(two_tenants):
    with fleet_site(two_tenants.scene.url) as running:
        yield running


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_header_of_a_trusted_proxy_signs_a_member_in(site):
    assert b"Roof 10" in site.ask("/", **as_person("viewer@acme")).body


def test_header_of_any_other_client_is_ignored(two_tenants):
    with fleet_site(two_tenants.scene.url, proxies=("10.0.0.2",)) as site:
        reply = site.ask("/", **as_person("admin@acme"), X_Forwarded_For="10.0.0.2", Forwarded="for=10.0.0.2")
    assert reply.status == 401
    assert b"Roof" not in reply.body


@pytest.mark.parametrize("name", ["nobody@acme", "ADMIN@acme", "admin@acme ' OR 1=1", "x" * 201])
def test_unknown_names_see_nothing(site, name):
    reply = site.ask("/", **as_person(name))
    assert reply.status in (400, 403)
    assert b"Roof" not in reply.body


def test_two_names_are_refused(site):
    """A client's own header, which a proxy did not remove, must not win over the proxy's."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    connection.putrequest("GET", "/")
    connection.putheader("X-Forwarded-User", "admin@acme")
    connection.putheader("X-Forwarded-User", "viewer@acme")
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()


def test_configured_header_replaces_the_usual_one(two_tenants):
    with fleet_site(two_tenants.scene.url, header="X-Forwarded-Email") as site:
        assert site.ask("/", **as_person("admin@acme")).status == 401
        assert site.ask("/", X_Forwarded_Email="admin@acme").status == 200


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/33", "0.0.0.0/0", "::/0", ""])
def test_proxies_that_are_no_address_or_every_address_are_refused(text):
    with pytest.raises(ConfigError):
        TrustedProxies([text])


def test_trusted_networks_of_both_ip_versions():
    proxies = TrustedProxies(["10.0.0.0/28", "fd00::2"])
    assert all(one in proxies for one in ("10.0.0.2", "::ffff:10.0.0.2", "fd00::2"))
    assert not any(one in proxies for one in ("10.0.0.16", "fd00::3", "::ffff:10.0.0.16", "", "unix:"))


def test_token_has_the_role_of_its_tenant_until_it_is_revoked_or_expires(two_tenants, site):
    scene, plants = two_tenants.scene, "/api/v1/fleet/plants"
    assert site.ask(plants).status == site.ask(plants, **bearer("wrong")).status == 401
    number = scene.token(two_tenants.ours, TOKEN)
    assert len(site.ask(plants, **bearer(TOKEN)).json["plants"]) == 4
    assert site.ask("/members", **bearer(TOKEN)).status == 403
    scene.run("UPDATE api_token SET expires_at = now() - interval '1 s' WHERE id = %s", (number,))
    assert site.ask(plants, **bearer(TOKEN)).status == 401
    scene.run("UPDATE api_token SET expires_at = NULL, revoked_at = now() WHERE id = %s", (number,))
    assert site.ask(plants, **bearer(TOKEN)).status == 401


def test_new_token_is_shown_once_and_stored_as_its_hash(two_tenants, site):
    reply = send(site, "/tokens", {"tenant": two_tenants.ours, "name": "export", "role": "viewer"}, "admin@acme")
    (token,) = re.findall(r"hgf_[\w-]{43}", reply.body.decode())
    assert token not in site.ask("/members", **as_person("admin@acme")).body.decode()
    stored = two_tenants.scene.run("SELECT * FROM api_token WHERE name = 'export'")
    assert token_hash(token) in stored[0]
    assert token not in str(stored)
    assert token not in str(two_tenants.scene.run("SELECT * FROM audit"))
    assert site.ask("/api/v1/fleet/plants", **bearer(token)).status == 200


def test_many_invalid_tokens_are_throttled(site):
    statuses = {site.ask("/api/v1/fleet/plants", **bearer(f"wrong {n}")).status for n in range(12)}
    assert statuses == {401, 429}


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example"])
def test_form_of_another_site_is_refused(two_tenants, site, origin):
    path = f"/plants/{two_tenants.ours}/{two_tenants.our_plants[0]}/answer"
    headers = {} if origin is None else {"Origin": origin}
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    assert site.ask(path, "POST", "rule=offline", **as_person("admin@acme", **kind, **headers)).status == 403
    assert two_tenants.scene.run("SELECT 1 FROM plant_alarm WHERE answered_at IS NOT NULL") == []


@pytest.mark.parametrize("path", ["/", "/members", "/nothing", "/plants/1/1", "/api/v1/fleet/plants", "/assets/x"])
def test_every_response_has_the_security_headers(site, path):
    reply = site.ask(path, **as_person("admin@acme"))
    assert "script-src 'self'" in reply.headers["Content-Security-Policy"]
    assert reply.headers["X-Frame-Options"] == "DENY"


def test_unknown_host_is_refused(site):
    assert site.ask("/", **as_person("admin@acme", Host="evil.example")).status == 421


def forms(fleet):
    """Return path, fields and the lowest role of every form."""
    own = f"/plants/{fleet.ours}/{fleet.our_plants[0]}"
    tenant = {"tenant": fleet.ours}
    token = fleet.scene.token(fleet.ours, "another-token")
    return {
        f"{own}/answer": ({"rule": "offline"}, Role.OPERATOR),
        f"{own}/edit": ({"customer": "New", "tags": "a, b"}, Role.OPERATOR),
        "/members": ({**tenant, "subject": "new", "role": "viewer"}, Role.ADMIN),
        "/members/remove": ({**tenant, "subject": "setter@acme"}, Role.ADMIN),
        "/tokens": ({**tenant, "name": "new", "role": "viewer"}, Role.ADMIN),
        "/tokens/revoke": ({**tenant, "id": token}, Role.ADMIN),
    }


@pytest.mark.parametrize("role", list(Role))
def test_forms_need_their_role(two_tenants, site, role):
    person = f"{role.name.lower()}@acme"
    for path, (fields, lowest) in forms(two_tenants).items():
        before = two_tenants.scene.run("SELECT count(*) FROM audit")
        reply = send(site, path, fields, person)
        changed = two_tenants.scene.run("SELECT count(*) FROM audit") != before
        assert (reply.status < 400, changed) == ((role >= lowest,) * 2), (path, reply.body)


@pytest.mark.parametrize("path", ["/import", "/members", "/audit"])
@pytest.mark.parametrize("role", list(Role))
def test_pages_of_admins_need_that_role(site, path, role):
    reply = site.ask(path, **as_person(f"{role.name.lower()}@acme"))
    assert reply.status == (200 if role is Role.ADMIN else 403)
    front = site.ask("/", **as_person(f"{role.name.lower()}@acme")).body.decode()
    assert (f'href="{path}"' in front) == (role is Role.ADMIN)


TABLES = ("plant", "plant_alarm", "plant_tag", "member", "api_token")


def forms_that_change_something(fleet, site, wanted):
    """Send each form without the role for it, and return those that changed a row."""
    found = set()
    for path, (fields, lowest) in wanted.items():
        before = [fleet.scene.run(f"SELECT * FROM {one} ORDER BY 1, 2, 3") for one in TABLES]
        send(site, path, fields, "viewer@acme" if lowest is Role.OPERATOR else "operator@acme")
        if before != [fleet.scene.run(f"SELECT * FROM {one} ORDER BY 1, 2, 3") for one in TABLES]:
            found.add(path)
    return found


@pytest.mark.parametrize("limited", [True, False])
def test_row_level_security_alone_enforces_the_roles(two_tenants, monkeypatch, limited):
    """The database refuses what a role may not change even if the page does not; the control is without it."""
    monkeypatch.setattr(access, "scope_of", lambda principal, role=None, tenant=None: principal.tenants())
    wanted = forms(two_tenants)
    with fleet_site(two_tenants.scene.url, **({} if limited else {"role": "heliograph"})) as site:
        changed = forms_that_change_something(two_tenants, site, wanted)
    assert changed == (set() if limited else set(wanted))


def test_last_admin_cannot_be_removed(two_tenants, site):
    fields = {"tenant": two_tenants.ours, "subject": "admin@acme"}
    reply = send(site, "/members/remove", fields, "admin@acme")
    assert reply.status == 400
    assert b"last admin" in reply.body


def test_server_refuses_to_start_without_row_level_security(two_tenants):
    from heliograph.fleet.access import PageDatabase

    async def check():
        database = PageDatabase(two_tenants.scene.url, role="heliograph")
        try:
            await database.check()
        finally:
            await database.close()

    import asyncio

    with pytest.raises(ConfigError, match="row-level security does not limit the role heliograph"):
        asyncio.run(check())


def test_database_role_reads_no_secret(two_tenants):
    import psycopg

    for statement in ("SELECT password FROM account", "SELECT username FROM account", "SELECT hash FROM api_token"):
        with psycopg.connect(two_tenants.scene.url, options="-c search_path=heliograph") as connection:
            connection.execute("SET ROLE heliograph_page")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    with psycopg.connect(two_tenants.scene.url, options="-c search_path=heliograph") as connection:
        connection.execute("SET ROLE heliograph_page")
        for table in ("tenant", "account", "plant", "plant_alarm", "plant_tag", "latest", "day", "member", "audit"):
            columns = "id" if table == "account" else "*"
            assert connection.execute(f"SELECT {columns} FROM {table}").fetchall() == [], table
