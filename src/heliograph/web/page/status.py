"""The accounts, what is used of their budgets and what holds them back; and where samples go on to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import htpy as h

from heliograph.web.page.format import GAP, Badge, age, clock_time, count
from heliograph.web.page.layout import account_notices, badge, document, events_url_for, figure, notice

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.current import AccountStatus
    from heliograph.keeper import Budget
    from heliograph.outputs.sink import SinkProgress
    from heliograph.web.state import SystemState


def status_page(now: SystemState, bytes_kept: int | None) -> str:
    """Return the page of what works behind the plants."""
    return document(
        "Status",
        [
            h.div(".head")[h.h1["Status"], h.p(".under")[_summary(now, bytes_kept)]],
            h.div(id="notices")[account_notices(now.accounts, now.at)],
            h.div(".cards")[[_account(one, now.at) for one in now.accounts]]
            if now.accounts
            else notice("quiet", "No account is configured", ["Add one with ", h.code["heliograph login"], "."]),
            _sinks(now),
        ],
        current="Status",
        events_url=events_url_for(now.at),
    )


def _summary(now: SystemState, bytes_kept: int | None) -> h.Node:
    parts = [count(len(now.accounts), "account", "accounts"), count(len(now.plants), "plant", "plants")]
    if bytes_kept is not None:
        parts.append(f"{bytes_kept / 1e6:,.1f} MB kept")
    return [h.span[part] for part in parts]


def budget_usage(account: AccountStatus, now: int) -> h.Element:
    """Return what is used of one account's budget, of the 24 hours that end now."""
    budget = account.budget
    if budget is None:
        said = "What is used of its budget cannot be told." if account.problem else "Its requests are not counted."
        return h.div(".usage")[h.h3[account.name], h.p(".hint")[said]]
    return h.div(".usage")[
        h.h3[account.name],
        _meter("requests", budget.requests_used, budget.requests_limit),
        _meter("logins", budget.logins_used, budget.logins_limit),
        _wait(budget, now),
    ]


def _wait(budget: Budget, now: int) -> h.Node:
    """Say when a program may ask again, but for a pause, which is said above all; the collector spreads by itself."""
    if budget.next_free is None or budget.pause is not None:
        return None
    who = "May ask again" if budget.free <= 0 else "To spread the day, other programs wait until"
    return h.p(".hint")[f"{who} {_when(budget.next_free, now)}."]


def _meter(what: str, used: int, limit: int) -> h.Element:
    share = min(100.0, 100 * used / limit) if limit else 100.0
    tone = "bad" if share >= 100 else "warn" if share >= 80 else "good"
    return h.div(".meter")[
        h.p[h.span[f"{used:,} of {limit:,} {what}"], h.span(".label")["in 24 h"]],
        h.svg(".bar", viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true")[
            h.rect(".rest", x=0, y=0, width=100, height=8),
            h.rect(f".{tone}", x=0, y=0, width=f"{share:.1f}", height=8),
        ],
    ]


def _account(account: AccountStatus, now: int) -> h.Element:
    budget = account.budget
    notes = list(reversed(budget.notes[-4:])) if budget else []
    facts = (("Session opened", budget.opened_at), ("Last login", budget.last_login)) if budget else ()
    return h.section(".card.account")[
        h.p(".kicker")[account.vendor],
        budget_usage(account, now),
        h.dl(".facts")[[h.div[h.dt[word], h.dd[_ago(at, now)]] for word, at in facts]],
        bool(notes)
        and h.details[
            h.summary["What happened lately"],
            h.ul(".notes")[[h.li[h.time(datetime=at.isoformat())[_when(at, now)], h.span[text]] for at, text in notes]],
        ],
    ]


def _ago(at: datetime | None, now: int) -> h.Node:
    return figure(GAP) if at is None else age(max(0.0, now - at.timestamp()))


def _sinks(now: SystemState) -> h.Node:
    if not now.sinks:
        return None
    return h.section(".card", aria_labelledby="sinks")[
        h.h2(id="sinks")["Passed on to"],
        h.div(".wide")[
            h.table(".rows")[
                h.thead[
                    h.tr[[h.th(scope="col")[word] for word in ("Where", "State", "Sent since start", "Newest sample")]]
                ],
                h.tbody[[_sink(one, now.at) for one in now.sinks]],
            ]
        ],
    ]


def _sink(one: SinkProgress, now: int) -> h.Element:
    state = Badge("waits", "It is tried again", "warn") if one.problem else Badge("well", "It is up to date", "good")
    cells = (
        ("State", badge(state)),
        ("Sent since start", f"{one.sent:,}"),
        ("Newest sample", figure(GAP) if one.newest is None else age(max(0, now - one.newest))),
    )
    return h.tr[
        h.th(scope="row")[h.span(".name")[one.name], one.problem is not None and h.small[one.problem]],
        [h.td(data_label=label)[content] for label, content in cells],
    ]


def _when(at: datetime, now: int) -> str:
    return clock_time(at.timestamp(), at.astimezone().tzinfo, now)  # type: ignore[arg-type]
