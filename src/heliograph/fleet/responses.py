"""Actions of a person about plants: alarms answered, customers and tags set. Each is in the audit log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from heliograph.errors import ConfigError
from heliograph.fleet.audit import record
from heliograph.fleet.triage import ACCOUNT_RULE, OK, OPEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heliograph.fleet.access import Principal
    from heliograph.fleet.database import Run

MAX_NAME = 100
"""Characters of a customer's name or a tag."""
MAX_TAGS = 20
_TAG = re.compile(r"[^\s,]+")

# Only rows whose place changes are written: each write of these columns changes an index.
RANK = f"""
    UPDATE plant SET urgency = ranked.urgency, waiting = ranked.waiting
    FROM (
        SELECT one.tenant, one.series, coalesce(worst.urgency, {OK})::smallint AS urgency,
            coalesce(worst.raised_at, one.yield_order) AS waiting
        FROM plant AS one LEFT JOIN LATERAL (
            SELECT urgency, raised_at FROM plant_alarm
            WHERE plant_alarm.tenant = one.tenant AND plant_alarm.series = one.series AND {OPEN}
            ORDER BY urgency, raised_at LIMIT 1
        ) AS worst ON true
        WHERE one.tenant = ANY(%(tenants)s::bigint[]) AND one.series = ANY(%(series)s::integer[])
    ) AS ranked
    WHERE plant.tenant = ranked.tenant AND plant.series = ranked.series
        AND (plant.urgency, plant.waiting) <> (ranked.urgency, ranked.waiting)"""  # noqa: S608 - constants
"""Stores the place of plants in the order of triage, from their open alarms and their yield."""


async def answer_alarms(
    run: Run, principal: Principal, tenant: int, series: int, rules: Sequence[str], now: int, until: int | None = None
) -> int:
    """Acknowledge alarms of a plant until they are over, or snooze them until a time; return how many were answered.

    An account that needs a person is answered for all its plants.
    """
    concerned = [series]
    if ACCOUNT_RULE in rules:
        same = """SELECT series FROM plant WHERE tenant = %s AND account =
            (SELECT account FROM plant WHERE tenant = %s AND series = %s)"""
        concerned = [one for (one,) in await run(same, (tenant, tenant, series))]
    values = {
        "tenants": [tenant],
        "tenant": tenant,
        "series": concerned,
        "rules": list(rules),
        "now": now,
        "until": until,
        "by": principal.subject,
    }
    answered = await run(
        """UPDATE plant_alarm SET answered_at = %(now)s, answered_by = %(by)s, snoozed_until = %(until)s
        WHERE tenant = %(tenant)s AND series = ANY(%(series)s::integer[]) AND rule = ANY(%(rules)s::text[])
        RETURNING rule""",
        values,
    )
    await run(RANK, values)
    action = "alarms acknowledged" if until is None else "alarms snoozed"
    await record(run, principal, [tenant], action, f"plant {series}: {', '.join(sorted({one for (one,) in answered}))}")
    return len(answered)


async def set_customer(run: Run, principal: Principal, tenant: int, series: int, customer: str) -> None:
    """Set the customer of a plant; an empty name removes it."""
    name = checked_name(customer)
    await run(
        "UPDATE plant SET customer = %s WHERE tenant = %s AND series = %s AND customer <> %s",
        (name, tenant, series, name),
    )
    await record(run, principal, [tenant], "customer set", f"plant {series}: {name}")


async def set_tags(run: Run, principal: Principal, tenant: int, series: int, tags: Iterable[str]) -> None:
    """Replace the tags of a plant."""
    names = list(tags)
    await run("DELETE FROM plant_tag WHERE tenant = %s AND series = %s AND tag <> ALL(%s)", (tenant, series, names))
    await run(
        "INSERT INTO plant_tag (tenant, series, tag) SELECT %s, %s, unnest(%s::text[]) ON CONFLICT DO NOTHING",
        (tenant, series, names),
    )
    await record(run, principal, [tenant], "tags set", f"plant {series}: {', '.join(names)}")


def checked_name(text: str) -> str:
    """Return the name of a customer without surrounding spaces; raises `ConfigError`."""
    name = text.strip()
    if len(name) > MAX_NAME or not name.isprintable():
        raise ConfigError(f"a name has at most {MAX_NAME} printable characters")
    return name


def parse_tags(text: str) -> list[str]:
    """Return the tags of a text, separated by spaces or commas; raises `ConfigError`.

    >>> parse_tags("roof, south  roof")
    ['roof', 'south']
    """
    found = list(dict.fromkeys(_TAG.findall(text)))
    if len(found) > MAX_TAGS or any(len(one) > MAX_NAME or not one.isprintable() for one in found):
        raise ConfigError(f"a plant has at most {MAX_TAGS} tags of {MAX_NAME} printable characters")
    return found
