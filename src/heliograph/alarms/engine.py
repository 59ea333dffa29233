"""From the judgement of a rule to the alarm: pending, raised, cleared, with hysteresis. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from heliograph.alarms.model import RULES, Alarm

if TYPE_CHECKING:
    from heliograph.alarms.model import AlarmSubject, Judgement

MAX_STEP = 1200
"""Seconds between two judgements that count at most: nothing is known about a longer time between them."""


def next_alarm(alarm: Alarm | None, judgement: Judgement, subject: AlarmSubject, title: str, now: int) -> Alarm | None:
    """Return the alarm after a judgement; None if there is none.

    A judgement of None changes nothing: at night, an alarm of the day stays as it is.
    """
    if judgement.holds is None:
        return alarm
    if alarm is None:
        alarm = Alarm(rule=judgement.rule, subject=subject, title=title, judged_at=now)
    if judgement.holds == alarm.is_active:
        alarm = replace(alarm, title=title, judged_at=now, progress=0)
        if alarm.is_active:
            return replace(alarm, seen=judgement.seen)
        # The last occurrence stays known; a pending alarm ends.
        return alarm if alarm.cleared_at is not None else None
    rule = RULES[judgement.rule]
    elapsed = min(max(0, now - alarm.judged_at), MAX_STEP)
    progress = alarm.progress + elapsed if alarm.progress else 1
    alarm = replace(alarm, title=title, judged_at=now, progress=progress)
    if progress <= (rule.raise_after if judgement.holds else rule.clear_after):
        return alarm
    if judgement.holds:
        return replace(alarm, raised_at=now, cleared_at=None, progress=0, seen=judgement.seen)
    return replace(alarm, cleared_at=now, progress=0)
