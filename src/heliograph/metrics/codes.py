"""Fault and warning codes: which values mean that there is none, and tables of their texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_NONE = frozenset(("", "0", "00", "0000", "0x0", "0x00000000", "none", "normal", "ok", "-1", "--"))


class CodeText(NamedTuple):
    """The text of a code, and where it was published."""

    text: str
    evidence: str


def present_code(value: float | str | None) -> str:
    """Return a fault or warning code as text; empty if the device reports that there is none.

    >>> present_code(302.0), present_code("0.0"), present_code(" 25 "), present_code("None"), present_code(None)
    ('302', '', '25', '', '')
    """
    if value is None:
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value).strip()
    text = text.removesuffix(".0")
    return "" if text.lower() in _NONE else text


def text_of(texts: Mapping[str, CodeText], code: str) -> str:
    """Return the text of a code; empty for an unknown one."""
    return texts[code].text if code in texts else ""
