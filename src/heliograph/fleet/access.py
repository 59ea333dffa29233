"""Access to a fleet's data: principals with a role in each tenant, and transactions limited to these tenants.

Two independent limits apply. Every statement of the page takes the tenants of the principal as a parameter, and
PostgreSQL's row-level security limits each transaction to the tenants that were set when it began.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from heliograph.errors import ConfigError, StoreError
from heliograph.fleet.database import Database
from heliograph.fleet.page_schema import PAGE_ROLE
from heliograph.fleet.schema import VERSION, SchemaVersions, check_versions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from heliograph.fleet.database import Run

STATEMENT_SECONDS = 15.0
"""Seconds after which the server ends a statement of the page."""
_CONNECTIONS = 8
_LIMITED_TABLES = ("account", "day", "latest", "plant", "plant_alarm", "plant_tag", "audit", "member", "api_token")
_SET_LIMITS = """SELECT set_config('role', %s, true), set_config('heliograph.readable_tenants', %s, true),
    set_config('heliograph.writable_tenants', %s, true), set_config('heliograph.managed_tenants', %s, true)"""


class Role(IntEnum):
    """Rights of a member in a tenant; each role includes those before it."""

    VIEWER = 1
    """Sees plants, customers, accounts and reports."""
    OPERATOR = 2
    """Acknowledges alarms, edits customers and tags."""
    SETTER = 3
    """Sends settings to devices."""
    ADMIN = 4
    """Imports accounts, manages members and tokens, reads the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A member or an API token, with its role in each of its tenants."""

    subject: str
    roles: Mapping[int, Role]
    token: int | None = None
    """The number of the API token; None for a member."""

    def tenants(self, role: Role = Role.VIEWER) -> list[int]:
        """Return the tenants in which it has at least this role."""
        return sorted(tenant for tenant, own in self.roles.items() if own >= role)

    @property
    def crosses_tenants(self) -> bool:
        """Whether it can see the data of several tenants, so that each look is recorded."""
        return len(self.roles) > 1

    def may(self, tenant: int, role: Role) -> bool:
        """Return whether it has at least this role in a tenant."""
        return self.roles.get(tenant, 0) >= role


def parse_role(text: str) -> Role:
    """Return a role by its name.

    >>> parse_role("operator")
    <Role.OPERATOR: 2>
    """
    try:
        return Role[text.upper()]
    except KeyError:
        known = ", ".join(one.name.lower() for one in Role)
        raise ConfigError(f"{text[:40]!r} is not a role; roles are {known}") from None


def token_hash(token: str) -> bytes:
    """Return what is stored of a token. Tokens are random, so that a plain hash cannot be reversed by guessing."""
    return sha256(token.encode("utf-8", "replace")).digest()


def scope_of(principal: Principal, role: Role = Role.VIEWER, tenant: int | None = None) -> list[int]:
    """Return the tenants that a statement is limited to: those of the principal, or this one if it is among them.

    This limit does not depend on row-level security, nor the other way round.
    """
    return [one for one in principal.tenants(role) if tenant in (None, one)]


class PageDatabase:
    """The connections of the page; every transaction runs as a role that row-level security limits to given tenants."""

    def __init__(self, url: str, *, role: str = PAGE_ROLE) -> None:
        self._role = role
        self._all = [Database(url, statement_seconds=STATEMENT_SECONDS) for _ in range(_CONNECTIONS)]
        self._idle = list(self._all)
        self._free = asyncio.Semaphore(_CONNECTIONS)

    @asynccontextmanager
    async def transaction(self, principal: Principal | None) -> AsyncIterator[Run]:
        """Run a transaction in which only rows of the principal's tenants exist; raises `StoreError`.

        It can change rows of those in which the principal is an operator, and see and change members and tokens of
        those in which it is an admin. Without a principal no row exists.
        """
        roles = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
        limits = (self._role, *(_array(principal.tenants(role) if principal else ()) for role in roles))
        async with self._free, AsyncExitStack() as stack:
            database = self._idle.pop()
            stack.callback(self._idle.append, database)
            try:
                run = await self._begin(stack, database, limits)
            except StoreError:
                # The server was restarted since the last transaction; nothing was done in this one.
                run = await self._begin(stack, database, limits)
            yield run

    async def _begin(self, stack: AsyncExitStack, database: Database, limits: tuple[str, ...]) -> Run:
        async with AsyncExitStack() as begun:
            run = await begun.enter_async_context(database.transaction())
            await run(_SET_LIMITS, limits)
            stack.push_async_exit(begun.pop_all())
        return run

    async def check(self) -> None:
        """Raise `ConfigError` unless row-level security limits the page, `StoreError` if the tables are newer."""
        try:
            async with self.transaction(None) as run:
                versions = await run("SELECT expanded, contracted FROM fleet_version")
                ((active,),) = await run(
                    "SELECT bool_and(row_security_active(one)) FROM unnest(%s::text[]) AS one", (list(_LIMITED_TABLES),)
                )
        except StoreError as error:
            raise ConfigError(
                f"{error}; the page needs the tables of heliograph fleet init, and a login that is a member of "
                f"the role {self._role}"
            ) from None
        check_versions(SchemaVersions(*versions[0]), VERSION)
        if not active:
            raise ConfigError(
                f"row-level security does not limit the role {self._role}: it must neither be a superuser, nor have "
                "BYPASSRLS, nor own the tables"
            )

    async def token_principal(self, token: str) -> Principal | None:
        """Return the principal of a valid API token; None if it is unknown, expired or revoked."""
        async with self.transaction(None) as run:
            found = await run("SELECT id, name, tenant, role FROM token_principal(%s)", (token_hash(token),))
        for number, name, tenant, role in found:
            return Principal(subject=f"token {name}", roles={tenant: parse_role(role)}, token=number)
        return None

    async def member_principal(self, subject: str) -> Principal | None:
        """Return the principal of a signed-in person; None if it is a member of no tenant."""
        async with self.transaction(None) as run:
            found = await run("SELECT tenant, role FROM member_roles(%s)", (subject,))
        roles = {tenant: parse_role(role) for tenant, role in found}
        return Principal(subject=subject, roles=roles) if roles else None

    async def close(self) -> None:
        """Close the connections."""
        for database in self._all:
            await database.close()


def _array(numbers: Collection[int]) -> str:
    return "{" + ",".join(str(int(one)) for one in numbers) + "}"
