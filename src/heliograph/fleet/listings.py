"""Lists of customers and accounts, paged by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.fleet.cursors import Cursor
from heliograph.fleet.triage import OK, like_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.fleet.database import Run

PAGE_SIZE = 50
KEY_TYPES = ("bigint", "text")
"""The types of a key: the tenant and the name."""
STATES = ("needs_person", "new", "active", "paused", "removed")
"""The states of an account; the first ones need a person."""


class CustomerRow(NamedTuple):
    """A customer with the number of its plants, and of those with open alarms."""

    tenant: int
    name: str
    plants: int
    urgent: int


class AccountRow(NamedTuple):
    """An account, without user name and secrets."""

    tenant: int
    name: str
    id: int
    customer: str
    vendor: str
    server: str
    state: str
    reason: str
    plants: int


class ListPage(NamedTuple):
    """One page of customers or accounts, with the cursors of its neighbours."""

    rows: Sequence[CustomerRow | AccountRow]
    before: Cursor | None
    after: Cursor | None


async def list_customers(run: Run, tenants: Sequence[int], text: str = "", cursor: Cursor | None = None) -> ListPage:
    """Return a page of customers by tenant and name."""
    statement = f"""SELECT tenant, customer, count(*), count(*) FILTER (WHERE urgency < {OK}) FROM plant
        WHERE tenant = ANY(%(tenants)s::bigint[]) AND customer <> '' AND lower(customer) LIKE %(text)s
            AND {{place}} GROUP BY tenant, customer ORDER BY tenant {{order}}, customer {{order}} LIMIT %(limit)s"""  # noqa: S608
    found, before, after = await _page(
        run, statement, "(tenant, customer)", tenants, {"text": like_pattern(text)}, cursor
    )
    return ListPage([CustomerRow(*row) for row in found], before, after)


async def list_accounts(
    run: Run, tenants: Sequence[int], state: str = "", text: str = "", cursor: Cursor | None = None
) -> ListPage:
    """Return a page of accounts by tenant and name."""
    statement = """SELECT tenant, name, id, customer, vendor, server, state, reason,
            (SELECT count(*) FROM plant WHERE plant.account = account.id AND plant.tenant = account.tenant)
        FROM account WHERE tenant = ANY(%(tenants)s::bigint[]) AND %(state)s IN ('', state)
            AND (lower(name) LIKE %(text)s OR lower(customer) LIKE %(text)s) AND {place}
        ORDER BY tenant {order}, name {order} LIMIT %(limit)s"""
    values = {"state": state, "text": like_pattern(text)}
    found, before, after = await _page(run, statement, "(tenant, name)", tenants, values, cursor)
    return ListPage([AccountRow(*row) for row in found], before, after)


async def count_accounts(run: Run, tenants: Sequence[int]) -> Mapping[str, int]:
    """Return the number of accounts by state."""
    statement = "SELECT state, count(*) FROM account WHERE tenant = ANY(%s::bigint[]) GROUP BY state"
    return dict(await run(statement, (list(tenants),)))


async def _page(
    run: Run, statement: str, key: str, tenants: Sequence[int], values: Mapping[str, object], cursor: Cursor | None
) -> tuple[list[tuple[Any, ...]], Cursor | None, Cursor | None]:
    """Return the rows of a page, which begin with their key, and the cursors of its neighbours."""
    backwards = cursor is not None and cursor.backwards
    place = "true" if cursor is None else f"{key} {'<' if backwards else '>'} (%(k0)s::bigint, %(k1)s::text)"
    keys = {} if cursor is None else dict(zip(("k0", "k1"), cursor.key, strict=True))
    found = await run(
        statement.format(place=place, order="DESC" if backwards else "ASC"),
        {"tenants": list(tenants), "limit": PAGE_SIZE + 1, **values, **keys},
    )
    more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    if backwards:
        found.reverse()
    is_first, is_last = (not more, False) if backwards else (cursor is None, not more)
    before = Cursor(found[0][:2], backwards=True) if found and not is_first else None
    return found, before, Cursor(found[-1][:2]) if found and not is_last else None
