"""Alarms on the pages: notices of a plant, a summary for many plants, and the list of the status page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import htpy as h

from heliograph.alarms.model import RULES, AlarmState
from heliograph.store.base import Series
from heliograph.web.page.format import Badge, clock_time, count
from heliograph.web.page.layout import badge, local_zone, notice, plant_path
from heliograph.web.prefix import url

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

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
    seen = f"{_sentence(alarm.seen)}. " if alarm.seen else ""
    title = f"{_sentence(rule.title)}, since {since}"
    return notice(_TONES[rule.severity], title, [seen, rule.advice], _form(alarm, "?plant"))


def _form(alarm: Alarm, back: str = "") -> h.Element:
    """Return the button that acknowledges an alarm; it works without scripts."""
    return h.form(".acknowledge", method="post", action=url(f"/alarms/{alarm.id}/acknowledge{back}"))[
        h.button(type="submit", title="No further messages about this alarm; it is listed until it is over")[
            "Acknowledge"
        ]
    ]


def alarm_summary(system: SystemState) -> h.Element | None:
    """Return a notice with the number of plants and accounts that have raised alarms; None if there is none."""
    raised = [one for one in system.alarms if one.state(system.at) is AlarmState.RAISED]
    if not raised:
        return None
    causes = {RULES[one.rule].title: sum(other.rule == one.rule for other in raised) for one in raised}
    text = _sentence(", ".join(f"{title} ({number})" for title, number in causes.items()))
    tone = "bad" if any(RULES[one.rule].severity == "error" for one in raised) else "warn"
    return notice(tone, count(len(raised), "alarm", "alarms"), [text, ". ", h.a(href=url("/status"))["Details"]])


def alarm_list(system: SystemState) -> h.Node:
    """Return the list of all alarms that are not over."""
    zones = {plant.series[:2]: plant.zone for plant in system.plants}
    active = [one for one in system.alarms if one.is_active]
    return h.section(".card", aria_labelledby="alarms")[
        h.h2(id="alarms")["Alarms"],
        h.ul(".alarms")[[_item(one, system.at, zones.get(one.subject[:2]) or local_zone()) for one in active]]
        if active
        else h.p(".hint")["No alarms."],
    ]


def _item(alarm: Alarm, now: int, zone: tzinfo) -> h.Element:
    rule, state = RULES[alarm.rule], alarm.state(now) or AlarmState.RAISED
    label, sentence = _STATES.get(state, _STATES[AlarmState.RAISED])
    tone = _TONES[rule.severity] if state is AlarmState.RAISED else "quiet"
    series = Series(alarm.subject.vendor, alarm.subject.plant)
    of = h.a(href=plant_path(series))[alarm.title] if alarm.subject.plant else f"Account {alarm.title}"
    since = clock_time(alarm.raised_at or now, zone, now)
    return h.li[
        h.h3[h.span[_sentence(rule.title)], badge(Badge(label, sentence, tone))],
        h.p[of, f", since {since}", f": {alarm.seen}." if alarm.seen else "."],
        h.p(".hint")[rule.advice, " ", h.code[alarm.id]],
        _form(alarm) if state is AlarmState.RAISED else None,
    ]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
