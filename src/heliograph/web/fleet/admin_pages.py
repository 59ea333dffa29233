"""The pages of customers, accounts, onboarding, members with tokens, and the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import htpy as h

from heliograph.fleet.access import Role
from heliograph.fleet.listings import STATES, AccountRow, CustomerRow
from heliograph.web.fleet.layout import (
    action,
    customer_path,
    document,
    pages,
    resume_advice,
    tenant_choice,
    tenant_names,
    with_query,
)
from heliograph.web.page.format import Badge, count
from heliograph.web.page.layout import badge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.fleet.access import Principal
    from heliograph.fleet.audit import AuditEntry
    from heliograph.fleet.csv_import import ImportReport
    from heliograph.fleet.listings import ListPage
    from heliograph.fleet.tenants import ApiToken, Member, Tenant

_STATE_BADGES = {
    "needs_person": Badge("needs a person", "Not polled until a person acts", "bad"),
    "new": Badge("new", "Not polled yet", "quiet"),
    "active": Badge("active", "Polled", "good"),
    "paused": Badge("paused", "Not polled, by order", "warn"),
    "removed": Badge("removed", "No longer polled", "quiet"),
}
_COLUMNS = "name, vendor, username, password, customer, tags, egress"
_SHOWN_PROBLEMS = 50


def customers_page(principal: Principal, tenants: Sequence[Tenant], page: ListPage, text: str) -> str:
    """Return the list of customers, each with its report."""
    names = tenant_names(tenants)
    rows = [one for one in page.rows if isinstance(one, CustomerRow)]
    return document(
        "Customers",
        [
            h.div(".head")[h.h1["Customers"]],
            _search("/customers", text, "Customer"),
            not rows and h.p(".nothing")["No customers. The column customer of an imported file names them."],
            bool(rows)
            and _table(
                ["Customer", "Plants", "With open alarms", "Report"],
                [
                    [
                        [
                            h.a(href=with_query("/", customer=one.name, tenant=one.tenant))[one.name],
                            one.tenant in names and h.small[f" {names[one.tenant]}"],
                        ],
                        f"{one.plants:,}",
                        f"{one.urgent:,}",
                        h.a(href=customer_path(one.tenant, one.name))["Last month"],
                    ]
                    for one in rows
                ],
            ),
            _list_pages("/customers", page, q=text),
        ],
        principal,
        "Customers",
    )


def accounts_page(
    principal: Principal, tenants: Sequence[Tenant], page: ListPage, counts: Mapping[str, int], state: str, text: str
) -> str:
    """Return the list of accounts with their states."""
    names = tenant_names(tenants)
    rows = [one for one in page.rows if isinstance(one, AccountRow)]
    return document(
        "Accounts",
        [
            h.div(".head")[h.h1["Accounts"]],
            _search("/accounts", text, "Account or customer", state=state),
            h.nav(".chips", aria_label="Filter by state")[
                h.a(href=with_query("/accounts", q=text), aria_current=None if state else "true")[
                    "All", h.small[f"{sum(counts.values()):,}"]
                ],
                [
                    h.a(href=with_query("/accounts", q=text, state=one), aria_current="true" if one == state else None)[
                        _STATE_BADGES[one].label, h.small[f"{counts.get(one, 0):,}"]
                    ]
                    for one in STATES
                    if counts.get(one) or one == state
                ],
            ],
            not rows and h.p(".nothing")["No accounts match."],
            bool(rows)
            and _table(
                ["Account", "State", "Plants", "Vendor"],
                [
                    [
                        [
                            h.a(href=with_query("/", account=one.id))[one.name],
                            h.small[" · ".join(filter(None, [names.get(one.tenant, ""), one.customer]))],
                        ],
                        [
                            badge(_STATE_BADGES[one.state]),
                            bool(one.reason) and h.small(".reason")[one.reason],
                            one.state == "needs_person" and h.small(".reason")[resume_advice(one.id)],
                        ],
                        f"{one.plants:,}",
                        f"{one.vendor} {one.server}",
                    ]
                    for one in rows
                ],
            ),
            _list_pages("/accounts", page, q=text, state=state),
        ],
        principal,
        "Accounts",
    )


def import_page(
    principal: Principal,
    tenants: Sequence[Tenant],
    *,
    ready: bool,
    report: ImportReport | None = None,
    checked: str = "",
    chosen: int | None = None,
    problem: str = "",
) -> str:
    """Return the form for a CSV file; after a check without problems it also imports that file."""
    return document(
        "Import",
        [
            h.div(".head")[h.h1["Import accounts"]],
            bool(problem) and h.section(".notice.bad", role="alert")[h.h2["Not imported"], h.p[problem]],
            report is not None and _import_report(report),
            h.section(".card")[
                h.p["A CSV file with a header. Columns: ", h.code[_COLUMNS], ". Each account is tried once, slowly."],
                h.form(".fields", method="post", action="/import", enctype="multipart/form-data")[
                    tenant_choice(tenants, chosen),
                    h.label[h.span["File"], h.input(type="file", name="file", accept=".csv,text/csv", required=True)],
                    bool(checked) and h.input(type="hidden", name="checked", value=checked),
                    bool(checked)
                    and h.p(".hint")["Choose the same file again: passwords are not kept between check and import."],
                    h.div(".actions")[
                        h.button(type="submit", name="do", value="check")["Check"],
                        bool(checked) and h.button(".primary", type="submit", name="do", value="import")["Import"],
                    ],
                ],
            ]
            if ready
            else h.p(".nothing")[
                "This server has no key to seal passwords with. Start it with --key-file, or use ",
                h.code["heliograph fleet import"],
                ".",
            ],
        ],
        principal,
        "Import",
    )


def _import_report(report: ImportReport) -> h.Element:
    accounts = count(report.accounts, "account", "accounts")
    if report.stored:
        return h.section(".notice.good", role="status")[
            h.h2[f"{accounts} imported"],
            h.p["They are polled one after another; see ", h.a(href="/accounts")["Accounts"], "."],
        ]
    if report.problems:
        more = len(report.problems) - _SHOWN_PROBLEMS
        return h.section(".notice.bad", role="alert")[
            h.h2[f"{count(len(report.problems), 'problem', 'problems')}, nothing imported"],
            h.ul[[h.li[one] for one in report.problems[:_SHOWN_PROBLEMS]]],
            more > 0 and h.p[f"and {more:,} more"],
        ]
    return h.section(".notice.good", role="status")[
        h.h2[f"{accounts} can be imported"], h.p["No problem was found. Nothing is imported yet."]
    ]


def members_page(
    principal: Principal,
    tenants: Sequence[Tenant],
    members: Sequence[Member],
    tokens: Sequence[ApiToken],
    new_token: str = "",
) -> str:
    """Return members and API tokens, with the forms that change them; a new token is shown once."""
    names = tenant_names(tenants)
    return document(
        "Members",
        [
            h.div(".head")[h.h1["Members and tokens"]],
            bool(new_token)
            and h.section(".notice.good", role="status")[
                h.h2["New token"], h.p["Copy it now; it is not shown again: ", h.code[new_token]]
            ],
            h.section(".card", aria_labelledby="members")[
                h.h2(id="members")["Members"],
                _table(
                    ["Name", "Role", ""],
                    [
                        [
                            [one.subject, one.tenant in names and h.small[f" {names[one.tenant]}"]],
                            one.role.name.lower(),
                            action("/members/remove", "Remove", tenant=one.tenant, subject=one.subject),
                        ]
                        for one in members
                    ],
                ),
                h.form(".fields", method="post", action="/members")[
                    tenant_choice(tenants),
                    h.label[h.span["Name, as the proxy reports it"], h.input(name="subject", required=True)],
                    _roles(),
                    h.button(type="submit")["Add or change"],
                ],
            ],
            h.section(".card", aria_labelledby="tokens")[
                h.h2(id="tokens")["API tokens"],
                _table(
                    ["Token", "Role", "Created", "Valid until", ""],
                    [
                        [
                            [one.name, one.tenant in names and h.small[f" {names[one.tenant]}"]],
                            one.role.name.lower(),
                            f"{one.created_at:%Y-%m-%d}",
                            "no end" if one.expires_at is None else f"{one.expires_at:%Y-%m-%d}",
                            action("/tokens/revoke", "Revoke", tenant=one.tenant, id=one.id),
                        ]
                        for one in tokens
                    ],
                ),
                h.form(".fields", method="post", action="/tokens")[
                    tenant_choice(tenants),
                    h.label[h.span["Name"], h.input(name="name", required=True)],
                    _roles(),
                    h.label[h.span["Days"], h.input(name="days", type="number", min="1", max="3650", value="365")],
                    h.button(type="submit")["Create token"],
                ],
            ],
        ],
        principal,
        "Members",
    )


def audit_page(
    principal: Principal, tenants: Sequence[Tenant], entries: Sequence[AuditEntry], after: str | None
) -> str:
    """Return the newest entries of the audit log."""
    names = tenant_names(tenants)
    return document(
        "Audit",
        [
            h.div(".head")[h.h1["Audit log"]],
            not entries and h.p(".nothing")["No entries."],
            bool(entries)
            and _table(
                ["Time (UTC)", *(["Tenant"] if names else []), "Who", "What", "Details"],
                [
                    [
                        f"{one.at:%Y-%m-%d %H:%M:%S}",
                        *([names.get(one.tenant, "")] if names else []),
                        one.subject,
                        one.action,
                        one.detail,
                    ]
                    for one in entries
                ],
                left=True,
            ),
            bool(entries) and pages(None, count(len(entries), "entry", "entries"), after),
        ],
        principal,
        "Audit",
    )


def _roles() -> h.Element:
    return h.label[
        h.span["Role"], h.select(name="role")[[h.option(value=one.name.lower())[one.name.lower()] for one in Role]]
    ]


def _search(path: str, text: str, label: str, **hidden: str) -> h.Element:
    return h.form(".filter", role="search", method="get", action=path)[
        h.label[
            h.span(".visually-hidden")[f"Search by {label.lower()}"],
            h.input(type="search", name="q", value=text, placeholder=label),
        ],
        [h.input(type="hidden", name=name, value=value) for name, value in hidden.items() if value],
        h.button(type="submit")["Search"],
    ]


def _list_pages(path: str, page: ListPage, **query: str) -> h.Node:
    before, after = page.before, page.after
    if before is None and after is None:
        return None
    return pages(
        before and with_query(path, **query, cursor=before.text()),
        f"{len(page.rows):,} shown",
        after and with_query(path, **query, cursor=after.text()),
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[h.Node]], *, left: bool = False) -> h.Node:
    if not rows:
        return None
    return h.div(".wide", tabindex="0", role="region", aria_label=f"{heads[0]} (table)")[
        h.table(".figures.list" + (".left" if left else ""))[
            h.thead[h.tr[[h.th(scope="col")[head] for head in heads]]],
            h.tbody[[h.tr[h.th(scope="row")[row[0]], [h.td[cell] for cell in row[1:]]] for row in rows]],
        ]
    ]
