"""Results of doctor's checks, and their text layout."""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

Verdict = Literal["ok", "warning", "problem"]


class Check(NamedTuple):
    """The verdict of one check, with a message that says how to fix a problem."""

    verdict: Verdict
    label: str
    message: str


class Section(NamedTuple):
    """The checks and recent events of one subject."""

    title: str
    checks: tuple[Check, ...]
    recent_events: tuple[str, ...] = ()


ok = partial(Check, "ok")
warning = partial(Check, "warning")
problem = partial(Check, "problem")


def format_section(section: Section) -> list[str]:
    """Return a section as lines of text."""
    width = max((len(check.label) for check in section.checks), default=0)
    checks = [f"  {check.verdict:7}  {check.label:{width}}  {check.message}" for check in section.checks]
    events = ["  recent events:", *(f"    {event}" for event in section.recent_events)] if section.recent_events else []
    return [section.title, *checks, *events]
