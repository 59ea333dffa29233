"""The page of one plant: current power flow, today's energies, history, devices and request quota."""

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
from heliograph.web.page.layout import (
    account_notices,
    badge,
    document,
    events_url_for,
    figure,
    plant_notices,
    store_notice,
)
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
    ("grid", "Grid import", "grid_import_energy"),
    ("export", "Grid export", "grid_export_energy"),
    ("battery", "Battery charge", "battery_charge_energy"),
    ("discharge", "Battery discharge", "battery_discharge_energy"),
)
"""The energies of the table: colour class, label, metric."""


def plant_page(plant: PlantState, system: SystemState, past: PeriodData) -> str:
    """Return the page of one plant."""
    many = len(system.plants) > 1
    return document(
        plant.title,
        [
            _head(plant, system.at, many=many),
            h.div(id="notices")[
                store_notice(system.damaged_store),
                plant_notices(plant, system.at),
                account_notices((a for a in system.accounts if a.vendor == plant.series.vendor), system.at),
            ],
            h.div(".glance")[_flow(plant), _today(plant)],
            chart.history_section(plant, past, system.at),
            h.div(".glance.lower")[_devices(plant, system.at), _budgets(plant, system)],
        ],
        current="" if many else "Plants",
        scripts=("uplot.css", "uplot.js"),
        events_url=events_url_for(system.at, plant.series),
    )


def _head(plant: PlantState, now: int, *, many: bool) -> h.Element:
    state = freshness_badge(plant, now)
    status = status_badge(plant.status)
    return h.div(".head")[
        many and h.p(".back")[h.a(href="/")["All plants"]],
        h.h1[plant.title],
        h.p(".under")[
            h.span(f".fresh.{state.tone}")[state.sentence],
            status and status.label in {"fault", "standby"} and badge(status),
            h.span[f"local time {to_local(now, plant.zone):%H:%M}"],
            h.span(".id")[f"{plant.series.vendor} {plant.series.plant}"],
        ],
    ]


def _flow(plant: PlantState) -> h.Element:
    asleep = plant.freshness is Freshness.OFFLINE_EXPECTED
    nodes = flow.flow_nodes(plant.values, "asleep" if asleep else "unknown")
    unmetered = {node.name for node in nodes} == {"sun"}
    return h.section(".card.now", aria_labelledby="now")[
        h.h2(id="now")["Now"],
        flow.flow_diagram(nodes) if nodes else None,
        h.p(".summary")[flow.describe_flow(plant.values, "Offline until sunrise." if asleep else "")],
        unmetered and h.p(".hint")["This plant has no meter: house consumption and grid exchange are unknown."],
    ]


_UNCONFIRMED = "Waiting for a second reading to confirm today's counters."


def _today(plant: PlantState) -> h.Element:
    values = plant.values
    known = [row for row in ROWS if _is_known(values, row[2])]
    return h.section(".card.today", aria_labelledby="today")[
        h.h2(id="today")["Today"],
        h.p(".big")[h.span(".label")["Solar"], h.strong[figure(energy(values.get("pv_energy_today")))]],
        _share("sun", split_solar(values, "_today"), "self-consumed", "exported", "Self-consumption"),
        _share("house", split_house(values, "_today"), "from own solar", "from grid", "Self-sufficiency"),
        known
        and h.table(".plain")[
            h.thead[h.tr[h.th(scope="col")["Energy"], h.th(scope="col")["Today"], h.th(scope="col")["Lifetime"]]],
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
        h.p(".hint")[_UNCONFIRMED]
        if _is_unconfirmed(plant)
        else not known and h.p(".hint")["No energy data for this plant yet."],
    ]


def _is_unconfirmed(plant: PlantState) -> bool:
    """Return True if the vendor API reports solar power, but today's counter is not confirmed yet."""
    values = plant.values
    reporting = plant.quality is Quality.REPAIRED and values.get("pv_power") is not None
    return reporting and values.get("pv_energy_today") is None


def _is_known(values: Mapping[str, float | None], name: str) -> bool:
    return any(values.get(f"{name}_{kind}") is not None for kind in ("today", "total"))


def _share(mark: str, split: EnergySplit | None, own: str, grid: str, title: str) -> h.Node:
    """Return a bar of two parts, if both are known."""
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
                            for word in ("Device", "Status", "Solar", "Output", "Battery", "Today", "Last update")
                        ]
                    ]
                ],
                h.tbody[[_device(one, plant, now) for one in plant.devices]],
            ]
        ]
        if plant.devices
        else h.p(".hint")["The vendor API reports no individual devices."],
    ]


def _device(one: DeviceState, plant: PlantState, now: int) -> h.Element:
    state = status_badge(one.status)
    cells = (
        ("Status", badge(state) if state else figure(GAP)),
        ("Solar", figure(power(one.values.get("pv_power")))),
        ("Output", figure(power(one.values.get("ac_power")))),
        ("Battery", figure(percent(one.values.get("battery_soc")))),
        ("Today", figure(energy(one.values.get("pv_energy_today")))),
        ("Last update", figure(GAP) if one.measured_at is None else clock_time(one.measured_at, plant.zone, now)),
    )
    return h.tr[
        h.th(scope="row")[h.span(".name")[one.title], h.small[_about(one)]],
        [h.td(data_label=label)[content] for label, content in cells],
    ]


def _about(one: DeviceState) -> str:
    serial = one.series.device if one.series.device != one.title else ""
    return " · ".join(part for part in (one.family, serial) if part)


def _budgets(plant: PlantState, system: SystemState) -> h.Node:
    accounts = [one for one in system.accounts if one.vendor == plant.series.vendor]
    if not accounts:
        return None
    return h.section(".card", aria_labelledby="budget")[
        h.h2(id="budget")["Request quota"],
        [budget_usage(one, system.at) for one in accounts],
        h.p(".hint")[h.a(href="/status")["Account details"]],
    ]
