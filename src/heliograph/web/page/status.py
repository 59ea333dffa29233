"""The status page: request quota and recent activity of the accounts, and progress of the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import htpy as h

from heliograph.web.page.alarms import alarm_list
from heliograph.web.page.format import GAP, Badge, age, clock_time, count
from heliograph.web.page.layout import account_notices, badge, document, events_url_for, figure, notice, store_notice

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.current import AccountStatus
    from heliograph.keeper import Budget
    from heliograph.outputs.sink import SinkProgress
    from heliograph.web.state import SystemState


def status_page(system: SystemState, store_bytes: int | None) -> str:
    """Return the status page."""
    return document(
        "Status",
        [
            h.div(".head")[h.h1["Status"], h.p(".under")[_summary(system, store_bytes)]],
            h.div(id="notices")[store_notice(system.damaged_store), account_notices(system.accounts, system.at)],
            alarm_list(system),
            h.div(".cards")[[_account(one, system.at) for one in system.accounts]]
            if system.accounts
            else notice("quiet", "No account is configured", ["Add one with ", h.code["heliograph login"], "."]),
            _sinks(system),
        ],
        current="Status",
        events_url=events_url_for(system.at),
    )


def _summary(system: SystemState, store_bytes: int | None) -> h.Node:
    parts = [count(len(system.accounts), "account", "accounts"), count(len(system.plants), "plant", "plants")]
    if store_bytes is not None:
        parts.append(f"database {store_bytes / 1e6:,.1f} MB")
    return [h.span[part] for part in parts]


def budget_usage(account: AccountStatus, now: int) -> h.Element:
    """Return the used and allowed requests and logins of an account in the last 24 hours."""
    budget = account.budget
    if budget is None:
        text = "Request quota unknown." if account.problem else "Request quota not tracked for this account."
        return h.div(".usage")[h.h3[account.name], h.p(".hint")[text]]
    return h.div(".usage")[
        h.h3[account.name],
        _meters(budget, now),
        account.password_budget and [h.h3[f"{account.name}, by password"], _meters(account.password_budget, now)],
    ]


def _meters(budget: Budget, now: int) -> h.Node:
    return [
        _meter("requests", budget.requests_used, budget.requests_limit),
        _meter("logins", budget.logins_used, budget.logins_limit),
        _wait(budget, now),
    ]


def _wait(budget: Budget, now: int) -> h.Node:
    """Return the time of the next possible request, unless the account is paused, which a notice reports."""
    if budget.next_free is None or budget.pause is not None:
        return None
    at = _time(budget.next_free, now)
    if budget.free <= 0:
        return h.p(".hint")[f"Next request at {at} (quota used up)."]
    # The collector plans its own polls within the quota: the page says of each plant when the next one is.
    return h.p(".hint")[f"Scripts wait until {at} (daily quota is spread out)."]


def _meter(unit: str, used: int, limit: int) -> h.Element:
    share = min(100.0, 100 * used / limit) if limit else 100.0
    tone = "bad" if share >= 100 else "warn" if share >= 80 else "good"
    return h.div(".meter")[
        h.p[h.span[f"{used:,} of {limit:,} {unit}"], h.span(".label")["last 24 h"]],
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
            h.summary["Recent activity"],
            h.ul(".notes")[[h.li[h.time(datetime=at.isoformat())[_time(at, now)], h.span[text]] for at, text in notes]],
        ],
    ]


def _ago(at: datetime | None, now: int) -> h.Node:
    return figure(GAP) if at is None else age(max(0.0, now - at.timestamp()))


def _sinks(system: SystemState) -> h.Node:
    if not system.sinks:
        return None
    return h.section(".card", aria_labelledby="sinks")[
        h.h2(id="sinks")["Outputs"],
        h.div(".wide")[
            h.table(".rows")[
                h.thead[
                    h.tr[
                        [h.th(scope="col")[word] for word in ("Output", "Status", "Sent since start", "Newest sample")]
                    ]
                ],
                h.tbody[[_sink(one, system.at) for one in system.sinks]],
            ]
        ],
    ]


def _sink(one: SinkProgress, now: int) -> h.Element:
    state = Badge("retrying", "Retrying", "warn") if one.problem else Badge("ok", "Up to date", "good")
    cells = (
        ("Status", badge(state)),
        ("Sent since start", f"{one.sent:,}"),
        ("Newest sample", figure(GAP) if one.newest is None else age(max(0, now - one.newest))),
    )
    return h.tr[
        h.th(scope="row")[h.span(".name")[one.name], one.problem is not None and h.small[one.problem]],
        [h.td(data_label=label)[content] for label, content in cells],
    ]


def _time(at: datetime, now: int) -> str:
    return clock_time(at.timestamp(), at.astimezone().tzinfo, now)  # type: ignore[arg-type]
