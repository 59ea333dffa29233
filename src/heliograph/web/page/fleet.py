"""Many plants as one table: sorted, filtered and paged on the server, with a small curve of today for each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

import htpy as h

from heliograph.errors import ConfigError
from heliograph.local_time import day_at, day_bounds
from heliograph.model import Status
from heliograph.web.page.format import GAP, age, count, energy, freshness_badge, percent, power, status_badge
from heliograph.web.page.layout import account_notices, badge, document, events_url_for, figure, notice, plant_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import tzinfo

    from heliograph.current import PlantState
    from heliograph.store.base import Series, Store
    from heliograph.web.state import SystemState

PAGE_SIZE = 50
"""Plants on one page."""
_HALF_HOUR = 1800

STATES = ("live", "late", "asleep", "offline", "fault")
"""What the table can be narrowed to."""

_KEYS: dict[str, tuple[str, Callable[[PlantState], float | None] | None]] = {
    "name": ("Plant", None),
    "state": ("State", None),
    "now": ("Now", lambda one: one.values.get("pv_power")),
    "today": ("Today", lambda one: one.values.get("pv_energy_today")),
    "charge": ("Charge", lambda one: one.values.get("battery_soc")),
    "heard": ("Heard", lambda one: one.measured_at),
}
"""What it can be sorted by: the column's word, and its figure where it has one."""


class FleetQuery(NamedTuple):
    """Which plants in which order."""

    text: str = ""
    state: str = ""
    sort: str = "name"
    falling: bool = False
    page: int = 1

    def query(self, **changed: object) -> str:
        """Return the address of this wish with something changed; what is usual is left out."""
        new = self._replace(**changed)  # type: ignore[arg-type]
        usual = FleetQuery()
        named = {"q": new.text, "state": new.state, "sort": new.sort, "falling": int(new.falling), "page": new.page}
        said = {key: value for (key, value), default in zip(named.items(), usual, strict=True) if value != default}
        return f"/?{urlencode(said)}" if said else "/"


def parse_fleet_query(query: Mapping[str, str]) -> FleetQuery:
    """Read a wish out of an address."""
    sort, state, page = query.get("sort", "name"), query.get("state", ""), query.get("page", "1")
    if sort not in _KEYS or state not in ("", *STATES):
        raise ConfigError("plants are sorted and filtered by their columns")
    if not (page.isascii() and page.isdigit()) or not int(page[:7]) >= 1:
        raise ConfigError("pages are counted from 1")
    return FleetQuery(query.get("q", "")[:100], state, sort, query.get("falling") == "1", int(page[:7]))


def select_plants(plants: Sequence[PlantState], wish: FleetQuery, now: int) -> list[PlantState]:
    """Return the plants that were asked for, in that order; a gap always comes last."""
    text = wish.text.casefold().strip()
    found = [
        one
        for one in plants
        if (not text or text in f"{one.title} {one.series.plant} {one.series.vendor}".casefold())
        and (not wish.state or wish.state in _states(one, now))
    ]
    figure_of = _KEYS[wish.sort][1]
    by_name = lambda one: (_natural(one.title), one.series)  # noqa: E731 - the order of all that is alike
    found.sort(key=by_name, reverse=wish.falling and wish.sort == "name")
    if wish.sort == "state":
        found.sort(key=lambda one: STATES.index(_states(one, now)[0]), reverse=wish.falling)
    elif figure_of is not None:
        known = [one for one in found if figure_of(one) is not None]
        known.sort(key=lambda one: figure_of(one) or 0.0, reverse=wish.falling)
        found = known + [one for one in found if figure_of(one) is None]
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what to sort a name by: house 2 stands before house 10.

    >>> sorted(["House 10", "house 2"], key=_natural)
    ['house 2', 'House 10']
    """
    parts = re.split(r"([0-9]{1,18})", name.casefold())
    return [(int(part), "") if part.isdecimal() and part.isascii() else (0, part) for part in parts]


def _states(plant: PlantState, now: int) -> tuple[str, ...]:
    """Return the states a plant is in, the worst first."""
    word = freshness_badge(plant, now).label
    fresh = "offline" if word == "never heard" else word
    return ("fault", fresh) if plant.status is Status.FAULT else (fresh,)


def page_of(found: Sequence[PlantState], wish: FleetQuery) -> Sequence[PlantState]:
    """Return the plants of the page that was asked for."""
    return found[(wish.page - 1) * PAGE_SIZE : wish.page * PAGE_SIZE]


def sparklines(store: Store, plants: Sequence[tuple[Series, tzinfo]], now: int) -> dict[Series, str]:
    """Return today's curve of these plants as the points of a line in a field of 96 by 24."""
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


def fleet_page(now: SystemState, wish: FleetQuery, lines: Mapping[Series, str]) -> str:
    """Return the page of all plants."""
    found = select_plants(now.plants, wish, now.at)
    return document(
        "Plants",
        [
            h.div(".head")[h.h1["Plants"], h.p(".under")[_sums(now)]],
            h.div("#notices")[account_notices(now.accounts, now.at)],
            _filter(now, wish),
            h.div("#found")[_table(found, wish, lines, now.at), _pages(len(found), wish)],
        ],
        current="Plants",
        events_url=events_url_for(now.at),
    )


