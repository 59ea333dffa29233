"""One thing a doctor looked at, and what was found."""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

Verdict = Literal["ok", "warning", "problem"]


class Check(NamedTuple):
    """What was looked at, how it is, and one sentence that says what to do where something is wrong."""

    verdict: Verdict
    what: str
    sentence: str


class Section(NamedTuple):
    """What was found of one subject: the checks, and what happened there lately."""

    title: str
    checks: tuple[Check, ...]
    lately: tuple[str, ...] = ()


ok = partial(Check, "ok")
warning = partial(Check, "warning")
problem = partial(Check, "problem")


def lines(section: Section) -> list[str]:
    """Return a section as a person reads it."""
    width = max((len(check.what) for check in section.checks), default=0)
    told = [f"  {check.verdict:7}  {check.what:{width}}  {check.sentence}" for check in section.checks]
    lately = [f"    {sentence}" for sentence in section.lately]
    return [section.title, *told, *(["  lately:", *lately] if lately else [])]
