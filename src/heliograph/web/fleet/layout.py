"""The layout of the triage pages: document, header, forms. Complete without scripts, so none are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import htpy as h

from heliograph.fleet.access import Role
from heliograph.web.page.format import Badge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.fleet.access import Principal
    from heliograph.fleet.tenants import Tenant

_PAGES = (
    ("Plants", "/", Role.VIEWER),
    ("Customers", "/customers", Role.VIEWER),
    ("Accounts", "/accounts", Role.VIEWER),
    ("Import", "/import", Role.ADMIN),
    ("Members", "/members", Role.ADMIN),
    ("Audit", "/audit", Role.ADMIN),
)


def document(title: str, body: h.Node, principal: Principal | None = None, current: str = "") -> str:
    """Return a page; its header links what the principal may see."""
    return str(
        h.html(lang="en")[
            h.head[
                h.meta(charset="utf-8"),
                h.meta(name="viewport", content="width=device-width, initial-scale=1"),
                h.meta(name="color-scheme", content="light dark"),
                h.title[f"{title} · Heliograph"],
                h.link(rel="icon", href="/assets/mark.svg", type="image/svg+xml"),
                h.link(rel="stylesheet", href="/assets/page.css"),
                h.link(rel="stylesheet", href="/assets/fleet.css"),
            ],
            h.body(".of-fleet")[
                h.a(".skip", href="#main")["Skip to the content"],
                _header(principal, current),
                h.main(id="main", tabindex="-1")[body],
            ],
        ]
    )


def _header(principal: Principal | None, current: str) -> h.Element:
    pages = [one for one in _PAGES if principal is not None and principal.tenants(one[2])]
    return h.header(".top")[
        h.a(".brand", href="/", aria_label="Heliograph, all plants")[
            h.svg(viewBox="0 0 32 32", width="26", height="26", aria_hidden="true")[
                h.circle(cx=16, cy=16, r=7),
                h.path(d="M16 1.5v5M16 25.5v5M1.5 16h5M25.5 16h5M5.8 5.8l3.5 3.5M22.7 22.7l3.5 3.5M5.8 26.2l3.5-3.5"),
            ],
            h.span["Heliograph"],
        ],
        bool(pages)
        and h.nav(aria_label="Main")[
            [h.a(href=path, aria_current="page" if current == name else None)[name] for name, path, _ in pages]
        ],
    ]


def message_page(title: str, text: str, principal: Principal | None = None) -> str:
    """Return a page with one sentence, for errors."""
    sentence = f"{text[:1].upper()}{text[1:]}"
    body = [
        h.div(".head")[h.h1[title], h.p(".under")[sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."]],
        principal is not None and h.p[h.a(href="/")["Back to all plants"]],
    ]
    return document(title, body, principal)


def with_query(path: str, **values: object) -> str:
    """Return a path with the values that are not empty as its query."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def plant_path(tenant: int, series: int) -> str:
    """Return the path of a plant's page."""
    return f"/plants/{tenant}/{series}"


def customer_path(tenant: int, customer: str, page: str = "report", **values: object) -> str:
    """Return the path of a customer's report."""
    return with_query(f"/customers/{tenant}/{page}", name=customer, **values)


def action(path: str, button: str, **values: object) -> h.Element:
    """Return a form of one button that sends these values."""
    return h.form(".action", method="post", action=path)[
        [h.input(type="hidden", name=name, value=str(value)) for name, value in values.items()],
        h.button(type="submit")[button],
    ]


def resume_advice(account: int) -> h.Node:
    """Return what an operator does about an account that needs a person."""
    return [
        "Fix the cause on the vendor's website, then run ",
        h.code[f"heliograph fleet account resume {account}"],
        "; with a new password, ",
        h.code[f"heliograph fleet account password {account}"],
        ".",
    ]


def tenant_choice(tenants: Sequence[Tenant], chosen: int | None = None) -> h.Node:
    """Return the field that names the tenant of a form."""
    if len(tenants) == 1:
        return h.input(type="hidden", name="tenant", value=str(tenants[0].id))
    return h.label[
        h.span["Tenant"],
        h.select(name="tenant")[[h.option(value=str(one.id), selected=one.id == chosen)[one.name] for one in tenants]],
    ]


def tenant_names(tenants: Sequence[Tenant]) -> Mapping[int, str]:
    """Return the names to show; none if there is only one tenant."""
    return {one.id: one.name for one in tenants} if len(tenants) > 1 else {}


def pages(before: str | None, middle: str, after: str | None) -> h.Element:
    """Return the links to the neighbouring pages of a list."""
    return h.nav(".pages", aria_label="Table pages")[
        h.a(href=before, rel="prev")["‹ Previous"] if before else h.span(".off")["‹ Previous"],
        h.span[middle],
        h.a(href=after, rel="next")["Next ›"] if after else h.span(".off")["Next ›"],
    ]


FRESHNESS = {
    "live": Badge("live", "Data arrives as usual", "good"),
    "stale": Badge("stale", "Uploads are missing, or a poll is overdue", "warn"),
    "not-polled": Badge("not polled", "The account is not polled", "warn"),
    "offline-expected": Badge("asleep", "Offline for the night", "quiet"),
    "offline-unexpected": Badge("offline", "Offline unexpectedly", "bad"),
}
"""The badges of the states of a plant."""