def _sums(now: SystemState) -> h.Node:
    powers = [value for one in now.plants if (value := one.values.get("pv_power")) is not None]
    energies = [value for one in now.plants if (value := one.values.get("pv_energy_today")) is not None]
    said = [count(len(now.plants), "plant", "plants")]
    if powers:
        said.append(f"{power(sum(powers))} from {len(powers):,} now")
    if energies:
        said.append(f"{energy(sum(energies))} today")
    return [h.span[one] for one in said]


def _filter(now: SystemState, wish: FleetQuery) -> h.Element:
    states = [state for one in now.plants for state in _states(one, now.at)]
    return h.form(".filter", role="search", method="get", action="/")[
        h.label(data_keep="text")[
            h.span(".aloud")["Find a plant"], h.input(type="search", name="q", value=wish.text, placeholder="Find")
        ],
        wish.state and h.input(type="hidden", name="state", value=wish.state),
        wish.sort != "name" and h.input(type="hidden", name="sort", value=wish.sort),
        wish.falling and h.input(type="hidden", name="falling", value="1"),
        h.button(type="submit")["Find"],
        h.nav(".chips", aria_label="Only plants that are")[
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
        return h.p(".nothing")["No plant is like that. ", h.a(href="/")["Show all of them"], "."]
    return h.table(".fleet.rows")[
        h.caption(".aloud")["Plants; the column heads sort them"],
        h.thead[h.tr[[_column(key, wish) for key in _KEYS], h.th(scope="col")["Since midnight"]]],
        h.tbody[[_plant(one, lines.get(one.series), now) for one in page_of(found, wish)]],
    ]


def _column(key: str, wish: FleetQuery) -> h.Element:
    here = wish.sort == key
    # A figure is most wanted from the highest down, a name from the first letter on.
    falling = not wish.falling if here else key not in {"name", "state"}
    order = ("descending" if wish.falling else "ascending") if here else None
    return h.th(scope="col", aria_sort=order, class_=f"of-{key}")[
        h.a(href=wish.query(sort=key, falling=falling, page=1))[_KEYS[key][0]]
    ]


def _plant(one: PlantState, line: str | None, now: int) -> h.Element:
    fault = status_badge(one.status)
    state = fault if fault and fault.label == "fault" else freshness_badge(one, now)
    values = one.values
    cells = (
        ("State", badge(state)),
        ("Now", figure(power(values.get("pv_power")))),
        ("Today", figure(energy(values.get("pv_energy_today")))),
        ("Charge", figure(percent(values.get("battery_soc")))),
        ("Heard", figure(GAP) if one.measured_at is None else age(max(0, now - one.measured_at))),
        ("Since midnight", _spark(line)),
    )
    return h.tr[
        h.th(scope="row")[
            h.a(href=plant_path(one.series))[one.title], h.small[f"{one.series.vendor} {one.series.plant}"]
        ],
        [h.td(class_=f"of-{label.split()[0].lower()}", data_label=label)[content] for label, content in cells],
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
    return h.nav(".pages", aria_label="More plants")[
        h.a(href=wish.query(page=wish.page - 1), rel="prev")["‹ Before"]
        if wish.page > 1
        else h.span(".off")["‹ Before"],
        h.span[f"{first:,}–{until:,} of {many:,}"],
        h.a(href=wish.query(page=wish.page + 1), rel="next")["Next ›"]
        if wish.page < last
        else h.span(".off")["Next ›"],
    ]


def empty_page(now: SystemState) -> str:
    """Return what a person sees before there is anything to see: what to do next."""
    steps = (
        ("heliograph login CLOUD", "asks for your password, tries it once and keeps it; --help names the clouds"),
        ("heliograph collect", "reads every plant and keeps what it says"),
    )
    return document(
        "",
        [
            h.div("#notices")[account_notices(now.accounts, now.at)],
            h.section(".card.empty")[
                h.svg(viewBox="0 0 200 96", aria_hidden="true")[
                    h.Element("path")(".line", d="M8 80H192"),
                    h.Element("path")(".sun", d="M64 80a36 36 0 0 1 72 0"),
                    h.Element("path")(".ray", d="M100 14v16M53 33l11 12M147 33l-11 12M34 66l15 5M166 66l-15 5"),
                ],
                h.h1["No plant yet"],
                h.p["The store is empty. " if now.accounts else "No account is configured, and the store is empty. "],
                h.ol[[h.li[h.code[line], h.span[said]] for line, said in steps[bool(now.accounts) :]]],
                h.p(".hint")["No account at hand? ", h.code["heliograph demo"], " shows both clouds, emulated."],
            ],
        ],
        current="Plants",
    )


def unreadable_page(why: str) -> str:
    """Return what a person sees while the store cannot be read."""
    return document(
        "The store cannot be read",
        [
            h.div(".head")[h.h1["The store cannot be read"]],
            notice("bad", "This page knows only what the store tells", why),
            h.p(".hint")[
                "Collecting goes on by itself as soon as the store is back, and so does this page. ",
                h.code["heliograph doctor"],
                " says what is wrong.",
            ],
        ],
        current="Plants",
    )
