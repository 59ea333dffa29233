"""The page of all plants: a table, sorted, filtered and paged on the server, with a sparkline of today for each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

import htpy as h

from heliograph.errors import ConfigError
from heliograph.local_time import day_at, day_bounds
from heliograph.model import Status
from heliograph.web.page.alarms import alarm_summary
from heliograph.web.page.format import (
    GAP,
    age,
    count,
    energy,
    freshness_badge,
    peak_power,
    percent,
    power,
    specific_yield,
    status_badge,
)
from heliograph.web.page.layout import (
    account_notices,
    badge,
    document,
    events_url_for,
    figure,
    notice,
    plant_path,
    store_notice,
)
from heliograph.web.prefix import url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from heliograph.current import PlantState
    from heliograph.store.base import Series, Store
    from heliograph.web.state import SystemState

PAGE_SIZE = 50
"""Plants per page."""
_HALF_HOUR = 1800

STATES = ("live", "stale", "not polled", "asleep", "offline", "fault")
"""Values of the status filter, which are the labels of the badges."""

_KEYS: dict[str, tuple[str, Callable[[PlantState], float | None] | None]] = {
    "name": ("Plant", None),
    "state": ("Status", None),
    "now": ("Power", lambda one: one.values.get("pv_power")),
    "today": ("Today", lambda one: one.values.get("pv_energy_today")),
    "yield": ("kWh/kWp", lambda one: _yield([one])),
    "charge": ("Battery", lambda one: one.values.get("battery_soc")),
    "updated": ("Last update", lambda one: one.measured_at),
}
"""Sort keys with the heading and, for numbers, the value of their column."""


class FleetQuery(NamedTuple):
    """Search text, filters, sort order and page of the table."""

    text: str = ""
    state: str = ""
    sort: str = "name"
    falling: bool = False
    page: int = 1
    account: str = ""

    def query(self, **changed: object) -> str:
        """Return the URL of this query with changes, without default values."""
        new = self._replace(**changed)  # type: ignore[arg-type]
        parameters = {
            "q": new.text,
            "state": new.state,
            "sort": new.sort,
            "falling": int(new.falling),
            "page": new.page,
            "account": new.account,
        }
        pairs = zip(parameters.items(), FleetQuery(), strict=True)
        changes = {key: value for (key, value), default in pairs if value != default}
        return url(f"/?{urlencode(changes)}" if changes else "/")


def parse_fleet_query(query: Mapping[str, str]) -> FleetQuery:
    """Parse the query of a URL; raises `ConfigError` for unknown values."""
    sort, state, page = query.get("sort", "name"), query.get("state", ""), query.get("page", "1")
    # Former names, in bookmarks.
    sort, state = {"heard": "updated"}.get(sort, sort), {"late": "stale"}.get(state, state)
    if sort not in _KEYS or state not in ("", *STATES):
        raise ConfigError("unknown sort or state in the address")
    if not (page.isascii() and page.isdigit()) or not int(page[:7]) >= 1:
        raise ConfigError("page must be a number from 1")
    text, account = query.get("q", "")[:100], query.get("account", "")[:100]
    return FleetQuery(text, state, sort, query.get("falling") == "1", int(page[:7]), account)


def search_plants(plants: Iterable[PlantState], wish: FleetQuery) -> list[PlantState]:
    """Return the plants of the account that contain the search text, in any state."""
    text = wish.text.casefold().strip()
    return [
        one
        for one in plants
        if (not text or text in f"{one.title} {one.account} {one.series.plant} {one.series.vendor}".casefold())
        and (not wish.account or wish.account == one.account)
    ]


def select_plants(plants: Iterable[PlantState], wish: FleetQuery, now: int) -> list[PlantState]:
    """Return the matching plants in order; unknown values are last in both directions."""
    found = [one for one in search_plants(plants, wish) if not wish.state or wish.state in _states(one, now)]
    figure_of = _KEYS[wish.sort][1]
    by_name = lambda one: (_natural(one.title), one.series)  # noqa: E731 - the order of equal plants
    found.sort(key=by_name, reverse=wish.falling and wish.sort == "name")
    if wish.sort == "state":
        found.sort(key=lambda one: STATES.index(_states(one, now)[0]), reverse=wish.falling)
    elif figure_of is not None:
        known = [one for one in found if figure_of(one) is not None]
        known.sort(key=lambda one: figure_of(one) or 0.0, reverse=wish.falling)
        found = known + [one for one in found if figure_of(one) is None]
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """Return the natural sort key of a name: house 2 is before house 10.

    >>> sorted(["House 10", "house 2"], key=_natural)
    ['house 2', 'House 10']
    """
    parts = re.split(r"([0-9]{1,18})", name.casefold())
    return [(int(part), "") if part.isdecimal() and part.isascii() else (0, part) for part in parts]


def _states(plant: PlantState, now: int) -> tuple[str, ...]:
    """Return the states of a plant, the worst first."""
    label = freshness_badge(plant, now).label
    fresh = "offline" if label == "no data" else label
    return ("fault", fresh) if plant.status is Status.FAULT else (fresh,)


def page_of(found: Sequence[PlantState], wish: FleetQuery) -> Sequence[PlantState]:
    """Return the plants of the current page."""
    return found[(wish.page - 1) * PAGE_SIZE : wish.page * PAGE_SIZE]


def sparklines(store: Store, plants: Sequence[tuple[Series, tzinfo]], now: int) -> dict[Series, str]:
    """Return today's solar power of these plants as SVG points in a 96 by 24 box."""
    found = {}
    for series, zone in plants:
        start, end = day_bounds(day_at(now, zone), zone)
        means = [
            (one.starts_at, one.mean[0])
            for one in store.buckets(series, ("pv_power",), start, end, _HALF_HOUR)
            if one.mean[0] is not None
        ]
        top = max((value for _, value in means), default=0.0)
        if len(means) > 1 and top > 0:
            found[series] = " ".join(
                f"{96 * (moment + _HALF_HOUR / 2 - start) / (end - start):.1f},{22 - 20 * max(0.0, value) / top:.1f}"
                for moment, value in means
            )
    return found


