"""Tenants, their members and API tokens. A token is shown once; only its hash is stored."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError
from heliograph.fleet.access import Role, parse_role, token_hash

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from heliograph.fleet.database import Run

TOKEN_PREFIX = "hgf_"  # noqa: S105 - what every token begins with, so that scanners for secrets find it
MAX_DAYS = 3650
_MAX_NAME = 100


class Tenant(NamedTuple):
    """A tenant: an installer, or another company whose accounts are in the fleet."""

    id: int
    name: str


class Member(NamedTuple):
    """A person of a tenant, by the name that the proxy reports."""

    tenant: int
    subject: str
    role: Role


class ApiToken(NamedTuple):
    """An API token without its secret."""

    id: int
    tenant: int
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


async def add_tenant(run: Run, name: str, contact: str | None = None) -> int:
    """Create a tenant and return its number; raises `ConfigError` if the name is taken."""
    found = await run(
        "INSERT INTO tenant (name, contact) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING RETURNING id",
        (_checked(name, "tenant"), contact),
    )
    if not found:
        raise ConfigError(f"there is a tenant {name!r} already")
    return int(found[0][0])


async def tenant_by_name(run: Run, name: str) -> int:
    """Return the number of a tenant; raises `ConfigError` for an unknown one."""
    for (number,) in await run("SELECT id FROM tenant WHERE name = %s", (name,)):
        return int(number)
    names = ", ".join(one for (one,) in await run("SELECT name FROM tenant ORDER BY name LIMIT 10")) or "none"
    raise ConfigError(f"there is no tenant {name[:_MAX_NAME]!r}; tenants are {names}")


async def list_tenants(run: Run, tenants: Sequence[int]) -> list[Tenant]:
    """Return these tenants, by name."""
    found = await run("SELECT id, name FROM tenant WHERE id = ANY(%s::bigint[]) ORDER BY lower(name)", (list(tenants),))
    return [Tenant(*row) for row in found]


async def set_member(run: Run, tenant: int, subject: str, role: Role) -> None:
    """Add a member, or change its role."""
    await run(
        """INSERT INTO member (tenant, subject, role) VALUES (%s, %s, %s)
        ON CONFLICT (tenant, subject) DO UPDATE SET role = excluded.role""",
        (tenant, _checked(subject, "member"), role.name.lower()),
    )


async def remove_member(run: Run, tenant: int, subject: str) -> bool:
    """Remove a member; return False if there is none. Raises `ConfigError` for the last admin."""
    admins = await run("SELECT subject FROM member WHERE tenant = %s AND role = 'admin'", (tenant,))
    if [one for (one,) in admins] == [subject]:
        raise ConfigError(f"{subject} is the last admin of this tenant; make another member admin first")
    return bool(await run("DELETE FROM member WHERE tenant = %s AND subject = %s RETURNING 1", (tenant, subject)))


async def list_members(run: Run, tenants: Sequence[int]) -> list[Member]:
    """Return the members of these tenants."""
    statement = "SELECT tenant, subject, role FROM member WHERE tenant = ANY(%s::bigint[]) ORDER BY 1, lower(subject)"
    return [Member(tenant, name, parse_role(role)) for tenant, name, role in await run(statement, (list(tenants),))]


async def add_token(run: Run, tenant: int, name: str, role: Role, days: int | None = None) -> str:
    """Create an API token and return it; `days` is its lifetime, None for no end."""
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise ConfigError(f"a token is valid for 1 to {MAX_DAYS} days, not {days}")
    label = _checked(name, "token")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    await run(
        """INSERT INTO api_token (tenant, name, role, hash, expires_at)
        VALUES (%s, %s, %s, %s, now() + make_interval(days => %s::int))""",
        (tenant, label, role.name.lower(), token_hash(token), days),
    )
    return token


async def revoke_token(run: Run, tenant: int, number: int) -> bool:
    """Revoke a token; return False if the tenant has no valid one of this number."""
    statement = """UPDATE api_token SET revoked_at = now()
        WHERE tenant = %s AND id = %s AND revoked_at IS NULL RETURNING 1"""
    return bool(await run(statement, (tenant, number)))


async def list_tokens(run: Run, tenants: Sequence[int]) -> list[ApiToken]:
    """Return the tokens of these tenants that are not revoked, the newest first."""
    statement = """SELECT id, tenant, name, role, created_at, expires_at, revoked_at FROM api_token
        WHERE tenant = ANY(%s::bigint[]) AND revoked_at IS NULL ORDER BY id DESC"""
    found = await run(statement, (list(tenants),))
    return [ApiToken(number, tenant, name, parse_role(role), *times) for number, tenant, name, role, *times in found]


def _checked(text: str, what: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
        raise ConfigError(f"the name of a {what} has 1 to {_MAX_NAME} printable characters")
    return name
