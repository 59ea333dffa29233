"""Texts of GoodWe's fault codes.

A code names the word and the bit of the inverter's error registers: E-G3-0-12 is bit 12 of word 0, reported as
`error_code` 4096 beside it. SEMS+ sends the text with each entry, the SEMS Portal only the code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.metrics.codes import CodeText, text_of
from heliograph.model import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

FAULTS: Mapping[str, CodeText] = {
    "E-G3-0-12": CodeText("grid waveform abnormal", "row of SEMS+ alarm/page, published in September 2026"),
}
"""Codes of either dialect."""


def text_of_code(kind: EventKind, family: str, code: str) -> str:
    """Return the text of a code; empty for an unknown one."""
    return text_of(FAULTS, code.upper().removesuffix("_WARNING")) if kind is EventKind.FAULT else ""