def fleet_page(system: SystemState, wish: FleetQuery, lines: Mapping[Series, str]) -> str:
    """Return the page of all plants."""
    found = select_plants(system.plants, wish, system.at)
    return document(
        "Plants",
        [
            h.div(".head")[h.h1["Plants"]],
            h.div("#notices")[
                store_notice(system.damaged_store),
                account_notices(system.accounts, system.at),
                alarm_summary(system),
            ],
            _filter(system, wish),
            h.div("#found")[
                _sums(found, len(system.plants)),
                _table(found, wish, lines, system.at),
                _pages(len(found), wish),
            ],
        ],
        current="Plants",
        events_url=events_url_for(system.at),
    )


def _sums(found: Sequence[PlantState], total: int) -> h.Node:
    """Return the sums of the matching plants on all table pages."""
    if not found:
        return None
    powers = [value for one in found if (value := one.values.get("pv_power")) is not None]
    energies = [value for one in found if (value := one.values.get("pv_energy_today")) is not None]
    sizes = [one.peak_power for one in found if one.peak_power]
    parts: list[tuple[str, str, str]] = [("Plants", f"{len(found):,}", f"of {total:,}" if len(found) < total else "")]
    if powers:
        parts.append(("Power", power(sum(powers)), f"from {count(len(powers), 'plant', 'plants')}"))
    if energies:
        unsure = any("pv_energy_today" in one.provisional for one in found)
        about = f"from {count(len(energies), 'plant', 'plants')}"
        parts.append(("Today", energy(sum(energies), provisional=unsure), about))
    if (per_kwp := specific_yield(_yield(found), 1.0)) is not None:
        parts.append(("Yield today", per_kwp, f"{peak_power(sum(sizes))} installed"))
    return h.dl(".sums")[
        [h.div[h.dt[word], h.dd[h.strong[value], about and h.small[about]]] for word, value, about in parts]
    ]


def _yield(plants: Sequence[PlantState]) -> float | None:
    """Return today's energy per kWp of the plants for which both are known."""
    known = [
        (value, one.peak_power)
        for one in plants
        if one.peak_power and (value := one.values.get("pv_energy_today")) is not None
    ]
    return sum(value for value, _ in known) / sum(size for _, size in known) if known else None


def _filter(system: SystemState, wish: FleetQuery) -> h.Element:
    accounts = sorted({one.account for one in system.plants if one.account}, key=_natural)
    states = [state for one in search_plants(system.plants, wish) for state in _states(one, system.at)]
    return h.form(".filter", role="search", method="get", action=url("/"))[
        h.label(data_keep="text")[
            h.span(".visually-hidden")["Search plants"],
            h.input(type="search", name="q", value=wish.text, placeholder="Search plants"),
        ],
        len(accounts) > 1
        and h.label(".account-filter", data_keep="account")[
            h.span(".visually-hidden")["Account"],
            h.select(name="account")[
                h.option(value="")["All accounts"],
                [h.option(value=name, selected=name == wish.account)[name] for name in accounts],
            ],
        ],
        wish.state and h.input(type="hidden", name="state", value=wish.state),
        wish.sort != "name" and h.input(type="hidden", name="sort", value=wish.sort),
        wish.falling and h.input(type="hidden", name="falling", value="1"),
        h.button(type="submit")["Search plants"],
        h.nav(".chips", aria_label="Filter by status")[
            h.a(href=wish.query(state="", page=1), aria_current="true" if not wish.state else None)["All"],
            [
                h.a(href=wish.query(state=state, page=1), aria_current="true" if wish.state == state else None)[
                    state, h.small[f"{states.count(state):,}"]
                ]
                for state in STATES
                if state in states or wish.state == state
            ],
        ],
    ]


