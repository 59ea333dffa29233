"""The page of all plants, those first that need a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import htpy as h
from markupsafe import Markup

from heliograph.alarms.model import RULES
from heliograph.errors import ConfigError
from heliograph.fleet.cursors import parse_cursor
from heliograph.fleet.triage import ACCOUNT_RULE, SORTS, URGENCIES, TriageQuery
from heliograph.local_time import zone_from_name
from heliograph.web.fleet.layout import (
    FRESHNESS,
    document,
    pages,
    plant_path,
    tenant_names,
    with_query,
)
from heliograph.web.page.format import GAP, age, clock_time, count, energy, peak_power, power
from heliograph.web.page.layout import badge, figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.fleet.access import Principal
    from heliograph.fleet.tenants import Tenant
    from heliograph.fleet.triage import OpenAlarm, PlantRow, TriagePage

TONES = {"account": "bad", "error": "bad", "warning": "warn", "info": "quiet", "ok": "good"}
_MAX_TEXT = 100
_SHOWN_ALARMS = 3
_LIST_OF_URGENCIES = list(URGENCIES)


def rule_title(rule: str) -> str:
    """Return the title of an alarm rule, or of an account that needs a person."""
    return "the account needs a person" if rule == ACCOUNT_RULE else RULES[rule].title


def parse_triage_query(query: Mapping[str, str]) -> TriageQuery:
    """Return the query of a URL; raises `ConfigError` for unknown values."""
    sort, urgency, rule = query.get("sort", "urgency"), query.get("urgency", ""), query.get("rule", "")
    if sort not in SORTS or urgency not in ("", *URGENCIES) or rule not in ("", ACCOUNT_RULE, *RULES):
        raise ConfigError("unknown sort, urgency or rule in the address")
    cursor = query.get("cursor", "")
    texts = {name: query.get(name, "").replace("\0", "")[:_MAX_TEXT] for name in ("q", "tag")}
    customer = query.get("customer")
    return TriageQuery(
        text=texts["q"],
        urgency=urgency,
        rule=rule,
        customer=None if customer is None else customer.replace("\0", "")[:_MAX_TEXT],
        tag=texts["tag"],
        account=parse_id(query.get("account", "")),
        tenant=parse_id(query.get("tenant", "")),
        sort=sort,
        cursor=parse_cursor(cursor, SORTS[sort].key_types) if cursor else None,
    )


def parse_id(text: str) -> int | None:
    """Return a number of a URL; None if it is empty. Raises `ConfigError`."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ConfigError("the address has an id that is no number")
    return int(text)


def triage_path(query: TriageQuery, path: str = "/", **changed: Any) -> str:
    """Return the path of a query with changes; a change of anything but the place begins at the first page."""
    new = query._replace(**{"cursor": None, **changed})
    return with_query(
        path,
        q=new.text,
        urgency=new.urgency,
        rule=new.rule,
        customer=new.customer,
        tag=new.tag,
        account=new.account,
        tenant=new.tenant,
        sort=None if new.sort == "urgency" else new.sort,
        cursor=new.cursor and new.cursor.text(),
    )


def plants_page(principal: Principal, tenants: Sequence[Tenant], query: TriageQuery, page: TriagePage, now: int) -> str:
    """Return the page."""
    return document(
        "Plants",
        [
            h.div(".head")[h.h1["Plants"], _sort_tabs(query)],
            _filter(tenants, query, page),
            h.div("#found")[
                _table(tenants, query, page, now),
                bool(page.plants)
                and pages(
                    page.before and triage_path(query, cursor=page.before),
                    _found(query, page),
                    page.after and triage_path(query, cursor=page.after),
                ),
            ],
        ],
        principal,
        "Plants",
    )


def _found(query: TriageQuery, page: TriagePage) -> str:
    total = sum(page.counts.values())
    if query.rule:
        total = min(total, page.rules.get(query.rule, 0))
    elif query.urgency:
        total = page.counts.get(URGENCIES[query.urgency], 0)
    return f"{len(page.plants):,} of {count(total, 'plant', 'plants')}"


def _sort_tabs(query: TriageQuery) -> h.Element:
    return h.nav(".tabs", aria_label="Sort")[
        [
            h.a(href=triage_path(query, sort=key), aria_current="true" if key == query.sort else None)[order.title]
            for key, order in SORTS.items()
        ]
    ]


def _filter(tenants: Sequence[Tenant], query: TriageQuery, page: TriagePage) -> h.Element:
    hidden = {
        "urgency": query.urgency,
        "rule": query.rule,
        "customer": query.customer,
        "tag": query.tag,
        "account": query.account,
        "sort": None if query.sort == "urgency" else query.sort,
    }
    return h.form(".filter", role="search", method="get", action="/")[
        h.label[
            h.span(".visually-hidden")["Search by plant, customer, account or id"],
            h.input(type="search", name="q", value=query.text, placeholder="Plant, customer, account or id"),
        ],
        len(tenants) > 1
        and h.label(".account-filter")[
            h.span(".visually-hidden")["Tenant"],
            h.select(name="tenant")[
                h.option(value="")["All tenants"],
                [h.option(value=str(one.id), selected=one.id == query.tenant)[one.name] for one in tenants],
            ],
        ],
        [h.input(type="hidden", name=name, value=str(value)) for name, value in hidden.items() if value],
        h.button(type="submit")["Search"],
        _urgency_chips(query, page),
        _rule_chips(query, page),
        _active_filters(query, page),
    ]


