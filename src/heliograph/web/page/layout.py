"""The layout shared by all pages: document, header, badges, notices and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import htpy as h

from heliograph.collect.freshness import Freshness
from heliograph.model import Status
from heliograph.store.recovery import REPAIR_COMMAND
from heliograph.web.page.format import GAP, clock_time, poll_note
from heliograph.web.paths import encode_id
from heliograph.web.prefix import url

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo
    from pathlib import Path

    from heliograph.current import AccountStatus, PlantState
    from heliograph.store.base import Series
    from heliograph.web.page.format import Badge

EVENTS_URL = "/api/v1/events/live"

_PAUSES = {
    "locked": "is locked by the vendor",
    "blocked": "is blocked by the vendor",
    "throttled": "is rate limited",
    "unreachable": "cannot reach the vendor API",
    "login": "cannot log in",
}
"""The kinds of pause of an account, as part of a heading."""


def document(
    title: str, body: h.Node, *, current: str = "", scripts: Iterable[str] = (), events_url: str = EVENTS_URL
) -> str:
    """Return a page. It is complete without scripts, which reload it after events from `events_url`."""
    return str(
        h.html(lang="en")[
            h.head[
                h.meta(charset="utf-8"),
                h.meta(name="viewport", content="width=device-width, initial-scale=1"),
                h.meta(name="color-scheme", content="light dark"),
                h.meta(name="theme-color", content="#f6f4ee", media="(prefers-color-scheme: light)"),
                h.meta(name="theme-color", content="#10151b", media="(prefers-color-scheme: dark)"),
                h.title[f"{title} · Heliograph" if title else "Heliograph"],
                h.link(rel="icon", href=url("/assets/mark.svg"), type="image/svg+xml"),
                h.link(rel="apple-touch-icon", href=url("/assets/icon-192.png")),
                h.link(rel="manifest", href=url("/assets/manifest.webmanifest")),
                [h.link(rel="stylesheet", href=url(f"/assets/{name}")) for name in scripts if name.endswith(".css")],
                h.link(rel="stylesheet", href=url("/assets/page.css")),
                [h.script(src=url(f"/assets/{name}"), defer=True) for name in scripts if name.endswith(".js")],
                h.script(src=url("/assets/page.js"), type="module"),
            ],
            h.body(data_live=url(events_url))[
                h.a(".skip", href="#main")["Skip to the content"],
                _header(current),
                h.p(".connection-lost", role="status", hidden=True, data_lost=True)[
                    "Connection lost. Showing the last known values; reconnecting…"
                ],
                h.main(id="main", tabindex="-1")[body],
            ],
        ]
    )


def _header(here: str) -> h.Element:
    return h.header(".top")[
        h.a(".brand", href=url("/"), aria_label="Heliograph, all plants")[
            h.svg(viewBox="0 0 32 32", width="26", height="26", aria_hidden="true")[
                h.circle(cx=16, cy=16, r=7),
                h.path(d="M16 1.5v5M16 25.5v5M1.5 16h5M25.5 16h5M5.8 5.8l3.5 3.5M22.7 22.7l3.5 3.5M5.8 26.2l3.5-3.5"),
            ],
            h.span["Heliograph"],
        ],
        h.nav(aria_label="Main")[
            [
                h.a(href=url(address), aria_current="page" if here == name else None)[name]
                for name, address in (("Plants", "/"), ("Status", "/status"))
            ]
        ],
    ]


def events_url_for(after: int, series: Series | None = None) -> str:
    """Return the URL of the events after a time, for all plants or for one."""
    only = {} if series is None else {"vendor": series.vendor, "plant": series.plant}
    return f"{EVENTS_URL}?{urlencode({'after': after} | only)}"


def plant_path(series: Series) -> str:
    """Return the address of a plant's page."""
    return url(f"/plant/{plant_segments(series)}")


def plant_segments(series: Series) -> str:
    """Return a plant as two segments of a path."""
    return f"{encode_id(series.vendor)}/{encode_id(series.plant)}"


