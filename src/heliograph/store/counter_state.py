"""The state of the energy counters as stored: JSON with a checksum that detects damage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Mapping


def counter_state_text(state: Mapping[str, Any]) -> str:
    """Return the state of counters as JSON, with a checksum that detects damage.

    >>> counter_state_text({"at": 1})
    '{"at": 1, "check": 1726811257}'
    """
    return json.dumps({**state, "check": crc32(json.dumps(dict(state)).encode())})


def parse_counter_state(text: str) -> dict[str, Any] | None:
    """Return the state of counters; None if it is damaged. Earlier versions stored no checksum.

    >>> parse_counter_state('{"at": 1, "check": 1726811257}'), parse_counter_state('{"at": 3, "check": 1726811257}')
    ({'at': 1}, None)
    """
    try:
        state = json.loads(text)
        check = state.pop("check", None)
    except (ValueError, RecursionError, AttributeError, TypeError):
        return None
    if not isinstance(state, dict) or check not in (None, crc32(json.dumps(state).encode())):
        return None
    return state
