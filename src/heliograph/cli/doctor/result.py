"""One thing a doctor looked at, and what was found."""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

Verdict = Literal["ok", "warning", "problem"]


class Check(NamedTuple):
    """What was looked at, how it is, and one sentence that says what to do where something is wrong."""

    verdict: Verdict
    label: str
    message: str


class Section(NamedTuple):
    """What was found of one subject: the checks, and what happened there lately."""

    title: str
    checks: tuple[Check, ...]
    recent_events: tuple[str, ...] = ()


ok = partial(Check, "ok")
warning = partial(Check, "warning")
problem = partial(Check, "problem")


def format_section(section: Section) -> list[str]:
    """Return a section as a person reads it."""
    width = max((len(check.label) for check in section.checks), default=0)
    told = [f"  {check.verdict:7}  {check.label:{width}}  {check.message}" for check in section.checks]
    lately = [f"    {sentence}" for sentence in section.recent_events]
    return [section.title, *told, *(["  lately:", *lately] if lately else [])]
