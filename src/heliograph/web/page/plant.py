"""One plant at a glance: what flows now, what flowed today, its devices and what was not believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import htpy as h

from heliograph.collect.freshness import Freshness
from heliograph.model import Quality
from heliograph.web.page import chart, flow
from heliograph.web.page.format import (
    GAP,
    clock_time,
    energy,
    freshness_badge,
    percent,
    power,
    split_house,
    split_solar,
    status_badge,
    to_local,
)
from heliograph.web.page.layout import account_notices, badge, document, events_url_for, figure, plant_notices
from heliograph.web.page.status import budget_usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.current import DeviceState, PlantState
    from heliograph.web.page.format import EnergySplit
    from heliograph.web.page.history import PeriodData
    from heliograph.web.state import SystemState

ROWS = (
    ("sun", "Solar", "pv_energy"),
    ("house", "House", "load_energy"),
    ("grid", "Bought", "grid_import_energy"),
    ("sold", "Sold", "grid_export_energy"),
    ("battery", "Charged", "battery_charge_energy"),
    ("drawn", "Discharged", "battery_discharge_energy"),
)
"""The energies in the order a person asks for them: mark, word, name."""


def plant_page(plant: PlantState, now: SystemState, past: PeriodData) -> str:
    """Return the page of one plant."""
    many = len(now.plants) > 1
    return document(
        plant.title,
        [
            _head(plant, now.at, many=many),
            h.div(id="notices")[
                plant_notices(plant, now.at),
                account_notices((a for a in now.accounts if a.vendor == plant.series.vendor), now.at),
            ],
            h.div(".glance")[_flow(plant), _today(plant)],
            chart.history_section(plant, past, now.at),
            h.div(".glance.lower")[_devices(plant, now.at), _budgets(plant, now)],
        ],
        current="" if many else "Plants",
        scripts=("uplot.css", "uplot.js"),
        events_url=events_url_for(now.at, plant.series),
    )


def _head(plant: PlantState, now: int, *, many: bool) -> h.Element:
    state = freshness_badge(plant, now)
    status = status_badge(plant.status)
    told = status if status and status.label in {"fault", "standby"} else None
    return h.div(".head")[
        many and h.p(".back")[h.a(href="/")["All plants"]],
        h.h1[plant.title],
        h.p(".under")[
            h.span(f".fresh.{state.tone}")[state.sentence],
            told and badge(told),
            h.span[f"{to_local(now, plant.zone):%H:%M} there"],
            h.span(".id")[f"{plant.series.vendor} {plant.series.plant}"],
        ],
    ]


def _flow(plant: PlantState) -> h.Element:
    sleeps = plant.freshness is Freshness.OFFLINE_EXPECTED
    ends = flow.flow_nodes(plant.values, "asleep" if sleeps else "unknown")
    unmetered = {one.name for one in ends} == {"sun"}
    return h.section(".card.now", aria_labelledby="now")[
        h.h2(id="now")["Now"],
        flow.flow_diagram(ends) if ends else None,
        h.p(".said")[flow.describe_flow(plant.values, "It sleeps until there is sun again." if sleeps else "")],
        unmetered and h.p(".hint")["This plant has no meter: what the house uses and the grid sees is not known."],
    ]


_WAITS = (
    "A counter is believed once it was seen to rise, or to begin anew at midnight. Until then, what the cloud says of "
    "today stands below, among the values that were not believed."
)


def _today(plant: PlantState) -> h.Element:
    values = plant.values
    known = [row for row in ROWS if _either(values, row[2])]
    return h.section(".card.today", aria_labelledby="today")[
        h.h2(id="today")["Today"],
        h.p(".big")[h.span(".label")["Solar"], h.strong[figure(energy(values.get("pv_energy_today")))]],
        _share("sun", split_solar(values, "_today"), "used here", "sold", "Self-consumption"),
        _share("house", split_house(values, "_today"), "its own", "bought", "Autarky"),
        known
        and h.table(".plain")[
            h.thead[h.tr[h.th(scope="col")["Energy"], h.th(scope="col")["Today"], h.th(scope="col")["Ever"]]],
            h.tbody[
                [
                    h.tr[
                        h.th(scope="row")[h.span(f".mark.{mark}"), word],
                        h.td[figure(energy(values.get(f"{name}_today")))],
                        h.td[figure(energy(values.get(f"{name}_total")))],
                    ]
                    for mark, word, name in known
                ]
            ],
        ],
        h.p(".hint")[_WAITS]
        if _waits(plant)
        else not known and h.p(".hint")["No energies are known of this plant yet."],
    ]


def _waits(plant: PlantState) -> bool:
    """Tell whether the sun's counter was heard with its power, but is not known to be today's yet."""
    values = plant.values
    heard = plant.quality is Quality.REPAIRED and values.get("pv_power") is not None
    return heard and values.get("pv_energy_today") is None


def _either(values: Mapping[str, float | None], name: str) -> bool:
    return any(values.get(f"{name}_{kind}") is not None for kind in ("today", "total"))


def _share(mark: str, split: EnergySplit | None, own: str, grid: str, title: str) -> h.Node:
    """Return a bar of two parts, where both are known."""
    if split is None or split.share is None:
        return None
    return h.div(".share")[
        h.p[h.span(".label")[title], h.strong[percent(split.share)]],
        h.svg(".bar", viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true")[
            h.rect(".rest", x=0, y=0, width=100, height=8),
            h.rect(f".{mark}", x=0, y=0, width=f"{split.share:.1f}", height=8),
        ],
        h.p(".ends")[h.span[f"{energy(split.own)} {own}"], h.span[f"{energy(split.grid)} {grid}"]],
    ]


def _devices(plant: PlantState, now: int) -> h.Element:
    return h.section(".card", aria_labelledby="devices")[
        h.h2(id="devices")["Devices"],
        h.div(".wide")[
            h.table(".rows")[
                h.thead[
                    h.tr[
                        [
                            h.th(scope="col")[word]
                            for word in ("Device", "Status", "Solar", "Output", "Battery", "Today", "Heard")
                        ]
                    ]
                ],
                h.tbody[[_device(one, plant, now) for one in plant.devices]],
            ]
        ]
        if plant.devices
        else h.p(".hint")["Its cloud tells nothing of single devices."],
    ]


def _device(one: DeviceState, plant: PlantState, now: int) -> h.Element:
    state = status_badge(one.status)
    cells = (
        ("Status", badge(state) if state else figure(GAP)),
        ("Solar", figure(power(one.values.get("pv_power")))),
        ("Output", figure(power(one.values.get("ac_power")))),
        ("Battery", figure(percent(one.values.get("battery_soc")))),
        ("Today", figure(energy(one.values.get("pv_energy_today")))),
        ("Heard", figure(GAP) if one.measured_at is None else clock_time(one.measured_at, plant.zone, now)),
    )
    return h.tr[
        h.th(scope="row")[h.span(".name")[one.title], h.small[_about(one)]],
        [h.td(data_label=label)[content] for label, content in cells],
    ]


def _about(one: DeviceState) -> str:
    serial = one.series.device if one.series.device != one.title else ""
    return " · ".join(part for part in (one.family, serial) if part)


def _budgets(plant: PlantState, now: SystemState) -> h.Node:
    accounts = [one for one in now.accounts if one.vendor == plant.series.vendor]
    if not accounts:
        return None
    return h.section(".card", aria_labelledby="budget")[
        h.h2(id="budget")["Budget"],
        [budget_usage(one, now.at) for one in accounts],
        h.p(".hint")[h.a(href="/status")["Everything about accounts"]],
    ]
