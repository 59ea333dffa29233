"""Cursors: the place between two rows of a sorted list, as a text for URLs. Pages are read by key, never by offset."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64encode
from math import inf, isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIMITS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_MAX_LENGTH = 2000


class Cursor(NamedTuple):
    """The key of a row, and whether the rows before it are read instead of those after it."""

    key: tuple[Any, ...]
    backwards: bool = False

    def text(self) -> str:
        """Return it for a URL."""
        values = ["inf" if value == inf else value for value in self.key]
        return urlsafe_b64encode(json.dumps([int(self.backwards), *values]).encode()).decode().rstrip("=")


def parse_cursor(text: str, types: Sequence[str]) -> Cursor:
    """Return the cursor of a URL with a key of these column types; raises `ConfigError` if it is none.

    >>> parse_cursor(Cursor((1, inf, 7), backwards=True).text(), ("smallint", "double precision", "integer"))
    Cursor(key=(1, inf, 7), backwards=True)
    """
    try:
        padded = text[:_MAX_LENGTH] + "=" * (-len(text) % 4)
        backwards, *values = json.loads(b64decode(padded, "-_", validate=True))
        if type(backwards) is int and backwards in (0, 1):
            key = tuple(_value(value, kind) for value, kind in zip(values, types, strict=True))
            return Cursor(key, bool(backwards))
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass  # reported below
    raise ConfigError("the address names no place in this list; begin at its first page")


def _value(value: object, kind: str) -> object:
    """Return a value of a column type; raises `ValueError` for any other."""
    if kind == "text" and isinstance(value, str):
        value.encode()
        if "\0" not in value:
            return value
    elif kind == "double precision":
        number = inf if value == "inf" else value
        if type(number) in {int, float} and not isnan(number):  # type: ignore[arg-type]
            return float(number)  # type: ignore[arg-type]
    elif kind in _LIMITS and type(value) is int and -_LIMITS[kind] <= value < _LIMITS[kind]:
        return value
    raise ValueError(kind)
