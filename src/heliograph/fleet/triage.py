"""Triage: the plants of a fleet in the order in which they need a person, filtered and paged by key.

The order is stored in `plant`: `urgency` is that of the worst open alarm, `waiting` is when that alarm was raised.
Without an open alarm, `waiting` is the specific yield of the plant's last complete day, so that the lowest come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.alarms.model import RULES
from heliograph.fleet.cursors import Cursor
from heliograph.local_time import day_at, zone_from_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, tzinfo

    from heliograph.fleet.database import Run

PAGE_SIZE = 50
"""Plants per page."""
ACCOUNT_RULE = "account"
"""Stands in `plant_alarm` for an account that needs a person; all others are the names of alarm rules."""
ACCOUNT, ERROR, WARNING, INFO, OK = range(5)
URGENCIES = {"account": ACCOUNT, "error": ERROR, "warning": WARNING, "info": INFO, "ok": OK}
"""Reasons for which a plant needs a person, the most urgent first, with the stored number."""
LIVE_SECONDS = 3600
"""Age up to which a power or a state of charge is shown."""
OPEN = "(answered_at IS NULL OR answered_at < raised_at OR snoozed_until <= %(now)s)"
"""The condition of alarms that no person has acknowledged, and whose snooze is over."""


class SortOrder(NamedTuple):
    """An order of the page: its heading, and the stored columns with their types."""

    title: str
    columns: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def key_types(self) -> tuple[str, ...]:
        """The types of a key: the columns, then series and tenant, which make it unique."""
        return (*self.types, "integer", "bigint")


SORTS = {
    "urgency": SortOrder("What needs a person", ("urgency", "waiting"), ("smallint", "double precision")),
    "yield": SortOrder("Lowest yield", ("yield_order",), ("double precision",)),
    "name": SortOrder("Name", ("sort_name",), ("text",)),
}
"""The orders of the page; each has an index in the order of tenant, columns and series."""


class TriageQuery(NamedTuple):
    """The filters and the order of the page; None and empty texts select everything."""

    text: str = ""
    urgency: str = ""
    rule: str = ""
    customer: str | None = None
    tag: str = ""
    account: int | None = None
    tenant: int | None = None
    sort: str = "urgency"
    cursor: Cursor | None = None


class OpenAlarm(NamedTuple):
    """A raised alarm of a plant, or `ACCOUNT_RULE` with the reason why its account needs a person."""

    rule: str
    urgency: int
    raised_at: int
    seen: str
    answered_at: int | None = None
    answered_by: str | None = None
    snoozed_until: int | None = None

    def is_open(self, now: int) -> bool:
        """Return whether it waits for a person."""
        if self.answered_at is None or self.answered_at < self.raised_at:
            return True
        return self.snoozed_until is not None and self.snoozed_until <= now


class PlantRow(NamedTuple):
    """A plant as the list shows it; None is unknown."""

    tenant: int
    series: int
    account: int
    account_name: str
    customer: str
    vendor: str
    cloud_id: str
    name: str
    zone: str | None
    peak_power: float | None
    freshness: str
    day: date | None
    specific_yield: float | None
    """Of the last complete day, in kWh/kWp."""
    urgency: int
    measured_at: int | None
    pv_power: float | None
    battery_soc: float | None
    energy_today: float | None
    alarms: tuple[OpenAlarm, ...]
    tags: tuple[str, ...]
    key: tuple[Any, ...]
    """Its place in the order of the query."""

    def current(self, now: int) -> PlantRow:
        """Return it without the values that are too old to be shown."""
        age = None if self.measured_at is None else now - self.measured_at
        if age is None or age > LIVE_SECONDS:
            self = self._replace(pv_power=None, battery_soc=None)  # noqa: PLW0642 - of an immutable row
        zone: tzinfo = zone_from_name(self.zone)
        if self.measured_at is None or day_at(self.measured_at, zone) != day_at(now, zone):
            self = self._replace(energy_today=None)  # noqa: PLW0642 - as above
        return self


class TriagePage(NamedTuple):
    """One page of plants, the cursors of its neighbours, and the numbers of matching plants and alarms."""

    plants: Sequence[PlantRow]
    before: Cursor | None
    after: Cursor | None
    counts: Mapping[int, int]
    """The number of plants by urgency, of those that match all filters but the urgency and the rule."""
    rules: Mapping[str, int]
    """The number of plants by open alarm, of the same plants."""


def urgency_of(rule: str) -> int:
    """Return the urgency of an alarm.

    >>> urgency_of("account"), urgency_of("offline"), urgency_of("low_yield"), urgency_of("export_limit")
    (0, 1, 2, 3)
    """
    return ACCOUNT if rule == ACCOUNT_RULE else URGENCIES[RULES[rule].severity]


def like_pattern(text: str) -> str:
    r"""Return the pattern of texts that contain this one, in any case.

    >>> print(like_pattern(" 50% Roof "))
    %50\% roof%
    """
    escaped = text.strip().casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def load_page(run: Run, tenants: Sequence[int], query: TriageQuery, now: int) -> TriagePage:
    """Return a page of the plants of these tenants."""
    sort, limit = SORTS[query.sort], PAGE_SIZE + 1
    parameters = _parameters(tenants, query, now) | {"limit": limit}
    conditions = ["plant.tenant = scope.tenant", *_conditions(query), *_selected(query)]
    backwards = query.cursor is not None and query.cursor.backwards
    direction, comparison = ("DESC", "<") if backwards else ("ASC", ">")
    if query.cursor is not None:
        names = [f"k{place}" for place in range(len(query.cursor.key))]
        parameters |= dict(zip(names, query.cursor.key, strict=True))
        given = ", ".join(f"%({name})s::{kind}" for name, kind in zip(names, sort.key_types, strict=True))
        conditions.append(f"({_key('plant', sort)}) {comparison} ({given})")
    order = ", ".join(f"found.{name} {direction}" for name in (*sort.columns, "series", "tenant"))
    inner = ", ".join(f"plant.{name} {direction}" for name in (*sort.columns, "series"))
    # Each tenant is read in the order of its index, then the few rows found are merged.
    statement = f"""
        SELECT found.*, latest.measured_at, latest.pv_power, latest.battery_soc, latest.pv_energy_today,
            ARRAY(SELECT tag FROM plant_tag WHERE plant_tag.tenant = found.tenant AND plant_tag.series = found.series
                ORDER BY tag)
        FROM (
            SELECT found.* FROM unnest(%(tenants)s::bigint[]) AS scope (tenant)
            CROSS JOIN LATERAL (
                SELECT {_PLANT_COLUMNS}, plant.yield_order, plant.sort_name, plant.waiting FROM plant
                WHERE {" AND ".join(conditions)} ORDER BY {inner} LIMIT %(limit)s
            ) AS found ORDER BY {order} LIMIT %(limit)s
        ) AS found
        LEFT JOIN latest ON latest.series = found.series AND latest.tenant = found.tenant
        ORDER BY {order}"""  # noqa: S608 - every name is a constant of this module
    found = await run(statement, parameters)
    more, found = len(found) == limit, found[:PAGE_SIZE]
    if backwards:
        found.reverse()
    alarms = await _alarms(run, tenants, [(row[0], row[1]) for row in found])
    plants = [_plant(row, alarms.get((row[0], row[1]), ()), sort).current(now) for row in found]
    is_first, is_last = (not more, False) if backwards else (query.cursor is None, not more)
    return TriagePage(
        plants,
        Cursor(plants[0].key, backwards=True) if plants and not is_first else None,
        Cursor(plants[-1].key) if plants and not is_last else None,
        *await _counts(run, tenants, query, now),
    )


_PLANT_COLUMNS = ", ".join(
    f"plant.{name}"
    for name in (
        "tenant",
        "series",
        "account",
        "account_name",
        "customer",
        "vendor",
        "cloud_id",
        "name",
        "zone",
        "peak_power",
        "freshness",
        "day",
        "specific_yield",
        "urgency",
    )
)


def _key(table: str, sort: SortOrder) -> str:
    return ", ".join(f"{table}.{name}" for name in (*sort.columns, "series", "tenant"))


def _parameters(tenants: Sequence[int], query: TriageQuery, now: int) -> dict[str, Any]:
    return {
        "tenants": list(tenants),
        "now": now,
        "text": like_pattern(query.text),
        "customer": query.customer,
        "tag": query.tag,
        "account": query.account,
        "rule": query.rule,
        "urgency": URGENCIES.get(query.urgency),
    }


def _conditions(query: TriageQuery) -> list[str]:
    """Return the conditions of all filters but those that the page counts."""
    found = []
    if query.text.strip():
        found.append("plant.search_text LIKE %(text)s")
    if query.customer is not None:
        found.append("plant.customer = %(customer)s")
    if query.tag:
        found.append("""EXISTS (SELECT FROM plant_tag WHERE plant_tag.tenant = plant.tenant
            AND plant_tag.tag = %(tag)s AND plant_tag.series = plant.series)""")
    if query.account is not None:
        found.append("plant.account = %(account)s")
    return found


def _selected(query: TriageQuery) -> list[str]:
    """Return the conditions of the urgency and the rule."""
    found = []
    if query.urgency:
        found.append("plant.urgency = %(urgency)s::smallint")
    if query.rule:
        found.append(f"""EXISTS (SELECT FROM plant_alarm WHERE plant_alarm.tenant = plant.tenant
            AND plant_alarm.series = plant.series AND rule = %(rule)s AND {OPEN})""")
    return found


async def _counts(
    run: Run, tenants: Sequence[int], query: TriageQuery, now: int
) -> tuple[dict[int, int], dict[str, int]]:
    conditions, parameters = _conditions(query), _parameters(tenants, query, now)
    of_scope = " AND ".join(("plant.tenant = ANY(%(tenants)s::bigint[])", *conditions))
    counts = await run(f"SELECT plant.urgency, count(*) FROM plant WHERE {of_scope} GROUP BY 1", parameters)  # noqa: S608
    # The subquery with OFFSET is read first: there are far fewer alarms than plants.
    statement = f"""SELECT rule, count(*) FROM (SELECT tenant, series, rule FROM plant_alarm
        WHERE tenant = ANY(%(tenants)s::bigint[]) AND {OPEN} OFFSET 0) AS raised"""  # noqa: S608 - as above
    if conditions:
        statement += f" JOIN plant USING (tenant, series) WHERE {of_scope}"
    rules = await run(f"{statement} GROUP BY rule", parameters)
    return dict(counts), dict(rules)


async def _alarms(
    run: Run, tenants: Sequence[int], plants: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], tuple[OpenAlarm, ...]]:
    """Return the raised alarms of some plants, the worst first."""
    found: dict[tuple[int, int], tuple[OpenAlarm, ...]] = {}
    statement = """
        SELECT tenant, series, rule, urgency, raised_at, seen, answered_at, answered_by, snoozed_until
        FROM plant_alarm WHERE tenant = ANY(%(tenants)s::bigint[])
            AND (tenant, series) IN (SELECT * FROM unnest(%(of)s::bigint[], %(series)s::integer[]))
        ORDER BY urgency, raised_at, rule"""
    values = {"tenants": list(tenants), "of": [one for one, _ in plants], "series": [one for _, one in plants]}
    for tenant, series, *alarm in await run(statement, values):
        found[tenant, series] = (*found.get((tenant, series), ()), OpenAlarm(*alarm))
    return found


def _plant(row: Sequence[Any], alarms: tuple[OpenAlarm, ...], sort: SortOrder) -> PlantRow:
    tenant, series, account, account_name, *rest = row[:14]
    customer, vendor, cloud_id, name, zone, peak_power, freshness, day, specific_yield, urgency = rest
    yield_order, sort_name, waiting, measured_at, pv_power, battery_soc, energy, tags = row[14:]
    ordered = {"urgency": urgency, "waiting": waiting, "yield_order": yield_order, "sort_name": sort_name}
    return PlantRow(
        tenant=tenant,
        series=series,
        account=account,
        account_name=account_name,
        customer=customer,
        vendor=vendor,
        cloud_id=cloud_id,
        name=name,
        zone=zone,
        peak_power=peak_power,
        freshness=freshness,
        day=day,
        specific_yield=specific_yield,
        urgency=urgency,
        measured_at=measured_at,
        pv_power=pv_power,
        battery_soc=battery_soc,
        energy_today=energy,
        alarms=alarms,
        tags=tuple(tags),
        key=(*(ordered[column] for column in sort.columns), series, tenant),
    )


async def load_plant(run: Run, tenants: Sequence[int], tenant: int, series: int, now: int) -> PlantRow | None:
    """Return one plant; None if these tenants have none of this number."""
    statement = f"""
        SELECT {_PLANT_COLUMNS}, plant.yield_order, plant.sort_name, plant.waiting,
            latest.measured_at, latest.pv_power, latest.battery_soc, latest.pv_energy_today,
            ARRAY(SELECT tag FROM plant_tag WHERE plant_tag.tenant = plant.tenant AND plant_tag.series = plant.series
                ORDER BY tag)
        FROM plant LEFT JOIN latest ON latest.series = plant.series AND latest.tenant = plant.tenant
        WHERE plant.tenant = ANY(%(tenants)s::bigint[]) AND plant.tenant = %(tenant)s
            AND plant.series = %(series)s"""  # noqa: S608 - every name is a constant of this module
    found = await run(statement, {"tenants": list(tenants), "tenant": tenant, "series": series})
    if not found:
        return None
    alarms = await _alarms(run, tenants, [(tenant, series)])
    return _plant(found[0], alarms.get((tenant, series), ()), SORTS["urgency"]).current(now)
