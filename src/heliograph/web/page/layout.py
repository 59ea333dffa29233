"""What every page has: the document around it, badges, notices and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import htpy as h

from heliograph.collect.freshness import Freshness
from heliograph.model import Status
from heliograph.web.page.format import GAP, clock_time
from heliograph.web.paths import encode_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heliograph.current import AccountStatus, PlantState
    from heliograph.store.base import Series
    from heliograph.web.page.format import Badge

EVENTS_URL = "/api/v1/events/live"

_HELD = {
    "locked": "is locked by its cloud",
    "blocked": "is blocked by its cloud",
    "throttled": "was asked to wait",
    "unreachable": "could not reach its cloud",
    "login": "may not log in again yet",
}
"""What holds an account back, after its name."""


def document(
    title: str, body: h.Node, *, current: str = "", scripts: Iterable[str] = (), events_url: str = EVENTS_URL
) -> str:
    """Return a whole page; it is complete without its scripts, which ask for it again when `live` tells of news."""
    return str(
        h.html(lang="en")[
            h.head[
                h.meta(charset="utf-8"),
                h.meta(name="viewport", content="width=device-width, initial-scale=1"),
                h.meta(name="color-scheme", content="light dark"),
                h.meta(name="theme-color", content="#f6f4ee", media="(prefers-color-scheme: light)"),
                h.meta(name="theme-color", content="#10151b", media="(prefers-color-scheme: dark)"),
                h.title[f"{title} · Heliograph" if title else "Heliograph"],
                h.link(rel="icon", href="/assets/mark.svg", type="image/svg+xml"),
                [h.link(rel="stylesheet", href=f"/assets/{name}") for name in scripts if name.endswith(".css")],
                h.link(rel="stylesheet", href="/assets/page.css"),
                [h.script(src=f"/assets/{name}", defer=True) for name in scripts if name.endswith(".js")],
                h.script(src="/assets/page.js", type="module"),
            ],
            h.body(data_live=events_url)[
                h.a(".skip", href="#main")["Skip to the content"],
                _header(current),
                h.p(".lost", role="status", hidden=True, data_lost=True)[
                    "The connection is lost. What you see is how it was; trying again …"
                ],
                h.main(id="main", tabindex="-1")[body],
            ],
        ]
    )


def _header(here: str) -> h.Element:
    return h.header(".top")[
        h.a(".brand", href="/", aria_label="Heliograph, to the plants")[
            h.svg(viewBox="0 0 32 32", width="26", height="26", aria_hidden="true")[
                h.circle(cx=16, cy=16, r=7),
                h.path(d="M16 1.5v5M16 25.5v5M1.5 16h5M25.5 16h5M5.8 5.8l3.5 3.5M22.7 22.7l3.5 3.5M5.8 26.2l3.5-3.5"),
            ],
            h.span["Heliograph"],
        ],
        h.nav(aria_label="Pages")[
            [
                h.a(href=address, aria_current="page" if here == name else None)[name]
                for name, address in (("Plants", "/"), ("Status", "/status"))
            ]
        ],
    ]


def events_url_for(after: int, series: Series | None = None) -> str:
    """Return where it is told what changes after a moment, of all plants or of one."""
    only = {} if series is None else {"vendor": series.vendor, "plant": series.plant}
    return f"{EVENTS_URL}?{urlencode({'after': after} | only)}"


def plant_path(series: Series) -> str:
    """Return where a plant's page is."""
    return f"/plant/{encode_id(series.vendor)}/{encode_id(series.plant)}"


def badge(state: Badge) -> h.Element:
    """Return a state as a small coloured word."""
    return h.span(f".badge.{state.tone}", title=state.sentence)[state.label]


def figure(text: str) -> h.Node:
    """Return a figure; a gap is read out as what it is."""
    return h.span(".gap")[h.span(aria_hidden="true")[GAP], h.span(".aloud")["unknown"]] if text == GAP else text


def notice(tone: str, title: str, text: h.Node) -> h.Element:
    """Return something a person should know before all else."""
    return h.section(f".notice.{tone}", role="note")[h.h2[title], h.p[text]]


def not_found_page(why: str) -> str:
    """Return what a person sees at an address that leads nowhere."""
    return document(
        "Nothing is here",
        [h.div(".head")[h.h1["Nothing is here"], h.p(".under")[_sentence(why)]], h.p[h.a(href="/")["To the plants"]]],
    )


def plant_notices(plant: PlantState, now: int) -> h.Node:
    """Return what is wrong with a plant and what to do, or nothing."""
    faulty = [one for one in plant.devices if one.status is Status.FAULT]
    said: list[h.Element] = []
    if faulty or plant.status is Status.FAULT:
        names = ", ".join(one.title for one in faulty) or plant.title
        said.append(
            notice("bad", f"A fault is reported by {names}", "Look at the device itself: its display names the fault.")
        )
    if plant.freshness is Freshness.OFFLINE_UNEXPECTED:
        since = (
            "was ever heard"
            if plant.measured_at is None
            else f"heard since {clock_time(plant.measured_at, plant.zone, now)}"
        )
        advice = "The logger may have lost its network, or its cloud is away. Figures of now are left out until then."
        said.append(notice("bad", f"Nothing {since}", advice))
    return said


def account_notices(accounts: Iterable[AccountStatus], now: int) -> h.Node:
    """Return a notice for every account that is held back or failed."""
    return [one for account in accounts if (one := _held(account, now)) is not None]


def _held(account: AccountStatus, now: int) -> h.Element | None:
    pause = account.budget and account.budget.pause
    if pause:
        until = clock_time(pause.until.timestamp(), _here(), now)
        tone = "warn" if pause.kind in {"throttled", "unreachable", "login"} else "bad"
        return notice(
            tone,
            f"The account {account.name} {_HELD.get(pause.kind, 'waits')} until {until}",
            f"{_sentence(pause.why)} Nothing is asked until then; that keeps the account open.",
        )
    if account.problem:
        return notice("warn", f"The account {account.name} has a problem", _sentence(account.problem))
    return None


def _sentence(text: str) -> str:
    text = f"{text[:1].upper()}{text[1:]}".rstrip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _here() -> Any:
    from datetime import datetime  # noqa: PLC0415 - only for the machine's own zone

    return datetime.now().astimezone().tzinfo