def _table(found: Sequence[PlantState], wish: FleetQuery, lines: Mapping[Series, str], now: int) -> h.Node:
    if not page_of(found, wish):
        return h.p(".nothing")["No plants match. ", h.a(href=url("/"))["Show all plants"], "."]
    return h.table(".fleet.rows")[
        h.caption(".visually-hidden")["Plants, sortable by column"],
        h.thead[h.tr[[_column(key, wish) for key in _KEYS], h.th(".of-spark", scope="col")["Today's solar power"]]],
        h.tbody[[_plant(one, lines.get(one.series), now) for one in page_of(found, wish)]],
    ]


def _column(key: str, wish: FleetQuery) -> h.Element:
    here = wish.sort == key
    # Numbers start in descending order, names in ascending order.
    falling = not wish.falling if here else key not in {"name", "state"}
    order = ("descending" if wish.falling else "ascending") if here else None
    return h.th(scope="col", aria_sort=order, class_=f"of-{key}")[
        h.a(href=wish.query(sort=key, falling=falling, page=1))[_KEYS[key][0]]
    ]


def _plant(one: PlantState, line: str | None, now: int) -> h.Element:
    fault = status_badge(one.status)
    status = fault if fault and fault.label == "fault" else freshness_badge(one, now)
    values = one.values
    # An account without a name of its own is called like its vendor.
    known = [one.account or one.series.plant, one.series.vendor]
    cells = (
        ("state", badge(status)),
        ("now", figure(power(values.get("pv_power")))),
        ("today", figure(energy(values.get("pv_energy_today"), provisional="pv_energy_today" in one.provisional))),
        ("yield", figure(GAP if (per_kwp := _yield([one])) is None else f"{per_kwp:.2f}")),
        ("charge", figure(percent(values.get("battery_soc")))),
        ("updated", figure(GAP) if one.measured_at is None else age(max(0, now - one.measured_at))),
    )
    return h.tr[
        h.th(scope="row")[
            h.a(href=plant_path(one.series))[one.title],
            h.small[" · ".join(dict.fromkeys(known))],
        ],
        [h.td(class_=f"of-{key}", data_label=_KEYS[key][0])[content] for key, content in cells],
        h.td(".of-spark", data_label="Today's solar power")[_spark(line)],
    ]


def _spark(line: str | None) -> h.Element:
    return h.svg(".spark", viewBox="0 0 96 24", preserveAspectRatio="none", aria_hidden="true")[
        h.Element("path")(".base", d="M0 22.5H96"), line and h.polyline(points=line)
    ]


def _pages(many: int, wish: FleetQuery) -> h.Node:
    last = -(-many // PAGE_SIZE)
    if last <= 1:
        return None
    first, until = (wish.page - 1) * PAGE_SIZE + 1, min(many, wish.page * PAGE_SIZE)
    return h.nav(".pages", aria_label="Table pages")[
        h.a(href=wish.query(page=wish.page - 1), rel="prev")["‹ Previous"]
        if wish.page > 1
        else h.span(".off")["‹ Previous"],
        h.span[f"{first:,}–{until:,} of {many:,}"],
        h.a(href=wish.query(page=wish.page + 1), rel="next")["Next ›"]
        if wish.page < last
        else h.span(".off")["Next ›"],
    ]


def empty_page(system: SystemState) -> str:
    """Return the page for an empty store, with the next steps."""
    steps = (
        ("heliograph setup", "asks for your accounts, verifies the passwords and saves them"),
        ("heliograph run", "polls every plant, stores the data and serves this page"),
    )
    return document(
        "",
        [
            h.div("#notices")[store_notice(system.damaged_store), account_notices(system.accounts, system.at)],
            h.section(".card.empty")[
                h.svg(viewBox="0 0 200 96", aria_hidden="true")[
                    h.Element("path")(".line", d="M8 80H192"),
                    h.Element("path")(".sun", d="M64 80a36 36 0 0 1 72 0"),
                    h.Element("path")(".ray", d="M100 14v16M53 33l11 12M147 33l-11 12M34 66l15 5M166 66l-15 5"),
                ],
                h.h1["No plants yet"],
                h.p[
                    "The store is empty. " if system.accounts else "No account is configured, and the store is empty. "
                ],
                h.ol[[h.li[h.code[line], h.span[text]] for line, text in steps[bool(system.accounts) :]]],
                h.p(".hint")["No account? ", h.code["heliograph demo"], " shows both clouds, emulated."],
            ],
        ],
        current="Plants",
    )


def unreadable_page(why: str) -> str:
    """Return the page shown while the store cannot be read."""
    return document(
        "The store cannot be read",
        [
            h.div(".head")[h.h1["The store cannot be read"]],
            notice("bad", "This page shows only stored data", why),
            h.p(".hint")[
                "Collecting and this page resume automatically as soon as the store is available. ",
                h.code["heliograph doctor"],
                " shows the cause.",
            ],
        ],
        current="Plants",
    )