def badge(state: Badge) -> h.Element:
    """Return a badge as a small coloured label."""
    return h.span(f".badge.{state.tone}", title=state.sentence)[state.label]


def figure(text: str) -> h.Node:
    """Return a formatted value; screen readers read a gap as "unknown"."""
    return (
        h.span(".gap")[h.span(aria_hidden="true")[GAP], h.span(".visually-hidden")["unknown"]] if text == GAP else text
    )


def notice(tone: str, title: str, text: h.Node, form: h.Element | None = None) -> h.Element:
    """Return a notice for the top of a page."""
    return h.section(f".notice.{tone}", role="note")[h.h2[title], h.p[text], form]


def not_found_page(why: str) -> str:
    """Return the page for an unknown address."""
    return document(
        "Page not found",
        [
            h.div(".head")[h.h1["Page not found"], h.p(".under")[_sentence(why)]],
            h.p[h.a(href=url("/"))["Back to all plants"]],
        ],
    )


def plant_notices(plant: PlantState, now: int) -> h.Node:
    """Return the notices about faults and missing data of a plant, with the next step."""
    faulty = [one for one in plant.devices if one.status is Status.FAULT]
    notices: list[h.Element] = []
    if faulty or plant.status is Status.FAULT:
        names = ", ".join(one.title for one in faulty) or plant.title
        notices.append(notice("bad", f"Fault reported by {names}", "See the fault code on the inverter's display."))
    if plant.freshness is Freshness.OFFLINE_UNEXPECTED:
        at = plant.measured_at
        title = "No data received yet" if at is None else f"No data since {clock_time(at, plant.zone, now)}"
        advice = (
            "The datalogger may be offline, or the cloud unavailable. Live values are hidden until it reports again."
        )
        notices.append(notice("bad", title, advice))
    if plant.freshness is Freshness.NOT_POLLED:
        polled_at = plant.poll.polled_at if plant.poll else plant.fetched_at
        title = "Not polled" if polled_at is None else f"Not polled since {clock_time(polled_at, plant.zone, now)}"
        reason = poll_note(plant, now) or "no collector polls this plant: start heliograph run"
        notices.append(notice("warn", title, f"{_sentence(reason)} Live values are hidden until the next poll."))
    return notices


def store_notice(damaged: Path | None) -> h.Element | None:
    """Return the notice about a damaged store, with the command that repairs it."""
    if damaged is None:
        return None
    text = "New samples are stored in a file beside it. To see the older ones again, stop the collector, then run "
    return notice("bad", f"The database {damaged.name} is damaged", [text, h.code[REPAIR_COMMAND], "."])


def account_notices(accounts: Iterable[AccountStatus], now: int, zone: tzinfo | None = None) -> h.Node:
    """Return a notice for every account that is paused or has a problem, with times of `zone` or of this machine."""
    notices: list[h.Element] = []
    for account in accounts:
        if (found := _account_notice(account, now, zone or local_zone())) is not None:
            notices.append(found)
        for plant, why in account.missing_values.items():
            notices.append(notice("warn", f"Values of plant {plant} are missing", _sentence(why)))
    return notices


def _account_notice(account: AccountStatus, now: int, zone: tzinfo) -> h.Element | None:
    pause = account.budget and account.budget.pause
    if pause:
        until = clock_time(pause.until.timestamp(), zone, now)
        tone = "warn" if pause.kind in {"throttled", "unreachable", "login"} else "bad"
        return notice(
            tone,
            f"Account {account.name} {_PAUSES.get(pause.kind, 'is paused')} until {until}",
            f"{_sentence(pause.why)} No requests are sent until then, to protect the account.",
        )
    if account.problem:
        return notice("warn", f"Account {account.name} has a problem", _sentence(account.problem))
    return None


def _sentence(text: str) -> str:
    text = f"{text[:1].upper()}{text[1:]}".rstrip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def local_zone() -> Any:
    """Return the time zone of this machine."""
    from datetime import datetime  # noqa: PLC0415 - only for the time zone of this machine

    return datetime.now().astimezone().tzinfo