def _urgency_chips(query: TriageQuery, page: TriagePage) -> h.Element:
    total = sum(page.counts.values())
    chosen = not query.urgency and not query.rule
    return h.nav(".chips", aria_label="Filter by urgency")[
        h.a(href=triage_path(query, urgency="", rule=""), aria_current="true" if chosen else None)[
            "All", h.small[f"{total:,}"]
        ],
        [
            h.a(
                f".tone-{TONES[name]}",
                href=triage_path(query, urgency=name, rule=""),
                aria_current="true" if query.urgency == name else None,
            )[name, h.small[f"{page.counts.get(number, 0):,}"]]
            for name, number in URGENCIES.items()
            if page.counts.get(number) or query.urgency == name
        ],
    ]


def _rule_chips(query: TriageQuery, page: TriagePage) -> h.Node:
    known = [one for one in (ACCOUNT_RULE, *RULES) if page.rules.get(one) or query.rule == one]
    return (
        bool(known)
        and h.nav(".chips.minor", aria_label="Filter by alarm")[
            [
                h.a(
                    href=triage_path(query, rule="" if query.rule == rule else rule, urgency=""),
                    aria_current="true" if query.rule == rule else None,
                )[rule_title(rule), h.small[f"{page.rules.get(rule, 0):,}"]]
                for rule in known
            ]
        ]
    )


def _active_filters(query: TriageQuery, page: TriagePage) -> h.Node:
    account = next((one.account_name for one in page.plants), str(query.account))
    active: list[tuple[str, str]] = []
    if query.customer is not None:
        active.append((f"Customer: {query.customer or 'none'}", triage_path(query, customer=None)))
    if query.tag:
        active.append((f"Tag: {query.tag}", triage_path(query, tag="")))
    if query.account is not None:
        active.append((f"Account: {account}", triage_path(query, account=None)))
    return (
        bool(active)
        and h.ul(".active-filters")[
            [
                h.li[h.span[text], h.a(href=path, aria_label=f"Remove the filter {text}")["Remove"]]
                for text, path in active
            ]
        ]
    )


def _table(tenants: Sequence[Tenant], query: TriageQuery, page: TriagePage, now: int) -> h.Node:
    if not page.plants:
        empty = query == TriageQuery(tenant=query.tenant)
        if empty and not sum(page.counts.values()):
            return h.p(".nothing")["No plants yet. They appear after their account was polled and evaluated."]
        return h.p(".nothing")["No plants match. ", h.a(href="/")["Show all plants"], "."]
    names = tenant_names(tenants)
    heads = (
        ("name", "Plant"),
        ("needs", "Needs a person for"),
        ("state", "Status"),
        ("now", "Power"),
        ("today", "Today"),
        ("yield", "kWh/kWp"),
        ("updated", "Last update"),
    )
    return h.table(".fleet.rows.triage")[
        h.caption(".visually-hidden")[f"Plants by {SORTS[query.sort].title.lower()}"],
        h.thead[h.tr[[h.th(scope="col", class_=f"of-{key}")[word] for key, word in heads]]],
        # Each row as text: htpy passes every piece of a nested element through a generator per level.
        h.tbody[[Markup(str(_plant(one, query, names, now))) for one in page.plants]],  # noqa: S704 - escaped by htpy
    ]


def _plant(one: PlantRow, query: TriageQuery, tenants: Mapping[int, str], now: int) -> h.Element:
    size = [] if one.peak_power is None else [peak_power(one.peak_power)]
    cells: tuple[tuple[str, str, h.Node], ...] = (
        ("needs", "Needs a person for", _alarms(one.alarms, one, now)),
        ("state", "Status", badge(FRESHNESS[one.freshness])),
        ("now", "Power", figure(power(one.pv_power))),
        ("today", "Today", figure(energy(one.energy_today))),
        ("yield", "kWh/kWp", _specific_yield(one)),
        ("updated", "Last update", figure(GAP) if one.measured_at is None else age(max(0, now - one.measured_at))),
    )
    return h.tr[
        h.th(scope="row")[
            h.a(href=plant_path(one.tenant, one.series))[one.name],
            h.small[
                one.tenant in tenants and [f"{tenants[one.tenant]} · "],
                bool(one.customer)
                and [h.a(href=triage_path(query, customer=one.customer, tenant=one.tenant))[one.customer], " · "],
                h.a(href=triage_path(query, account=one.account))[one.account_name or one.cloud_id],
                [f" · {text}" for text in size],
                [[" ", h.a(".tag", href=triage_path(query, tag=tag))[tag]] for tag in one.tags],
            ],
        ],
        [h.td(class_=f"of-{key}", data_label=label)[content] for key, label, content in cells],
    ]


def _alarms(alarms: Sequence[OpenAlarm], plant: PlantRow, now: int) -> h.Node:
    waiting = [one for one in alarms if one.is_open(now)]
    answered = len(alarms) - len(waiting)
    if not alarms:
        return h.span(".soft")["nothing"]
    return h.ul(".needs")[
        [
            h.li[
                h.span(f".dot.{TONES[_LIST_OF_URGENCIES[one.urgency]]}", aria_hidden="true"),
                h.span[
                    rule_title(one.rule),
                    h.small[f" since {clock_time(one.raised_at, zone_from_name(plant.zone), now)}"],
                ],
            ]
            for one in waiting[:_SHOWN_ALARMS]
        ],
        len(waiting) > _SHOWN_ALARMS and h.li[h.small[f"and {len(waiting) - _SHOWN_ALARMS} more"]],
        bool(answered) and h.li[h.small[f"{count(answered, 'alarm', 'alarms')} acknowledged or snoozed"]],
    ]


def _specific_yield(one: PlantRow) -> h.Node:
    if one.specific_yield is None or one.day is None:
        return figure(GAP)
    return [f"{one.specific_yield:.2f}", h.small[f" {one.day.day} {one.day:%b}"]]
