"""The page of one plant of a fleet: its alarms with what to do, its values, its last days, customer and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import htpy as h

from heliograph.alarms.model import RULES
from heliograph.fleet.access import Role
from heliograph.fleet.triage import ACCOUNT_RULE
from heliograph.local_time import zone_from_name
from heliograph.web.fleet.layout import FRESHNESS, action, document, plant_path, resume_advice, with_query
from heliograph.web.fleet.plants_page import rule_title
from heliograph.web.page.format import GAP, age, clock_time, energy, peak_power, percent, power, specific_yield
from heliograph.web.page.layout import badge, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.fleet.access import Principal
    from heliograph.fleet.report import DayEnergies
    from heliograph.fleet.triage import OpenAlarm, PlantRow

_SNOOZES = (("1", "Snooze for a day"), ("7", "Snooze for a week"))
COLUMNS = (
    ("pv_energy", "Solar"),
    ("load_energy", "House"),
    ("grid_export_energy", "Exported"),
    ("grid_import_energy", "Imported"),
)
"""The energies of the tables, with their headings."""


def plant_page(principal: Principal, plant: PlantRow, days: Sequence[DayEnergies], now: int, notice: str = "") -> str:
    """Return the page."""
    operates = principal.may(plant.tenant, Role.OPERATOR)
    own = plant_path(plant.tenant, plant.series)
    return document(
        plant.name,
        [
            h.div(".head")[
                h.p(".back")[h.a(href="/")["All plants"]],
                h.div(".tools")[
                    h.div[
                        h.h1[plant.name], h.p(".under")[badge(FRESHNESS[plant.freshness]), " ", _updated(plant, now)]
                    ],
                    h.p(".saves")[h.a(href=f"{own}/report")["Monthly report"]],
                ],
            ],
            bool(notice) and h.p(".notice.good", role="status")[notice],
            h.div(".plant")[
                _alarms(plant, now, operates=operates),
                _values(plant),
                _days(plant, days),
                _customer(plant, operates=operates),
            ],
        ],
        principal,
    )


def _updated(plant: PlantRow, now: int) -> str:
    return "no data yet" if plant.measured_at is None else f"last update {age(max(0, now - plant.measured_at))}"


def _alarms(plant: PlantRow, now: int, *, operates: bool) -> h.Element:
    return h.section(".card.wide-card", aria_labelledby="alarms")[
        h.h2(id="alarms")["What needs a person"],
        bool(plant.alarms) and h.ul(".alarms")[[_alarm(one, plant, now, operates=operates) for one in plant.alarms]],
        not plant.alarms and h.p(".hint")["No alarm is raised."],
    ]


def _alarm(one: OpenAlarm, plant: PlantRow, now: int, *, operates: bool) -> h.Element:
    zone, own = zone_from_name(plant.zone), plant_path(plant.tenant, plant.series)
    advice = resume_advice(plant.account) if one.rule == ACCOUNT_RULE else RULES[one.rule].advice
    answered = ""
    if not one.is_open(now) and one.answered_at is not None:
        until = f" until {clock_time(one.snoozed_until, zone, now)}" if one.snoozed_until else ""
        word = "Snoozed" if one.snoozed_until else "Acknowledged"
        answered = f"{word}{until} by {one.answered_by} ({clock_time(one.answered_at, zone, now)})"
    title = rule_title(one.rule)
    return h.li[
        h.h3[f"{title[:1].upper()}{title[1:]}", h.small[f"since {clock_time(one.raised_at, zone, now)}"]],
        bool(one.seen) and h.p[one.seen],
        h.p(".hint")[advice],
        bool(answered) and h.p(".hint")[answered],
        operates
        and one.is_open(now)
        and h.div(".actions")[
            action(f"{own}/answer", "Acknowledge", rule=one.rule),
            [action(f"{own}/answer", word, rule=one.rule, days=days) for days, word in _SNOOZES],
        ],
    ]


def _values(plant: PlantRow) -> h.Element:
    per_kwp = specific_yield(plant.specific_yield, 1.0)
    facts = (
        ("Power", power(plant.pv_power)),
        ("Battery", percent(plant.battery_soc)),
        ("Today", energy(plant.energy_today)),
        (f"Yield on {plant.day.day} {plant.day:%b}" if plant.day else "Yield", per_kwp or GAP),
        ("Size", GAP if plant.peak_power is None else peak_power(plant.peak_power)),
        ("Vendor", plant.vendor),
        ("Id", plant.cloud_id),
        ("Time zone", plant.zone or GAP),
    )
    return h.section(".card", aria_labelledby="values")[
        h.h2(id="values")["Values"],
        h.dl(".facts")[
            [h.div[h.dt[word], h.dd[figure(text)]] for word, text in facts if text != GAP or word == "Power"],
            h.div[h.dt["Account"], h.dd[h.a(href=with_query("/", account=plant.account))[plant.account_name]]],
        ],
    ]


def _days(plant: PlantRow, days: Sequence[DayEnergies]) -> h.Element:
    shown = [(name, word) for name, word in COLUMNS if any(one.values[name] is not None for one in days)]
    return h.section(".card.days-card", aria_labelledby="days")[
        h.h2(id="days")["This month"],
        not days and h.p(".hint")["No day of this month is known yet."],
        bool(days)
        and h.div(".wide", tabindex="0", role="region", aria_label="Days (table)")[
            h.table(".figures")[
                h.thead[h.tr[h.th(scope="col")["Day"], [h.th(scope="col")[word] for _, word in shown], _head(plant)]],
                h.tbody[
                    [
                        h.tr[
                            h.th(scope="row")[f"{one.day:%a} {one.day.day} {one.day:%b}"],
                            [h.td[figure(energy(one.values[name]))] for name, _ in shown],
                            _yield_cell(plant, one),
                        ]
                        for one in reversed(days)
                    ]
                ],
            ]
        ],
    ]


def _head(plant: PlantRow) -> h.Node:
    return bool(plant.peak_power) and h.th(scope="col")["kWh/kWp"]


def _yield_cell(plant: PlantRow, one: DayEnergies) -> h.Node:
    solar = one.values["pv_energy"]
    if not plant.peak_power:
        return None
    return h.td[figure(GAP) if solar is None else f"{solar / plant.peak_power:.2f}"]


def _customer(plant: PlantRow, *, operates: bool) -> h.Element:
    if not operates:
        return h.section(".card", aria_labelledby="customer")[
            h.h2(id="customer")["Customer"],
            h.p[plant.customer or "None."],
            bool(plant.tags) and h.p(".hint")[f"Tags: {', '.join(plant.tags)}"],
        ]
    return h.section(".card", aria_labelledby="customer")[
        h.h2(id="customer")["Customer"],
        h.form(".fields", method="post", action=f"{plant_path(plant.tenant, plant.series)}/edit")[
            h.label[h.span["Customer"], h.input(name="customer", value=plant.customer, maxlength="100")],
            h.label[h.span["Tags, separated by commas"], h.input(name="tags", value=", ".join(plant.tags))],
            h.button(type="submit")["Save"],
        ],
    ]
