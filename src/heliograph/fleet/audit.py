"""The audit log: changes, and looks of principals that can see several tenants, each in the tenants concerned."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from heliograph.fleet.access import Principal
    from heliograph.fleet.database import Run

PAGE_SIZE = 100
"""Entries per page."""


class AuditEntry(NamedTuple):
    """One entry."""

    id: int
    at: datetime
    tenant: int
    subject: str
    action: str
    detail: str


async def record(run: Run, principal: Principal, tenants: Collection[int], action: str, detail: str = "") -> None:
    """Write an entry in each of these tenants, in the transaction of what it reports."""
    await run(
        "INSERT INTO audit (tenant, subject, action, detail) SELECT unnest(%s::bigint[]), %s, %s, %s",
        (list(tenants), principal.subject, action, detail[:1000]),
    )


async def record_look(run: Run, principal: Principal, tenants: Collection[int], what: str) -> None:
    """Record that a principal that can see several tenants looked at these."""
    if principal.crosses_tenants:
        await record(run, principal, tenants, "look", what)


async def entries(run: Run, tenants: Sequence[int], before: int | None = None) -> list[AuditEntry]:
    """Return the newest entries of these tenants, or those before an entry."""
    found = await run(
        """SELECT id, at, tenant, subject, action, detail FROM audit
        WHERE tenant = ANY(%s::bigint[]) AND id < coalesce(%s, 9223372036854775807) ORDER BY id DESC LIMIT %s""",
        (list(tenants), before, PAGE_SIZE),
    )
    return [AuditEntry(*row) for row in found]
