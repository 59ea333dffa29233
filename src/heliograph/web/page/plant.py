"""The page of one plant: current power flow, today's energies, history, devices and request quota."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import htpy as h

from heliograph.collect.freshness import Freshness
from heliograph.web.page import chart, flow, totals
from heliograph.web.page.alarms import plant_alarm_notices
from heliograph.web.page.device import device_path
from heliograph.web.page.events import events_path
from heliograph.web.page.format import (
    GAP,
    clock_time,
    device_badge,
    energy,
    freshness_badge,
    percent,
    poll_note,
    power,
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
from heliograph.web.prefix import url

if TYPE_CHECKING:
    from heliograph.current import AccountStatus, DeviceState, PlantState
    from heliograph.web.page.history import PeriodData
    from heliograph.web.state import SystemState


def plant_page(plant: PlantState, system: SystemState, past: PeriodData) -> str:
    """Return the page of one plant."""
    many = len(system.plants) > 1
    now, period = _flow(plant), chart.history_section(plant, past, system.at)
    return document(
        plant.title,
        [
            _head(plant, system.at, many=many),
            h.div(id="notices")[
                store_notice(system.damaged_store),
                plant_notices(plant, system.at),
                plant_alarm_notices(plant, system.alarms, system.at),
                account_notices(_accounts(plant, system), system.at, plant.zone),
            ],
            h.div(".glance")[
                (period, now) if past.selection.chosen else (now, period),
                totals.lifetime(plant),
            ],
            _devices(plant, system.at),
            _budgets(plant, system),
        ],
        current="" if many else "Plants",
        scripts=("uplot.css", "uplot.js"),
        events_url=events_url_for(system.at, plant.series),
    )


def _head(plant: PlantState, now: int, *, many: bool) -> h.Element:
    state = freshness_badge(plant, now)
    status = status_badge(plant.status)
    return h.div(".head")[
        many and h.p(".back")[h.a(href=url("/"))["All plants"]],
        h.h1[plant.title],
        h.p(".under")[
            h.span(f".fresh.{state.tone}")[state.sentence],
            status and status.label in {"fault", "standby"} and badge(status),
            # A plant whose time zone is unknown is shown in UTC.
            h.span[f"{'UTC' if plant.zone is UTC else 'local time'} {to_local(now, plant.zone):%H:%M}"],
            (note := plant.freshness is not Freshness.NOT_POLLED and poll_note(plant, now)) and h.span[note],
            h.span(".id")[f"{plant.series.vendor} {plant.series.plant}"],
        ],
    ]


def _flow(plant: PlantState) -> h.Element:
    asleep = plant.freshness is Freshness.OFFLINE_EXPECTED
    nodes = flow.flow_nodes(plant.values, "asleep" if asleep else "unknown")
    unmetered = {node.name for node in nodes} == {"sun"}
    return h.section(".card.now", aria_labelledby="now")[
        h.h2(id="now")["Now"],
        flow.flow_diagram(nodes) if asleep or any(node.watts is not None for node in nodes) else None,
        h.p(".summary")[flow.describe_flow(plant.values, "Offline until sunrise." if asleep else "")],
        unmetered and h.p(".hint")["This plant has no meter: house consumption and grid exchange are unknown."],
    ]


def _devices(plant: PlantState, now: int) -> h.Element:
    return h.section(".card.titled", aria_labelledby="devices")[
        h.h2(id="devices")["Devices"],
        h.a(href=events_path(plant))["Events"],
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
    state = device_badge(one, plant, now)
    cells = (
        ("Status", badge(state) if state else figure(GAP)),
        ("Solar", figure(power(one.values.get("pv_power")))),
        ("Output", figure(power(one.values.get("ac_power")))),
        ("Battery", figure(percent(one.values.get("battery_soc")))),
        ("Today", figure(energy(one.values.get("pv_energy_today")))),
        ("Last update", figure(GAP) if one.measured_at is None else clock_time(one.measured_at, plant.zone, now)),
    )
    return h.tr[
        h.th(scope="row")[h.a(".name", href=device_path(plant, one))[one.title], h.small[_about(one)]],
        [h.td(data_label=label)[content] for label, content in cells],
    ]


def _about(one: DeviceState) -> str:
    serial = one.series.device if one.series.device != one.title else ""
    return " · ".join(part for part in (one.family, serial) if part)


def _accounts(plant: PlantState, system: SystemState) -> list[AccountStatus]:
    """Return the account of a plant; if it is unknown, all accounts of its vendor."""
    of_vendor = [one for one in system.accounts if one.vendor == plant.series.vendor]
    return [one for one in of_vendor if one.name == plant.account] or of_vendor


def _budgets(plant: PlantState, system: SystemState) -> h.Node:
    accounts = _accounts(plant, system)
    if not accounts:
        return None
    return h.section(".card.titled.quota", aria_labelledby="budget")[
        h.h2(id="budget")["Request quota"],
        h.a(href=url("/status"))["Account details"],
        [budget_usage(one, system.at) for one in accounts],
    ]
