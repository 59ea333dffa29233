"""Alarms on the pages: notices of a plant, a summary for many plants, and the list of the status page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import htpy as h

from heliograph.alarms.model import RULES, AlarmState
from heliograph.store.base import Series
from heliograph.web.page.format import Badge, clock_time, count
from heliograph.web.page.layout import badge, local_zone, notice, plant_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heliograph.alarms.model import Alarm
    from heliograph.current import PlantState
    from heliograph.web.state import SystemState

_TONES = {"error": "bad", "warning": "warn", "info": "quiet"}
_STATES = {
    AlarmState.RAISED: ("Raised", "No person has answered yet"),
    AlarmState.ACKNOWLEDGED: ("Acknowledged", "A person knows of it"),
    AlarmState.SNOOZED: ("Snoozed", "Silenced for a time"),
}
_IN_OTHER_NOTICES = {"offline", "account_locked", "login_refused"}
"""The rules whose condition has a notice of its own."""


def plant_alarm_notices(plant: PlantState, alarms: Iterable[Alarm], now: int) -> list[h.Element]:
    """Return a notice for each raised alarm of a plant."""
    of_plant = (one for one in alarms if one.subject[:2] == plant.series[:2] and one.rule not in _IN_OTHER_NOTICES)
    return [_notice(one, plant, now) for one in of_plant if one.state(now) is AlarmState.RAISED]


def _notice(alarm: Alarm, plant: PlantState, now: int) -> h.Element:
    rule = RULES[alarm.rule]
    since = clock_time(alarm.raised_at or now, plant.zone, now)
    seen = f"{alarm.seen[:1].upper()}{alarm.seen[1:]}. " if alarm.seen else ""
    answer = h.code[f"heliograph alarms ack {alarm.id}"]
    title = f"{rule.title[:1].upper()}{rule.title[1:]}, since {since}"
    return notice(_TONES[rule.severity], title, [seen, rule.advice, " To hide this: ", answer])


def alarm_summary(system: SystemState) -> h.Element | None:
    """Return a notice with the number of plants and accounts that have raised alarms; None if there is none."""
    raised = [one for one in system.alarms if one.state(system.at) is AlarmState.RAISED]
    if not raised:
        return None
    causes = {RULES[one.rule].title: sum(other.rule == one.rule for other in raised) for one in raised}
    text = [f"{title} ({number})" for title, number in causes.items()]
    tone = "bad" if any(RULES[one.rule].severity == "error" for one in raised) else "warn"
    return notice(tone, count(len(raised), "alarm", "alarms"), [", ".join(text), ". ", h.a(href="/status")["Details"]])


def alarm_list(system: SystemState) -> h.Node:
    """Return the table of all alarms that are not over."""
    active = [one for one in system.alarms if one.is_active]
    return h.section(".card", aria_labelledby="alarms")[
        h.h2(id="alarms")["Alarms"],
        h.div(".wide")[
            h.table(".rows")[
                h.thead[h.tr[[h.th(scope="col")[word] for word in ("Alarm", "Of", "State", "Since", "What to do")]]],
                h.tbody[[_row(one, system) for one in active]],
            ]
        ]
        if active
        else h.p(".hint")["No alarms."],
    ]


def _row(alarm: Alarm, system: SystemState) -> h.Element:
    rule, state = RULES[alarm.rule], alarm.state(system.at) or AlarmState.RAISED
    label, sentence = _STATES.get(state, _STATES[AlarmState.RAISED])
    tone = _TONES[rule.severity] if state is AlarmState.RAISED else "quiet"
    series = Series(alarm.subject.vendor, alarm.subject.plant)
    of = h.a(href=plant_path(series))[alarm.title] if alarm.subject.plant else f"account {alarm.title}"
    cells: Sequence[tuple[str, h.Node]] = (
        ("Of", of),
        ("State", badge(Badge(label, sentence, tone))),
        ("Since", clock_time(alarm.raised_at or system.at, local_zone(), system.at)),
        ("What to do", [rule.advice, h.small[f" {alarm.id}"]]),
    )
    return h.tr[
        h.th(scope="row")[h.span(".name")[f"{rule.title[:1].upper()}{rule.title[1:]}"], h.small[alarm.seen]],
        [h.td(data_label=name)[content] for name, content in cells],
    ]
